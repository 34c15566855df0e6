/** What is not a rate: how long writes pause when the leader is killed, how long a restart takes, what a key costs. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createClient } from "redis";
import { putEtcd } from "./etcd-load.ts";
import type { RunningEngine } from "./engines.ts";
import { answers, quorateLeader, startEtcd, startQuorate, startRedis } from "./engines.ts";
import { median } from "./latency.ts";
import type { Finding } from "./page.ts";
import { until, usage } from "./processes.ts";
import { loadResp } from "./redis-benchmark.ts";

/** etcd's member is asked again after so long; a node of Quorate keeps a write until there is a leader. */
const ATTEMPT_MS = 250;
const GAP_GOAL_MS = 500;
const RESTART_GOAL_SECONDS = 10;
/** Of the memory that redis-server takes for the same. */
const MEMORY_GOAL = 3;
const STARTS = 11;
const START_GOAL_MS = 100;
const START_TIMEOUT_MS = 20_000;

export async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "quorate-bench-"));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Writes on a node that survives until one succeeds: milliseconds since the kill. */
async function gapAfter(kill: () => void, write: () => Promise<void>): Promise<number> {
  await write();
  const killedMs = performance.now();
  kill();
  for (;;) {
    try {
      await write();
      return performance.now() - killedMs;
    } catch {
      if (performance.now() - killedMs > 30_000) throw new Error("writes did not resume within 30 s");
    }
  }
}

/** `kill -9` of the leader, `times` over: how long until a write on another node succeeds. Default settings. */
export async function failOver(times: number, report: (finding: Finding) => void): Promise<void> {
  const quorate = await inFolder((folder) => quorateGaps(folder, times));
  report(gapFinding("Quorate, 3 nodes", quorate, GAP_GOAL_MS));
  const etcd: number[] = [];
  for (let round = 0; round < Math.max(3, times / 4); round++) etcd.push(await inFolder(etcdGap));
  report(gapFinding("etcd, 3 members", etcd));
}

function gapFinding(engine: string, gaps: readonly number[], goalMs?: number): Finding {
  const range = `${Math.min(...gaps).toFixed(0)} to ${Math.max(...gaps).toFixed(0)}`;
  const held = goalMs === undefined ? "" : `, goal ${goalMs}: ${verdict(median(gaps) <= goalMs)}`;
  const result = `median ${median(gaps).toFixed(0)} ms (${range}, ${gaps.length} kills${held})`;
  return { title: "writes resume after `kill -9` of the leader", engine, result };
}

/** The pauses of that many kills of a cluster of three that keeps its data in `folder`. */
export async function quorateGaps(
  folder: string,
  times: number,
  flags: readonly string[] = [],
): Promise<number[]> {
  const engine = await startQuorate(folder, 3, flags);
  const gaps: number[] = [];
  try {
    for (let round = 0; round < times; round++) {
      const leader = await until("a leader", 20_000, () => quorateLeader(engine.ports[round % 3] ?? 0));
      const survivor = engine.ports.find((port) => port !== leader.port) ?? 0;
      const client = createClient({ url: `redis://127.0.0.1:${survivor}` });
      client.on("error", () => undefined);
      await client.connect();
      const write = async (): Promise<void> => {
        await client.withAbortSignal(AbortSignal.timeout(30_000)).set("gap", `${round}`);
      };
      gaps.push(await gapAfter(() => process.kill(leader.pids[0] ?? 0, "SIGKILL"), write));
      client.destroy();
    }
  } finally {
    await engine.stop();
  }
  return gaps;
}

async function etcdGap(folder: string): Promise<number> {
  const engine = await startEtcd(folder);
  try {
    const survivor = engine.endpoints.find((endpoint) => !endpoint.endsWith(`:${engine.port}`)) ?? "";
    return await gapAfter(
      () => engine.processes[0]?.kill("SIGKILL"),
      () => putEtcd(survivor, "gap", "1", ATTEMPT_MS),
    );
  } finally {
    await engine.stop();
  }
}

/**
 * One durable node with `keys` 64-byte values: resident memory, and the time from start to the first answer. Then an engine
 * inside a program.
 */
