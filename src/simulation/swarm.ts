/**
 * What one seed makes of the world: its cluster, its faults and its clients.
 *
 * Each seed draws its own mix (Groce and others, "Swarm testing", 2012): most faults are absent from most seeds, so that no
 * fault hides another, and those that are present come at rates from rare to absurd.
 */
import type { DiskOptions } from "../runtime/simulated/disk.ts";
import type { NetworkOptions } from "../runtime/simulated/network.ts";
import type { SeededRandom } from "../runtime/simulated/random.ts";
import type { ReplicaTuning } from "../engine/group/replica-options.ts";

/** Mean virtual milliseconds between two faults of a kind; absent: never. */
export interface FaultIntervals {
  kill?: number;
  powerLoss?: number;
  powerLossOfAll?: number;
  pause?: number;
  partition?: number;
  cutLeaderOff?: number;
  slowLink?: number;
  dateJump?: number;
  diskStall?: number;
  diskFull?: number;
  decay?: number;
  transfer?: number;
  membershipChange?: number;
  deposedLeader?: number;
  lateAnswers?: number;
  fallingLeaders?: number;
}

export interface WorkloadOptions {
  readonly clients: number;
  /** Mean pause of a client between two operations. */
  readonly thinkMs: number;
  /** Key families in use at a time; few make conflicts. */
  readonly families: number;
  /** Operations on a family before it is left for a new one, which bounds the work of the checker. */
  readonly familyOperations: number;
  /** Probability that a client goes to another node for its next operation. */
  readonly wander: number;
}

export interface Swarm {
  readonly nodes: number;
  /** Founding members that do not vote. */
  readonly learners: number;
  readonly phaseOneMs: number;
  readonly network: NetworkOptions;
  readonly disk: DiskOptions;
  /** How many disks may decay: always fewer than half of the voters. */
  readonly decaying: number;
  /** Clocks run within this fraction of the truth. */
  readonly clockDrift: number;
  readonly wallErrorMs: number;
  readonly timerLatenessMs: number;
  readonly restartMs: number;
  readonly faults: FaultIntervals;
  readonly workload: WorkloadOptions;
  readonly readMode: "barrier" | "lease";
  /** Least and greatest. */
  readonly electionTimeoutMs: readonly [number, number];
  readonly appendWindow: number;
  readonly appendMaxBytes: number;
  readonly snapshotChunkBytes: number;
  readonly segmentBytes: number;
  readonly tuning: ReplicaTuning;
}

export interface SwarmLimits {
  /** Number of nodes; default drawn, 1 to 5. */
  readonly nodes?: number | undefined;
  /** In place of the faults that are drawn. */
  readonly faults?: FaultIntervals | undefined;
}

/** The options of one seed. Anything added here must draw from a stream of its own, or old seeds change their meaning. */
export function drawSwarm(root: SeededRandom, limits: SwarmLimits = {}): Swarm {
  const nodes = limits.nodes ?? root.split("nodes").pick([1, 2, 3, 3, 3, 3, 4, 5, 5]);
  const membership = root.split("membership");
  const learners = nodes >= 4 && membership.chance(0.3) ? membership.integer(1, nodes - 3) : 0;
  const voters = nodes - learners;
  const damage = root.split("damage");
  const decaying = damage.chance(0.35) ? Math.floor((voters - 1) / 2) : 0;
  return {
    nodes,
    learners,
    phaseOneMs: root.split("duration").between(5_000, 20_000),
    network: drawNetwork(root.split("network options")),
    disk: {
      ...drawDisk(root.split("disk options"), decaying > 0),
      misdirectRead: decaying > 0 ? drawMisdirectedReads(root.split("misdirected reads")) : 0,
    },
    decaying,
    clockDrift: root.split("drift").pick([0, 0.0001, 0.001, 0.004]),
    wallErrorMs: root.split("wall").pick([0, 10, 1000, 60_000]),
    timerLatenessMs: root.split("lateness").pick([0.05, 0.2, 0.2, 2, 10]),
    restartMs: root.split("restart").pick([50, 300, 1000, 3000]),
    faults: limits.faults ?? {
      ...drawFaults(root.split("faults"), decaying > 0, nodes),
      ...drawFallingLeaders(root.split("falling leaders"), nodes),
    },
    workload: drawWorkload(root.split("workload options")),
    readMode: root.split("reads").chance(0.4) ? "lease" : "barrier",
    electionTimeoutMs: root.split("election timeout").pick([
      [250, 2000],
      [250, 2000],
      [120, 400],
    ] as const),
    appendMaxBytes: root.split("append").pick([1024 * 1024, 1024 * 1024, 4096, 200]),
    ...drawSizes(root.split("sizes")),
  };
}

