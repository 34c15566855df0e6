/** An attempt at a map: its split read, its records given to the program, what it emits sorted and left for the reduces. */
import { connectFiles } from "../../client/files/connect.ts";
import { isGzip } from "../input/format.ts";
import { Collector } from "./collector.ts";
import { memoryPlan } from "./memory-plan.ts";
import { mergeMax } from "./merge-runs.ts";
import type { MapOrder, Report } from "./orders.ts";
import type { TaskProgram } from "./program.ts";
import { SplitPlace, readSplit } from "./split-reader.ts";
import { TaskOutputs } from "./task-outputs.ts";
import type { TaskState } from "./task-state.ts";

type Done = Extract<Report, { readonly type: "done" }>;

export async function runMap(order: MapOrder, program: TaskProgram, task: TaskState): Promise<Done> {
  const { spec, split, partitions, directory } = order;
  const { counters } = task;
  const { system } = counters;
  const files = connectFiles(order.fileSystem, { user: spec.user });
  const place = new SplitPlace(split.path);
  task.place = place;
  const plan = memoryPlan(spec.settings.memory);
  const collector =
    partitions === 0
      ? undefined
      : new Collector({
          directory,
          partitions,
          order: program.keyOrder,
          combine: program.combine,
          fold: program.fold,
          compress: spec.settings.compress,
          bufferBytes: plan.sortBytes,
          mergeMax: mergeMax(plan.mergeBytes),
          counters,
          tick: () => task.tick(),
        });
  const outputs = new TaskOutputs(files, order, counters);
  const stage = await program.openMap({ order, collector, outputs, place, task });
  // Of a compressed file nobody knows how much is in it.
  const total = isGzip(split.path) ? Infinity : Math.max(1, split.length);
  await readSplit({
    files,
    split,
    framing: program.framing(split.mapper),
    place,
    take(bytes, start, end) {
      system.MAP_INPUT_RECORDS++;
      return stage.record(bytes, start, end);
    },
    pause(bytes) {
      system.MAP_INPUT_BYTES += bytes;
      task.moved("map", (0.9 * system.MAP_INPUT_BYTES) / total);
      return outputs.settle();
    },
  });
  await stage.end();
  task.moved("sort", 0.9);
  const mapOutput = collector?.finish();
  task.moved("write", 0.98);
  const written = await outputs.close();
  files.close();
  return { type: "done", counters: counters.snapshot(), mapOutput, files: written, skipped: [] };
}
