import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { JobBench, assertDone, counterOf } from "./job-bench.testing.ts";

/** Words by chance, always the same ones. */
function someText(lines: number): string {
  let state = 42;
  const next = (): number => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648);
  return Array.from({ length: lines }, () =>
    Array.from({ length: 1 + (next() % 9) }, () => `w${next() % 50}é`).join(" "),
  ).join("\n");
}

function countsOf(text: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const word of text.split(/\s+/)) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}

const BYTE_WORD_COUNT = `export default job({
  input: input.textLines(),
  key: codec.text,
  value: codec.integer,
  mapBytes(bytes, start, end, out, task) {
    let from = start;
    for (let at = start; at <= end; at++) {
      if (at < end && bytes[at] !== 32) continue;
      if (at > from) out.emit(bytes, from, at, 1);
      from = at + 1;
    }
    task.count("words", "lines");
  },
  combine: sum,
  reduce: sum,
  output: output.keyValue({ compress: "gzip" }),
});`;

test("any number of splits and partitions gives the counts of a plain count, and exact counters", async () => {
  const text = someText(400);
  const bench = new JobBench(BYTE_WORD_COUNT, { reduces: 3, compress: "gzip" });
  const result = await bench.run(bench.splits(bench.write("input", text), 4));
  expect(Object.keys(result.outputs)).toEqual(["part-00000.gz", "part-00001.gz", "part-00002.gz"]);
  const found = Object.values(result.outputs)
    .flatMap((output) => output.trimEnd().split("\n"))
    .map((line) => line.split("\t"));
  const expected = countsOf(text);
  expect(new Map(found.map(([word = "", many]) => [word, Number(many)]))).toEqual(expected);
  expect(found).toHaveLength(expected.size);
  const words = [...expected.values()].reduce((sum, many) => sum + many, 0);
  expect(counterOf(result, "Task", "MAP_INPUT_RECORDS")).toBe(400);
  expect(counterOf(result, "words", "lines")).toBe(400);
  expect(counterOf(result, "Task", "MAP_OUTPUT_RECORDS")).toBe(words);
  expect(counterOf(result, "Task", "REDUCE_INPUT_GROUPS")).toBe(expected.size);
  expect(counterOf(result, "Task", "OUTPUT_RECORDS")).toBe(expected.size);
});

test("a join of a CSV and JSON lines, small files in one split, with an output of its own for what has no partner", async () => {
  const bench = new JobBench(`export default job({
    inputs: [
      mapped({ input: input.csv(), map: (row, out) => out.emit([row.id, 0], row.name) }),
      mapped({ input: input.jsonLines(), map: (visit, out) => out.emit([visit.user, visit.at], String(visit.at)) }),
    ],
    key: codec.tuple(codec.text, codec.integer),
    value: codec.text,
    group: 1,
    reduce([id, first], values, out) {
      const [name, ...visits] = values;
      if (first === 0) out.emit({ id, name, visits });
      else out.to("orphans").emit(id);
    },
    output: output.json(),
    outputs: { orphans: output.text() },
  });`);
  const users = bench.write("users.csv", 'id,name\r\n1,"Ann, B."\n2,Bob\n');
  const first = bench.write("a.json", '{"user":"1","at":30}\n{"user":"3","at":5}\n\n');
  const second = bench.write("b.json", '{"user":"1","at":4}\n');
  const { length, path } = bench.wholeSplit(second, 1);
  const result = await bench.run([
    bench.wholeSplit(users, 0),
    { ...bench.wholeSplit(first, 1), also: [{ path, start: 0, length, whole: false }] },
  ]);
  expect(result.outputs).toEqual({
    "part-00000": '{"id":"1","name":"Ann, B.","visits":["4","30"]}\n{"id":"2","name":"Bob","visits":[]}\n',
    "orphans-00000": "3\n",
  });
});

test("a job of maps only writes what it emits, compressed, under several names", async () => {
  const bench = new JobBench(
    `export default mapOnly({
      input: input.keyValueLines({ separator: "=" }),
      async map({ key, value }, out, task) {
        await Promise.resolve();
        if (value === "") out.to("bare").emit({ key, path: task.path.split("/").at(-1), position: task.position });
        else out.emit(key, value);
      },
      output: output.keyValue({ compress: "gzip", separator: ":" }),
      outputs: { bare: output.json() },
    });`,
    { reduces: 0 },
  );
  const path = bench.write("input.gz", gzipSync("a=1\nb\nc=x=y\n"));
  const result = await bench.run([{ ...bench.wholeSplit(path), whole: true }]);
  expect(result.outputs).toEqual({
    "part-00000.gz": "a:1\nc:x=y\n",
    "bare-00000": '{"key":"b","path":"input.gz","position":4}\n',
  });
});

test("a map before a reduce can write outputs of its own", async () => {
  const bench = new JobBench(`export default job({
    input: input.wholeFiles(),
    key: codec.text,
    value: codec.json(),
    map({ path, text }, out) {
      out.to("seen").emit(text.length);
      for (const letter of text) out.emit(letter, { at: path.split("/").at(-1) });
    },
    mapEnd: (out) => out.emit("~", { at: "end" }),
    reduce: (letter, values, out) => out.emit([letter, [...values].map(({ at }) => at)]),
    output: output.json(),
    outputs: { seen: output.json() },
  });`);
  const path = bench.write("input", "aé");
  const result = await bench.run([{ ...bench.wholeSplit(path), whole: true }]);
  expect(result.outputs).toEqual({
    "seen-m-00000": "2\n",
    "part-00000": '["a",["input"]]\n["~",["end"]]\n["é",["input"]]\n',
  });
});

