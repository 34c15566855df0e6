/** `quorate mr` as people and scripts use it: on this machine, and on a cluster of three processes. */
import fs from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JobList, JobReport } from "../../src/mapreduce/job-api.ts";
import type { Ended } from "./program.ts";
import { cleanUp, launch, run, scratch, startCluster, until } from "./program.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const WORD_COUNT = join(ROOT, "examples/word-count.ts");
const TEXTS = ["README.md", "LICENSE"].map((name) => join(ROOT, name));
const TIMEOUT_MS = 60_000;

let folder = "";
beforeAll(() => {
  folder = scratch();
});
afterAll(cleanUp);

async function done(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(["mr", ...args]);
  expect(code, stderr).toBe(0);
  return stdout;
}

function write(name: string, text: string): string {
  fs.writeFileSync(join(folder, name), text);
  return join(folder, name);
}

const PICKY = `import { codec, input, job, output, sum } from "quorate/mapreduce";
export default job({ input: input.textLines(), key: codec.text, value: codec.integer,
  map(line, out) { if (line === "bad") throw new Error("not this one"); out.emit(line, 1); },
  reduce: sum, output: output.keyValue() });`;

const inputs = TEXTS.flatMap((path) => ["--input", path]);

describe("on this machine", { timeout: TIMEOUT_MS }, () => {
  test("a run tells its end in lines, and as JSON what programs want to know", async () => {
    const output = join(folder, "out");
    const { code, stdout, stderr } = await run([
      "mr",
      "run",
      WORD_COUNT,
      ...inputs,
      "--output",
      output,
      "--local",
    ]);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^job_local\d+_0001 {2}map \d+ % \([01] of 1\)/m);
    expect(stdout).toMatch(/^succeeded {2}word-count /);
    expect(stdout).toContain(`output   file://${output}`);
    expect(stdout).toMatch(/MAP_INPUT_RECORDS +[\d,]+\n/);
    const again = await done(
      "run",
      WORD_COUNT,
      ...inputs,
      "--output",
      join(folder, "out2"),
      "--local",
      "--json",
    );
    const lines = again
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { readonly type: string });
    expect(lines.at(-1)).toMatchObject({
      type: "end",
      state: "succeeded",
      counters: { Task: { MAP_OUTPUT_RECORDS: expect.any(Number) as number } },
    });
    expect(lines.slice(0, -1).every(({ type }) => type === "progress")).toBe(true);
  });

  test("a dry run tells splits, bytes and the share of each partition, and does nothing", async () => {
    const plan = await done("run", WORD_COUNT, ...inputs, "--reduces", "3", "--dry-run", "--local");
    expect(plan).toMatch(/input +2 files, [\d.]+ kB\n/);
    expect(plan).toMatch(/reduces +3\n/);
    expect(plan).toMatch(/the largest partition is [\d.]+ times the mean/);
    const document = JSON.parse(
      await done("run", WORD_COUNT, ...inputs, "--dry-run", "--json", "--local"),
    ) as object;
    expect(document).toMatchObject({
      type: "plan",
      files: 2,
      maps: 1,
      reduces: 1,
      shares: [expect.closeTo(1) as number],
    });
  });

  test("Ctrl-C ends the job, with 130, and leaves nothing", async () => {
    const endless = write(
      "endless.ts",
      `import { job, codec, input, output, sum } from "quorate/mapreduce";
export default job({ input: input.textLines(), key: codec.text, value: codec.integer, map() { for (;;); }, reduce: sum, output: output.keyValue() });`,
    );
    const program = launch([
      "mr",
      "run",
      endless,
      ...inputs,
      "--output",
      join(folder, "never"),
      "--local",
      "--json",
    ]);
    await until("a task", 20_000, () => /"running":\[\{/.test(program.stdout()) || undefined);
    program.kill("SIGINT");
    const { code, stdout } = await program.ended;
    expect(code).toBe(130);
    expect(JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "")).toMatchObject({
      type: "end",
      state: "killed",
    });
    expect(fs.readdirSync(folder).filter((name) => name.includes("never"))).toEqual([]);
  });

  test.each([
    ["no output", ["run", WORD_COUNT, "--input", "x", "--local"], 2, /mr run needs --output/],
    ["no input", ["run", WORD_COUNT, "--output", "/x", "--local"], 2, /mr run needs --input/],
    ["a flag that is none", ["run", WORD_COUNT, "--ouput", "x"], 2, /did you mean --output/],
    ["a command that is none", ["runn"], 2, /did you mean run/],
    ["nothing", [], 2, /a command is missing[^]*quorate mr run/],
    [
      "a module that is not there",
      ["run", "/nope.ts", "--input", "x", "--output", "/x", "--local"],
      1,
      /module cannot be read/,
    ],
    [
      "an input that is not there",
      ["run", WORD_COUNT, "--input", "/nope", "--output", "/x", "--local"],
      1,
      /\/nope/,
    ],
    [
      "an output that is there",
      ["run", WORD_COUNT, "--input", WORD_COUNT, "--output", ROOT, "--local"],
      1,
      /is there already/,
    ],
    [
      "a wrong number",
      ["run", WORD_COUNT, "--input", "x", "--output", "/x", "--reduces", "many"],
      2,
      /whole number/,
    ],
    ["a wrong word of Hadoop's", ["streaming", "-inptu", "x"], 2, /did you mean -input/],
  ])("%s is a clear error", async (_name, args, code, message) => {
    const ended = await run(["mr", ...args]);
    expect(ended.stderr).toMatch(message);
    expect(ended.code).toBe(code);
  });

  test("a module that exports no job, or throws, is refused with the reason", async () => {
    for (const [text, message] of [
      [
        "export default function count() {}",
        /its default export is a function \(count\); it must be what job/,
      ],
      ["export default 7;", /its default export is a number/],
      [
        'throw new TypeError("top");\nexport default 1;',
        /cannot be loaded:\n +TypeError: top\n +at .*wrong\.ts:1:7/,
      ],
      [
        "await new Promise(() => undefined);\nexport default 1;",
        /wrong\.ts cannot be loaded: it waits \(await outside of functions\) for what never comes/,
      ],
      ["export default job({", /wrong\.ts:1:\d+: Expected identifier but found end of file/],
    ] as const) {
      const { code, stderr } = await run([
        "mr",
        "run",
        write("wrong.ts", text),
        ...inputs,
        "--output",
        join(folder, "w"),
        "--local",
      ]);
      expect(stderr).toMatch(message);
      expect(code).toBe(1);
    }
  });

  test("records that were skipped are listed at the end, with what is wrong with each", async () => {
    const job = write("picky.ts", PICKY);
    const output = join(folder, "picky");
    const text = write("picky.txt", "good\nbad\ngood\n");
    const words = [job, "--input", text, "--output", output, "--local"];
    const stdout = await done("run", ...words, "--skip-records", "1");
    expect(stdout).toContain("  skipped  1 records\n");
    expect(stdout).toMatch(/^ {4}skipped record 1 at byte 5 of .*picky\.txt \(bad\): Error: not this one$/m);
    expect(fs.readFileSync(join(output, "part-00000"), "utf8")).toBe("good\t2\n");
  });

  test("help tells of every command and flag", async () => {
    expect(await done("help")).toMatch(/quorate mr run[^]*quorate mr ls[^]*quorate mr streaming/);
    expect(await done("run", "--help")).toContain("--dry-run");
    expect(await done("streaming", "-help")).toContain("-mapper CMD");
    for (const command of ["run", "ls", "show", "logs", "kill", "history"]) {
      const flags = (await done(command, "--help")).match(/^ {2}--[\w-]+/gm) ?? [];
      expect(flags, "each flag once").toEqual([...new Set(flags)]);
    }
  });
});

