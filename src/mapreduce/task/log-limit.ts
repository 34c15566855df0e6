/**
 * The log of an attempt, kept from filling the disk: the process writes to the file by itself, as fast as it likes, and an endless
 * loop may be one that prints. Beyond the limit its middle is left out; the beginning and the latest stay, but for what is
 * printed in the moment of the cut.
 */
import { appendFileSync, closeSync, fstatSync, openSync, readSync, truncateSync } from "node:fs";

const MIB = 1024 * 1024;
export const LOG_MAX_BYTES: number = 16 * MIB;
const HEAD_BYTES = MIB;
const TAIL_BYTES = MIB;

export class LogLimit {
  private readonly path: string;
  private leftOut = 0;

  /** Whoever writes to it appends (`O_APPEND`), and so goes on behind what is left. */
  constructor(path: string) {
    this.path = path;
  }

  /** Called now and then, and when nobody writes any more. A log that cannot be read or cut stays as it is. */
  look(): void {
    try {
      const file = openSync(this.path, "r");
      try {
        const { size } = fstatSync(file);
        if (size > LOG_MAX_BYTES) this.cut(file, size);
      } finally {
        closeSync(file);
      }
    } catch {
      // It is gone, or the disk is in trouble, which others tell.
    }
  }

  private cut(file: number, size: number): void {
    const tail = Buffer.allocUnsafe(TAIL_BYTES);
    const length = readSync(file, tail, 0, TAIL_BYTES, size - TAIL_BYTES);
    // Of a second cut, the note of the first is in what goes.
    this.leftOut += size - HEAD_BYTES - length;
    truncateSync(this.path, HEAD_BYTES);
    const note = `\n[about ${this.leftOut} bytes are left out here: more than ${LOG_MAX_BYTES / MIB} MiB were printed]\n`;
    appendFileSync(this.path, Buffer.concat([Buffer.from(note), tail.subarray(0, length)]));
  }
}
