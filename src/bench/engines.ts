/** The engines that are measured, each started the way its users start it, on spare ports of this machine. */
import { mkdirSync } from "node:fs";
import { connect } from "node:net";
import { join, resolve } from "node:path";
import { freePort, run, until } from "./processes.ts";
import type { Process } from "./processes.ts";

export interface RunningEngine {
  readonly name: string;
  /** Where clients of the leader (or primary) connect. */
  readonly port: number;
  /** All server processes, the leader's first. */
  readonly processes: readonly Process[];
  /** How many times the leader has waited for its disk, where the engine tells. */
  fsyncs?(): Promise<number>;
  stop(): Promise<void>;
}

const MAIN = resolve(import.meta.dirname, "../cli/main.js");
const READY_MS = 20_000;

/** `nodes` processes of Quorate; the port is the leader's. Without a `folder` it keeps nothing. `founded`: the folder holds a cluster already. */
export async function startQuorate(
  folder: string | undefined,
  nodes: number,
  flags: readonly string[] = [],
  founded = false,
): Promise<RunningEngine & { readonly ports: readonly number[] }> {
  const { resp, http, peer } = await spareRange(nodes);
  const args = [
    "start",
    "--nodes",
    `${nodes}`,
    ...(folder === undefined ? [] : ["--data", folder]),
    "--port",
    `${resp}`,
    "--http-port",
    `${http}`,
  ];
  // The peer ports belong to a founded cluster's identity; it knows them.
  const peerPort = founded ? [] : ["--peer-port", `${peer}`];
  const parent = run("quorate", process.execPath, [MAIN, ...args, ...peerPort, ...flags]);
  const ports = Array.from({ length: nodes }, (_, at) => resp + at);
  try {
    const leader = await until("a leader of Quorate", READY_MS, () => quorateLeader(resp));
    const processes = leader.pids.map((pid, at) => ({
      name: at === 0 ? "leader" : "follower",
      pid,
      kill: (signal: NodeJS.Signals) => process.kill(pid, signal),
      stop: () => Promise.resolve(),
    }));
    return {
      name: "quorate",
      port: leader.port,
      ports,
      processes,
      fsyncs: () => counter(`http://${leader.http}/metrics`, "quorate_fsync_seconds_count"),
      stop: () => parent.stop(),
    };
  } catch (error) {
    await parent.stop();
    throw error;
  }
}

export interface QuorateLeader {
  readonly port: number;
  /** "host:port". */
  readonly http: string;
  /** Of all nodes, the leader's first. */
  readonly pids: number[];
}

/** From `quorate status --json`. */
export async function quorateLeader(port: number): Promise<QuorateLeader | undefined> {
  const { execFile } = await import("node:child_process");
  const output = await new Promise<string>((done, fail) => {
    const args = [MAIN, "status", "--json", "--url", `redis://127.0.0.1:${port}`];
    execFile(process.execPath, args, { timeout: 5_000 }, (error, stdout) =>
      error === null ? done(stdout) : fail(error),
    );
  });
  const status = JSON.parse(output) as {
    nodes: { id: string; pid: number | null; resp: string | null; http: string | null; role: string }[];
    groups: { leader?: string }[];
  };
  const leader = status.nodes.find((node) => node.role === "leader");
  if (leader === undefined || leader.resp === null || leader.http === null) return undefined;
  const pids = [leader, ...status.nodes.filter((node) => node !== leader)].map((node) => node.pid);
  // A node that was just killed is still named by its old process until its successor has greeted the others.
  if (!pids.every((pid) => pid !== null && isAlive(pid))) return undefined;
  const respPort = Number(leader.resp.slice(leader.resp.lastIndexOf(":") + 1));
  return { port: respPort, http: leader.http, pids: pids as number[] };
}

