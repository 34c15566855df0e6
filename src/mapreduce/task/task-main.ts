/** The process of one attempt: takes its order from who forked it, carries it out, says how it ended, and ends. */
import { mkdirSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { ProgramUnloadable, failureOf } from "./failure.ts";
import { loadProgram } from "./load-program.ts";
import { memoryPlan } from "./memory-plan.ts";
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
  for (const [link, path] of Object.entries(order.cache)) {
    const place = join(order.directory, link);
    mkdirSync(dirname(place), { recursive: true });
    symlinkSync(path, place);
  }
  let program: TaskProgram;
  try {
    program = await loadProgram(order, task);
  } catch (error) {
    throw new ProgramUnloadable(error);
  }
  switch (order.type) {
    case "map": {
      const { runMap } = await import("./run-map.ts");
      return runMap(order, program, task);
    }
    case "reduce": {
      const [{ Shuffle: Fetching }, { runReduce }] = await Promise.all([
        import("./shuffle.ts"),
        import("./run-reduce.ts"),
      ]);
      shuffle = new Fetching(order, memoryPlan(order.spec.settings.memory).shuffleBytes, task, send);
      shuffle.add(early);
      return runReduce(order, program, task, shuffle);
    }
    case "sample": {
      const { runSample } = await import("./run-sample.ts");
      return runSample(order, program, task);
    }
  }
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
