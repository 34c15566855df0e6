/** What is kept of jobs that ended: a bounded number of them, of their tasks, and for a bounded time; the oldest go first. */
import type { Job } from "./job.ts";
import type { HistorySettings, JobsState } from "./state.ts";

/** Jobs that one command touches: about a millisecond of work. */
const PRUNE_MAX = 100;

interface Due {
  readonly remove: readonly Job[];
  /** Keep their sums only. */
  readonly strip: readonly Job[];
}

/** What is too much now. Changes nothing. */
export function pruneDue(state: JobsState, settings: HistorySettings, nowMs: number): Due {
  // What is not cleaned up still needs its paths.
  const ended = [...state.jobs.values()].filter((job) => !job.live && job.head.cleaned);
  ended.sort((left, right) => left.head.endedMs! - right.head.endedMs!);
  const surplus = ended.length - settings.jobsMax;
  const remove = ended.filter(
    (job, place) => place < surplus || nowMs - job.head.endedMs! > settings.ageMaxMs,
  );
  let tasks = 0;
  for (const job of ended) tasks += tasksOf(job);
  const strip: Job[] = [];
  for (const job of ended) {
    if (tasks <= settings.tasksMax) break;
    tasks -= tasksOf(job);
    if (job.detailed && !remove.includes(job)) strip.push(job);
  }
  return { remove: remove.slice(0, PRUNE_MAX), strip: strip.slice(0, PRUNE_MAX) };
}

export function prune(state: JobsState, settings: HistorySettings): number {
  const { remove, strip } = pruneDue(state, settings, state.timeMs);
  for (const job of remove) state.remove(job);
  for (const job of strip) state.strip(job);
  return remove.length + strip.length;
}

function tasksOf(job: Job): number {
  return job.detailed ? job.map.tasks.length + job.reduce.tasks.length : 0;
}
