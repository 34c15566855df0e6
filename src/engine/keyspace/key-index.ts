/**
 * From a key to its slot. One Map in practice; V8 refuses a Map beyond 2^24 entries, so a full one is followed by another.
 */
const MAP_CAPACITY = 12_000_000;

export class KeyIndex {
  private readonly maps: Map<string, number>[] = [new Map()];

  /** The slot, or -1. */
  get(key: string): number {
    for (const map of this.maps) {
      const slot = map.get(key);
      if (slot !== undefined) return slot;
    }
    return -1;
  }

  /** `key` must be absent. */
  add(key: string, slot: number): void {
    let map = this.maps[this.maps.length - 1]!;
    if (map.size >= MAP_CAPACITY) {
      const roomy = this.maps.find((candidate) => candidate.size < MAP_CAPACITY);
      if (roomy === undefined) this.maps.push((map = new Map()));
      else map = roomy;
    }
    map.set(key, slot);
  }

  /** `key` must be present. */
  move(key: string, slot: number): void {
    for (const map of this.maps) {
      if (this.maps.length > 1 && !map.has(key)) continue;
      map.set(key, slot);
      return;
    }
  }

  delete(key: string): void {
    for (const map of this.maps) if (map.delete(key)) return;
  }
}
