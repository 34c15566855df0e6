/** Jobs, tasks and attempts as the API shows them (`mapreduce/job-api.ts`): from the log, and from what the beats tell. */
import type {
  AttemptReport,
  JobFailure,
  JobReport,
  JobSummary,
  RunningAttempt,
  TaskReport,
  TaskTally,
} from "../../mapreduce/job-api.ts";
import type { Counters, TaskKind } from "../../mapreduce/job-spec.ts";
import { attemptName, splitName } from "../../mapreduce/job-spec.ts";
import type { Beats } from "./beats.ts";
import type { Job, TaskTable } from "./jobs/job.ts";
import type { AttemptRecord, TaskRecord } from "./jobs/model.ts";
import { stateOf } from "./jobs/tally.ts";
import { stragglersOf, usualDuration } from "./stragglers.ts";

const RUNNING_MAX = 100;
const LARGEST_MAX = 10;
/** From this fraction on a reduce has fetched all (`task/shuffle.ts`). */
const SHUFFLED = 1 / 3;

export function summaryOf(job: Job): JobSummary {
  const { head, spec } = job;
  return {
    id: job.id,
    name: spec.name,
    user: spec.user,
    state: head.state,
    output: spec.output,
    submittedMs: head.submittedMs,
    startedMs: head.startedMs,
    endedMs: head.endedMs,
    maps: tallyOf(job.map),
    reduces: tallyOf(job.reduce),
    failure: failureOf(job),
    killed: head.killed,
  };
}

function tallyOf({ tally }: TaskTable): TaskTally {
  const { waiting, running, finished, attemptsRunning, succeeded, failed, killed, lost } = tally;
  return {
    total: waiting + running + finished,
    waiting,
    running,
    finished,
    attempts: { running: attemptsRunning, succeeded, failed, killed, lost },
  };
}

function failureOf(job: Job): JobFailure | undefined {
  const { failure } = job.head;
  if (failure === undefined) return undefined;
  const { code, message, attempt } = failure;
  const record = attempt && job.task(attempt.kind, attempt.task)?.attempts[attempt.attempt];
  const split = attempt?.kind === "map" ? job.splits[attempt.task] : undefined;
  return {
    code,
    message,
    attempt: attempt && attemptName(attempt),
    node: record?.node,
    stack: record?.stack,
    split: split && splitName(split),
    record: record?.record,
  };
}

export interface ReportContext {
  readonly beats: Beats;
  /** Log time. */
  readonly nowMs: number;
  readonly cursor: string;
  readonly explanation: readonly string[];
  /** Slots of live nodes. */
  readonly slots: number;
  readonly nodes: readonly string[];
}

export function reportOf(job: Job, context: ReportContext): JobReport {
  const { beats, nowMs, cursor, explanation, nodes } = context;
  return {
    ...summaryOf(job),
    spec: job.spec,
    cleaned: job.head.cleaned,
    cursor,
    nowMs,
    progress: progressOf(job, beats),
    counters: withJobCounters(job, job.counters()),
    liveCounters: liveCounters(job, beats),
    running: runningOf(job, beats, nowMs),
    remainingMs: job.live ? remainingMs(job, context) : undefined,
    explanation,
    skew: skewOf(job),
    nodes,
  };
}

/** What Hadoop counts of the job itself, under its names. */
function withJobCounters(job: Job, counters: Counters): Counters {
  const { map, reduce } = job;
  const own = {
    TOTAL_LAUNCHED_MAPS: map.tally.begun,
    TOTAL_LAUNCHED_REDUCES: reduce.tally.begun,
    DATA_LOCAL_MAPS: job.localMaps,
    NUM_FAILED_MAPS: map.tally.failed,
    NUM_FAILED_REDUCES: reduce.tally.failed,
    NUM_KILLED_MAPS: map.tally.killed + map.tally.lost,
    NUM_KILLED_REDUCES: reduce.tally.killed + reduce.tally.lost,
  };
  return { ...counters, Job: own };
}

function liveCounters(job: Job, beats: Beats): Counters {
  const counters: Record<string, Record<string, number>> = {};
  for (const [group, names] of Object.entries(job.counters())) counters[group] = { ...names };
  for (const { kind, task, attempt, backup } of runningAttempts(job)) {
    // Of two attempts at a task one is told of.
    if (backup) continue;
    const progress = beats.progressOf({ job: job.id, kind, task, attempt });
    for (const { group, name, value } of progress?.counters ?? []) {
      const names = (counters[group] ??= {});
      names[name] = (names[name] ?? 0) + value;
    }
  }
  return counters;
}

interface Running extends AttemptRecord {
  readonly kind: TaskKind;
  readonly task: number;
  readonly attempt: number;
}

function* runningAttempts(job: Job): Generator<Running> {
  for (const kind of ["map", "reduce"] as const) {
    const { tasks, running } = job.table(kind);
    for (const task of running) {
      for (const [attempt, record] of tasks[task]!.attempts.entries()) {
        if (record.state === "running") yield { ...record, kind, task, attempt };
      }
    }
  }
}

