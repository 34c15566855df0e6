/** Random choices among positions 0 to size - 1; chance comes from the log entry, equal on every replica. */
import { MAX_MEMBERS } from "../collections/member-table.ts";
import type { Execution } from "../execution.ts";
import { OUT_OF_RANGE } from "../reply.ts";

export type Chance = Pick<Execution, "random">;

export function randomPosition(size: number, chance: Chance): number {
  return Math.floor(chance.random() * size);
}

/** `count` distinct positions in random order; all of them, ascending, when there are no more than that. */
export function distinctPositions(size: number, count: number, chance: Chance): number[] {
  if (count >= size) return Array.from({ length: size }, (_, position) => position);
  if (count * 3 > size) {
    // A good part of all: shuffle just that part to the front.
    const positions = Array.from({ length: size }, (_, position) => position);
    for (let at = 0; at < count; at++) {
      const chosen = at + randomPosition(size - at, chance);
      const position = positions[chosen]!;
      positions[chosen] = positions[at]!;
      positions[at] = position;
    }
    return positions.slice(0, count);
  }
  const chosen = new Set<number>();
  while (chosen.size < count) chosen.add(randomPosition(size, chance));
  return [...chosen];
}

/**
 * The positions for a command's signed count, as SRANDMEMBER, HRANDFIELD and ZRANDMEMBER take it: positive asks for so many
 * distinct ones at most, negative for exactly so many with repetition. Redis would send any number of those; here they are
 * no more than a collection could hold. Throws OUT_OF_RANGE.
 */
export function randomPositions(size: number, count: number, chance: Chance): number[] {
  if (count >= 0) return distinctPositions(size, count, chance);
  if (-count > MAX_MEMBERS) throw OUT_OF_RANGE;
  return Array.from({ length: -count }, () => randomPosition(size, chance));
}
