/**
 * Which running attempts are so slow that a second one, begun now elsewhere, is likely to be there first ("backup tasks" of
 * the MapReduce paper, section 3.6; by estimated ends as in LATE, OSDI 2008). Pure.
 */
import type { TaskKind } from "../../mapreduce/job-spec.ts";
import type { Standing } from "./beats.ts";
import type { Job } from "./jobs/job.ts";

export interface SlowAttempt {
  readonly kind: TaskKind;
  readonly task: number;
  readonly attempt: number;
  readonly node: string;
  /** Estimated milliseconds to its end; Infinity: nothing is heard of it. */
  readonly remainingMs: number;
}

export interface StragglerQuestion {
  readonly job: Job;
  readonly kind: TaskKind;
  /** Log time. */
  readonly nowMs: number;
  /** 0 to 1; undefined: it has not told. */
  readonly fractionOf: (task: number, attempt: number) => number | undefined;
  readonly standingOf: (node: string) => Standing;
  /** Attempts that run for less are left alone. */
  readonly afterMs: number;
  /** Log time from which reduces could get on: when the last map finished. Of maps: 0. */
  readonly readyMs: number;
}

/** Finished tasks that are looked at to learn how long they take. */
const SAMPLE = 500;
/** An attempt must be behind its like by this much. */
const SLOW_FACTOR = 1.5;

/** The slowest first. Attempts that have a backup already are left out. */
export function stragglersOf(question: StragglerQuestion): SlowAttempt[] {
  const { job, kind, nowMs, fractionOf, standingOf, afterMs, readyMs } = question;
  const { tasks, running } = job.table(kind);
  const usual = usualDuration(question);
  const slow: SlowAttempt[] = [];
  for (const task of running) {
    const alive = [...tasks[task]!.attempts.entries()].filter(([, { state }]) => state === "running");
    if (alive.length !== 1) continue;
    const [attempt, { node, startedMs }] = alive[0]!;
    const elapsedMs = nowMs - Math.max(startedMs, readyMs);
    if (standingOf(node) !== "live") {
      slow.push({ kind, task, attempt, node, remainingMs: Infinity });
      continue;
    }
    if (elapsedMs < afterMs || usual === undefined) continue;
    const totalMs = elapsedMs / Math.max(fractionOf(task, attempt) ?? 0, 0.01);
    const remainingMs = totalMs - elapsedMs;
    // It must be slow, and so slow that one begun now would end sooner.
    if (totalMs > usual * SLOW_FACTOR && remainingMs > usual)
      slow.push({ kind, task, attempt, node, remainingMs });
  }
  return slow.sort((left, right) => right.remainingMs - left.remainingMs);
}

/** How long attempts of this kind take: the median of those that finished, and of what others are heading for. */
export function usualDuration(
  question: Omit<StragglerQuestion, "standingOf" | "afterMs">,
): number | undefined {
  const { job, kind, nowMs, fractionOf, readyMs } = question;
  const { tasks, running, tally } = job.table(kind);
  const durations: number[] = [];
  // Of many tasks some tell as much as all.
  const stride = Math.ceil(tasks.length / SAMPLE);
  for (let task = 0; task < tasks.length; task += stride) {
    const { attempts, winner } = tasks[task]!;
    if (winner === undefined) continue;
    const { startedMs, endedMs } = attempts[winner]!;
    durations.push(Math.max(1, endedMs! - Math.max(startedMs, Math.min(readyMs, endedMs!))));
  }
  for (const task of running) {
    for (const [attempt, { state, startedMs }] of tasks[task]!.attempts.entries()) {
      const fraction = state === "running" ? fractionOf(task, attempt) : undefined;
      if (fraction === undefined || fraction < 0.05) continue;
      durations.push((nowMs - Math.max(startedMs, readyMs)) / fraction);
    }
  }
  // One alone is like nobody.
  if (durations.length < 2) return tally.finished >= 1 ? durations[0] : undefined;
  durations.sort((left, right) => left - right);
  return durations[durations.length >> 1];
}

/** Backups of one kind that a job may have running at a time. */
export function backupsAllowed(tasks: number): number {
  return Math.max(1, Math.floor(tasks / 10));
}
