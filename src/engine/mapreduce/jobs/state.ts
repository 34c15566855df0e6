/** All jobs, and what is looked up in them. Every change of a job goes through here, so that digests and indices follow. */
import type { NodeId } from "../../../runtime/world.ts";
import { stirNumber } from "../../../wire/digest.ts";
import type { AttemptId, JobId, TaskKind } from "../../../mapreduce/job-spec.ts";
import type { Job } from "./job.ts";
import type { AttemptRecord, TaskRecord } from "./model.ts";
import { Refusal } from "./replies.ts";

/** Who is told of changes at this replica, after each command that made some. */
export interface JobsObserver {
  /** Something of the job changed; it may be new. */
  changed(job: Job): void;
  removed(job: JobId): void;
  /** Everything may be different. */
  replaced(): void;
}

/** What is kept of jobs that ended. */
export interface HistorySettings {
  /** Default 1,000. */
  readonly jobsMax: number;
  /** Tasks of ended jobs that are kept, all jobs together; the oldest lose theirs first. Default 200,000. */
  readonly tasksMax: number;
  /** Default 30 days. */
  readonly ageMaxMs: number;
}

export const DEFAULT_HISTORY: HistorySettings = {
  jobsMax: 1_000,
  tasksMax: 200_000,
  ageMaxMs: 30 * 24 * 3_600_000,
};

export class JobsState {
  readonly history: HistorySettings;
  timeMs = 0;
  /** The number of the next job. */
  nextJob = 1;
  observer: JobsObserver | undefined = undefined;
  /** In the order of their submission. */
  readonly jobs: Map<JobId, Job> = new Map();
  private readonly submissions = new Map<string, JobId>();
  /** Attempts that run, by the node that runs them. */
  private readonly running = new PlacedAttempts();
  /** Map outputs that count, by the node that holds them. */
  private readonly outputs = new PlacedAttempts();
  private readonly digests = new Map<JobId, number>();
  private digestSum = 0;
  private readonly changed = new Set<Job>();
  private readonly removed = new Set<JobId>();

  constructor(history: HistorySettings) {
    this.history = history;
  }

  /** Throws Refusal JOB_NOT_FOUND. */
  job(id: JobId): Job {
    const job = this.jobs.get(id);
    if (job === undefined) throw new Refusal("JOB_NOT_FOUND", `there is no job ${id}`);
    return job;
  }

  submitted(submission: string): Job | undefined {
    const id = this.submissions.get(submission);
    return id === undefined ? undefined : this.jobs.get(id);
  }

  /** A job with its tasks as they are. */
  add(job: Job): void {
    this.jobs.set(job.id, job);
    this.submissions.set(job.head.submission, job.id);
    for (const kind of ["map", "reduce"] as const) {
      for (const [number, task] of job.table(kind).tasks.entries()) this.index(job, kind, number, task, true);
    }
    this.touch(job);
  }

  remove(job: Job): void {
    this.removeTasks(job);
    this.jobs.delete(job.id);
    this.submissions.delete(job.head.submission);
    this.digestSum = (this.digestSum - (this.digests.get(job.id) ?? 0)) >>> 0;
    this.digests.delete(job.id);
    this.changed.delete(job);
    this.removed.add(job.id);
  }

  /** Keeps of a job what its tasks add up to. */
  strip(job: Job): void {
    this.removeTasks(job);
    job.dropTasks();
    this.touch(job);
  }

  /** Notes that something of a job has changed. */
  touch(job: Job): void {
    this.changed.add(job);
  }

  put(job: Job, kind: TaskKind, number: number, next: TaskRecord): void {
    this.index(job, kind, number, job.task(kind, number)!, false);
    job.put(kind, number, next);
    this.index(job, kind, number, next, true);
    this.touch(job);
  }

  /** Nodes on which something runs or lies, as far as the log knows. */
  nodes(): ReadonlySet<NodeId> {
    return new Set([...this.running.nodes(), ...this.outputs.nodes()]);
  }

  runningOn(node: NodeId): PlacedOn {
    return this.running.on(node);
  }

  outputsOn(node: NodeId): PlacedOn {
    return this.outputs.on(node);
  }

  /** The attempt, if there is one of this name. */
  attempt({ job, kind, task, attempt }: AttemptId): AttemptRecord | undefined {
    return this.jobs.get(job)?.task(kind, task)?.attempts[attempt];
  }

  digest(): number {
    return stirNumber(stirNumber(this.digestSum, this.nextJob), this.jobs.size) >>> 0;
  }

  /** Ends a command: digests follow, and the observer is told. */
  settle(): void {
    for (const job of this.changed) {
      job.head.version++;
      const digest = job.digest();
      this.digestSum = (this.digestSum - (this.digests.get(job.id) ?? 0) + digest) >>> 0;
      this.digests.set(job.id, digest);
    }
    const changed = [...this.changed];
    const removed = [...this.removed];
    this.changed.clear();
    this.removed.clear();
    for (const job of changed) this.observer?.changed(job);
    for (const job of removed) this.observer?.removed(job);
  }

  /** As `settle`, of a state that was read back: nothing has changed in it. */
  settleRestored(): void {
    for (const job of this.changed) job.head.version--;
    this.settle();
  }

  private removeTasks(job: Job): void {
    for (const kind of ["map", "reduce"] as const) {
      for (const [number, task] of job.table(kind).tasks.entries())
        this.index(job, kind, number, task, false);
    }
  }

  private index(job: Job, kind: TaskKind, task: number, record: TaskRecord, isThere: boolean): void {
    for (const [attempt, { state, node }] of record.attempts.entries()) {
      const id: AttemptId = { job: job.id, kind, task, attempt };
      if (state === "running") this.running.set(node, id, isThere);
      if (record.winner === attempt && record.attempts[attempt]!.partitions !== undefined) {
        this.outputs.set(node, id, isThere);
      }
    }
  }
}

export type PlacedOn = Pick<ReadonlyMap<string, AttemptId>, "size" | "values">;

const NOTHING: PlacedOn = new Map<string, AttemptId>();

class PlacedAttempts {
  private readonly byNode = new Map<NodeId, Map<string, AttemptId>>();

  nodes(): Iterable<NodeId> {
    return this.byNode.keys();
  }

  on(node: NodeId): PlacedOn {
    return this.byNode.get(node) ?? NOTHING;
  }

  set(node: NodeId, id: AttemptId, isThere: boolean): void {
    const key = `${id.job}/${id.kind}/${id.task}/${id.attempt}`;
    const there = this.byNode.get(node) ?? new Map<string, AttemptId>();
    if (isThere) {
      this.byNode.set(node, there.set(key, id));
    } else {
      there.delete(key);
      if (there.size === 0) this.byNode.delete(node);
    }
  }
}
