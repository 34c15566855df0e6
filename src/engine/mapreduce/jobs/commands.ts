/**
 * What the log carries for jobs: every change of them, one command each, applied whole or not at all.
 *
 * Any node may put any of them into the log, also one that believes wrongly that it leads, and late: each says what it expects
 * to find, and is refused when the state has moved on. Replies are in `replies.ts`, the codec is `command-codec.ts`.
 */
import type { ErrorCode } from "../../../runtime/errors.ts";
import type { AttemptId, JobId, Split } from "../../../mapreduce/job-spec.ts";
import type { OutputFile } from "../../../mapreduce/task/orders.ts";
import type { Assignment, Counted, FailedRecord, StagedOutput } from "./model.ts";

export type JobsCommand =
  /** A new job. The same submission again is the same job. */
  | {
      readonly type: "submit";
      readonly submission: string;
      /** The secret with which its map outputs are fetched. */
      readonly token: string;
      /** A `JobSpec` in JSON. */
      readonly spec: string;
      readonly splits: readonly Split[];
    }
  // The output directory
  /** It is there under the name of its staging. `instead`: the marker of an earlier one that is gone. */
  | {
      readonly type: "staged";
      readonly job: JobId;
      readonly output: StagedOutput;
      readonly instead: number | undefined;
    }
  /** It is where it belongs. */
  | { readonly type: "prepared"; readonly job: JobId; readonly marker: number }
  /** The output has been published. */
  | { readonly type: "committed"; readonly job: JobId; readonly marker: number }
  /** The job cannot go on, and its output cannot be published any more. */
  | { readonly type: "abandon"; readonly job: JobId; readonly code: ErrorCode; readonly message: string }
  /** Nothing temporary is left in the file system. */
  | { readonly type: "cleaned"; readonly job: JobId }
  // Attempts
  | { readonly type: "assign"; readonly assignments: readonly Assignment[] }
  | {
      readonly type: "finished";
      readonly attempt: AttemptId;
      readonly counters: readonly Counted[];
      /** Bytes by partition. Undefined: the job has no reduces, or it is one. */
      readonly partitions: readonly number[] | undefined;
      readonly outputRecords: number;
      readonly files: readonly OutputFile[];
      readonly skipped: readonly number[];
    }
  | {
      readonly type: "failed";
      readonly attempt: AttemptId;
      readonly message: string;
      readonly stack: string | undefined;
      readonly record: FailedRecord | undefined;
      readonly retryable: boolean;
    }
  /** Running attempts whose process is gone, and winners' map outputs that are: neither counts as a failure. */
  | { readonly type: "lost"; readonly attempts: readonly AttemptId[]; readonly reason: string }
  /** A running attempt ends to make room for another task. */
  | { readonly type: "preempt"; readonly attempts: readonly AttemptId[]; readonly reason: string }
  /** A reduce cannot fetch a map's output. `round`: how often it has said so of this one. */
  | {
      readonly type: "complain";
      readonly reducer: AttemptId;
      readonly map: number;
      readonly attempt: number;
      readonly round: number;
      readonly reason: string;
    }
  | { readonly type: "kill"; readonly job: JobId; readonly reason: string }
  /** Upkeep: what is kept of jobs that ended is bounded. */
  | { readonly type: "prune" };

export type CommandType = JobsCommand["type"];
export type CommandOf<Type extends CommandType> = Extract<JobsCommand, { readonly type: Type }>;
