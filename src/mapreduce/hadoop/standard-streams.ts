/** Standard input in lines and standard output in pieces, without a turn of the event loop: all that an executable does is wait. */
import { readSync, writeSync } from "node:fs";
import { ByteSink } from "../codec/byte-sink.ts";

const INPUT = 0;
const OUTPUT = 1;
const PIECE_BYTES = 64 * 1024;
const LINE_END = 10;
/** Between two tries of a pipe that is not ready. */
const RETRY_MS = 1;

export class InputLines {
  bytes: Buffer = Buffer.allocUnsafeSlow(4 * PIECE_BYTES);
  start = 0;
  end = 0;
  private next = 0;
  private filled = 0;
  private isOver = false;

  /** Goes to the next line, `bytes` from `start` to `end`; false: there is none. */
  advance(): boolean {
    for (let searched = this.next; ;) {
      const at = this.bytes.subarray(0, this.filled).indexOf(LINE_END, searched);
      if (at >= 0) return this.found(at, at + 1);
      searched = this.filled - this.next;
      if (this.isOver) return this.filled > this.next && this.found(this.filled, this.filled);
      this.fill();
      searched += this.next;
    }
  }

  private found(end: number, next: number): boolean {
    this.start = this.next;
    this.end = end;
    this.next = next;
    return true;
  }

  private fill(): void {
    this.bytes.copyWithin(0, this.next, this.filled);
    this.filled -= this.next;
    this.next = 0;
    if (this.filled === this.bytes.length) this.bytes = Buffer.concat([this.bytes], 2 * this.bytes.length);
    const read = again(() => readSync(INPUT, this.bytes, this.filled, this.bytes.length - this.filled, null));
    this.filled += read;
    this.isOver = read === 0;
  }
}

/** Appended to, and written when there is enough. */
export class OutputLines {
  readonly sink: ByteSink = new ByteSink(2 * PIECE_BYTES);

  /** The line that was appended is whole. */
  endLine(): void {
    this.sink.byte(LINE_END);
    if (this.sink.length >= PIECE_BYTES) this.flush();
  }

  flush(): void {
    writeAll(this.sink.bytes.subarray(0, this.sink.length));
    this.sink.clear();
  }
}

export function writeAll(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += again(() => writeSync(OUTPUT, bytes, at));
}

/** A pipe may be one that does not wait; then this waits. The end of an input is told by some machines as an error. */
function again(action: () => number): number {
  for (;;) {
    try {
      return action();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EOF") return 0;
      if (code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
    }
  }
}
