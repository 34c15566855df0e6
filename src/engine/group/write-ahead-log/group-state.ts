/** The little that each group's log needs to say again at the start of every segment, so that older ones can go. */
import type { DurableWrite, Floor, Index, SnapshotMeta, Term } from "../../../consensus/consensus.ts";
import { NO_BYTES } from "../../../runtime/bytes.ts";
import { assert } from "../../../runtime/errors.ts";
import { encodeSnapshotMeta } from "../snapshot-meta.ts";
import type { LogRecord } from "./frame-builder.ts";
import { ballotRecord, chosenRecord, floorRecord } from "./frame-builder.ts";
import type { GroupId } from "./frame.ts";
import type { RecoveredGroup } from "./recovered.ts";

export interface GroupState {
  ballot: DurableWrite["ballot"];
  /** `meta` is undefined when its mark was damaged: the snapshot's file has it. */
  snapshot:
    | { readonly index: Index; readonly term: Term; readonly meta: SnapshotMeta | undefined }
    | undefined;
  compactedBelow: Index;
  floor: Floor | undefined;
  /** Only of a log of slots. */
  slots: { chosen: Index; readonly undecided: Set<Index> } | undefined;
  /** Undefined after a snapshot mark: whether entries follow it depends on terms that only recovery compares. */
  end: { readonly index: Index; readonly term: Term } | undefined;
}

export function emptyGroupState(): GroupState {
  return {
    ballot: undefined,
    snapshot: undefined,
    compactedBelow: 0,
    floor: undefined,
    slots: undefined,
    end: { index: 0, term: 0 },
  };
}

export function groupStateOf(recovered: RecoveredGroup): GroupState {
  const { term, votedFor, snapshot, snapshotMark, entries, compactedBelow, floor, damage } = recovered;
  const last = entries.at(-1);
  return {
    ballot: term > 0 || votedFor !== undefined ? { term, votedFor } : undefined,
    snapshot: snapshotMark && { ...snapshotMark, meta: snapshot },
    compactedBelow,
    floor,
    slots: slotsOf(recovered),
    end:
      damage === undefined
        ? last && { index: last.index, term: last.term }
        : { index: damage.lastIndex, term: damage.lastTerm },
  };
}

function slotsOf({ slots, chosen = 0, entries, damage }: RecoveredGroup): GroupState["slots"] {
  if (!slots) return undefined;
  const stored = [...entries, ...(damage?.entries ?? [])].map(({ index }) => index);
  return { chosen, undecided: new Set(stored.filter((index) => index > chosen)) };
}

/** Takes in a write that is about to become durable. Raises INVARIANT when its entries would leave a gap in the log. */
export function noteWrite(state: GroupState, write: DurableWrite): void {
  const { afresh, floor, ballot, snapshot, entries } = write;
  if (afresh === true) {
    state.snapshot = undefined;
    state.compactedBelow = 0;
    state.end = { index: 0, term: 0 };
    state.slots = undefined;
  }
  if (floor !== undefined) state.floor = floor === "reached" ? undefined : floor;
  if (ballot !== undefined) state.ballot = ballot;
  if (snapshot !== undefined) {
    state.snapshot = { index: snapshot.index, term: snapshot.term, meta: snapshot };
    state.end = undefined;
  }
  if (write.slots === true || state.slots !== undefined) return noteSlots(state, write);
  const first = entries?.[0];
  if (entries === undefined || first === undefined) return;
  assert(
    state.end === undefined || first.index <= state.end.index + 1,
    `entry ${first.index} leaves a gap in the log`,
  );
  entries.forEach((entry, at) => {
    assert(entry.index === first.index + at, `entry ${entry.index} does not follow the one before it`);
  });
  state.end = entries.at(-1);
}

/** There may be gaps, but for what is chosen. */
function noteSlots(state: GroupState, write: DurableWrite): void {
  const { entries = [], snapshot, chosen } = write;
  const slots = (state.slots ??= { chosen: 0, undecided: new Set() });
  const cutFrom = write.slots === true ? Infinity : (entries[0]?.index ?? Infinity);
  for (const index of slots.undecided) if (index >= cutFrom) slots.undecided.delete(index);
  for (const { index } of entries) if (index > slots.chosen) slots.undecided.add(index);
  slots.chosen = Math.max(slots.chosen, chosen ?? 0);
  const decided = Math.max(slots.chosen, snapshot?.index ?? 0);
  for (const index of slots.undecided) if (index <= decided) slots.undecided.delete(index);
}

export function pushCheckpoint(records: LogRecord[], groups: ReadonlyMap<GroupId, GroupState>): void {
  for (const [group, { ballot, snapshot, compactedBelow, floor, slots, end }] of groups) {
    if (floor !== undefined) records.push(floorRecord(group, floor, false));
    if (ballot !== undefined) records.push(ballotRecord(group, ballot));
    const mark = { kind: 0, group, value: NO_BYTES };
    if (snapshot !== undefined) {
      const { index, term, meta } = snapshot;
      const value = meta === undefined ? NO_BYTES : encodeSnapshotMeta(meta);
      const kind = slots === undefined ? 0 : 1;
      records.push({ ...mark, type: "snapshot", kind, index, term, value });
    }
    if (compactedBelow > 0) records.push({ ...mark, type: "compaction", index: compactedBelow, term: 0 });
    if (slots !== undefined) {
      for (const [first, last] of runsOf(slots.undecided))
        records.push({ ...mark, type: "extent", kind: 1, index: last, term: first });
      records.push(chosenRecord(group, slots.chosen));
    } else if (end !== undefined && end.index > 0)
      records.push({ ...mark, type: "extent", index: end.index, term: end.term });
  }
}

/** First and last of each stretch of slots that follow each other. */
function runsOf(indices: ReadonlySet<Index>): readonly (readonly [Index, Index])[] {
  const runs: [Index, Index][] = [];
  for (const index of [...indices].sort((left, right) => left - right)) {
    const last = runs.at(-1);
    if (last?.[1] === index - 1) last[1] = index;
    else runs.push([index, index]);
  }
  return runs;
}
