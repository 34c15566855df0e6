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
  private readonly byNode = new Map<NodeId, Map<string, AttemptId>>();
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
      for (const number of job.table(kind).running) {
        this.index(job.id, kind, number, job.task(kind, number)!);
      }
    }
    this.touch(job);
  }

  remove(job: Job): void {
    this.jobs.delete(job.id);
    this.submissions.delete(job.head.submission);
    this.digestSum = (this.digestSum - (this.digests.get(job.id) ?? 0)) >>> 0;
    this.digests.delete(job.id);
    this.changed.delete(job);
    this.removed.add(job.id);
  }

  /** Notes that something of a job has changed. */
  touch(job: Job): void {
    this.changed.add(job);
  }

  put(job: Job, kind: TaskKind, number: number, next: TaskRecord): void {
    const before = job.task(kind, number)!;
    for (const [attempt, { state, node }] of before.attempts.entries()) {
      if (state === "running") this.byNode.get(node)?.delete(keyOf(job.id, kind, number, attempt));
    }
    job.put(kind, number, next);
    this.index(job.id, kind, number, next);
    this.touch(job);
  }

  /** What runs on a node, as far as the log knows. */
  runningOn(node: NodeId): Iterable<AttemptId> {
    return this.byNode.get(node)?.values() ?? [];
  }

  countOn(node: NodeId): number {
    return this.byNode.get(node)?.size ?? 0;
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

  private index(job: JobId, kind: TaskKind, task: number, { attempts }: TaskRecord): void {
    for (const [attempt, { state, node }] of attempts.entries()) {
      if (state !== "running") continue;
      const there = this.byNode.get(node) ?? new Map<string, AttemptId>();
      this.byNode.set(node, there.set(keyOf(job, kind, task, attempt), { job, kind, task, attempt }));
    }
  }
}

function keyOf(job: JobId, kind: TaskKind, task: number, attempt: number): string {
  return `${job}/${kind}/${task}/${attempt}`;
}
