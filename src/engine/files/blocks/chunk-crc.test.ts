import fc from "fast-check";
import { expect, test } from "vitest";
import { crc32c, crc32cPieces } from "../../../wire/crc32.ts";
import type { PageMemory } from "../../../runtime/page-memory.ts";
import { createPageMemory } from "../../../runtime/page-memory.ts";
import type { Bytes } from "../../../runtime/bytes.ts";
import { allocateBytes, copyBytes } from "../../../runtime/bytes.ts";
import { seededRandom } from "../../group/write-ahead-log/crash-disk.testing.ts";
import { CHUNK_BYTES } from "./block-store.ts";
import { checksumChunks, firstBadChunk, usesVectors } from "./chunk-crc.ts";
import { ChunkEngine, ENGINE_BYTES } from "./chunk-engine.ts";
import { MARKS } from "./chunk-overlay-module.ts";
import { release, BUFFER_BYTES, takeBuffer } from "./buffer-pool.ts";
import { foldsOf } from "./crc32c-module.ts";

/** x^exponent modulo Castagnoli's polynomial, its highest coefficient in the highest bit. */
function power(exponent: number): number {
  let value = 1;
  for (let at = 0; at < exponent; at++) value = (value << 1) ^ (value < 0 ? 0x1edc_6f41 : 0);
  return value >>> 0;
}

test("chunks have the checksums that each has alone, wherever they lie and however many there are", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 300_000 }),
      fc.nat({ max: 9 }),
      fc.nat({ max: 2 ** 31 - 1 }),
      (length, skipped, seed) => {
        const bytes = new Uint8Array(skipped + length + 3);
        for (let at = 0, state = seed | 1; at < bytes.length; at++) {
          state = (Math.imul(state, 1_103_515_245) + 12_345) | 0;
          bytes[at] = state >>> 16;
        }
        const chunks = Math.ceil(length / 512);
        const sums = Buffer.alloc(4 * chunks + 8);
        checksumChunks(bytes, skipped, skipped + length, sums, 4);
        const plain = Buffer.alloc(4 * chunks + 8);
        crc32cPieces(bytes, skipped, skipped + length, 512, plain, 4);
        expect(sums.equals(plain)).toBe(true);
        if (chunks > 0)
          expect(sums.readUInt32BE(4)).toBe(crc32c(bytes.subarray(skipped, skipped + Math.min(512, length))));
      },
    ),
    { numRuns: 60 },
  );
});

test("what lies in the memory itself is counted there, and stays as it is", () => {
  const memory = createPageMemory(ENGINE_BYTES + 200_000, { shared: true }) as PageMemory;
  const engine = ChunkEngine.on(memory) as ChunkEngine;
  for (const length of [0, 1, 511, 512, 8_192, 8_193, 100_000]) {
    const from = ENGINE_BYTES + 512;
    const bytes = Buffer.from(
      Array.from({ length }, (_, at) => Math.imul(at + length, 2_654_435_761) >>> 24),
    );
    engine.bytes.set(bytes, from);
    engine.checksum(from, from + length, ENGINE_BYTES + 150_000);
    const sums = Buffer.alloc(4 * Math.ceil(length / 512));
    crc32cPieces(bytes, 0, length, 512, sums, 0);
    const counted = engine.bytes.slice(ENGINE_BYTES + 150_000, ENGINE_BYTES + 150_000 + sums.length);
    expect(sums.equals(counted)).toBe(true);
    expect(bytes.equals(engine.bytes.slice(from, from + length))).toBe(true);
  }
});

/** Two bytes of a group of chunks that lie on each other when it is laid over itself. */
function meeting(below: (limit: number) => number, group: number): [number, number] {
  for (;;) {
    const [one, other, at] = [below(16), below(16), below(512)];
    const there = at + (MARKS[one] ?? 0) - (MARKS[other] ?? 0);
    if (one !== other && there >= 0 && there < 512)
      return [group * 8192 + one * 512 + at, group * 8192 + other * 512 + there];
  }
}

