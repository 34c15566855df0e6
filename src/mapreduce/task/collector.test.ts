import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ByteSink } from "../codec/byte-sink.ts";
import type { Fold } from "../job.ts";
import { BY_BYTES } from "../key-order.ts";
import { Collector } from "./collector.ts";
import type { CollectorSettings } from "./collector.ts";
import { foldValues, numberCodec } from "./combine.ts";
import { TaskCounters } from "./counters.ts";
import { scratchDirectory } from "./job-bench.testing.ts";
import { readMapOutputIndex } from "./map-output.ts";
import { keys, sorted, testRecords, textOf, textsOf } from "./records.testing.ts";
import { RunReader } from "./run-reader.ts";

const KIB = 1024;

function collectorIn(
  directory: string,
  change: Partial<CollectorSettings>,
): { readonly collector: Collector; readonly counters: TaskCounters } {
  const counters = new TaskCounters();
  const collector = new Collector({
    directory,
    partitions: 1,
    order: BY_BYTES,
    combine: undefined,
    fold: undefined,
    compress: "none",
    bufferBytes: 8 * KIB,
    mergeMax: 3,
    counters,
    tick: () => undefined,
    ...change,
  });
  return { collector, counters };
}

function readPartition(directory: string, partition: number): readonly string[] {
  const path = join(directory, "output");
  const extent = readMapOutputIndex(path)[partition]!;
  return textsOf(new RunReader({ type: "file", path, extent }, "output"));
}

test("what was collected is there, sorted by partition and key, however often it was spilled", () => {
  const directory = scratchDirectory();
  const spills = new Set<boolean>();
  fc.assert(
    fc.property(
      testRecords,
      fc.integer({ min: 1, max: 4 }),
      fc.constantFrom(1 * KIB, 3 * KIB, 64 * KIB),
      fc.constantFrom("none" as const, "gzip" as const),
      (records, partitions, bufferBytes, compress) => {
        const partition = (bytes: Buffer, start: number, end: number): number => (end - start) % partitions;
        const { collector, counters } = collectorIn(directory, {
          partitions,
          bufferBytes,
          compress,
          order: { ...BY_BYTES, partition },
        });
        for (const { key, value } of records) collector.add(key, 0, key.length, value, 0, value.length);
        const output = collector.finish();
        for (let each = 0; each < partitions; each++) {
          const expected = sorted(records.filter(({ key }) => key.length % partitions === each));
          expect(readPartition(directory, each)).toEqual(expected.map(textOf));
          expect(output.records[each]).toBe(expected.length);
        }
        spills.add(counters.system.SPILLED_RECORDS > records.length);
        expect(counters.system.MAP_OUTPUT_RECORDS).toBe(records.length);
        expect(readdirSync(directory).toSorted()).toEqual(["output", "output.index"]);
      },
    ),
  );
  expect(spills).toEqual(new Set([true, false]));
});

test.each<Fold["fold"]>(["sum", "count", "min", "max"])(
  "numbers that are folded (%s) are what a plain fold of each key gives",
  (fold) => {
    const directory = scratchDirectory();
    fc.assert(
      fc.property(
        fc.array(fc.tuple(keys, fc.integer({ min: -1000, max: 1000 })), { maxLength: 300, size: "large" }),
        fc.constantFrom(2 * KIB, 16 * KIB, 256 * KIB),
        fc.constantFrom("integer" as const, "number" as const),
        (given, bufferBytes, codec) => {
          const { collector, counters } = collectorIn(directory, { bufferBytes, fold: { fold, codec } });
          const expected = new Map<string, number>();
          for (const [key, number] of given) {
            const value = fold === "count" ? 1 : number;
            collector.fold(key, 0, key.length, value);
            const before = expected.get(key.toString("hex"));
            const after = before === undefined ? value : foldValues(fold, before, value);
            expected.set(key.toString("hex"), after);
          }
          collector.finish();
          const found = readPartition(directory, 0).map((record) => {
            const [key = "", value = ""] = record.split("=");
            const bytes = Buffer.from(value, "hex");
            return [key, numberCodec(codec).read(bytes, 0, bytes.length)] as const;
          });
          expect(new Map(found)).toEqual(expected);
          expect(found).toHaveLength(expected.size);
          expect(counters.system.MAP_OUTPUT_RECORDS).toBe(given.length);
          const sink = new ByteSink();
          for (const [key, number] of given) {
            sink.raw(key);
            numberCodec(codec).write(fold === "count" ? 1 : number, sink);
          }
          expect(counters.system.MAP_OUTPUT_BYTES).toBe(sink.length);
        },
      ),
    );
  },
);

