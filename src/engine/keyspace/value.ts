/**
 * Values: a binary string, or a collection with its own file (hash, list, set, sorted set).
 *
 * Everything about a value is deterministic, the order of its elements included: replicas that applied the same log hold
 * the same bytes in the same order, and a snapshot keeps that order.
 */
import type { ByteWriter } from "../../wire/byte-writer.ts";

export type ValueType = "string" | "hash" | "list" | "set" | "zset";

/** Where a change leaves what takes it back; see `undo-log.ts`. */
export interface UndoRecorder {
  record(step: () => void): void;
}

export interface Collection {
  readonly type: Exclude<ValueType, "string">;
  /** Number of elements; a collection that reaches 0 is removed with its key. */
  readonly size: number;
  /** Deterministic estimate of the memory it takes, maintained as it changes. */
  readonly bytes: number;
  /** While set, every change in place records its inverse here. */
  undo: UndoRecorder | undefined;
  /** What OBJECT ENCODING answers, by Redis 7.0's default thresholds. */
  encoding(): string;
  clone(): Collection;
  /** The content for a snapshot, as it is now; the module exports the matching `read…(reader)`. */
  cut(): CollectionCut;
}

/** What a collection holds, written in pieces while commands go on. */
export interface CollectionCut {
  /** Appends the next elements, about `maxBytes` of them; false when nothing is left to write. */
  advance(writer: ByteWriter, maxBytes: number): boolean;
  /** The collection is about to change: holds on to what it contains now, by a copy of the references. */
  keep(): void;
}

/** Appends a whole collection at once. */
export function writeCollection(writer: ByteWriter, collection: Collection): void {
  collection.cut().advance(writer, Infinity);
}

export type Value = string | Collection;

export function typeOf(value: Value): ValueType {
  return typeof value === "string" ? "string" : value.type;
}
