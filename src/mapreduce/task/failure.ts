/** Why an attempt failed, for who reads it: which record of which split, and where in the program's source. */
import { isQuorateError } from "../../runtime/errors.ts";
import type { ErrorCode } from "../../runtime/errors.ts";
import type { Report, TaskOrder } from "./orders.ts";
import { mappedStack } from "./source-positions.ts";

type Failed = Extract<Report, { readonly type: "failed" }>;

/** What the machine or the file system did, while the program's code happened to be at work. */
export class TaskFault extends Error {
  override readonly name = "TaskFault";

  constructor(cause: unknown) {
    super(messageOf(cause), { cause });
  }
}

/** A record of a map, or a group of a reduce, that the program was given. */
export interface RecordAtHand {
  /** In the split, or the partition; from 0. */
  readonly index: number;
  /** The record, or the group's key as it is encoded (`recordText`). */
  readonly text: string;
  /** Of a record: where it begins, for who looks it up. */
  readonly place?: { readonly path: string; readonly position: number };
}

/** Such as ` at byte 4711 of /books/a.txt`: a split may be of many files. Of a group nothing. */
export function placeText({ place }: RecordAtHand): string {
  return place === undefined ? "" : ` at byte ${place.position} of ${place.path}`;
}

/** The same behind the message of a failure. */
export function recordPlaceText(record: RecordAtHand | undefined): string {
  return record?.place === undefined ? "" : ` (the record${placeText(record)})`;
}

/** The message as the program gave it, without that. */
export function withoutRecordPlace(message: string): string {
  return message.replace(/ \(the record at byte \d+ of .*\)$/, "");
}

/** The program failed on a record. */
export class BadRecord extends Error {
  override readonly name = "BadRecord";
  readonly record: RecordAtHand;

  constructor(record: RecordAtHand, cause: unknown) {
    super(messageOf(cause), { cause });
    this.record = record;
  }
}

/** The program's module threw when it was loaded, or is no job. */
export class ProgramUnloadable extends Error {
  override readonly name = "ProgramUnloadable";

  constructor(cause: unknown) {
    super(messageOf(cause), { cause });
  }
}

/** Runs what has nothing to do with the program's code: its errors are no record's fault. */
export function asFault<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw error instanceof TaskFault ? error : new TaskFault(error);
  }
}

const TEXT_MAX_LENGTH = 200;

/** The first 200 characters of a record, with what cannot be shown replaced. */
export function recordText(bytes: Uint8Array, start: number, end: number): string {
  const most = Math.min(end, start + 4 * TEXT_MAX_LENGTH);
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, most - start).toString("utf8");
  // oxlint-disable-next-line no-control-regex -- control characters are what is replaced
  return text.slice(0, TEXT_MAX_LENGTH).replaceAll(/[\u0000-\u001f\u007f]/g, "\u{fffd}");
}

/** Another attempt would end alike. */
const FINAL: ReadonlySet<ErrorCode> = new Set(["ARGUMENT_INVALID", "UNSUPPORTED", "USAGE", "ACCESS_DENIED"]);

export function failureOf(error: unknown, order: TaskOrder): Failed {
  const record = error instanceof BadRecord ? error.record : undefined;
  const isWrapped =
    error instanceof BadRecord || error instanceof TaskFault || error instanceof ProgramUnloadable;
  const cause: unknown = isWrapped ? error.cause : error;
  // Ours say what is wrong without a name.
  const isNamed = cause instanceof Error && cause.name !== "Error" && !isQuorateError(cause);
  const what = `${isNamed ? `${cause.name}: ` : ""}${messageOf(cause)}`;
  return {
    type: "failed",
    message: describePlace(error, order) + oneLine(what) + recordPlaceText(record),
    stack: cause instanceof Error ? mappedStack(cause) : undefined,
    record: record && { index: record.index, text: record.text },
    retryable: isRetryable(error, cause),
  };
}

/** What an attempt's report does not tell beside the message: attempt, split and record stand by themselves. */
function describePlace(error: unknown, { type }: TaskOrder): string {
  if (error instanceof ProgramUnloadable) return "the program cannot be loaded: ";
  return type === "sample" && error instanceof BadRecord ? `record ${error.record.index}: ` : "";
}

function isRetryable(error: unknown, cause: unknown): boolean {
  // A record's fault may still be what one machine is to blame for.
  if (error instanceof BadRecord) return true;
  // So may be a file that cannot be read; a module that throws will throw again.
  if (error instanceof ProgramUnloadable) return isMachineError(cause);
  return !(isQuorateError(cause) && FINAL.has(cause.code));
}

function isMachineError(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === "string" && /^E[A-Z]+$/.test(code);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, " ").slice(0, 1000);
}
