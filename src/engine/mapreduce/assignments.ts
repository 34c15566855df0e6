/**
 * Which task goes to which node. Pure: looks at what the log and the beats say, and decides; what has changed meanwhile is
 * found out when the log takes the assignment.
 *
 * Jobs share fairly: the one with the fewest running attempts is next. A map waits a moment for a node that holds its split.
 * Reduces begin when some maps have finished, to fetch while the others run, and never take all room from maps. Nodes on which
 * a task, or many of a job, have failed are avoided while there are others.
 */
import type { NodeId } from "../../runtime/world.ts";
import type { TaskKind } from "../../mapreduce/job-spec.ts";
import type { Job } from "./jobs/job.ts";
import type { Assignment, TaskRecord } from "./jobs/model.ts";

export interface SchedulingSettings {
  /** A map waits so long for a node that holds its split. Default 300. */
  readonly localityWaitMs: number;
  /** Share of a job's maps that must have finished before its reduces begin. Default 0.05, as in Hadoop. */
  readonly slowStart: number;
  /** A node is avoided by a job when so many of its attempts have failed there. Default 3, as in Hadoop. */
  readonly nodeFailuresMax: number;
  /** No backup for an attempt that runs for less than this. Default 5,000. */
  readonly backupAfterMs: number;
}

export const DEFAULT_SCHEDULING: SchedulingSettings = {
  localityWaitMs: 300,
  slowStart: 0.05,
  nodeFailuresMax: 3,
  backupAfterMs: 5_000,
};

/** A node that takes tasks. */
export interface Room {
  readonly node: NodeId;
  readonly life: number;
  readonly slots: number;
  /** Attempts that run there or are on their way. */
  used: number;
}

/** A task that is on its way to a node already. */
export type IsPending = (job: Job, kind: TaskKind, task: number) => boolean;

export interface AssignmentQuestion {
  readonly jobs: readonly Job[];
  readonly rooms: readonly Room[];
  readonly settings: SchedulingSettings;
  /** Monotonic milliseconds. */
  readonly nowMs: number;
  /** Since when a task was passed over for want of a better node: kept by the caller between questions. */
  readonly waits: Map<string, number>;
  readonly isPending: IsPending;
}

/** Tasks looked at to find one that is local. */
const LOOKED_AT_MAX = 1_000;
/** A task takes even a node on which it failed when it has waited so long for another. */
const AVOID_FOR_MS = 5_000;

interface Choice {
  readonly kind: TaskKind;
  readonly task: number;
  readonly room: Room;
}

/** Takes the room of what it assigns. */
export function assignTasks(question: AssignmentQuestion): Assignment[] {
  const { jobs, rooms } = question;
  const assignments: Assignment[] = [];
  const running = new Map<Job, number>();
  for (const job of jobs) running.set(job, job.map.tally.attemptsRunning + job.reduce.tally.attemptsRunning);
  const taken = new Set<string>();
  const candidates = jobs.filter((job) => job.head.state === "running" && job.head.prepared);
  while (candidates.length > 0 && rooms.some(hasRoom)) {
    const job = fewest(candidates, running);
    const choice = chooseFor(job, question, taken);
    if (choice === undefined) {
      candidates.splice(candidates.indexOf(job), 1);
      continue;
    }
    const { kind, task, room } = choice;
    room.used++;
    running.set(job, running.get(job)! + 1);
    taken.add(keyOf(job, kind, task));
    question.waits.delete(keyOf(job, kind, task));
    const attempt = job.task(kind, task)!.attempts.length;
    const { node, life } = room;
    assignments.push({ job: job.id, kind, task, attempt, node, life, backup: false });
  }
  return assignments;
}

export function hasRoom(room: Room): boolean {
  return room.used < room.slots;
}

export function keyOf(job: Job, kind: TaskKind, task: number): string {
  return `${job.id}/${kind}/${task}`;
}

/** Nodes that a job avoids: too many of its attempts failed there. Never more than half of those that are there. */
export function avoidedBy(
  job: Job,
  rooms: readonly Room[],
  settings: SchedulingSettings,
): ReadonlySet<NodeId> {
  const bad = rooms.filter(({ node }) => (job.failuresByNode.get(node) ?? 0) >= settings.nodeFailuresMax);
  if (bad.length * 2 > rooms.length) return new Set();
  return new Set(bad.map(({ node }) => node));
}

/** Whether a task has failed on a node. */
export function failedOn({ attempts }: TaskRecord, node: NodeId): boolean {
  return attempts.some((attempt) => attempt.node === node && attempt.state === "failed");
}

