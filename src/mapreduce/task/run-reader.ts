/** Reads runs, from files and from memory, and verifies each block before a record of it is seen. */
import { closeSync, openSync, readSync } from "node:fs";
import { inflateRawSync } from "node:zlib";
import type { Records } from "./records.ts";
import { BLOCK_BYTES, DEFLATED, END, HEAD_BYTES, damaged, readHead, verifyBlock } from "./run-format.ts";
import type { RunExtent } from "./run-writer.ts";

/** Where the bytes of a run are. */
export type RunPlace =
  | { readonly type: "file"; readonly path: string; readonly extent: RunExtent }
  | { readonly type: "memory"; readonly bytes: Buffer; readonly extent: RunExtent };

/** Bytes that are read at a time: the usual block and the head of the next. */
const READ_BYTES = BLOCK_BYTES + 2 * HEAD_BYTES;

export class RunReader implements Records {
  bytes: Buffer = Buffer.alloc(0);
  keyStart = 0;
  keyEnd = 0;
  valueStart = 0;
  valueEnd = 0;
  private readonly name: string;
  private readonly blockMax: number;
  private readonly file: number;
  private readonly memory: Buffer | undefined;
  /** Bytes of the file at hand: from `windowStart` to `windowEnd` of `window`; in the file they end at `filePosition`. */
  private window: Buffer;
  private windowStart = 0;
  private windowEnd = 0;
  private filePosition: number;
  private readonly fileEnd: number;
  private at = 0;
  private end = 0;
  private left = 0;
  private records = 0;
  private hasEnded = false;

  /** `name`: how errors call the run. Throws what the machine throws when a file cannot be opened. */
  constructor(place: RunPlace, name: string) {
    const { extent } = place;
    this.name = name;
    this.blockMax = extent.blockMax;
    if (place.type === "memory") {
      this.file = -1;
      this.memory = this.window = place.bytes;
      this.windowStart = extent.offset;
      this.windowEnd = extent.offset + extent.length;
      this.filePosition = this.fileEnd = this.windowEnd;
    } else {
      this.memory = undefined;
      this.file = openSync(place.path, "r");
      this.window = Buffer.allocUnsafeSlow(READ_BYTES);
      this.filePosition = extent.offset;
      this.fileEnd = extent.offset + extent.length;
    }
  }

  next(): boolean {
    while (this.left === 0) {
      if (this.hasEnded) return false;
      this.readBlock();
    }
    this.left--;
    const keyLength = this.length();
    const valueLength = this.length();
    this.keyStart = this.at;
    this.keyEnd = this.valueStart = this.at + keyLength;
    this.at = this.valueEnd = this.keyEnd + valueLength;
    if (this.at > this.end) throw damaged(this.name, "a record is longer than its block");
    return true;
  }

  close(): void {
    if (this.file >= 0) closeSync(this.file);
  }

  private length(): number {
    let byte = this.bytes[this.at++]!;
    if (byte < 0x80) return byte;
    let value = byte & 0x7f;
    for (let shift = 7; ; shift += 7) {
      byte = this.bytes[this.at++]!;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
      if (this.at > this.end || shift > 28) throw damaged(this.name, "a length that was never written");
    }
  }

  private readBlock(): void {
    this.need(HEAD_BYTES);
    const headAt = this.windowStart;
    const head = readHead(this.window, headAt, this.blockMax, this.name);
    this.need(HEAD_BYTES + head.stored);
    const start = this.windowStart + HEAD_BYTES;
    const stored = this.window.subarray(start, start + head.stored);
    verifyBlock(this.window, this.windowStart, stored, this.name);
    this.windowStart = start + head.stored;
    if (head.kind === END) {
      const records = head.plain * 0x1_0000_0000 + head.records;
      if (
        records !== this.records ||
        this.windowStart !== this.windowEnd ||
        this.filePosition !== this.fileEnd
      )
        throw damaged(this.name, `it ends after ${this.records} records of ${records}`);
      this.hasEnded = true;
      return;
    }
    if (head.kind === DEFLATED) {
      this.bytes = inflate(stored, head.plain, this.name);
      this.at = 0;
      this.end = head.plain;
    } else {
      this.bytes = this.window;
      this.at = start;
      this.end = start + head.stored;
    }
    this.left = head.records;
    this.records += head.records;
  }

  /** Makes so many bytes be in the window, from `windowStart` on. */
  private need(length: number): void {
    if (this.windowEnd - this.windowStart >= length) return;
    const missing = (): never => {
      throw damaged(this.name, "it ends in the middle of a block");
    };
    if (this.memory !== undefined) missing();
    // A block that is being read lies in the window: it has been used up when more is needed.
    const room = Math.max(READ_BYTES, length + HEAD_BYTES);
    const kept = this.windowEnd - this.windowStart;
    if (room > this.window.length || room < this.window.length / 2) {
      const window = Buffer.allocUnsafeSlow(room);
      this.window.copy(window, 0, this.windowStart, this.windowEnd);
      this.window = window;
    } else this.window.copyWithin(0, this.windowStart, this.windowEnd);
    this.windowStart = 0;
    this.windowEnd = kept;
    while (this.windowEnd < length) {
      const wanted = Math.min(this.window.length - this.windowEnd, this.fileEnd - this.filePosition);
      const read =
        wanted === 0 ? 0 : readSync(this.file, this.window, this.windowEnd, wanted, this.filePosition);
      if (read === 0) missing();
      this.windowEnd += read;
      this.filePosition += read;
    }
  }
}

function inflate(stored: Buffer, plain: number, name: string): Buffer {
  try {
    const bytes = inflateRawSync(stored, { maxOutputLength: Math.max(1, plain) });
    if (bytes.length === plain) return bytes;
  } catch (error) {
    throw damaged(name, `a block cannot be decompressed: ${String(error)}`);
  }
  throw damaged(name, "a block is shorter than it was");
}
