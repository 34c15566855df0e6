import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { JobBench, assertDone } from "./job-bench.testing.ts";
import type { MapOrder, Report } from "./orders.ts";
import type { TaskEnd, TaskOptions } from "./task-process.ts";
import { startTask } from "./task-process.ts";

const MIB = 1024 * 1024;
/** The attempt, as errors name it. */

/** A job of maps only, whose mapper is this text of code over `line`, `out` and `task`. */
function mapper(code: string): string {
  return `export default mapOnly({
    input: input.textLines(),
    async map(line, out, task) { ${code} },
    output: output.text(),
  });`;
}

function runMap(
  code: string,
  content: string,
  settings: ConstructorParameters<typeof JobBench>[1] = {},
  options: TaskOptions = {},
  change: Partial<MapOrder> = {},
): { readonly bench: JobBench; readonly ended: Promise<TaskEnd> } {
  const bench = new JobBench(mapper(code), { reduces: 0, ...settings });
  const path = bench.write("input", content);
  return { bench, ended: bench.map(bench.wholeSplit(path), 0, options, change) };
}

test("an error of the program names split and record, with its text and the place in the source", async () => {
  const definition = [
    "export default mapOnly({ input: input.textLines(), output: output.text(), map: (line, out) => {",
    '  if (line.startsWith("bad")) throw new TypeError("not\\nthis");',
    "  out.emit(line);",
    "} });",
  ];
  const map = {
    version: 3,
    sources: ["../src/job.ts"],
    names: [],
    // The bundle has two lines before it; from there on each line is one of the source, ten lines further down.
    mappings: ";;AAUA;AACA;AACA;AACA",
  };
  const inline = Buffer.from(JSON.stringify(map)).toString("base64");
  definition.push(`//# sourceMappingURL=data:application/json;base64,${inline}`);
  const bench = new JobBench(definition.join("\n"), { reduces: 0 });
  const path = bench.write("input", `a\nbad \u0001${"x".repeat(300)}\n`);
  const end = await bench.map(bench.wholeSplit(path));
  expect(end).toMatchObject({
    type: "failed",
    message: `TypeError: not this (the record at byte 2 of ${path})`,
    record: { index: 1, text: `bad \u{fffd}${"x".repeat(195)}` },
    retryable: true,
  });
  expect((end as { stack: string }).stack).toMatch(/at (Object\.)?map \(\.\.\/src\/job\.ts:12:1\)/);
});

test("a program that cannot be loaded fails for good", async () => {
  for (const [definition, message] of [
    ["export default 1;", /cannot be loaded: the default export of the module is not a job/],
    ["export default {;", /cannot be loaded: SyntaxError/],
    ["throw new Error('no');", /cannot be loaded: no/],
    ["export default { quorateJob: 99 };", /the job is of version 99 of the interface/],
  ] as const) {
    const bench = new JobBench(definition, { reduces: 0 });
    const end = await bench.map(bench.wholeSplit(bench.write("input", "a")));
    expect(end).toMatchObject({ type: "failed", retryable: false });
    expect((end as { message: string }).message).toMatch(message);
  }
});

test("a program that fills its heap, or memory beside it, ends alone and is told why", async () => {
  const limits = { memory: 128 * MIB };
  const heap = runMap("const all = []; for (;;) all.push([line, all.length]);", "a", limits);
  const beside = runMap(
    "const all = []; for (;;) { all.push(Buffer.alloc(1 << 20, 1)); await new Promise(setImmediate); }",
    "a",
    limits,
  );
  expect(await heap.ended).toMatchObject({
    type: "failed",
    message: expect.stringMatching(/its heap is full|more than the 128 MiB of the job/) as string,
    retryable: true,
  });
  expect(await beside.ended).toMatchObject({
    type: "failed",
    message: expect.stringMatching(
      /^it holds \d+ MiB, more than the 128 MiB of the job \(memory\)$/,
    ) as string,
  });
});

