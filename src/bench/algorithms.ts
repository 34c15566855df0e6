/** The algorithms that keep the log, beside each other: the steady path, and what each does when something is wrong. */
import { execFile } from "node:child_process";
import { join, resolve } from "node:path";
import { ALGORITHMS } from "../consensus/algorithm-names.ts";
import type { Algorithm } from "../consensus/algorithm-names.ts";
import { quorateLeader, startQuorate } from "./engines.ts";
import { median } from "./latency.ts";
import type { Measurement } from "./page.ts";
import { figure } from "./plot.ts";
import { until } from "./processes.ts";
import { inFolder, quorateGaps } from "./recovery.ts";
import { loadResp } from "./redis-benchmark.ts";
import type { Comparison, Extent } from "./suites.ts";
import { clients, warmUp, withEngines } from "./suites.ts";
import { alternate, respContender } from "./throughput.ts";

const MAIN = resolve(import.meta.dirname, "../cli/main.js");
const FLAGS = (algorithm: Algorithm): readonly string[] => ["--consensus", algorithm];
/** The design's goal: the choice is not one of speed. */
const WITHIN = 0.1;

/** A cluster of three for each, both up, loaded in turn. */
export function steadyPath(extent: Extent, report: (comparison: Comparison) => void): Promise<void> {
  return withEngines(async (folder, own) => {
    const engines: { algorithm: Algorithm; engine: Awaited<ReturnType<typeof startQuorate>> }[] = [];
    for (const algorithm of ALGORITHMS) {
      const engine = await own(startQuorate(join(folder, algorithm), 3, FLAGS(algorithm)));
      await warmUp(engine);
      engines.push({ algorithm, engine });
    }
    for (const [connections, pipeline, count] of [
      [1, 1, 5_000],
      [64, 1, 100_000],
      [256, 1, 100_000],
      [64, 16, 400_000],
    ] as const) {
      const shape = {
        operation: "set",
        connections,
        pipeline,
        requests: Math.round(count * extent.scale),
      } as const;
      const contenders = engines.map(({ algorithm, engine }) => respContender(algorithm, engine, shape));
      const deep = pipeline === 1 ? "" : `, ${pipeline} deep`;
      const title = `SET, 3 nodes, ${clients(connections)}${deep}`;
      const measured = await alternate(contenders, extent.rounds);
      report({ title, goals: {}, compared: ALGORITHMS[0], within: WITHIN, measured });
    }
  });
}

/** `kill -9` of the leader, and the pause of writes at another node. */
export async function failOverGaps(kills: number): Promise<Measurement> {
  const gaps = new Map<Algorithm, number[]>(ALGORITHMS.map((algorithm) => [algorithm, []]));
  // In turn, so that what the machine does meanwhile hits all alike.
  const turns = 2;
  for (let turn = 0; turn < turns; turn++) {
    for (const algorithm of ALGORITHMS) {
      const found = await inFolder((folder) =>
        quorateGaps(folder, Math.ceil(kills / turns), FLAGS(algorithm)),
      );
      gaps.get(algorithm)?.push(...found);
    }
  }
  return measurementOf(
    "Writes resume after the leader is killed",
    "`kill -9` of a process: its links break, which the others take as a hint to campaign at once.",
    [...gaps].map(([algorithm, values]) => ({ setting: "kill -9", algorithm, values })),
  );
}

const MISSED_WRITES = 100_000;
const CATCH_UP_MS = 120_000;

/** A follower is stopped (SIGSTOP) while the others take writes, and goes on: until it lacks nothing any more. */
export async function laggingReplica(rounds: number): Promise<Measurement> {
  const found: Sample[] = ALGORITHMS.map((algorithm) => ({
    setting: `${MISSED_WRITES.toLocaleString("en-US")} writes missed`,
    algorithm,
    values: [] as number[],
  }));
  for (let round = 0; round < rounds; round++) {
    for (const { algorithm, values } of found)
      values.push(await inFolder((folder) => lag(folder, algorithm)));
  }
  return measurementOf(
    "A lagging replica has caught up",
    `A follower's process is stopped while ${MISSED_WRITES.toLocaleString("en-US")} SETs of 64 bytes are made, and goes on: milliseconds until it lacks nothing.`,
    found,
  );
}

