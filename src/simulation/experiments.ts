/**
 * Experiments: one question each, asked of a quiet cluster with one thing wrong, many seeds, virtual time. The sweep asks
 * whether a promise can be broken; these ask how long something takes, where a laboratory has no such network or disk. The
 * nodes are production's, and so are their settings.
 */
import type { Algorithm } from "../consensus/algorithms.ts";
import { DEFAULT_CONSENSUS_OPTIONS } from "../consensus/defaults.ts";
import { DEFAULT_REPLICA_TUNING } from "../engine/cluster/hosted-group.ts";
import { CALM_DISK } from "../runtime/simulated/disk.ts";
import { CALM_NETWORK } from "../runtime/simulated/network.ts";
import type { NodeId } from "../runtime/world.ts";
import { QuietCluster } from "./quiet-cluster.ts";
import type { Swarm } from "./swarm.ts";

export const EXPERIMENTS = ["election-under-loss", "slow-disk", "catch-up", "timeouts"] as const;
export type Experiment = (typeof EXPERIMENTS)[number];

/** One setting of an experiment, measured with many seeds. */
export interface Reading {
  readonly setting: string;
  /** What was measured, and in which unit. */
  readonly quantity: string;
  readonly median: number;
  readonly p90: number;
  readonly most: number;
  readonly seeds: number;
  /** Seeds in which it did not come to an end within its bound; not part of the figures. */
  readonly unfinished: number;
}

/** Measures every setting with the seeds 1, 2, 3… The same call gives the same readings on every machine. */
export function runExperiment(
  experiment: Experiment,
  algorithm: Algorithm,
  seeds: number,
): readonly Reading[] {
  switch (experiment) {
    case "election-under-loss":
      return electionUnderLoss(algorithm, seeds);
    case "slow-disk":
      return slowDisk(algorithm, seeds);
    case "catch-up":
      return catchUp(algorithm, seeds);
    case "timeouts":
      return timeouts(algorithm, seeds);
  }
}

/** Three nodes with production's settings on a local network, and disks that sync in a third of a millisecond. */
export const QUIET: Swarm = {
  nodes: 3,
  learners: 0,
  phaseOneMs: 0,
  network: CALM_NETWORK,
  disk: CALM_DISK,
  decaying: 0,
  clockDrift: 0.0001,
  wallErrorMs: 10,
  timerLatenessMs: 0.2,
  // Who falls stays down until it is told to come back.
  restartMs: 1e12,
  faults: {},
  workload: { clients: 0, thinkMs: 1, families: 1, familyOperations: 1, wander: 0 },
  readMode: "barrier",
  electionTimeoutMs: [
    DEFAULT_CONSENSUS_OPTIONS.electionTimeoutMinMs,
    DEFAULT_CONSENSUS_OPTIONS.electionTimeoutMaxMs,
  ],
  appendWindow: DEFAULT_CONSENSUS_OPTIONS.appendWindow,
  appendMaxBytes: DEFAULT_CONSENSUS_OPTIONS.appendMaxBytes,
  snapshotChunkBytes: DEFAULT_CONSENSUS_OPTIONS.snapshotChunkBytes,
  segmentBytes: 1024 * 1024,
  tuning: DEFAULT_REPLICA_TUNING,
};

const LOSSES = [0, 0.01, 0.05, 0.1, 0.2, 0.3];
const RESUME_BOUND_MS = 60_000;

/**
 * The leader's machine vanishes, without a word (no link is seen to break), on a network that loses frames: from then to the
 * first acknowledgement of a write that a survivor took after it.
 */
function electionUnderLoss(algorithm: Algorithm, seeds: number): readonly Reading[] {
  return LOSSES.map((loss) =>
    read(`${loss * 100} % of frames lost`, "writes resume after, ms", seeds, (seed) => {
      const network = { ...CALM_NETWORK, breakNotice: 0 };
      const quiet = new QuietCluster(seed, algorithm, { ...QUIET, network });
      const leader = quiet.lead();
      const survivor = quiet.others(leader)[0] as NodeId;
      quiet.world.network.options.loss = loss;
      quiet.write([survivor], 4);
      quiet.runFor(2_000);
      // With loss, it may have changed.
      const fallen = quiet.cluster.leader() ?? leader;
      const client = fallen === survivor ? (quiet.others(fallen)[0] as NodeId) : survivor;
      quiet.cluster.retire(fallen);
      const fellMs = quiet.nowMs;
      quiet.write([client], 1);
      const resumed = quiet.runUntil(RESUME_BOUND_MS, () => quiet.acknowledgedSince(fellMs) !== undefined);
      return resumed ? (quiet.acknowledgedSince(fellMs) ?? 0) - fellMs : undefined;
    }),
  );
}

interface SlowDisk {
  readonly setting: string;
  readonly whose: "nobody" | "follower" | "leader";
  readonly disk: Partial<Swarm["disk"]>;
}

const SLOW_DISKS: readonly SlowDisk[] = [
  { setting: "all disks alike (0.3 ms)", whose: "nobody", disk: {} },
  { setting: "a follower's disk takes 30 ms", whose: "follower", disk: { latencyMs: 30 } },
  { setting: "the leader's disk takes 30 ms", whose: "leader", disk: { latencyMs: 30 } },
  {
    setting: "a follower's disk stalls, 2 s at a time",
    whose: "follower",
    disk: { stall: 0.01, stallMs: 2_000 },
  },
  {
    setting: "the leader's disk stalls, 2 s at a time",
    whose: "leader",
    disk: { stall: 0.01, stallMs: 2_000 },
  },
];
const SLOW_MS = 5_000;

