/** Reads what `byte-writer.ts` wrote. Every read is checked against the end: bytes from a peer or a disk may be anything. */
import type { Bytes } from "../runtime/bytes.ts";
import { binaryStringOf } from "../runtime/bytes.ts";
import { QuorateError } from "../runtime/errors.ts";

export class ByteReader {
  private readonly buffer: Bytes;
  private offset = 0;

  constructor(buffer: Bytes) {
    this.buffer = buffer;
  }

  get remaining(): number {
    return this.buffer.length - this.offset;
  }

  get position(): number {
    return this.offset;
  }

  uint8(): number {
    return this.buffer.readUInt8(this.advance(1));
  }

  uint32(): number {
    return this.buffer.readUInt32LE(this.advance(4));
  }

  uint53(): number {
    const at = this.advance(8);
    const high = this.buffer.readUInt32LE(at + 4);
    if (high > 0x1f_ffff) throw new QuorateError("PROTOCOL", "integer above 2^53");
    const low = this.buffer.readUInt32LE(at);
    // A sum with a product is kept as a box of a double, which is twice as much memory as a small integer, and for ever.
    return high === 0 ? low : high * 0x1_0000_0000 + low;
  }

  double(): number {
    return this.buffer.readDoubleLE(this.advance(8));
  }

  /** A binary string with its length before it. */
  string(): string {
    const length = this.uint32();
    const at = this.advance(length);
    return binaryStringOf(this.buffer, at, at + length);
  }

  /** A UTF-8 text with its length before it. */
  text(): string {
    const length = this.uint32();
    const at = this.advance(length);
    return this.buffer.toString("utf8", at, at + length);
  }

  /** Bytes with their length before them: a view into the buffer that is being read. */
  bytes(): Bytes {
    return this.raw(this.uint32());
  }

  /** The next `length` bytes: a view. */
  raw(length: number): Bytes {
    const at = this.advance(length);
    return this.buffer.subarray(at, at + length);
  }

  private advance(length: number): number {
    const at = this.offset;
    if (at + length > this.buffer.length) throw new QuorateError("PROTOCOL", "truncated bytes");
    this.offset = at + length;
    return at;
  }
}
