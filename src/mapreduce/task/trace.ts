/** The record at hand, noted on disk before the program has it: what is known of an attempt that dies without a word. */
import { ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { RecordAtHand } from "./failure.ts";

/** In the attempt's directory: a `RecordAtHand` as JSON. */
export const TRACE_NAME = "record-at-hand";
/** A text of 200 characters and a path of 4096 bytes fit, escaped. */
const NOTE_MAX_BYTES = 16_384;

export class Trace {
  private readonly file: number;
  private readonly bytes = Buffer.alloc(NOTE_MAX_BYTES);

  constructor(directory: string) {
    this.file = openSync(join(directory, TRACE_NAME), "w");
  }

  note(record: RecordAtHand): void {
    const length = this.bytes.write(JSON.stringify(record), "utf8");
    writeSync(this.file, this.bytes, 0, length, 0);
    ftruncateSync(this.file, length);
  }
}

/** What the last attempt in the directory noted; undefined: it did not get as far as its first record, or died as it noted it. */
export function tracedRecord(directory: string): RecordAtHand | undefined {
  try {
    return JSON.parse(readFileSync(join(directory, TRACE_NAME), "utf8")) as RecordAtHand;
  } catch {
    return undefined;
  }
}
