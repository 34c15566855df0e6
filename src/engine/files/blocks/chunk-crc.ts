/** CRC-32Cs of whole chunks, one after the other, as fast as they are to be had. */
import type { Bytes } from "../../../runtime/bytes.ts";
import { allocateBytes } from "../../../runtime/bytes.ts";
import { assert } from "../../../runtime/errors.ts";
import { crc32cPieces } from "../../../wire/crc32.ts";
import { CHUNK_BYTES } from "./block-store.ts";
import { poolMemory, RESERVED_BYTES } from "./buffer-pool.ts";
import { ChunkEngine, ENGINE_BYTES, LANE_BYTES, OVERLAID_CHUNKS } from "./chunk-engine.ts";

const CHECKSUM_BYTES = 4;
/** Bytes that are copied to where the engine finds them, at a time: little enough to stay near the processor. */
const SLICE_BYTES = OVERLAID_CHUNKS * CHUNK_BYTES;
/** Where what does not lie in the engine's memory is brought: content, and its checksums. */
const CONTENT_AT = ENGINE_BYTES;
const SUMS_AT = CONTENT_AT + SLICE_BYTES;
const engine = createEngine();

/** False: JavaScript does it all, at a quarter of the speed. */
export const usesVectors: boolean = engine !== undefined;

/**
 * The checksums of the chunks of [from, to), big-endian, into `sums` from `sumsFrom` on. The last chunk may be short. What the
 * module does not take, or an engine without vectors, JavaScript does.
 */
export function checksumChunks(
  bytes: Uint8Array,
  from: number,
  to: number,
  sums: Uint8Array,
  sumsFrom: number,
): void {
  let at = from;
  let out = sumsFrom;
  if (engine !== undefined) {
    const isThere = bytes.buffer === engine.bytes.buffer;
    for (;;) {
      const size = Math.floor(Math.min(SLICE_BYTES, to - at) / LANE_BYTES) * LANE_BYTES;
      if (size === 0) break;
      const sumsSize = (size / CHUNK_BYTES) * CHECKSUM_BYTES;
      const place = isThere ? bytes.byteOffset + at : CONTENT_AT;
      if (!isThere) engine.bytes.set(bytes.subarray(at, at + size), CONTENT_AT);
      engine.checksum(place, place + size, SUMS_AT);
      sums.set(engine.bytes.subarray(SUMS_AT, SUMS_AT + sumsSize), out);
      at += size;
      out += sumsSize;
    }
  }
  if (at < to) crc32cPieces(bytes, at, to, CHUNK_BYTES, sums, out);
}

/**
 * The first chunk whose checksum is another, if any; `content` begins with a chunk. Of the first `fitting` chunks it is known
 * that they fit.
 */
export function firstBadChunk(content: Bytes, checksums: Bytes, fitting = 0): number | undefined {
  const fit = fitting + fittingChunks(content, checksums, fitting);
  const chunks = Math.ceil(content.length / CHUNK_BYTES);
  if (fit * CHECKSUM_BYTES === checksums.length && fit === chunks) return undefined;
  const computed = allocateBytes((chunks - fit) * CHECKSUM_BYTES);
  checksumChunks(content, fit * CHUNK_BYTES, content.length, computed, 0);
  const unlike = firstUnlike(computed, checksums.subarray(fit * CHECKSUM_BYTES));
  return unlike === undefined ? undefined : fit + unlike;
}

/** `ChunkEngine.fitting` of what lies elsewhere, from chunk `first` on. */
function fittingChunks(content: Bytes, checksums: Bytes, first: number): number {
  if (engine === undefined) return 0;
  const full = Math.min(Math.floor(content.length / CHUNK_BYTES), checksums.length / CHECKSUM_BYTES);
  let fit = 0;
  for (; full - first - fit >= OVERLAID_CHUNKS; fit += OVERLAID_CHUNKS) {
    const chunk = first + fit;
    engine.bytes.set(content.subarray(chunk * CHUNK_BYTES, chunk * CHUNK_BYTES + SLICE_BYTES), CONTENT_AT);
    const sumsAt = chunk * CHECKSUM_BYTES;
    engine.bytes.set(checksums.subarray(sumsAt, sumsAt + OVERLAID_CHUNKS * CHECKSUM_BYTES), SUMS_AT);
    const some = engine.fitting(CONTENT_AT, OVERLAID_CHUNKS, SUMS_AT);
    if (some < OVERLAID_CHUNKS) return fit + some;
  }
  return fit;
}

/** The first chunk of which these rows of checksums say different things, if any. */
function firstUnlike(computed: Bytes, checksums: Bytes): number | undefined {
  if (computed.equals(checksums)) return undefined;
  for (let at = 0; at < computed.length; at += CHECKSUM_BYTES) {
    const end = at + CHECKSUM_BYTES;
    if (!computed.subarray(at, end).equals(checksums.subarray(at, end))) return at / CHECKSUM_BYTES;
  }
  return computed.length / CHECKSUM_BYTES;
}

function createEngine(): ChunkEngine | undefined {
  assert(
    SUMS_AT + OVERLAID_CHUNKS * CHECKSUM_BYTES <= RESERVED_BYTES,
    "the buffers of the pool begin too early",
  );
  return poolMemory === undefined ? undefined : ChunkEngine.on(poolMemory);
}
