/** Why an attempt failed, for who reads it. */
import { isQuorateError } from "../../runtime/errors.ts";
import type { MapOrder, ReduceOrder, Report } from "./orders.ts";
import type { TaskState } from "./task-state.ts";

export function failureOf(error: unknown, _order: MapOrder | ReduceOrder, _task: TaskState): Report {
  const message = error instanceof Error ? error.message : String(error);
  return {
    type: "failed",
    message: message.split("\n")[0] ?? "",
    stack: error instanceof Error ? error.stack : undefined,
    record: undefined,
    retryable: !(isQuorateError(error) && error.code === "ARGUMENT_INVALID"),
  };
}
