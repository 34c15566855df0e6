/** The map outputs of one partition, as they become known and are fetched. */
import type { NamedRun } from "./merge-runs.ts";
import { readMapOutputIndex } from "./map-output.ts";
import type { MapOutputSource, ReduceOrder, Report } from "./orders.ts";
import type { TaskState } from "./task-state.ts";

export class Shuffle {
  private readonly order: ReduceOrder;
  private readonly task: TaskState;
  private readonly runs = new Map<number, NamedRun>();
  private wake: (() => void) | undefined;

  constructor(order: ReduceOrder, task: TaskState, _report: (report: Report) => void) {
    this.order = order;
    this.task = task;
    this.add(order.sources);
  }

  add(sources: readonly MapOutputSource[]): void {
    for (const source of sources) {
      if (!("file" in source)) throw new Error("not yet");
      const extent = readMapOutputIndex(source.file)[this.order.partition]!;
      this.runs.set(source.map, {
        name: `the output of map ${source.map}`,
        place: { type: "file", path: source.file, extent },
      });
      this.task.counters.system.REDUCE_SHUFFLE_BYTES += extent.length;
    }
    this.wake?.();
  }

  async all(): Promise<readonly NamedRun[]> {
    while (this.runs.size < this.order.maps) await new Promise<void>((resolve) => (this.wake = resolve));
    return [...this.runs].toSorted(([left], [right]) => left - right).map(([, run]) => run);
  }
}
