import fc from "fast-check";
import { expect, test } from "vitest";
import { crc32c, crc32cPieces } from "../../../wire/crc32.ts";
import type { SharedMemory } from "../web-assembly-code.ts";
import { createSharedMemory } from "../web-assembly-code.ts";
import { checksumChunks, ChunkEngine, ENGINE_BYTES, usesVectors } from "./chunk-crc.ts";
import { FOLDS } from "./crc32c-module.ts";

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

test("every engine that this runs on takes the module, so that the checksums do not silently become slow", () => {
  expect(usesVectors).toBe(true);
});

test.each(FOLDS)("a byte counts the same at all its distances: %o", ({ from, to, distances }) => {
  const furthest = Math.max(...distances);
  const moved = distances.map((distance) => power(8 * (furthest - distance)));
  expect(moved.reduce((sum, each) => sum ^ each, 0) >>> 0).toBe(power(8 * furthest));
  // A vector is complete before it is moved, and nothing is moved beyond the chunk.
  expect(Math.min(...distances)).toBeGreaterThanOrEqual(16);
  expect(to - 1 + furthest).toBeLessThan(512);
  expect(from % 16).toBe(0);
});
