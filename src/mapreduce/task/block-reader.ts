/** Reads the blocks of a run, from a file or from memory, and verifies each before anyone sees it. */
import { closeSync, openSync, readSync } from "node:fs";
import { viewOf } from "./records.ts";
import { BLOCK_BYTES, END, HEAD_BYTES, damaged, readHead, verifyBlock } from "./run-format.ts";

/** Where the bytes of a run are: `length` of them from `offset` on. */
export type BytesPlace = { readonly offset: number; readonly length: number } & (
  | { readonly type: "file"; readonly path: string }
  | { readonly type: "memory"; readonly bytes: Buffer }
);

/** Bytes that are read at a time: the usual block and the head of the next. */
const READ_BYTES = BLOCK_BYTES + 2 * HEAD_BYTES;

export class BlockReader {
  /** Holds the block at hand, as stored, until `next`. */
  window: Buffer;
  /** The same memory. */
  view: DataView;
  start = 0;
  end = 0;
  /** What its head says. */
  kind: number = END;
  plain = 0;
  blockRecords = 0;
  /** Records of all blocks so far. */
  records = 0;
  private readonly name: string;
  private file: number;
  /** What is in the window behind the block at hand, up to here. */
  private windowEnd = 0;
  private filePosition = 0;
  private readonly fileEnd: number;

  /** `name`: how errors call the run. Throws what the machine throws when a file cannot be opened. */
  constructor(place: BytesPlace, name: string) {
    this.name = name;
    if (place.type === "memory") {
      this.file = -1;
      this.window = place.bytes;
      this.end = place.offset;
      this.windowEnd = place.offset + place.length;
      this.fileEnd = 0;
    } else {
      this.file = openSync(place.path, "r");
      this.window = Buffer.allocUnsafeSlow(Math.min(READ_BYTES, place.length));
      this.filePosition = place.offset;
      this.fileEnd = place.offset + place.length;
    }
    this.view = viewOf(this.window);
  }

  /** Goes to the next block; false: the run has ended, whole. Throws DamagedRun. */
  next(): boolean {
    this.need(HEAD_BYTES);
    const { stored } = readHead(this.window, this.end);
    this.need(HEAD_BYTES + stored);
    const head = readHead(this.window, this.end);
    this.start = this.end + HEAD_BYTES;
    verifyBlock(this.window, this.end, this.window.subarray(this.start, this.start + stored), this.name);
    this.end = this.start + stored;
    this.kind = head.kind;
    this.plain = head.plain;
    this.blockRecords = head.records;
    if (head.kind !== END) {
      this.records += head.records;
      return true;
    }
    const records = head.plain * 0x1_0000_0000 + head.records;
    if (records !== this.records || this.end !== this.windowEnd || this.filePosition !== this.fileEnd)
      throw damaged(this.name, `it ends after ${this.records} records of ${records}`);
    return false;
  }

  /** Once or more often. */
  close(): void {
    if (this.file >= 0) closeSync(this.file);
    this.file = -1;
  }

  /** Makes so many bytes be in the window behind the block at hand, which is lost. */
  private need(length: number): void {
    const kept = this.windowEnd - this.end;
    if (kept >= length) return;
    const missing = length - kept;
    if (missing > this.fileEnd - this.filePosition)
      throw damaged(this.name, "it ends in the middle of a block");
    const room = Math.max(READ_BYTES, length + HEAD_BYTES);
    const before = this.window;
    if (length > before.length || before.length > 2 * room) {
      this.window = Buffer.allocUnsafeSlow(room);
      this.view = viewOf(this.window);
    }
    this.window.set(before.subarray(this.end, this.windowEnd));
    this.start = this.end = 0;
    this.windowEnd = kept;
    while (this.windowEnd < length) this.read();
  }

  private read(): void {
    const wanted = Math.min(this.window.length - this.windowEnd, this.fileEnd - this.filePosition);
    const read = readSync(this.file, this.window, this.windowEnd, wanted, this.filePosition);
    if (read === 0) throw damaged(this.name, "its file is shorter than it was");
    this.windowEnd += read;
    this.filePosition += read;
  }
}
