/**
 * What a map emits, until it lies sorted by partition and key in one file: collected in memory, combined, spilled when the
 * memory is full, merged at the end.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { ByteSink } from "../codec/byte-sink.ts";
import type { Codec } from "../codec/codec.ts";
import { QuorateError } from "../../runtime/errors.ts";
import type { KeyOrder } from "../key-order.ts";
import { hashBytes, partitionOfHash } from "../key-order.ts";
import type { Combine, NumericFold } from "./combine.ts";
import { integerBytes } from "../codec/numbers.ts";
import { foldCombine, numberCodec, pour } from "./combine.ts";
import { CombineTable, INLINE_MAX_BYTES } from "./combine-table.ts";
import type { TaskCounters } from "./counters.ts";
import { nextMerge } from "./merge-runs.ts";
import type { Emission } from "./emission.ts";
import { asFault } from "./failure.ts";
import { publishMapOutput } from "./map-output.ts";
import type { MapOutput } from "./orders.ts";
import { MergedRecords } from "./merge.ts";
import type { SortedRecords } from "./record-buffer.ts";
import { RecordBuffer } from "./record-buffer.ts";
import type { Records } from "./records.ts";
import { RunReader } from "./run-reader.ts";
import type { RunExtent } from "./run-writer.ts";
import { RunWriter } from "./run-writer.ts";

export interface CollectorSettings {
  /** The attempt's own. */
  readonly directory: string;
  readonly partitions: number;
  readonly order: KeyOrder;
  readonly combine: Combine | undefined;
  /** In place of `combine`: numbers folded as they come. */
  readonly fold: NumericFold | undefined;
  readonly compress: "none" | "gzip";
  /** Memory for records, bytes. */
  readonly bufferBytes: number;
  /** Files that are merged at a time. */
  readonly mergeMax: number;
  readonly counters: TaskCounters;
  /** Called now and then while records are sorted, written and merged. */
  readonly tick: () => void;
}

interface Spill {
  readonly path: string;
  readonly runs: readonly RunExtent[];
}

/** Of the memory for records, for those that are folded as they come. What is frequent comes early, and stays in the cache. */
const TABLE_SHARE = 0.35;
/** When so many of a full table's records had a key of their own, folding them is not worth the look-up. */
const FOLD_MIN_GAIN = 0.9;

function lengthOf({ runs }: Spill): number {
  return runs.reduce((sum, { length }) => sum + length, 0);
}

export class Collector implements Emission {
  private readonly settings: CollectorSettings;
  private readonly buffer: RecordBuffer;
  private readonly combine: Combine | undefined;
  private table: CombineTable | undefined;
  private readonly codec: Codec<number>;
  /** Bytes that a number will have. */
  private readonly sizeOf: (value: number) => number;
  private readonly scratch = new ByteSink(64);
  private readonly spills: Spill[] = [];
  private files = 0;

  constructor(settings: CollectorSettings) {
    const { fold } = settings;
    this.settings = settings;
    this.combine = fold === undefined ? settings.combine : foldCombine(fold);
    this.codec = numberCodec(fold?.codec ?? "number");
    this.sizeOf = fold?.codec === "integer" ? integerBytes : () => 8;
    const tableBytes = fold === undefined ? 0 : Math.floor(settings.bufferBytes * TABLE_SHARE);
    if (fold !== undefined) this.table = new CombineTable(fold.fold, tableBytes);
    this.buffer = new RecordBuffer(settings.bufferBytes - tableBytes);
  }

  /** Counts the record as emitted. TOO_LARGE: it is larger than the buffer. */
  add(
    keyBytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    valueBytes: Uint8Array,
    valueStart: number,
    valueEnd: number,
  ): void {
    const { system } = this.settings.counters;
    system.MAP_OUTPUT_RECORDS++;
    system.MAP_OUTPUT_BYTES += keyEnd - keyStart + valueEnd - valueStart;
    this.put(keyBytes, keyStart, keyEnd, valueBytes, valueStart, valueEnd);
  }

  /** The same for a number that the job folds. */
  fold(bytes: Uint8Array, start: number, end: number, value: number): void {
    const { system } = this.settings.counters;
    system.MAP_OUTPUT_RECORDS++;
    system.MAP_OUTPUT_BYTES += end - start + this.sizeOf(value);
    const { table } = this;
    if (table === undefined) this.putNumber(bytes, start, end, value);
    else if (end - start <= INLINE_MAX_BYTES) {
      if (!table.add(bytes, start, end, value)) this.emptyTable(table);
    } else if (!table.addLong(bytes, start, end, value)) {
      this.emptyTable(table);
      // It may have been given up, or the key be too long for any.
      if (this.table?.addLong(bytes, start, end, value) !== true) this.putNumber(bytes, start, end, value);
    }
  }