function drawNetwork(random: SeededRandom): NetworkOptions {
  const sometimes = (probability: number, values: readonly number[]): number =>
    random.chance(probability) ? random.pick(values) : 0;
  return {
    delayMinMs: random.pick([0.05, 0.1, 0.1, 1, 5]),
    delayMeanMs: random.pick([0.05, 0.3, 0.3, 2, 10, 30]),
    loss: sometimes(0.4, [0.001, 0.01, 0.1, 0.25]),
    duplicate: sometimes(0.4, [0.01, 0.1, 0.4]),
    reorder: sometimes(0.4, [0.01, 0.1, 0.5]),
    bytesPerMs: random.pick([100_000, 100_000, 1000]),
    queueMaxBytes: random.pick([64 * 1024 * 1024, 64 * 1024]),
    breakNotice: random.pick([1, 1, 0.5, 0]),
    noticeDelayMs: random.pick([0.5, 1, 50]),
    falseBreak: sometimes(0.3, [0.0001, 0.001, 0.01]),
  };
}

function drawMisdirectedReads(random: SeededRandom): number {
  return random.chance(0.5) ? random.pick([0.002, 0.02, 0.1]) : 0;
}

function drawDisk(random: SeededRandom, decaying: boolean): Omit<DiskOptions, "misdirectRead"> {
  const sometimes = (probability: number, values: readonly number[]): number =>
    random.chance(probability) ? random.pick(values) : 0;
  return {
    latencyMs: random.pick([0.1, 0.3, 0.3, 2, 8]),
    stall: sometimes(0.3, [0.0005, 0.005]),
    stallMs: random.pick([50, 500, 3000]),
    writeError: sometimes(0.3, [0.0002, 0.002]),
    lostPages: random.chance(0.5),
    readError: sometimes(0.2, [0.001, 0.01]),
    misdirect: decaying ? sometimes(0.3, [0.0005, 0.005]) : 0,
    garbage: sometimes(0.5, [0.1, 1]),
    capacityBytes: Infinity,
  };
}

function drawFaults(random: SeededRandom, decaying: boolean, nodes: number): FaultIntervals {
  const faults: FaultIntervals = {};
  const maybe = (name: keyof FaultIntervals, probability: number, intervals: readonly number[]): void => {
    // Both draws are made always: a changed probability then changes only whether, not what.
    const drawn = random.pick(intervals);
    if (random.chance(probability)) faults[name] = drawn;
  };
  maybe("kill", 0.5, [300, 1000, 3000]);
  maybe("powerLoss", 0.5, [300, 1000, 3000]);
  maybe("powerLossOfAll", 0.3, [2000, 5000]);
  maybe("pause", 0.4, [500, 2000]);
  maybe("partition", 0.5, [500, 1500, 4000]);
  maybe("cutLeaderOff", 0.3, [1000, 3000]);
  maybe("slowLink", 0.3, [500, 2000]);
  maybe("dateJump", 0.3, [500, 3000]);
  maybe("diskStall", 0.3, [1000, 3000]);
  maybe("diskFull", 0.15, [3000, 8000]);
  maybe("decay", decaying ? 0.9 : 0, [300, 1000, 3000]);
  maybe("transfer", 0.3, [500, 2000]);
  maybe("membershipChange", nodes >= 2 && !decaying ? 0.25 : 0, [1000, 3000]);
  maybe("lateAnswers", nodes >= 3 ? 0.25 : 0, [500, 1500]);
  maybe("deposedLeader", nodes >= 3 ? 0.35 : 0, [800, 2000, 5000]);
  return faults;
}

function drawFallingLeaders(random: SeededRandom, nodes: number): FaultIntervals {
  return nodes >= 3 && random.chance(0.15) ? { fallingLeaders: random.pick([1000, 3000]) } : {};
}

function drawWorkload(random: SeededRandom): WorkloadOptions {
  return {
    clients: random.integer(1, 8),
    thinkMs: random.pick([1, 5, 20, 100]),
    families: random.pick([1, 2, 5]),
    familyOperations: random.pick([15, 25, 40]),
    wander: random.pick([0, 0.1, 1]),
  };
}

function drawSizes(
  random: SeededRandom,
): Pick<Swarm, "appendWindow" | "snapshotChunkBytes" | "segmentBytes" | "tuning"> {
  return {
    appendWindow: random.integer(2, 4),
    snapshotChunkBytes: random.pick([256, 1024, 1024 * 1024]),
    segmentBytes: random.pick([16 * 1024, 64 * 1024, 1024 * 1024]),
    tuning: {
      heartbeatIntervalMs: random.pick([30, 50, 50]),
      entryMaxBytes: random.pick([256, 64 * 1024, 1024 * 1024]),
      commandMaxBytes: 1024 * 1024,
      requestTimeoutMs: random.pick([1000, 2000, 5000]),
      congestedBytes: random.pick([1024, 1024 * 1024]),
      snapshotEveryBytes: random.pick([1024, 4096, 16 * 1024, 64 * 1024 * 1024]),
      snapshotTrailingBytes: random.pick([0, 1_000, 20_000, 1_000_000]),
    },
  };
}