/** Whether reduces of a job may begin, and how many may run. */
export function reducesAllowed(job: Job, rooms: readonly Room[], settings: SchedulingSettings): number {
  const maps = job.map.tasks.length;
  const { finished, waiting } = job.map.tally;
  if (finished === maps) return Infinity;
  if (finished < Math.max(1, Math.ceil(maps * settings.slowStart))) return 0;
  // Maps have all begun: what is free now is free for reduces, but for one slot, for a map that must run again.
  const slots = rooms.reduce((sum, room) => sum + room.slots, 0);
  return waiting === 0 ? slots - 1 : Math.floor(slots / 2);
}

function fewest(jobs: readonly Job[], running: ReadonlyMap<Job, number>): Job {
  return jobs.reduce((best, job) => (running.get(job)! < running.get(best)! ? job : best));
}

function chooseFor(job: Job, question: AssignmentQuestion, taken: ReadonlySet<string>): Choice | undefined {
  const { rooms, settings } = question;
  const avoided = avoidedBy(job, rooms, settings);
  const open = rooms.filter((room) => hasRoom(room) && !avoided.has(room.node));
  if (open.length === 0) return undefined;
  const map = chooseMap(job, open, question, taken);
  if (map !== undefined) return map;
  return chooseReduce(job, open, question, taken);
}

function chooseMap(
  job: Job,
  open: readonly Room[],
  question: AssignmentQuestion,
  taken: ReadonlySet<string>,
): Choice | undefined {
  const { rooms, settings, nowMs } = question;
  let remote: Choice | undefined;
  let lookedAt = 0;
  for (const task of job.map.waiting) {
    if (taken.has(keyOf(job, "map", task)) || question.isPending(job, "map", task)) continue;
    if (++lookedAt > LOOKED_AT_MAX) break;
    const usable = usableFor(job, "map", task, open, question);
    if (usable.length === 0) continue;
    const { nodes } = job.splits[task]!;
    const local = leastUsed(usable.filter(({ node }) => nodes.includes(node)));
    if (local !== undefined) return { kind: "map", task, room: local };
    if (remote !== undefined) continue;
    const record = job.task("map", task)!;
    const mayComeFree = rooms.some(
      ({ node, slots }) => slots > 0 && nodes.includes(node) && !failedOn(record, node),
    );
    const waitsSince = since(question, job, "map", task);
    if (mayComeFree && nowMs - waitsSince < settings.localityWaitMs) continue;
    remote = { kind: "map", task, room: leastUsed(usable)! };
  }
  return remote;
}

function chooseReduce(
  job: Job,
  open: readonly Room[],
  question: AssignmentQuestion,
  taken: ReadonlySet<string>,
): Choice | undefined {
  const { rooms, settings } = question;
  const { reduce } = job;
  if (reduce.waiting.size === 0) return undefined;
  let begun = reduce.tally.attemptsRunning;
  for (const task of reduce.waiting) if (taken.has(keyOf(job, "reduce", task))) begun++;
  if (begun >= reducesAllowed(job, rooms, settings)) return undefined;
  for (const task of reduce.waiting) {
    if (taken.has(keyOf(job, "reduce", task)) || question.isPending(job, "reduce", task)) continue;
    const room = leastUsed(usableFor(job, "reduce", task, open, question));
    if (room !== undefined) return { kind: "reduce", task, room };
  }
  return undefined;
}

/** Those on which the task has not failed, as long as there are such nodes, free or not. */
function usableFor(
  job: Job,
  kind: TaskKind,
  task: number,
  open: readonly Room[],
  question: AssignmentQuestion,
): readonly Room[] {
  const record = job.task(kind, task)!;
  if (record.failures === 0) return open;
  const better = open.filter(({ node }) => !failedOn(record, node));
  if (better.length > 0) return better;
  const elsewhere = question.rooms.some(({ node }) => !failedOn(record, node));
  const waitedMs = question.nowMs - since(question, job, kind, task);
  return elsewhere && waitedMs < AVOID_FOR_MS ? [] : open;
}

function since({ waits, nowMs }: AssignmentQuestion, job: Job, kind: TaskKind, task: number): number {
  const key = keyOf(job, kind, task);
  const known = waits.get(key);
  if (known !== undefined) return known;
  waits.set(key, nowMs);
  return nowMs;
}

function leastUsed(rooms: readonly Room[]): Room | undefined {
  let best: Room | undefined;
  for (const room of rooms) {
    if (best === undefined || room.slots - room.used > best.slots - best.used) best = room;
  }
  return best;
}
