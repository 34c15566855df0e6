/** An attempt at a reduce: map outputs fetched, merged, given to the program group by group, its output written. */
import { connectFiles } from "../../client/files/connect.ts";
import { memoryPlan } from "./memory-plan.ts";
import { mergeRuns } from "./merge-runs.ts";
import type { ReduceOrder, Report } from "./orders.ts";
import type { TaskProgram } from "./program.ts";
import type { Shuffle } from "./shuffle.ts";
import { TaskOutputs } from "./task-outputs.ts";
import type { TaskState } from "./task-state.ts";

type Done = Extract<Report, { readonly type: "done" }>;

export async function runReduce(
  order: ReduceOrder,
  program: TaskProgram,
  task: TaskState,
  shuffle: Shuffle,
): Promise<Done> {
  const { spec, directory } = order;
  const { counters } = task;
  const plan = memoryPlan(spec.settings.memory);
  const runs = await shuffle.all();
  task.moved("merge", 0.34);
  const records = mergeRuns(runs, {
    directory,
    compare: program.keyOrder.compare,
    combine: program.combine,
    compress: "none",
    memoryBytes: plan.mergeBytes,
    tick: () => task.tick(),
  });
  task.moved("reduce", 0.4);
  const files = connectFiles(order.fileSystem, { user: spec.user });
  const outputs = new TaskOutputs(files, order, counters);
  await program.reduce({ order, records, outputs, task });
  task.moved("write", 0.98);
  const written = await outputs.close();
  files.close();
  return { type: "done", counters: counters.snapshot(), mapOutput: undefined, files: written, skipped: [] };
}
