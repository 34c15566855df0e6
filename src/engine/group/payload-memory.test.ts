import { expect, test } from "vitest";
import { encodeBatch, openEntry, sealEntry } from "./batch.ts";
import { PayloadMemory } from "./payload-memory.ts";

const batchOf = (bytes: number, fill: number): ReturnType<typeof encodeBatch> =>
  encodeBatch({
    kind: "commands",
    node: "n1",
    session: 7,
    abandonedFrom: 1,
    seq: 1,
    body: Buffer.alloc(bytes, fill),
  });

test("payloads that are kept hold little more memory than they are long", () => {
  const memory = new PayloadMemory();
  const kept = Array.from({ length: 5000 }, (_, n) => {
    // What else a turn needs and drops, from the pool that the runtime shares out.
    Buffer.allocUnsafe(1500);
    return sealEntry(n, [batchOf(150, n % 256)], memory.allocate);
  });
  const memories = new Set(kept.map(({ buffer }) => buffer));
  const held = [...memories].reduce((sum, { byteLength }) => sum + byteLength, 0);
  const needed = kept.reduce((sum, { length }) => sum + length, 0);
  expect(held).toBeLessThan(needed * 1.2);
  for (const [n, payload] of kept.entries()) {
    const { timeMs, batches } = openEntry(payload);
    expect(timeMs).toBe(n);
    expect(batches.map(({ body }) => body.equals(Buffer.alloc(150, n % 256)))).toEqual([true]);
  }
});

test("a payload of any length is what was sealed", () => {
  const memory = new PayloadMemory();
  for (const bytes of [0, 1, 8_000, 8_192, 9_000, 65_536, 200_000]) {
    const payload = sealEntry(3, [batchOf(bytes, 1), batchOf(2, 2)], memory.allocate);
    expect(openEntry(payload).batches.map(({ body }) => body.length)).toEqual([bytes, 2]);
  }
});
