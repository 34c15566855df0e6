/** The record at hand, noted on disk before the program has it: what is known of an attempt that dies without a word. */
import { ftruncateSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";

/** In the attempt's directory: the index as a double, little-endian, then the record's text. */
export const TRACE_NAME = "record-at-hand";

export class Trace {
  private readonly file: number;
  private readonly bytes = Buffer.alloc(8 + 800);

  constructor(directory: string) {
    this.file = openSync(join(directory, TRACE_NAME), "w");
  }

  note(index: number, text: string): void {
    this.bytes.writeDoubleLE(index);
    const length = 8 + this.bytes.write(text, 8, "utf8");
    writeSync(this.file, this.bytes, 0, length, 0);
    ftruncateSync(this.file, length);
  }
}
