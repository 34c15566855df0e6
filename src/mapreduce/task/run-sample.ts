/** Samples the input of a job: pieces of it, evenly spread, through the mappers, to learn how keys are spread. */
import type { Chunks } from "../../client/files/driver.ts";
import { connectFiles } from "../../client/files/connect.ts";
import { ByteSink } from "../codec/byte-sink.ts";
import type { SplitPiece } from "../job-spec.ts";
import type { CompareBytes, PartitionBytes } from "../key-order.ts";
import { compareBytes, hashBytes, partitionOfHash, rangePartition } from "../key-order.ts";
import type { Emission } from "./emission.ts";
import type { NumericFold } from "./combine.ts";
import { numberCodec } from "./combine.ts";
import type { Report, Sample, SampleOrder } from "./orders.ts";
import type { TaskProgram } from "./program.ts";
import { SplitPlace, readSplit } from "./split-reader.ts";
import { TaskOutputs } from "./task-outputs.ts";
import type { TaskState } from "./task-state.ts";

/** Places that are read, and how much at each. */
const PLACES = 48;
const PLACE_BYTES = 128 * 1024;
/** Records that are kept of one place. */
const PLACE_RECORDS_MAX = 4096;

type Done = Extract<Report, { readonly type: "done" }>;

/** Enough was read at this place. */
class Enough extends Error {}

export async function runSample(order: SampleOrder, program: TaskProgram, task: TaskState): Promise<Done> {
  const files = connectFiles(order.fileSystem, { user: order.spec.user });
  const discarded = { write: async (_path: string, chunks: Chunks) => discard(chunks) };
  const outputs = new TaskOutputs(discarded, order, task.counters);
  const keys = new SampledKeys(program.fold);
  const { system } = task.counters;
  let firstFailure: { readonly error: unknown } | undefined;
  for (const { mapper, piece } of places(order)) {
    const place = new SplitPlace(piece.path);
    task.place = place;
    const stage = await program.openMap({ order, mapper, collector: keys, outputs, place, task });
    const until = keys.records + PLACE_RECORDS_MAX;
    try {
      await readSplit({
        files,
        split: piece,
        framing: program.framing(mapper),
        place,
        async take(bytes, start, end) {
          if (keys.records >= until) throw new Enough();
          system.MAP_INPUT_RECORDS++;
          system.MAP_INPUT_BYTES += end - start + 1;
          try {
            await stage.record(bytes, start, end);
          } catch (error) {
            // A bad record is for the map to fail on, or to skip.
            firstFailure ??= { error };
          }
        },
        pause: () => task.tick(),
      });
    } catch (error) {
      if (!(error instanceof Enough)) throw error;
    }
    await stage.end();
  }
  await outputs.close();
  files.close();
  if (keys.records === 0 && firstFailure !== undefined) throw firstFailure.error;
  const sample = sampleOf(order, program, keys, system.MAP_INPUT_RECORDS, system.MAP_INPUT_BYTES);
  return {
    type: "done",
    counters: task.counters.snapshot(),
    mapOutput: undefined,
    sample,
    files: [],
    skipped: [],
  };
}

async function discard(chunks: Chunks): Promise<void> {
  for await (const _ of chunks);
}

/** Pieces at even distances of all bytes: the same ones each time. Files that must be read whole are read from their beginning. */
function* places({
  splits,
}: SampleOrder): Generator<{ readonly mapper: number; readonly piece: SplitPiece }> {
  const pieces = splits.flatMap((split) =>
    [split, ...(split.also ?? [])].map((piece) => ({ mapper: split.mapper, piece })),
  );
  const total = pieces.reduce((sum, { piece }) => sum + piece.length, 0);
  const step = total / PLACES;
  let before = 0;
  let next = step / 2;
  for (const { mapper, piece } of pieces) {
    const { path, start, length, whole } = piece;
    if (whole && next < before + length) {
      yield { mapper, piece };
      while (next < before + length) next += step;
    }
    for (; next < before + length; next += step) {
      const offset = Math.floor(next - before);
      yield {
        mapper,
        piece: {
          path,
          start: start + offset,
          length: Math.min(PLACE_BYTES, Math.ceil(step), length - offset),
          whole,
        },
      };
    }
    before += length;
  }
}

