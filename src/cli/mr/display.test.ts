import { stripVTControlCharacters } from "node:util";
import { describe, expect, test, vi } from "vitest";
import type { JobReport } from "../../mapreduce/job-api.ts";
import { jobSettings } from "../../mapreduce/job-settings.ts";
import type { JobSpec } from "../../mapreduce/job-spec.ts";
import { recordPlaceText } from "../../mapreduce/task/failure.ts";
import { displayFor } from "./display.ts";
import { endLines, jobsTable, percent, progressLine, progressLines } from "./job-text.ts";
import { planLines } from "./plan-text.ts";
import { Rates } from "./rates.ts";

const plain = (_colour: string, text: string): string => text;
const SPEC: JobSpec = {
  name: "words",
  user: "me",
  program: { type: "module", bundle: "/b", sha256: "" },
  inputs: [{ paths: ["/in"], mapper: 0 }],
  output: "/out",
  settings: jobSettings({ reduces: 2 }),
  properties: {},
  cacheFiles: [],
};

function report(change: Partial<JobReport> = {}): JobReport {
  const attempts = { running: 1, succeeded: 3, failed: 1, killed: 0, lost: 2 };
  return {
    id: "job_20261125_0001",
    name: "words",
    user: "me",
    state: "running",
    output: "/out",
    submittedMs: 1_000,
    startedMs: 1_100,
    endedMs: undefined,
    maps: { total: 5, waiting: 1, running: 1, finished: 3, attempts },
    reduces: {
      total: 2,
      waiting: 2,
      running: 0,
      finished: 0,
      attempts: { running: 0, succeeded: 0, failed: 0, killed: 0, lost: 0 },
    },
    failure: undefined,
    killed: undefined,
    spec: SPEC,
    cleaned: false,
    cursor: "1",
    nowMs: 11_000,
    progress: { map: 0.62, shuffle: 0.3, reduce: 0 },
    counters: {},
    liveCounters: { Task: { MAP_INPUT_BYTES: 50_000_000 } },
    running: [
      {
        attempt: "attempt_20261125_0001_m_000004_0",
        kind: "map",
        task: 4,
        node: "n2",
        backup: false,
        startedMs: 2_000,
        phase: "map",
        fraction: 0.34,
        status: "half way",
        straggler: true,
      },
    ],
    remainingMs: 6_000,
    explanation: [],
    skew: undefined,
    nodes: [],
    ...change,
  };
}

describe("a job that runs", () => {
  test("is shown with its bars, rate, slow attempts, status and an estimate", () => {
    const rates = new Rates();
    rates.add(report({ nowMs: 9_000, liveCounters: { Task: { MAP_INPUT_BYTES: 10_000_000 } } }));
    rates.add(report());
    expect(progressLines(report(), rates, plain)).toEqual([
      "words  job_20261125_0001  running  10.0 s",
      "  map      ███████████████░░░░░░░░░  62 %  3 of 5, 1 running, 1 failed  20.0 MB/s",
      "  shuffle  ███████░░░░░░░░░░░░░░░░░  30 %",
      "  reduce   ░░░░░░░░░░░░░░░░░░░░░░░░   0 %  0 of 2",
      "  slow     attempt_20261125_0001_m_000004_0 on n2: 34 % after 9.00 s",
      "  status   attempt_20261125_0001_m_000004_0: half way",
      "  about 6.00 s to the end",
    ]);
    expect(progressLine(report())).toBe(
      "job_20261125_0001  map 62 % (3 of 5)  shuffle 30 %  reduce 0 % (0 of 2)",
    );
  });

  test("of maps only has no shuffle and no reduce", () => {
    const mapsOnly = report({ spec: { ...SPEC, settings: jobSettings({ reduces: 0 }) } });
    expect(progressLines(mapsOnly, new Rates(), plain).join("\n")).not.toMatch(/shuffle|reduce/);
    expect(progressLine(mapsOnly)).toBe("job_20261125_0001  map 62 % (3 of 5)");
  });

  test("is never said to be whole before it is", () => {
    expect(percent(0.9999)).toBe("99 %");
    expect(percent(1)).toBe("100 %");
    expect(percent(-1)).toBe("0 %");
  });

  test("is drawn in one place on a terminal, no line wider than it", () => {
    let text = "";
    let nowMs = 0;
    vi.spyOn(performance, "now").mockImplementation(() => nowMs);
    const display = displayFor(
      { isTTY: true, columns: 40, write: (piece: string) => (text += piece) },
      false,
    );
    display.show(report());
    nowMs += 1_000;
    display.show(report());
    display.end();
    vi.restoreAllMocks();
    const [first = "", ...rest] = text.split("\u001b[7A\u001b[J");
    expect(rest).toHaveLength(2);
    for (const line of stripVTControlCharacters(first).split("\n")) expect(line.length).toBeLessThan(40);
  });

  test("is told in a line when something changed elsewhere, and in JSON for programs", () => {
    let text = "";
    const screen = { write: (piece: string) => (text += piece) };
    const lines = displayFor(screen, false);
    for (const map of [0.1, 0.2, 1]) lines.show(report({ progress: { map, shuffle: 0, reduce: 0 } }));
    expect(text.split("\n").map((line) => /map \d+ %/.exec(line)?.[0])).toEqual([
      "map 10 %",
      "map 100 %",
      undefined,
    ]);
    text = "";
    displayFor(screen, true).show(report());
    expect(JSON.parse(text)).toMatchObject({
      type: "progress",
      id: "job_20261125_0001",
      progress: { map: 0.62 },
    });
  });
});

