/**
 * The entries of one database, as columns by slot: slots are dense, and removing an entry moves the last one into its place.
 *
 * Columns instead of an object for each entry save half the memory and most of the garbage collector's work, and dense
 * slots give what a hash table does not: a random key in O(1) (RANDOMKEY, sampling for eviction) and a scan order that
 * survives changes (see `scan`). The order of slots is part of the state: equal on every replica and kept by snapshots.
 */
import { hashText, stir, stirNumber } from "../../wire/digest.ts";
import { DueIndex } from "./due-index.ts";
import { KeyIndex } from "./key-index.ts";
import type { Value } from "./value.ts";

/** Told before the content of a slot changes in any way; see `snapshot-cut.ts`. */
export interface SlotObserver {
  beforeChange(slot: number): void;
}

/** Estimated memory of an entry besides the characters of its key and its value: columns, index, two string headers. */
export const ENTRY_BYTES = 128;
/** What a deadline adds. */
const DEADLINE_BYTES = 16;

/** Words of 32 bits that each entry has in `figures`, in one place so that a write touches one line of cache for all. */
const FIGURES = 6;
const VERSION_LOW = 0;
const VERSION_HIGH = 1;
const SIZE = 2;
const ACCESS = 3;
/** Of the key alone, which never changes, and of the whole entry. */
const KEY_DIGEST = 4;
const DIGEST = 5;

/** Slots of the keys that `foresee` looks at, for as long as it does: so many at once. */
const foreseen = new Int32Array(256);

const TYPE_SEEDS = { string: 1, hash: 2, list: 3, set: 4, zset: 5 } as const;

export class KeyTable {
  readonly keys: string[] = [];
  readonly values: Value[] = [];
  readonly due: DueIndex = new DueIndex(this.keys);
  /** Sum of the entries' digests modulo 2^32: independent of the order in which they came. */
  digest = 0;
  /** Estimated memory; deterministic. */
  bytes = 0;
  observer: SlotObserver | undefined = undefined;
  private readonly index: KeyIndex;
  private seen = 0;
  private figures = new Int32Array(16 * FIGURES);

  /** `hashSecret`: see `key-index.ts`. */
  constructor(hashSecret: number) {
    this.index = new KeyIndex(this.keys, hashSecret);
  }

  get size(): number {
    return this.keys.length;
  }

  /** The slot of a key, or -1. */
  find(key: string): number {
    return this.index.get(key);
  }

  /**
   * Brings what commands with these keys will need into the processor's caches. Each alone would wait for one piece of
   * memory after the other: bucket, key, figures, value. Here the waits for many keys overlap.
   */
  foresee(keys: readonly string[]): void {
    const { index, figures } = this;
    const count = Math.min(keys.length, foreseen.length);
    for (let at = 0; at < count; at++) foreseen[at] = index.guess(keys[at]!);
    let seen = 0;
    for (let at = 0; at < count; at++) {
      const slot = foreseen[at]!;
      if (slot < 0) continue;
      const value = this.values[slot];
      seen +=
        figures[slot * FIGURES]! + this.keys[slot]!.length + (typeof value === "string" ? value.length : 0);
    }
    // Kept, or the compiler would leave out the reading.
    this.seen = seen | 0;
  }

  versionAt(slot: number): number {
    const at = slot * FIGURES;
    return this.figures[at + VERSION_HIGH]! * 0x1_0000_0000 + (this.figures[at + VERSION_LOW]! >>> 0);
  }

  /** The hash of the entry's key alone: equal on every replica, the same for every entry under the key. */
  keyDigestAt(slot: number): number {
    return this.figures[slot * FIGURES + KEY_DIGEST]!;
  }

  /** Estimated memory of the entry. */
  bytesAt(slot: number): number {
    return this.figures[slot * FIGURES + SIZE]! >>> 0;
  }

