import fc from "fast-check";
import { expect, test } from "vitest";
import { KeyIndex } from "./key-index.ts";

/** A table's columns as `key-table.ts` keeps them: dense, the last entry moving into the place of a removed one. */
class Columns {
  readonly keys: string[] = [];
  readonly index: KeyIndex;

  constructor(secret: number) {
    this.index = new KeyIndex(this.keys, secret);
  }

  add(key: string): void {
    this.index.add(key, this.keys.length);
    this.keys.push(key);
  }

  remove(slot: number): void {
    const last = this.keys.length - 1;
    this.index.delete(this.keys[slot]!, slot);
    const key = this.keys.pop()!;
    if (slot === last) return;
    this.keys[slot] = key;
    this.index.move(key, last, slot);
  }
}

function usedBuckets(index: KeyIndex): number {
  const { shards } = index as unknown as { shards: readonly { cells: Int32Array }[] };
  return shards.reduce(
    (sum, { cells }) => sum + cells.filter((cell, at) => at % 2 === 1 && cell !== 0).length,
    0,
  );
}

test("it answers as a map does, whatever comes and goes", () => {
  const ends = fc.tuple(fc.nat(), fc.nat(3000), fc.array(fc.nat(3000), { maxLength: 3000 }));
  fc.assert(
    fc.property(ends, ([secret, first, steps]) => {
      const table = new Columns(secret);
      for (let n = 0; n < first; n++) table.add(`key:${n}`);
      for (const n of steps) {
        const key = `key:${n}`;
        const slot = table.index.get(key);
        expect(slot).toBe(table.keys.indexOf(key));
        if (slot < 0) table.add(key);
        else table.remove(slot);
      }
      for (const [slot, key] of table.keys.entries()) expect(table.index.get(key)).toBe(slot);
      while (table.keys.length > 0) table.remove(table.keys.length >> 1);
      for (let n = 0; n < 3000; n++) expect(table.index.get(`key:${n}`)).toBe(-1);
    }),
    { numRuns: 30 },
  );
});

test("keys with the same hash are told apart", () => {
  const table = new Columns(1);
  const alike = table.index as unknown as { hashOf: (key: string) => number };
  alike.hashOf = () => 0xffff;
  for (let n = 0; n < 100; n++) table.add(`key:${n}`);
  for (let n = 0; n < 100; n += 2) table.remove(table.index.get(`key:${n}`));
  for (let n = 0; n < 100; n++) expect(table.index.get(`key:${n}`)).toBe(table.keys.indexOf(`key:${n}`));
});

test("keys of any length and any bytes are found, also those that differ only beyond what is hashed", () => {
  const table = new Columns(7);
  const long = "x".repeat(20_000);
  const keys = ["", "\0", "\0\0", "\xff", "ab", "ba", "abc", `${long}a`, `${long}b`, long];
  for (const key of keys) table.add(key);
  for (const [slot, key] of keys.entries()) expect(table.index.get(key)).toBe(slot);
});

test("keys that come and go leave nothing behind", () => {
  const table = new Columns(3);
  for (let n = 0; n < 10_000; n++) table.add(`key:${n}`);
  for (let n = 0; n < 50_000; n++) {
    table.add(`lock:${n}`);
    table.remove(table.keys.length - 1);
  }
  expect(usedBuckets(table.index)).toBe(10_000);
});

test("whatever the secret, likely keys spread over the buckets", () => {
  for (const secret of [0, 1, 2, 0x8000_0000, 0xffff_ffff, 0x1234_5678]) {
    const hashing = new KeyIndex([], secret) as unknown as { hashOf: (key: string) => number };
    for (const name of [(n: number) => `${n}`, (n: number) => `key:${`${n}`.padStart(12, "0")}`]) {
      const low = new Set<number>();
      const high = new Set<number>();
      for (let n = 0; n < 65_536; n++) {
        const hash = hashing.hashOf(name(n));
        low.add(hash & 0xffff);
        high.add(hash >>> 16);
      }
      // Thrown at random, 63 of a hundred would be hit.
      expect(low.size).toBeGreaterThan(65_536 * 0.55);
      expect(high.size).toBeGreaterThan(65_536 * 0.55);
    }
  }
});
