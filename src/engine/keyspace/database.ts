/**
 * One numbered database: keys to values with expiry, version and memory accounting.
 *
 * Every change of a key goes through `set`, `modify`+`changed`, `delete` or `expireAt`, so that the open snapshot cut, the
 * WATCH versions, the memory estimate and the digest can never be forgotten by a command.
 */
import type { HashValue } from "./collections/hash-value.ts";
import type { ListValue } from "./collections/list-value.ts";
import type { SetValue } from "./collections/set-value.ts";
import type { SortedSetValue } from "./collections/sorted-set-value.ts";
import type { Value } from "./value.ts";

interface Collections {
  readonly hash: HashValue;
  readonly list: ListValue;
  readonly set: SetValue;
  readonly zset: SortedSetValue;
}

export type CollectionType = keyof Collections;

/** The collection class of a value type. */
export type CollectionOf<T extends CollectionType> = Collections[T];

export interface Database {
  readonly index: number;
  /** Number of keys that have a deadline. */
  readonly expiring: number;
  /** Estimated memory of all entries; deterministic. */
  readonly bytes: number;
  /** Number of keys, those that are due but not yet removed included (as Redis counts). */
  readonly size: number;
  /** The live value, or undefined. Counts as an access for LRU/LFU. In a read, a key that is due by the reader's clock but not yet by the log throws TICK_NEEDED. */
  read(key: string): Value | undefined;
  /** As `read`; throws WRONG_TYPE when it is of another type. */
  readString(key: string): string | undefined;
  readCollection<T extends CollectionType>(key: string, type: T): CollectionOf<T> | undefined;
  /** The collection about to be changed in place: tells the open snapshot cut first. Throws WRONG_TYPE. */
  modify<T extends CollectionType>(key: string, type: T): CollectionOf<T> | undefined;
  /**
   * After a change in place: version, memory, digest; removes the key when the collection is empty. Tells `event`, and "del" of a
   * key that went. Without it the command itself tells what happened.
   */
  changed(key: string, event?: string): void;
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
  /** The version a key got at its last change, 0 when absent: what tells whether a chosen victim is still the same. */
  versionOf(key: string): number;
  /**
   * Whether a key, which was there at this revision or not, may have changed since: what ends a transaction that watches it. True
   * also when it is as it was again. Of an absent key, true by chance when another one came to be (`key-creations.ts`).
   */
  changedSince(key: string, wasPresent: boolean, revision: number): boolean;
  /** The keys that are not due, in slot order; nothing may be changed meanwhile. */
  keys(): IterableIterator<string>;
  /**
   * The next keys of a stateless iteration: starts with cursor 0, ends when the returned cursor is 0. Every key that is
   * present during the whole iteration is returned at least once; one may come twice. `count` slots are looked at.
   */
  scan(cursor: number, count: number): { readonly cursor: number; readonly keys: readonly string[] };
  /** A uniformly chosen key that is not due; `random` gives [0, 1). */
  randomKey(random: () => number): string | undefined;
  /** Counts as an access for LRU/LFU; false when there is no such key. */
  touch(key: string): boolean;
  /** The live value without counting as an access. */
  peek(key: string): Value | undefined;
  /** Milliseconds since the last access at this replica: local, differs between replicas. */
  idleMs(key: string): number;
  /** The logarithmic access counter, 0 to 255, at this replica: local, differs between replicas. */
  frequency(key: string): number;
  /** Tells an event of a class (`events.ts`), if that class is wanted; those of keys that come to be and expire are told already. */
  notify(eventClass: number, event: string, key: string): void;
  /** Removes every key; cost independent of their number. */
  flush(): void;
}
