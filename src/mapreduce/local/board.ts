/** What a job that runs on this machine has come to: a report of the same shape as a cluster gives. */
import type { JobFailure, JobReport, JobState, RunningAttempt, TaskTally } from "../job-api.ts";
import type { AttemptId, Counters, JobId, JobSpec, TaskKind } from "../job-spec.ts";
import { attemptName } from "../job-spec.ts";
import type { MapOutput, Report } from "../task/orders.ts";

type Progress = Extract<Report, { readonly type: "progress" }>;

export interface RunningTask {
  readonly attempt: AttemptId;
  readonly startedMs: number;
  progress: Progress | undefined;
}

interface Tally {
  readonly total: number;
  waiting: number;
  finished: number;
  failed: number;
  killed: number;
}

/** An attempt that takes so many times the median of its like is slow, once some have finished. */
const SLOW_TIMES = 2;
const SLOW_MIN_MS = 2_000;
const SLOW_AFTER_TASKS = 2;
const RUNNING_MAX = 100;
const SKIPPED_TOLD = 100;
const LARGEST_MAX = 10;
/** Of a job with reduces, the share of the maps in its time: a rule of thumb for the estimate. */
const MAP_SHARE = 0.6;
/** Less is no base for an estimate. */
const ESTIMATE_FROM = 0.03;

export class Board {
  readonly id: JobId;
  readonly spec: JobSpec;
  state: JobState = "running";
  failure: JobFailure | undefined;
  killed: string | undefined;
  private readonly submittedMs = Date.now();
  private startedMs: number | undefined;
  private endedMs: number | undefined;
  private readonly tallies: Record<TaskKind, Tally>;
  private readonly running = new Map<string, RunningTask>();
  private readonly tookMs: Record<TaskKind, number[]> = { map: [], reduce: [] };
  private winners: Counters = {};
  private partitionBytes: number[] = [];
  private changes = 0;
  private readonly skipped: string[] = [];

  constructor(id: JobId, spec: JobSpec, maps: number, reduces: number) {
    const tally = (total: number): Tally => ({ total, waiting: total, finished: 0, failed: 0, killed: 0 });
    this.id = id;
    this.spec = spec;
    this.tallies = { map: tally(maps), reduce: tally(reduces) };
  }

  started(attempt: AttemptId): RunningTask {
    const task: RunningTask = { attempt, startedMs: Date.now(), progress: undefined };
    this.startedMs ??= task.startedMs;
    this.tallies[attempt.kind].waiting--;
    this.running.set(attemptName(attempt), task);
    return task;
  }

  succeeded(task: RunningTask, counters: Counters, output: MapOutput | undefined): void {
    const { kind } = task.attempt;
    this.ended(task);
    this.tallies[kind].finished++;
    this.tookMs[kind].push(Date.now() - task.startedMs);
    this.winners = sumOf(this.winners, counters);
    for (const [partition, bytes] of (output?.partitions ?? []).entries())
      this.partitionBytes[partition] = (this.partitionBytes[partition] ?? 0) + bytes;
  }

  /** Of a job on this machine no log is kept: what was skipped is told at its end. */
  noteSkipped(lines: readonly string[]): void {
    this.skipped.push(...lines.slice(0, SKIPPED_TOLD - this.skipped.length));
  }

  /** Of its task another attempt may follow. */
  unsuccessful(task: RunningTask, fate: "failed" | "killed"): void {
    this.ended(task);
    const tally = this.tallies[task.attempt.kind];
    tally.waiting++;
    tally[fate]++;
  }

  finish(state: "succeeded" | "failed" | "killed"): void {
    this.state = state;
    this.endedMs = Date.now();
  }

