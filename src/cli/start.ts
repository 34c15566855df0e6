/** `quorate start`: one node or a supervised local cluster, five lines to copy from, keys, and a clean end. */
import { isIP } from "node:net";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { ALGORITHMS } from "../consensus/algorithm-names.ts";
import { QuorateError } from "../runtime/errors.ts";
import { isWildcard } from "../runtime/node/address.ts";
import { LOG_LEVELS } from "../runtime/node/logger.ts";
import type { ClusterFile } from "./cluster-file.ts";
import { noteInhabited } from "./cluster-file.ts";
import { CTRL_C, onKeys } from "./keys.ts";
import type { NodeConfig } from "./node-channel.ts";
import type { Settings } from "./plan.ts";
import { DEFAULT_RACK, NODES_RANGE, planJoin, planLocalCluster, planMember } from "./plan.ts";
import type { Standing } from "./start-lines.ts";
import { startLines } from "./start-lines.ts";
import { fetchStatus } from "./status.ts";
import type { Paint } from "./style.ts";
import { formatDuration, paintFor } from "./style.ts";
import type { SupervisorEvent } from "./supervisor.ts";
import { Supervisor } from "./supervisor.ts";
import type { Call } from "./verb.ts";

/** How long the five lines wait for a leader; they are printed without one then, with a remark. */
const LEADER_TIMEOUT_MS = 5000;
const PORT_RANGE = { min: 0, max: 65_535 } as const;
const INTERRUPTED_EXIT = 130;
const HOST_NAME = /^[\w-]+(\.[\w-]+)*$/;

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
    const standing = await waitUntilLed(supervisor, configs, end.wasAsked);
    process.stdout.write(startLines(configs, performance.now() - startedMs, standing, paint));
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
    advertiseHost: advertiseHost(call.text("advertise-host")),
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
    const nodes = call.integer("nodes", NODES_RANGE) ?? 1;
    return planLocalCluster({ ...shared, nodes, host: call.text("host") ?? "127.0.0.1" });
  }
  if (name === undefined || cluster === undefined) {
    throw new QuorateError("USAGE", "--name and --cluster belong together");
  }
  if (call.has("nodes"))
    throw new QuorateError("USAGE", "--nodes starts local nodes; leave it out with --cluster");
  return [await planMember({ ...shared, name, cluster, host: call.text("host") })];
}

function advertiseHost(host: string | undefined): string | undefined {
  const isHost = host !== undefined && (isIP(host) !== 0 || HOST_NAME.test(host)) && !isWildcard(host);
  if (host === undefined || isHost) return host;
  throw new QuorateError("USAGE", `--advertise-host is a name or an address, without a port, not "${host}"`);
}

function browserNames(list: string): readonly string[] {
  const names = list === "" ? [] : list.split(",");
  const odd = names.find((name) => !HOST_NAME.test(name));
  if (odd === undefined) return names;
  throw new QuorateError("USAGE", `--browser-names are names of hosts, without ports, not "${odd}"`);
}

/** A path of the topology. */
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

async function waitUntilLed(
  supervisor: Supervisor,
  configs: readonly NodeConfig[],
  giveUp: () => boolean,
): Promise<Standing> {
  const deadline = performance.now() + LEADER_TIMEOUT_MS;
  for (;;) {
    const briefs = await Promise.all(configs.map(({ id }) => supervisor.ask(id)));
    const led = briefs.find((brief) => brief?.leader !== undefined && !brief.newcomer);
    if (led !== undefined) return { readiness: "led", members: led.members };
    const waits = briefs.every((brief) => brief?.newcomer === true);
    const isOver = performance.now() > deadline || giveUp();
    if (waits && (isOver || configs.every(({ beginsAs }) => beginsAs === "newcomer"))) {
      return { readiness: "waits to be admitted", members: undefined };
    }
    if (isOver) {
      const members = briefs.find((brief) => brief?.members !== undefined)?.members;
      return { readiness: "waits for a majority", members };
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
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
      process.stderr.write(`${paint("yellow", `${event.id} ${event.how}, ${next}`)}\n`);
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