  /** The access stamp that this replica last gave the entry. Local: not part of the state. */
  accessAt(slot: number): number {
    return this.figures[slot * FIGURES + ACCESS]! >>> 0;
  }

  stampAccess(slot: number, stamp: number): void {
    this.figures[slot * FIGURES + ACCESS] = stamp;
  }

  /** Adds an entry under a key that is absent; `deadlineMs` 0 means none. Gives its slot. */
  insert(key: string, value: Value, version: number, deadlineMs: number): number {
    const slot = this.keys.length;
    this.observer?.beforeChange(slot);
    if ((slot + 1) * FIGURES > this.figures.length) this.grow();
    this.index.add(key, slot);
    this.keys.push(key);
    this.values.push(value);
    this.figures[slot * FIGURES + SIZE] = 0;
    this.figures[slot * FIGURES + DIGEST] = 0;
    this.figures[slot * FIGURES + KEY_DIGEST] = hashText(0, key);
    if (deadlineMs !== 0) this.due.set(slot, deadlineMs);
    this.account(slot, version);
    return slot;
  }

  /** Another value and deadline (0: none) under the same key. */
  replace(slot: number, value: Value, version: number, deadlineMs: number): void {
    this.observer?.beforeChange(slot);
    this.values[slot] = value;
    if (deadlineMs === 0) this.due.remove(slot);
    else this.due.set(slot, deadlineMs);
    this.account(slot, version);
  }

  /** Sets or (0) removes the deadline. */
  setDeadline(slot: number, deadlineMs: number, version: number): void {
    this.observer?.beforeChange(slot);
    if (deadlineMs === 0) this.due.remove(slot);
    else this.due.set(slot, deadlineMs);
    this.account(slot, version);
  }

  /** Brings version, memory and digest up to date with the slot's content. */
  account(slot: number, version: number): void {
    const { figures } = this;
    const at = slot * FIGURES;
    const value = this.values[slot]!;
    const deadline = this.due.deadlineOf(slot);
    figures[at + VERSION_LOW] = version;
    figures[at + VERSION_HIGH] = version / 0x1_0000_0000;
    const valueBytes = typeof value === "string" ? value.length : value.bytes;
    const keyBytes = this.keys[slot]!.length;
    const bytes = ENTRY_BYTES + keyBytes + valueBytes + (deadline === 0 ? 0 : DEADLINE_BYTES);
    const size = Math.min(bytes, 0xffff_ffff);
    this.bytes += size - (figures[at + SIZE]! >>> 0);
    figures[at + SIZE] = size;
    let digest = figures[at + KEY_DIGEST]!;
    if (typeof value === "string") digest = hashText(digest, value);
    else digest = stirNumber(stir(stir(digest, TYPE_SEEDS[value.type]), value.size), value.bytes);
    if (deadline !== 0) digest = stirNumber(digest, deadline);
    digest = stirNumber(digest, version);
    this.digest = (this.digest + digest - figures[at + DIGEST]!) | 0;
    figures[at + DIGEST] = digest;
  }

  remove(slot: number): void {
    const last = this.keys.length - 1;
    this.observer?.beforeChange(slot);
    if (slot !== last) this.observer?.beforeChange(last);
    this.bytes -= this.bytesAt(slot);
    this.digest = (this.digest - this.figures[slot * FIGURES + DIGEST]!) | 0;
    this.index.delete(this.keys[slot]!, slot);
    this.due.remove(slot);
    const key = this.keys.pop()!;
    const value = this.values.pop()!;
    if (slot === last) return;
    this.keys[slot] = key;
    this.values[slot] = value;
    this.index.move(key, last, slot);
    this.due.move(last, slot);
    this.figures.copyWithin(slot * FIGURES, last * FIGURES, (last + 1) * FIGURES);
  }

  private grow(): void {
    const figures = new Int32Array(this.figures.length * 2);
    figures.set(this.figures);
    this.figures = figures;
  }
}
