/**
 * One numbered database: keys to values with expiry, version and memory accounting.
 *
 * Every change of a key goes through `set`, `modify`+`changed`, `delete` or `expireAt`, so that the open snapshot cut, the
 * WATCH versions, the memory estimate and the digest can never be forgotten by a command.
 */
import type { Collection, Value, ValueType } from "./value.ts";

type CollectionOf<T extends ValueType> = Extract<Collection, { type: T }> & Collection;

export interface Database {
  readonly index: number;
  /** Number of keys, those that are due but not yet removed included (as Redis counts). */
  readonly size: number;
  /** The live value, or undefined. Counts as an access for LRU/LFU. In a read, a key that is due by the reader's clock but not yet by the log throws TICK_NEEDED. */
  read(key: string): Value | undefined;
  /** As `read`; throws WRONG_TYPE when it is of another type. */
  readString(key: string): string | undefined;
  readCollection<T extends Exclude<ValueType, "string">>(key: string, type: T): CollectionOf<T> | undefined;
  /** The collection about to be changed in place: tells the open snapshot cut first. Throws WRONG_TYPE. */
  modify<T extends Exclude<ValueType, "string">>(key: string, type: T): CollectionOf<T> | undefined;
  /** After a change in place: version, memory, digest; removes the key when the collection is empty. */
  changed(key: string): void;
  /** Stores a value; expiry is dropped unless `keepExpiry`. */
  set(
    key: string,
    value: Value,
    options?: { readonly expireAtMs?: number; readonly keepExpiry?: boolean },
  ): void;
  delete(key: string): boolean;
  exists(key: string): boolean;
  /** Unix milliseconds, or undefined for no expiry. */
  expiryOf(key: string): number | undefined;
  /** Sets or (undefined) removes the expiry; false when there is no such key. A time that is past deletes the key. */
  expireAt(key: string, atMs: number | undefined): boolean;
  /** The version a key got at its last change, 0 when absent: what WATCH remembers. */
  versionOf(key: string): number;
  keys(): IterableIterator<string>;
}