test("a program that never comes back is ended, and one that says that it lives is not", async () => {
  const settings = { progressTimeoutMs: 3000 };
  const silent = runMap("for (;;);", "a", settings);
  const waiting = runMap("await new Promise(() => setInterval(() => undefined, 1000));", "a", settings);
  const busy = runMap(
    "const end = Date.now() + 9000; while (Date.now() < end) task.progress(); out.emit(line);",
    "a",
    { progressTimeoutMs: 6000 },
  );
  const message = "no progress for 3000 ms; task.progress() says that a task lives";
  expect(await silent.ended).toMatchObject({ type: "failed", message, retryable: true });
  expect(await waiting.ended).toMatchObject({ type: "failed", message });
  assertDone(await busy.ended);
});

test("a process that ends without a word has failed", async () => {
  const exits = runMap("process.exit(3);", "a");
  const dies = runMap("process.kill(process.pid, 'SIGKILL'); await new Promise(() => undefined);", "a");
  const floats = runMap(
    "setTimeout(() => { throw new RangeError('late'); }); await new Promise(() => 1);",
    "a",
  );
  expect(await exits.ended).toMatchObject({
    type: "failed",
    message: "the process ended with exit code 3 before it was done",
  });
  expect(await dies.ended).toMatchObject({
    type: "failed",
    message: "the process was ended by SIGKILL",
  });
  expect(await floats.ended).toMatchObject({
    type: "failed",
    message: "RangeError: late",
  });
});

test("an attempt that is killed says so, and its log has what it wrote", async () => {
  const bench = new JobBench(
    mapper(
      "console.log(line); console.error('and'); await new Promise((resolve) => setTimeout(resolve, 1e6));",
    ),
    {
      reduces: 0,
    },
  );
  const log = join(bench.directory, "log");
  const reports: Report[] = [];
  const order = bench.mapOrder(bench.wholeSplit(bench.write("input", "to the log")));
  const task = startTask(order, { log, onReport: (report) => reports.push(report) });
  await expect.poll(() => readFileSync(log, "utf8"), { timeout: 20_000 }).toBe("to the log\nand\n");
  task.kill("the job was killed");
  expect(await task.ended).toEqual({ type: "killed", reason: "the job was killed" });
  expect(() => process.kill(task.pid!, 0)).toThrow(/ESRCH/);
});

test("an output that cannot be written is no record's fault", async () => {
  const bench = new JobBench(mapper("out.emit('x'.repeat(1 << 20));"), { reduces: 0 });
  const path = bench.write("input", "a\n".repeat(20));
  writeFileSync(bench.spec.output, "a file where the directory should be");
  const end = await bench.map(bench.wholeSplit(path));
  expect(end.type).toBe("failed");
  expect(end).not.toHaveProperty("record");
});

const FUSSY = `
  task.count("seen", "lines");
  out.emit("begin " + line);
  if (line.startsWith("bad")) throw new Error("bad line");
  out.emit("end " + line);
`;

test("bad records are skipped where they may be, listed, and leave nothing behind", async () => {
  const content = "bad 0\ngood 1\nbad 2\ngood 3\n";
  const { bench, ended } = runMap(FUSSY, content, { skipRecords: 2 });
  const end = await ended;
  assertDone(end);
  expect(end.skipped).toEqual([0, 2]);
  expect(end.counters).toMatchObject({ seen: { lines: 2 }, Task: { MAP_SKIPPED_RECORDS: 2 } });
  expect(readFileSync(`${bench.spec.output}/part-00000`, "utf8")).toBe(
    "begin good 1\nend good 1\nbegin good 3\nend good 3\n",
  );
  const tooMany = await runMap(FUSSY, `${content}bad 4`, { skipRecords: 2 }).ended;
  expect(tooMany).toMatchObject({ type: "failed", record: { index: 4, text: "bad 4" } });
  const known = await runMap(FUSSY, content, {}, {}, { skip: [0, 2] }).ended;
  assertDone(known);
  expect(known.skipped).toEqual([0, 2]);
});