test("partitioner, comparator, grouping and combiner of the program's are used", async () => {
  const bench = new JobBench(
    `export default job({
      input: input.textLines(),
      key: codec.text,
      value: codec.integer,
      map: (line, out) => out.emit(line, 1),
      combine(key, values, out) {
        // One that stops in the middle, and goes on.
        for (const value of values) {
          out.emit(value);
          break;
        }
        let rest = 0;
        for (const value of values) rest += value;
        if (rest > 0) out.emit(rest);
      },
      partition: (key, partitions) => (key.toLowerCase() < "m" ? 0 : partitions - 1),
      sort: (left, right) => -left.toLowerCase().localeCompare(right.toLowerCase()),
      group: (left, right) => left.toLowerCase().localeCompare(right.toLowerCase()),
      reduce(key, values, out) {
        out.emit(key.toLowerCase(), [...values].reduce((a, b) => a + b));
      },
      output: output.keyValue(),
    });`,
    { reduces: 2 },
  );
  const path = bench.write("input", "b\nA\nz\na\nB\nb\nY\n");
  const result = await bench.run(bench.splits(path, 2));
  expect(result.outputs).toEqual({ "part-00000": "b\t3\na\t2\n", "part-00001": "z\t1\ny\t1\n" });
  expect(counterOf(result, "Task", "REDUCE_INPUT_GROUPS")).toBe(4);
});

test("values that nobody asks for are passed over, and each is given once", async () => {
  const bench = new JobBench(`export default job({
    input: input.textLines(),
    key: codec.text,
    value: codec.integer,
    map: (line, out) => { for (let at = 0; at < 5; at++) out.emit(line, at); },
    reduce(key, values, out) {
      for (const value of values) {
        out.emit(key, value);
        if (value === 1) break;
      }
      if (key === "b") out.emit("rest", [...values].join());
    },
    output: output.keyValue(),
  });`);
  const result = await bench.run(bench.splits(bench.write("input", "a\nb\n"), 1));
  expect(result.outputs["part-00000"]).toBe("a\t0\na\t1\nb\t0\nb\t1\nrest\t2,3,4\n");
  expect(counterOf(result, "Task", "REDUCE_INPUT_RECORDS")).toBe(10);
});

test("sampled ranges put all keys in one order over all files, evenly", async () => {
  const bench = new JobBench(
    `export default job({
      input: input.textLines(),
      key: codec.text,
      value: codec.text,
      totalOrder: true,
      mapBytes: (bytes, start, end, out) => out.emitBytes(bytes, start, start + 4, start + 4, end),
      reduce: identity,
      output: output.keyValue({ separator: "" }),
    });`,
    { reduces: 4 },
    { totalOrder: true },
  );
  const lines = Array.from({ length: 4000 }, (_, index) =>
    ((index * 2_654_435_761) % 4_294_967_296).toString(16).padStart(8, "0"),
  );
  const path = bench.write("input", lines.join("\n"));
  const splits = bench.splits(path, 3);
  const end = await bench.sample(splits);
  assertDone(end);
  const { sample } = end;
  expect(sample?.ranges).toHaveLength(3);
  for (const share of sample?.shares ?? []) expect(share).toBeCloseTo(0.25, 1);
  expect(sample?.outputBytes).toBe((sample?.outputRecords ?? 0) * 8);
  const sorted = new JobBench(
    bench.definition,
    { reduces: 4 },
    { totalOrder: true, ranges: sample!.ranges! },
  );
  const result = await sorted.run(splits);
  expect(Object.values(result.outputs).join("")).toBe(`${lines.toSorted().join("\n")}\n`);
  for (const output of Object.values(result.outputs)) expect(output.length / 9).toBeGreaterThan(500);
  const without = await bench.map(splits[0]!);
  expect(without).toMatchObject({
    type: "failed",
    message: expect.stringMatching(/without its ranges/) as string,
  });
});

test("a task has its cache files in its working directory, and its properties", async () => {
  const bench = new JobBench(
    `import { readFileSync } from "node:fs";
    export default mapOnly({
      input: input.textLines(),
      map: (line, out, task) => out.emit(line + readFileSync("words/list", "utf8") + task.properties.sign),
      output: output.text(),
    });`,
    { reduces: 0 },
    { properties: { sign: "!" } },
  );
  const list = bench.write("list", " and words");
  const path = bench.write("input", "a");
  const end = await bench.map(bench.wholeSplit(path), 0, {}, { cache: { "words/list": list } });
  assertDone(end);
  expect(readFileSync(`${bench.spec.output}/part-00000`, "utf8")).toBe("a and words!\n");
});

test("a value that the codec does not hold fails its record, also where it is folded", async () => {
  const bench = new JobBench(`export default job({
    input: input.textLines(),
    key: codec.text,
    value: codec.integer,
    map: (line, out) => out.emit(line, line === "b" ? "1" : 1),
    reduce: sum,
    output: output.keyValue(),
  });`);
  const path = bench.write("input", "a\nb\n");
  expect(await bench.map(bench.wholeSplit(path))).toMatchObject({
    type: "failed",
    message: `"1" is not a value of the codec "integer" (the record at byte 2 of ${path})`,
  });
});
