/** Writes runs, one after the other, into a file of this machine. */
import { closeSync, openSync, writeSync } from "node:fs";
import { deflateRawSync } from "node:zlib";
import { BLOCK_BYTES, DEFLATED, END, HEAD_BYTES, PLAIN, writeHead } from "./run-format.ts";
import type { RecordTarget, Records } from "./records.ts";
import { LastView, copyView, viewOf } from "./records.ts";

/** Where a run lies in its file. */
export interface RunExtent {
  readonly offset: number;
  /** Bytes as stored. */
  readonly length: number;
  readonly records: number;
  /** Bytes of its longest block, plain: so much memory reading it takes. */
  readonly blockMax: number;
}

const LENGTHS_MAX = 10;
const NOTHING = Buffer.alloc(0);

export class RunWriter implements RecordTarget {
  private readonly file: number;
  private readonly isCompressed: boolean;
  /** The head's room, then the records. */
  private block: Buffer = Buffer.allocUnsafeSlow(HEAD_BYTES + BLOCK_BYTES);
  private view: DataView = viewOf(this.block);
  private readonly keys = new LastView();
  private readonly values = new LastView();
  private used = HEAD_BYTES;
  private blockRecords = 0;
  private records = 0;
  private blockMax = 0;
  private runStart = 0;
  private position = 0;

  /** Throws what the machine throws (ENOSPC, …). */
  constructor(path: string, compress: "none" | "gzip") {
    this.file = openSync(path, "w");
    this.isCompressed = compress === "gzip";
  }

  /** Bytes written to the file. */
  get size(): number {
    return this.position;
  }

  add(
    keyBytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    valueBytes: Uint8Array,
    valueStart: number,
    valueEnd: number,
  ): void {
    this.begin(keyEnd - keyStart, valueEnd - valueStart);
    this.append(this.keys.of(keyBytes), keyStart, keyEnd);
    this.append(this.values.of(valueBytes), valueStart, valueEnd);
  }

  /** Adds the record at hand. */
  copy({ view, keyStart, keyEnd, valueStart, valueEnd }: Records): void {
    this.begin(keyEnd - keyStart, valueEnd - valueStart);
    if (valueStart === keyEnd) this.append(view, keyStart, valueEnd);
    else {
      this.append(view, keyStart, keyEnd);
      this.append(view, valueStart, valueEnd);
    }
  }

  /** Ends the run; the next record begins another. */
  endRun(): RunExtent {
    this.flush();
    const head = {
      stored: 0,
      plain: Math.floor(this.records / 0x1_0000_0000),
      records: this.records % 0x1_0000_0000,
      kind: END,
    };
    writeHead(head, NOTHING, this.block, 0);
    this.write(this.block, HEAD_BYTES);
    const { records, blockMax } = this;
    const extent = { offset: this.runStart, length: this.position - this.runStart, records, blockMax };
    this.runStart = this.position;
    this.records = 0;
    this.blockMax = 0;
    return extent;
  }

  close(): void {
    closeSync(this.file);
  }

  private begin(keyLength: number, valueLength: number): void {
    const needed = LENGTHS_MAX + keyLength + valueLength;
    if (this.used + needed > this.block.length) this.makeRoom(needed);
    this.length(keyLength);
    this.length(valueLength);
    this.blockRecords++;
  }

  private append(view: DataView, start: number, end: number): void {
    copyView(view, start, end, this.view, this.used);
    this.used += end - start;
  }

  private makeRoom(needed: number): void {
    this.flush();
    if (HEAD_BYTES + needed > this.block.length) this.block = Buffer.allocUnsafeSlow(HEAD_BYTES + needed);
    else if (this.block.length > HEAD_BYTES + BLOCK_BYTES && needed < BLOCK_BYTES)
      this.block = Buffer.allocUnsafeSlow(HEAD_BYTES + BLOCK_BYTES);
    this.view = viewOf(this.block);
  }

  private length(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.block[this.used++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.block[this.used++] = rest;
  }

  private flush(): void {
    if (this.blockRecords === 0) return;
    const plain = this.used - HEAD_BYTES;
    const deflated = this.isCompressed
      ? deflateRawSync(this.block.subarray(HEAD_BYTES, this.used), { level: 1 })
      : undefined;
    const records = this.blockRecords;
    if (deflated !== undefined && deflated.length < plain) {
      writeHead({ stored: deflated.length, plain, records, kind: DEFLATED }, deflated, this.block, 0);
      this.write(this.block, HEAD_BYTES);
      this.write(deflated, deflated.length);
    } else {
      const stored = this.block.subarray(HEAD_BYTES, this.used);
      writeHead({ stored: plain, plain, records, kind: PLAIN }, stored, this.block, 0);
      this.write(this.block, this.used);
    }
    this.records += records;
    this.blockMax = Math.max(this.blockMax, plain);
    this.blockRecords = 0;
    this.used = HEAD_BYTES;
  }

  private write(bytes: Uint8Array, length: number): void {
    for (let at = 0; at < length;) at += writeSync(this.file, bytes, at, length - at);
    this.position += length;
  }
}