async function lag(folder: string, algorithm: Algorithm): Promise<number> {
  const engine = await startQuorate(folder, 3, FLAGS(algorithm));
  try {
    const leader = await until("a leader", 20_000, () => quorateLeader(engine.port));
    const stopped = leader.pids[1] ?? 0;
    process.kill(stopped, "SIGSTOP");
    let continuedMs: number;
    try {
      await loadResp({
        port: leader.port,
        operation: "set",
        connections: 64,
        pipeline: 16,
        requests: MISSED_WRITES,
        keys: 100_000,
        valueBytes: 64,
      });
    } finally {
      process.kill(stopped, "SIGCONT");
      continuedMs = performance.now();
    }
    await until("the follower to catch up", CATCH_UP_MS, async () => {
      const status = (await (await fetch(`http://${leader.http}/status`)).json()) as {
        nodes: { pid: number | null; lag: number | null; role: string }[];
      };
      const node = status.nodes.find(({ pid }) => pid === stopped);
      return (node?.lag === 0 && node.role !== "unreachable") || undefined;
    });
    return performance.now() - continuedMs;
  } finally {
    await engine.stop();
  }
}

interface Sample {
  readonly setting: string;
  readonly algorithm: Algorithm;
  readonly values: number[];
}

function measurementOf(title: string, note: string, samples: readonly Sample[]): Measurement {
  return {
    title,
    unit: "ms",
    note,
    headings: ["what", "algorithm", "median ms", "least", "most", "times"],
    rows: samples.map(({ setting, algorithm, values }) => [
      setting,
      algorithm,
      ...[median(values), Math.min(...values), Math.max(...values)].map(figure),
      `${values.length}`,
    ]),
    bars: samples.map(({ setting, algorithm, values }) => ({
      label: setting,
      value: median(values),
      series: algorithm,
    })),
  };
}

interface Reading {
  readonly setting: string;
  readonly quantity: string;
  readonly median: number;
  readonly p90: number;
  readonly most: number;
  readonly seeds: number;
  readonly unfinished: number;
}

const TITLES: Readonly<Record<string, string>> = {
  "election-under-loss": "An election on a network that loses frames",
  "slow-disk": "One slow disk",
  "catch-up": "A lagging replica, by log and by snapshot",
  timeouts: "The election timeout",
};

/**
 * What takes a network or a disk that this machine has not: measured by `quorate simulate --experiment` with the same node
 * code in virtual time. A measurement for each quantity of the experiment.
 */
export async function simulated(experiment: string, seeds: number): Promise<readonly Measurement[]> {
  const found = new Map<string, { algorithm: Algorithm; reading: Reading }[]>();
  for (const algorithm of ALGORITHMS) {
    const words = ["--experiment", experiment, "--consensus", algorithm, "--seeds", `${seeds}`, "--json"];
    const { readings } = JSON.parse(await output(["simulate", ...words])) as { readings: readonly Reading[] };
    for (const reading of readings) {
      const known = found.get(reading.quantity) ?? [];
      found.set(reading.quantity, [...known, { algorithm, reading }]);
    }
  }
  return [...found].map(([quantity, readings]) => {
    const settings = [...new Set(readings.map(({ reading }) => reading.setting))];
    const ordered = settings.flatMap((setting) =>
      readings.filter(({ reading }) => reading.setting === setting),
    );
    return {
      title: `${TITLES[experiment] ?? experiment}: ${quantity}`,
      unit: quantity.endsWith("ms") ? "ms" : "",
      note: `Virtual time, ${seeds} seeds: \`quorate simulate --experiment ${experiment} --seeds ${seeds}\`.`,
      headings: ["setting", "algorithm", "median", "p90", "most", "beyond the bound"],
      rows: ordered.map(({ algorithm, reading }) => [
        reading.setting,
        algorithm,
        ...[reading.median, reading.p90, reading.most].map(figure),
        `${reading.unfinished} of ${reading.seeds}`,
      ]),
      bars: ordered.map(({ algorithm, reading }) => ({
        label: reading.setting,
        value: reading.median,
        series: algorithm,
      })),
    };
  });
}

function output(args: readonly string[]): Promise<string> {
  return new Promise((done, fail) => {
    execFile(process.execPath, [MAIN, ...args], { timeout: 600_000 }, (error, stdout) =>
      error === null ? done(stdout) : fail(error),
    );
  });
}
