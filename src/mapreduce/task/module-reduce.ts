/** The reduce function of a job's module: groups of sorted records, one after the other. */
import { ByteSink } from "../codec/byte-sink.ts";
import type { Codec } from "../codec/codec.ts";
import { QuorateError } from "../../runtime/errors.ts";
import type { Fold, Job, Shuffle } from "../job.ts";
import type { KeyOrder } from "../key-order.ts";
import { equalBytes } from "../key-order.ts";
import { foldValues } from "./combine.ts";
import { emitterOf, namedOutputs } from "./module-output.ts";
import type { ReduceStageOptions } from "./program.ts";
import type { Records } from "./records.ts";

/** Records between two looks at the clock and at how far the file system is behind. */
const TURN_RECORDS = 4096;

export async function reduceModule(
  job: Job,
  options: ReduceStageOptions,
  isSameGroup: KeyOrder["isSameGroup"],
): Promise<void> {
  const { shuffle } = job;
  const { outputs, task } = options;
  if (shuffle === undefined)
    throw new QuorateError("ARGUMENT_INVALID", "a job of maps only was begun with reduces");
  const out = {
    emit: emitterOf(outputs.writer("part", job.output.compress), job.output),
    ...namedOutputs(job, outputs),
  };
  const { reduce } = shuffle;
  await shuffle.reduceStart?.(task);
  const groups = new Groups(options, isSameGroup, shuffle.value);
  if (typeof reduce !== "function") {
    const each = "fold" in reduce ? foldEach(reduce, shuffle) : undefined;
    while (groups.next()) {
      const key = groups.key(shuffle.key);
      if (each === undefined) for (const value of groups.values()) out.emit(key as never, value as never);
      else out.emit(key as never, each(groups.values() as Iterable<number>) as never);
      const waits = groups.finish();
      if (waits !== undefined) await waits;
    }
  } else
    while (groups.next()) {
      const waits = reduce(groups.key(shuffle.key), groups.values(), out, task);
      if (waits !== undefined) await waits;
      const rest = groups.finish();
      if (rest !== undefined) await rest;
    }
  await shuffle.reduceEnd?.(out, task);
}

/** What a fold makes of the values of one key. A count adds up what the combiner counted. */
function foldEach({ fold }: Fold, { combine }: Shuffle): (values: Iterable<number>) => number {
  if (fold === "count" && combine === undefined)
    return (values) => {
      let many = 0;
      for (const _ of values) many++;
      return many;
    };
  return (values) => {
    let folded: number | undefined;
    for (const value of values) folded = folded === undefined ? value : foldValues(fold, folded, value);
    return folded ?? 0;
  };
}

/** Sorted records in groups, none of which need fit into memory. */
class Groups {
  private readonly records: Records;
  private readonly options: ReduceStageOptions;
  private readonly isSameGroup: KeyOrder["isSameGroup"];
  private readonly value: Codec<unknown>;
  /** The key of the group's first record. */
  private readonly first = new ByteSink();
  /** Whether a record is at hand that was not given yet, and whether it is of the group. */
  private isThere: boolean | undefined;
  private isInside = false;
  private turn = 0;

  constructor(options: ReduceStageOptions, isSameGroup: KeyOrder["isSameGroup"], value: Codec<unknown>) {
    this.options = options;
    this.records = options.records;
    this.isSameGroup = isSameGroup;
    this.value = value;
  }

  /** Goes to the next group. */
  next(): boolean {
    this.isThere ??= this.records.next();
    if (!this.isThere) return false;
    const { bytes, keyStart, keyEnd } = this.records;
    this.first.clear().raw(bytes, keyStart, keyEnd);
    this.isInside = true;
    this.options.task.counters.system.REDUCE_INPUT_GROUPS++;
    return true;
  }

  key(codec: Codec<unknown>): unknown {
    return codec.read(this.first.bytes, 0, this.first.length);
  }

  /** Those of the group, once. */
  *values(): Generator<unknown> {
    while (this.isInside) {
      const { records } = this;
      yield this.value.read(records.bytes, records.valueStart, records.valueEnd);
      this.advance();
    }
  }

  /** Leaves what is left of the group; a promise when it is time to wait for others. */
  finish(): void | Promise<void> {
    while (this.isInside) this.advance();
    if (this.turn < TURN_RECORDS) return undefined;
    this.turn = 0;
    return this.options.outputs.settle();
  }

  private advance(): void {
    const { records, first } = this;
    this.options.task.counters.system.REDUCE_INPUT_RECORDS++;
    if (++this.turn % TURN_RECORDS === 0) this.options.task.tick();
    this.isThere = records.next();
    if (!this.isThere) {
      this.isInside = false;
      return;
    }
    const isSame = this.isSameGroup ?? equalBytes;
    this.isInside = isSame(first.bytes, 0, first.length, records.bytes, records.keyStart, records.keyEnd);
  }
}
