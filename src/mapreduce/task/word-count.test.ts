import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { JobBench, assertDone } from "./job-bench.testing.ts";

const WORD_COUNT = `export default job({
  input: input.textLines(),
  key: codec.text,
  value: codec.integer,
  map(line, out) {
    for (const word of line.split(/\\W+/)) if (word !== "") out.emit(word, 1);
  },
  combine: sum,
  reduce: (word, counts, out) => out.emit(word, [...counts].reduce((a, b) => a + b)),
  output: output.keyValue(),
});`;

test("a typed word count of one split and one reduce counts each word once", async () => {
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
