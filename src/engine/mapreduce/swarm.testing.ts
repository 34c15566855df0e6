/**
 * Jobs under every fault at once, one mix a seed: workers, schedulers and whole machines die, pause, are cut off and come back at
 * any step; calls get no answer, or are carried out long after their caller is gone; fetches break, disks fill, programs throw
 * and hang. Then all heals, and the jobs must end: with the output of a run without failures, or with a reason and nothing.
 */
import type { SeededRandom } from "../../runtime/simulated/random.ts";
import { SeededRandom as Random } from "../../runtime/simulated/random.ts";
import { booksOf, JobsCluster } from "./jobs-cluster.testing.ts";
import type { JobsClusterOptions, Planted } from "./jobs-cluster.testing.ts";
import { judgeJob, judgeLeftovers } from "./judge.testing.ts";

export interface SwarmResult {
  readonly seed: number;
  /** What went wrong first; undefined: nothing. */
  readonly violation: string | undefined;
  readonly states: readonly string[];
  readonly attempts: Readonly<Record<string, number>>;
  readonly terms: number;
  readonly traceHash: string;
}

/** Virtual time in which a healed cluster must bring every job to its end. */
const END_BOUND_MS = 600_000;

export interface SwarmOptions {
  readonly planted?: Planted;
  /** Default 600,000. */
  readonly boundMs?: number;
  /** Default: a model of the log. */
  readonly keeper?: JobsClusterOptions["keeper"];
}

export function runSwarm(seed: number, options: SwarmOptions = {}): SwarmResult {
  const { boundMs = END_BOUND_MS } = options;
  const random = Random.fromSeed(seed).split("swarm");
  const cluster = drawCluster(seed, random, options);
  let ids: readonly string[] = [];
  let violation: string | undefined;
  try {
    const submissions = faultsAtOnce(cluster, random);
    cluster.heal();
    cluster.until(() => submissions.every(({ job }) => job !== undefined), "every job was taken in");
    ids = submissions.map(({ job }) => job!);
    violation = judge(cluster, ids, boundMs);
  } catch (error) {
    violation = error instanceof Error ? error.message : String(error);
  }
  const attempts: Record<string, number> = {};
  for (const job of cluster.log.reference.jobs()) {
    for (const { attempts: tried } of [...job.map.tasks, ...job.reduce.tasks])
      for (const { state } of tried) attempts[state] = (attempts[state] ?? 0) + 1;
  }
  return {
    seed,
    violation,
    states: ids.map((id) => cluster.log.reference.job(id)?.head.state ?? "gone"),
    attempts,
    terms: cluster.log.term,
    traceHash: cluster.world.trace.hash(),
  };
}

function drawCluster(seed: number, random: SeededRandom, { planted, keeper }: SwarmOptions): JobsCluster {
  const sometimes = (probability: number, values: readonly number[]): number => {
    const value = random.pick(values);
    return random.chance(probability) ? value : 0;
  };
  return new JobsCluster(seed, {
    nodes: random.pick([1, 3, 3, 3, 5]),
    slots: random.pick([1, 2, 3]),
    restartMs: random.pick([100, 1_000, 15_000]),
    network: {
      loss: sometimes(0.4, [0.01, 0.2]),
      duplicate: sometimes(0.3, [0.05]),
      reorder: sometimes(0.3, [0.2]),
      delayMeanMs: random.pick([0.3, 5, 50]),
    },
    log: {
      unknown: sometimes(0.5, [0.01, 0.1]),
      lagMs: random.pick([1, 10, 200]),
      changeMs: sometimes(0.5, [500, 3_000]),
    },
    files: { unknown: sometimes(0.5, [0.01, 0.1]), latencyMs: random.pick([1, 5, 100]) },
    tasks: {
      throws: sometimes(0.3, [0.05, 0.3]),
      hangs: sometimes(0.3, [0.02, 0.2]),
      slow: sometimes(0.4, [0.05, 0.2]),
      fetchFails: sometimes(0.4, [0.05, 0.4]),
      stepMs: random.pick([5, 50, 300]),
    },
    input: booksOf(random.integer(0, 5), random.integer(1, 20)),
    scheduling: { backupAfterMs: random.pick([200, 2_000, 5_000]) },
    ...(planted === undefined ? {} : { planted }),
    ...(keeper === undefined ? {} : { keeper }),
  });
}

type Submission = ReturnType<JobsCluster["submitLater"]>;

function faultsAtOnce(cluster: JobsCluster, random: SeededRandom): readonly Submission[] {
  const { scheduler } = cluster.world;
  let stopped = false;
  const every = (meanMs: number, act: () => void): void => {
    const again = (): void =>
      void scheduler.after(random.exponential(meanMs), () => {
        if (stopped) return;
        act();
        again();
      });
    again();
  };
  const mayHappen = (probability: number, means: readonly number[], act: () => void): void => {
    const mean = random.pick(means);
    if (random.chance(probability)) every(mean, act);
  };
  const someone = (): string =>
    random.chance(0.3) && cluster.leader !== undefined ? cluster.leader : random.pick(cluster.ids);
  mayHappen(0.5, [500, 2_000, 8_000], () => cluster.kill(someone()));
  mayHappen(0.3, [2_000, 8_000], () => cluster.losePower(someone()));
  mayHappen(0.5, [1_000, 4_000], () => {
    const machine = cluster.world.machine(someone());
    if (!machine.running || machine.paused) return;
    machine.pause();
    scheduler.after(random.pick([300, 3_000, 25_000]) * random.float(), () => machine.resume());
  });
  mayHappen(0.5, [1_000, 4_000], () => {
    cluster.world.network.partition(
      [someone()],
      "drop",
      random.pick(["both", "both", "outgoing", "incoming"]),
    );
    scheduler.after(random.pick([500, 4_000, 20_000]) * random.float(), () => cluster.world.network.heal());
  });
  mayHappen(0.3, [3_000], () => {
    const area = cluster.areas.get(random.pick(cluster.ids))!;
    area.full = true;
    scheduler.after(random.exponential(3_000), () => (area.full = false));
  });
  const submissions: Submission[] = [];
  const jobs = random.integer(1, 3);
  const sharesOutput = random.chance(0.3);
  for (let at = 0; at < jobs; at++) {
    const output = sharesOutput ? "/out/counts" : `/out/counts${at}`;
    const settings = { reduces: random.pick([0, 1, 2, 3]), speculative: random.chance(0.8) };
    submissions.push(cluster.submitLater(settings, output, random.pick([3, 7, 20])));
    cluster.run(random.exponential(2_000));
  }
  if (random.chance(0.2)) {
    const { job } = random.pick(submissions);
    if (job !== undefined) cluster.put(random.pick(cluster.ids), { type: "kill", job, reason: "enough" });
  }
  cluster.run(random.pick([2_000, 20_000, 60_000]));
  stopped = true;
  return submissions;
}

function judge(cluster: JobsCluster, ids: readonly string[], boundMs: number): string | undefined {
  const ended = (): boolean => ids.every((id) => cluster.job(id).head.cleaned);
  cluster.until(ended, "every job has ended and is cleaned up", boundMs);
  // What was carried out late has been, and what came too late was swept away.
  cluster.run(700_000);
  for (const id of ids) {
    const problem = judgeJob(cluster, cluster.job(id));
    if (problem !== undefined) return problem;
  }
  return judgeLeftovers(cluster);
}
