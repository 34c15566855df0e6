/**
 * The replicated log in memory: the entries after a compacted prefix. Raft only ever appends, so that it has no gaps;
 * Multi-Paxos puts an entry into its slot whether or not the slots before it are filled.
 */
import { assert } from "../runtime/errors.ts";
import type { Entry, Index, Term } from "./consensus.ts";

/**
 * Invariant: `entries[i].index === baseIndex + 1 + i` where there is one, and the last is there. The base is the last
 * compacted entry: its term is still known, so that an append that follows it can be checked.
 */
export class Log {
  private entries: (Entry | undefined)[] = [];
  private baseIndex: Index;
  private baseTerm: Term;

  constructor(baseIndex: Index, baseTerm: Term) {
    this.baseIndex = baseIndex;
    this.baseTerm = baseTerm;
  }

  get firstIndex(): Index {
    return this.baseIndex + 1;
  }

  get lastIndex(): Index {
    return this.baseIndex + this.entries.length;
  }

  get lastTerm(): Term {
    return this.entries[this.entries.length - 1]?.term ?? this.baseTerm;
  }

  /** The term at `index`; undefined where the log does not reach, above or below. */
  term(index: Index): Term | undefined {
    return index === this.baseIndex ? this.baseTerm : this.entries[index - this.baseIndex - 1]?.term;
  }

  entry(index: Index): Entry | undefined {
    return this.entries[index - this.baseIndex - 1];
  }

  append(entry: Entry): void {
    assert(entry.index === this.lastIndex + 1, `log gap: ${entry.index} after ${this.lastIndex}`);
    assert(entry.term >= this.lastTerm, `log terms go back at ${entry.index}`);
    this.entries.push(entry);
  }

  /** Puts the entry into its slot, which may leave a gap before it. */
  put(entry: Entry): void {
    assert(entry.index > this.baseIndex, `slot ${entry.index} is compacted`);
    while (this.lastIndex < entry.index - 1) this.entries.push(undefined);
    this.entries[entry.index - this.baseIndex - 1] = entry;
  }

  /** Removes `index` and everything after it. */
  truncateFrom(index: Index): void {
    assert(index > this.baseIndex, `truncation at ${index} reaches into the compacted log`);
    this.entries.length = Math.min(this.entries.length, index - this.baseIndex - 1);
  }

  /** The entries from `from` to `to`; those that are missing are left out. */
  range(from: Index, to: Index): Entry[] {
    const slots = this.entries.slice(
      Math.max(0, from - this.baseIndex - 1),
      Math.max(0, to - this.baseIndex),
    );
    return slots.filter((entry) => entry !== undefined);
  }

  /** The last index up to which there is no gap after `from`. */
  unbrokenFrom(from: Index): Index {
    let index = from;
    while (this.entry(index + 1) !== undefined) index += 1;
    return index;
  }

  /** The entries from `from`: as many as `maxBytes` of payload allow, at least one if there is one, up to a gap. */
  batch(from: Index, maxBytes: number): readonly Entry[] {
    const start = from - this.baseIndex - 1;
    assert(start >= 0, `entry ${from} is compacted`);
    const batch: Entry[] = [];
    let bytes = 0;
    for (let at = start; at < this.entries.length; at += 1) {
      const entry = this.entries[at];
      if (entry === undefined) break;
      bytes += entry.payload.length;
      if (bytes > maxBytes && batch.length > 0) break;
      batch.push(entry);
    }
    return batch;
  }

  /**
   * The highest index, at or below `index`, whose term is at or below `term`: two logs that disagree above can agree there
   * at the most, because terms only grow along a log.
   */
  agreementLimit(index: Index, term: Term): Index {
    let limit = Math.min(index, this.lastIndex);
    while (limit > this.baseIndex && this.term(limit)! > term) limit -= 1;
    return limit;
  }

  /** Forgets the entries up to `index`. */
  compactTo(index: Index): void {
    if (index <= this.baseIndex) return;
    assert(index <= this.lastIndex, `compaction to ${index} past the end ${this.lastIndex}`);
    this.baseTerm = this.term(index)!;
    this.entries = this.entries.slice(index - this.baseIndex);
    this.baseIndex = index;
  }

  /** Forgets everything: the log goes on after (`index`, `term`). */
  reset(index: Index, term: Term): void {
    this.entries = [];
    this.baseIndex = index;
    this.baseTerm = term;
  }
}
