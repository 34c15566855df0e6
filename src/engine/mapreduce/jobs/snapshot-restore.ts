/** Reads a snapshot into a new state; nothing is believed before all of it was read and its digest fits. */
import type { Bytes } from "../../../runtime/bytes.ts";
import { concatBytes } from "../../../runtime/bytes.ts";
import { isQuorateError } from "../../../runtime/errors.ts";
import { ByteReader } from "../../../wire/byte-reader.ts";
import type { Split } from "../../../mapreduce/job-spec.ts";
import { SPLITS } from "./command-codec.ts";
import { Job } from "./job.ts";
import { parseSpec } from "./operations/submitting.ts";
import { Refusal } from "./replies.ts";
import type { Header, JobToken, NumberedTask } from "./snapshot-format.ts";
import {
  corrupt,
  END,
  FORMAT,
  HEADER,
  HEADER_FIELD,
  JOB,
  JOB_FIELD,
  KIND_FIELD,
  SPLITS_OF_JOB,
  TASK_FIELD,
  TASKS_OF_JOB,
} from "./snapshot-format.ts";
import type { HistorySettings } from "./state.ts";
import { JobsState } from "./state.ts";

/** Throws DATA_CORRUPT when the bytes are not one whole snapshot. */
export function readSnapshot(chunks: Iterable<Bytes>, history: HistorySettings): JobsState {
  try {
    return read(chunks, history);
  } catch (error) {
    if (isQuorateError(error) && error.code === "DATA_CORRUPT") throw error;
    if (error instanceof Refusal || isQuorateError(error)) throw corrupt(error.message);
    if (error instanceof RangeError || error instanceof TypeError) throw corrupt(error.message);
    throw error;
  }
}

/** A job whose parts are still being read. */
interface Reading {
  readonly token: JobToken;
  readonly splits: Split[];
  readonly tasks: { readonly kind: "map" | "reduce"; readonly task: NumberedTask }[];
}

function read(chunks: Iterable<Bytes>, history: HistorySettings): JobsState {
  const state = new JobsState(history);
  let header: Header | undefined;
  let reading: Reading | undefined;
  let ended = false;
  for (const { kind, reader } of recordsOf(chunks)) {
    if (ended || (kind === HEADER) !== (header === undefined)) throw corrupt("a record out of its place");
    switch (kind) {
      case HEADER:
        header = HEADER_FIELD.read(reader);
        if (header.format !== FORMAT) throw corrupt(`its format is ${header.format}`);
        break;
      case JOB:
        take(state, reading);
        reading = { token: JOB_FIELD.read(reader), splits: [], tasks: [] };
        break;
      case SPLITS_OF_JOB:
        if (reading === undefined) throw corrupt("splits of no job");
        for (const split of SPLITS.read(reader)) reading.splits.push(split);
        break;
      case TASKS_OF_JOB: {
        if (reading === undefined) throw corrupt("tasks of no job");
        const kindOfTask = KIND_FIELD.read(reader);
        for (let left = reader.uint32(); left > 0; left--) {
          reading.tasks.push({ kind: kindOfTask, task: TASK_FIELD.read(reader) });
        }
        break;
      }
      case END:
        take(state, reading);
        ended = true;
        break;
      default:
        throw corrupt(`a record of kind ${kind}`);
    }
    if (reader.remaining > 0) throw corrupt("bytes behind the end of a record");
  }
  if (header === undefined || !ended) throw corrupt("it has no end");
  state.timeMs = header.timeMs;
  state.nextJob = header.nextJob;
  state.settleRestored();
  if (state.digest() !== header.digest) throw corrupt("its digest does not fit");
  return state;
}

function take(state: JobsState, reading: Reading | undefined): void {
  if (reading === undefined) return;
  const { token, splits, tasks } = reading;
  if (splits.length !== token.splits) throw corrupt("splits are missing");
  const job = new Job(token.head, parseSpec(token.head.spec), splits, token.counterNames);
  for (const { kind, task } of tasks) {
    if (job.task(kind, task.number) === undefined) throw corrupt("a task that the job has not");
    job.put(kind, task.number, task.task);
  }
  if (token.sums !== undefined) job.restoreSums(token.sums);
  state.add(job);
}

function* recordsOf(
  chunks: Iterable<Bytes>,
): Generator<{ readonly kind: number; readonly reader: ByteReader }> {
  let held: Bytes | undefined;
  for (const chunk of chunks) {
    held = held === undefined || held.length === 0 ? chunk : concatBytes([held, chunk]);
    let at = 0;
    while (held.length - at >= 5) {
      const length = held.readUInt32LE(at);
      if (length < 1) throw corrupt("a record without a kind");
      if (held.length - at - 4 < length) break;
      const kind = held.readUInt8(at + 4);
      yield { kind, reader: new ByteReader(held.subarray(at + 5, at + 4 + length)) };
      at += 4 + length;
    }
    held = held.subarray(at);
  }
  if (held !== undefined && held.length > 0) throw corrupt("it is cut short");
}
