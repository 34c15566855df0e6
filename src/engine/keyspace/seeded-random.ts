/** Chance that is equal on every replica: a generator seeded by the log entry, restarted for every command. */

/** Mulberry32 over 32 bits of state; `start` with the same numbers gives the same draws. */
export class SeededRandom {
  private state = 0;

  start(seed: number, index: number, position: number): void {
    this.state = (seed ^ Math.imul(index | 0, 0x9e37_79b1) ^ Math.imul(position, 0x85eb_ca6b)) | 0;
  }

  /** A uniform number in [0, 1) with 53 random bits. */
  next(): number {
    return ((this.bits() >>> 5) * 0x400_0000 + (this.bits() >>> 6)) / 0x20_0000_0000_0000;
  }

  private bits(): number {
    this.state = (this.state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return mixed ^ (mixed >>> 14);
  }
}
