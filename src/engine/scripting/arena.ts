/**
 * Lua's allocator: size classes with free lists over one stretch of linear memory, with a hard end.
 *
 * All of its own state (the free lists and the top) lies inside the stretch, at its start. So a copy of
 * [start, top) is the whole state of a Lua machine, allocator included, and putting that copy back makes the next run
 * begin with exactly the same addresses: that is what makes scripts deterministic. Lua passes the old size of each block,
 * so blocks have no headers.
 */

/** Classes of 8 bytes each up to here; above, four classes to each power of two. */
const SMALL_BYTES = 512;
const SMALL_CLASSES = SMALL_BYTES / 8;
/** Blocks of up to 2^27 bytes: more than any arena holds. */
const CLASSES = SMALL_CLASSES + (27 - 9) * 4;
/** The top, then one list head a class, in 32-bit words. */
const HEADER_BYTES = (1 + CLASSES + 1) * 4;
/** Allocations above this are charged as work, in units of so many bytes: they are cleared, copied or hashed. */
const CHARGED_BYTES_SHIFT = 6;

export interface ArenaEvents {
  /** A block was asked for that does not fit. Must throw. */
  full(): never;
  /** Work that the instruction count does not see. May throw. */
  charge(steps: number): void;
}

export class Arena {
  readonly start: number;
  readonly end: number;
  private readonly words: Int32Array;
  private readonly bytes: Uint8Array;
  private readonly events: ArenaEvents;
  private readonly topAt: number;
  private readonly headsAt: number;

  constructor(memory: ArrayBuffer, start: number, end: number, events: ArenaEvents) {
    this.start = start;
    this.end = end;
    this.words = new Int32Array(memory);
    this.bytes = new Uint8Array(memory);
    this.events = events;
    this.topAt = start >> 2;
    this.headsAt = this.topAt + 1;
  }

  /** Forgets every block. */
  clear(): void {
    this.words.fill(0, this.headsAt, this.headsAt + CLASSES);
    this.words[this.topAt] = this.start + ((HEADER_BYTES + 15) & ~15);
  }

  /** The first byte that no block has used. */
  get top(): number {
    return this.words[this.topAt]!;
  }

  /** lua_Alloc (Lua 5.1 reference manual, section 3.7): allocates, frees and resizes. */
  reallocate(pointer: number, oldSize: number, newSize: number): number {
    if (newSize === 0) {
      if (pointer !== 0) this.give(pointer, sizeClass(oldSize >>> 0));
      return 0;
    }
    const to = sizeClass(newSize >>> 0);
    if (pointer === 0) return this.take(to);
    const from = sizeClass(oldSize >>> 0);
    if (from === to) return pointer;
    const moved = this.take(to);
    this.bytes.copyWithin(moved, pointer, pointer + Math.min(oldSize >>> 0, newSize >>> 0));
    this.give(pointer, from);
    return moved;
  }

  private take(index: number): number {
    const words = this.words;
    const head = words[this.headsAt + index]!;
    const size = index < SMALL_CLASSES ? (index + 1) << 3 : classBytes(index);
    if (size > SMALL_BYTES) this.events.charge(size >>> CHARGED_BYTES_SHIFT);
    if (head !== 0) {
      words[this.headsAt + index] = words[head >> 2]!;
      return head;
    }
    const at = words[this.topAt]!;
    if (at + size > this.end) this.events.full();
    words[this.topAt] = at + size;
    return at;
  }

  private give(pointer: number, index: number): void {
    this.words[pointer >> 2] = this.words[this.headsAt + index]!;
    this.words[this.headsAt + index] = pointer;
  }
}

function sizeClass(size: number): number {
  if (size <= SMALL_BYTES) return (size - 1) >> 3;
  const power = 31 - Math.clz32(size - 1);
  const index = SMALL_CLASSES + (power - 9) * 4 + (((size - 1) >>> (power - 2)) & 3);
  // Larger than any arena: the last class, which never fits.
  return index < CLASSES ? index : CLASSES - 1;
}

function classBytes(index: number): number {
  const power = 9 + ((index - SMALL_CLASSES) >> 2);
  return (5 + ((index - SMALL_CLASSES) & 3)) * 2 ** (power - 2);
}
