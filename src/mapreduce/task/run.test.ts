import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { scratchDirectory } from "./job-bench.testing.ts";
import { recordsOf, testRecords, textOf, textsOf } from "./records.testing.ts";
import type { TestRecord } from "./records.testing.ts";
import { DamagedRun } from "./run-format.ts";
import type { RunPlace } from "./run-reader.ts";
import { RunReader, verifyRun } from "./run-reader.ts";
import { RunWriter } from "./run-writer.ts";
import { pour } from "./combine.ts";

const COMPRESSIONS = ["none", "gzip"] as const;

function writeRuns(
  path: string,
  runs: readonly (readonly TestRecord[])[],
  compress: "none" | "gzip",
): readonly RunPlace[] {
  const writer = new RunWriter(path, compress);
  const places = runs.map((records) => {
    pour(recordsOf(records), writer);
    return { type: "file", path, extent: writer.endRun() } as const;
  });
  writer.close();
  return places;
}

test.each(COMPRESSIONS)(
  "runs are read as they were written, from file and memory (compression %s)",
  (compress) => {
    const directory = scratchDirectory();
    fc.assert(
      fc.property(fc.array(testRecords, { maxLength: 4 }), (runs) => {
        const path = join(directory, "runs");
        const places = writeRuns(path, runs, compress);
        const bytes = readFileSync(path);
        for (const [index, place] of places.entries()) {
          const expected = runs[index]!.map(textOf);
          expect(place.extent.records).toBe(expected.length);
          expect(textsOf(new RunReader(place, "run"))).toEqual(expected);
          const inMemory: RunPlace = { type: "memory", bytes, extent: place.extent };
          expect(textsOf(new RunReader(inMemory, "run"))).toEqual(expected);
          const { offset, length } = place.extent;
          expect(verifyRun({ type: "file", path, offset, length }, "run")).toEqual(place);
        }
      }),
      { numRuns: 30 },
    );
  },
);

test.each(COMPRESSIONS)(
  "records larger than a block are read as they were written (compression %s)",
  (compress) => {
    const directory = scratchDirectory();
    const records = [10, 200_000, 3, 131_060, 1_000_000, 0, 50].map((length, index) => ({
      key: Buffer.from(`key ${index}`),
      value: Buffer.alloc(length, String(index)),
    }));
    const [place] = writeRuns(join(directory, "runs"), [records], compress);
    expect(textsOf(new RunReader(place!, "run"))).toEqual(records.map(textOf));
    expect(place!.extent.blockMax).toBeGreaterThan(1_000_000);
  },
);

test.each(COMPRESSIONS)(
  "no byte of a run can change, and none be missing, without being noticed (compression %s)",
  (compress) => {
    const directory = scratchDirectory();
    const records = Array.from({ length: 40 }, (_, index) => ({
      key: Buffer.from(`key ${index % 3}`),
      value: Buffer.from("value".repeat(index % 5)),
    }));
    const [place] = writeRuns(join(directory, "runs"), [records], compress);
    const { path, extent } = place as Extract<RunPlace, { type: "file" }>;
    const whole = readFileSync(path);
    for (let at = 0; at < whole.length; at++) {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (at % 8));
      expect(() => textsOf(new RunReader({ type: "memory", bytes, extent }, "run 7"))).toThrow(DamagedRun);
    }
    for (let length = 0; length < whole.length; length++) {
      const short: RunPlace = { type: "memory", bytes: whole, extent: { ...extent, length } };
      expect(() => textsOf(new RunReader(short, "run 7"))).toThrow(/run 7 is damaged/);
    }
    writeFileSync(path, whole.subarray(0, whole.length - 1));
    expect(() => textsOf(new RunReader({ type: "file", path, extent }, "run 7"))).toThrow(
      /its file is shorter/,
    );
  },
);
