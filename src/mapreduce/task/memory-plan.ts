/** How the memory that a task may use is shared out, so that all of it together stays below the limit. */

export interface MemoryPlan {
  /** V8's old generation, MiB: what the program's own objects may take. */
  readonly heapMiB: number;
  /** One half of V8's young generation, MiB. */
  readonly semiSpaceMiB: number;
  /** Records of a map that wait to be sorted, bytes. */
  readonly sortBytes: number;
  /** Map outputs that a reduce holds in memory, bytes. */
  readonly shuffleBytes: number;
  /** Blocks of runs that are merged, bytes. */
  readonly mergeBytes: number;
}

const MIB = 1024 * 1024;
/** Node.js, its code and its stacks, before a program's first object. */
const BASE_BYTES = 72 * MIB;
export const MEMORY_MIN_BYTES: number = 128 * MIB;

/** `limitBytes`: of the whole process; at least 128 MiB. */
export function memoryPlan(limitBytes: number): MemoryPlan {
  const free = Math.max(limitBytes, MEMORY_MIN_BYTES) - BASE_BYTES;
  return {
    heapMiB: Math.floor((free * 0.45) / MIB),
    semiSpaceMiB: limitBytes >= 256 * MIB ? 8 : 2,
    sortBytes: Math.floor(free * 0.34),
    shuffleBytes: Math.floor(free * 0.3),
    mergeBytes: Math.floor(free * 0.13),
  };
}
