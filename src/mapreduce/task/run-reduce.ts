/** An attempt at a reduce: map outputs fetched, merged, given to the program group by group, its output written. */
import { connectFiles } from "../../client/files/connect.ts";
import { memoryPlan } from "./memory-plan.ts";
import { mergeRuns } from "./merge-runs.ts";
import type { ReduceOrder, Report } from "./orders.ts";
import type { TaskProgram } from "./program.ts";
import type { Records } from "./records.ts";
import { DamagedRun } from "./run-format.ts";
import type { Shuffle } from "./shuffle.ts";
import { Skipping } from "./skipping.ts";
import { TaskOutputs } from "./task-outputs.ts";
import type { TaskState } from "./task-state.ts";

type Done = Extract<Report, { readonly type: "done" }>;

export async function runReduce(
  order: ReduceOrder,
  program: TaskProgram,
  task: TaskState,
  shuffle: Shuffle,
): Promise<Done> {
  const runs = await shuffle.all();
  task.moved("merge", 0.34);
  try {
    const { directory, spec } = order;
    const records = mergeRuns(runs, {
      directory,
      compare: program.keyOrder.compare,
      combine: program.combine,
      compress: "none",
      memoryBytes: memoryPlan(spec.settings.memory).mergeBytes,
      tick: () => task.tick(),
    });
    task.expectedRecords = runs.reduce((sum, { place }) => sum + place.extent.records, 0);
    task.moved("reduce", 0.4);
    return await reduceAll(order, program, task, records);
  } catch (error) {
    if (error instanceof DamagedRun) shuffle.giveBack(error);
    throw error;
  }
}

async function reduceAll(
  order: ReduceOrder,
  program: TaskProgram,
  task: TaskState,
  records: Records,
): Promise<Done> {
  const { counters } = task;
  const files = connectFiles(order.fileSystem, { user: order.spec.user });
  const outputs = new TaskOutputs(files.driver, order, counters);
  const skipping = Skipping.isNeeded(order) ? new Skipping(order, task, outputs, undefined) : undefined;
  await program.reduce({ order, records, outputs, task, skipping });
  task.moved("write", 0.98);
  const written = await outputs.close();
  files.close();
  const skipped = skipping?.skipped ?? [];
  counters.system.REDUCE_SKIPPED_GROUPS = skipped.length;
  return { type: "done", counters: counters.snapshot(), mapOutput: undefined, files: written, skipped };
}
