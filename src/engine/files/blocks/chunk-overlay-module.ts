/**
 * Chunks laid over each other, as a WebAssembly module: how most chunks are verified at a third of what their checksums cost.
 *
 * A checksum is linear, and a chunk followed by its checksum is a multiple of the polynomial, but for a constant; so is whatever
 * such multiples, moved by whole bytes, add up to (exclusive or). So a group of chunks, each with its checksum behind it, is added
 * up, each chunk moved by a mark of a Golomb ruler: no two pairs of marks are equally far apart. The sum is hardly longer than a
 * chunk, and adding is the least that can be done to bytes. Alone it would miss two bits that come to lie on each other, so all
 * chunks are added up a second time, those of a group without moving them, the groups moved by the marks. What meets in one sum
 * does not meet in the other.
 *
 * What both find: damage of one chunk of a group, or of one checksum, exactly as the chunk's own checksum does, because a
 * multiple by x^n is a multiple of the polynomial only if the factor is; and up to three bits, wherever they are. Other damage of
 * several chunks at once goes unnoticed when both sums are multiples all the same. Of damage at random that is less than one in
 * 2^32. Four bits of one group never meet in pairs in both sums, since two pairs of marks would have to be equally far apart;
 * those of two groups do if they lie at different places, as far from each other as two marks.
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
  I32_XOR,
  FIRST_INT,
  LANES,
  load,
  loadInt,
  LOOP,
  moduleOnSharedMemory,
  set,
  shuffle,
  splat,
  store,
  storeInt,
  SWIZZLE,
  tee,
  V128,
  V128_AND,
  V128_XOR,
} from "../web-assembly-code.ts";

/** Chunks that are laid over each other. */
export const GROUP_CHUNKS = 16;
/** Groups that the module takes at a time: as many as it has checksums made of. */
export const GROUPS = 16;
const CHECKSUM_BYTES = 4;

/** By how many bytes chunks of a group, and groups, are moved: the shortest Golomb ruler of 16 marks. */
export const MARKS: readonly number[] = [0, 1, 4, 11, 26, 32, 56, 68, 76, 115, 117, 134, 150, 163, 168, 177];
const MARK_MAX = 177;

/** How long a sum is, of a group and of all: in whole vectors. */
export function overlayBytes(chunkBytes: number): number {
  return Math.ceil((chunkBytes + MARK_MAX + CHECKSUM_BYTES) / LANES) * LANES;
}

/** What the module has behind the sum of all: the marks, and room for the checksums of a group. */
const MARKS_BYTES = 4 * GROUPS;
const TURNED_BYTES = CHECKSUM_BYTES * GROUP_CHUNKS;

/** Where the module looks for the marks, 32 bits each, counted from `out`. */
export function marksAt(chunkBytes: number): number {
  return (GROUPS + 1) * overlayBytes(chunkBytes);
}

/** What the module writes, from `out` on, with the marks. */
export function outputBytes(chunkBytes: number): number {
  return marksAt(chunkBytes) + MARKS_BYTES + TURNED_BYTES;
}

/** Parameters and locals, by their numbers. */
const DATA = 0;
const SUMS = 1;
const OUT = 2;
const LAST = 3;
/** Of the group, in the sum of all. */
const PLACE = 4;
const MARK = 5;
const VECTOR = 6;

/** Checksums are stored big-endian. Behind a chunk they are little-endian: its lower bits come first. */
const TURNED = code(constant([3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12]), SWIZZLE);

const EACH = Array.from({ length: GROUP_CHUNKS }, (_, k) => k);

function addUp(terms: readonly Code[]): Code {
  return code(...terms.map((term, k) => (k === 0 ? term : code(term, V128_XOR))));
}

/** A vector of a chunk from `at` on, which may begin before the chunk or end behind it: that part is zeros. */
function vectorOf(chunk: number, at: number, chunkBytes: number): Code {
  // DATA is a vector before the chunks.
  const bytes = code(get(DATA), load(LANES + chunk * chunkBytes + at));
  if (at >= 0 && at + LANES <= chunkBytes) return bytes;
  const isOwn = (lane: number): boolean => at + lane >= 0 && at + lane < chunkBytes;
  return code(
    bytes,
    constant(Array.from({ length: LANES }, (_, lane) => (isOwn(lane) ? 0xff : 0))),
    V128_AND,
  );
}

