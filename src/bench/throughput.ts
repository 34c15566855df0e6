/** Throughput and latency: the same load on each engine in turn, several rounds, medians and ratios of the same round. */
import { loadEtcd } from "./etcd-load.ts";
import type { RunningEngine } from "./engines.ts";
import type { LatencySummary } from "./latency.ts";
import { median } from "./latency.ts";
import { usage } from "./processes.ts";
import { loadResp } from "./redis-benchmark.ts";

export interface Contender {
  readonly label: string;
  readonly engine: RunningEngine;
  load(): Promise<LatencySummary>;
}

export interface Measured {
  readonly label: string;
  readonly opsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  /** Microseconds of processor per operation, one figure for each server process, the leader's first. */
  readonly cpuMicros: readonly number[];
  /** Of the leader; undefined when the engine does not tell, or waits for no disk. */
  readonly fsyncsPerThousand: number | undefined;
  /** The first contender's throughput over this one's, pair by pair: the median. */
  readonly ratio: number;
}

/**
 * Runs the contenders in turn, `rounds` times; the first is the one that the others are compared with. Before them comes a
 * round that does not count: the first run of another kind meets code and caches of the kind before.
 */
export async function alternate(
  contenders: readonly Contender[],
  rounds: number,
): Promise<readonly Measured[]> {
  for (const contender of contenders) await contender.load();
  const runs = contenders.map((): Run[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [at, contender] of contenders.entries()) runs[at]?.push(await measure(contender));
  }
  return contenders.map((contender, at) => {
    const own = runs[at] ?? [];
    const middle = (pick: (summary: LatencySummary) => number): number =>
      median(own.map((run) => pick(run.summary)));
    const ratios = own.map(
      (run, round) => (runs[0]?.[round]?.summary.opsPerSecond ?? 0) / run.summary.opsPerSecond,
    );
    return {
      label: contender.label,
      opsPerSecond: middle((summary) => summary.opsPerSecond),
      p50Ms: middle((summary) => summary.p50Ms),
      p99Ms: middle((summary) => summary.p99Ms),
      p999Ms: middle((summary) => summary.p999Ms),
      cpuMicros: contender.engine.processes.map((_, process) =>
        median(own.map((run) => run.cpuMicros[process] ?? 0)),
      ),
      fsyncsPerThousand: medianIfAny(own.map((run) => run.fsyncsPerThousand)),
      ratio: median(ratios),
    };
  });
}

interface Run {
  readonly summary: LatencySummary;
  readonly cpuMicros: readonly number[];
  readonly fsyncsPerThousand: number | undefined;
}

async function measure(contender: Contender): Promise<Run> {
  const { engine } = contender;
  const cpuBefore = engine.processes.map((process) => usage(process.pid).cpuSeconds);
  const fsyncsBefore = await engine.fsyncs?.();
  const startedMs = performance.now();
  const summary = await contender.load();
  const operations = (summary.opsPerSecond * (performance.now() - startedMs)) / 1000;
  const cpuMicros = engine.processes.map(
    (process, at) => ((usage(process.pid).cpuSeconds - (cpuBefore[at] ?? 0)) * 1e6) / operations,
  );
  const fsyncs = ((await engine.fsyncs?.()) ?? 0) - (fsyncsBefore ?? 0);
  return { summary, cpuMicros, fsyncsPerThousand: fsyncs === 0 ? undefined : (fsyncs * 1000) / operations };
}

function medianIfAny(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : median(known);
}

export interface LoadShape {
  readonly operation: "set" | "get";
  readonly connections: number;
  readonly pipeline: number;
  readonly requests: number;
}

const KEYS = 100_000;
const VALUE_BYTES = 64;

export function respContender(label: string, engine: RunningEngine, shape: LoadShape): Contender {
  return {
    label,
    engine,
    load: () => loadResp({ port: engine.port, ...shape, keys: KEYS, valueBytes: VALUE_BYTES }),
  };
}

export function etcdContender(
  label: string,
  engine: RunningEngine,
  operation: "put" | "range",
  connections: number,
  depth: number,
  requests: number,
): Contender {
  const endpoint = `127.0.0.1:${engine.port}`;
  const load = {
    endpoint,
    operation,
    connections,
    depth,
    requests,
    keys: KEYS,
    valueBytes: VALUE_BYTES,
  } as const;
  return { label, engine, load: () => loadEtcd(load) };
}
