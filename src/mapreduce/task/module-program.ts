/** A job's module as a program on bytes: where values of the program become bytes, and bytes its values. */
import { ByteSink } from "../codec/byte-sink.ts";
import { endOfParts } from "../codec/composite.ts";
import type { TupleCodec } from "../codec/composite.ts";
import { QuorateError } from "../../runtime/errors.ts";
import type { Job, Mapped, Shuffle } from "../job.ts";
import { jobOf } from "../job-outline.ts";
import type { CompareBytes, KeyOrder, PartitionBytes } from "../key-order.ts";
import { BY_BYTES, equalBytes, hashBytes, partitionOfHash, rangePartition } from "../key-order.ts";
import type { Combine, NumericFold } from "./combine.ts";
import { Groups } from "./groups.ts";
import { openModuleMap } from "./module-map.ts";
import { reduceModule } from "./module-reduce.ts";
import type { TaskProgram } from "./program.ts";

/** Throws ARGUMENT_INVALID when the module exports no job, or one of another version. */
export function moduleProgram(exported: unknown, ranges: readonly string[] | undefined): TaskProgram {
  const job = jobOf(exported);
  const { shuffle } = job;
  const order = shuffle === undefined ? BY_BYTES : keyOrder(shuffle, ranges);
  return {
    framing: (mapper) => inputOf(job, mapper).input.framing,
    keyOrder: order,
    combine: shuffle === undefined ? undefined : combineOf(shuffle),
    fold: shuffle === undefined ? undefined : foldOf(shuffle),
    openMap: (options) => openModuleMap(job, inputOf(job, options.mapper), options),
    reduce: (options) => reduceModule(job, options, order.isSameGroup),
  };
}

function inputOf(job: Job, mapper: number): Mapped<unknown, unknown> {
  const input = job.inputs[mapper];
  if (input === undefined)
    throw new QuorateError("ARGUMENT_INVALID", `input ${mapper} of a job that has ${job.inputs.length}`);
  return input;
}

/** What the collector can fold by itself. */
function foldOf({ combine, value }: Shuffle): NumericFold | undefined {
  if (combine === undefined || !("fold" in combine)) return undefined;
  return { fold: combine.fold, codec: value.name === "integer" ? "integer" : "number" };
}

function keyOrder(shuffle: Shuffle, ranges: readonly string[] | undefined): KeyOrder {
  const { key, sort, group } = shuffle;
  const compare: CompareBytes | undefined =
    sort === undefined
      ? undefined
      : (left, leftStart, leftEnd, right, rightStart, rightEnd) =>
          sort(key.read(left as Buffer, leftStart, leftEnd), key.read(right as Buffer, rightStart, rightEnd));
  return {
    compare,
    isSameGroup: grouping(shuffle, compare),
    partition: partitioning(shuffle, compare, ranges, group),
  };
}

function grouping({ key, group }: Shuffle, compare: CompareBytes | undefined): KeyOrder["isSameGroup"] {
  if (typeof group === "function")
    return (left, leftStart, leftEnd, right, rightStart, rightEnd) =>
      group(key.read(left, leftStart, leftEnd), key.read(right, rightStart, rightEnd)) === 0;
  if (typeof group === "number") {
    const { parts } = key as TupleCodec<unknown>;
    return (left, leftStart, leftEnd, right, rightStart, rightEnd) =>
      equalBytes(
        left,
        leftStart,
        endOfParts(parts, group, left, leftStart, leftEnd),
        right,
        rightStart,
        endOfParts(parts, group, right, rightStart, rightEnd),
      );
  }
  return compare === undefined
    ? undefined
    : (left, leftStart, leftEnd, right, rightStart, rightEnd) =>
        compare(left, leftStart, leftEnd, right, rightStart, rightEnd) === 0;
}

function partitioning(
  { key, partition, totalOrder }: Shuffle,
  compare: CompareBytes | undefined,
  ranges: readonly string[] | undefined,
  group: Shuffle["group"],
): PartitionBytes | undefined {
  if (totalOrder && ranges !== undefined)
    return rangePartition(
      ranges.map((bound) => Buffer.from(bound, "base64")),
      compare,
    );
  if (totalOrder)
    return () => {
      throw new QuorateError("ARGUMENT_INVALID", "a job in total order was begun without its ranges");
    };
  if (partition !== undefined)
    return (bytes, start, end, partitions) => partition(key.read(bytes, start, end), partitions);
  if (typeof group !== "number") return undefined;
  const { parts } = key as TupleCodec<unknown>;
  return (bytes, start, end, partitions) =>
    partitionOfHash(hashBytes(bytes, start, endOfParts(parts, group, bytes, start, end)), partitions);
}

/** The program's combiner over sorted records: called once for each key, with its values. */
function combineOf({ key, value, combine }: Shuffle): Combine | undefined {
  if (combine === undefined || "fold" in combine) return undefined;
  const encoded = new ByteSink();
  return (records, target) => {
    const groups = new Groups(records, undefined, () => undefined);
    const { first } = groups;
    const out = {
      emit(one: unknown): void {
        value.write(one, encoded.clear());
        target.add(first.bytes, 0, first.length, encoded.bytes, 0, encoded.length);
      },
    };
    while (groups.next()) {
      combine(groups.key(key), groups.values(value), out);
      groups.leave();
    }
  };
}