  /** Writes what is left; the output of the attempt. */
  finish(): MapOutput {
    return asFault(() => this.writeOutput());
  }

  private writeOutput(): MapOutput {
    if (this.table !== undefined) this.emptyTable(this.table);
    const { spills } = this;
    // What is still in memory takes part in the last merge from there.
    const inMemory = this.buffer.records > 0 || spills.length === 0 ? this.sort() : undefined;
    const most = this.settings.mergeMax - (inMemory === undefined ? 0 : 1);
    for (let next = nextMerge(spills.map(lengthOf), most); next !== undefined;) {
      spills.splice(next.at, next.many, this.merge(spills.slice(next.at, next.at + next.many), undefined));
      next = nextMerge(spills.map(lengthOf), most);
    }
    const [first] = spills;
    const isMerged = spills.length === 1 && inMemory === undefined;
    const last = first !== undefined && isMerged ? first : this.merge(spills, inMemory);
    const output = publishMapOutput(this.settings.directory, last.path, last.runs);
    for (const length of output.partitions)
      this.settings.counters.system.MAP_OUTPUT_MATERIALIZED_BYTES += length;
    return output;
  }

  private putNumber(bytes: Uint8Array, start: number, end: number, value: number): void {
    this.codec.write(value, this.scratch.clear());
    this.put(bytes, start, end, this.scratch.bytes, 0, this.scratch.length);
  }

  private put(
    keyBytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    valueBytes: Uint8Array,
    valueStart: number,
    valueEnd: number,
  ): void {
    const partition = this.partitionOf(keyBytes, keyStart, keyEnd);
    if (this.buffer.add(partition, keyBytes, keyStart, keyEnd, valueBytes, valueStart, valueEnd)) return;
    if (this.buffer.records > 0) asFault(() => this.spill());
    if (!this.buffer.add(partition, keyBytes, keyStart, keyEnd, valueBytes, valueStart, valueEnd))
      throw new QuorateError(
        "TOO_LARGE",
        `a record of ${keyEnd - keyStart + valueEnd - valueStart} bytes; this task sorts at most ` +
          `${this.buffer.recordMax}: raise the memory of the job`,
      );
  }

  private partitionOf(bytes: Uint8Array, start: number, end: number): number {
    const { partitions, order } = this.settings;
    if (partitions === 1) return 0;
    if (order.partition === undefined) return partitionOfHash(hashBytes(bytes, start, end), partitions);
    const partition = order.partition(bytes as Buffer, start, end, partitions);
    if (Number.isInteger(partition) && partition >= 0 && partition < partitions) return partition;
    throw new QuorateError(
      "ARGUMENT_INVALID",
      `the partitioner gave ${partition}, which is none of 0 to ${partitions - 1}`,
    );
  }

  private emptyTable(table: CombineTable): void {
    table.forEach((bytes, start, end, value) => this.putNumber(bytes, start, end, value));
    const { system } = this.settings.counters;
    system.COMBINE_INPUT_RECORDS += table.added;
    system.COMBINE_OUTPUT_RECORDS += table.entries;
    // Keys hardly come twice: from here on they are sorted as they come.
    if (table.entries > table.added * FOLD_MIN_GAIN) this.table = undefined;
    table.clear();
  }

  private sort(): SortedRecords {
    const sorted = this.buffer.sorted(this.settings.partitions, this.settings.order.compare);
    this.settings.tick();
    return sorted;
  }

  private spill(): void {
    const sorted = this.sort();
    this.spills.push(this.write((partition) => sorted.select(partition)));
    this.buffer.clear();
  }

  /** `inMemory` came after what was spilled. */
  private merge(spills: readonly Spill[], inMemory: SortedRecords | undefined): Spill {
    const merged = this.write((partition) => {
      const last = inMemory?.select(partition);
      if (spills.length === 0 && last !== undefined) return last;
      const readers = spills.map(
        ({ path, runs }) => new RunReader({ type: "file", path, extent: runs[partition]! }, path),
      );
      const sources = last === undefined ? readers : [...readers, last];
      return new MergedRecords(sources, this.settings.order.compare);
    });
    for (const { path } of spills) rmSync(path);
    return merged;
  }

  private write(recordsOf: (partition: number) => Records): Spill {
    const { directory, partitions, compress, counters, tick } = this.settings;
    const path = join(directory, `spill-${this.files++}`);
    const writer = new RunWriter(path, compress);
    const runs: RunExtent[] = [];
    for (let partition = 0; partition < partitions; partition++) {
      const records = recordsOf(partition);
      if (this.combine === undefined) pour(records, writer);
      else this.combine(records, writer);
      runs.push(writer.endRun());
      tick();
    }
    writer.close();
    counters.system.SPILLED_RECORDS += runs.reduce((sum, run) => sum + run.records, 0);
    counters.system.SPILLED_BYTES += writer.size;
    return { path, runs };
  }
}
