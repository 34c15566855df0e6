/** What each command of `commands.ts` is answered with. */
import type { ErrorCode } from "../../../runtime/errors.ts";
import type { JobId } from "../../../mapreduce/job-spec.ts";
import type { CommandType } from "./commands.ts";

interface ReplyShapes {
  /** `known`: it was submitted before. */
  readonly submit: { readonly job: JobId; readonly known: boolean };
  /** False: another got there first. */
  readonly staged: boolean;
  readonly prepared: boolean;
  /** False: it was so already. */
  readonly committed: boolean;
  readonly abandon: boolean;
  readonly cleaned: boolean;
  /** For each assignment, whether the attempt has begun. */
  readonly assign: readonly boolean[];
  /** Whether the attempt is the task's winner. */
  readonly finished: boolean;
  /** False: the attempt had ended before. */
  readonly failed: boolean;
  /** How many were running, or winners. */
  readonly lost: number;
  readonly preempt: number;
  /** Whether the map is to run again. */
  readonly complain: boolean;
  readonly kill: undefined;
  /** Jobs of which less is kept now. */
  readonly prune: number;
}

/** Proves that every command has a reply. */
export type Replies = { readonly [Type in CommandType]: ReplyShapes[Type] };

/** What is wrong with a command. The state is as if it had not been put in. */
export class Refusal {
  readonly code: ErrorCode;
  readonly message: string;

  constructor(code: ErrorCode, message: string) {
    this.code = code;
    this.message = message;
  }
}

export type JobsReply = Replies[CommandType] | Refusal;