test("what a bad record emitted before a reduce is taken back, however much it was", async () => {
  const bench = new JobBench(
    `export default job({
      input: input.textLines(),
      key: codec.text,
      value: codec.integer,
      map(line, out) {
        for (let at = 0; at < 300_000; at++) out.emit(line + (at % 3), 1);
        if (line === "bad") throw new Error("too late");
      },
      combine: sum,
      reduce(key, values, out) {
        for (let at = 0; at < 200_000; at++) out.emit(key, "x".repeat(40));
        out.emit(key, [...values].join());
        if (key === "good1") throw new Error("no");
      },
      output: output.keyValue(),
    });`,
    { skipRecords: 1 },
  );
  const result = await bench.run([bench.wholeSplit(bench.write("input", "bad\ngood\n"))]);
  expect(result.ends.map(({ skipped }) => skipped)).toEqual([[0], [1]]);
  const lines = result.outputs["part-00000"]!.trimEnd().split("\n");
  expect(lines).toHaveLength(2 * 200_001);
  expect(lines.filter((line) => !line.endsWith("x"))).toEqual(["good0\t100000", "good2\t100000"]);
});

test("an attempt that died without a word names the record at hand, when it was told to note it", async () => {
  const loop = runMap(
    "if (line === 'b') for (;;);",
    "a\nb\nc\n",
    { progressTimeoutMs: 6000 },
    {},
    { trace: true },
  );
  expect(await loop.ended).toMatchObject({
    type: "failed",
    message: expect.stringMatching(
      /^no progress for 6000 ms; .* \(the record at byte 2 of .*input\)$/,
    ) as string,
    record: { index: 1, text: "b" },
  });
});

test("a record that is skipped is told of with its file, its byte and the place in the program's source", async () => {
  const log = join(new JobBench(mapper("")).directory, "log");
  const { ended } = runMap(
    "if (line === 'b') throw new RangeError('no b');",
    "a\nb\nc\n",
    { skipRecords: 1 },
    { log },
  );
  assertDone(await ended);
  const [first, second] = readFileSync(log, "utf8").split("\n");
  expect(first).toMatch(/^skipped record 1 at byte 2 of .*input \(b\): RangeError: no b$/);
  expect(second).toMatch(/^ {4}at /);
});

test("a program that prints without an end fills no disk: its log keeps the beginning and the latest", async () => {
  const log = join(new JobBench(mapper("")).directory, "log");
  const { ended } = runMap(
    // What is written while the log is cut may go with its middle: the last line comes after a look at it.
    `if (line.startsWith("line 19 ")) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_000);
      process.stdout.write("the end\\n");
    } else process.stdout.write(line + "x".repeat(4 * 1024 * 1024) + "\\n");
    out.emit(line);`,
    `${Array.from({ length: 20 }, (_, at) => `line ${at} `).join("\n")}\n`,
    {},
    { log },
  );
  assertDone(await ended);
  const text = readFileSync(log, "utf8");
  expect(text.length).toBeLessThan(16 * MIB);
  expect(text.slice(0, 7)).toBe("line 0 ");
  expect(text.slice(-8)).toBe("the end\n");
  expect(text).toMatch(/\n\[about \d+ bytes are left out here/);
});

test("progress tells how far the attempt is, its status and its counters", async () => {
  const reports: Report[] = [];
  const { ended } = runMap(
    "task.count('a', 'b', 2); task.status('at ' + line); await new Promise((r) => setTimeout(r, 600)); task.progress();",
    "x\ny\n",
    {},
    { onReport: (report) => reports.push(report) },
  );
  assertDone(await ended);
  expect(reports.length).toBeGreaterThan(0);
  expect(reports.at(-1)).toMatchObject({
    type: "progress",
    phase: "map",
    status: expect.stringMatching(/^at [xy]$/) as string,
    counters: { a: { b: expect.any(Number) as number } },
  });
});
