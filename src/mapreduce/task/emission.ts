/** Where a map's records go: into the collector, or aside until it is known that the record they come from was a good one. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { ByteSink } from "../codec/byte-sink.ts";
import type { NumericFold } from "./combine.ts";
import { numberCodec } from "./combine.ts";
import type { RecordTarget } from "./records.ts";
import { RunReader } from "./run-reader.ts";
import { RunWriter } from "./run-writer.ts";

export interface Emission extends RecordTarget {
  /** A number that the job folds. */
  fold(bytes: Uint8Array, start: number, end: number, value: number): void;
}

/** What one record's emissions may take in memory; those beyond go to a file of this machine. */
const HELD_MAX_BYTES = 2 * 1024 * 1024;
/** Places of key and value. */
const WORDS = 4;

/** Emissions of one record: all of them reach the collector, or none. */
export class StagedEmission implements Emission {
  private readonly target: Emission;
  private readonly directory: string;
  private readonly numericFold: NumericFold | undefined;
  private readonly held = new ByteSink(4096);
  private places = new Int32Array(WORDS * 64);
  private records = 0;
  private aside: RunWriter | undefined;
  private readonly scratch = new ByteSink(16);

  /** `fold`: how the collector folds, when it does. */
  constructor(target: Emission, directory: string, fold: NumericFold | undefined) {
    this.target = target;
    this.directory = directory;
    this.numericFold = fold;
  }

  add(
    keyBytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    valueBytes: Uint8Array,
    valueStart: number,
    valueEnd: number,
  ): void {
    if (this.aside !== undefined) {
      this.aside.add(keyBytes, keyStart, keyEnd, valueBytes, valueStart, valueEnd);
      return;
    }
    const { held } = this;
    if ((this.records + 1) * WORDS > this.places.length) {
      const more = new Int32Array(this.places.length * 2);
      more.set(this.places);
      this.places = more;
    }
    const at = this.records++ * WORDS;
    this.places[at] = held.length;
    held.raw(keyBytes, keyStart, keyEnd);
    this.places[at + 1] = held.length;
    this.places[at + 2] = held.length;
    held.raw(valueBytes, valueStart, valueEnd);
    this.places[at + 3] = held.length;
    if (held.length + this.places.byteLength > HELD_MAX_BYTES) this.putAside();
  }

  fold(bytes: Uint8Array, start: number, end: number, value: number): void {
    numberCodec(this.numericFold?.codec ?? "number").write(value, this.scratch.clear());
    this.add(bytes, start, end, this.scratch.bytes, 0, this.scratch.length);
  }

  /** The record was good. */
  keep(): void {
    if (this.aside !== undefined) {
      const extent = this.aside.endRun();
      this.aside.close();
      const records = new RunReader({ type: "file", path: this.path, extent }, this.path);
      while (records.next())
        this.forward(records.bytes, records.keyStart, records.keyEnd, records.valueStart, records.valueEnd);
      records.close();
      rmSync(this.path);
      this.aside = undefined;
    }
    const { places, held } = this;
    for (let at = 0; at < this.records * WORDS; at += WORDS)
      this.forward(held.bytes, places[at]!, places[at + 1]!, places[at + 2]!, places[at + 3]!);
    this.clear();
  }

  /** The record was none: nothing of it is left. */
  drop(): void {
    this.aside?.close();
    if (this.aside !== undefined) rmSync(this.path);
    this.aside = undefined;
    this.clear();
  }

  private get path(): string {
    return join(this.directory, "staged");
  }

  private clear(): void {
    this.records = 0;
    this.held.clear();
  }

  private putAside(): void {
    this.aside = new RunWriter(this.path, "none");
    const { places, held, aside } = this;
    for (let at = 0; at < this.records * WORDS; at += WORDS)
      aside.add(held.bytes, places[at]!, places[at + 1]!, held.bytes, places[at + 2]!, places[at + 3]!);
    this.clear();
  }

  private forward(
    bytes: Buffer,
    keyStart: number,
    keyEnd: number,
    valueStart: number,
    valueEnd: number,
  ): void {
    const { target, numericFold } = this;
    if (numericFold === undefined) target.add(bytes, keyStart, keyEnd, bytes, valueStart, valueEnd);
    else
      target.fold(bytes, keyStart, keyEnd, numberCodec(numericFold.codec).read(bytes, valueStart, valueEnd));
  }
}