/** Without vectors, and chunk by chunk. */
function firstBadPlainly(content: Uint8Array, checksums: Uint8Array): number | undefined {
  for (let chunk = 0; chunk * 512 < content.length; chunk++) {
    const sum = crc32c(content.subarray(chunk * 512, (chunk + 1) * 512));
    if (Buffer.from(checksums).readUInt32BE(4 * chunk) !== sum) return chunk;
  }
  return undefined;
}

test("the first bad chunk is found, whatever is damaged and however much", () => {
  const random = seededRandom(11);
  const below = (limit: number): number => Math.floor(random.float() * limit);
  const damages: ((content: Bytes, checksums: Bytes) => void)[] = [
    () => undefined,
    // A bit.
    (content) => void (content[below(content.length)]! ^= 1 << below(8)),
    (_, checksums) => void (checksums[below(checksums.length)]! ^= 1 << below(8)),
    // The same bit of two chunks that comes to lie on itself.
    (content) => {
      const [first, second] = meeting(below, below(Math.floor(content.length / 8192)));
      content[first]! ^= 4;
      content[second]! ^= 4;
    },
    // Records of 528 bytes, an even number of ones in the first 400, the rest zeros; a page of them was overwritten with zeros.
    (content, checksums) => {
      for (let at = 0; at < content.length; at++) content[at] = at % 528 < 400 ? 0x11 + (at % 528) * 2 : 0;
      crc32cPieces(content, 0, content.length, 512, checksums, 0);
      content.fill(0, 65_536, 65_536 + 4096);
    },
    // Of every chunk.
    (content) => content.forEach((byte, at) => at % 512 === 77 && (content[at] = byte ^ 32)),
    // Sectors of zeros, sectors that were exchanged, a shift.
    (content) => content.fill(0, 4096 * below(4), 4096 * (5 + below(4))),
    (content) => content.copyWithin(4096, 8192, 12_288),
    (content) => content.copyWithin(1, 0, content.length - 1),
    (_, checksums) => checksums.copyWithin(0, 4, 12),
    (_, checksums) => checksums.fill(0),
  ];
  for (const length of [131_072, 131_072 + 512, 300_001, 600_000, 1 << 20]) {
    const content = Buffer.from(Array.from({ length }, () => random.next32() & 0xff)) as unknown as Bytes;
    const checksums = Buffer.alloc(4 * Math.ceil(length / 512)) as unknown as Bytes;
    crc32cPieces(content, 0, length, 512, checksums, 0);
    for (const damage of damages) {
      const [bytes, sums] = [copyBytes(content), copyBytes(checksums)];
      damage(bytes, sums);
      const bad = firstBadPlainly(bytes, sums);
      expect(firstBadChunk(bytes, sums)).toBe(bad);
      const fitting = below((bad ?? sums.length / 4) + 1);
      expect(firstBadChunk(bytes, sums, fitting)).toBe(bad);
    }
  }
});

test("rows of checksums that are too long or too short do not fit", () => {
  for (const length of [0, 1000, 131_072, 262_144]) {
    const content = Buffer.alloc(length, 7) as unknown as Bytes;
    const checksums = Buffer.alloc(4 * Math.ceil(length / 512) + 4) as unknown as Bytes;
    crc32cPieces(content, 0, length, 512, checksums, 0);
    const chunks = Math.ceil(length / 512);
    expect(firstBadChunk(content, checksums.subarray(0, 4 * chunks))).toBeUndefined();
    expect(firstBadChunk(content, checksums)).toBe(chunks);
    if (chunks > 0) expect(firstBadChunk(content, checksums.subarray(0, 4 * chunks - 4))).toBe(chunks - 1);
  }
});

