/** The replicated log in memory: a contiguous run of entries after a compacted prefix. */
import { assert } from "../runtime/errors.ts";
import type { Entry, Index, Term } from "./consensus.ts";

/**
 * Invariant: `entries[i].index === baseIndex + 1 + i`. The base is the last compacted entry: its term is still known, so
 * that an append that follows it can be checked.
 */
export class Log {
  private entries: Entry[] = [];
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
    return this.entries.length === 0 ? this.baseTerm : this.entries[this.entries.length - 1]!.term;
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

  /** Removes `index` and everything after it. */
  truncateFrom(index: Index): void {
    assert(index > this.baseIndex, `truncation at ${index} reaches into the compacted log`);
    this.entries.length = Math.min(this.entries.length, index - this.baseIndex - 1);
  }

  /** The entries from `from` to the end. */
  tail(from: Index): Entry[] {
    return this.entries.slice(Math.max(0, from - this.baseIndex - 1));
  }

  /** The entries from `from`: as many as `maxBytes` of payload allow, and at least one if there is one. */
  batch(from: Index, maxBytes: number): readonly Entry[] {
    const start = from - this.baseIndex - 1;
    assert(start >= 0, `entry ${from} is compacted`);
    let end = start;
    let bytes = 0;
    while (end < this.entries.length) {
      bytes += this.entries[end]!.payload.length;
      if (bytes > maxBytes && end > start) break;
      end += 1;
    }
    return this.entries.slice(start, end);
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
