/**
 * Numbers by keys, folded as they come: a hash table of bytes with open addressing, so that a word that was seen before costs
 * no object, no string and, as long as it is a frequent one, no way to memory beyond the cache.
 *
 * Slots are pairs of words: the hash, and where the entry lies. An entry is a double (the value), the length of the key, the
 * key, on a multiple of eight bytes: what one look-up needs lies together, and what came early, which is what is frequent, too.
 */
import type { Fold } from "../job.ts";
import { HASH_PRIME, HASH_SEED, finishHash } from "../key-order.ts";

/** Value and length. */
const ENTRY_HEAD_BYTES = 12;
/** Slots that may be in use, of all. */
const LOAD = 0.6;
const FIRST_SLOTS = 1 << 13;
const LEAST_SLOTS = 16;
/** Of an entry with its slots, of words in European languages: how memory is shared out between the two. */
const SLOT_BYTES = 8;
const ENTRY_USUAL_BYTES = 32;

export class CombineTable {
  private readonly fold: Fold["fold"];
  private slots: Int32Array;
  private mask: number;
  private entriesMax: number;
  private readonly slotsMax: number;
  private readonly keys: Buffer;
  private readonly values: Float64Array;
  private readonly lengths: Int32Array;
  /** Bytes of entries. */
  private used = 8;
  entries = 0;

  /** `memoryBytes`: of slots and entries together, at least 1 KiB; it is taken as it is needed. */
  constructor(fold: Fold["fold"], memoryBytes: number) {
    this.fold = fold;
    const slots = memoryBytes / (SLOT_BYTES + LOAD * ENTRY_USUAL_BYTES);
    this.slotsMax = Math.max(LEAST_SLOTS, 2 ** Math.floor(Math.log2(slots)));
    const first = Math.min(FIRST_SLOTS, this.slotsMax);
    this.slots = new Int32Array(2 * first);
    this.mask = first - 1;
    this.entriesMax = Math.floor(first * LOAD);
    const keyBytes = memoryBytes - this.slotsMax * SLOT_BYTES;
    const memory = new ArrayBuffer(keyBytes - (keyBytes % 8));
    this.keys = Buffer.from(memory);
    this.values = new Float64Array(memory);
    this.lengths = new Int32Array(memory);
  }

  /** Longer keys are not for this table. */
  get keyMax(): number {
    return this.keys.length >>> 4;
  }

  /** False: the table is full. */
  add(bytes: Uint8Array, start: number, end: number, value: number): boolean {
    let hash = HASH_SEED;
    for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, HASH_PRIME);
    hash = finishHash(hash);
    const { slots, mask, keys } = this;
    const length = end - start;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const entry = slots[2 * slot + 1]!;
      if (entry === 0) return this.insert(slot, hash, bytes, start, end, value);
      if (slots[2 * slot] !== hash || this.lengths[(entry >> 2) + 2] !== length) continue;
      let key = entry + ENTRY_HEAD_BYTES;
      let at = start;
      while (at < end && keys[key] === bytes[at]) {
        at++;
        key++;
      }
      if (at === end) {
        this.combine(entry >> 3, value);
        return true;
      }
    }
  }

  /** Calls back for each entry, in the order they came in. */
  forEach(give: (bytes: Buffer, start: number, end: number, value: number) => void): void {
    for (let entry = 8; entry < this.used;) {
      const length = this.lengths[(entry >> 2) + 2]!;
      const start = entry + ENTRY_HEAD_BYTES;
      give(this.keys, start, start + length, this.values[entry >> 3]!);
      entry = (start + length + 7) & ~7;
    }
  }

  clear(): void {
    this.slots.fill(0);
    this.used = 8;
    this.entries = 0;
  }

  private insert(
    slot: number,
    hash: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    value: number,
  ): boolean {
    const entry = this.used;
    const length = end - start;
    const next = (entry + ENTRY_HEAD_BYTES + length + 7) & ~7;
    if (next > this.keys.length) return false;
    if (this.entries === this.entriesMax) {
      if (this.mask + 1 >= this.slotsMax) return false;
      this.grow();
      return this.add(bytes, start, end, value);
    }
    this.slots[2 * slot] = hash;
    this.slots[2 * slot + 1] = entry;
    this.values[entry >> 3] = value;
    this.lengths[(entry >> 2) + 2] = length;
    for (let at = start, key = entry + ENTRY_HEAD_BYTES; at < end;) this.keys[key++] = bytes[at++]!;
    this.used = next;
    this.entries++;
    return true;
  }

  /** Twice as many slots; entries stay where they are. */
  private grow(): void {
    const before = this.slots;
    const slots = new Int32Array(before.length * 2);
    const mask = this.mask * 2 + 1;
    for (let at = 0; at < before.length; at += 2) {
      const hash = before[at]!;
      const entry = before[at + 1]!;
      if (entry === 0) continue;
      let slot = hash & mask;
      while (slots[2 * slot + 1] !== 0) slot = (slot + 1) & mask;
      slots[2 * slot] = hash;
      slots[2 * slot + 1] = entry;
    }
    this.slots = slots;
    this.mask = mask;
    this.entriesMax = Math.floor((mask + 1) * LOAD);
  }

  private combine(place: number, value: number): void {
    const { values } = this;
    if (this.fold === "sum" || this.fold === "count") values[place]! += value;
    else if (this.fold === "min") values[place] = Math.min(values[place]!, value);
    else values[place] = Math.max(values[place]!, value);
  }
}
