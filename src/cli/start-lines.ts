/** What `quorate start` prints when its nodes run: lines to copy from. */
import { isLoopback } from "../engine/protocol/loopback.ts";
import { isWildcard, joinAddress } from "../runtime/node/address.ts";
import type { NodeConfig } from "./node-channel.ts";
import type { Paint } from "./style.ts";
import { formatDuration, formatTable } from "./style.ts";
import { packageVersion } from "./version.ts";

export interface Standing {
  readonly readiness: "led" | "waits for a majority" | "waits to be admitted";
  /** How many the cluster has, these nodes among them; undefined: they do not know. */
  readonly members: number | undefined;
}

export function startLines(
  configs: readonly NodeConfig[],
  tookMs: number,
  { readiness, members }: Standing,
  paint: Paint,
): string {
  const [first] = configs;
  if (!first) return "";
  // What the configuration tells is the cluster as it was founded, or joined.
  const known = Object.keys(first.members).length;
  const isNew = readiness === "waits to be admitted" && !(first.id in first.members);
  const ids = configs.map(({ id }) => id).join(" ");
  const whose = isNew ? `${ids}, not one of the ${known} yet` : `${ids} of ${members ?? known}`;
  const urls = (scheme: string, port: (config: NodeConfig) => number): string =>
    configs.map((config) => `${scheme}://${joinAddress(reachable(config), port(config))}`).join("  ");
  const password = first.password === undefined ? "" : " -a PASSWORD";
  const rows = [
    ["RESP", urls("redis", (config) => config.respPort)],
    ["HTTP", urls("http", (config) => config.httpPort)],
    ["files", `webhdfs://${joinAddress(reachable(first), first.httpPort)}  quorate fs put FILE /`],
    ["data", first.dataDir === "memory" ? "in memory only: gone when the nodes stop" : dataLine(configs)],
    ["nodes", `${whose}, ${first.consensus}, ${durabilityLine(first, !isNew && (members ?? known) === 1)}`],
    readiness === "waits to be admitted"
      ? ["admit", `quorate members ${isNew ? "add" : "replace"} ${first.id} --url URL`]
      : ["try", `redis-cli${hostFlag(first)} -p ${first.respPort}${password} set hello world`],
    ...openness(first).map(([name, line]) => [name, paint("yellow", line)]),
  ];
  const ready = readiness === "led" ? `ready in ${formatDuration(tookMs)}` : paint("yellow", readiness);
  const hint = process.stdin.isTTY ? paint("dim", "  press h for help, Ctrl-C to stop") : "";
  const lines = formatTable(rows.map(([name = "", value = ""]) => [`  ${paint("bold", name)}`, value]));
  return `\n  ${paint("green", `Quorate ${packageVersion()}`)} ${ready}${hint}\n\n${lines}\n\n`;
}

/** What a node that other machines reach does not ask of them. */
function openness({
  host,
  password,
  protectedMode,
  secret,
}: NodeConfig): readonly (readonly [string, string])[] {
  if (host === "localhost" || isLoopback(host)) return [];
  const access = protectedMode
    ? "from this machine only: there is no --password (--protected-mode no lets other machines in)"
    : "for all who reach this machine: there is no --password, and --protected-mode is no";
  const files = protectedMode
    ? "from this machine only: who asks for files is believed (--protected-mode no lets other machines in)"
    : "for all who reach this machine, under any name: --protected-mode is no";
  return [
    ...(password === undefined ? [["access", access] as const] : []),
    ["files", files] as const,
    ...(secret === undefined
      ? [["peers", "whoever reaches the peer port is believed: no --secret"] as const]
      : []),
  ];
}

function dataLine(configs: readonly NodeConfig[]): string {
  const root = (configs[0]?.dataDir ?? "").replace(/\/[^/]+$/, "");
  return configs.length === 1
    ? (configs[0]?.dataDir ?? "")
    : `${root}/{${configs.map(({ id }) => id).join(",")}}`;
}

function durabilityLine({ durability, dataDir }: NodeConfig, isAlone: boolean): string {
  const where = isAlone ? "here" : "on a majority";
  if (dataDir === "memory" || durability === "memory") return `memory: acknowledged when held ${where}`;
  if (durability === "everysec") return `everysec: acknowledged when held ${where}, on disk within a second`;
  return `always: acknowledged when on disk ${where}`;
}

function reachable({ host, advertiseHost }: NodeConfig): string {
  return advertiseHost ?? (isWildcard(host) ? "127.0.0.1" : host);
}

function hostFlag(config: NodeConfig): string {
  const name = reachable(config);
  return name === "127.0.0.1" || name === "localhost" ? "" : ` -h ${name}`;
}
