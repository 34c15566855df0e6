import fc from "fast-check";
import { expect, test } from "vitest";
import type { CompareBytes } from "../key-order.ts";
import { RecordBuffer } from "./record-buffer.ts";
import { oddOrder, sorted, testRecords, textOf, textsOf } from "./records.testing.ts";
import type { TestRecord } from "./records.testing.ts";

const BUFFER_BYTES = 256 * 1024;

function partitionsOf(
  records: readonly TestRecord[],
  partitions: number,
  compare: CompareBytes | undefined,
): readonly (readonly string[])[] {
  const buffer = new RecordBuffer(BUFFER_BYTES);
  for (const { key, value } of records)
    expect(buffer.add(partitionOf(key, partitions), key, 0, key.length, value, 0, value.length)).toBe(true);
  const all = buffer.sorted(partitions, compare);
  return Array.from({ length: partitions }, (_, partition) => textsOf(all.select(partition)));
}

function partitionOf(key: Buffer, partitions: number): number {
  return (key.at(-1) ?? 0) % partitions;
}

test.each([
  ["bytes", undefined],
  ["an order of the program's", oddOrder],
])("a buffer gives the records of each partition sorted by %s, equal keys as they came", (_, compare) => {
  fc.assert(
    fc.property(testRecords, fc.integer({ min: 1, max: 5 }), (records, partitions) => {
      const expected = Array.from({ length: partitions }, (__, partition) =>
        sorted(
          records.filter(({ key }) => partitionOf(key, partitions) === partition),
          compare,
        ).map(textOf),
      );
      expect(partitionsOf(records, partitions, compare)).toEqual(expected);
    }),
  );
});

test("many records with long common beginnings are sorted like any others", () => {
  const records = Array.from({ length: 3000 }, (_, index) => ({
    key: Buffer.from(`/usr/share/doc/package-${(index * 7919) % 1009}${"\0".repeat(index % 7)}`),
    value: Buffer.from(String(index)),
  }));
  expect(partitionsOf(records, 1, undefined)).toEqual([sorted(records).map(textOf)]);
});

test("a full buffer refuses a record and keeps what it has", () => {
  const buffer = new RecordBuffer(1024);
  const key = Buffer.from("key");
  const value = Buffer.alloc(50);
  let added = 0;
  while (buffer.add(0, key, 0, 3, value, 0, 50)) added++;
  expect(added).toBeGreaterThan(5);
  expect(textsOf(buffer.sorted(1, undefined).select(0))).toHaveLength(added);
  buffer.clear();
  const large = Buffer.alloc(buffer.recordMax);
  expect(buffer.add(0, key, 0, 3, large, 0, large.length - 2)).toBe(false);
  expect(buffer.add(0, key, 0, 3, large, 0, large.length - 3)).toBe(true);
});
