/** Chance for jitter and sampling: the small fast generator sfc32 (Chris Doty-Humphrey, PractRand), seeded from crypto. */
import { randomFillSync } from "node:crypto";
import type { Random } from "../world.ts";

/** A generator with a seed of its own from the machine's entropy. Not for secrets. */
export function createRandom(): Random {
  const seed = randomFillSync(new Uint32Array(4));
  return seededRandom(seed[0] ?? 0, seed[1] ?? 0, seed[2] ?? 0, seed[3] ?? 0);
}

/** The same sequence for the same four 32-bit words. */
export function seededRandom(a: number, b: number, c: number, counter: number): Random {
  const next32 = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  return {
    next32,
    float: () => ((next32() >>> 5) * 2 ** 26 + (next32() >>> 6)) / 2 ** 53,
  };
}
