/**
 * Sorts records by the bytes of their keys without comparing most of them: four bytes of each key at a time, as one number,
 * by radix sort; only those that are equal so far are looked at further. Stable: equal keys stay in the order they came in.
 */
import type { CompareBytes } from "../key-order.ts";
import { compareBytes } from "../key-order.ts";

/** Where records lie: four words each, of which record `r` has those from `top - 4 * r`. */
export interface RecordTable {
  readonly bytes: Buffer;
  readonly words: Int32Array;
  readonly top: number;
}
/** Words of a record: where it begins, and behind that these. */
export const KEY_LENGTH = 1;
export const VALUE_LENGTH = 2;
export const PARTITION = 3;

/** Below this, insertion is faster than counting. */
const FEW = 40;
const BYTE_VALUES = 256;
const counts = new Uint32Array(4 * BYTE_VALUES);

/** Room for all records, twice: sorting moves them to and fro. */
export interface SortRoom {
  readonly order: Uint32Array;
  readonly prefixes: Uint32Array;
  readonly otherOrder: Uint32Array;
  readonly otherPrefixes: Uint32Array;
}

export class KeySorter {
  private readonly bytes: Buffer;
  private readonly words: Int32Array;
  private readonly top: number;
  private readonly room: SortRoom;

  constructor(table: RecordTable, room: SortRoom) {
    this.bytes = table.bytes;
    this.words = table.words;
    this.top = table.top;
    this.room = room;
  }

  /** Sorts `order` from `from` to `to`, of which `prefixes` holds the first four bytes. */
  sort(from: number, to: number): void {
    if (to - from < 2) return;
    if (to - from <= FEW) this.insert(from, to, 0);
    else {
      this.radix(from, to);
      this.sortTies(from, to, 4);
    }
  }

  /** The same in an order of the program's. */
  sortBy(compare: CompareBytes, from: number, to: number): void {
    const { bytes, words, top } = this;
    this.room.order.subarray(from, to).sort((left, right) => {
      const one = top - 4 * left;
      const two = top - 4 * right;
      const oneAt = words[one]!;
      const twoAt = words[two]!;
      return (
        compare(
          bytes,
          oneAt,
          oneAt + words[one + KEY_LENGTH]!,
          bytes,
          twoAt,
          twoAt + words[two + KEY_LENGTH]!,
        ) || left - right
      );
    });
  }

  /** The four bytes from `depth` on; zeros stand for those that are not there. */
  prefix(record: number, depth: number): number {
    const word = this.top - 4 * record;
    return prefixOf(this.bytes, this.words[word]! + depth, this.words[word + KEY_LENGTH]! - depth);
  }

  private sortTies(from: number, to: number, depth: number): void {
    const { prefixes } = this.room;
    for (let start = from; start < to;) {
      const prefix = prefixes[start]!;
      let end = start + 1;
      while (end < to && prefixes[end] === prefix) end++;
      if (end - start > 1) this.sortDeeper(start, end, depth);
      start = end;
    }
  }

  /** Records whose keys are equal before `depth`, missing bytes taken as zeros. */
  private sortDeeper(from: number, to: number, depth: number): void {
    if (to - from <= FEW) {
      this.fill(from, to, depth);
      this.insert(from, to, depth);
      return;
    }
    const longest = this.fill(from, to, depth);
    if (longest > depth) {
      this.radix(from, to);
      this.sortTies(from, to, depth + 4);
      return;
    }
    // Nothing is left of any: they differ in how many zeros they end with.
    const { order, prefixes } = this.room;
    for (let at = from; at < to; at++) prefixes[at] = this.words[this.top - 4 * order[at]! + KEY_LENGTH]!;
    this.radix(from, to);
  }

  /** Fills in the prefixes; gives the length of the longest key. */
  private fill(from: number, to: number, depth: number): number {
    const { order, prefixes } = this.room;
    const { bytes, words, top } = this;
    let longest = 0;
    for (let at = from; at < to; at++) {
      const word = top - 4 * order[at]!;
      const length = words[word + KEY_LENGTH]!;
      if (length > longest) longest = length;
      prefixes[at] = prefixOf(bytes, words[word]! + depth, length - depth);
    }
    return longest;
  }

  private insert(from: number, to: number, depth: number): void {
    const { order, prefixes } = this.room;
    for (let at = from + 1; at < to; at++) {
      const record = order[at]!;
      const prefix = prefixes[at]!;
      let free = at;
      for (; free > from; free--) {
        const other = prefixes[free - 1]!;
        if (other < prefix || (other === prefix && this.compare(order[free - 1]!, record, depth) <= 0)) break;
        prefixes[free] = other;
        order[free] = order[free - 1]!;
      }
      prefixes[free] = prefix;
      order[free] = record;
    }
  }

  private compare(left: number, right: number, depth: number): number {
    const { bytes, words, top } = this;
    const one = top - 4 * left;
    const two = top - 4 * right;
    const oneAt = words[one]!;
    const twoAt = words[two]!;
    const oneEnd = oneAt + words[one + KEY_LENGTH]!;
    const twoEnd = twoAt + words[two + KEY_LENGTH]!;
    const order = compareBytes(
      bytes,
      Math.min(oneAt + depth, oneEnd),
      oneEnd,
      bytes,
      Math.min(twoAt + depth, twoEnd),
      twoEnd,
    );
    // Both may have ended before: then all that differs is how many zeros they end with.
    return order || oneEnd - oneAt - (twoEnd - twoAt);
  }

  /** By the prefixes, from their lowest byte to their highest; bytes that are the same in all are passed over. */
  private radix(from: number, to: number): void {
    let { order, prefixes, otherOrder, otherPrefixes } = this.room;
    counts.fill(0);
    for (let at = from; at < to; at++) {
      const prefix = prefixes[at]!;
      counts[prefix & 0xff]!++;
      counts[BYTE_VALUES + ((prefix >>> 8) & 0xff)]!++;
      counts[2 * BYTE_VALUES + ((prefix >>> 16) & 0xff)]!++;
      counts[3 * BYTE_VALUES + (prefix >>> 24)]!++;
    }
    for (let digit = 0; digit < 4; digit++) {
      const base = digit * BYTE_VALUES;
      const shift = digit * 8;
      if (counts[base + ((prefixes[from]! >>> shift) & 0xff)] === to - from) continue;
      let place = from;
      for (let value = base; value < base + BYTE_VALUES; value++) {
        const many = counts[value]!;
        counts[value] = place;
        place += many;
      }
      for (let at = from; at < to; at++) {
        const prefix = prefixes[at]!;
        const target = counts[base + ((prefix >>> shift) & 0xff)]!++;
        otherPrefixes[target] = prefix;
        otherOrder[target] = order[at]!;
      }
      [order, otherOrder] = [otherOrder, order];
      [prefixes, otherPrefixes] = [otherPrefixes, prefixes];
    }
    if (order === this.room.order) return;
    this.room.order.set(order.subarray(from, to), from);
    this.room.prefixes.set(prefixes.subarray(from, to), from);
  }
}

/** Up to four bytes from `at`, of which `length` are there, as an unsigned number. */
export function prefixOf(bytes: Uint8Array, at: number, length: number): number {
  if (length >= 4)
    return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
  if (length <= 0) return 0;
  let prefix = bytes[at]! << 24;
  if (length > 1) prefix |= bytes[at + 1]! << 16;
  if (length > 2) prefix |= bytes[at + 2]! << 8;
  return prefix >>> 0;
}