export async function restart(keys: number, report: (finding: Finding) => void): Promise<void> {
  const title = `${keys.toLocaleString("en-US")} keys of 64 bytes`;
  let own = 0;
  await inFolder(async (folder) => {
    const first = await startQuorate(folder, 1);
    await fill(first.port, keys);
    own = residentMegabytes(first);
    report({
      title: `memory, ${title}`,
      engine: "Quorate, 1 node",
      result: `${Math.round(own)} MB resident`,
    });
    await first.stop();
    const startedMs = performance.now();
    const second = await startQuorate(folder, 1, [], true);
    const client = createClient({ url: `redis://127.0.0.1:${second.port}` });
    await client.connect();
    const found = await client.dbSize();
    const seconds = (performance.now() - startedMs) / 1000;
    client.destroy();
    await second.stop();
    const held = `goal ${RESTART_GOAL_SECONDS} s: ${verdict(seconds <= RESTART_GOAL_SECONDS)}`;
    report({
      title: `restart after a clean stop, ${title}`,
      engine: "Quorate, 1 node",
      result: `${seconds.toFixed(1)} s, ${found} keys found (${held})`,
    });
  });
  await inFolder(async (folder) => {
    const redis = await startRedis(folder, { fsync: "none", replicas: 0 });
    await fill(redis.port, keys);
    const theirs = residentMegabytes(redis);
    await redis.stop();
    const ratio = own / theirs;
    const compared = `${ratio.toFixed(2)} times this is Quorate's, goal below ${MEMORY_GOAL}: ${verdict(ratio < MEMORY_GOAL)}`;
    report({
      title: `memory, ${title}`,
      engine: "redis-server",
      result: `${Math.round(theirs)} MB resident (${compared})`,
    });
  });
  await inProgram(report);
}

/** `start()`, from the call to an engine that takes commands: the first of a process, as a test's file pays it, and the next one. */
async function inProgram(report: (finding: Finding) => void): Promise<void> {
  const program = fileURLToPath(new URL("start-times.js", import.meta.url));
  for (const data of ["memory", "directory"] as const) {
    const first: number[] = [];
    const second: number[] = [];
    for (let run = 0; run < STARTS; run++) {
      await inFolder(async (folder) => {
        const args = [program, data === "memory" ? data : folder];
        const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: START_TIMEOUT_MS });
        const [one = NaN, two = NaN] = stdout.split(" ").map(Number);
        first.push(one);
        second.push(two);
      });
    }
    const result = `median ${median(first).toFixed(0)} ms, at most ${Math.max(...first).toFixed(0)} ms`;
    const goal = `goal ${START_GOAL_MS}: ${verdict(median(first) <= START_GOAL_MS)}`;
    const next = `the next start of the same process ${median(second).toFixed(0)} ms`;
    report({
      title: `start in a program, one node, ${data === "memory" ? "in memory" : "on disk"}`,
      engine: "Quorate, 1 node",
      result: `${result} (${STARTS} processes, ${goal}); ${next}`,
    });
  }
}

function verdict(held: boolean): string {
  return held ? "met" : "missed";
}

function residentMegabytes({ processes }: RunningEngine): number {
  return usage(processes[0]?.pid ?? 0).residentBytes / 1e6;
}

/** Writes every key once, at least: redis-benchmark draws them at random, so the last ones come from a direct count. */
async function fill(port: number, keys: number): Promise<void> {
  const load = {
    port,
    operation: "set",
    connections: 50,
    pipeline: 16,
    requests: keys,
    keys,
    valueBytes: 64,
  } as const;
  await loadResp(load);
  const client = createClient({ url: `redis://127.0.0.1:${port}` });
  await client.connect();
  const value = "x".repeat(64);
  for (let from = 0; from < keys; from += 10_000) {
    const sets = Array.from({ length: Math.min(10_000, keys - from) }, (_, at) =>
      client.set(`key:${String(from + at).padStart(12, "0")}`, value),
    );
    await Promise.all(sets);
  }
  client.destroy();
  await until("the keys to settle", 10_000, () => answers(port, "PING\r\n", "+PONG"));
}
