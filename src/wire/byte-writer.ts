/** Writes numbers and binary strings into a growing buffer; the reader is `byte-reader.ts`. Little-endian throughout. */
import type { Bytes } from "../runtime/bytes.ts";
import { allocateOwnedBytes, copyBytes, NO_BYTES } from "../runtime/bytes.ts";
import { assert } from "../runtime/errors.ts";

/** So much of a buffer may be left unused when it is given away whole. */
const SPARE_BYTES = 64;
/** Copied here rather than by the runtime, whose call alone costs as much. */
const SHORT_STRING = 32;

export class ByteWriter {
  private readonly initialBytes: number;
  private buffer: Bytes;
  private length = 0;

  constructor(initialBytes = 256) {
    this.initialBytes = initialBytes;
    this.buffer = allocateOwnedBytes(initialBytes);
  }

  /** Bytes written so far. */
  get size(): number {
    return this.length;
  }

  uint8(value: number): this {
    this.reserve(1);
    this.length = this.buffer.writeUInt8(value, this.length);
    return this;
  }

  uint32(value: number): this {
    this.reserve(4);
    this.length = this.buffer.writeUInt32LE(value, this.length);
    return this;
  }

  /** A whole number in [0, 2^53], as two unsigned 32-bit halves. */
  uint53(value: number): this {
    // The message is not made before it is needed: this is called for every key of a snapshot.
    if (!Number.isSafeInteger(value) || value < 0) assert(false, `not an unsigned 53-bit integer: ${value}`);
    this.reserve(8);
    this.length = this.buffer.writeUInt32LE(value >>> 0, this.length);
    this.length = this.buffer.writeUInt32LE(Math.floor(value / 0x1_0000_0000), this.length);
    return this;
  }

  double(value: number): this {
    this.reserve(8);
    this.length = this.buffer.writeDoubleLE(value, this.length);
    return this;
  }

  /** A binary string (each character one byte), with its length before it. */
  string(binary: string): this {
    const { length } = binary;
    this.reserve(4 + length);
    const { buffer } = this;
    const at = buffer.writeUInt32LE(length, this.length);
    if (length > SHORT_STRING) buffer.write(binary, at, "latin1");
    else for (let i = 0; i < length; i++) buffer[at + i] = binary.charCodeAt(i);
    this.length = at + length;
    return this;
  }

  /** A text as UTF-8, with its length in bytes before it. */
  text(value: string): this {
    this.reserve(4 + value.length * 3);
    const written = this.buffer.write(value, this.length + 4, "utf8");
    this.buffer.writeUInt32LE(written, this.length);
    this.length += 4 + written;
    return this;
  }

  /** Bytes, with their length before them. */
  bytes(value: Uint8Array): this {
    return this.uint32(value.length).raw(value);
  }

  /** Bytes as they are. */
  raw(value: Uint8Array): this {
    this.reserve(value.length);
    this.buffer.set(value, this.length);
    this.length += value.length;
    return this;
  }

  /** Overwrites four bytes that were written before, such as a length that is known only now. */
  patchUint32(offset: number, value: number): void {
    assert(offset + 4 <= this.length, "patch past the end");
    this.buffer.writeUInt32LE(value, offset);
  }

  /** What was written, with memory of its own; the writer is empty afterwards. */
  take(): Bytes {
    const written = this.buffer.subarray(0, this.length);
    const spare = this.buffer.length - this.length;
    this.length = 0;
    // A buffer that was made about as large as it had to be is given away, instead of a copy.
    if (spare > Math.max(SPARE_BYTES, written.length >> 3)) return copyBytes(written);
    this.buffer = NO_BYTES;
    return written;
  }

  private reserve(more: number): void {
    const needed = this.length + more;
    if (needed <= this.buffer.length) return;
    const grown = allocateOwnedBytes(Math.max(needed, this.buffer.length * 2, this.initialBytes));
    this.buffer.copy(grown, 0, 0, this.length);
    this.buffer = grown;
  }
}