describe("on a cluster of three", { timeout: TIMEOUT_MS }, () => {
  let fsUrl = "";
  beforeAll(async () => {
    const { program } = await startCluster(["--nodes", "3", "--data", join(scratch(), "data")]);
    fsUrl = /webhdfs:\/\/[\d.:]+/.exec(program.stdout())?.[0] ?? "";
    for (const words of [
      ["-mkdir", "/books"],
      ["-put", ...TEXTS, "/books"],
    ])
      expect((await run(["fs", "--fs", fsUrl, ...words])).stderr).toBe("");
  }, TIMEOUT_MS);

  const ask = (...args: readonly string[]): Promise<Ended> => run(["mr", ...args], { QUORATE_FS: fsUrl });

  test("a typed job runs, is listed and shown, and its output is that of a run on this machine", async () => {
    const { code, stdout, stderr } = await ask(
      "run",
      WORD_COUNT,
      "--input",
      "/books",
      "--output",
      "/counts",
      "--reduces",
      "2",
    );
    expect(code, stderr).toBe(0);
    expect(stdout).toContain(`output   ${fsUrl}/counts`);
    const id = /job_\d+_\d+/.exec(stdout)?.[0] ?? "";
    const got = await run(["fs", "--fs", fsUrl, "-cat", "/counts/part-00000", "/counts/part-00001"]);
    await done("run", WORD_COUNT, ...inputs, "--output", join(folder, "here"), "--reduces", "2", "--local");
    const here = ["part-00000", "part-00001"]
      .map((name) => fs.readFileSync(join(folder, "here", name), "utf8"))
      .join("");
    expect(got.stdout).toBe(here);
    expect((await ask("ls")).stdout).toMatch(new RegExp(`^${id} +word-count .* succeeded +1/1 +2/2 `, "m"));
    expect((await ask("show", id, "--tasks")).stdout).toMatch(/reduce 1 +0: succeeded, the winner/);
    const { jobs } = JSON.parse((await ask("history", "--json")).stdout) as JobList;
    expect(jobs.map((job) => job.id)).toContain(id);
  });

  test("executables run with what was shipped for them", async () => {
    const script = write("count.sh", "#!/bin/sh\ntr -cs A-Za-z '\\n' | sed 's/$/\\t1/'\n");
    const words = [
      "-files",
      script,
      "-input",
      "/books",
      "-output",
      "shell",
      "-mapper",
      "count.sh",
      "-reducer",
      "uniq -c",
    ];
    const { code, stderr } = await ask("streaming", ...words);
    expect(code, stderr).toBe(0);
    const { stdout } = await run(["fs", "--fs", fsUrl, "-cat", "shell/part-00000"]);
    expect(stdout).toMatch(/^ +\d+ Quorate\t1$/m);
  });

  test("a job that fails says why, keeps the logs of its attempts, and ends with 1", async () => {
    const mapper = `sh -c "echo no such luck >&2; exit 3"`;
    const { code, stderr } = await ask(
      "streaming",
      "-input",
      "/books/README.md",
      "-output",
      "/bad",
      "-mapper",
      mapper,
      "-reducer",
      "NONE",
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(/JOB_FAILED: .*ended with code 3: no such luck/);
    const { jobs } = JSON.parse((await ask("ls", "--state", "failed", "--json")).stdout) as JobList;
    const id = jobs[0]?.id ?? "";
    expect((await ask("show", id, "--tasks")).stdout).toMatch(/3: failed/);
    const { stdout } = await ask("logs", id);
    expect(stdout.match(/no such luck\n/g)?.length).toBeGreaterThanOrEqual(4);
  });

  test("a typed job that fails names attempt, split and record once each, its log, and the source's line", async () => {
    await run(["fs", "--fs", fsUrl, "-put", write("picky.txt", "good\nbad\ngood\n"), "/picky.txt"]);
    const words = [write("picky.ts", PICKY), "--input", "/picky.txt", "--output", "/picky"];
    const { code, stderr } = await ask("run", ...words, "--attempts", "1");
    expect(code).toBe(1);
    const id = /job_\d+_\d+/.exec(stderr)?.[0] ?? "";
    const attempt = id.replace("job", "attempt") + "_m_000000_0";
    const told = stderr
      .slice(stderr.indexOf("failed"))
      .replace(/ in .*/, "")
      .replace(/n\d\n/, "n1\n");
    expect(told).toBe(
      [
        `failed  picky  ${id} `,
        `  JOB_FAILED: map 0 failed 1 times, at last as ${attempt}: not this one (the record at byte 5 of /picky.txt)`,
        `  attempt  ${attempt} on n1`,
        "  split    /picky.txt:0+14",
        '  record   1: "bad"',
        "    at map (picky.ts:3:46)",
        `  log      quorate mr logs ${id} ${attempt}`,
        "",
      ].join("\n"),
    );
    const skipping = await ask("run", ...words, "--skip-records", "1");
    const later =
      /skipped {2}1 records; each is in the log: quorate mr logs (job_\S+) --all/.exec(
        skipping.stdout,
      )?.[1] ?? "";
    expect((await ask("show", later, "--tasks")).stdout).toMatch(/skipped 1$/m);
    expect((await ask("logs", later, "--all")).stdout).toContain(
      "skipped record 1 at byte 5 of /picky.txt (bad): Error: not this one",
    );
  });

  test("a typed job in the background is submitted and left, and nothing of it stays on this machine", async () => {
    const temporary = scratch();
    const words = ["run", WORD_COUNT, "--input", "/books", "--output", "/behind", "--background"];
    const { code, stdout } = await run(["mr", ...words], { QUORATE_FS: fsUrl, TMPDIR: temporary });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^job_\d+_\d+\n$/);
    expect(fs.readdirSync(temporary)).toEqual([]);
    expect((await ask("show", stdout.trim(), "--follow")).stdout).toMatch(/^succeeded {2}word-count /);
  });

  test("a job in the background is shown with what it waits for, and killed", async () => {
    const { stdout } = await ask(
      "streaming",
      "-background",
      "-input",
      "/books",
      "-output",
      "/slow",
      "-mapper",
      "sleep 60",
      "-reducer",
      "NONE",
    );
    const id = stdout.trim();
    const report = await until("a running attempt", 20_000, async () => {
      const shown = JSON.parse((await ask("show", id, "--json")).stdout) as JobReport;
      return shown.running.length > 0 ? shown : undefined;
    });
    expect(report).toMatchObject({ state: "running", maps: { total: 2 } });
    expect((await ask("show", id)).stdout).toMatch(/attempt_\d+_\d+_m_00000\d_0 +n\d /);
    expect((await ask("kill", id, "--reason", "enough")).code).toBe(0);
    const { code, stderr } = await ask("show", id, "--follow");
    expect(stderr).toMatch(/killed/);
    expect(code).toBe(1);
    const words = ["-input", "/books", "-output", `/late-${id}`, "-mapper", "cat", "-reducer", "NONE"];
    const late = await ask("kill", /job_\d+_\d+/.exec((await ask("streaming", ...words)).stdout)?.[0] ?? "");
    expect(late.stderr).toMatch(/job_\d+_\d+ cannot be/);
    expect(late.code).toBe(1);
  });

  test("Ctrl-C leaves a typed job to the cluster, and nothing of it on this machine", async () => {
    const temporary = scratch();
    const source = PICKY.replace('if (line === "bad") throw new Error("not this one")', "for (;;);");
    const program = launch(
      ["mr", "run", write("endless.ts", source), "--input", "/books", "--output", "/endless"],
      { QUORATE_FS: fsUrl, TMPDIR: temporary },
    );
    const id = await until("the job's first line", 20_000, () =>
      Promise.resolve(/job_\d+_\d+/.exec(program.stderr())?.[0]),
    );
    program.kill("SIGINT");
    expect((await program.ended).code).toBe(130);
    expect(fs.readdirSync(temporary)).toEqual([]);
    expect((await ask("kill", id)).code).toBe(0);
  });

  test("Ctrl-C leaves the job to the cluster, and says how to find it", async () => {
    const program = launch(
      ["mr", "streaming", "-input", "/books", "-output", "/left", "-mapper", "sleep 60", "-reducer", "NONE"],
      { QUORATE_FS: fsUrl },
    );
    await until("a line of progress", 20_000, () => /job_\d+_\d+ {2}map/.test(program.stderr()) || undefined);
    program.kill("SIGINT");
    const { code, stderr } = await program.ended;
    expect(code).toBe(130);
    const id = /(job_\d+_\d+) goes on: quorate mr show/.exec(stderr)?.[1] ?? "";
    expect((await ask("kill", id)).code).toBe(0);
  });

  test("what is refused and what nobody answers have exit codes of their own", async () => {
    expect((await ask("run", WORD_COUNT, "--input", "/nope", "--output", "/x")).code).toBe(1);
    expect((await ask("run", WORD_COUNT, "--input", "/books", "--output", "/books")).stderr).toMatch(
      /\/books/,
    );
    expect((await ask("show", "job_20260101_0001")).code).toBe(1);
  });
});
