/** How keys are compared, grouped and given to partitions, all on their bytes. */

export type CompareBytes = (
  left: Uint8Array,
  leftStart: number,
  leftEnd: number,
  right: Uint8Array,
  rightStart: number,
  rightEnd: number,
) => number;

export type PartitionBytes = (bytes: Buffer, start: number, end: number, partitions: number) => number;

export interface KeyOrder {
  /** Undefined: by bytes, which is many times faster. */
  readonly compare: CompareBytes | undefined;
  /** Whether two neighbours are reduced together. Undefined: equal bytes, or equal in `compare`. */
  readonly isSameGroup:
    | ((
        left: Buffer,
        leftStart: number,
        leftEnd: number,
        right: Buffer,
        rightStart: number,
        rightEnd: number,
      ) => boolean)
    | undefined;
  /** Undefined: by hash of the whole key. */
  readonly partition: PartitionBytes | undefined;
}

export const BY_BYTES: KeyOrder = { compare: undefined, isSameGroup: undefined, partition: undefined };

/** memcmp; a key comes before those that go on where it ends. */
export function compareBytes(
  left: Uint8Array,
  leftStart: number,
  leftEnd: number,
  right: Uint8Array,
  rightStart: number,
  rightEnd: number,
): number {
  const leftLength = leftEnd - leftStart;
  const rightLength = rightEnd - rightStart;
  const end = leftStart + Math.min(leftLength, rightLength);
  for (let at = leftStart, other = rightStart; at < end; at++, other++) {
    const difference = left[at]! - right[other]!;
    if (difference !== 0) return difference;
  }
  return leftLength - rightLength;
}

export function equalBytes(
  left: Uint8Array,
  leftStart: number,
  leftEnd: number,
  right: Uint8Array,
  rightStart: number,
  rightEnd: number,
): boolean {
  if (leftEnd - leftStart !== rightEnd - rightStart) return false;
  for (let at = leftStart, other = rightStart; at < leftEnd; at++, other++)
    if (left[at] !== right[other]) return false;
  return true;
}

/** FNV-1a, with its high bits mixed in at the end: all tasks of a job must agree on it. A signed 32-bit number. */
export function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let hash = HASH_SEED;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, HASH_PRIME);
  return finishHash(hash);
}

export const HASH_SEED: number = 0x811c_9dc5 | 0;
export const HASH_PRIME = 0x0100_0193;

export function finishHash(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35 | 0);
  return mixed ^ (mixed >>> 16);
}

/** The high bits choose the partition: a hash table of one partition still sees all values of the low ones. */
export function partitionOfHash(hash: number, partitions: number): number {
  return Math.floor(((hash >>> 0) / 0x1_0000_0000) * partitions);
}

/** `bounds`: upper bounds, exclusive, of all partitions but the last, ascending. */
export function rangePartition(
  bounds: readonly Buffer[],
  compare: CompareBytes = compareBytes,
): PartitionBytes {
  return (bytes, start, end) => {
    let low = 0;
    let high = bounds.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const bound = bounds[middle]!;
      if (compare(bytes, start, end, bound, 0, bound.length) < 0) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}
