/**
 * From a key to its slot: a hash table of our own over the table's column of keys.
 *
 * Why not a Map: the look-up of the key is most of what a command costs once the keys do not fit the processor's caches,
 * and a Map follows its bucket, one or two entries of a chain and the key of each. Here a bucket holds the hash beside the
 * slot, so that a look-up touches one bucket and, almost always, one key: the right one. A Map also keeps deleted entries
 * in their chains until it is rebuilt, so that a key that comes and goes (a lock) makes its chain long, refuses more than
 * 2^24 entries, and takes twice the memory.
 *
 * Open addressing with linear probing; a removal closes its gap, so nothing is left behind. The table is cut into shards,
 * because growing one moves all of it: a million keys at once would hold everything up for tens of milliseconds.
 */

const SHARD_BITS = 6;
/** Buckets of a shard that holds its first key. */
const FIRST_BUCKETS = 8;
/** Characters of a key that count, as in V8: a longer one is not read whole for its hash. */
const HASHED_MAX = 16_384;
/** No bucket is in use: what a shard without keys looks like. */
const NO_CELLS = new Int32Array(2);

/** Two cells a bucket: the key's hash, and its slot plus one; 0: the bucket is free. */
interface Shard {
  cells: Int32Array;
  /** Number of buckets, a power of two, less one. */
  mask: number;
  count: number;
}

export class KeyIndex {
  private readonly keys: readonly string[];
  private readonly secret: number;
  private readonly multiplier: number;
  private readonly shards: readonly Shard[];

  /**
   * `keys` is the table's column of keys by slot. `secret`: 32 bits that clients must not know, or they could choose keys
   * that all fall into the same bucket.
   */
  constructor(keys: readonly string[], secret: number) {
    this.keys = keys;
    this.secret = secret | 0;
    // Odd, so that no bit is lost, and with bits all over it whatever the secret is.
    this.multiplier = Math.imul(secret | 1, 0x9e37_79b1);
    this.shards = Array.from({ length: 1 << SHARD_BITS }, () => ({ cells: NO_CELLS, mask: 0, count: 0 }));
  }

  /** The slot, or -1. */
  get(key: string): number {
    const { keys } = this;
    const hash = this.hashOf(key);
    const { cells, mask } = this.shardOf(hash);
    for (let at = (hash & mask) << 1; ; at = (at + 2) & (2 * mask + 1)) {
      const slot = cells[at + 1]! - 1;
      if (slot < 0 || (cells[at] === hash && keys[slot] === key)) return slot;
    }
  }

  /** The slot that `get` will most likely give, or -1: found without looking at any key. */
  guess(key: string): number {
    const hash = this.hashOf(key);
    const { cells, mask } = this.shardOf(hash);
    return cells[((hash & mask) << 1) + 1]! - 1;
  }

  /** A key that is absent gets this slot. */
  add(key: string, slot: number): void {
    const hash = this.hashOf(key);
    const shard = this.shardOf(hash);
    // At most two thirds are in use: fuller, runs of used buckets become long.
    if ((shard.count + 1) * 3 > (shard.mask + 1) * 2) grow(shard);
    shard.count++;
    place(shard, hash, slot + 1);
  }

  /** The key in slot `from` is in slot `to` from now on. */
  move(key: string, from: number, to: number): void {
    const hash = this.hashOf(key);
    const { cells, mask } = this.shardOf(hash);
    cells[cellOf(cells, mask, hash, from) + 1] = to + 1;
  }

  /** Removes a key, which is in this slot. */
  delete(key: string, slot: number): void {
    const hash = this.hashOf(key);
    const shard = this.shardOf(hash);
    const { cells, mask } = shard;
    const wrap = 2 * mask + 1;
    shard.count--;
    let gap = cellOf(cells, mask, hash, slot);
    // What lies behind and would not be found over the gap moves into it, and leaves the next gap.
    for (let at = (gap + 2) & wrap; cells[at + 1] !== 0; at = (at + 2) & wrap) {
      const home = (cells[at]! & mask) << 1;
      if (((at - home) & wrap) < ((at - gap) & wrap)) continue;
      cells[gap] = cells[at]!;
      cells[gap + 1] = cells[at + 1]!;
      gap = at;
    }
    cells[gap + 1] = 0;
  }

  /** Two characters at a time: a multiplication waits for the one before it, and there are only so many in a nanosecond. */
  private hashOf(key: string): number {
    const { multiplier } = this;
    const length = Math.min(key.length, HASHED_MAX);
    let hash = this.secret ^ key.length;
    let at = 0;
    for (; at + 1 < length; at += 2) {
      hash = Math.imul(hash ^ (key.charCodeAt(at) | (key.charCodeAt(at + 1) << 8)), multiplier);
      hash ^= hash >>> 15;
    }
    if (at < length) hash = Math.imul(hash ^ key.charCodeAt(at), multiplier);
    hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
    return hash ^ (hash >>> 13);
  }

  /** By other bits than those that choose the bucket. */
  private shardOf(hash: number): Shard {
    return this.shards[hash >>> (32 - SHARD_BITS)]!;
  }
}

/** The first of the two cells of the bucket that holds this hash and slot. */
function cellOf(cells: Int32Array, mask: number, hash: number, slot: number): number {
  let at = (hash & mask) << 1;
  while (cells[at + 1] !== slot + 1) at = (at + 2) & (2 * mask + 1);
  return at;
}

function place({ cells, mask }: Shard, hash: number, entry: number): void {
  let at = (hash & mask) << 1;
  while (cells[at + 1] !== 0) at = (at + 2) & (2 * mask + 1);
  cells[at] = hash;
  cells[at + 1] = entry;
}

function grow(shard: Shard): void {
  const { cells } = shard;
  const buckets = Math.max(FIRST_BUCKETS, cells.length);
  shard.cells = new Int32Array(buckets * 2);
  shard.mask = buckets - 1;
  for (let at = 0; at < cells.length; at += 2) {
    if (cells[at + 1] !== 0) place(shard, cells[at]!, cells[at + 1]!);
  }
}