/** 256 chunks in an engine's own memory, and whether it finds what is changed there for a moment. */
function engineWith(seed: number): {
  readonly finds: (change: (bytes: Uint8Array, sums: Uint8Array) => void) => boolean;
  readonly below: (limit: number) => number;
} {
  const memory = createPageMemory(ENGINE_BYTES + 140_000, { shared: true }) as PageMemory;
  const engine = ChunkEngine.on(memory) as ChunkEngine;
  const random = seededRandom(seed);
  const below = (limit: number): number => Math.floor(random.float() * limit);
  const sumsAt = ENGINE_BYTES + 131_072;
  for (let at = ENGINE_BYTES; at < sumsAt; at++) engine.bytes[at] = random.next32();
  engine.checksum(ENGINE_BYTES, sumsAt, sumsAt);
  const good = engine.bytes.slice(ENGINE_BYTES, sumsAt + 1024);
  const finds = (change: (bytes: Uint8Array, sums: Uint8Array) => void): boolean => {
    change(engine.bytes.subarray(ENGINE_BYTES, sumsAt), engine.bytes.subarray(sumsAt, sumsAt + 1024));
    const fit = engine.fitting(ENGINE_BYTES, 256, sumsAt);
    engine.bytes.set(good, ENGINE_BYTES);
    expect([0, 256]).toContain(fit);
    return fit === 0;
  };
  expect(finds(() => undefined)).toBe(false);
  expect(engine.fitting(ENGINE_BYTES, 255, sumsAt)).toBe(0);
  return { finds, below };
}

function flip(bytes: Uint8Array, places: readonly number[], bit: number): void {
  for (const at of places) bytes[at]! ^= bit;
}

test("up to three bad bits are found, wherever they lie, those that come to lie on each other too", () => {
  const { finds, below } = engineWith(12);
  for (let round = 0; round < 4_000; round++) {
    const bit = 1 << below(8);
    const places: number[] = round % 2 === 0 ? meeting(below, below(16)) : [];
    const ofSums: number[] = [];
    for (let left = 1 + below(3 - places.length); left > 0; left--) {
      const at = below(131_072 + 1024);
      if (at < 131_072) places.push(at);
      else ofSums.push(at - 131_072);
    }
    const isDamaged = new Set(places).size + new Set(ofSums).size === places.length + ofSums.length;
    const isFound = finds((bytes, sums) => {
      flip(bytes, places, bit);
      flip(sums, ofSums, bit);
    });
    if (isDamaged) expect(isFound).toBe(true);
  }
});

test("four bad bits that meet in pairs are found, in one group or in two, and in all of them", () => {
  const { finds, below } = engineWith(13);
  for (let round = 0; round < 2_000; round++) {
    const bit = 1 << below(8);
    const pair = meeting(below, 0);
    const groups = 2 + below(15);
    const alike = Array.from({ length: groups }, (_, group) => pair.map((at) => at + group * 8192)).flat();
    expect(finds((bytes) => flip(bytes, alike, bit))).toBe(true);
    // The same two places of a chunk in two pairs of chunks.
    const [one, other] = meeting(below, below(16));
    const [first, second] = [one % 512, other % 512];
    const group = one - (one % 8192);
    const chunks = [one, other].map((at) => Math.floor((at % 8192) / 512));
    const [third, fourth] = [below(16), below(16)];
    if (new Set([...chunks, third, fourth]).size < 4) continue;
    const square = [one, other, group + third * 512 + first, group + fourth * 512 + second];
    expect(finds((bytes) => flip(bytes, square, bit))).toBe(true);
  }
});

test("damage that repeats is found: columns of bits, pages with equal fields that became zeros", () => {
  const { finds, below } = engineWith(14);
  for (let round = 0; round < 1_000; round++) {
    const stride = 4096 << below(5);
    const [column, other, bit] = [16 * below(256), 16 * below(256), 1 << below(8)];
    const places: number[] = [];
    for (let at = 0; at < 131_072; at += stride) places.push(at + column, at + other);
    if (column !== other) expect(finds((bytes) => flip(bytes, places, bit))).toBe(true);
  }
  const memory = createPageMemory(ENGINE_BYTES + 140_000, { shared: true }) as PageMemory;
  const engine = ChunkEngine.on(memory) as ChunkEngine;
  const sumsAt = ENGINE_BYTES + 131_072;
  let missed = 0;
  for (let round = 0; round < 2_000; round++) {
    const page = engine.bytes.subarray(ENGINE_BYTES, sumsAt).fill(0);
    const [first, second, field] = [16 * below(511), 16 * below(511), 1 + below(255)];
    if (first === second) continue;
    for (let at = 0; at < 131_072; at += 8192) {
      page.fill(field, at + first, at + first + 16);
      page.fill(field, at + second, at + second + 16);
    }
    engine.checksum(ENGINE_BYTES, sumsAt, sumsAt);
    const lost = [1, 2, 16][round % 3] ?? 1;
    page.fill(0, 0, lost * 8192);
    if (engine.fitting(ENGINE_BYTES, 256, sumsAt) > 0) missed++;
  }
  expect(missed).toBe(0);
});

