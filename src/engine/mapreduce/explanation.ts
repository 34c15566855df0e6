/** What a job waits for, a sentence each: what a person would look for first, first. */
import type { TaskKind } from "../../mapreduce/job-spec.ts";
import { attemptName } from "../../mapreduce/job-spec.ts";
import type { Room } from "./assignments.ts";
import type { Beats } from "./beats.ts";
import type { Job } from "./jobs/job.ts";
import { stragglersOf, usualDuration } from "./stragglers.ts";

export interface ExplanationContext {
  readonly beats: Beats;
  /** Nodes that take tasks. */
  readonly rooms: readonly Room[];
  /** Log time. */
  readonly nowMs: number;
}

/** A partition is uneven when it is so many times the median, and has so much of all. */
const SKEW_TIMES = 3;
const SKEW_SHARE = 0.2;
const SENTENCES_MAX = 12;

export function explain(job: Job, context: ExplanationContext): readonly string[] {
  if (!job.live) return [];
  const sentences = [
    ...aboutOutput(job, context),
    ...aboutNodes(job, context),
    ...aboutSlots(job, context),
    ...aboutStragglers(job, context, "map"),
    ...aboutStragglers(job, context, "reduce"),
    ...aboutFailures(job),
    ...aboutSkew(job),
  ];
  return sentences.slice(0, SENTENCES_MAX);
}

function aboutOutput(job: Job, { beats }: ExplanationContext): string[] {
  const problem = beats.problemOf(job.id);
  const why = problem === undefined ? "" : `: ${problem}`;
  if (job.head.state === "committing")
    return [`All tasks have finished; the output is being published${why}.`];
  return job.head.prepared ? [] : [`The output directory is being made${why}.`];
}

function aboutNodes(job: Job, { beats }: ExplanationContext): string[] {
  const sentences: string[] = [];
  const nodes = new Set<string>();
  for (const kind of ["map", "reduce"] as const) {
    for (const task of job.table(kind).running) {
      for (const { node, state } of job.task(kind, task)!.attempts) if (state === "running") nodes.add(node);
    }
  }
  for (const node of [...nodes].sort()) {
    const standing = beats.standing(node);
    if (standing === "live") continue;
    const seconds = Math.round(beats.silentMs(node) / 1000);
    const what = standing === "dead" ? "what it runs is begun again elsewhere" : "it may be gone";
    sentences.push(`${node} is silent for ${seconds} s: ${what}.`);
  }
  let lost = 0;
  for (const task of [...job.map.waiting, ...job.map.running]) {
    if (job.map.tasks[task]!.attempts.some(({ state }) => state === "lost")) lost++;
  }
  if (lost > 0) sentences.push(`${count(lost, "map")} must run again: their output or node was lost.`);
  return sentences;
}

function aboutSlots(job: Job, { rooms }: ExplanationContext): string[] {
  const waiting = job.map.waiting.size + job.reduce.waiting.size;
  if (waiting === 0 || !job.head.prepared) return [];
  const slots = rooms.reduce((sum, room) => sum + room.slots, 0);
  const used = rooms.reduce((sum, room) => sum + Math.min(room.used, room.slots), 0);
  if (slots === 0) return [`No node takes tasks: ${count(waiting, "task")} wait.`];
  if (used < slots) return [];
  const own = job.map.tally.attemptsRunning + job.reduce.tally.attemptsRunning;
  const others = Math.max(0, used - own);
  const whose = others === 0 ? "all by this job" : `${others} by other jobs`;
  return [`${count(waiting, "task")} wait for a slot: ${used} of ${slots} are taken, ${whose}.`];
}

function aboutStragglers(job: Job, { beats, nowMs }: ExplanationContext, kind: TaskKind): string[] {
  const fractionOf = (task: number, attempt: number): number | undefined =>
    beats.progressOf({ job: job.id, kind, task, attempt })?.fraction;
  const question = { job, kind, nowMs, fractionOf, readyMs: 0 };
  const slow = stragglersOf({ ...question, standingOf: (node) => beats.standing(node), afterMs: 2_000 });
  const usual = usualDuration(question);
  return slow.slice(0, 3).map(({ task, attempt, node }) => {
    const name = attemptName({ job: job.id, kind, task, attempt });
    const { startedMs } = job.task(kind, task)!.attempts[attempt]!;
    const percent = Math.round((fractionOf(task, attempt) ?? 0) * 100);
    const like = usual === undefined ? "" : `, its like take ${seconds(usual)}`;
    return `${name} on ${node} is slow: ${percent} % after ${seconds(nowMs - startedMs)}${like}.`;
  });
}

function aboutFailures(job: Job): string[] {
  const sentences: string[] = [];
  for (const kind of ["map", "reduce"] as const) {
    const { tasks, waiting, running } = job.table(kind);
    for (const task of [...waiting, ...running]) {
      const { failures, attempts } = tasks[task]!;
      if (failures === 0) continue;
      const last = attempts.findLast(({ state }) => state === "failed");
      sentences.push(
        `${kind} ${task} has failed ${failures} of ${job.spec.settings.attempts} times, last on ${last?.node}: ${last?.reason}`,
      );
      if (sentences.length >= 3) return sentences;
    }
  }
  return sentences;
}

function aboutSkew(job: Job): string[] {
  const { partitionBytes } = job;
  if (partitionBytes.length < 2 || job.reduce.tally.finished === job.reduce.tasks.length) return [];
  const sorted = partitionBytes.toSorted((left, right) => right - left);
  const total = sorted.reduce((sum, bytes) => sum + bytes, 0);
  const [most] = sorted;
  const median = sorted[sorted.length >> 1]!;
  if (most === undefined || total === 0 || most < median * SKEW_TIMES || most < total * SKEW_SHARE) return [];
  const partition = partitionBytes.indexOf(most);
  return [
    `Reduce ${partition} gets ${Math.round((most / total) * 100)} % of the map output: keys are uneven.`,
  ];
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
}
