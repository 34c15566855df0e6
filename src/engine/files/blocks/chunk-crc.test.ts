import fc from "fast-check";
import { expect, test } from "vitest";
import { crc32c, crc32cPieces } from "../../../wire/crc32.ts";
import type { SharedMemory } from "../web-assembly-code.ts";
import { createSharedMemory } from "../web-assembly-code.ts";
import type { Bytes } from "../../../runtime/bytes.ts";
import { copyBytes } from "../../../runtime/bytes.ts";
import { seededRandom } from "../../group/write-ahead-log/crash-disk.testing.ts";
import { checksumChunks, firstBadChunk, usesVectors } from "./chunk-crc.ts";
import { ChunkEngine, ENGINE_BYTES } from "./chunk-engine.ts";
import { CHUNK_AT } from "./chunk-overlay-module.ts";
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
  const memory = createSharedMemory(ENGINE_BYTES + 200_000) as SharedMemory;
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
    const there = at + 16 * (CHUNK_AT.indexOf(other) - CHUNK_AT.indexOf(one));
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

test("up to three bad bits are found, wherever they lie, those that come to lie on each other too", () => {
  const memory = createSharedMemory(ENGINE_BYTES + 140_000) as SharedMemory;
  const engine = ChunkEngine.on(memory) as ChunkEngine;
  const sumsAt = ENGINE_BYTES + 131_072;
  engine.checksum(ENGINE_BYTES, sumsAt, sumsAt);
  expect(engine.fitting(ENGINE_BYTES, 256, sumsAt)).toBe(256);
  const random = seededRandom(12);
  const below = (limit: number): number => Math.floor(random.float() * limit);
  for (let round = 0; round < 4_000; round++) {
    const bit = 1 << below(8);
    const spots = Array.from({ length: below(4) }, () => ({ at: below(131_072), bit: 1 << below(8) }));
    // And two, of which one comes to lie on the other.
    if (spots.length < 2) spots.push(...meeting(below, below(16)).map((at) => ({ at, bit })));
    const flip = (): void => {
      for (const { at, bit } of spots) engine.bytes[ENGINE_BYTES + at]! ^= bit;
    };
    flip();
    const isDamaged = engine.bytes.subarray(ENGINE_BYTES, sumsAt).some((byte) => byte !== 0);
    const lowest = Math.min(...spots.map(({ at }) => at));
    const fit = engine.fitting(ENGINE_BYTES, 256, sumsAt);
    // Spots that took each other back are none.
    if (isDamaged) expect(fit).toBeLessThan(256);
    // Of two that lie on each other it is not known in which group.
    if (fit > 0) expect(fit).toBeGreaterThanOrEqual(Math.floor(lowest / 8192) * 16);
    expect(fit % 16).toBe(0);
    flip();
  }
  expect(engine.fitting(ENGINE_BYTES, 256, sumsAt)).toBe(256);
  expect(engine.fitting(ENGINE_BYTES, 255, sumsAt)).toBe(0);
});

test("two bad bits that lie on each other are found by what is not moved, and one in a checksum by both", () => {
  const memory = createSharedMemory(ENGINE_BYTES + 140_000) as SharedMemory;
  const engine = ChunkEngine.on(memory) as ChunkEngine;
  const sumsAt = ENGINE_BYTES + 131_072;
  const random = seededRandom(13);
  const below = (limit: number): number => Math.floor(random.float() * limit);
  for (let at = ENGINE_BYTES; at < sumsAt; at++) engine.bytes[at] = random.next32();
  engine.checksum(ENGINE_BYTES, sumsAt, sumsAt);
  const flipped = (...places: number[]): number => {
    const flip = (): void => places.forEach((at) => (engine.bytes[at]! ^= 8));
    flip();
    const fit = engine.fitting(ENGINE_BYTES, 256, sumsAt);
    flip();
    return fit;
  };
  for (let group = 0; group < 16; group++) {
    const [one, other] = meeting(below, group);
    expect(flipped(ENGINE_BYTES + one, ENGINE_BYTES + other)).toBe(0);
    expect(flipped(sumsAt + group * 64 + below(64))).toBe(group * 16);
    // A bit of a chunk where the checksum of another comes to lie: it is the first byte of a vector, and the last of a checksum.
    const [last, moved] = [CHUNK_AT[0] ?? 0, CHUNK_AT[1] ?? 0];
    const chunkAt = ENGINE_BYTES + group * 8192 + last * 512 + 496;
    expect(flipped(chunkAt, sumsAt + group * 64 + moved * 4 + 3)).toBe(0);
    expect(flipped()).toBe(256);
  }
});

test("every engine that this runs on takes the module, so that the checksums do not silently become slow", () => {
  expect(usesVectors).toBe(true);
});

test.each([512, 768].flatMap((chunkBytes) => foldsOf(chunkBytes).map((fold) => ({ chunkBytes, ...fold }))))(
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

test("no two pairs of chunks that are laid over each other are equally far apart, before and after", () => {
  const pairs = new Set<string>();
  for (let one = 0; one < 16; one++) {
    for (let other = one + 1; other < 16; other++) {
      pairs.add(`${other - one} ${CHUNK_AT.indexOf(other) - CHUNK_AT.indexOf(one)}`);
    }
  }
  expect(pairs.size).toBe((16 * 15) / 2);
  expect([...CHUNK_AT].sort((left, right) => left - right)).toEqual(Array.from({ length: 16 }, (_, k) => k));
});