/** A sample of a page in the Prometheus text format; 0 when there is none, as in an engine that uses no disk. */
async function counter(url: string, name: string): Promise<number> {
  const page = await (await fetch(url)).text();
  const line = page.split("\n").find((text) => text.startsWith(`${name} `));
  return line === undefined ? 0 : Number(line.slice(name.length + 1));
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** A redis-server; with `replicas`, further ones that follow it asynchronously. */
export async function startRedis(
  folder: string,
  options: { readonly fsync: "always" | "none"; readonly replicas: number },
): Promise<RunningEngine> {
  const processes: Process[] = [];
  const port = await freePort();
  const start = async (at: number, ownPort: number): Promise<void> => {
    const home = join(folder, `redis-${at}`);
    mkdirSync(home, { recursive: true });
    const durable =
      options.fsync === "always"
        ? ["--appendonly", "yes", "--appendfsync", "always"]
        : ["--appendonly", "no"];
    const follow = at === 0 ? [] : ["--replicaof", "127.0.0.1", `${port}`];
    const fixed = ["--bind", "127.0.0.1", "--save", "", "--dir", home, "--port", `${ownPort}`];
    processes.push(run("redis-server", "redis-server", [...fixed, ...durable, ...follow]));
    await until("redis-server", READY_MS, () => answers(ownPort, "PING\r\n", "+PONG"));
  };
  await start(0, port);
  for (let at = 1; at <= options.replicas; at++) await start(at, await freePort());
  const expected = `connected_slaves:${options.replicas}`;
  await until("replicas of redis-server", READY_MS, () => answers(port, "INFO replication\r\n", expected));
  return { name: "redis", port, processes, stop: () => stopAll(processes) };
}

/** A three-member etcd; the port is the leader's client port. */
export async function startEtcd(
  folder: string,
): Promise<RunningEngine & { readonly endpoints: readonly string[] }> {
  const members: { name: string; client: number; peer: number }[] = [];
  for (const name of ["e1", "e2", "e3"])
    members.push({ name, client: await freePort(), peer: await freePort() });
  const cluster = members.map((member) => `${member.name}=http://127.0.0.1:${member.peer}`).join(",");
  const processes = members.map((member) => {
    const client = `http://127.0.0.1:${member.client}`;
    const peer = `http://127.0.0.1:${member.peer}`;
    const listen = [
      "--listen-client-urls",
      client,
      "--advertise-client-urls",
      client,
      "--listen-peer-urls",
      peer,
    ];
    const join3 = ["--initial-advertise-peer-urls", peer, "--initial-cluster", cluster];
    return run("etcd", "etcd", [
      "--name",
      member.name,
      "--data-dir",
      join(folder, member.name),
      ...listen,
      ...join3,
    ]);
  });
  const ordered = await until("a leader of etcd", READY_MS, async () => {
    const leads = await Promise.all(members.map((member) => leadsEtcd(member.client)));
    const leader = leads.indexOf(true);
    return leader < 0 ? undefined : leader;
  });
  const first = processes[ordered];
  const endpoints = members.map((member) => `127.0.0.1:${member.client}`);
  if (first === undefined) throw new Error("no leader of etcd");
  return {
    name: "etcd",
    port: members[ordered]?.client ?? 0,
    endpoints,
    fsyncs: () =>
      counter(`http://${endpoints[ordered]}/metrics`, "etcd_disk_wal_fsync_duration_seconds_count"),
    processes: [first, ...processes.filter((process) => process !== first)],
    stop: () => stopAll(processes),
  };
}

async function leadsEtcd(port: number): Promise<boolean> {
  const answer = await fetch(`http://127.0.0.1:${port}/v3/maintenance/status`, {
    method: "POST",
    body: "{}",
  });
  const status = (await answer.json()) as { leader?: string; header?: { member_id?: string } };
  return status.leader !== undefined && status.leader !== "0" && status.leader === status.header?.member_id;
}

async function stopAll(processes: readonly Process[]): Promise<void> {
  await Promise.all(processes.map((process) => process.stop()));
}

/** True when a RESP server's answer to `request` contains `expected`. */
export function answers(port: number, request: string, expected: string): Promise<boolean | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    let received = "";
    const finish = (value: boolean | undefined): void => {
      socket.destroy();
      resolve(value);
    };
    socket.setTimeout(1_000, () => finish(undefined));
    socket.on("error", () => finish(undefined));
    socket.on("connect", () => socket.write(request));
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
      if (received.includes(expected)) finish(true);
    });
    socket.on("close", () => finish(undefined));
  });
}

/** Three bases of ports, far enough apart for `nodes` nodes that count up. */
async function spareRange(nodes: number): Promise<{ resp: number; http: number; peer: number }> {
  const base = 20_000 + Math.floor(Math.random() * 10_000);
  for (let resp = base; resp < base + 20_000; resp += 100) {
    const wanted = [0, 30, 60].flatMap((offset) =>
      Array.from({ length: nodes }, (_, at) => resp + offset + at),
    );
    const free = await Promise.all(wanted.map(isFree));
    if (free.every(Boolean)) return { resp, http: resp + 30, peer: resp + 60 };
  }
  throw new Error("no range of free ports");
}

async function isFree(port: number): Promise<boolean> {
  const { createServer } = await import("node:net");
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
