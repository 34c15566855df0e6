/** What recovery tells a group about its share of the log. */
import type { Entry, Index, Recovered, Term } from "../../../consensus/consensus.ts";

export interface DamagedEntry {
  readonly index: Index;
  /** Undefined when even the header is lost and only the gap shows that the entry existed. */
  readonly term: Term | undefined;
  readonly file: string;
  /** Byte offset of the frame in the file. */
  readonly position: number;
}

/** Entries that were acknowledged once and cannot be read. The group must get them from its peers before it counts. */
export interface GroupDamage {
  readonly entries: readonly DamagedEntry[];
  /** The readable entries after the first damaged one. */
  readonly intactAfter: readonly Entry[];
  /** Where the log ended before the damage: until it is repaired, only a candidate at least this far may get the vote. */
  readonly lastIndex: Index;
  readonly lastTerm: Term;
}

/** `entries` ends before the first damaged entry. */
export interface RecoveredGroup extends Recovered {
  /** The newest snapshot mark; `snapshot` is undefined too when the mark's membership is damaged: see the snapshot file. */
  readonly snapshotMark: { readonly index: Index; readonly term: Term } | undefined;
  /** Every entry stands for itself: there may be gaps between them. Then all that is intact is in `entries`. */
  readonly slots: boolean;
  /** Entries below were compacted away. */
  readonly compactedBelow: Index;
  /** The vote of `term - 1` was lost: `term` was raised by one, in which no vote was given. */
  readonly ballotRaised: boolean;
  readonly damage: GroupDamage | undefined;
}
