/** Sorted records from many sources as one sequence, by a tournament of their heads. */
import type { CompareBytes } from "../key-order.ts";
import { compareBytes } from "../key-order.ts";
import { prefixOf } from "./key-sorter.ts";
import type { Records } from "./records.ts";
import { viewOf } from "./records.ts";

/** Behind every prefix: the source has ended. */
const ENDED = 2 ** 32;
const NOTHING = Buffer.alloc(0);
const NO_VIEW = viewOf(NOTHING);

/** Equal keys come in the order of their sources: the same sources give the same sequence. */
export class MergedRecords implements Records {
  bytes: Buffer = NOTHING;
  view: DataView = NO_VIEW;
  keyStart = 0;
  keyEnd = 0;
  valueStart = 0;
  valueEnd = 0;
  private readonly sources: readonly Records[];
  private readonly compare: CompareBytes | undefined;
  /** The first four bytes of each head. */
  private readonly prefixes: Float64Array;
  /** Who lost at each inner place of the tree; the winner of all is apart. */
  private readonly losers: Int32Array;
  private winner = -1;

  constructor(sources: readonly Records[], compare: CompareBytes | undefined) {
    this.sources = sources;
    this.compare = compare;
    this.prefixes = new Float64Array(sources.length).fill(ENDED);
    this.losers = new Int32Array(Math.max(1, sources.length)).fill(-1);
  }

  next(): boolean {
    if (this.sources.length === 0) return false;
    if (this.winner < 0) this.begin();
    else {
      this.advance(this.winner);
      this.replay(this.winner);
    }
    if (this.prefixes[this.winner] === ENDED) return false;
    const head = this.sources[this.winner]!;
    this.bytes = head.bytes;
    this.view = head.view;
    this.keyStart = head.keyStart;
    this.keyEnd = head.keyEnd;
    this.valueStart = head.valueStart;
    this.valueEnd = head.valueEnd;
    return true;
  }

  private begin(): void {
    for (let source = 0; source < this.sources.length; source++) this.advance(source);
    for (let source = 0; source < this.sources.length; source++) this.enter(source);
  }

  private advance(source: number): void {
    const head = this.sources[source]!;
    this.prefixes[source] = head.next()
      ? prefixOf(head.bytes, head.keyStart, head.keyEnd - head.keyStart)
      : ENDED;
  }

  /** First round: whoever finds nobody at a place waits there for the winner of the other side. */
  private enter(source: number): void {
    const { losers } = this;
    let winner = source;
    for (let place = (source + losers.length) >>> 1; place > 0; place >>>= 1) {
      const other = losers[place]!;
      if (other < 0) {
        losers[place] = winner;
        return;
      }
      if (this.comesFirst(other, winner)) {
        losers[place] = winner;
        winner = other;
      }
    }
    this.winner = winner;
  }

  private replay(source: number): void {
    const { losers } = this;
    let winner = source;
    for (let place = (source + losers.length) >>> 1; place > 0; place >>>= 1) {
      const other = losers[place]!;
      if (this.comesFirst(other, winner)) {
        losers[place] = winner;
        winner = other;
      }
    }
    this.winner = winner;
  }

  private comesFirst(left: number, right: number): boolean {
    const one = this.prefixes[left]!;
    const two = this.prefixes[right]!;
    if (this.compare === undefined && one !== two) return one < two;
    if (one === ENDED || two === ENDED) return two === ENDED && (one !== ENDED || left < right);
    const a = this.sources[left]!;
    const b = this.sources[right]!;
    const compare = this.compare ?? compareBytes;
    const order = compare(a.bytes, a.keyStart, a.keyEnd, b.bytes, b.keyStart, b.keyEnd);
    return order === 0 ? left < right : order < 0;
  }
}
