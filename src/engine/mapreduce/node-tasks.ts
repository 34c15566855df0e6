/** Attempts in processes of their own, with a log each. */
import type { TaskOrder } from "../../mapreduce/task/orders.ts";
import type { SpareTasks } from "../../mapreduce/task/spare-tasks.ts";
import type { TaskProcess } from "../../mapreduce/task/task-process.ts";
import { startTask } from "../../mapreduce/task/task-process.ts";
import type { TaskEnd, TaskStarter } from "./doors.ts";
import type { NodeWorkArea } from "./node-work-area.ts";

export function nodeTasks(area: NodeWorkArea, spares: SpareTasks): TaskStarter {
  return {
    start(order, on) {
      const started = begin(order, area.logOf(order.attempt), spares, on.report);
      if ("failure" in started) {
        const { failure } = started;
        setImmediate(() => on.end(failure));
        return { send: () => undefined, kill: () => undefined };
      }
      const { process } = started;
      void process.ended.then((end) => on.end(end));
      return { send: (sources) => process.send(sources), kill: (reason) => process.kill(reason) };
    },
  };
}

/** A process that cannot even be started is an attempt that failed. */
function begin(
  order: TaskOrder,
  log: string,
  spares: SpareTasks,
  onReport: Parameters<TaskStarter["start"]>[1]["report"],
): { readonly process: TaskProcess } | { readonly failure: TaskEnd } {
  try {
    return { process: startTask(order, { log, spares, onReport }) };
  } catch (error) {
    const message = `its process cannot be started: ${error instanceof Error ? error.message : String(error)}`;
    return { failure: { type: "failed", message, stack: undefined, record: undefined, retryable: true } };
  }
}