  report(): JobReport {
    const nowMs = Date.now();
    const live = [...this.running.values()];
    const progress = this.progress(live);
    const done =
      this.tallies.reduce.total === 0
        ? progress.map
        : MAP_SHARE * progress.map + (1 - MAP_SHARE) * progress.reduce;
    const elapsedMs = nowMs - this.submittedMs;
    const isOver = this.endedMs !== undefined;
    return {
      id: this.id,
      name: this.spec.name,
      user: this.spec.user,
      state: this.state,
      output: this.spec.output,
      submittedMs: this.submittedMs,
      startedMs: this.startedMs,
      endedMs: this.endedMs,
      maps: this.tally("map"),
      reduces: this.tally("reduce"),
      failure: this.failure,
      killed: this.killed,
      spec: this.spec,
      cleaned: isOver,
      cursor: String(++this.changes),
      nowMs,
      progress,
      counters: this.winners,
      liveCounters: live.reduce((sum, { progress: said }) => sumOf(sum, said?.counters ?? {}), this.winners),
      running: this.runningAttempts(live, nowMs),
      remainingMs: !isOver && done > ESTIMATE_FROM ? (elapsedMs * (1 - done)) / done : undefined,
      explanation: this.skipped,
      skew: this.skew(),
      nodes: [],
    };
  }

  private ended(task: RunningTask): void {
    this.running.delete(attemptName(task.attempt));
  }

  private progress(live: readonly RunningTask[]): JobReport["progress"] {
    const of = (kind: TaskKind, part: (task: RunningTask) => number): number => {
      const { total, finished } = this.tallies[kind];
      if (total === 0) return this.endedMs === undefined ? 0 : 1;
      const inside = live
        .filter(({ attempt }) => attempt.kind === kind)
        .reduce((sum, task) => sum + part(task), 0);
      return Math.min(1, (finished + inside) / total);
    };
    const fraction = ({ progress }: RunningTask): number => progress?.fraction ?? 0;
    // A reduce has its shuffle behind it when it merges.
    const shuffled = (task: RunningTask): number =>
      task.progress === undefined || task.progress.phase === "shuffle" ? Math.min(1, fraction(task) * 3) : 1;
    return { map: of("map", fraction), shuffle: of("reduce", shuffled), reduce: of("reduce", fraction) };
  }

  private tally(kind: TaskKind): TaskTally {
    const { total, waiting, finished, failed, killed } = this.tallies[kind];
    const running = total - waiting - finished;
    return {
      total,
      waiting,
      running,
      finished,
      attempts: { running, succeeded: finished, failed, killed, lost: 0 },
    };
  }

  private runningAttempts(live: readonly RunningTask[], nowMs: number): readonly RunningAttempt[] {
    const slow = { map: this.slowAfterMs("map"), reduce: this.slowAfterMs("reduce") };
    return live
      .toSorted((left, right) => left.startedMs - right.startedMs)
      .slice(0, RUNNING_MAX)
      .map(({ attempt, startedMs, progress }) => ({
        attempt: attemptName(attempt),
        kind: attempt.kind,
        task: attempt.task,
        node: "local",
        backup: false,
        startedMs,
        phase: progress?.phase,
        fraction: progress?.fraction ?? 0,
        status: progress?.status,
        straggler: nowMs - startedMs > slow[attempt.kind],
      }));
  }

  private slowAfterMs(kind: TaskKind): number {
    const took = this.tookMs[kind];
    if (took.length < SLOW_AFTER_TASKS) return Infinity;
    return Math.max(SLOW_MIN_MS, SLOW_TIMES * middleOf(took));
  }

  private skew(): JobReport["skew"] {
    if (this.partitionBytes.length === 0) return undefined;
    const ordered = this.partitionBytes
      .map((bytes, partition) => ({ partition, bytes }))
      .toSorted((left, right) => right.bytes - left.bytes);
    return {
      totalBytes: this.partitionBytes.reduce((sum, bytes) => sum + bytes, 0),
      medianBytes: middleOf(this.partitionBytes),
      largest: ordered.slice(0, LARGEST_MAX),
    };
  }
}

function middleOf(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[values.length >> 1] ?? 0;
}

export function sumOf(left: Counters, right: Counters): Counters {
  const sum: Record<string, Record<string, number>> = {};
  for (const counters of [left, right])
    for (const [group, names] of Object.entries(counters)) {
      const into = (sum[group] ??= {});
      for (const [name, value] of Object.entries(names)) into[name] = (into[name] ?? 0) + value;
    }
  return sum;
}
