/** What a log of slots holds: an entry for each slot, with gaps (`DurableWrite.slots`). */
import type { Entry, Index } from "../../../consensus/consensus.ts";
import type { DamagedEntry } from "./recovered.ts";
import type { RecordPlace, Slot } from "./replay.ts";

export class SlotTable {
  private readonly slots: Map<Index, Slot>;

  constructor(slots: readonly Slot[]) {
    this.slots = new Map(slots.map((slot) => [slot.index, slot]));
  }

  get lastIndex(): Index {
    let last = 0;
    for (const index of this.slots.keys()) last = Math.max(last, index);
    return last;
  }

  put(slot: Slot): void {
    this.slots.set(slot.index, slot);
  }

  /** Something was stored there: when it is not found, it is lost. */
  claim(index: Index, place: RecordPlace): void {
    if (!this.slots.has(index)) this.put({ index, term: undefined, entry: undefined, ...place });
  }

  dropThrough(index: Index): void {
    for (const each of this.slots.keys()) if (each <= index) this.slots.delete(each);
  }

  dropFrom(index: Index): void {
    for (const each of this.slots.keys()) if (each >= index) this.slots.delete(each);
  }

  /**
   * The entries from `needed` on, and those before it that follow each other (kept for slow followers, from `keptFrom`);
   * and what is lost of it: what was stored and is damaged, and what is missing up to `chosen`. `place` names the latter.
   */
  read(
    needed: Index,
    lastIndex: Index,
    chosen: Index,
    keptFrom: Index,
    place: RecordPlace,
  ): { readonly entries: readonly Entry[]; readonly lost: readonly DamagedEntry[] } {
    const before: Entry[] = [];
    for (let index = needed - 1; index >= Math.max(1, keptFrom); index--) {
      const entry = this.slots.get(index)?.entry;
      if (entry === undefined) break;
      before.push(entry);
    }
    const entries = before.reverse();
    const lost: DamagedEntry[] = [];
    for (let index = needed; index <= lastIndex; index++) {
      const slot = this.slots.get(index);
      if (slot?.entry !== undefined) entries.push(slot.entry);
      else if (slot !== undefined)
        lost.push({ index, term: slot.term, file: slot.file, position: slot.position });
      else if (index <= chosen) lost.push({ index, term: undefined, ...place });
    }
    return { entries, lost };
  }
}
