/**
 * Recorded histories: a plain JSON form, so that one checker judges a simulation, a test that kills real processes, and
 * whatever another language's client wrote down.
 *
 *     { "quorateHistory": 1, "model": "store", "operations": [
 *       { "client": "c1", "input": { "command": ["SET", "k", "1"] }, "startMs": 0.5, "endMs": 1.2,
 *         "output": { "status": "OK" } }, … ] }
 *
 * An operation whose outcome is unknown has no `endMs`; one that was refused for certain is not recorded.
 */
import { QuorateError } from "../runtime/errors.ts";
import { checkLinearizability } from "./linearizability.ts";
import type { CheckOptions, Model, Operation, Verdict } from "./linearizability.ts";
import { lockModel } from "./lock-model.ts";
import { registerModel } from "./register-model.ts";
import { storeModel } from "./store-model.ts";

export interface RecordedHistory {
  readonly quorateHistory: 1;
  readonly model: "store" | "lock" | "register";
  readonly operations: readonly Operation<unknown, unknown>[];
}

/** Reads a recorded history. Throws USAGE when the text is not one. */
export function parseHistory(text: string): RecordedHistory {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new QuorateError("USAGE", "a history must be JSON", { cause });
  }
  const history = parsed as Partial<RecordedHistory> | null;
  if (history?.quorateHistory !== 1)
    throw new QuorateError("USAGE", 'a history begins with "quorateHistory": 1');
  if (history.model === undefined || !["store", "lock", "register"].includes(history.model)) {
    throw new QuorateError("USAGE", 'the model of a history is "store", "lock" or "register"');
  }
  if (!Array.isArray(history.operations))
    throw new QuorateError("USAGE", "a history has a list of operations");
  history.operations.forEach((each: Partial<Operation<unknown, unknown>> | null, at) => {
    const valid =
      typeof each?.client === "string" &&
      typeof each.input === "object" &&
      typeof each.startMs === "number" &&
      (each.endMs === undefined || (typeof each.endMs === "number" && each.endMs >= each.startMs));
    if (!valid)
      throw new QuorateError("USAGE", `operation ${at} of the history lacks client, input or valid times`);
  });
  return history as RecordedHistory;
}

/** Judges a recorded history by the model it names. */
export function checkHistory(history: RecordedHistory, options: CheckOptions = {}): Verdict {
  switch (history.model) {
    case "store":
      return judge(storeModel(), history, options);
    case "lock":
      return judge(lockModel, history, options);
    case "register":
      return judge(registerModel, history, options);
  }
}

function judge<State, Input, Output>(
  model: Model<State, Input, Output>,
  history: RecordedHistory,
  options: CheckOptions,
): Verdict {
  return checkLinearizability(model, history.operations as readonly Operation<Input, Output>[], options);
}
