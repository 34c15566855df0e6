/**
 * One job: its tasks, and what follows from them.
 *
 * Tasks and attempts are never changed: `put` replaces a task by another one, and takes from all sums what the old one was
 * and adds what the new one is. So sums cannot drift from what they sum up, a cut for a snapshot shares the tasks, and a job
 * that is read back gets its sums from its tasks.
 */
import type { NodeId } from "../../../runtime/world.ts";
import { hashText, stir, stirNumber } from "../../../wire/digest.ts";
import type { JobState } from "../../../mapreduce/job-api.ts";
import type { Counters, JobId, JobSpec, Split, TaskKind } from "../../../mapreduce/job-spec.ts";
import type { Failure, StagedOutput, TaskRecord } from "./model.ts";
import { NEW_TASK } from "./model.ts";
import type { Tally } from "./tally.ts";
import { count, noTally, stateOf } from "./tally.ts";

/** What a job is besides its tasks. */
export interface JobHead {
  readonly id: JobId;
  readonly submission: string;
  readonly token: string;
  /** A `JobSpec` in JSON. */
  readonly spec: string;
  readonly submittedMs: number;
  startedMs: number | undefined;
  endedMs: number | undefined;
  state: JobState;
  failure: Failure | undefined;
  killed: string | undefined;
  staged: StagedOutput | undefined;
  prepared: boolean;
  /** Nothing temporary is left of it. */
  cleaned: boolean;
  /** Changes so far. */
  version: number;
}

/** Tasks of one kind, as whoever gives them out looks at them. */
export interface TaskTable {
  readonly tasks: TaskRecord[];
  readonly tally: Tally;
  readonly waiting: Set<number>;
  readonly running: Set<number>;
}

export class Job {
  readonly head: JobHead;
  readonly spec: JobSpec;
  /** Of its maps, by their number. None when only sums are kept. */
  splits: readonly Split[];
  readonly map: TaskTable;
  readonly reduce: TaskTable;
  /** "GROUP\0NAME" of every counter of the job, in the order in which they came up. */
  readonly counterNames: string[];
  private readonly counterPlaces = new Map<string, number>();
  /** Of the winners; by the place of the name. */
  readonly totals: number[] = [];
  /** How many winners count there. */
  private readonly counting: number[] = [];
  /** Map output of the winners, by partition. */
  readonly partitionBytes: number[];
  /** Output files of the winners. */
  outputFiles = 0;
  /** Maps whose winner ran where its split is. */
  localMaps = 0;
  /** Attempts that failed, by node. */
  readonly failuresByNode: Map<NodeId, number> = new Map();
  /** False: it ended long ago, and only its sums are kept. */
  detailed = true;
  private tasksDigest: number;

  constructor(head: JobHead, spec: JobSpec, splits: readonly Split[], counterNames: readonly string[] = []) {
    this.head = head;
    this.spec = spec;
    this.splits = splits;
    this.map = newTable(splits.length);
    this.reduce = newTable(spec.settings.reduces);
    this.partitionBytes = Array.from({ length: spec.settings.reduces }, () => 0);
    this.counterNames = [];
    this.tasksDigest = splitsDigest(splits);
    for (const name of counterNames) this.placeOf(name);
  }

  get id(): JobId {
    return this.head.id;
  }

  get live(): boolean {
    return this.head.state === "running" || this.head.state === "committing";
  }

  table(kind: TaskKind): TaskTable {
    return kind === "map" ? this.map : this.reduce;
  }

  task(kind: TaskKind, task: number): TaskRecord | undefined {
    return this.table(kind).tasks[task];
  }

  /** The place of a counter's name, a new one if need be. */
  placeOf(name: string): number {
    const known = this.counterPlaces.get(name);
    if (known !== undefined) return known;
    const place = this.counterNames.length;
    this.counterNames.push(name);
    this.counterPlaces.set(name, place);
    this.totals.push(0);
    this.counting.push(0);
    return place;
  }

  knowsCounter(name: string): boolean {
    return this.counterPlaces.has(name);
  }

  /** A task takes the place of the one of its number. */
  put(kind: TaskKind, number: number, next: TaskRecord): void {
    const table = this.table(kind);
    const before = table.tasks[number]!;
    this.take(kind, number, before, -1);
    table.tasks[number] = next;
    this.take(kind, number, next, 1);
    table.waiting.delete(number);
    table.running.delete(number);
    const state = stateOf(next);
    if (state === "waiting") table.waiting.add(number);
    else if (state === "running") table.running.add(number);
  }

  /** The winners' counters: each task counts once. */
  counters(): Counters {
    return this.named(this.totals.map((total, place) => (this.counting[place]! > 0 ? total : NaN)));
  }

  /** Values by place as counters by name. */
  named(values: readonly number[]): Counters {
    const counters: Record<string, Record<string, number>> = {};
    for (const [place, value] of values.entries()) {
      if (Number.isNaN(value)) continue;
      const [group, name] = this.counterNames[place]!.split("\0") as [string, string];
      (counters[group] ??= {})[name] = value;
    }
    return counters;
  }

  /** Keeps the sums only. */
  dropTasks(): void {
    this.detailed = false;
    this.tasksDigest = 0;
    for (const table of [this.map, this.reduce]) {
      table.tasks.length = 0;
      table.waiting.clear();
      table.running.clear();
    }
    this.splits = [];
    this.failuresByNode.clear();
  }

