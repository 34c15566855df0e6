/** Reads the records of a run. */
import { inflateRawSync } from "node:zlib";
import type { BytesPlace } from "./block-reader.ts";
import { BlockReader } from "./block-reader.ts";
import type { Records } from "./records.ts";
import { viewOf } from "./records.ts";
import { DEFLATED, damaged } from "./run-format.ts";
import type { RunExtent } from "./run-writer.ts";

/** Where a run is. */
export type RunPlace =
  | { readonly type: "file"; readonly path: string; readonly extent: RunExtent }
  | { readonly type: "memory"; readonly bytes: Buffer; readonly extent: RunExtent };

export class RunReader implements Records {
  bytes: Buffer = Buffer.alloc(0);
  view: DataView = viewOf(this.bytes);
  keyStart = 0;
  keyEnd = 0;
  valueStart = 0;
  valueEnd = 0;
  private readonly name: string;
  private readonly blocks: BlockReader;
  private at = 0;
  private end = 0;
  private left = 0;
  private hasEnded = false;

  /** `name`: how errors call the run. Throws what the machine throws when a file cannot be opened. */
  constructor(place: RunPlace, name: string) {
    this.name = name;
    this.blocks = new BlockReader(bytesOf(place), name);
  }

  /** Throws DamagedRun, before it gives a record of a damaged block. */
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
    this.blocks.close();
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
    const { blocks } = this;
    if (!blocks.next()) {
      this.hasEnded = true;
      blocks.close();
      return;
    }
    this.left = blocks.blockRecords;
    if (blocks.kind === DEFLATED) {
      this.bytes = inflate(blocks.window.subarray(blocks.start, blocks.end), blocks.plain, this.name);
      this.view = viewOf(this.bytes);
      this.at = 0;
      this.end = blocks.plain;
    } else {
      this.bytes = blocks.window;
      this.view = blocks.view;
      this.at = blocks.start;
      this.end = blocks.end;
    }
  }
}

/** Reads a run that came from elsewhere to its end, and says what is in it. Throws DamagedRun. */
export function verifyRun(place: BytesPlace, name: string): RunPlace {
  const blocks = new BlockReader(place, name);
  let blockMax = 0;
  try {
    while (blocks.next()) blockMax = Math.max(blockMax, blocks.plain);
  } finally {
    blocks.close();
  }
  const extent = { offset: place.offset, length: place.length, records: blocks.records, blockMax };
  return place.type === "file"
    ? { type: "file", path: place.path, extent }
    : { type: "memory", bytes: place.bytes, extent };
}

function bytesOf(place: RunPlace): BytesPlace {
  const { offset, length } = place.extent;
  return place.type === "file"
    ? { type: "file", path: place.path, offset, length }
    : { type: "memory", bytes: place.bytes, offset, length };
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
