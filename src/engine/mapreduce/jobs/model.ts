/**
 * What the log knows of jobs: facts that no new scheduler may lose. What passes as soon as it is told (progress, load, who is
 * silent) is not here; see `../beats.ts`. Times are Unix milliseconds of the log.
 */
import type { ErrorCode } from "../../../runtime/errors.ts";
import type { NodeId } from "../../../runtime/world.ts";
import type { AttemptId } from "../../../mapreduce/job-spec.ts";
import type { OutputFile } from "../../../mapreduce/task/orders.ts";

export type AttemptState = "running" | "succeeded" | "failed" | "killed" | "lost";

export interface FailedRecord {
  /** In the split. */
  readonly index: number;
  readonly text: string;
}

/** One try at one task. Never changed: another takes its place. */
export interface AttemptRecord {
  readonly node: NodeId;
  /** The life of the node's worker that it was given to: another life has not its process, and does not start it again. */
  readonly life: number;
  /** Begun while another attempt at the task ran. */
  readonly backup: boolean;
  readonly startedMs: number;
  readonly endedMs: number | undefined;
  readonly state: AttemptState;
  /** Why it ended otherwise than well. */
  readonly reason: string | undefined;
  readonly stack: string | undefined;
  readonly record: FailedRecord | undefined;
  /** By the place of their names in the job (`Job.counterNames`); NaN where it did not count. */
  readonly counters: readonly number[];
  readonly outputBytes: number;
  readonly outputRecords: number;
  /** Of a map whose output reduces fetch: bytes by partition. */
  readonly partitions: readonly number[] | undefined;
  readonly files: readonly OutputFile[];
  /** Indices of records in the split. */
  readonly skipped: readonly number[];
  /** Reduces that could not fetch its output, a word for each time one said so. */
  readonly complaints: readonly string[];
}

export interface TaskRecord {
  readonly attempts: readonly AttemptRecord[];
  /** The attempt that counts: the first that finished, and whose output is not lost. */
  readonly winner: number | undefined;
  /** Attempts that count against the limit. */
  readonly failures: number;
  /** Records that may be skipped, because attempts died of them: indices in the split, ascending. */
  readonly skip: readonly number[];
}

export const NEW_TASK: TaskRecord = { attempts: [], winner: undefined, failures: 0, skip: [] };

/** Inodes that prove whose an output directory is: names can be reused, inodes cannot. */
export interface StagedOutput {
  /** The directory that becomes the output. */
  readonly directory: number;
  /** `_temporary` in it. */
  readonly temporary: number;
  /** `_SUCCESS`: whoever moves it into the output has published the job, whoever removes it has made that impossible. */
  readonly marker: number;
}

/** Why a job failed. */
export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly attempt: AttemptId | undefined;
}

/** An attempt that is to be begun. */
export interface Assignment extends AttemptId {
  readonly node: NodeId;
  readonly life: number;
  readonly backup: boolean;
}

export interface Counted {
  readonly group: string;
  readonly name: string;
  readonly value: number;
}

// Bounds: what does not fit is refused, or cut where it is only for people to read.

/** Tasks of one kind in a job. */
export const TASKS_MAX = 100_000;
/** Maps times reduces: a size is kept for each. */
export const PARTITIONS_MAX = 4_000_000;
export const LIVE_JOBS_MAX = 1_000;
/** Attempts at one task, whatever they ended of: a job that goes on for ever is a failed job. */
export const ATTEMPTS_MAX = 100;
/** Distinct counters of a job: those that a program may make in a task, and the system's. */
export const COUNTERS_MAX = 1_100;
export const COUNTER_NAME_MAX = 200;
/** Output files of one attempt, and of a job (a `publish` moves so many). */
export const ATTEMPT_FILES_MAX = 1_000;
export const JOB_FILES_MAX = 9_900;
export const SKIPPED_MAX = 10_000;
export const MESSAGE_MAX = 1_000;
export const STACK_MAX = 8_000;
export const RECORD_TEXT_MAX = 200;
/** Times that reduces may say that they cannot fetch a map's output before it counts as lost. */
export const COMPLAINTS_MAX = 2;
