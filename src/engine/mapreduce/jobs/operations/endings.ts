/** How attempts and jobs end: what every operation that ends one has in common. */
import type { AttemptId, TaskKind } from "../../../../mapreduce/job-spec.ts";
import { attemptName } from "../../../../mapreduce/job-spec.ts";
import type { Job } from "../job.ts";
import type { AttemptRecord, AttemptState, Failure, TaskRecord } from "../model.ts";
import { MESSAGE_MAX } from "../model.ts";
import type { JobsState } from "../state.ts";

type Ended = Partial<AttemptRecord> & { readonly state: Exclude<AttemptState, "running"> };

/** The task with one of its attempts ended. */
export function withEnded(state: JobsState, task: TaskRecord, attempt: number, ended: Ended): TaskRecord {
  const attempts = task.attempts.slice();
  attempts[attempt] = { ...attempts[attempt]!, endedMs: state.timeMs, ...ended };
  return { ...task, attempts };
}

/** The task with all attempts that run ended. */
export function withAllEnded(state: JobsState, task: TaskRecord, reason: string): TaskRecord {
  let next = task;
  for (const [attempt, each] of task.attempts.entries()) {
    if (each.state === "running") next = withEnded(state, next, attempt, { state: "killed", reason });
  }
  return next;
}

/** The job ends with no output: nothing of it runs any more. */
export function endWithout(
  state: JobsState,
  job: Job,
  end: { readonly failure: Failure } | { readonly killed: string },
): void {
  const { head } = job;
  const reason =
    "failure" in end ? `the job failed: ${end.failure.message}` : `the job was killed: ${end.killed}`;
  for (const kind of ["map", "reduce"] as const) {
    for (const number of job.table(kind).running) {
      const task = job.task(kind, number)!;
      state.put(job, kind, number, withAllEnded(state, task, cut(reason, MESSAGE_MAX)));
    }
  }
  head.endedMs = state.timeMs;
  if ("failure" in end) {
    head.state = "failed";
    head.failure = end.failure;
  } else {
    head.state = "killed";
    head.killed = end.killed;
  }
  state.touch(job);
}

/** Every task has a winner and there is a place for the output: nothing is left but to publish it. */
export function advance(state: JobsState, job: Job): void {
  const { head, map, reduce } = job;
  if (head.state !== "running" || !head.prepared) return;
  if (map.tally.finished < map.tasks.length || reduce.tally.finished < reduce.tasks.length) return;
  head.state = "committing";
  state.touch(job);
}

/** The attempt and its task, if it runs. */
export function runningAttempt(
  state: JobsState,
  { job: id, kind, task: number, attempt }: AttemptId,
): { readonly job: Job; readonly task: TaskRecord; readonly record: AttemptRecord } | undefined {
  const job = state.jobs.get(id);
  const task = job?.task(kind, number);
  const record = task?.attempts[attempt];
  if (job === undefined || task === undefined || record?.state !== "running") return undefined;
  return { job, task, record };
}

export function cut(text: string, max: number): string {
  if (text.length <= max) return text;
  // Half of a surrogate pair could not be written to the log again.
  const end = /[\ud800-\udbff]/.test(text[max - 1]!) ? max - 1 : max;
  return text.slice(0, end);
}

/** A winner whose output is gone counts no more: the task runs again. */
export function withoutOutput(
  state: JobsState,
  task: TaskRecord,
  attempt: number,
  reason: string,
): TaskRecord {
  const { endedMs } = task.attempts[attempt]!;
  const lost = withEnded(state, task, attempt, {
    state: "lost",
    reason,
    ...(endedMs === undefined ? {} : { endedMs }),
  });
  return { ...lost, winner: undefined };
}

export function nameOf(job: Job, kind: TaskKind, task: number, attempt: number): string {
  return attemptName({ job: job.id, kind, task, attempt });
}