/** Sixteen clients write at the nodes with sound disks while one node's disk is slow: what they get done, and wait. */
function slowDisk(algorithm: Algorithm, seeds: number): readonly Reading[] {
  return SLOW_DISKS.flatMap(({ setting, whose, disk }) => {
    const waits: (number | undefined)[] = [];
    const rates = read(setting, "writes acknowledged per second", seeds, (seed) => {
      const quiet = new QuietCluster(seed, algorithm, QUIET);
      const leader = quiet.lead();
      const slow = whose === "leader" ? leader : (quiet.others(leader)[0] as NodeId);
      quiet.write(quiet.others(slow), 16);
      quiet.runFor(1_000);
      if (whose !== "nobody") Object.assign(quiet.world.machine(slow).disk.options, disk);
      const fromMs = quiet.nowMs;
      quiet.runFor(SLOW_MS);
      const done = quiet.latenciesSince(fromMs);
      waits.push(quantile(done, 0.99));
      return (done.length / SLOW_MS) * 1_000;
    });
    return [rates, readingOf(setting, "99th percentile of a write, ms", seeds, waits)];
  });
}

const MISSED = 4_000;
const CATCH_UP_BOUND_MS = 60_000;

/** A node comes back that missed thousands of writes, while writing goes on: until it has applied all that was committed. */
function catchUp(algorithm: Algorithm, seeds: number): readonly Reading[] {
  const settings = [
    { setting: `${MISSED} writes missed, from the log`, tuning: {} },
    {
      setting: `${MISSED} writes missed, by snapshot`,
      tuning: { snapshotEveryBytes: 64 * 1024, snapshotTrailingBytes: 0 },
    },
  ];
  return settings.map(({ setting, tuning }) =>
    read(setting, "caught up after, ms", seeds, (seed) => {
      const quiet = new QuietCluster(seed, algorithm, { ...QUIET, tuning: { ...QUIET.tuning, ...tuning } });
      const leader = quiet.lead();
      const [lagging, other] = quiet.others(leader) as [NodeId, NodeId];
      quiet.world.machine(lagging).kill();
      quiet.write([leader, other], 16);
      const fromMs = quiet.nowMs;
      const written = (): boolean => quiet.latenciesSince(fromMs).length >= MISSED;
      if (!quiet.runUntil(CATCH_UP_BOUND_MS, written)) return undefined;
      quiet.cluster.hurry();
      if (!quiet.runUntil(CATCH_UP_BOUND_MS, () => quiet.world.machine(lagging).running)) return undefined;
      const startedMs = quiet.nowMs;
      const least = quiet.cluster.nodeOf(leader)?.status().consensus.commitIndex ?? 0;
      const applied = (): number => quiet.cluster.nodeOf(lagging)?.status().appliedIndex ?? 0;
      return quiet.runUntil(CATCH_UP_BOUND_MS, () => applied() >= least)
        ? quiet.nowMs - startedMs
        : undefined;
    }),
  );
}

const TIMEOUTS: readonly (readonly [number, number])[] = [
  [120, 400],
  [250, 2000],
  [500, 4000],
  [1500, 6000],
];
const RESTLESS_MS = 60_000;
/** A machine that is short of processors: once in two seconds its leader stands still, for a fifth of a second on average. */
const PAUSE_EVERY_MS = 2_000;
const PAUSE_MEAN_MS = 200;

/**
 * Bounds of the election timeout: how soon a leader that vanished without a word is replaced, and how often one is deposed
 * that only stood still for a moment, as on a machine that is short of processors.
 */
function timeouts(algorithm: Algorithm, seeds: number): readonly Reading[] {
  return TIMEOUTS.flatMap((electionTimeoutMs) => {
    const setting = `election timeout ${electionTimeoutMs.join(" to ")} ms`;
    const swarm = { ...QUIET, electionTimeoutMs };
    const silent = read(setting, "writes resume after, ms", seeds, (seed) => {
      const quiet = new QuietCluster(seed, algorithm, {
        ...swarm,
        network: { ...CALM_NETWORK, breakNotice: 0 },
      });
      const leader = quiet.lead();
      quiet.runFor(2_000);
      quiet.cluster.retire(leader);
      const fellMs = quiet.nowMs;
      quiet.write(quiet.others(leader).slice(0, 1), 1);
      const resumed = quiet.runUntil(RESUME_BOUND_MS, () => quiet.acknowledgedSince(fellMs) !== undefined);
      return resumed ? (quiet.acknowledgedSince(fellMs) ?? 0) - fellMs : undefined;
    });
    const restless = read(setting, "elections in a restless minute", seeds, (seed) => {
      const quiet = new QuietCluster(seed, algorithm, swarm);
      quiet.lead();
      const before = quiet.cluster.invariants.elections;
      quiet.pauseLeaders(PAUSE_EVERY_MS, PAUSE_MEAN_MS);
      quiet.runFor(RESTLESS_MS);
      return quiet.cluster.invariants.elections - before;
    });
    return [silent, restless];
  });
}

function read(
  setting: string,
  quantity: string,
  seeds: number,
  measure: (seed: number) => number | undefined,
): Reading {
  const measured = Array.from({ length: seeds }, (_, at) => measure(at + 1));
  return readingOf(setting, quantity, seeds, measured);
}

function readingOf(
  setting: string,
  quantity: string,
  seeds: number,
  measured: readonly (number | undefined)[],
): Reading {
  const values = measured.filter((value) => value !== undefined);
  return {
    setting,
    quantity,
    median: quantile(values, 0.5),
    p90: quantile(values, 0.9),
    most: Math.max(...values),
    seeds,
    unfinished: seeds - values.length,
  };
}

function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}
