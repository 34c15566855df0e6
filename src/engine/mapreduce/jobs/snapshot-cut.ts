/**
 * A consistent cut of all jobs, written in slices while commands go on being applied. Tasks are never changed, only replaced:
 * so the cut takes the lists of them as they are now, and what is in them stays.
 */
import type { Bytes } from "../../../runtime/bytes.ts";
import { ByteWriter } from "../../../wire/byte-writer.ts";
import type { Split } from "../../../mapreduce/job-spec.ts";
import { SPLITS } from "./command-codec.ts";
import type { Job } from "./job.ts";
import type { TaskRecord } from "./model.ts";
import { NEW_TASK } from "./model.ts";
import type { JobToken } from "./snapshot-format.ts";
import {
  END,
  finishRecord,
  FORMAT,
  HEADER,
  HEADER_FIELD,
  JOB,
  JOB_FIELD,
  KIND_FIELD,
  SPLITS_OF_JOB,
  startRecord,
  TASK_FIELD,
  TASKS_OF_JOB,
} from "./snapshot-format.ts";
import type { JobsState } from "./state.ts";

/** A record of tasks is closed when it has so many bytes. */
const RECORD_BYTES = 32 * 1024;
const SPLITS_PER_RECORD = 400;

interface HeldJob {
  readonly token: JobToken;
  readonly splits: readonly Split[];
  readonly map: readonly TaskRecord[];
  readonly reduce: readonly TaskRecord[];
}

export class JobsCut {
  private readonly out = new ByteWriter(64 * 1024);
  private readonly closed: () => void;
  private steps: Iterator<undefined> | undefined;
  private rest: Bytes | undefined;

  /** `closed` is called once. */
  constructor(state: JobsState, closed: () => void) {
    this.closed = closed;
    const header = { format: FORMAT, digest: state.digest(), timeMs: state.timeMs, nextJob: state.nextJob };
    this.steps = write(this.out, header, [...state.jobs.values()].map(held));
  }

  /** At most `maxBytes` bytes; undefined at the end. */
  next(maxBytes: number): Bytes | undefined {
    if (this.steps === undefined) return undefined;
    if (this.rest === undefined) {
      while (this.out.size < maxBytes && this.steps.next().done !== true);
      if (this.out.size === 0) {
        this.close();
        return undefined;
      }
      this.rest = this.out.take();
    }
    const bytes = this.rest;
    this.rest = bytes.length > maxBytes ? bytes.subarray(maxBytes) : undefined;
    return bytes.length > maxBytes ? bytes.subarray(0, maxBytes) : bytes;
  }

  close(): void {
    if (this.steps === undefined) return;
    this.steps = undefined;
    this.rest = undefined;
    this.closed();
  }
}

function held(job: Job): HeldJob {
  return {
    token: {
      head: { ...job.head },
      counterNames: job.counterNames.slice(),
      sums: job.detailed ? undefined : job.sums(),
      splits: job.splits.length,
    },
    splits: job.splits,
    map: job.map.tasks.slice(),
    reduce: job.reduce.tasks.slice(),
  };
}

/** One record a step. */
function* write(
  out: ByteWriter,
  header: Parameters<typeof HEADER_FIELD.write>[1],
  jobs: readonly HeldJob[],
): Generator<undefined, void> {
  const start = startRecord(out, HEADER);
  HEADER_FIELD.write(out, header);
  finishRecord(out, start);
  yield;
  for (const job of jobs) {
    const at = startRecord(out, JOB);
    JOB_FIELD.write(out, job.token);
    finishRecord(out, at);
    yield;
    for (let from = 0; from < job.splits.length; from += SPLITS_PER_RECORD) {
      const begun = startRecord(out, SPLITS_OF_JOB);
      SPLITS.write(out, job.splits.slice(from, from + SPLITS_PER_RECORD));
      finishRecord(out, begun);
      yield;
    }
    yield* writeTasks(out, "map", job.map);
    yield* writeTasks(out, "reduce", job.reduce);
  }
  finishRecord(out, startRecord(out, END));
}

function* writeTasks(
  out: ByteWriter,
  kind: "map" | "reduce",
  tasks: readonly TaskRecord[],
): Generator<undefined, void> {
  for (let number = 0; number < tasks.length;) {
    const start = startRecord(out, TASKS_OF_JOB);
    KIND_FIELD.write(out, kind);
    const countAt = out.size;
    out.uint32(0);
    let count = 0;
    while (number < tasks.length && out.size - start < RECORD_BYTES) {
      const task = tasks[number]!;
      if (task !== NEW_TASK) {
        TASK_FIELD.write(out, { number, task });
        count++;
      }
      number++;
    }
    out.patchUint32(countAt, count);
    finishRecord(out, start);
    yield;
  }
}