test("a combiner of the program's is called on sorted records, and on what it made of them", () => {
  const directory = scratchDirectory();
  const { collector } = collectorIn(directory, {
    bufferBytes: 2 * KIB,
    combine(records, target) {
      // Keeps the longest value of each key.
      const best: [key: Uint8Array, value: Uint8Array][] = [];
      while (records.next()) {
        const key = Buffer.from(records.bytes.subarray(records.keyStart, records.keyEnd));
        const value = Buffer.from(records.bytes.subarray(records.valueStart, records.valueEnd));
        const last = best.at(-1);
        if (last === undefined || !key.equals(last[0])) best.push([key, value]);
        else if (value.length > last[1].length) last[1] = value;
      }
      for (const [key, value] of best) target.add(key, 0, key.length, value, 0, value.length);
    },
  });
  for (let index = 0; index < 500; index++) {
    const value = Buffer.alloc(index % 23, 120);
    collector.add(Buffer.from(`k${index % 5}`), 0, 2, value, 0, value.length);
  }
  collector.finish();
  const longest = Buffer.alloc(22, 120);
  expect(readPartition(directory, 0)).toEqual(
    [0, 1, 2, 3, 4].map((index) => textOf({ key: Buffer.from(`k${index}`), value: longest })),
  );
});

test("a damaged spill fails the map with a checksum error, and leaves no output", () => {
  const directory = scratchDirectory();
  const { collector } = collectorIn(directory, { bufferBytes: 2 * KIB });
  const value = Buffer.alloc(100, 1);
  const add = (index: number): void => collector.add(Buffer.from(`k${index}`), 0, 2, value, 0, 100);
  for (let index = 0; index < 60; index++) add(index % 10);
  const [spill] = readdirSync(directory);
  const path = join(directory, spill!);
  const bytes = readFileSync(path);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 4;
  writeFileSync(path, bytes);
  expect(() => collector.finish()).toThrow(/spill-\d+ is damaged: a block does not fit its checksum/);
  expect(readdirSync(directory)).not.toContain("output");
});

test("a record that is larger than the buffer, and a partition that there is not, are clear errors", () => {
  const { collector } = collectorIn(scratchDirectory(), {
    partitions: 2,
    order: { ...BY_BYTES, partition: (bytes, start) => bytes[start] ?? 0 },
  });
  const large = Buffer.alloc(9 * KIB);
  expect(() => collector.add(large, 0, 1, large, 0, large.length)).toThrow(
    /a record of 9217 bytes; this task sorts at most \d+: raise the memory of the job/,
  );
  expect(() => collector.add(Buffer.from([2]), 0, 1, large, 0, 1)).toThrow(
    /the partitioner gave 2, which is none of 0 to 1/,
  );
});

test("a damaged index of a map output is an error", () => {
  const directory = scratchDirectory();
  const { collector } = collectorIn(directory, {});
  collector.add(Buffer.from("k"), 0, 1, Buffer.from("v"), 0, 1);
  collector.finish();
  const path = join(directory, "output.index");
  writeFileSync(path, readFileSync(path, "utf8").replace("[[0,", "[[1,"));
  expect(() => readMapOutputIndex(join(directory, "output"))).toThrow(/does not fit its checksum/);
});
