/** CRC-32Cs of whole chunks, one after the other, as fast as they are to be had. */
import { crc32cPieces } from "../../../wire/crc32.ts";
import { CHUNK_BYTES } from "./block-store.ts";
import { chunkTables, crc32cModule, TABLES_BYTES } from "./crc32c-module.ts";

/** Chunks that the module takes at a time. */
const GROUP_CHUNKS = 16;
/** Bytes that go through its memory at a time: little enough to stay near the processor. */
const SLICE_BYTES = 128 * 1024;
const OUT = TABLES_BYTES + SLICE_BYTES;
const PAGE_BYTES = 64 * 1024;

interface Engine {
  readonly memory: Uint8Array;
  checksum(data: number, groups: number, chunkBytes: number, out: number): void;
}

/** What is used of it: neither the language's types nor those of Node.js name WebAssembly. */
interface WebAssemblyPart {
  validate(code: Uint8Array<ArrayBuffer>): boolean;
  readonly Module: new (code: Uint8Array<ArrayBuffer>) => object;
  readonly Memory: new (pages: { readonly initial: number; readonly maximum: number }) => {
    readonly buffer: ArrayBuffer;
  };
  readonly Instance: new (
    module: object,
    imports: Readonly<Record<string, Readonly<Record<string, object>>>>,
  ) => { readonly exports: Readonly<Record<string, unknown>> };
}

const engine = createEngine();

/** False: JavaScript does it all, at half the speed. */
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
      engine.checksum(TABLES_BYTES, groups, CHUNK_BYTES, OUT);
      sums.set(memory.subarray(OUT, OUT + sumsSize), out);
      at += size;
      out += sumsSize;
    }
  }
  if (at < to) crc32cPieces(bytes, at, to, CHUNK_BYTES, sums, out);
}

/** Undefined: this engine has no vectors. */
function createEngine(): Engine | undefined {
  const { WebAssembly } = globalThis as { readonly WebAssembly?: WebAssemblyPart };
  const code = crc32cModule(CHUNK_BYTES);
  if (WebAssembly?.validate(code) !== true) return undefined;
  const pages = Math.ceil((OUT + (SLICE_BYTES / CHUNK_BYTES) * 4) / PAGE_BYTES);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(code), { chunks: { memory } });
  const bytes = new Uint8Array(memory.buffer);
  bytes.set(chunkTables());
  return { memory: bytes, checksum: exports["checksum"] as Engine["checksum"] };
}
