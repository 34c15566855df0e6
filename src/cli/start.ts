/** `quorate start`: one node or a supervised local cluster, five lines to copy from, keys, and a clean end. */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { ALGORITHMS } from "../consensus/algorithm-names.ts";
import { QuorateError } from "../runtime/errors.ts";
import { LOG_LEVELS } from "../runtime/node/logger.ts";
import { isLoopback } from "../engine/protocol/loopback.ts";
import { joinAddress } from "../runtime/node/address.ts";
import type { ClusterFile } from "./cluster-file.ts";
import { noteInhabited } from "./cluster-file.ts";
import { CTRL_C, onKeys } from "./keys.ts";
import type { NodeConfig } from "./node-channel.ts";
import type { Settings } from "./plan.ts";
import { DEFAULT_RACK, planJoin, planLocalCluster, planMember } from "./plan.ts";
import { fetchStatus } from "./status.ts";
import type { Paint } from "./style.ts";
import { formatDuration, formatTable, paintFor } from "./style.ts";
import type { SupervisorEvent } from "./supervisor.ts";
import { Supervisor } from "./supervisor.ts";
import type { Call } from "./verb.ts";
import { packageVersion } from "./version.ts";

/** How long the five lines wait for a leader; they are printed without one then, with a remark. */
const LEADER_TIMEOUT_MS = 5000;
const PORT_RANGE = { min: 0, max: 65_535 } as const;
const INTERRUPTED_EXIT = 130;

/** The program that a node process runs: this one. */
export const NODE_ENTRY: string = fileURLToPath(new URL("main.js", import.meta.url));

export async function start(call: Call): Promise<number> {
  const configs = await planFrom(call);
  const paint = paintFor(process.stdout);
  const supervisor = new Supervisor({
    nodes: configs,
    entry: NODE_ENTRY,
    restart: !call.has("no-restart"),
    onEvent: (event) => {
      if (event.type === "empty") return end.giveUp();
      if (event.type === "up") rememberHome(configs, event.id);
      showEvent(event, paint);
    },
  });
  const end = untilAskedToStop(supervisor);
  const startedMs = performance.now();
  await Promise.race([supervisor.start(), end.asked]);
  if (!end.wasAsked()) {
    const readiness = await waitUntilLed(supervisor, configs, end.wasAsked);
    process.stdout.write(banner(configs, performance.now() - startedMs, readiness, paint));
    const releaseKeys = onKeys(process.stdin, (key) => pressed(key, supervisor, end.ask, paint));
    await end.asked;
    releaseKeys();
  }
  await supervisor.stop();
  end.release();
  return end.exitCode();
}

/** What could not be written down is no reason to stop a node that runs. */
function rememberHome(configs: readonly NodeConfig[], id: string): void {
  const config = configs.find((each) => each.id === id);
  if (config === undefined || config.dataDir === "memory") return;
  try {
    noteInhabited(dirname(config.dataDir), id);
  } catch (error) {
    process.stderr.write(`quorate: ${error instanceof Error ? error.message : String(error)}\n`);
  }
}

