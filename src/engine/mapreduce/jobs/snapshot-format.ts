/**
 * The bytes of a snapshot of jobs: records, each behind its length and its kind.
 *
 *   header   format u32, digest u32, log time, number of the next job
 *   job      what a job is besides its tasks, and the names of its counters; of one without tasks also its sums
 *   splits   some of the job before, in order
 *   tasks    some of the job before, of one kind, from a number on; those to which nothing has happened are left out
 *   end
 */
import { QuorateError } from "../../../runtime/errors.ts";
import type { ByteWriter } from "../../../wire/byte-writer.ts";
import type { Field } from "../../../wire/record.ts";
import { double, flag, list, optional, record, text, uint32, uint53, word } from "../../../wire/record.ts";
import { ATTEMPT_ID, ERROR_CODE, FAILED_RECORD, OUTPUT_FILES, STAGED_OUTPUT } from "./command-codec.ts";
import type { JobHead, JobSums } from "./job.ts";
import type { AttemptRecord, Failure, TaskRecord } from "./model.ts";
import { TALLY } from "./tally.ts";

export const FORMAT = 1;
export const HEADER = 1;
export const JOB = 2;
export const SPLITS_OF_JOB = 3;
export const TASKS_OF_JOB = 4;
export const END = 5;

export interface Header {
  readonly format: number;
  readonly digest: number;
  readonly timeMs: number;
  readonly nextJob: number;
}

export const HEADER_FIELD: Field<Header> = record<Header>({
  format: uint32,
  digest: uint32,
  timeMs: uint53,
  nextJob: uint53,
});

export interface JobToken {
  readonly head: JobHead;
  readonly counterNames: readonly string[];
  /** Undefined: splits and tasks follow. */
  readonly sums: JobSums | undefined;
  readonly splits: number;
}

export const JOB_FIELD: Field<JobToken> = record<JobToken>({
  head: record<JobHead>({
    id: text,
    submission: text,
    token: text,
    spec: text,
    submittedMs: uint53,
    startedMs: optional(uint53),
    endedMs: optional(uint53),
    state: word("running", "committing", "succeeded", "failed", "killed"),
    failure: optional(record<Failure>({ code: ERROR_CODE, message: text, attempt: optional(ATTEMPT_ID) })),
    killed: optional(text),
    staged: optional(STAGED_OUTPUT),
    prepared: flag,
    cleaned: flag,
    version: uint53,
  }),
  counterNames: list(text),
  sums: optional(
    record<JobSums>({
      map: TALLY,
      reduce: TALLY,
      totals: list(double),
      counting: list(double),
      partitionBytes: list(double),
      outputFiles: uint53,
      localMaps: uint53,
    }),
  ),
  splits: uint32,
});

const ATTEMPT: Field<AttemptRecord> = record<AttemptRecord>({
  node: text,
  life: uint53,
  backup: flag,
  startedMs: uint53,
  endedMs: optional(uint53),
  state: word("running", "succeeded", "failed", "killed", "lost"),
  reason: optional(text),
  stack: optional(text),
  record: optional(FAILED_RECORD),
  counters: list(double),
  outputBytes: uint53,
  outputRecords: uint53,
  partitions: optional(list(uint53)),
  files: OUTPUT_FILES,
  skipped: list(uint53),
  complaints: list(text),
});

export interface NumberedTask {
  readonly number: number;
  readonly task: TaskRecord;
}

export const TASK_FIELD: Field<NumberedTask> = record<NumberedTask>({
  number: uint32,
  task: record<TaskRecord>({
    attempts: list(ATTEMPT),
    winner: optional(uint32),
    failures: uint32,
    skip: list(uint53),
  }),
});

export const KIND_FIELD: Field<"map" | "reduce"> = word("map", "reduce");

/** Begins a record; gives what `finishRecord` needs. */
export function startRecord(writer: ByteWriter, kind: number): number {
  const start = writer.size;
  writer.uint32(0).uint8(kind);
  return start;
}

export function finishRecord(writer: ByteWriter, start: number): void {
  writer.patchUint32(start, writer.size - start - 4);
}

export function corrupt(what: string): QuorateError {
  return new QuorateError("DATA_CORRUPT", `the snapshot of the jobs cannot be read: ${what}`);
}
