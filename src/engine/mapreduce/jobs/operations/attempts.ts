/** Attempts begin, and end well or otherwise. */
import type { AttemptId, TaskKind } from "../../../../mapreduce/job-spec.ts";
import type { CommandOf } from "../commands.ts";
import type { Job } from "../job.ts";
import type { Assignment, AttemptRecord, Counted, TaskRecord } from "../model.ts";
import {
  ATTEMPT_FILES_MAX,
  ATTEMPTS_MAX,
  COMPLAINTS_MAX,
  COUNTER_NAME_MAX,
  COUNTERS_MAX,
  JOB_FILES_MAX,
  MESSAGE_MAX,
  RECORD_TEXT_MAX,
  SKIPPED_MAX,
  STACK_MAX,
} from "../model.ts";
import type { JobsState } from "../state.ts";
import {
  advance,
  cut,
  endWithout,
  nameOf,
  runningAttempt,
  withAllEnded,
  withEnded,
  withoutOutput,
} from "./endings.ts";
import type { Operations } from "./operation.ts";

export const ATTEMPTS: Operations<"assign" | "finished" | "failed" | "lost" | "preempt" | "complain"> = {
  assign: (state, { assignments }) => assignments.map((each) => begin(state, each)),

  finished(state, command) {
    const found = runningAttempt(state, command.attempt);
    if (found === undefined) return isWinner(state, command.attempt);
    const { job, task } = found;
    const { kind, task: number, attempt } = command.attempt;
    const problem = problemOf(job, kind, command);
    if (problem !== undefined) {
      fail(state, job, command.attempt, { message: problem, retryable: false });
      return false;
    }
    const won = withEnded(state, task, attempt, {
      state: "succeeded",
      counters: place(job, command.counters),
      partitions: command.partitions,
      outputBytes: sum(command.partitions ?? command.files.map(({ bytes }) => bytes)),
      outputRecords: command.outputRecords,
      files: command.files,
      skipped: command.skipped,
    });
    const first = `${nameOf(job, kind, number, attempt)} was first`;
    state.put(job, kind, number, withAllEnded(state, { ...won, winner: attempt }, first));
    advance(state, job);
    return true;
  },

  failed(state, { attempt: id, message, stack, record, retryable }) {
    const found = runningAttempt(state, id);
    if (found === undefined) return false;
    fail(state, found.job, id, { message, stack, record, retryable });
    return true;
  },

  lost(state, { attempts, reason }) {
    let lost = 0;
    for (const id of attempts) if (lose(state, id, cut(reason, MESSAGE_MAX))) lost++;
    return lost;
  },

  preempt(state, { attempts, reason }) {
    let ended = 0;
    for (const id of attempts) {
      const found = runningAttempt(state, id);
      if (found === undefined) continue;
      const { job, task } = found;
      const killed = { state: "killed", reason: cut(reason, MESSAGE_MAX) } as const;
      state.put(job, id.kind, id.task, withEnded(state, task, id.attempt, killed));
      ended++;
    }
    return ended;
  },

  complain(state, { reducer, map, attempt, round, reason }) {
    if (runningAttempt(state, reducer)?.job.head.state !== "running") return false;
    const job = state.job(reducer.job);
    const task = job.task("map", map);
    const record = task?.attempts[attempt];
    if (task === undefined || record === undefined || task.winner !== attempt) return false;
    const complaint = `${reducer.task}/${reducer.attempt}/${round}`;
    if (record.complaints.includes(complaint)) return false;
    const complaints = [...record.complaints, complaint];
    const attempts = task.attempts.with(attempt, { ...record, complaints });
    const told = { ...task, attempts };
    const isLost = complaints.length >= COMPLAINTS_MAX;
    const why = cut(`its output could not be fetched: ${reason}`, MESSAGE_MAX);
    state.put(job, "map", map, isLost ? withoutOutput(state, told, attempt, why) : told);
    if (isLost) endIfTooMany(state, job, { job: job.id, kind: "map", task: map, attempt });
    return isLost;
  },
};

function begin(
  state: JobsState,
  { job: id, kind, task: number, attempt, node, life, backup }: Assignment,
): boolean {
  const job = state.jobs.get(id);
  const task = job?.task(kind, number);
  if (job === undefined || task === undefined || job.head.state !== "running") return false;
  // Any attempt may write to the output directory, so all wait until there is one.
  if (!job.head.prepared) return false;
  const running = task.attempts.filter((each) => each.state === "running").length;
  if (task.winner !== undefined || attempt !== task.attempts.length || running !== (backup ? 1 : 0))
    return false;
  const begun: AttemptRecord = {
    node,
    life,
    backup,
    startedMs: state.timeMs,
    endedMs: undefined,
    state: "running",
    reason: undefined,
    stack: undefined,
    record: undefined,
    counters: [],
    outputBytes: 0,
    outputRecords: 0,
    partitions: undefined,
    files: [],
    skipped: [],
    complaints: [],
  };
  state.put(job, kind, number, { ...task, attempts: [...task.attempts, begun] });
  job.head.startedMs ??= state.timeMs;
  return true;
}

function isWinner(state: JobsState, { job, kind, task, attempt }: AttemptId): boolean {
  const found = state.jobs.get(job)?.task(kind, task);
  return found !== undefined && found.winner === attempt;
}

interface Failing {
  readonly message: string;
  readonly stack?: string | undefined;
  readonly record?: { readonly index: number; readonly text: string } | undefined;
  readonly retryable: boolean;
}

