/** What the log of one node has called durable, and what that promises. */
import type { DurableWrite, Index, Recovered, Term } from "../../consensus/consensus.ts";
import type { NodeId } from "../../runtime/world.ts";

export interface DurableView {
  term: Term;
  votedFor: NodeId | undefined;
  readonly entries: Map<Index, Term>;
  /**
   * Acknowledged, and damaged since: it still counts, because the floor of the damaged log keeps its node from electing a
   * leader that lacks it (docs/storage.md).
   */
  readonly damaged: Map<Index, Term>;
  snapshotIndex: Index;
  /** Nothing below is kept. */
  compactedBelow: Index;
  /** Writes that are under way: after a crash they may count or not. */
  readonly underWay: Set<DurableWrite>;
}

/** Of an empty disk. */
export function emptyView(): DurableView {
  return {
    term: 0,
    votedFor: undefined,
    entries: new Map(),
    damaged: new Map(),
    snapshotIndex: 0,
    compactedBelow: 1,
    underWay: new Set(),
  };
}

/** Of a disk that was read; `before`: what it had called durable in an earlier life. */
export function viewOf(recovered: Recovered, before: DurableView | undefined): DurableView {
  const floorIndex = recovered.floor?.index ?? 0;
  const snapshotIndex = recovered.snapshot?.index ?? 0;
  const acknowledged = [...(before?.damaged ?? []), ...(before?.entries ?? [])];
  return {
    term: recovered.term,
    votedFor: recovered.votedFor,
    entries: new Map(recovered.entries.map((entry) => [entry.index, entry.term])),
    damaged: new Map(acknowledged.filter(([index]) => index <= floorIndex)),
    snapshotIndex,
    compactedBelow: recovered.entries[0]?.index ?? snapshotIndex + 1,
    underWay: new Set(),
  };
}

/** The write is on the disk. */
export function applyWrite(view: DurableView, write: DurableWrite): void {
  if (write.floor === "reached") view.damaged.clear();
  if (write.afresh === true) {
    view.entries.clear();
    view.snapshotIndex = 0;
    view.compactedBelow = 1;
  }
  if (write.ballot !== undefined) {
    view.term = write.ballot.term;
    view.votedFor = write.ballot.votedFor;
  }
  if (write.snapshot !== undefined) {
    const { index: snapshotIndex, term } = write.snapshot;
    view.snapshotIndex = Math.max(view.snapshotIndex, snapshotIndex);
    // Entries that follow the snapshot stay (Raft section 7); others are dropped.
    const follows = view.entries.get(snapshotIndex) === term;
    const stay = follows || write.slots === true;
    for (const index of view.entries.keys()) if (!stay || index <= snapshotIndex) view.entries.delete(index);
  }
  const first = write.entries?.[0];
  if (first === undefined) return;
  const cut = write.slots === true ? Number.POSITIVE_INFINITY : first.index;
  for (const index of view.entries.keys()) if (index >= cut) view.entries.delete(index);
  for (const entry of write.entries ?? []) view.entries.set(entry.index, entry.term);
}

/** The log gives up what is below; it may stay on the disk for a while. */
export function compact(view: DurableView, belowIndex: Index): void {
  view.compactedBelow = Math.max(view.compactedBelow, belowIndex);
  for (const index of view.entries.keys()) if (index < belowIndex) view.entries.delete(index);
}

export function hasVoted(view: DurableView, term: Term): boolean {
  return view.term > term || (view.term === term && view.votedFor !== undefined);
}

/** Whether some entry is kept at this place, or was before a snapshot. */
export function holds(view: DurableView, index: Index): boolean {
  return index <= view.snapshotIndex || index < view.compactedBelow || view.entries.has(index);
}

/** Whether a disk with an entry of `held` at a place still has what was accepted there in `term`. */
export function keeps(held: Term | undefined, term: Term, entriesKeepTerm: boolean): boolean {
  return held === term || (held !== undefined && held > term && !entriesKeepTerm);
}
