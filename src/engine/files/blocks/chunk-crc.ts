/** CRC-32Cs of whole chunks, one after the other, as fast as they are to be had. */
import type { Bytes } from "../../../runtime/bytes.ts";
import { allocateBytes } from "../../../runtime/bytes.ts";
import { crc32cPieces } from "../../../wire/crc32.ts";
import { CHUNK_BYTES } from "./block-store.ts";
import type { SharedMemory } from "../web-assembly-code.ts";
import { createSharedMemory, instantiate } from "../web-assembly-code.ts";
import { chunkTables, crc32cModule } from "./crc32c-module.ts";

/** Chunks that the module takes at a time. */
const GROUP_CHUNKS = 16;
const GROUP_BYTES = GROUP_CHUNKS * CHUNK_BYTES;
/** Bytes that are copied to where the module finds them, at a time: little enough to stay near the processor. */
const SLICE_BYTES = 128 * 1024;

/** The first bytes of a memory belong to the engine that works on it. */
export const ENGINE_BYTES: number = 16 * 1024;

/** Checksums of what lies in one memory. */
export class ChunkEngine {
  readonly bytes: Uint8Array;
  private readonly module: (data: number, groups: number, out: number) => void;

  private constructor(bytes: Uint8Array, module: ChunkEngine["module"]) {
    this.bytes = bytes;
    this.module = module;
  }

  /** Undefined where there are no vectors. */
  static on(memory: SharedMemory): ChunkEngine | undefined {
    const exports = instantiate<{ readonly checksum: ChunkEngine["module"] }>(
      crc32cModule(CHUNK_BYTES),
      memory,
    );
    if (exports === undefined) return undefined;
    const bytes = new Uint8Array(memory.buffer);
    bytes.set(chunkTables());
    return new ChunkEngine(bytes, exports.checksum);
  }

  /** The checksums of the chunks of [from, to), big-endian, at `out`. The last chunk may be short. */
  checksum(from: number, to: number, out: number): void {
    const groups = Math.floor((to - from) / GROUP_BYTES);
    this.module(from, groups, out);
    const at = from + groups * GROUP_BYTES;
    if (at < to) crc32cPieces(this.bytes, at, to, CHUNK_BYTES, this.bytes, out + 4 * groups * GROUP_CHUNKS);
  }
}

const OUT = ENGINE_BYTES + SLICE_BYTES;
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
    for (;;) {
      const groups = Math.floor(Math.min(SLICE_BYTES, to - at) / GROUP_BYTES);
      if (groups === 0) break;
      const size = groups * GROUP_BYTES;
      const sumsSize = 4 * groups * GROUP_CHUNKS;
      engine.bytes.set(bytes.subarray(at, at + size), ENGINE_BYTES);
      engine.checksum(ENGINE_BYTES, ENGINE_BYTES + size, OUT);
      sums.set(engine.bytes.subarray(OUT, OUT + sumsSize), out);
      at += size;
      out += sumsSize;
    }
  }
  if (at < to) crc32cPieces(bytes, at, to, CHUNK_BYTES, sums, out);
}

/** The first chunk whose checksum is another, if any. `content` begins with a chunk. */
export function firstBadChunk(content: Bytes, checksums: Bytes): number | undefined {
  const computed = allocateBytes(4 * Math.ceil(content.length / CHUNK_BYTES));
  checksumChunks(content, 0, content.length, computed, 0);
  return firstUnlike(computed, checksums);
}

/** The first chunk of which these rows of checksums say different things, if any. */
export function firstUnlike(computed: Bytes, checksums: Bytes): number | undefined {
  if (computed.equals(checksums)) return undefined;
  for (let at = 0; at < computed.length; at += 4) {
    if (!computed.subarray(at, at + 4).equals(checksums.subarray(at, at + 4))) return at / 4;
  }
  return computed.length / 4;
}

function createEngine(): ChunkEngine | undefined {
  const memory = createSharedMemory(OUT + (SLICE_BYTES / CHUNK_BYTES) * 4);
  return memory === undefined ? undefined : ChunkEngine.on(memory);
}
