/** Jobs that a program has as modules: `jobs.run(job, { input, output, signal })`, at an engine inside this process. */
import { execFile } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { transformSync } from "esbuild";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { connectFiles } from "../../src/client/files/connect.ts";
import type { Files } from "../../src/client/files/files.ts";
import { connectJobs } from "../../src/client/mapreduce/connect.ts";
import type { Jobs } from "../../src/client/mapreduce/jobs.ts";
import { JobFailedError } from "../../src/client/mapreduce/job-run.ts";
import type { Engine } from "../../src/engine/start.ts";
import { start } from "../../src/engine/start.ts";
import { codec, input, job, output, sum } from "../../src/mapreduce/index.ts";
import { userName } from "../../src/runtime/node/user-name.ts";
import { cleanUp, scratch, until } from "../cli/program.ts";
import failing, { another } from "./jobs/failing.ts";
import hanging from "./jobs/hanging.ts";
import slowCount from "./jobs/slow-count.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const QUICK = { "pause.map": "0", "pause.reduce": "0" };
let engine: Engine;
let files: Files;
let jobs: Jobs;

beforeAll(async () => {
  engine = await start({ data: scratch(), jobs: { slots: 2 } });
  const url = engine.nodes[0]!.httpUrl;
  jobs = connectJobs(url);
  files = connectFiles(`webhdfs://${userName()}@${url.slice("http://".length)}`);
  await until("the node to take tasks and files", 30_000, async () => {
    const { nodes } = await jobs.nodesOf();
    if (nodes[0]?.state !== "live") return undefined;
    await files.writeFile("/in/a.txt", "b a\nb\nthe bad line\n");
    await files.writeFile(`/user/${userName()}/own/b.txt`, "c\n");
    return true;
  });
});

afterAll(async () => {
  files.close();
  await engine.close();
  await cleanUp();
});

const staged = (): Promise<readonly string[]> => files.readdir(`/user/${userName()}/.staging`);

test("a job is run by its module: progress as it comes, then counters and the output", async () => {
  const run = await jobs.run(slowCount, { input: "/in", output: "/counts" });
  const seen: number[] = [];
  for await (const report of run) seen.push(report.progress.reduce);
  expect(seen.at(-1)).toBe(1);
  const { counters, output: where, report } = await run.result;
  expect(counters["words"]).toMatchObject({ lines: 3, distinct: 5 });
  expect([where, report.name]).toEqual(["/counts", "slow-count"]);
  expect(await files.readFile("/counts/part-00000", { encoding: "utf8" })).toBe(
    "a\t1\nb\t2\nbad\t1\nline\t1\nthe\t1\n",
  );
});

test("several paths, relative ones, settings, properties and a name are taken, and the program is stored once", async () => {
  const before = await staged();
  const run = await jobs.run(slowCount, {
    input: ["/in", "own/*.txt"],
    output: "more",
    name: "of both",
    settings: { reduces: 2 },
    properties: QUICK,
  });
  const { counters, report } = await run.result;
  expect(counters["words"]).toMatchObject({ lines: 4 });
  expect(report).toMatchObject({
    name: "of both",
    output: `/user/${userName()}/more`,
    reduces: { total: 2 },
  });
  expect(await staged()).toEqual(before);
});

test("an error names the record, the split and the attempt, with the stack of the TypeScript source", async () => {
  const run = await jobs.run(failing, { input: "/in", output: "/failed", settings: { attempts: 1 } });
  const error = await run.result.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(JobFailedError);
  const { code, message, failure, stack } = error as JobFailedError;
  expect(code).toBe("JOB_FAILED");
  expect(failure).toMatchObject({
    attempt: expect.stringMatching(/^attempt_\d+_\d+_m_000000_0$/) as string,
    split: "/in/a.txt:0+19",
    record: { index: 2, text: "the bad line" },
  });
  for (const part of [failure.attempt ?? "", "/in/a.txt:0+19", "record 2: the bad line", "RangeError"])
    expect(message.split(part), `${part} is told once: ${message}`).toHaveLength(2);
  expect(stack).toMatch(/at count \(.*failing\.ts:5:\d+\)/);
});