/** Keys that were emitted, and how many bytes each record had. */
class SampledKeys implements Emission {
  readonly keys: Buffer[] = [];
  readonly sizes: number[] = [];
  bytes = 0;
  private readonly numericFold: NumericFold | undefined;
  private readonly scratch = new ByteSink(16);

  constructor(fold: NumericFold | undefined) {
    this.numericFold = fold;
  }

  get records(): number {
    return this.keys.length;
  }

  add(
    keyBytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    _: Uint8Array,
    start: number,
    end: number,
  ): void {
    const size = keyEnd - keyStart + end - start;
    this.keys.push(Buffer.from(keyBytes.subarray(keyStart, keyEnd)));
    this.sizes.push(size);
    this.bytes += size;
  }

  fold(bytes: Uint8Array, start: number, end: number, value: number): void {
    numberCodec(this.numericFold?.codec ?? "number").write(value, this.scratch.clear());
    this.add(bytes, start, end, this.scratch.bytes, 0, this.scratch.length);
  }
}

function sampleOf(
  { spec, partitions }: SampleOrder,
  { keyOrder, combine, fold }: TaskProgram,
  { keys, sizes, records, bytes }: SampledKeys,
  inputRecords: number,
  inputBytes: number,
): Sample {
  const order = keyOrder.compare ?? compareBytes;
  const bounds =
    spec.totalOrder === true
      ? quantiles(keys, sizes, partitions, order, combine !== undefined || fold !== undefined)
      : undefined;
  const partition: PartitionBytes =
    bounds === undefined
      ? (keyOrder.partition ?? ((key, start, end, many) => partitionOfHash(hashBytes(key, start, end), many)))
      : rangePartition(bounds, order);
  const shares = Array.from({ length: partitions }, () => 0);
  if (partitions > 0)
    for (const [index, key] of keys.entries()) {
      const which = partition(key, 0, key.length, partitions);
      shares[which] = (shares[which] ?? 0) + (sizes[index] ?? 0) / Math.max(1, bytes);
    }
  return {
    ranges: bounds?.map((bound) => bound.toString("base64")),
    inputRecords,
    inputBytes,
    outputRecords: records,
    outputBytes: bytes,
    shares,
  };
}

/**
 * Keys that cut the sample into parts of as many bytes each; where a combiner makes one record of each key, of as many keys.
 * A key that is more than a part is not cut.
 */
function quantiles(
  keys: readonly Buffer[],
  sizes: readonly number[],
  partitions: number,
  compare: CompareBytes,
  isCombined: boolean,
): readonly Buffer[] {
  const sorted = keys
    .map((key, index) => ({ key, size: sizes[index] ?? 0 }))
    .toSorted((left, right) => compare(left.key, 0, left.key.length, right.key, 0, right.key.length));
  const distinct: { readonly key: Buffer; size: number }[] = [];
  for (const { key, size } of sorted) {
    const last = distinct.at(-1);
    if (last !== undefined && compare(last.key, 0, last.key.length, key, 0, key.length) === 0)
      last.size += isCombined ? 0 : size;
    else distinct.push({ key, size });
  }
  let left = distinct.reduce((sum, { size }) => sum + size, 0);
  const bounds: Buffer[] = [];
  let part = 0;
  for (const { key, size } of distinct) {
    const wanted = left / (partitions - bounds.length);
    if (part > 0 && bounds.length < partitions - 1 && part + size / 2 >= wanted) {
      bounds.push(key);
      left -= part;
      part = 0;
    }
    part += size;
  }
  return bounds;
}