/** Adds the integer that `value` gives to the four bytes at `at` of what `local` points to. */
function addInt(local: number, at: number, value: Code): Code {
  return code(get(local), get(local), loadInt(at), value, I32_XOR, storeInt(at));
}

/** The checksums of the group, little-endian, behind the marks, and their sum behind the chunks in the sum of all. */
function turned(chunkBytes: number): Code {
  const room = overlayBytes(chunkBytes) + MARKS_BYTES;
  const vectors = EACH.filter((chunk) => chunk % 4 === 0).map((chunk) =>
    code(get(LAST), get(SUMS), load(4 * chunk), TURNED, tee(VECTOR), store(room + 4 * chunk), get(VECTOR)),
  );
  const swapped = (...lanes: readonly number[]): Code => code(get(VECTOR), get(VECTOR), shuffle(...lanes));
  const halves = code(
    get(VECTOR),
    swapped(8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7),
    V128_XOR,
    set(VECTOR),
  );
  const fours = code(get(VECTOR), swapped(4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3), V128_XOR);
  return code(addUp(vectors), set(VECTOR), halves, addInt(PLACE, chunkBytes, code(fours, FIRST_INT)));
}

/** The sum of the group, moved. */
function moved(chunkBytes: number): Code {
  const length = overlayBytes(chunkBytes);
  const turnedAt = length + MARKS_BYTES;
  const cleared: Code[] = [];
  for (let at = chunkBytes; at < length; at += LANES) cleared.push(get(OUT), splat(0), store(at));
  const sums = EACH.map((chunk) =>
    addInt(OUT, chunkBytes + (MARKS[chunk] as number), code(get(LAST), loadInt(turnedAt + 4 * chunk))),
  );
  const rows: Code[] = [];
  for (let row = 0; row < length; row += LANES) {
    const terms: Code[] = row < chunkBytes ? [] : [code(get(OUT), load(row))];
    for (const chunk of EACH) {
      const at = row - (MARKS[chunk] as number);
      if (at > -LANES && at < chunkBytes) terms.push(vectorOf(chunk, at, chunkBytes));
    }
    rows.push(code(get(OUT), addUp(terms), store(row)));
  }
  return code(...cleared, ...sums, ...rows);
}

/** The chunks of the group added to the sum of all. */
function piled(chunkBytes: number): Code {
  const rows: Code[] = [];
  for (let at = 0; at < chunkBytes; at += LANES) {
    const terms = EACH.map((chunk) => vectorOf(chunk, at, chunkBytes));
    rows.push(code(get(PLACE), addUp([code(get(PLACE), load(at)), ...terms]), store(at)));
  }
  return code(...rows);
}

/**
 * A module that works on a shared memory which it is given, and exports `overlay(data, sums, out)`: of 16 groups of chunks at
 * `data` and their checksums, big-endian, at `sums`, the sums of the groups, one behind the other at `out`, and behind them that
 * of all, each of `overlayBytes`. A vector before the chunks and one behind them are read, and do not count. The marks must be at
 * `marksAt`.
 */
export function overlayModule(chunkBytes: number): Uint8Array<ArrayBuffer> {
  const length = overlayBytes(chunkBytes);
  const advance = (local: number, amount: number): Code => code(get(local), i32(amount), I32_ADD, set(local));
  const cleared: Code[] = [];
  for (let at = 0; at < length; at += LANES) cleared.push(get(LAST), splat(0), store(at));
  const program = code(
    code(get(OUT), i32(GROUPS * length), I32_ADD, tee(LAST), set(MARK), ...cleared, advance(DATA, -LANES)),
    code(LOOP, get(LAST), get(MARK), loadInt(length), I32_ADD, set(PLACE)),
    code(turned(chunkBytes), moved(chunkBytes), piled(chunkBytes)),
    advance(MARK, 4),
    advance(DATA, GROUP_CHUNKS * chunkBytes),
    advance(SUMS, GROUP_CHUNKS * CHECKSUM_BYTES),
    code(get(OUT), i32(length), I32_ADD, tee(OUT), get(LAST), I32_LESS, branchIf(0), END),
  );
  return moduleOnSharedMemory("overlay", code([2, 3, I32, 1, V128], program, END));
}
