import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Section } from "./page.ts";
import { tableOf, writePage } from "./page.ts";

let docs: string;
beforeEach(() => {
  docs = fs.mkdtempSync(join(tmpdir(), "quorate-page-"));
});
afterEach(() => fs.rmSync(docs, { recursive: true, force: true }));

const ORDER = ["first", "in-between", "last"];

function section(suite: string, value: number): Section {
  const measurement = {
    title: `title of ${suite}`,
    unit: "ms",
    note: "a note",
    headings: ["what", "algorithm", "ms"],
    rows: [["a kill", "raft", `${value}`]],
    bars: [{ label: "a kill", series: "raft", value }],
  };
  return { suite, heading: `heading of ${suite}`, results: [{ type: "measurement", measurement }] };
}

const page = (): string => fs.readFileSync(join(docs, "benchmarks.md"), "utf8");

test("a suite that is measured again replaces its section alone, and all stay in their order", () => {
  writePage(docs, ["# Title"], [section("last", 3), section("first", 1)], ORDER);
  const before = page();
  expect(before.indexOf("heading of first")).toBeLessThan(before.indexOf("heading of last"));
  writePage(docs, ["# Title"], [section("in-between", 2)], ORDER);
  expect(
    page()
      .split("\n")
      .filter((line) => line.startsWith("## ")),
  ).toEqual(["## heading of first", "## heading of in-between", "## heading of last"]);
  writePage(docs, ["# Title"], [section("first", 7)], ORDER);
  expect(page()).toContain("| a kill | raft | 7 |");
  expect(page()).toContain("| a kill | raft | 3 |");
  expect(page()).not.toContain("| a kill | raft | 1 |");
  // Writing the same again changes nothing.
  const last = page();
  writePage(docs, ["# Title"], [section("first", 7)], ORDER);
  expect(page()).toBe(last);
  expect(fs.readdirSync(join(docs, "benchmarks")).sort()).toEqual(ORDER.map((suite) => `${suite}-1.svg`));
});

test.each([
  [1.09, "within 10 % met"],
  [0.91, "within 10 % met"],
  [0.89, "within 10 % missed"],
  [1.12, "within 10 % missed"],
])("a ratio of %f to the other algorithm is %s", (ratio, verdict) => {
  const row = { opsPerSecond: 1, p50Ms: 1, p99Ms: 1, p999Ms: 1, cpuMicros: [1], fsyncsPerThousand: 1 };
  const measured = [
    { ...row, label: "raft", ratio: 1 },
    { ...row, label: "paxos", ratio },
  ];
  const table = tableOf({ title: "SET", goals: {}, compared: "raft", within: 0.1, measured });
  expect(table).toContain("| raft / it |");
  expect(table.split("\n").at(-1)).toContain(verdict);
});
