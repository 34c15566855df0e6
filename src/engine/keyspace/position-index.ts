/**
 * From a binary string to its position in an array: a Map that stays fast when the same strings come and go.
 *
 * Why not a bare Map: V8 leaves a deleted entry in its hash chain until the whole table is rebuilt, so a string that is
 * added and removed over and over (a job in a set) grows a chain as long as the table's free space, and every
 * look-up walks it: with 100,000 entries tens of microseconds, with a million hundreds. Here the strings removed
 * last stay in the Map, marked absent, and come back without a new entry; only when others push one out of this ring
 * is it deleted.
 */
const RING = 1024;
/** Up to this size chains are short anyway, and the ring would outweigh the table. */
const SMALL = 64;

/** A Map refuses entry 2^24, and while half of it is not free it grows instead of clearing deleted entries. */
export const INDEX_CAPACITY: number = 2 ** 23 - RING;

export class PositionIndex {
  /** A position, or for an absent string its place in the ring as -1 - place. */
  private readonly entries = new Map<string, number>();
  private ring: (string | undefined)[] | undefined;
  private cursor = 0;
  /** How many entries are marked absent. */
  private absent = 0;

  /** How many strings have a position; keep it within INDEX_CAPACITY. */
  get size(): number {
    return this.entries.size - this.absent;
  }

  /** The position, or -1. */
  get(text: string): number {
    const entry = this.entries.get(text);
    return entry === undefined || entry < 0 ? -1 : entry;
  }

  /** Gives a string, present or not, this position. */
  set(text: string, position: number): void {
    if (this.absent > 0) {
      const entry = this.entries.get(text);
      if (entry !== undefined && entry < 0) {
        this.ring![-1 - entry] = undefined;
        this.absent -= 1;
      }
    }
    this.entries.set(text, position);
  }

  /** Removes a string that is present. */
  delete(text: string): void {
    if (this.size <= SMALL) {
      this.forget();
      this.entries.delete(text);
      return;
    }
    this.ring ??= [];
    const pushedOut = this.ring[this.cursor];
    if (pushedOut === undefined) this.absent += 1;
    else this.entries.delete(pushedOut);
    this.ring[this.cursor] = text;
    this.entries.set(text, -1 - this.cursor);
    this.cursor = (this.cursor + 1) % RING;
  }

  /** An index that became small drops its ring. */
  private forget(): void {
    if (this.ring === undefined) return;
    for (const text of this.ring) if (text !== undefined) this.entries.delete(text);
    this.ring = undefined;
    this.cursor = 0;
    this.absent = 0;
  }
}