function progressOf(job: Job, beats: Beats): JobReport["progress"] {
  const fraction = (kind: TaskKind, part: (fraction: number) => number): number => {
    const { tasks, tally, running } = job.table(kind);
    const total = tally.waiting + tally.running + tally.finished;
    if (total === 0) return job.live ? 0 : 1;
    let done = tally.finished;
    for (const task of running) {
      let best = 0;
      for (const [attempt, { state }] of tasks[task]!.attempts.entries()) {
        if (state !== "running") continue;
        best = Math.max(best, beats.progressOf({ job: job.id, kind, task, attempt })?.fraction ?? 0);
      }
      done += part(best);
    }
    return Math.min(1, done / total);
  };
  return {
    map: fraction("map", (best) => best),
    shuffle: fraction("reduce", (best) => Math.min(1, best / SHUFFLED)),
    reduce: fraction("reduce", (best) => best),
  };
}

function runningOf(job: Job, beats: Beats, nowMs: number): readonly RunningAttempt[] {
  const slow = new Set<string>();
  for (const kind of ["map", "reduce"] as const) {
    const stragglers = stragglersOf({
      job,
      kind,
      nowMs,
      fractionOf: (task, attempt) => beats.progressOf({ job: job.id, kind, task, attempt })?.fraction,
      standingOf: (node) => beats.standing(node),
      afterMs: 2_000,
      readyMs: 0,
    });
    for (const { task, attempt } of stragglers) slow.add(attemptName({ job: job.id, kind, task, attempt }));
  }
  const running: RunningAttempt[] = [];
  for (const { kind, task, attempt, backup, node, startedMs } of runningAttempts(job)) {
    const name = attemptName({ job: job.id, kind, task, attempt });
    const progress = beats.progressOf({ job: job.id, kind, task, attempt });
    running.push({
      attempt: name,
      kind,
      task,
      node,
      backup,
      startedMs,
      phase: progress?.phase,
      fraction: progress?.fraction ?? 0,
      status: progress?.status,
      straggler: slow.has(name),
    });
  }
  const rank = ({ straggler, startedMs }: RunningAttempt): number => (straggler ? 0 : startedMs);
  return running.sort((left, right) => rank(left) - rank(right)).slice(0, RUNNING_MAX);
}

/** By how long attempts have taken so far, and how many run at a time. */
function remainingMs(job: Job, { beats, nowMs, slots }: ReportContext): number | undefined {
  let sum = 0;
  for (const kind of ["map", "reduce"] as const) {
    const { tally } = job.table(kind);
    const left = tally.waiting + tally.running;
    if (left === 0) continue;
    const fractionOf = (task: number, attempt: number): number | undefined =>
      beats.progressOf({ job: job.id, kind, task, attempt })?.fraction;
    const usual = usualDuration({ job, kind, nowMs, fractionOf, readyMs: 0 });
    // Reduces that have not begun take about as long as maps, for all that is known.
    const each =
      usual ?? (kind === "reduce" && sum > 0 ? sum / Math.max(1, job.map.tally.waiting) : undefined);
    if (each === undefined) return undefined;
    let work = tally.waiting;
    for (const task of job.table(kind).running) {
      const attempt = job.task(kind, task)!.attempts.findIndex(({ state }) => state === "running");
      work += 1 - (fractionOf(task, attempt) ?? 0);
    }
    sum += (each * work) / Math.max(1, Math.min(slots, left));
  }
  return Math.round(sum);
}

function skewOf(job: Job): JobReport["skew"] {
  if (job.partitionBytes.length === 0) return undefined;
  const sorted = [...job.partitionBytes.entries()].sort(([, left], [, right]) => right - left);
  const totalBytes = job.partitionBytes.reduce((sum, bytes) => sum + bytes, 0);
  return {
    totalBytes,
    medianBytes: sorted[sorted.length >> 1]![1],
    largest: sorted.slice(0, LARGEST_MAX).map(([partition, bytes]) => ({ partition, bytes })),
  };
}

export function taskReportOf(job: Job, kind: TaskKind, task: number): TaskReport {
  const record = job.task(kind, task)!;
  const split = kind === "map" ? job.splits[task] : undefined;
  return {
    kind,
    task,
    state: stateOf(record),
    split: split && splitName(split),
    nodes: split?.nodes ?? [],
    attempts: record.attempts.map((_, attempt) => attemptReportOf(job, kind, task, record, attempt)),
  };
}

function attemptReportOf(
  job: Job,
  kind: TaskKind,
  task: number,
  { attempts, winner }: TaskRecord,
  number: number,
): AttemptReport {
  const { node, backup, state, startedMs, endedMs, reason, stack, record, ...rest } = attempts[number]!;
  return {
    attempt: attemptName({ job: job.id, kind, task, attempt: number }),
    number,
    node,
    backup,
    state,
    winner: winner === number,
    startedMs,
    endedMs,
    reason,
    stack,
    record,
    counters: job.named(rest.counters),
    outputBytes: rest.outputBytes,
    outputRecords: rest.outputRecords,
    skipped: rest.skipped,
  };
}
