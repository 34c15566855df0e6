/**
 * Chunks laid over each other, as a WebAssembly module: how most chunks are verified at a quarter of what their checksums cost.
 *
 * A checksum is linear, and a chunk followed by its checksum is a multiple of the polynomial, but for a constant; so is whatever
 * such multiples, moved by whole bytes, add up to (exclusive or). Of a group of chunks, chunk i is moved by 16 * m(i) bytes, each
 * with its checksum behind it. The sum is hardly longer than a chunk, and adding is the least that can be done to bytes. Alone
 * it would miss two bits that come to lie on each other. So all groups are added up a second time, without moving anything: what
 * meets in one sum does not meet in the other. And m is a permutation in which no two pairs of chunks are as far apart in both
 * ways (Costas; Welch's construction with the powers of 3 modulo 17), so that damage which repeats at some distance meets itself
 * once at most.
 *
 * What both find: damage of one chunk of a group, or of one checksum, exactly as the chunk's own checksum does, because a
 * multiple by x^n is a multiple of the polynomial only if the factor is; and up to three bits, wherever they are. Other damage
 * of several chunks at once goes unnoticed when it adds up to nothing in both sums: less often than one time in 2^32, as with
 * any checksum of that length.
 */
import type { Code } from "../web-assembly-code.ts";
import {
  branchIf,
  code,
  constant,
  END,
  get,
  I32,
  i32,
  I32_ADD,
  I32_LESS,
  LANES,
  load,
  loadInt,
  LOOP,
  moduleOnSharedMemory,
  set,
  splat,
  store,
  SWIZZLE,
  tee,
  V128_XOR,
} from "../web-assembly-code.ts";

/** Chunks that are laid over each other. */
export const GROUP_CHUNKS = 16;
/** Groups that the module takes at a time: as many as it has checksums made of. */
export const GROUPS = 16;

/** How long the sum of a group is, with what follows on the chunk that is moved furthest. */
export function overlayBytes(chunkBytes: number): number {
  return chunkBytes + GROUP_CHUNKS * LANES;
}

/** How long the sum of all groups is: a chunk, and the checksums four by four. */
export function pileBytes(chunkBytes: number): number {
  return chunkBytes + LANES;
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

/** Parameters and locals, by their numbers. */
const DATA = 0;
const SUMS = 1;
const OUT = 2;
const LAST = 3;

/** Big-endian as it is stored, and little-endian behind a chunk, whose lower bits come first. */
const TURNED = code(constant([3, 2, 1, 0, ...Array.from({ length: LANES - 4 }, (_, k) => k + 4)]), SWIZZLE);

const EACH_CHUNK = Array.from({ length: GROUP_CHUNKS }, (_, k) => k);

function addUp(terms: readonly Code[]): Code {
  return code(...terms.map((term, k) => (k === 0 ? term : code(term, V128_XOR))));
}

/** One group, moved. What is not moved lies last in the sum. */
function moved(chunkBytes: number): Code {
  const vectors = chunkBytes / LANES;
  const rows: Code[] = [];
  for (let row = 0; row < overlayBytes(chunkBytes) / LANES; row++) {
    const terms = EACH_CHUNK.flatMap((distance) => {
      const chunk = CHUNK_AT[distance] as number;
      const vector = row - (GROUP_CHUNKS - 1 - distance);
      if (vector === vectors) return [code(get(SUMS), loadInt(4 * chunk), TURNED)];
      return vector < 0 || vector > vectors
        ? []
        : [code(get(DATA), load(chunk * chunkBytes + vector * LANES))];
    });
    rows.push(code(get(OUT), addUp(terms), store(row * LANES)));
  }
  return code(...rows);
}

/** One group, as it is, added to those before it. */
function piled(chunkBytes: number): Code {
  const rows: Code[] = [];
  for (let at = 0; at < chunkBytes; at += LANES) {
    const terms = EACH_CHUNK.map((chunk) => code(get(DATA), load(chunk * chunkBytes + at)));
    rows.push(code(get(LAST), addUp([code(get(LAST), load(at)), ...terms]), store(at)));
  }
  const sums = EACH_CHUNK.filter((chunk) => chunk % 4 === 0).map((chunk) => code(get(SUMS), load(4 * chunk)));
  return code(...rows, get(LAST), addUp([code(get(LAST), load(chunkBytes)), ...sums]), store(chunkBytes));
}

/**
 * A module that works on a shared memory which it is given, and exports `overlay(data, sums, out)`: of 16 groups of chunks at
 * `data` and their checksums, big-endian, at `sums`, the sums of the groups, one behind the other at `out`, and behind them that
 * of all.
 */
export function overlayModule(chunkBytes: number): Uint8Array<ArrayBuffer> {
  const length = overlayBytes(chunkBytes);
  const advance = (local: number, amount: number): Code => code(get(local), i32(amount), I32_ADD, set(local));
  const cleared: Code[] = [];
  for (let at = 0; at < pileBytes(chunkBytes); at += LANES) cleared.push(get(LAST), splat(0), store(at));
  const program = code(
    code(get(OUT), i32(GROUPS * length), I32_ADD, set(LAST), ...cleared),
    code(LOOP, moved(chunkBytes), piled(chunkBytes)),
    advance(DATA, GROUP_CHUNKS * chunkBytes),
    advance(SUMS, GROUP_CHUNKS * 4),
    code(get(OUT), i32(length), I32_ADD, tee(OUT), get(LAST), I32_LESS, branchIf(0), END),
  );
  return moduleOnSharedMemory("overlay", code([1, 1, I32], program, END));
}
