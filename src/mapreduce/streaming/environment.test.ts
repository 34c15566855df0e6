import { expect, test } from "vitest";
import { environmentOf, parseAdded } from "./environment.ts";
import { settingsOfProperties } from "./property-settings.ts";
import { withCurrentNames } from "./property-names.ts";

const base = {
  added: {},
  inherited: { PATH: "/bin", QUORATE_PASSWORD: "secret", HOME: "/h" },
  temporary: "/t",
};

test("an executable finds every property under its name of today and its older one", () => {
  const environment = environmentOf({
    ...base,
    properties: {
      "mapreduce.task.partition": "3",
      "mapreduce.map.input.file": "file:/a b",
      "my-own.key": "x",
    },
  });
  expect(environment).toEqual({
    PATH: "/bin",
    HOME: "/h",
    TMPDIR: "/t",
    mapreduce_task_partition: "3",
    mapred_task_partition: "3",
    mapreduce_map_input_file: "file:/a b",
    map_input_file: "file:/a b",
    my_own_key: "x",
  });
});

test("what -cmdenv adds goes before all else, and values may be cut", () => {
  const properties = { "a.b": "0123456789", "stream.jobconf.truncate.limit": "4" };
  const environment = environmentOf({ ...base, properties, added: { a_b: "own" } });
  expect(environment["a_b"]).toBe("own");
  expect(environmentOf({ ...base, properties })["a_b"]).toBe("0123");
});

test("a value longer than the machine takes is cut, and the executable starts", () => {
  const environment = environmentOf({ ...base, properties: { long: "é".repeat(100_000) } });
  expect(Buffer.byteLength(environment["long"] ?? "")).toBeLessThan(131_072);
  expect(environment["long"]?.endsWith("é")).toBe(true);
});

test("-cmdenv is taken apart at blanks, as Hadoop does", () => {
  expect(parseAdded(["A=1", "B=x=y C=2", "D=a b"])).toEqual({
    added: { A: "1", B: "x=y", C: "2", D: "a" },
    odd: ["b"],
  });
});

test("Hadoop's properties become settings, by either name", () => {
  const settings = settingsOfProperties(
    withCurrentNames({
      "mapred.reduce.tasks": "4",
      "mapreduce.task.timeout": "0",
      "mapreduce.map.memory.mb": "512",
      "mapred.compress.map.output": "true",
      "mapreduce.map.speculative": "false",
      "mapred.max.split.size": "1048576",
      "mapreduce.reduce.maxattempts": "2",
    }),
  );
  expect(settings).toEqual({
    reduces: 4,
    progressTimeoutMs: 7 * 24 * 3_600_000,
    memory: 512 * 1024 * 1024,
    compress: "gzip",
    speculative: false,
    splitSize: 1_048_576,
    attempts: 2,
  });
  expect(() => settingsOfProperties({ "mapreduce.job.reduces": "many" })).toThrow(/mapreduce.job.reduces/);
});