test("a record that the program never comes back from is named, and skipped where it may be, by the second attempt", async () => {
  for (const name of ["1", "2", "3", "4"]) await files.writeFile(`/hangs/${name}.txt`, "hang\ngood\n");
  // Each file is a map, and each of their first attempts dies without having said a word.
  const settings = { splitSize: 8, attempts: 2, progressTimeoutMs: 1_000 };
  const kept = await jobs.run(hanging, {
    input: "/hangs",
    output: "/kept",
    settings: { ...settings, skipRecords: 1 },
  });
  expect((await kept.result).counters["Task"]).toMatchObject({ MAP_SKIPPED_RECORDS: 4, OUTPUT_RECORDS: 1 });
  const failed = await jobs.run(hanging, { input: "/hangs/1.txt", output: "/lost", settings });
  await expect(failed.result).rejects.toMatchObject({
    failure: {
      message: expect.stringContaining("at byte 0 of /hangs/1.txt") as string,
      record: { index: 0, text: "hang" },
    },
  });
});

test("a job whose signal fires while it is bundled, submitted or run is killed", async () => {
  await expect(
    jobs.run(slowCount, { input: "/in", output: "/never", signal: AbortSignal.abort(new Error("too late")) }),
  ).rejects.toThrow("too late");
  const giveUp = new AbortController();
  const run = await jobs.run(slowCount, {
    input: "/in",
    output: "/given-up",
    properties: { "pause.map": "100000" },
    signal: giveUp.signal,
  });
  for await (const { running } of jobs.follow(run.id)) if (running.length > 0) break;
  const result = run.result;
  giveUp.abort(new Error("no longer wanted"));
  await expect(result).rejects.toThrow("no longer wanted");
  await expect(jobs.follow(run.id).result).rejects.toMatchObject({ code: "JOB_KILLED" });
  expect(await files.exists("/given-up")).toBe(false);
});

test("what cannot be shipped is refused, and the reason says what to do", async () => {
  const local = job({
    input: input.textLines(),
    key: codec.text,
    value: codec.integer,
    map: (line, out) => out.emit(line, 1),
    reduce: sum,
    output: output.keyValue(),
  });
  for (const [given, why] of [
    [local, /module\.test\.ts, and is not that module's default export/],
    [another, /failing\.ts, and is not that module's default export/],
    [{ ...failing }, /name its module/],
  ] as const)
    await expect(jobs.run(given, { input: "/in", output: "/no" })).rejects.toMatchObject({
      code: "JOB_INVALID",
      message: expect.stringMatching(why) as string,
    });
  await expect(jobs.run(failing, { input: [], output: "/no" })).rejects.toMatchObject({
    code: "ARGUMENT_INVALID",
  });
  await expect(jobs.run(failing, { input: "/nothing", output: "/no2" })).rejects.toMatchObject({
    code: "PATH_NOT_FOUND",
  });
  await expect(jobs.run(failing, { input: "/in", output: "/counts" })).rejects.toMatchObject({
    code: "PATH_EXISTS",
  });
});

test("a program of the package's users runs a job that it imports, and none of its own", async () => {
  const folder = scratch();
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(resolve(import.meta.dirname, "../.."), join(folder, "node_modules/quorate"));
  const about = [
    "{ input: input.textLines(), key: codec.text, value: codec.integer,",
    "  map: (line: string, out) => out.emit(line, 1), reduce: sum, output: output.keyValue() }",
  ].join("\n");
  const imports = 'import { codec, input, job, output, sum } from "quorate/mapreduce";';
  const build = (name: string, text: string): void => {
    const { code } = transformSync(text, { loader: "ts", sourcemap: "inline", sourcefile: `${name}.ts` });
    writeFileSync(join(folder, `${name}.mjs`), code);
  };
  const main = (own: string, job: string): string =>
    [
      'import { connectJobs } from "quorate";',
      own,
      `const jobs = connectJobs(${JSON.stringify(engine.nodes[0]!.httpUrl)});`,
      `const run = await jobs.run(${job}, { input: "/in", output: "/lines" });`,
      'console.log((await run.result).counters["Task"].OUTPUT_RECORDS);',
    ].join("\n");
  const execute = (): Promise<{ readonly stdout: string }> =>
    promisify(execFile)(process.execPath, [join(folder, "main.mjs")]);
  build("lines", `${imports}\nexport default job(${about});`);
  build("main", main('import lines from "./lines.mjs";', "lines"));
  expect((await execute()).stdout).toBe("3\n");
  build("main", main(`${imports}\nconst own = job(${about});`, "own"));
  await expect(execute()).rejects.toMatchObject({
    stderr: expect.stringContaining("which is the program itself") as string,
  });
});
