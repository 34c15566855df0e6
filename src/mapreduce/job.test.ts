import { expect, test } from "vitest";
import { codec, count, identity, input, job, mapOnly, mapped, max, output, sum } from "./index.ts";
import { specOf } from "./job-outline.ts";

const base = { key: codec.text, value: codec.integer, output: output.keyValue() } as const;

test("a job is typed from its input's records to its output's", () => {
  const wordCount = job({
    input: input.textLines(),
    key: codec.text,
    value: codec.integer,
    map(line, out) {
      for (const word of line.split(/\W+/)) out.emit(word, 1);
      // @ts-expect-error -- a key is a text
      const wrongKey = (): void => out.emit(1, 1);
      // @ts-expect-error -- a value is a number
      const wrongValue = (): void => out.emit(line, "1");
      expect([wrongKey, wrongValue]).toHaveLength(2);
    },
    combine: sum,
    reduce(word, counts, out) {
      let all = 0;
      for (const each of counts) all += each;
      out.emit(word.toUpperCase(), all);
    },
    output: output.keyValue(),
  });
  expect(wordCount.inputs).toHaveLength(1);
});

test("keys, values and records of several inputs, named outputs and groups are typed as well", () => {
  interface Visit {
    readonly user: string;
    readonly at: number;
  }
  const joined = job({
    inputs: [
      mapped({
        input: input.csv<"id" | "name">(),
        map: (row, out) => out.emit([row.id, 0], row.name),
      }),
      mapped({
        input: input.jsonLines<Visit>(),
        map: (visit, out) => out.emit([visit.user, visit.at], String(visit.at)),
      }),
    ],
    key: codec.tuple(codec.text, codec.integer),
    value: codec.text,
    group: 1,
    reduce([id, first], values, out) {
      const [name, ...visits] = values;
      if (first === 0 && name !== undefined) out.emit({ id, name, visits });
      else out.to("orphans").emit(id);
      // @ts-expect-error -- an orphan is a line
      const wrong = (): void => out.to("orphans").emit(1);
      // @ts-expect-error -- there is no such output
      const missing = (): unknown => out.to("nobody");
      expect([wrong, missing]).toHaveLength(2);
    },
    output: output.json<{ id: string; name: string; visits: string[] }>(),
    outputs: { orphans: output.text() },
  });
  expect(joined.inputs).toHaveLength(2);
});

test("bytes of a mapper, comparators and partitioners get the key's type", () => {
  const sorted = job({
    input: input.fixedLength(100),
    key: codec.bytes,
    value: codec.bytes,
    mapBytes: (bytes, start, end, out) => out.emitBytes(bytes, start, start + 10, start + 10, end),
    partition: (key, partitions) => (key[0] ?? 0) % partitions,
    sort: (left, right) => right.length - left.length,
    reduce: (_key, values, out) => {
      for (const value of values) out.emit(value);
    },
    output: output.binary({ compress: "gzip" }),
  });
  expect(sorted.output.compress).toBe("gzip");
});

test("a definition that contradicts itself is refused when it is made", () => {
  const map = (line: string, out: { emit(key: string, value: number): void }): void => out.emit(line, 1);
  const make = (change: object) => () =>
    job({ ...base, input: input.textLines(), map, reduce: sum, ...change });
  expect(make({ mapBytes: () => undefined })).toThrow(/either map or mapBytes/);
  expect(make({ map: undefined })).toThrow(/either map or mapBytes/);
  expect(make({ combine: max })).toThrow(/max before sum gives neither/);
  expect(make({ value: codec.text })).toThrow(/sum takes values of the codec integer or number/);
  expect(make({ combine: () => undefined, reduce: count })).toThrow(/cannot be counted/);
  expect(make({ group: 1 })).toThrow(/group 1 of a key of 0 parts/);
  expect(make({ totalOrder: true, partition: () => 0 })).toThrow(/takes no partition/);
  expect(make({ key: codec.json<string>(), totalOrder: true })).toThrow(/has no order/);
  expect(make({ outputs: { part: output.text() } })).toThrow(/an output is named/);
  expect(() => job({ ...base, inputs: [], reduce: sum })).toThrow(/it has no input/);
});

test("a submission has the job's settings where it says nothing else", () => {
  const words = job({
    ...base,
    name: "words",
    input: input.wholeFiles(),
    map: () => undefined,
    reduce: identity,
    totalOrder: true,
    settings: { reduces: 7, skipRecords: 3 },
    properties: { a: "job", b: "job" },
  });
  const submission = { moduleName: "module", user: "me", bundle: "/b", sha256: "", output: "/out" };
  const spec = specOf(words, {
    ...submission,
    inputs: [["/in"]],
    settings: { reduces: 2 },
    properties: { b: "mine" },
  });
  expect(spec).toMatchObject({
    name: "words",
    inputs: [{ paths: ["/in"], mapper: 0, whole: true }],
    settings: { reduces: 2, skipRecords: 3, attempts: 4, memory: 256 * 1024 * 1024 },
    properties: { a: "job", b: "mine" },
    totalOrder: true,
  });
  expect(() => specOf(words, { ...submission, inputs: [] })).toThrow(/1 inputs, and paths were given for 0/);
  expect(() => specOf(words, { ...submission, inputs: [["/in"]], settings: { reduces: 0 } })).toThrow(
    /at least one reduce task/,
  );
  const copy = mapOnly({
    input: input.textLines(),
    map: (line, out) => out.emit(line),
    output: output.text(),
  });
  expect(specOf(copy, { ...submission, inputs: [["/in"]] })).toMatchObject({
    name: "module",
    settings: { reduces: 0 },
  });
});
