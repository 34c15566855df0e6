/**
 * Bytes as lines, as Hadoop's LineReader parts them: "\n", "\r\n" and a "\r" alone each end one, and what follows the last
 * end is a line too, unless it is empty.
 */
import { QuorateError } from "../../runtime/errors.ts";

const NEWLINE = 10;
const RETURN = 13;
/** A line is not kept in memory beyond this. */
const LINE_MAX_BYTES = 64 * 1024 * 1024;

/** The line is `bytes` from `start` to `end`, exclusive, without its end; it is the caller's only until it returns. */
export type TakeLine = (bytes: Buffer, start: number, end: number) => void;

export class LineSplitter {
  private readonly take: TakeLine;
  private readonly maxBytes: number;
  private parts: Buffer[] = [];
  private partBytes = 0;
  /** The last piece ended with "\r": a "\n" that begins the next one belongs to it. */
  private returned = false;

  constructor(take: TakeLine, maxBytes: number = LINE_MAX_BYTES) {
    this.take = take;
    this.maxBytes = maxBytes;
  }

  /** Throws TOO_LARGE for a line beyond the limit. */
  push(chunk: Buffer): void {
    let start = 0;
    if (this.returned && chunk.length > 0) {
      this.returned = false;
      if (chunk[0] === NEWLINE) start = 1;
    }
    // Most texts have no "\r" at all: then one search is enough for each line.
    let nextReturn = chunk.indexOf(RETURN, start);
    for (;;) {
      let end = chunk.indexOf(NEWLINE, start);
      let after = end + 1;
      if (nextReturn >= 0 && nextReturn < start) nextReturn = chunk.indexOf(RETURN, start);
      if (nextReturn >= 0 && (end < 0 || nextReturn < end)) {
        end = nextReturn;
        after = end + 1;
        if (after === chunk.length) this.returned = true;
        else if (chunk[after] === NEWLINE) after++;
      }
      if (end < 0) break;
      this.line(chunk, start, end);
      start = after;
    }
    if (start < chunk.length) this.keep(chunk.subarray(start));
  }

  /** Takes what is left as a last line. */
  end(): void {
    if (this.partBytes > 0) this.line(Buffer.alloc(0), 0, 0);
  }

  private line(chunk: Buffer, start: number, end: number): void {
    if (this.partBytes === 0) return this.take(chunk, start, end);
    const whole = Buffer.concat([...this.parts, chunk.subarray(start, end)]);
    this.parts = [];
    this.partBytes = 0;
    this.take(whole, 0, whole.length);
  }

  private keep(rest: Buffer): void {
    this.partBytes += rest.length;
    if (this.partBytes > this.maxBytes)
      throw new QuorateError("TOO_LARGE", `a line of more than ${this.maxBytes} bytes`);
    // A copy: a piece of a pool would keep all of it.
    this.parts.push(Buffer.from(rest));
  }
}
