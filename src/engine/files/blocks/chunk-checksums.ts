/** CRC-32Cs of bytes that come in pieces of any size: a chunk that one piece begins and another ends has one checksum. */
import type { Bytes } from "../../../runtime/bytes.ts";
import { allocateOwnedBytes, NO_BYTES } from "../../../runtime/bytes.ts";
import { crc32c } from "../../../wire/crc32.ts";
import { CHUNK_BYTES } from "./block-store.ts";
import { checksumChunks, firstBadChunk } from "./chunk-crc.ts";

export class ChunkChecksums {
  /** Bytes in the chunk that has begun. */
  private begun: number;
  private sum: number;

  /** Goes on behind `length` bytes, whose last chunk has this checksum (0 when it is full). */
  constructor(length: number, tailSum: number) {
    this.begun = length % CHUNK_BYTES;
    this.sum = tailSum;
  }

  /** Of the last chunk, when it is not full; else 0. */
  get tailSum(): number {
    return this.begun === 0 ? 0 : this.sum;
  }

  /** Whether the next byte begins a chunk. */
  get aligned(): boolean {
    return this.begun === 0;
  }

  /** The checksums of the chunks that `bytes` touch, big-endian; the first covers its chunk from the chunk's beginning. */
  of(bytes: Bytes): Bytes {
    if (bytes.length === 0) return NO_BYTES;
    const sums = allocateOwnedBytes(4 * Math.ceil((this.begun + bytes.length) / CHUNK_BYTES));
    let from = 0;
    let at = 0;
    if (this.begun > 0) {
      from = Math.min(CHUNK_BYTES - this.begun, bytes.length);
      put(sums, 0, crc32c(bytes.subarray(0, from), this.sum));
      at = 4;
    }
    if (from < bytes.length) checksumChunks(bytes, from, bytes.length, sums, at);
    return sums;
  }

  /** Whether these are what `of` gives, for less work. */
  fits(bytes: Bytes, checksums: Bytes): boolean {
    return this.aligned ? firstBadChunk(bytes, checksums) === undefined : this.of(bytes).equals(checksums);
  }

  /** `bytes` with these checksums are behind us. */
  advance(bytes: Bytes, sums: Bytes): void {
    if (bytes.length === 0) return;
    this.begun = (this.begun + bytes.length) % CHUNK_BYTES;
    this.sum = this.begun === 0 ? 0 : get(sums, sums.length - 4);
  }
}

function put(target: Bytes, at: number, value: number): void {
  target[at] = value >>> 24;
  target[at + 1] = (value >>> 16) & 0xff;
  target[at + 2] = (value >>> 8) & 0xff;
  target[at + 3] = value & 0xff;
}

function get(source: Bytes, at: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = source.subarray(at, at + 4);
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}
