/** The reduce function of a job's module: groups of sorted records, one after the other. */
import { QuorateError } from "../../runtime/errors.ts";
import type { Fold, Job, Shuffle, Task } from "../job.ts";
import type { KeyOrder } from "../key-order.ts";
import { foldValues } from "./combine.ts";
import type { RecordAtHand } from "./failure.ts";
import { BadRecord, TaskFault, recordText } from "./failure.ts";
import { Groups } from "./groups.ts";
import { isPlainIdentity, writeThrough } from "./identity-reduce.ts";
import type { EmitRecord } from "./module-output.ts";
import { emitterOf, namedOutputs } from "./module-output.ts";
import type { ReduceStageOptions } from "./program.ts";

/** Records between two looks at how far the file system is behind. */
const TURN_RECORDS = 4096;

type Reduce = (key: unknown, values: Iterable<unknown>) => void | Promise<void>;

export async function reduceModule(
  job: Job,
  options: ReduceStageOptions,
  isSameGroup: KeyOrder["isSameGroup"],
): Promise<void> {
  const { shuffle } = job;
  const { outputs, task, records, skipping } = options;
  if (shuffle === undefined)
    throw new QuorateError("ARGUMENT_INVALID", "a job of maps only was begun with reduces");
  const out = {
    emit: emitterOf(outputs.writer("part", job.output.compress), job.output),
    ...namedOutputs(job, outputs),
  };
  await shuffle.reduceStart?.(task);
  const { system } = task.counters;
  const groups = new Groups(records, isSameGroup, () => {
    system.REDUCE_INPUT_RECORDS = groups.records;
    task.tick();
  });
  if (skipping === undefined && isPlainIdentity(job, shuffle)) {
    const writer = outputs.writer("part", job.output.compress);
    await writeThrough(writer, job.output.separator ?? "", groups, records);
  } else await reduceGroups(groups, reducerOf(shuffle, out, task), shuffle, options);
  system.REDUCE_INPUT_RECORDS = groups.records;
  system.REDUCE_INPUT_GROUPS = groups.groups;
  await shuffle.reduceEnd?.(out, task);
  skipping?.good();
}

async function reduceGroups(
  groups: Groups,
  reduce: Reduce,
  { key, value }: Shuffle,
  { outputs, skipping }: ReduceStageOptions,
): Promise<void> {
  for (let settledAt = 0; groups.next();) {
    const { bytes, length } = groups.first;
    const index = groups.groups - 1;
    const atHand = (): RecordAtHand => ({ index, text: recordText(bytes, 0, length) });
    if (skipping?.passesOver(index, atHand) !== true)
      try {
        const waits = reduce(groups.key(key), groups.values(value));
        if (waits !== undefined) await waits;
      } catch (error) {
        // Not the program's: what it was reading from, or where it was writing to.
        if (groups.hasFailed || error instanceof TaskFault) throw error;
        if (skipping === undefined) throw new BadRecord(atHand(), error);
        skipping.bad(atHand(), error);
      }
    groups.leave();
    skipping?.good();
    if (groups.records - settledAt < TURN_RECORDS) continue;
    settledAt = groups.records;
    const waits = outputs.settle();
    if (waits !== undefined) await waits;
  }
}

function reducerOf(shuffle: Shuffle, out: { readonly emit: EmitRecord }, task: Task): Reduce {
  const { reduce } = shuffle;
  if (typeof reduce === "function") return (key, values) => reduce(key, values, out, task);
  const emit = out.emit as (key: unknown, value: unknown) => void;
  if (!("fold" in reduce))
    return (key, values) => {
      for (const value of values) emit(key, value);
    };
  const fold = foldEach(reduce);
  return (key, values) => emit(key, fold(values as Iterable<number>));
}

/** What a fold makes of the values of one key. The combiner has made a 1 of each value that is counted. */
function foldEach({ fold }: Fold): (values: Iterable<number>) => number {
  return (values) => {
    let folded: number | undefined;
    for (const value of values) folded = folded === undefined ? value : foldValues(fold, folded, value);
    return folded ?? 0;
  };
}