function fail(
  state: JobsState,
  job: Job,
  id: AttemptId,
  { message, stack, record, retryable }: Failing,
): void {
  const { kind, task: number, attempt } = id;
  const { settings } = job.spec;
  const before = job.task(kind, number)!;
  const ended = withEnded(state, before, attempt, {
    state: "failed",
    reason: cut(message, MESSAGE_MAX),
    stack: stack === undefined ? undefined : cut(stack, STACK_MAX),
    record:
      record === undefined ? undefined : { index: record.index, text: cut(record.text, RECORD_TEXT_MAX) },
  });
  // A record that may be skipped from now on is no reason to count the attempt: the next one does not meet it.
  const skips =
    retryable &&
    record !== undefined &&
    ended.skip.length < settings.skipRecords &&
    !ended.skip.includes(record.index);
  const next: TaskRecord = skips
    ? { ...ended, skip: [...ended.skip, record.index].toSorted((left, right) => left - right) }
    : { ...ended, failures: ended.failures + 1 };
  state.put(job, kind, number, next);
  if (job.head.state !== "running") return;
  if (retryable && next.failures < settings.attempts) return endIfTooMany(state, job, id);
  const times = retryable ? `failed ${next.failures} times, at last` : "failed for good";
  const text = `${kind} ${number} ${times} as ${nameOf(job, kind, number, attempt)}: ${message}`;
  endWithout(state, job, { failure: { code: "JOB_FAILED", message: cut(text, MESSAGE_MAX), attempt: id } });
}

/** True when there was something to lose. */
function lose(state: JobsState, id: AttemptId, reason: string): boolean {
  const job = state.jobs.get(id.job);
  const task = job?.task(id.kind, id.task);
  const record = task?.attempts[id.attempt];
  if (job === undefined || task === undefined || record === undefined) return false;
  if (record.state === "running") {
    state.put(job, id.kind, id.task, withEnded(state, task, id.attempt, { state: "lost", reason }));
  } else if (task.winner === id.attempt && record.partitions !== undefined && job.head.state === "running") {
    state.put(job, id.kind, id.task, withoutOutput(state, task, id.attempt, reason));
  } else {
    return false;
  }
  endIfTooMany(state, job, id);
  return true;
}

/** A task that is begun again and again does not end: so the job must. */
function endIfTooMany(state: JobsState, job: Job, id: AttemptId): void {
  const task = job.task(id.kind, id.task)!;
  if (task.attempts.length < ATTEMPTS_MAX || job.head.state !== "running" || task.winner !== undefined)
    return;
  if (task.attempts.some((each) => each.state === "running")) return;
  const message = `${id.kind} ${id.task} was begun ${ATTEMPTS_MAX} times and did not finish`;
  endWithout(state, job, { failure: { code: "JOB_FAILED", message, attempt: id } });
}

/** What is wrong with what an attempt says it did: a mistake of its program, not of its input. */
function problemOf(job: Job, kind: TaskKind, done: CommandOf<"finished">): string | undefined {
  const { counters, partitions, files, skipped } = done;
  const reduces = job.reduce.tasks.length;
  const wanted = kind === "map" && reduces > 0 ? reduces : undefined;
  if (partitions?.length !== wanted) {
    return `it left ${partitions?.length ?? "no"} partitions, not ${wanted ?? "none"}`;
  }
  if (files.length > ATTEMPT_FILES_MAX) return `it left more than ${ATTEMPT_FILES_MAX} files`;
  if (skipped.length > SKIPPED_MAX) return `it skipped more than ${SKIPPED_MAX} records`;
  const odd = files.find(({ name }) => !isOutputName(name));
  if (odd !== undefined) return `an output file cannot be called "${odd.name.slice(0, 200)}"`;
  const fresh = new Set<string>();
  for (const { group, name, value } of counters) {
    const full = counterName(group, name);
    if (!Number.isSafeInteger(value)) return `counter ${group}.${name} is ${value}, which is no whole number`;
    if (full.length > 2 * COUNTER_NAME_MAX) return `the name of a counter is too long: ${full.slice(0, 200)}`;
    if (!job.knowsCounter(full)) fresh.add(full);
  }
  if (job.counterNames.length + fresh.size > COUNTERS_MAX)
    return `the job has more than ${COUNTERS_MAX} counters`;
  if (job.outputFiles + files.length > JOB_FILES_MAX)
    return `the job has more than ${JOB_FILES_MAX} output files`;
  return undefined;
}

/** Relative, inside the output directory, and no hidden file of ours. */
function isOutputName(name: string): boolean {
  if (name.length > 1_000) return false;
  const parts = name.split("/");
  if (parts[0] === "_temporary" || name === "_SUCCESS") return false;
  return parts.every((part) => part !== "" && part !== "." && part !== ".." && !/\p{Cc}|:/u.test(part));
}

/** A name with a NUL in it would fall apart in another place. */
function counterName(group: string, name: string): string {
  return `${group.replaceAll("\0", " ")}\0${name.replaceAll("\0", " ")}`;
}

function place(job: Job, counters: readonly Counted[]): readonly number[] {
  const placed: number[] = [];
  for (const { group, name, value } of counters) {
    const at = job.placeOf(counterName(group, name));
    while (placed.length <= at) placed.push(NaN);
    placed[at] = (Number.isNaN(placed[at]!) ? 0 : placed[at]!) + value;
  }
  return placed;
}

function sum(values: readonly number[]): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
