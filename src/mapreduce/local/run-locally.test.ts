import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { bundleModule } from "../bundle/bundle.ts";
import type { JobReport } from "../job-api.ts";
import { jobSettings } from "../job-settings.ts";
import type { JobSettings, JobSpec } from "../job-spec.ts";
import type { LocalOptions } from "./run-locally.ts";
import { planLocally, runLocally } from "./run-locally.ts";

const WORD_COUNT = `import { codec, input, job, output, sum } from "quorate/mapreduce";
export default job({
  input: input.textLines(), key: codec.text, value: codec.integer,
  map(line, out, task) {
    if (line === "bad") throw new TypeError("no such word");
    if (line === "die") process.exit(7);
    for (const word of line.split(" ")) out.emit(word, 1);
    task.count("own", "lines");
  },
  reduce: sum, output: output.keyValue(),
});`;

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "quorate-local-"));
  mkdirSync(join(folder, "in"));
  mkdirSync(join(folder, "tmp"));
  const made = folder;
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
});

const write = (name: string, text: string): void => writeFileSync(join(folder, "in", name), text);

async function specOf(
  source: string,
  settings: Partial<JobSettings> = {},
): Promise<{ readonly spec: JobSpec; readonly bundle: string }> {
  writeFileSync(join(folder, "job.ts"), source);
  const { code, sha256 } = await bundleModule(join(folder, "job.ts"));
  const bundle = join(folder, `${sha256}.mjs`);
  writeFileSync(bundle, code);
  const spec: JobSpec = {
    name: "words",
    user: "me",
    program: { type: "module", bundle, sha256 },
    inputs: [{ paths: [join(folder, "in")], mapper: 0 }],
    output: join(folder, "out"),
    settings: jobSettings({ reduces: 2 }, settings),
    properties: {},
    cacheFiles: [],
  };
  return { spec, bundle };
}

async function run(
  source: string,
  settings: Partial<JobSettings> = {},
  options: Partial<LocalOptions> = {},
): Promise<JobReport> {
  const { spec, bundle } = await specOf(source, settings);
  return runLocally(spec, { bundle, temporary: join(folder, "tmp"), ...options });
}

/** All lines of the output, sorted. */
function outputLines(): readonly string[] {
  const names = readdirSync(join(folder, "out")).filter((name) => name.startsWith("part-"));
  return names
    .flatMap((name) => readFileSync(join(folder, "out", name), "utf8").split("\n"))
    .filter(Boolean)
    .toSorted();
}

function assertNothingLeft(): void {
  expect(readdirSync(join(folder, "tmp"))).toEqual([]);
  expect(readdirSync(folder).filter((name) => name.startsWith("."))).toEqual([]);
}

