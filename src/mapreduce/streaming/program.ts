/**
 * streaming: executables as mappers, reducers and combiners, as Hadoop Streaming runs them. A script that was written for Hadoop
 * finds the same words, the same lines, the same environment, and leaves the same files.
 *
 * `program.ts` is what a task runs; `tool.ts` an executable at work; `command-line.ts`, `environment.ts`, `reporter.ts`,
 * `key-split.ts` and `key-fields.ts` are the contract, each part by itself.
 */
import { WHOLE_MAX_BYTES } from "../input/format.ts";
import { QuorateError } from "../../runtime/errors.ts";
import type { Combine } from "../task/combine.ts";
import type { TaskOrder } from "../task/orders.ts";
import type { TaskProgram } from "../task/program.ts";
import type { TaskState } from "../task/task-state.ts";
import type { KeyKind } from "./keys.ts";
import { streamingKeys } from "./keys.ts";
import { streamingSettings } from "./settings.ts";
import { aggregateCombine, streamCombine } from "./stream-combine.ts";
import { identityMap, StreamMap } from "./stream-map.ts";
import { isAggregate, isIdentity, streamReduce } from "./stream-reduce.ts";

/** Throws USAGE and UNSUPPORTED for what the job was submitted with and cannot be. */
export function streamingProgram(order: TaskOrder, task: TaskState): TaskProgram {
  const { spec } = order;
  const { program } = spec;
  if (program.type !== "streaming") throw new QuorateError("INVARIANT", "no streaming program");
  const settings = streamingSettings(spec, program);
  const hasMapper = !isIdentity(program.mapper);
  const keyKind: KeyKind = hasMapper || settings.input === "keyValue" ? "bytes" : "offset";
  const keys = streamingKeys(keyKind, settings.properties, program.partitioner);
  const parts = { program, settings, keys };
  const combine = (): Combine | undefined => {
    if (isAggregate(program)) return aggregateCombine(settings, keys);
    if (program.combiner === undefined || isIdentity(program.combiner)) return undefined;
    return streamCombine(program.combiner, { ...parts, order, task });
  };
  return {
    // Hadoop has no bound for a line; here it is what a task's memory holds.
    framing: () => ({ type: "lines", maxBytes: WHOLE_MAX_BYTES, header: false, quoted: false }),
    keyOrder: { compare: undefined, isSameGroup: undefined, partition: keys.partition },
    combine: combine(),
    fold: undefined,
    openMap: async (options) =>
      hasMapper ? new StreamMap({ ...options, ...parts }) : identityMap({ ...options, ...parts }),
    reduce: (options) => streamReduce({ ...options, ...parts, keyKind }),
  };
}
