/** The process of one attempt: takes its order from who forked it, carries it out, says how it ended, and ends. */
import { mkdirSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { failureOf } from "./failure.ts";
import { loadProgram } from "./load-program.ts";
import type { MapOrder, Order, ReduceOrder, Report } from "./orders.ts";
import { Shuffle } from "./shuffle.ts";
import { TaskState } from "./task-state.ts";

let shuffle: Shuffle | undefined;

function send(report: Report): void {
  process.send?.(report);
}

/** The process ends when the report has left it. */
function end(report: Report): void {
  process.send?.(report, () => process.exit(report.type === "done" ? 0 : 1));
}

async function carryOut(order: MapOrder | ReduceOrder): Promise<Report> {
  const task = new TaskState(order, send);
  process.chdir(order.directory);
  for (const [link, path] of Object.entries(order.cache)) {
    const place = join(order.directory, link);
    mkdirSync(dirname(place), { recursive: true });
    symlinkSync(path, place);
  }
  if (order.type === "reduce") shuffle = new Shuffle(order, task, send);
  try {
    const program = await loadProgram(order, task);
    if (order.type === "map") {
      const { runMap } = await import("./run-map.ts");
      return await runMap(order, program, task);
    }
    const { runReduce } = await import("./run-reduce.ts");
    return await runReduce(order, program, task, shuffle!);
  } catch (error) {
    return failureOf(error, order, task);
  }
}

process.on("message", (order: Order) => {
  if (order.type === "sources") shuffle?.add(order.sources);
  else void carryOut(order).then(end);
});
// Who started the attempt is gone: nobody would take its result.
process.on("disconnect", () => process.kill(-process.pid, "SIGKILL"));
