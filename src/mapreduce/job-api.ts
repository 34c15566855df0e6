/**
 * What passes over HTTP between those who submit and watch jobs and the nodes of a cluster: JSON, below `/mapreduce/v1`.
 * Every node answers everything. Times are Unix milliseconds of the log, sizes are bytes.
 *
 *   POST /mapreduce/v1/jobs                          JobSubmission           201 JobAccepted
 *   POST /mapreduce/v1/plan                          JobSubmission           200 JobPlan: what it would do; nothing is done
 *   GET  /mapreduce/v1/jobs?state=&limit=&before=                            200 JobList, newest first
 *   GET  /mapreduce/v1/history?limit=&before=                                200 JobList of jobs that have ended
 *   GET  /mapreduce/v1/jobs/JOB?after=CURSOR&waitMs=                         200 JobReport
 *   GET  /mapreduce/v1/jobs/JOB/tasks?kind=&state=&from=&limit=              200 TaskList
 *   GET  /mapreduce/v1/jobs/JOB/attempts/ATTEMPT/log?offset=&length=         200 text/plain, from the node that ran it
 *   POST /mapreduce/v1/jobs/JOB/kill                 JobKill                 200 JobSummary
 *   GET  /mapreduce/v1/nodes                                                 200 NodeList
 *
 * What is refused comes with a status of 400 and more and an `ApiError`, whose code is one of the error table.
 */
import type { ErrorCode, Outcome } from "../runtime/errors.ts";
import type {
  CacheFile,
  Counters,
  InputSpec,
  JobId,
  JobSettings,
  JobSpec,
  Program,
  TaskKind,
} from "./job-spec.ts";

export const JOB_API_ROOT = "/mapreduce/v1";

/** A job as it is submitted: what has a default may be left out. */
export interface JobSubmission {
  /**
   * Drawn by who submits, 16 to 64 of `0-9a-z-`: the same one sent again is the same job, so a submission whose answer was lost
   * may be repeated. Default: each is another job.
   */
  readonly submission?: string;
  /** Default: the last part of the program's name. */
  readonly name?: string;
  /** For whom it reads and writes. */
  readonly user: string;
  readonly program: Program;
  readonly inputs: readonly InputSpec[];
  readonly output: string;
  readonly settings?: Partial<JobSettings>;
  readonly properties?: Readonly<Record<string, string>>;
  readonly cacheFiles?: readonly CacheFile[];
  /** Partitions are ranges of keys, sampled before the job begins. Default false. */
  readonly totalOrder?: boolean;
  readonly ranges?: readonly string[];
}

export interface JobAccepted {
  readonly job: JobSummary;
  /** Where else to ask: "host:port" of the nodes' HTTP ports. */
  readonly nodes: readonly string[];
}

/**
 * `committing`: every task has finished, and the output is about to appear. What has ended stays ended: `succeeded` when the
 * output is there, `failed` and `killed` when nothing of it is.
 */
export type JobState = "running" | "committing" | "succeeded" | "failed" | "killed";

/** Tasks of one kind, and what became of attempts at them. */
export interface TaskTally {
  readonly total: number;
  readonly waiting: number;
  readonly running: number;
  readonly finished: number;
  readonly attempts: {
    readonly running: number;
    /** Winners only. */
    readonly succeeded: number;
    readonly failed: number;
    /** Ended because another was faster, to make room, or with the job. */
    readonly killed: number;
    /** Their node, or what they left on it, was lost. */
    readonly lost: number;
  };
}

/** Why a job failed. */
export interface JobFailure {
  readonly code: ErrorCode;
  /** One line. */
  readonly message: string;
  /** The attempt that was one too many, such as `attempt_20261125_0007_m_000003_3`. */
  readonly attempt: string | undefined;
  readonly node: string | undefined;
  /** The user's stack, in the source that it was written in. */
  readonly stack: string | undefined;
  /** Of a map: such as `/books/a.txt:0+134217728`. */
  readonly split: string | undefined;
  /** The record that the user's code failed on. */
  readonly record: { readonly index: number; readonly text: string } | undefined;
}

/** What the program of a map is given one after the other is a record; that of a reduce gets groups. */
export function recordWord({ attempt }: Pick<JobFailure, "attempt">): "record" | "group" {
  return attempt?.includes("_r_") === true ? "group" : "record";
}

export interface JobSummary {
  readonly id: JobId;
  readonly name: string;
  readonly user: string;
  readonly state: JobState;
  readonly output: string;
  readonly submittedMs: number;
  /** When its first task began. */
  readonly startedMs: number | undefined;
  readonly endedMs: number | undefined;
  readonly maps: TaskTally;
  readonly reduces: TaskTally;
  /** Of a failed job. */
  readonly failure: JobFailure | undefined;
  /** Of a killed job: who asked, and why. */
  readonly killed: string | undefined;
}

