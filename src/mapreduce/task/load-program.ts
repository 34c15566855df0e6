/** The program of an order, loaded. */
import { pathToFileURL } from "node:url";
import { QuorateError } from "../../runtime/errors.ts";
import type { TaskOrder } from "./orders.ts";
import type { TaskProgram } from "./program.ts";
import type { TaskState } from "./task-state.ts";

/** Rejects with what the module throws when it is loaded. */
export async function loadProgram(order: TaskOrder, task: TaskState): Promise<TaskProgram> {
  const { program, ranges } = order.spec;
  switch (program.type) {
    case "module": {
      if (order.bundle === undefined)
        throw new QuorateError("INVARIANT", "an order without the program's bundle");
      const [{ moduleProgram }, module] = await Promise.all([
        import("./module-program.ts"),
        import(pathToFileURL(order.bundle).href) as Promise<{ readonly default?: unknown }>,
      ]);
      return moduleProgram(module.default, ranges);
    }
    case "streaming": {
      const { streamingProgram } = await import("../streaming/program.ts");
      return streamingProgram(order, task);
    }
  }
}