  /** What is kept of a job without its tasks. */
  sums(): JobSums {
    return {
      map: { ...this.map.tally },
      reduce: { ...this.reduce.tally },
      totals: this.totals.slice(),
      counting: this.counting.slice(),
      partitionBytes: this.partitionBytes.slice(),
      outputFiles: this.outputFiles,
      localMaps: this.localMaps,
    };
  }

  /** Of a job that is read back without its tasks. */
  restoreSums(sums: JobSums): void {
    this.dropTasks();
    Object.assign(this.map.tally, sums.map);
    Object.assign(this.reduce.tally, sums.reduce);
    replaceAll(this.totals, sums.totals);
    replaceAll(this.counting, sums.counting);
    replaceAll(this.partitionBytes, sums.partitionBytes);
    this.outputFiles = sums.outputFiles;
    this.localMaps = sums.localMaps;
  }

  digest(): number {
    const { head, tasksDigest, detailed } = this;
    let hash = hashText(detailed ? 1 : 2, head.id);
    hash = hashText(hashText(hashText(hash, head.submission), head.token), head.spec);
    hash = hashText(hash, head.state);
    for (const value of [
      head.submittedMs,
      head.startedMs ?? -1,
      head.endedMs ?? -1,
      head.prepared ? 1 : 0,
      head.cleaned ? 1 : 0,
      head.version,
      head.staged?.marker ?? -1,
      head.staged?.temporary ?? -1,
      head.staged?.directory ?? -1,
      this.counterNames.length,
    ])
      hash = stirNumber(hash, value);
    hash = hashText(hash, head.failure?.message ?? "");
    hash = hashText(hash, head.killed ?? "");
    return stir(hash, tasksDigest) >>> 0;
  }

  /** Adds a task to all sums, or takes it away. */
  private take(kind: TaskKind, number: number, task: TaskRecord, sign: 1 | -1): void {
    count(this.table(kind).tally, task, sign);
    this.tasksDigest = (this.tasksDigest + sign * taskDigest(kind, number, task)) >>> 0;
    for (const { state, node } of task.attempts) {
      if (state !== "failed") continue;
      const failures = (this.failuresByNode.get(node) ?? 0) + sign;
      if (failures > 0) this.failuresByNode.set(node, failures);
      else this.failuresByNode.delete(node);
    }
    const winner = task.winner === undefined ? undefined : task.attempts[task.winner];
    if (winner === undefined) return;
    this.outputFiles += sign * winner.files.length;
    if (kind === "map" && this.splits[number]?.nodes.includes(winner.node) === true) this.localMaps += sign;
    for (const [place, value] of winner.counters.entries()) {
      if (Number.isNaN(value)) continue;
      this.totals[place]! += sign * value;
      this.counting[place]! += sign;
    }
    for (const [partition, bytes] of (winner.partitions ?? []).entries()) {
      this.partitionBytes[partition]! += sign * bytes;
    }
  }
}

export interface JobSums {
  readonly map: Tally;
  readonly reduce: Tally;
  readonly totals: readonly number[];
  readonly counting: readonly number[];
  readonly partitionBytes: readonly number[];
  readonly outputFiles: number;
  readonly localMaps: number;
}

function newTable(length: number): TaskTable {
  const tally = noTally();
  tally.waiting = length;
  return {
    tasks: Array.from({ length }, () => NEW_TASK),
    tally,
    waiting: new Set(Array.from({ length }, (_, number) => number)),
    running: new Set(),
  };
}

function splitsDigest(splits: readonly Split[]): number {
  let hash = splits.length;
  for (const { path, start, length, mapper } of splits) {
    hash = stirNumber(stirNumber(stir(hash, path.length), start), length);
    hash = stir(hash, mapper);
  }
  return hash >>> 0;
}

/** 0 for a task that nothing has happened to: what a job begins with need not be summed up. */
function taskDigest(
  kind: TaskKind,
  number: number,
  { attempts, winner, failures, skip }: TaskRecord,
): number {
  if (attempts.length === 0 && failures === 0) return 0;
  let hash = stir(kind === "map" ? 1 : 2, number);
  hash = stir(stir(hash, winner ?? -1), failures);
  for (const index of skip) hash = stirNumber(hash, index);
  for (const attempt of attempts) {
    hash = hashText(hashText(hash, attempt.node), attempt.state);
    for (const value of [
      attempt.life,
      attempt.backup ? 1 : 0,
      attempt.startedMs,
      attempt.endedMs ?? -1,
      attempt.outputBytes,
      attempt.outputRecords,
      attempt.files.length,
      attempt.skipped.length,
      attempt.complaints.length,
    ])
      hash = stirNumber(hash, value);
    for (const value of attempt.counters) hash = stirNumber(hash, Number.isNaN(value) ? -1 : value);
    for (const bytes of attempt.partitions ?? []) hash = stirNumber(hash, bytes);
    hash = hashText(hash, attempt.reason ?? "");
  }
  return hash >>> 0;
}

function replaceAll(list: number[], values: readonly number[]): void {
  list.length = 0;
  for (const value of values) list.push(value);
}