test("a bit of a chunk where the checksum of another comes to lie is found, and so are both", () => {
  const { finds } = engineWith(15);
  // The checksum of the first chunk lies behind it; of the one moved furthest, the chunk is there still.
  for (let group = 0; group < 16; group++) {
    const chunk = group * 8192 + 15 * 512 + 512 - (MARKS[15] ?? 0);
    const sum = group * 64;
    expect(finds((bytes) => flip(bytes, [chunk], 1))).toBe(true);
    expect(finds((_, sums) => flip(sums, [sum + 3], 1))).toBe(true);
    expect(
      finds((bytes, sums) => {
        flip(bytes, [chunk], 1);
        flip(sums, [sum + 3], 1);
      }),
    ).toBe(true);
  }
});

test("every engine that this runs on takes the module, so that the checksums do not silently become slow", () => {
  expect(usesVectors).toBe(true);
});

test.each([512, 704].flatMap((chunkBytes) => foldsOf(chunkBytes).map((fold) => ({ chunkBytes, ...fold }))))(
  "a byte counts the same at all its distances: %o",
  ({ chunkBytes, from, to, distances }) => {
    const furthest = Math.max(...distances);
    const moved = distances.map((distance) => power(8 * (furthest - distance)));
    expect(moved.reduce((sum, each) => sum ^ each, 0) >>> 0).toBe(power(8 * furthest));
    // A vector is complete before it is moved, and nothing is moved beyond the chunk.
    expect(Math.min(...distances)).toBeGreaterThanOrEqual(16);
    expect(to - 1 + furthest).toBeLessThan(chunkBytes);
    expect(from % 16).toBe(0);
  },
);

test("no two marks are as far apart as two others", () => {
  const distances = MARKS.flatMap((mark, at) => MARKS.slice(0, at).map((other) => mark - other));
  expect(new Set(distances).size).toBe((16 * 15) / 2);
  expect(Math.min(...distances)).toBeGreaterThan(0);
});

test("what lies in a buffer of the pool has the checksums of its copy, from whichever byte to whichever", () => {
  const all: Bytes[] = [];
  for (let buffer = takeBuffer(); buffer !== undefined; buffer = takeBuffer()) all.push(buffer);
  for (const buffer of [all[0], all.at(-1)] as Bytes[]) {
    for (let at = 0; at < buffer.length; at++) buffer[at] = (at * 7919) >> 5;
    for (const [from, to] of [
      [0, BUFFER_BYTES],
      [0, 512],
      [1, BUFFER_BYTES - 1],
      [4095, 4096 + 70_000],
      [100_000, 100_000],
      [BUFFER_BYTES - 8192, BUFFER_BYTES],
    ] as const) {
      const copy = copyBytes(buffer);
      const expected = allocateBytes(4 * Math.ceil((to - from) / CHUNK_BYTES));
      const sums = allocateBytes(expected.length);
      checksumChunks(copy, from, to, expected, 0);
      checksumChunks(buffer, from, to, sums, 0);
      expect(sums.equals(expected)).toBe(true);
      checksumChunks(buffer.subarray(from, to), 0, to - from, sums, 0);
      expect(sums.equals(expected)).toBe(true);
      expect(buffer.equals(copy)).toBe(true);
    }
  }
  for (const buffer of all) release(buffer);
});
