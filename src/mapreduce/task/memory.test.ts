import { statSync } from "node:fs";
import { expect, test } from "vitest";
import { JobBench, counterOf } from "./job-bench.testing.ts";

const MIB = 1024 * 1024;
const VALUES = 320 * 1024;

test("maps and reduces stay within their memory when one key has several times as much", async () => {
  const bench = new JobBench(
    `const value = "v".repeat(1000);
    export default job({
      input: input.textLines(),
      key: codec.text,
      value: codec.text,
      map: (line, out) => { for (let at = 0; at < ${VALUES}; at++) out.emit("the key", value); },
      reduce(key, values, out) {
        let bytes = 0;
        for (const each of values) {
          bytes += each.length;
          out.emit(key, each);
        }
        out.to("sums").emit(bytes);
      },
      output: output.keyValue(),
      outputs: { sums: output.json() },
    });`,
    { memory: 128 * MIB },
  );
  const path = bench.write("input", "one line");
  const mapped = await bench.map(bench.wholeSplit(path));
  expect(mapped.type).toBe("done");
  const reduced = await bench.reduce(0, [bench.source(0, 0)]);
  expect(reduced).toMatchObject({ type: "done", counters: { Task: { REDUCE_INPUT_RECORDS: VALUES } } });
  expect(statSync(`${bench.spec.output}/part-00000`).size).toBe(VALUES * 1009);
});

test("many keys of few values, and a table of folds that does not hold them, stay within the memory", async () => {
  const bench = new JobBench(
    `export default job({
      input: input.textLines(),
      key: codec.text,
      value: codec.integer,
      map: (line, out) => {
        for (let round = 0; round < 2; round++)
          for (let at = 0; at < 1_000_000; at++) out.emit("key number " + at, at);
      },
      combine: sum,
      reduce: sum,
      output: output.keyValue(),
    });`,
    { memory: 128 * MIB, reduces: 2 },
  );
  const result = await bench.run([bench.wholeSplit(bench.write("input", "one line"))]);
  expect(counterOf(result, "Task", "MAP_OUTPUT_RECORDS")).toBe(2_000_000);
  expect(counterOf(result, "Task", "REDUCE_INPUT_GROUPS")).toBe(1_000_000);
  const lines = Object.values(result.outputs).flatMap((output) => output.trimEnd().split("\n"));
  expect(lines).toHaveLength(1_000_000);
  expect(lines).toContain("key number 999999\t1999998");
});