describe("a job on this machine", () => {
  test("counts each word of all its files once, and leaves the output alone", async () => {
    write("a", "x y\ny z\n");
    write("b", "z\n");
    write("_hidden", "no\n");
    const report = await run(WORD_COUNT);
    expect(report).toMatchObject({ state: "succeeded", progress: { map: 1, shuffle: 1, reduce: 1 } });
    expect(report.counters).toMatchObject({
      own: { lines: 3 },
      Task: { MAP_INPUT_RECORDS: 3, OUTPUT_RECORDS: 3 },
    });
    expect(readdirSync(join(folder, "out")).toSorted()).toEqual(["_SUCCESS", "part-00000", "part-00001"]);
    expect(outputLines()).toEqual(["x\t1", "y\t2", "z\t2"]);
    assertNothingLeft();
  });

  test("runs as many tasks at a time as it is told, and tells how far it is", async () => {
    for (const name of ["a", "b", "c", "d"]) write(name, "x\n".repeat(10));
    let most = 0;
    const report = await run(
      WORD_COUNT,
      { splitSize: 5 },
      {
        slots: 2,
        onReport: ({ running }) => (most = Math.max(most, running.length)),
      },
    );
    expect(report.maps).toMatchObject({ total: 16, finished: 16 });
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(2);
    expect(outputLines()).toEqual(["x\t40"]);
  });

  test("that fails says which record, split and line of the source it was, and leaves nothing", async () => {
    write("a", "x\nbad\n");
    const report = await run(WORD_COUNT);
    expect(report.state).toBe("failed");
    expect(report.maps.attempts.failed).toBe(4);
    expect(report.failure).toMatchObject({
      code: "JOB_FAILED",
      message: expect.stringContaining("no such word") as string,
      attempt: expect.stringMatching(/^attempt_local\d+_\d+_m_000000_3$/) as string,
      split: `${join(folder, "in/a")}:0+6`,
      record: { index: 1, text: "bad" },
      stack: expect.stringMatching(/job\.ts:5:/) as string,
    });
    expect(existsSync(join(folder, "out"))).toBe(false);
    assertNothingLeft();
  });

  test("that fails in one of several small files of a split says in which, and at which byte of it", async () => {
    for (const name of ["a", "b"]) write(name, "x\n");
    write("c", "y\nbad\n");
    const { failure } = await run(WORD_COUNT, { attempts: 1 });
    expect(failure?.split).toBe(`${join(folder, "in/a")}:0+2 and 2 more`);
    expect(failure?.message).toContain(`at byte 2 of ${join(folder, "in/c")}`);
    const report = await run(WORD_COUNT, { skipRecords: 1 });
    expect(report.explanation).toEqual([
      `skipped record 3 at byte 2 of ${join(folder, "in/c")} (bad): TypeError: no such word`,
    ]);
  });

  test("whose process dies without a word says which record it was at, if it may try again", async () => {
    write("a", "x\ndie\ny\n");
    const { failure } = await run(WORD_COUNT, { attempts: 2 });
    expect(failure).toMatchObject({
      message: `the process ended with exit code 7 before it was done (the record at byte 2 of ${join(folder, "in/a")})`,
      record: { index: 1, text: "die" },
    });
  });

  test("leaves out records that it may leave out, also those that its process dies of", async () => {
    write("a", "x\nbad\ny\n");
    expect(await run(WORD_COUNT, { skipRecords: 1 })).toMatchObject({ state: "succeeded" });
    expect(outputLines()).toEqual(["x\t1", "y\t1"]);
    rmSync(join(folder, "out"), { recursive: true });
    write("a", "x\ndie\ny\n");
    const report = await run(WORD_COUNT, { skipRecords: 1 });
    expect(report).toMatchObject({ state: "succeeded", maps: { attempts: { failed: 2 } } });
    expect(outputLines()).toEqual(["x\t1", "y\t1"]);
  });

  test("that is killed leaves nothing, and its processes are gone", async () => {
    write("a", "x\n");
    const stop = new AbortController();
    const note = join(folder, "pid");
    const source = `import { writeFileSync } from "node:fs";\n${WORD_COUNT.replace(
      "map(line, out, task) {",
      `map(line, out, task) { writeFileSync(${JSON.stringify(note)}, String(process.pid)); for (;;);`,
    )}`;
    const onReport = (): void => {
      if (existsSync(note) && readFileSync(note, "utf8") !== "") stop.abort(new Error("enough"));
    };
    const report = await run(source, {}, { signal: stop.signal, onReport });
    expect(report.state).toBe("killed");
    expect(existsSync(`/proc/${readFileSync(note, "utf8")}`)).toBe(false);
    expect(existsSync(join(folder, "out"))).toBe(false);
    assertNothingLeft();
  });

  test("does not begin when its output is there, or its input is not", async () => {
    write("a", "x\n");
    mkdirSync(join(folder, "out"));
    await expect(run(WORD_COUNT)).rejects.toMatchObject({ code: "PATH_EXISTS" });
    rmSync(join(folder, "out"), { recursive: true });
    const { spec, bundle } = await specOf(WORD_COUNT);
    const nothing = { ...spec, inputs: [{ paths: [join(folder, "none")], mapper: 0 }] };
    await expect(runLocally(nothing, { bundle })).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
    assertNothingLeft();
  });

  test("in total order is one sorted output", async () => {
    write(
      "a",
      Array.from({ length: 2000 }, (_, at) => `w${String((at * 7919) % 2000).padStart(4, "0")}\n`).join(""),
    );
    const { spec, bundle } = await specOf(
      WORD_COUNT.replace("reduce: sum", "totalOrder: true, reduce: sum"),
      { reduces: 3 },
    );
    const report = await runLocally({ ...spec, totalOrder: true }, { bundle });
    expect(report.state).toBe("succeeded");
    const parts = ["part-00000", "part-00001", "part-00002"].map((name) =>
      readFileSync(join(folder, "out", name), "utf8"),
    );
    const lines = parts.join("").trimEnd().split("\n");
    expect(lines).toEqual(lines.toSorted());
    expect(lines).toHaveLength(2000);
    for (const part of parts) expect(part.split("\n").length).toBeGreaterThan(400);
  });

  test("is told beforehand in splits and the share of each partition", async () => {
    write("a", "x\n".repeat(90) + "y\n".repeat(10));
    const { spec, bundle } = await specOf(WORD_COUNT, { splitSize: 50 });
    const { splits, sample } = await planLocally(spec, { bundle, temporary: join(folder, "tmp") });
    expect(splits.map(({ start, length }) => [start, length])).toEqual([
      [0, 50],
      [50, 50],
      [100, 50],
      [150, 50],
    ]);
    expect(sample.shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1);
    expect(sample.inputRecords).toBeGreaterThan(0);
    expect(existsSync(join(folder, "out"))).toBe(false);
    assertNothingLeft();
  });

  test("of executables gets files of its own for each map, also small ones, with what was shipped", async () => {
    write("a", "1\n");
    write("b", "2\n");
    writeFileSync(
      join(folder, "map.sh"),
      '#!/bin/sh\nsed "s|^|$(basename $mapreduce_map_input_file) $(cat words pack/words.txt) |"\n',
    );
    writeFileSync(join(folder, "words.txt"), "hello");
    execFileSync("tar", ["-czf", join(folder, "pack.tgz"), "-C", folder, "words.txt"]);
    const { spec } = await specOf(WORD_COUNT);
    const report = await runLocally(
      {
        ...spec,
        program: { type: "streaming", mapper: "map.sh", reducer: "NONE", environment: {} },
        inputs: [{ paths: [join(folder, "in")], mapper: 0, alone: true }],
        settings: jobSettings({ reduces: 0 }),
        cacheFiles: [
          { path: join(folder, "map.sh"), link: "map.sh" },
          { path: join(folder, "words.txt"), link: "words" },
          { path: join(folder, "pack.tgz"), link: "pack", archive: true },
        ],
      },
      { bundle: undefined },
    );
    expect(report).toMatchObject({ state: "succeeded", maps: { total: 2 } });
    expect(outputLines()).toEqual(["a hellohello 1\t", "b hellohello 2\t"]);
  });
});
