import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { JobBench, scratchDirectory } from "./job-bench.testing.ts";
import { endLeftover, notePid } from "./leftover.ts";
import { TRACE_NAME } from "./trace.ts";

const DIST = new URL("../../../dist/mapreduce/task/task-process.js", import.meta.url).href;

/** One that has ended, and that nobody has asked about yet, is not. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

/** Starts an attempt by another process, kills that, and gives the attempt's process. `path`: where that one finds its programs. */
async function orphan(
  code: string,
  path = process.env["PATH"],
): Promise<{ readonly pid: number; readonly directory: string }> {
  const bench = new JobBench(
    `export default mapOnly({ input: input.textLines(), output: output.text(), async map() { ${code} } });`,
    { reduces: 0 },
  );
  const split = bench.wholeSplit(bench.write("input", "a"));
  const order = bench.mapOrder(split, 0, { trace: true });
  const log = join(bench.directory, "log");
  const script = `import { startTask } from "${DIST}";
    const task = startTask(${JSON.stringify(order)}, { log: "${log}" });
    console.log(task.pid);`;
  const starter = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, PATH: path },
  });
  const [output] = (await once(starter.stdout, "data")) as [Buffer];
  // The program has its record.
  const trace = join(order.directory, TRACE_NAME);
  await expect.poll(() => existsSync(trace) && statSync(trace).size > 8, { timeout: 20_000 }).toBe(true);
  const gone = once(starter, "exit");
  starter.kill("SIGKILL");
  await gone;
  return { pid: Number(output.toString()), directory: order.directory };
}

test("an attempt ends when who started it is gone", async () => {
  const { pid } = await orphan("await new Promise((resolve) => setTimeout(resolve, 1e6));");
  await expect.poll(() => isAlive(pid), { timeout: 20_000 }).toBe(false);
});

test("one whose program never comes back ends when who started it is gone, and what it started with it", async () => {
  const { pid, directory } = await orphan(
    `const { spawn } = await import("node:child_process");
     const { writeFileSync } = await import("node:fs");
     writeFileSync("executable", String(spawn("sleep", ["1000"], { stdio: "ignore" }).pid));
     for (;;);`,
  );
  const executable = join(directory, "executable");
  await expect.poll(() => existsSync(executable) && readFileSync(executable, "utf8")).toMatch(/^\d+$/);
  await expect.poll(() => isAlive(pid), { timeout: 20_000 }).toBe(false);
  await expect.poll(() => isAlive(Number(readFileSync(executable, "utf8")))).toBe(false);
});

test("where there is no shell for that, it is ended by its directory", async () => {
  const { pid, directory } = await orphan("for (;;);", "/nowhere");
  expect(isAlive(pid)).toBe(true);
  expect(endLeftover(directory)).toBe(true);
  await expect.poll(() => isAlive(pid), { timeout: 20_000 }).toBe(false);
  expect(endLeftover(directory)).toBe(false);
});

test("a process that has the number by now is left alone", () => {
  const directory = scratchDirectory();
  expect(endLeftover(directory)).toBe(false);
  notePid(directory, process.pid, "a-word-of-another");
  expect(endLeftover(directory)).toBe(false);
});
