/**
 * Where the row of each key of a `NumberTable` is: linear hashing (Litwin, VLDB 1980), whose buckets are small hash tables
 * with open addressing. One bucket after the other is split or made anew as the keys become more, so that no single call
 * takes long: making the index of a million keys anew at once would hold everything up for a tenth of a second and more.
 */
import { assert } from "../../../runtime/errors.ts";

/** What no row is: the answer for a key that is not there. */
export const NO_ROW = -1;

/** An entry is the row plus 1, and above it some bits of the hash, so that a row is seldom looked at in vain. 0: free. */
const ROW_BITS = 27;
const ROW_MASK = 2 ** ROW_BITS - 1;

/** Keys of a bucket on average, at most: with more, one is split. */
const BUCKET_KEYS = 3000;
const FIRST_SLOTS = 16;
/** A bucket is made anew when more of it is taken, or less, so large that so much is. */
const MOST_TAKEN = 0.8;
const TAKEN_ANEW = 0.64;
const LEAST_TAKEN = 0.3;

export class RowIndex {
  private readonly keyOf: (row: number) => number;
  private readonly buckets: Int32Array[] = [new Int32Array(FIRST_SLOTS)];
  /** Keys in each bucket. */
  private readonly taken: number[] = [0];
  private size = 0;
  /** Bits of the hash that tell the bucket; one more for those before `splitNext`, which were split already. */
  private bits = 0;
  private splitNext = 0;

  /** `keyOf`: of every row that was added. */
  constructor(keyOf: (row: number) => number) {
    this.keyOf = keyOf;
  }

  find(key: number): number {
    const hash = hashOf(key);
    const slots = this.buckets[this.bucketOf(hash)]!;
    const tag = tagOf(hash);
    for (let slot = slotOf(hash, slots.length); ; slot = slot + 1 === slots.length ? 0 : slot + 1) {
      const entry = slots[slot]!;
      if (entry === 0) return NO_ROW;
      if ((entry & ~ROW_MASK) !== tag) continue;
      const row = (entry & ROW_MASK) - 1;
      if (this.keyOf(row) === key) return row;
    }
  }

  /** For a key that is not there. */
  add(key: number, row: number): void {
    assert(row < ROW_MASK, "more rows than one table can have");
    const hash = hashOf(key);
    const bucket = this.bucketOf(hash);
    const taken = ++this.taken[bucket]!;
    if (taken > this.buckets[bucket]!.length * MOST_TAKEN) this.resize(bucket, taken);
    enter(this.buckets[bucket]!, hash, tagOf(hash) | (row + 1));
    if (++this.size > this.buckets.length * BUCKET_KEYS) this.split();
  }

  /** Of a key that is there: its row is another one now. */
  move(key: number, from: number, to: number): void {
    const hash = hashOf(key);
    const slots = this.buckets[this.bucketOf(hash)]!;
    slots[slotWith(slots, hash, from)] = tagOf(hash) | (to + 1);
  }

  /** Of a key that is there, and in its row still. */
  remove(key: number, row: number): void {
    const hash = hashOf(key);
    const bucket = this.bucketOf(hash);
    const slots = this.buckets[bucket]!;
    let free = slotWith(slots, hash, row);
    // Those behind it come as near to their places as they can: a search ends at the first free slot.
    for (let slot = free; ;) {
      slot = slot + 1 === slots.length ? 0 : slot + 1;
      const entry = slots[slot]!;
      if (entry === 0) break;
      const home = slotOf(this.hashOfEntry(entry), slots.length);
      const isPastHome = distance(home, slot, slots.length) >= distance(free, slot, slots.length);
      if (!isPastHome) continue;
      slots[free] = entry;
      free = slot;
    }
    slots[free] = 0;
    this.size--;
    const taken = --this.taken[bucket]!;
    if (slots.length > FIRST_SLOTS && taken < slots.length * LEAST_TAKEN) this.resize(bucket, taken);
  }

  private bucketOf(hash: number): number {
    const bucket = hash & ((1 << this.bits) - 1);
    return bucket < this.splitNext ? hash & ((2 << this.bits) - 1) : bucket;
  }

  private hashOfEntry(entry: number): number {
    return hashOf(this.keyOf((entry & ROW_MASK) - 1));
  }

  private resize(bucket: number, keys: number): void {
    const before = this.buckets[bucket]!;
    const slots = newSlots(keys);
    for (const entry of before) if (entry !== 0) enter(slots, this.hashOfEntry(entry), entry);
    this.buckets[bucket] = slots;
  }

  /** Half of the next bucket's keys go to a new one. */
  private split(): void {
    const bucket = this.splitNext;
    const upper = 1 << this.bits;
    const before = this.buckets[bucket]!;
    let going = 0;
    for (const entry of before) if (entry !== 0 && (this.hashOfEntry(entry) & upper) !== 0) going++;
    const staying = this.taken[bucket]! - going;
    const [lower, higher] = [newSlots(staying), newSlots(going)];
    for (const entry of before) {
      if (entry === 0) continue;
      const hash = this.hashOfEntry(entry);
      enter((hash & upper) === 0 ? lower : higher, hash, entry);
    }
    this.buckets[bucket] = lower;
    this.taken[bucket] = staying;
    // Its number is `bucket + upper`.
    this.buckets.push(higher);
    this.taken.push(going);
    this.splitNext++;
    if (this.splitNext < upper) return;
    this.bits++;
    this.splitNext = 0;
  }
}

function newSlots(keys: number): Int32Array {
  return new Int32Array(Math.max(FIRST_SLOTS, Math.ceil(keys / TAKEN_ANEW)));
}

/** Into the first slot that is free for it. */
function enter(slots: Int32Array, hash: number, entry: number): void {
  let slot = slotOf(hash, slots.length);
  while (slots[slot] !== 0) slot = slot + 1 === slots.length ? 0 : slot + 1;
  slots[slot] = entry;
}

/** Where the entry of a row is, which must be there. */
function slotWith(slots: Int32Array, hash: number, row: number): number {
  const entry = tagOf(hash) | (row + 1);
  let slot = slotOf(hash, slots.length);
  while (slots[slot] !== entry) {
    assert(slots[slot] !== 0, "a row that its index does not know");
    slot = slot + 1 === slots.length ? 0 : slot + 1;
  }
  return slot;
}

/** Slots from one to another, round the end. */
function distance(from: number, to: number, slots: number): number {
  return to >= from ? to - from : to - from + slots;
}

/** Lower bits tell the bucket, upper ones the slot, those between go into the entry. */
function hashOf(key: number): number {
  let hash = (key | 0) ^ Math.imul((key / 0x1_0000_0000) | 0, 0x27d4_eb2f);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return hash ^ (hash >>> 16);
}

function tagOf(hash: number): number {
  return (hash << 14) & ~ROW_MASK;
}

function slotOf(hash: number, slots: number): number {
  return Math.floor(((hash >>> 0) / 0x1_0000_0000) * slots);
}