export interface JobList {
  readonly jobs: readonly JobSummary[];
  /** Give it as `before` for what comes next; undefined: that was all. */
  readonly next: JobId | undefined;
}

/** An attempt that runs, as its node told a moment ago. */
export interface RunningAttempt {
  readonly attempt: string;
  readonly kind: TaskKind;
  readonly task: number;
  readonly node: string;
  /** Started because another attempt at the task is slow. */
  readonly backup: boolean;
  readonly startedMs: number;
  /** Undefined: nothing was heard yet. */
  readonly phase: string | undefined;
  readonly fraction: number;
  readonly status: string | undefined;
  /** Much slower than its like. */
  readonly straggler: boolean;
}

export interface JobReport extends JobSummary {
  readonly spec: JobSpec;
  /** Nothing temporary is left of it: true a moment after its end. */
  readonly cleaned: boolean;
  /** Give it as `after`: the answer comes when something has changed, or after `waitMs` (at most 30,000). */
  readonly cursor: string;
  /** Log time of this report. */
  readonly nowMs: number;
  /** From 0 to 1. A job of maps only has no shuffle and no reduce: they are 1 when it has ended. */
  readonly progress: { readonly map: number; readonly shuffle: number; readonly reduce: number };
  /** Of the winners alone: each task counts once. Exact, and final when the job has ended. */
  readonly counters: Counters;
  /** The same, and what running attempts have told so far of tasks without a winner. */
  readonly liveCounters: Counters;
  /** The slowest first, at most 100. */
  readonly running: readonly RunningAttempt[];
  /** Estimated milliseconds to the end; undefined: nothing to estimate from yet. */
  readonly remainingMs: number | undefined;
  /** What it waits for, a sentence each: lost nodes, skew, stragglers, slots. */
  readonly explanation: readonly string[];
  /** Bytes of map output by partition, of the maps that have finished. */
  readonly skew:
    | {
        readonly totalBytes: number;
        readonly medianBytes: number;
        /** At most 10. */
        readonly largest: readonly { readonly partition: number; readonly bytes: number }[];
      }
    | undefined;
  /** Where else to ask: "host:port" of the nodes' HTTP ports. */
  readonly nodes: readonly string[];
}

export interface AttemptReport {
  readonly attempt: string;
  readonly number: number;
  readonly node: string;
  readonly backup: boolean;
  readonly state: "running" | "succeeded" | "failed" | "killed" | "lost";
  /** It is the one that counts. */
  readonly winner: boolean;
  readonly startedMs: number;
  readonly endedMs: number | undefined;
  /** Why it ended otherwise than well: one line. */
  readonly reason: string | undefined;
  readonly stack: string | undefined;
  readonly record: { readonly index: number; readonly text: string } | undefined;
  readonly counters: Counters;
  readonly outputBytes: number;
  readonly outputRecords: number;
  readonly skipped: readonly number[];
}

export interface TaskReport {
  readonly kind: TaskKind;
  readonly task: number;
  readonly state: "waiting" | "running" | "finished";
  /** Of a map. */
  readonly split: string | undefined;
  readonly nodes: readonly string[];
  readonly attempts: readonly AttemptReport[];
}

export interface TaskList {
  readonly tasks: readonly TaskReport[];
  /** Give it as `from` for what comes next; undefined: that was all. */
  readonly next: number | undefined;
  /** False: the job ended long ago, and only its summary is kept. */
  readonly kept: boolean;
}

export interface JobKill {
  readonly user: string;
  readonly reason?: string;
}

/** What a job would be made of. */
export interface JobPlan {
  readonly files: number;
  readonly bytes: number;
  readonly maps: number;
  readonly reduces: number;
  readonly largestSplitBytes: number;
  /** Splits that a live node holds. */
  readonly localMaps: number;
  readonly settings: JobSettings;
  /** Slots of all nodes that would work on it. */
  readonly slots: number;
}

export interface NodeReport {
  readonly id: string;
  /** "host:port". */
  readonly http: string | undefined;
  /** `refusing`: it takes no tasks, and `reason` says why. */
  readonly state: "live" | "silent" | "dead" | "refusing";
  readonly reason: string | undefined;
  readonly slots: number;
  readonly running: number;
  readonly leader: boolean;
}

export interface NodeList {
  readonly nodes: readonly NodeReport[];
}

export interface ApiError {
  readonly error: {
    readonly code: ErrorCode;
    readonly message: string;
    readonly retryable: boolean;
    readonly outcome: Outcome;
  };
}