async function planFrom(call: Call): Promise<readonly NodeConfig[]> {
  const name = call.text("name");
  const cluster = call.text("cluster");
  const durability = call.choice("durability", ["always", "everysec", "memory"]) ?? "always";
  if (durability === "memory" && call.has("data")) {
    throw new QuorateError("USAGE", "--durability memory keeps nothing on disk; leave --data out");
  }
  const settings: Settings = {
    consensus: call.choice("consensus", ALGORITHMS),
    durability,
    readMode: call.choice("read-mode", ["barrier", "lease"]) ?? "barrier",
    password: call.text("password"),
    protectedMode: call.choice("protected-mode", ["yes", "no"]) !== "no",
    browserNames: browserNames(call.text("browser-names") ?? ""),
    secret: call.text("secret"),
    rack: rackOf(call.text("rack") ?? DEFAULT_RACK),
    cacheWrites: call.has("cache-writes"),
    scrubBandwidth: call.bytes("scrub-rate"),
    slots: call.integer("slots", { min: 0, max: 1024 }),
    logLevel: call.choice("log-level", LOG_LEVELS) ?? "warn",
    logFormat: process.stderr.isTTY ? "pretty" : "json",
  };
  const shared = {
    respPort: call.integer("port", PORT_RANGE),
    httpPort: call.integer("http-port", PORT_RANGE),
    peerPort: call.integer("peer-port", PORT_RANGE),
    data: call.text("data") ?? (durability === "memory" ? "memory" : "quorate-data"),
    settings,
  };
  const join = call.text("join");
  if (join !== undefined) {
    if (name === undefined || cluster !== undefined || call.has("nodes")) {
      throw new QuorateError("USAGE", "--join belongs together with --name, without --cluster and --nodes");
    }
    if (!/^rediss?:\/\/\S+$/.test(join)) {
      throw new QuorateError("USAGE", `--join must be redis://host:port of any node, not "${join}"`);
    }
    const host = call.text("host") ?? "127.0.0.1";
    const ask = (): Promise<ClusterFile> => askCluster(join, settings.password);
    return [await planJoin({ ...shared, name, host, peerAddress: call.text("peer-address"), ask })];
  }
  if (call.has("peer-address"))
    throw new QuorateError("USAGE", "--peer-address belongs together with --join");
  if (name === undefined && cluster === undefined) {
    const nodes = Number(call.choice("nodes", ["1", "3", "5", "7"]) ?? 1);
    return planLocalCluster({ ...shared, nodes, host: call.text("host") ?? "127.0.0.1" });
  }
  if (name === undefined || cluster === undefined) {
    throw new QuorateError("USAGE", "--name and --cluster belong together");
  }
  if (call.has("nodes"))
    throw new QuorateError("USAGE", "--nodes starts local nodes; leave it out with --cluster");
  return [await planMember({ ...shared, name, cluster, host: call.text("host") })];
}

/** A path of the topology. */
function browserNames(list: string): readonly string[] {
  const names = list === "" ? [] : list.split(",");
  const odd = names.find((name) => !/^[\w-]+(\.[\w-]+)*$/.test(name));
  if (odd === undefined) return names;
  throw new QuorateError("USAGE", `--browser-names are names of hosts, without ports, not "${odd}"`);
}

function rackOf(path: string): string {
  if (/^(\/[\w.-]{1,64}){1,8}$/.test(path)) return path;
  throw new QuorateError("USAGE", `--rack must be a path such as /dc1/rack2, not "${path}"`);
}

/** What a newcomer must know of the cluster, from any of its nodes. */
async function askCluster(url: string, password: string | undefined): Promise<ClusterFile> {
  const { cluster, nodes, groups } = await fetchStatus(url, password);
  const consensus = groups[0]?.algorithm;
  return {
    clusterId: cluster,
    consensus,
    members: Object.fromEntries(nodes.map(({ id, peer }) => [id, peer])),
  };
}

type Readiness = "led" | "waits for a majority" | "waits to be admitted";