describe("a job that has ended", () => {
  test("tells where its output is, and its counters", () => {
    const counters = { Task: { OUTPUT_RECORDS: 1_234, OUTPUT_BYTES: 5_000_000 }, own: { seen: 7 } };
    const lines = endLines(report({ state: "succeeded", endedMs: 4_000, counters }), "file:///out", plain);
    expect(lines.slice(0, 3)).toEqual([
      "succeeded  words  job_20261125_0001  in 3.00 s",
      "  output   file:///out  1,234 records, 5.0 MB",
      "  attempts beside the winners: 1 failed, 2 lost",
    ]);
    expect(lines.join("\n")).toContain("  own\n    seen  7");
  });

  test("in failure tells of the attempt, the record and the program's own lines", () => {
    const failure = {
      code: "JOB_FAILED",
      message: "boom",
      attempt: "attempt_20261125_0001_m_000004_3",
      node: "n2",
      stack: "Error: boom\n    at map (words.ts:7:3)\n    at give (src/mapreduce/task/run-map.ts:1:2)",
      split: "/in/a:0+9",
      record: { index: 3, text: "a\tb" },
    } as const;
    expect(endLines(report({ state: "failed", endedMs: 4_000, failure }), "", plain)).toEqual([
      "failed  words  job_20261125_0001  in 3.00 s",
      "  JOB_FAILED: boom",
      '  attempt  attempt_20261125_0001_m_000004_3 on n2\n  split    /in/a:0+9\n  record   3: "a\\tb"',
      "    at map (words.ts:7:3)",
      "  log      quorate mr logs job_20261125_0001 attempt_20261125_0001_m_000004_3",
    ]);
    // The place of the record is behind the message, as attempts say it, and the stack's first line is not said again.
    const place = recordPlaceText({ index: 3, text: "a\tb", place: { path: "/in/a (old)", position: 4 } });
    const placed = report({
      state: "failed",
      endedMs: 4_000,
      failure: { ...failure, message: `boom${place}` },
    });
    const [, told, , stack] = endLines(placed, "", plain);
    expect([told, stack]).toEqual([
      "  JOB_FAILED: boom (the record at byte 4 of /in/a (old))",
      "    at map (words.ts:7:3)",
    ]);
  });

  test("is a line of a table", () => {
    const table = jobsTable([report({ state: "succeeded", endedMs: 4_000 })], 0, plain);
    expect(table.split("\n")[1]).toBe(
      "job_20261125_0001  words  me    succeeded  3/5   0/2      1970-01-01 00:00:01  3.00 s",
    );
  });
});

test("a plan warns of a partition that is much larger than the others", () => {
  const split = { path: "/in/a", start: 0, length: 1_000, whole: false, mapper: 0, nodes: [] };
  const sample = {
    ranges: undefined,
    inputRecords: 10,
    inputBytes: 100,
    outputRecords: 20,
    outputBytes: 200,
    shares: [0.05, 0.85, 0.1],
  };
  const text = planLines(
    "words",
    [split, { ...split, also: [{ path: "/in/b", start: 0, length: 500, whole: false }] }],
    sample,
    plain,
  ).join("\n");
  expect(text).toContain("input    2 files, 2.5 kB");
  expect(text).toContain("2 splits, the largest of 1.5 kB");
  expect(text).toContain("about 5.0 kB of map output");
  expect(text).toMatch(/1 +85\.0 % +4\.3 kB/);
  expect(text).toContain("2.55 times the mean (a key or two are most of it");
});
