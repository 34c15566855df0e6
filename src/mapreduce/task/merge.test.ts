import { readdirSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { scratchDirectory } from "./job-bench.testing.ts";
import { MergedRecords } from "./merge.ts";
import { mergeRuns, nextMerge } from "./merge-runs.ts";
import { oddOrder, recordsOf, sorted, testRecords, textOf, textsOf } from "./records.testing.ts";
import { pour } from "./combine.ts";
import { RunWriter } from "./run-writer.ts";

const sourceLists = fc.array(testRecords, { maxLength: 9 });

test.each([
  ["bytes", undefined],
  ["an order of the program's", oddOrder],
])("a merge of sorted sources is all of them sorted by %s, equal keys by source", (_, compare) => {
  fc.assert(
    fc.property(sourceLists, (sources) => {
      const ordered = sources.map((records) => sorted(records, compare));
      const merged = new MergedRecords(ordered.map(recordsOf), compare);
      expect(textsOf(merged)).toEqual(sorted(ordered.flat(), compare).map(textOf));
      expect(merged.next()).toBe(false);
    }),
  );
});

test("a merge in little memory reads few runs at a time, and gives the same", () => {
  const directory = scratchDirectory();
  const sources = Array.from({ length: 23 }, (_, source) =>
    Array.from({ length: 1 + ((source * 5) % 7) }, (__, index) => ({
      key: Buffer.from(`key ${index}`),
      value: Buffer.from(`${source}.${index}`),
    })),
  );
  const writer = new RunWriter(join(directory, "runs"), "none");
  const runs = sources.map((records, index) => {
    pour(recordsOf(records), writer);
    const extent = writer.endRun();
    return {
      name: `run ${index}`,
      place: { type: "file", path: join(directory, "runs"), extent } as const,
    };
  });
  writer.close();
  const merged = mergeRuns(runs, {
    directory,
    compare: undefined,
    combine: undefined,
    compress: "none",
    memoryBytes: 4 * 2 * 128 * 1024,
    tick: () => undefined,
  });
  expect(textsOf(merged)).toEqual(sorted(sources.flat()).map(textOf));
  const left = readdirSync(directory).filter((name) => name.startsWith("merged-"));
  expect(left.length).toBeLessThanOrEqual(4);
});

test("merging ends, with few enough runs, and never more at a time than allowed", () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(1000), { maxLength: 200 }),
      fc.integer({ min: 2, max: 16 }),
      (given, most) => {
        const lengths = [...given];
        for (let next = nextMerge(lengths, most); next !== undefined; next = nextMerge(lengths, most)) {
          const { at, many } = next;
          expect(many).toBeGreaterThan(1);
          expect(many).toBeLessThanOrEqual(most);
          const merged = lengths.splice(at, many);
          expect(merged).toHaveLength(many);
          lengths.splice(
            at,
            0,
            merged.reduce((sum, length) => sum + length, 0),
          );
        }
        expect(lengths.length).toBeLessThanOrEqual(most);
      },
    ),
  );
});
