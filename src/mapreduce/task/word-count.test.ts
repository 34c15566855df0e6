import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { JobBench, assertDone } from "./job-bench.testing.ts";

const DOCS = readFileSync(new URL("../../../docs/mapreduce.md", import.meta.url), "utf8");
const [, WORD_COUNT = "", BYTE_WORD_COUNT = ""] = DOCS.split("```ts\n").map((part) => part.split("```")[0]);

test("the word count of the docs counts each word once, in a split and a reduce", async () => {
  const bench = new JobBench(WORD_COUNT);
  const path = bench.write("input", "to be or not\nto be\r\nthat is");
  const mapped = await bench.map(bench.wholeSplit(path));
  assertDone(mapped);
  expect(mapped.counters["Task"]).toMatchObject({ MAP_INPUT_RECORDS: 3, MAP_OUTPUT_RECORDS: 8 });
  const reduced = await bench.reduce(0, [bench.source(0, 0)]);
  assertDone(reduced);
  expect(readFileSync(`${bench.spec.output}/part-00000`, "utf8")).toBe(
    "be\t2\nis\t1\nnot\t1\nor\t1\nthat\t1\nto\t2\n",
  );
  expect(reduced.files).toEqual([{ name: "part-00000", bytes: 33, records: 6 }]);
});

test("the word count of the docs on bytes counts the same", async () => {
  const bench = new JobBench(BYTE_WORD_COUNT);
  const result = await bench.run([bench.wholeSplit(bench.write("input", "to be  or\r\nto be é "))]);
  expect(result.outputs).toEqual({ "part-00000": "be\t2\nor\t1\nto\t2\né\t1\n" });
});
