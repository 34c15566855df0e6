/**
 * The error table: every error that Quorate raises or answers, with what a program may do about it.
 *
 * `outcome` answers the question a distributed program must ask: may I retry? The same row yields the RESP prefix, the
 * exit code and the exception of Hadoop, and `docs/errors.md` is checked against it.
 */
import type { FileErrorCode, HadoopException } from "./file-errors.ts";
import { FILE_ERRORS } from "./file-errors.ts";
import type { JobErrorCode } from "./job-errors.ts";
import { JOB_ERRORS } from "./job-errors.ts";

export type { FileErrorCode, HadoopException } from "./file-errors.ts";

export type Outcome = "not-applied" | "applied" | "unknown";

export interface ErrorKind {
  readonly retryable: boolean;
  readonly outcome: Outcome;
  /** The first word of the RESP error line. */
  readonly resp: string;
  /** Process exit code: 1 refused or failed, 2 wrong usage, 3 outcome unknown, 4 no quorum. */
  readonly exit: 1 | 2 | 3 | 4;
  /** What WebHDFS clients are told. Default: see `hadoopExceptionOf`. */
  readonly hadoop?: HadoopException;
  /** One sentence: what it means and what to do. */
  readonly meaning: string;
}

export type ErrorCode =
  | "USAGE"
  | "PORT_IN_USE"
  | "DATA_DIRECTORY_UNUSABLE"
  | "DATA_DIRECTORY_FOREIGN"
  | "DATA_DIRECTORY_IN_USE"
  | "DATA_CORRUPT"
  | "DISK_FULL"
  | "NO_QUORUM"
  | "OUTCOME_UNKNOWN"
  | "REPLY_LOST"
  | "OVERLOADED"
  | "TOO_LARGE"
  | "SHUTTING_DOWN"
  | "DIVERGED"
  | "PROTOCOL"
  | "UNSUPPORTED"
  | "INVARIANT"
  | FileErrorCode
  | JobErrorCode;

const refused = { retryable: false, outcome: "not-applied", exit: 1 } as const;

export const ERRORS: Readonly<Record<ErrorCode, ErrorKind>> = {
  USAGE: {
    ...refused,
    exit: 2,
    resp: "ERR",
    meaning: "A flag or argument is wrong; the message says which and what is allowed.",
  },
  PORT_IN_USE: {
    ...refused,
    resp: "ERR",
    meaning: "Another program listens on this port; choose another or stop it.",
  },
  DATA_DIRECTORY_UNUSABLE: {
    ...refused,
    resp: "ERR",
    meaning: "The data directory cannot be created or written; check its path, owner and space.",
  },
  DATA_DIRECTORY_FOREIGN: {
    ...refused,
    resp: "ERR",
    meaning:
      "The data directory belongs to another node, cluster or algorithm; use an empty one, or the one that belongs here.",
  },
  DATA_DIRECTORY_IN_USE: {
    ...refused,
    resp: "ERR",
    meaning: "Another running process uses this data directory.",
  },
  DATA_CORRUPT: {
    ...refused,
    resp: "ERR",
    meaning:
      "Stored data failed its checksum where it cannot be refetched; restore the node from its peers or a backup.",
  },
  DISK_FULL: {
    ...refused,
    retryable: true,
    resp: "MISCONF",
    meaning: "No space is left for the log; reads go on, writes are refused until space is freed.",
  },
  NO_QUORUM: {
    ...refused,
    retryable: true,
    exit: 4,
    resp: "CLUSTERDOWN",
    meaning: "No majority could be reached in time, and the command was not carried out; retry later.",
  },
  OUTCOME_UNKNOWN: {
    retryable: false,
    outcome: "unknown",
    exit: 3,
    resp: "UNKNOWNOUTCOME",
    meaning:
      "The command was sent to the log but no majority confirmed it in time: it may or may not be carried out; read before retrying.",
  },
  REPLY_LOST: {
    retryable: false,
    outcome: "applied",
    exit: 3,
    resp: "REPLYLOST",
    meaning: "The command was carried out, but its reply was lost while this node caught up by snapshot.",
  },
  OVERLOADED: {
    ...refused,
    retryable: true,
    resp: "BUSY",
    meaning: "Too many bytes wait for the log; retry later.",
  },
  TOO_LARGE: {
    ...refused,
    resp: "ERR",
    meaning: "The command is larger than the limit (docs/redis-protocol.md, Limits); send it in parts.",
  },
  SHUTTING_DOWN: {
    ...refused,
    retryable: true,
    resp: "SHUTDOWN",
    meaning: "This node is stopping; use another.",
  },
  DIVERGED: {
    ...refused,
    retryable: true,
    resp: "DIVERGED",
    meaning:
      "The state of this node differs from that of a majority: it serves nobody any more. Use another, and replace it.",
  },
  PROTOCOL: { ...refused, resp: "ERR", meaning: "The bytes received do not follow the protocol." },
  UNSUPPORTED: { ...refused, resp: "ERR", meaning: "This engine cannot give what was asked for." },
  INVARIANT: {
    retryable: false,
    outcome: "unknown",
    exit: 1,
    resp: "ERR",
    meaning: "An internal invariant broke; the process stops rather than go on wrong. Please report it.",
  },
  ...FILE_ERRORS,
  ...JOB_ERRORS,
};

const RETRIABLE: HadoopException = {
  exception: "RetriableException",
  javaClassName: "org.apache.hadoop.ipc.RetriableException",
  status: 403,
};
const UNSUPPORTED_OPERATION: HadoopException = {
  exception: "UnsupportedOperationException",
  javaClassName: "java.lang.UnsupportedOperationException",
  status: 400,
};
const ILLEGAL_ARGUMENT = FILE_ERRORS.ARGUMENT_INVALID.hadoop;
const IO_EXCEPTION = FILE_ERRORS.FILE_OPERATION_REFUSED.hadoop;

/** The exception of Hadoop that an error becomes; clients retry on another node what is a RetriableException. */
export function hadoopExceptionOf(code: ErrorCode): HadoopException {
  const { hadoop, retryable } = ERRORS[code];
  if (hadoop !== undefined) return hadoop;
  if (code === "UNSUPPORTED") return UNSUPPORTED_OPERATION;
  if (code === "USAGE" || code === "PROTOCOL" || code === "TOO_LARGE") return ILLEGAL_ARGUMENT;
  return retryable ? RETRIABLE : IO_EXCEPTION;
}

export class QuorateError extends Error {
  override readonly name = "QuorateError";
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly outcome: Outcome;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.retryable = ERRORS[code].retryable;
    this.outcome = ERRORS[code].outcome;
  }
}

/** True for a QuorateError of any copy of this package. */
export function isQuorateError(error: unknown): error is QuorateError {
  return error instanceof Error && error.name === "QuorateError" && "code" in error;
}

/** Causes told of one error; a longer chain is cut, and so is one that runs in a circle. */
const CAUSES_MAX = 8;

/** What caused an error, and what caused that: their messages, outermost first. Undefined: it names no cause. */
export function causesOf(error: Error): string | undefined {
  const texts: string[] = [];
  let cause = error.cause;
  while (cause instanceof Error && texts.length < CAUSES_MAX) {
    texts.push(cause.message);
    cause = cause.cause;
  }
  if (typeof cause === "string" && texts.length < CAUSES_MAX) texts.push(cause);
  return texts.length > 0 ? texts.join(": ") : undefined;
}

/** Stops the process in an impossible state: better no answer than a wrong one. On in production. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new QuorateError("INVARIANT", message);
}
