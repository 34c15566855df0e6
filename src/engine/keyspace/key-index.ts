/**
 * From a key to its slot: sixteen Maps instead of one, chosen by a few characters of the key.
 *
 * V8 grows a Map by copying all of it, which for a million keys stops everything for a tenth of a second, and refuses more
 * than 2^24 entries; sixteen of them push both limits out. Keys that agree in the chosen characters share a Map, which is
 * no worse than one Map for all. Keys that come and go, such as locks, stay cheap: see `position-index.ts`.
 */
import { PositionIndex } from "./position-index.ts";

const MAPS = 16;

export class KeyIndex {
  private readonly maps: readonly PositionIndex[] = Array.from({ length: MAPS }, () => new PositionIndex());

  /** The slot, or -1. */
  get(key: string): number {
    return this.mapOf(key).get(key);
  }

  set(key: string, slot: number): void {
    this.mapOf(key).set(key, slot);
  }

  delete(key: string): void {
    this.mapOf(key).delete(key);
  }

  private mapOf(key: string): PositionIndex {
    const { length } = key;
    if (length === 0) return this.maps[0]!;
    const last = key.charCodeAt(length - 1);
    const mixed = last + 5 * key.charCodeAt(length >> 1) + 3 * key.charCodeAt((length * 3) >> 2);
    return this.maps[mixed % MAPS]!;
  }
}
