/** The process of one attempt: takes its order from who forked it, carries it out, says how it ended, and ends. */
import { mkdirSync, symlinkSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { QuorateError } from "../../runtime/errors.ts";
import { ProgramUnloadable, failureOf } from "./failure.ts";
import { loadProgram } from "./load-program.ts";
import { memoryPlan } from "./memory-plan.ts";
import { EARLY } from "./orders.ts";
import type { MapOutputSource, Order, Report, TaskOrder } from "./orders.ts";
import type { TaskProgram } from "./program.ts";
import type { Shuffle } from "./shuffle.ts";
import { TaskState } from "./task-state.ts";

let current: TaskOrder | undefined;
let shuffle: Shuffle | undefined;
/** Map outputs that were told of before the shuffle began. */
const early: MapOutputSource[] = [];
let hasEnded = false;

function send(report: Report): void {
  if (!hasEnded) process.send?.(report);
}

/** The process ends when the report has left it. */
function end(report: Report): void {
  if (hasEnded) return;
  hasEnded = true;
  process.send?.(report, () => process.exit(0));
}

function fail(error: unknown): void {
  if (current === undefined) throw error;
  end(failureOf(error, current));
}

async function carryOut(order: TaskOrder): Promise<Report> {
  const task = new TaskState(order, send);
  process.chdir(order.directory);
  linkCacheFiles(order);
  // What runs the program is loaded while the program is.
  const [program, run] = await Promise.all([load(order, task), runnerOf(order, task)]);
  return run(program);
}

async function load(order: TaskOrder, task: TaskState): Promise<TaskProgram> {
  try {
    return await loadProgram(order, task);
  } catch (error) {
    throw new ProgramUnloadable(error);
  }
}

async function runnerOf(
  order: TaskOrder,
  task: TaskState,
): Promise<(program: TaskProgram) => Promise<Report>> {
  switch (order.type) {
    case "map": {
      const { runMap } = await import("./run-map.ts");
      return (program) => runMap(order, program, task);
    }
    case "reduce": {
      const { Shuffle: Fetching } = await import("./shuffle.ts");
      const fetching = new Fetching(order, memoryPlan(order.spec.settings.memory).shuffleBytes, task, send);
      shuffle = fetching;
      fetching.add(early);
      const { runReduce } = await import("./run-reduce.ts");
      return (program) => runReduce(order, program, task, fetching);
    }
    case "sample": {
      const { runSample } = await import("./run-sample.ts");
      return (program) => runSample(order, program, task);
    }
  }
}

function linkCacheFiles({ cache, directory }: TaskOrder): void {
  for (const [link, path] of Object.entries(cache)) {
    const place = resolve(directory, link);
    if (!place.startsWith(`${resolve(directory)}/`))
      throw new QuorateError(
        "ARGUMENT_INVALID",
        `a cache file cannot be linked outside of the task: ${link}`,
      );
    mkdirSync(dirname(place), { recursive: true });
    symlinkSync(path, place);
  }
}

/** What every attempt of a typed job needs; who waits for an order has the time. */
async function loadEarly(): Promise<void> {
  await Promise.all([
    import("./run-map.ts"),
    import("./shuffle.ts"),
    import("./run-reduce.ts"),
    import("./module-program.ts"),
  ]);
}

process.on("message", (order: Order) => {
  if (order.type === "sources") {
    if (shuffle === undefined) early.push(...order.sources);
    else shuffle.add(order.sources);
    return;
  }
  current = order;
  carryOut(order).then(end, fail);
});
// A promise or a callback of the program's that nobody waited for.
process.on("uncaughtException", fail);
process.on("unhandledRejection", fail);
// Who started the attempt is gone: nobody would take its result.
process.on("disconnect", () => process.kill(-process.pid, "SIGKILL"));
if (process.argv.at(-1) === EARLY) await loadEarly();