async function waitUntilLed(
  supervisor: Supervisor,
  configs: readonly NodeConfig[],
  giveUp: () => boolean,
): Promise<Readiness> {
  const deadline = performance.now() + LEADER_TIMEOUT_MS;
  for (;;) {
    const briefs = await Promise.all(configs.map(({ id }) => supervisor.ask(id)));
    if (briefs.some((brief) => brief?.leader !== undefined && !brief.newcomer)) return "led";
    const waits = briefs.every((brief) => brief?.newcomer === true);
    if (waits && configs.every(({ beginsAs }) => beginsAs === "newcomer")) return "waits to be admitted";
    if (performance.now() > deadline || giveUp()) {
      return waits ? "waits to be admitted" : "waits for a majority";
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function banner(configs: readonly NodeConfig[], tookMs: number, readiness: Readiness, paint: Paint): string {
  const [first] = configs;
  if (!first) return "";
  const urls = (scheme: string, port: (config: NodeConfig) => number): string =>
    configs.map((config) => `${scheme}://${joinAddress(reachable(config.host), port(config))}`).join("  ");
  const count = Object.keys(first.members).length;
  const password = first.password === undefined ? "" : " -a PASSWORD";
  const rows = [
    ["RESP", urls("redis", (config) => config.respPort)],
    ["HTTP", urls("http", (config) => config.httpPort)],
    ["files", `webhdfs://${joinAddress(reachable(first.host), first.httpPort)}  quorate fs put FILE /`],
    ["data", first.dataDir === "memory" ? "in memory only: gone when the nodes stop" : dataLine(configs)],
    [
      "nodes",
      `${configs.map(({ id }) => id).join(" ")} of ${count}, ${first.consensus}, ${durabilityLine(first)}`,
    ],
    readiness === "waits to be admitted"
      ? ["admit", `quorate members ${first.id in first.members ? "replace" : "add"} ${first.id} --url URL`]
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

function durabilityLine({ durability, members, dataDir }: NodeConfig): string {
  const where = Object.keys(members).length === 1 ? "here" : "on a majority";
  if (dataDir === "memory" || durability === "memory") return `memory: acknowledged when held ${where}`;
  if (durability === "everysec") return `everysec: acknowledged when held ${where}, on disk within a second`;
  return `always: acknowledged when on disk ${where}`;
}

function reachable(host: string): string {
  return host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
}

function hostFlag({ host }: NodeConfig): string {
  const name = reachable(host);
  return name === "127.0.0.1" || name === "localhost" ? "" : ` -h ${name}`;
}

function showEvent(event: Exclude<SupervisorEvent, { type: "empty" }>, paint: Paint): void {
  switch (event.type) {
    case "output":
      process.stderr.write(`${paint("dim", `${event.id} |`)} ${event.line}\n`);
      return;
    case "up":
      return;
    case "died": {
      const next =
        event.restartMs === undefined ? "not started again" : `starting again in ${event.restartMs} ms`;
      process.stderr.write(`${paint("yellow", `${event.id} ended (${event.how}), ${next}`)}\n`);
      return;
    }
    case "failed":
      process.stderr.write(`${paint("red", `${event.id} cannot run: ${event.error.message}`)}\n`);
      return;
  }
}

const KEY_HELP = "  h help   s status   k kill the leader (it comes back)   q quit\n";

function pressed(key: string, supervisor: Supervisor, stop: () => void, paint: Paint): void {
  if (key === "h") process.stdout.write(KEY_HELP);
  else if (key === "q" || key === CTRL_C) stop();
  else if (key === "k") void killLeader(supervisor, paint);
  else if (key === "s") void showLeader(supervisor);
}

async function waitForLeader(supervisor: Supervisor): Promise<string | undefined> {
  const deadline = performance.now() + LEADER_TIMEOUT_MS;
  while (performance.now() < deadline) {
    const leader = await supervisor.leader();
    if (leader) return leader.id;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return undefined;
}

async function killLeader(supervisor: Supervisor, paint: Paint): Promise<void> {
  const leader = await supervisor.leader();
  if (!leader) {
    process.stdout.write("  nobody leads at present\n");
    return;
  }
  supervisor.kill(leader.id);
  process.stdout.write(`  ${paint("red", `killed ${leader.id}`)}, the leader of term ${leader.term}\n`);
  const killedMs = performance.now();
  const next = await waitForLeader(supervisor);
  const took = formatDuration(performance.now() - killedMs);
  process.stdout.write(next ? `  ${next} leads after ${took}\n` : `  nobody leads after ${took}\n`);
}

async function showLeader(supervisor: Supervisor): Promise<void> {
  const leader = await supervisor.leader();
  process.stdout.write(
    leader ? `  ${leader.id} leads in term ${leader.term}\n` : "  nobody leads at present\n",
  );
}

/** Ctrl-C and SIGTERM once: a clean stop; again: everything is killed. */
function untilAskedToStop(supervisor: Supervisor): {
  readonly asked: Promise<void>;
  readonly ask: () => void;
  readonly wasAsked: () => boolean;
  /** Nothing is left to supervise. */
  readonly giveUp: () => void;
  readonly exitCode: () => number;
  readonly release: () => void;
} {
  let count = 0;
  let gaveUp = false;
  let resolveAsked: () => void = () => undefined;
  const asked = new Promise<void>((resolve) => (resolveAsked = resolve));
  const ask = (): void => {
    count++;
    if (count === 1) {
      process.stderr.write("stopping; once more kills\n");
      resolveAsked();
    } else {
      supervisor.killAll();
    }
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.on(signal, ask);
  return {
    asked,
    ask,
    wasAsked: () => count > 0 || gaveUp,
    giveUp: () => {
      gaveUp = true;
      resolveAsked();
    },
    exitCode: () => (count > 1 ? INTERRUPTED_EXIT : Number(gaveUp)),
    release: () => {
      for (const signal of signals) process.off(signal, ask);
    },
  };
}
