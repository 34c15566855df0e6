/**
 * Chunks laid over each other, as a WebAssembly module: how most chunks are verified at a third of what their checksums cost.
 *
 * A checksum is linear. So if chunk i of a group is moved by 16 * m(i) bytes and all are added up (exclusive or), the checksum of
 * the sum is the sum of the chunks' checksums, each multiplied by x^(8 * 16 * m(i)), but for a constant. The sum is hardly longer
 * than a chunk, and adding is the least that can be done to bytes. Alone it would miss two bits that come to lie on each other.
 * But x + 1 divides Castagnoli's polynomial: a checksum has an odd number of ones if its chunk has; that is held against each
 * chunk too. And m is a permutation in which no two pairs of chunks are as far apart in both ways (Costas; Welch's construction
 * with the powers of 3 modulo 17), so that damage which repeats at some distance meets itself once at most.
 *
 * What both find: damage of one chunk, or of one checksum, exactly as the chunk's own checksum does, because a multiple by x^n
 * is a multiple of the polynomial only if the factor is; and whatever changes an odd number of bits of any chunk, so up to three
 * bits of a group. Other damage of several chunks at once goes unnoticed when it adds up to nothing: about one time in 2^32, as
 * with any checksum of that length.
 */
import type { Code } from "../web-assembly-code.ts";
import {
  branchIf,
  code,
  END,
  extractLong,
  get,
  I32,
  i32,
  I32_ADD,
  I32_AND,
  I32_LESS,
  I32_OR,
  I64_ONES,
  I64_TO_I32,
  I64_XOR,
  LANES,
  load,
  loadLongOfInt,
  LOOP,
  moduleOnSharedMemory,
  set,
  splat,
  store,
  storeInt,
  tee,
  unsigned,
  V128,
  V128_XOR,
} from "../web-assembly-code.ts";

/** Chunks that are laid over each other. */
export const GROUP_CHUNKS = 16;
/** Groups that the module takes at a time: as many as it has checksums made of. */
export const GROUPS = 16;

/** How long the sum of a group is. */
export function overlayBytes(chunkBytes: number): number {
  return chunkBytes + (GROUP_CHUNKS - 1) * LANES;
}

/** Which chunk is moved by so many vectors. */
export const CHUNK_AT: readonly number[] = chunksByDistance();

function chunksByDistance(): number[] {
  const chunkAt: number[] = [];
  for (let chunk = 0, power = 1; chunk < GROUP_CHUNKS; chunk++, power = (3 * power) % 17) {
    chunkAt[power - 1] = chunk;
  }
  return chunkAt;
}

/** Chunks of which a processor's registers keep what is needed. */
const HALF = GROUP_CHUNKS / 2;

/** Parameters and locals, by their numbers. */
const DATA = 0;
const SUMS = 1;
const OUT = 2;
const ODD = 3;
const WORD = 4;
const LAST = 5;
const VECTOR = 6;
const columnOf = (distance: number): number => VECTOR + 1 + (distance % HALF);
const VECTOR_COUNT = 1 + HALF;

/** The chunks of half of the distances, from `first` on; the lower half comes first. What is not moved lies last in the sum. */
function half(first: number, chunkBytes: number): Code {
  const vectors = chunkBytes / LANES;
  const distances = Array.from({ length: HALF }, (_, k) => first + k);
  const parts: Code[] = distances.map((distance) => code(splat(0), set(columnOf(distance))));
  for (let row = 0; row < overlayBytes(chunkBytes) / LANES; row++) {
    // Of the other half there is something where its last chunk lies, and behind.
    let isBegun = first > 0 && row >= GROUP_CHUNKS - HALF;
    const sum: Code[] = isBegun ? [get(OUT), load(row * LANES)] : [];
    for (const distance of distances) {
      const vector = row - (GROUP_CHUNKS - 1 - distance);
      if (vector < 0 || vector >= vectors) continue;
      sum.push(
        code(get(DATA), load(chunkAt(distance) * chunkBytes + vector * LANES), tee(VECTOR)),
        code(get(columnOf(distance)), V128_XOR, set(columnOf(distance))),
        code(get(VECTOR), isBegun ? V128_XOR : []),
      );
      isBegun = true;
    }
    if (isBegun) parts.push(get(OUT), ...sum, store(row * LANES));
  }
  return code(...parts, ...distances.map(parity));
}

function chunkAt(distance: number): number {
  return CHUNK_AT[distance] as number;
}

/** Sets ODD unless a chunk and its checksum both have an odd number of ones, or both an even one. */
function parity(distance: number): Code {
  const column = get(columnOf(distance));
  return code(
    code(column, extractLong(0), column, extractLong(1), I64_XOR),
    code(get(SUMS), loadLongOfInt(4 * chunkAt(distance)), I64_XOR, I64_ONES, I64_TO_I32, i32(1), I32_AND),
    code(get(ODD), I32_OR, set(ODD)),
  );
}

/**
 * A module that works on a shared memory which it is given, and exports `overlay(data, sums, out)`: of 16 groups of chunks at
 * `data` and their checksums at `sums`, the sums, one behind the other at `out`, and behind them a word for each group that is
 * 0 when the number of ones is as it should be.
 */
export function overlayModule(chunkBytes: number): Uint8Array<ArrayBuffer> {
  const length = overlayBytes(chunkBytes);
  const advance = (local: number, amount: number): Code => code(get(local), i32(amount), I32_ADD, set(local));
  const program = code(
    code(get(OUT), i32(GROUPS * length), I32_ADD, tee(LAST), set(WORD)),
    code(LOOP, i32(0), set(ODD)),
    half(0, chunkBytes),
    half(HALF, chunkBytes),
    code(get(WORD), get(ODD), storeInt(0)),
    advance(WORD, 4),
    advance(DATA, GROUP_CHUNKS * chunkBytes),
    advance(SUMS, GROUP_CHUNKS * 4),
    code(get(OUT), i32(length), I32_ADD, tee(OUT), get(LAST), I32_LESS, branchIf(0), END),
  );
  const body = code([2, 3, I32], unsigned(VECTOR_COUNT), [V128], program, END);
  return moduleOnSharedMemory("overlay", body);
}
