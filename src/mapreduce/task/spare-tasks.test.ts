import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { JobBench, assertDone } from "./job-bench.testing.ts";
import { SpareTasks } from "./spare-tasks.ts";
import type { TaskEnd } from "./task-process.ts";
import { startTask } from "./task-process.ts";

const JOB = `let before = 0;
export default mapOnly({ input: input.textLines(), output: output.text(),
  map(line, out) { console.log("at", line); out.emit(process.pid + " " + before++); } });`;

interface Started {
  readonly pid: number | undefined;
  readonly ended: Promise<TaskEnd>;
}

interface Spared {
  readonly spares: SpareTasks;
  readonly directory: string;
  readonly log: (task: number) => string;
  readonly run: (task: number, memory?: number) => Started;
  readonly output: (task: number) => string;
}

function spared(): Spared {
  const bench = new JobBench(JOB, { reduces: 0 });
  const split = bench.wholeSplit(bench.write("input", "a\n"));
  const directory = join(bench.directory, "spare");
  const spares = new SpareTasks(directory);
  onTestFinished(() => spares.close());
  const log = (task: number): string => join(bench.directory, `${task}.log`);
  return {
    spares,
    directory,
    log,
    run(task, memory = bench.spec.settings.memory) {
      const spec = { ...bench.spec, settings: { ...bench.spec.settings, memory } };
      return startTask(bench.mapOrder(split, task, { spec }), { log: log(task), spares });
    },
    output: (task) => readFileSync(join(bench.spec.output, `part-${String(task).padStart(5, "0")}`), "utf8"),
  };
}

const pidsWaiting = (directory: string): number => readdirSync(directory).length;

test("an attempt gets the process that waits, which runs this one only, and prints into its log", async () => {
  const { run, output, log, directory } = spared();
  const first = run(0);
  assertDone(await first.ended);
  expect(pidsWaiting(directory), "the next ones wait").toBe(2);
  const second = run(1);
  expect(pidsWaiting(directory), "one was taken").toBe(1);
  assertDone(await second.ended);
  const third = run(2);
  assertDone(await third.ended);
  expect(new Set([first.pid, second.pid, third.pid]).size).toBe(3);
  for (const [task, { pid }] of [first, second, third].entries()) {
    expect(output(task)).toBe(`${pid} 0\n`);
    expect(readFileSync(log(task), "utf8")).toBe("at a\n");
  }
});

test("one with other memory than the attempt's is ended, and one that died meanwhile is not taken", async () => {
  const { spares, run, output, directory } = spared();
  const MEMORY = 256 * 1024 * 1024;
  spares.prepare(MEMORY);
  const other = run(0, MEMORY / 2);
  assertDone(await other.ended);
  expect(output(0)).toBe(`${other.pid} 0\n`);
  const waiting = spares.take(MEMORY / 2, join(directory, "taken.log"));
  expect(waiting?.process.pid).toBeDefined();
  const gone = new Promise((resolve) => waiting?.process.once("exit", resolve));
  waiting?.process.kill("SIGKILL");
  await gone;
  spares.prepare(MEMORY);
  const next = readdirSync(directory).filter((name) => name !== "taken.log");
  expect(next).toHaveLength(2);
  const alive = run(1, MEMORY);
  assertDone(await alive.ended);
  expect(output(1)).toBe(`${alive.pid} 0\n`);
});

test("nothing waits any more, and nothing is left, when it is closed", async () => {
  const { spares, run, directory } = spared();
  assertDone(await run(0).ended);
  spares.close();
  expect(pidsWaiting(directory)).toBe(0);
  assertDone(await run(1).ended);
  expect(pidsWaiting(directory)).toBe(0);
  expect(existsSync(directory)).toBe(true);
});
