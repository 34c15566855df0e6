/**
 * Chance that replays: one root seed, split into independent named streams.
 *
 * A stream is named by its path ("network", "disk/n2/boot 3"), not by how many numbers were drawn before it, so that a new
 * use of chance somewhere does not change what the others draw, and a seed keeps its meaning while the simulator grows.
 * The generator is sfc32 of Chris Doty-Humphrey's PractRand (128 bits of state, passes its tests).
 */
import type { Random } from "../world.ts";

export class SeededRandom implements Random {
  private readonly key: readonly [number, number, number, number];
  private a: number;
  private b: number;
  private c: number;
  private counter = 1;

  private constructor(key: readonly [number, number, number, number]) {
    this.key = key;
    [this.a, this.b, this.c] = key;
    this.counter = key[3] | 1;
    for (let round = 0; round < 12; round++) this.next32();
  }

  /** The root stream of a seed: any whole number in [0, 2^53). */
  static fromSeed(seed: number): SeededRandom {
    const low = seed >>> 0;
    const high = Math.floor(seed / 0x1_0000_0000) >>> 0;
    return new SeededRandom([
      scramble(low ^ 0x9e37_79b9),
      scramble(high ^ 0x85eb_ca6b),
      scramble(low + high),
      1,
    ]);
  }

  /** An independent stream; the same name gives the same stream, whatever was drawn meanwhile. */
  split(name: string): SeededRandom {
    let [w, x, y, z] = this.key;
    for (let at = 0; at < name.length; at++) {
      const code = name.charCodeAt(at);
      w = scramble(w ^ Math.imul(code + 1, 0x9e37_79b1));
      x = scramble(x + w);
      y = scramble(y ^ x);
      z = scramble(z + y);
    }
    return new SeededRandom([w, x, scramble(y ^ name.length), z]);
  }

  next32(): number {
    const result = (this.a + this.b + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (this.c << 21) | (this.c >>> 11);
    this.c = (this.c + result) | 0;
    return result >>> 0;
  }

  float(): number {
    return ((this.next32() >>> 5) * 0x400_0000 + (this.next32() >>> 6)) / 0x20_0000_0000_0000;
  }

  /** True with this probability; draws nothing when it cannot happen. */
  chance(probability: number): boolean {
    return probability > 0 && this.float() < probability;
  }

  /** A uniform number in [low, high). */
  between(low: number, high: number): number {
    return low + (high - low) * this.float();
  }

  /** A uniform integer in [low, high]. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.float() * (high - low + 1));
  }

  /** An exponentially distributed number with this mean. */
  exponential(mean: number): number {
    return -mean * Math.log(1 - this.float());
  }

  /** One of the items. Throws on an empty list. */
  pick<Item>(items: readonly Item[]): Item {
    if (items.length === 0) throw new RangeError("nothing to pick from");
    return items[Math.floor(this.float() * items.length)] as Item;
  }

  /** A copy in random order. */
  shuffle<Item>(items: readonly Item[]): Item[] {
    const shuffled = [...items];
    for (let last = shuffled.length - 1; last > 0; last--) {
      const other = this.integer(0, last);
      [shuffled[last], shuffled[other]] = [shuffled[other] as Item, shuffled[last] as Item];
    }
    return shuffled;
  }
}

/** Mixes 32 bits well (the finalizer of MurmurHash3). */
function scramble(value: number): number {
  let mixed = value | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
  return mixed ^ (mixed >>> 16);
}
