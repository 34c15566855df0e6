/** The comparisons of the benchmark: what is measured beside what, and the goal that each ratio is held against. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RunningEngine } from "./engines.ts";
import { startEtcd, startQuorate, startRedis } from "./engines.ts";
import { loadResp } from "./redis-benchmark.ts";
import type { Measured } from "./throughput.ts";
import { alternate, etcdContender, respContender } from "./throughput.ts";

export interface Comparison {
  readonly title: string;
  /** Least ratio of Quorate to each peer that the project aims at, by the peer's label. */
  readonly goals: Readonly<Record<string, number>>;
  /** Whose throughput the ratios are of: the first one's. Default "Quorate". */
  readonly compared?: string;
  /** In place of goals: how far the ratio may be from 1, as a fraction. */
  readonly within?: number;
  readonly measured: readonly Measured[];
}

export interface Extent {
  readonly rounds: number;
  /** Multiplies the number of requests. */
  readonly scale: number;
}

/** Starts the engines that `use` needs and stops them whatever happens. */
export async function withEngines<T>(
  start: (folder: string, own: <E extends RunningEngine>(engine: Promise<E>) => Promise<E>) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "quorate-bench-"));
  const started: RunningEngine[] = [];
  const own = async <E extends RunningEngine>(engine: Promise<E>): Promise<E> => {
    const running = await engine;
    started.push(running);
    return running;
  };
  try {
    return await start(folder, own);
  } finally {
    await Promise.all(started.map((engine) => engine.stop()));
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Three processes, every write durable on a majority, beside etcd and redis-server. */
export function durableCluster(extent: Extent, report: (comparison: Comparison) => void): Promise<void> {
  return withEngines(async (folder, own) => {
    const quorate = await own(startQuorate(join(folder, "quorate"), 3));
    const etcd = await own(startEtcd(join(folder, "etcd")));
    const redis = await own(startRedis(join(folder, "redis"), { fsync: "always", replicas: 2 }));
    await warmUp(quorate);
    await warmUp(redis);
    const requests = (count: number): number => Math.round(count * extent.scale);
    for (const connections of [1, 64, 256]) {
      const many = connections > 1;
      const shape = {
        operation: "set",
        connections,
        pipeline: 1,
        requests: requests(many ? 200_000 : 5_000),
      } as const;
      const contenders = [
        respContender("Quorate, 3 nodes", quorate, shape),
        etcdContender("etcd PUT", etcd, "put", connections, 1, requests(many ? 20_000 : 2_000)),
        respContender("redis, fsync always + 2 async replicas", redis, shape),
      ];
      if (connections === 256)
        contenders.splice(2, 0, etcdContender("etcd PUT, 8 x 32", etcd, "put", 8, 32, requests(30_000)));
      const goals: Record<string, number> = many
        ? { "etcd PUT": 3, "etcd PUT, 8 x 32": 2, "redis, fsync always + 2 async replicas": 0.8 }
        : { "etcd PUT": 1 };
      report({
        title: `SET, ${clients(connections)}`,
        goals,
        measured: await alternate(contenders, extent.rounds),
      });
    }
    for (const connections of [1, 64, 256]) {
      const many = connections > 1;
      const shape = {
        operation: "get",
        connections,
        pipeline: 1,
        requests: requests(many ? 200_000 : 10_000),
      } as const;
      const contenders = [
        respContender("Quorate, 3 nodes", quorate, shape),
        etcdContender(
          "etcd linearizable range",
          etcd,
          "range",
          connections,
          1,
          requests(many ? 30_000 : 3_000),
        ),
        respContender("redis, fsync always + 2 async replicas", redis, shape),
      ];
      const goals = {
        "etcd linearizable range": many ? 4 : 1,
        "redis, fsync always + 2 async replicas": many ? 0.8 : 0,
      };
      report({
        title: `GET, ${clients(connections)}`,
        goals,
        measured: await alternate(contenders, extent.rounds),
      });
    }
    const deep = { operation: "set", connections: 64, pipeline: 16, requests: requests(1_000_000) } as const;
    const contenders = [
      respContender("Quorate, 3 nodes", quorate, deep),
      respContender("redis, fsync always + 2 async replicas", redis, deep),
    ];
    const goals = { "redis, fsync always + 2 async replicas": 0.9 };
    report({
      title: "SET, 64 clients, 16 deep",
      goals,
      measured: await alternate(contenders, extent.rounds),
    });
  });
}

/** One node that keeps nothing on disk beside redis-server without persistence. */
export function memoryNode(extent: Extent, report: (comparison: Comparison) => void): Promise<void> {
  return withEngines(async (folder, own) => {
    const quorate = await own(startQuorate(undefined, 1, ["--durability", "memory"]));
    const redis = await own(startRedis(join(folder, "redis"), { fsync: "none", replicas: 0 }));
    await warmUp(quorate);
    await warmUp(redis);
    for (const pipeline of [1, 16]) {
      for (const operation of ["set", "get"] as const) {
        const count = Math.round((pipeline === 1 ? 300_000 : 1_500_000) * extent.scale);
        const shape = { operation, connections: 50, pipeline, requests: count };
        const contenders = [
          respContender("Quorate, 1 node, memory", quorate, shape),
          respContender("redis, no persistence", redis, shape),
        ];
        const title = `${operation.toUpperCase()}, one node in memory, 50 clients, ${pipeline} deep`;
        const goals = { "redis, no persistence": pipeline === 1 ? 0.8 : 0.7 };
        report({ title, goals, measured: await alternate(contenders, extent.rounds) });
      }
    }
  });
}

/** A server is measured as it runs all day: compiled code, filled caches. It takes some half a million commands until it is. */
export async function warmUp({ port }: RunningEngine): Promise<void> {
  for (const operation of ["set", "get"] as const) {
    for (const pipeline of [1, 16]) {
      const load = { port, operation, connections: 64, pipeline, requests: 300_000 };
      await loadResp({ ...load, keys: 100_000, valueBytes: 64 });
    }
  }
}

export function clients(connections: number): string {
  return connections === 1 ? "one client" : `${connections} clients`;
}
