import fc from "fast-check";
import { expect, test } from "vitest";
import { ByteSink } from "../codec/byte-sink.ts";
import { partitionOf, stringHash } from "../streaming/java-text.ts";
import { escapeBytes, unescapeBytes } from "./line-bytes.ts";
import { partitionNames } from "./partition-names.ts";

function through(step: typeof escapeBytes, bytes: Uint8Array): Buffer {
  const sink = new ByteSink(4);
  step(bytes, 0, bytes.length, sink);
  return Buffer.from(sink.bytes.subarray(0, sink.length));
}

const anyBytes = fc
  .uint8Array({ maxLength: 20, max: 0x20 })
  .chain((low) => fc.uint8Array({ maxLength: 4 }).map((high) => Uint8Array.from([...low, ...high])));

test("escaped bytes have no tab and no line end, come back whole, and keep their order", () => {
  fc.assert(
    fc.property(anyBytes, anyBytes, (left, right) => {
      const [escapedLeft, escapedRight] = [through(escapeBytes, left), through(escapeBytes, right)];
      for (const byte of [9, 10, 13]) expect(escapedLeft.includes(byte)).toBe(false);
      expect(through(unescapeBytes, escapedLeft)).toEqual(Buffer.from(left));
      expect(Math.sign(Buffer.compare(escapedLeft, escapedRight))).toBe(
        Math.sign(Buffer.compare(left, right)),
      );
    }),
    { numRuns: 2000 },
  );
});

test("Hadoop gives each partition's name to that partition", () => {
  for (const partitions of [1, 2, 3, 7, 100, 1000])
    for (const [partition, name] of partitionNames(partitions).entries())
      expect(partitionOf(stringHash(name), partitions)).toBe(partition);
});
