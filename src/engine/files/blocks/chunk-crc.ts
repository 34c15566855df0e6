/** CRC-32Cs of whole chunks, one after the other, as fast as they are to be had. */
import type { Bytes } from "../../../runtime/bytes.ts";
import { allocateBytes } from "../../../runtime/bytes.ts";
import { crc32cPieces } from "../../../wire/crc32.ts";
import { CHUNK_BYTES } from "./block-store.ts";
import { instantiate } from "../web-assembly-code.ts";
import { chunkTables, crc32cModule, TABLES_BYTES } from "./crc32c-module.ts";

/** Chunks that the module takes at a time. */
const GROUP_CHUNKS = 16;
/** Bytes that go through its memory at a time: little enough to stay near the processor. */
const SLICE_BYTES = 128 * 1024;
const OUT = TABLES_BYTES + SLICE_BYTES;

interface ModuleExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly checksum: (data: number, groups: number, out: number) => void;
}

interface Engine extends Pick<ModuleExports, "checksum"> {
  readonly memory: Uint8Array;
}

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
    const { memory } = engine;
    for (;;) {
      const groups = Math.floor(Math.min(SLICE_BYTES, to - at) / (GROUP_CHUNKS * CHUNK_BYTES));
      if (groups === 0) break;
      const size = groups * GROUP_CHUNKS * CHUNK_BYTES;
      const sumsSize = 4 * groups * GROUP_CHUNKS;
      memory.set(bytes.subarray(at, at + size), TABLES_BYTES);
      engine.checksum(TABLES_BYTES, groups, OUT);
      sums.set(memory.subarray(OUT, OUT + sumsSize), out);
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

function createEngine(): Engine | undefined {
  const module = crc32cModule(CHUNK_BYTES, OUT + (SLICE_BYTES / CHUNK_BYTES) * 4);
  const exports = instantiate<ModuleExports>(module);
  if (exports === undefined) return undefined;
  const memory = new Uint8Array(exports.memory.buffer);
  memory.set(chunkTables());
  return { memory, checksum: exports.checksum };
}
