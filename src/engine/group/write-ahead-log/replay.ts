/** Folds the records of one group, in the order they were written, into the log that they describe. */
import type { Entry, Floor, Index, SnapshotMeta, Term } from "../../../consensus/consensus.ts";
import type { NodeId } from "../../../runtime/world.ts";
import { isQuorateError } from "../../../runtime/errors.ts";
import { decodeSnapshotMeta } from "../snapshot-meta.ts";
import type { Bytes } from "../../../runtime/bytes.ts";
import type { Decision } from "./decision-table.ts";
import { OWN_SLOT } from "./frame.ts";
import type { RecordHeader } from "./frame.ts";
import type { DamagedEntry, GroupDamage, RecoveredGroup } from "./recovered.ts";
import { SlotTable } from "./slot-table.ts";

const ENTRY_KINDS: readonly Entry["kind"][] = ["command", "noop", "membership"];

export function entryKindCode(kind: Entry["kind"]): number {
  return ENTRY_KINDS.indexOf(kind);
}

export interface Slot {
  readonly index: Index;
  readonly term: Term | undefined;
  /** Undefined: damaged. */
  readonly entry: Entry | undefined;
  readonly file: string;
  readonly position: number;
}

/** Slots without a gap between them. */
interface Run {
  start: Index;
  slots: Slot[];
}

export interface RecordPlace {
  readonly file: string;
  readonly position: number;
}

export class GroupReplay {
  term: Term = 0;
  votedFor: NodeId | undefined;
  ballotRaised = false;
  snapshot: { index: Index; term: Term; meta: SnapshotMeta | undefined } | undefined;
  compactedBelow: Index = 0;
  floor: Floor | undefined;
  private chosen: Index = 0;
  /** Once it is known for a log of slots. */
  private table: SlotTable | undefined;
  /** In order, never touching: two runs are apart only where entries are missing. */
  private runs: Run[] = [];

  apply(header: RecordHeader, value: Bytes | undefined, decision: Decision, place: RecordPlace): void {
    switch (header.type) {
      case "ballot":
        this.ballotRaised = decision === "raise";
        this.term = this.ballotRaised ? header.term + 1 : header.term;
        this.votedFor = header.kind === 1 && value !== undefined ? value.toString("utf8") : undefined;
        break;
      case "entry":
        this.storeEntry(slotOf(header, value, place), header.kind >= OWN_SLOT);
        break;
      case "snapshot":
        if (header.kind === 1) this.markSlots(header, value);
        else this.mark(header, value, place);
        break;
      case "chosen":
        this.chosen = Math.max(this.chosen, header.index);
        this.slots();
        break;
      case "extent":
        if (header.kind === 1) {
          for (let index = header.term; index <= header.index; index++)
            this.slots().claim(index, placeOf(place));
          break;
        }
        // The entries before the extent's own may be gone for good reason; `result` knows which may not.
        if (this.lastStored < header.index) this.store(slotOf(header, undefined, place));
        break;
      case "compaction":
        this.compactedBelow = Math.max(this.compactedBelow, header.index);
        break;
      case "floor":
        this.floor = header.index === 0 ? undefined : { term: header.term, index: header.index };
        if (header.kind === 1) this.beginAfresh();
        // Recovery is over: what was damaged then and is not accepted anew does not matter any more.
        if (this.floor === undefined) this.table?.dropDamaged();
        break;
    }
  }

  private beginAfresh(): void {
    this.snapshot = undefined;
    this.compactedBelow = 0;
    this.runs = [];
    this.table = undefined;
    this.chosen = 0;
  }

  private storeEntry(slot: Slot, forItself: boolean): void {
    if (forItself) return this.slots().put(slot);
    if (this.table === undefined) return this.store(slot);
    this.table.dropFrom(slot.index);
    this.table.put(slot);
  }

  private slots(): SlotTable {
    this.table ??= new SlotTable(this.runs.splice(0).flatMap(({ slots }) => slots));
    return this.table;
  }

  /** A snapshot in a log of slots: what is behind it stays. */
  private markSlots({ index, term }: RecordHeader, value: Bytes | undefined): void {
    if (this.snapshot?.index === index && this.snapshot.term === term) {
      this.snapshot.meta ??= metaOf(value);
      return;
    }
    this.snapshot = { index, term, meta: metaOf(value) };
    this.slots().dropThrough(index);
  }

  /** An entry replaces whatever was stored at its index and after it. */
  private store(slot: Slot): void {
    this.truncateFrom(slot.index);
    const last = this.runs.at(-1);
    if (last !== undefined && last.start + last.slots.length === slot.index) last.slots.push(slot);
    else this.runs.push({ start: slot.index, slots: [slot] });
  }

  private truncateFrom(index: Index): void {
    for (let last = this.runs.at(-1); last !== undefined; last = this.runs.at(-1)) {
      if (last.start + last.slots.length <= index) return;
      last.slots.length = Math.max(0, index - last.start);
      if (last.slots.length > 0) return;
      this.runs.pop();
    }
  }

  /**
   * The log now starts after this snapshot. Entries that follow it stay: those of a log that holds the snapshot's own last
   * entry (Raft section 7). Where that entry is missing through damage nobody can tell, so what follows becomes missing too.
   */
  private mark(header: RecordHeader, value: Bytes | undefined, place: RecordPlace): void {
    const { index, term } = header;
    if (this.snapshot?.index === index && this.snapshot.term === term) {
      this.snapshot.meta ??= metaOf(value);
      return;
    }
    this.snapshot = { index, term, meta: metaOf(value) };
    const at = this.slot(index);
    if (at?.term === term) return;
    const { lastStored } = this;
    const start = this.runs[0]?.start ?? index;
    // That entry was compacted since, so the log had gone on behind it. Had it been of another history, what follows here is
    // replaced by what was stored after the mark.
    if (start > index) return;
    const unknown = at === undefined && start < index;
    this.runs = [];
    for (let lost = index + 1; unknown && lost <= lastStored; lost++) {
      this.store({ index: lost, term: undefined, entry: undefined, ...placeOf(place) });
    }
  }

  private slot(index: Index): Slot | undefined {
    const run = this.runs.findLast(({ start }) => start <= index);
    return run?.slots[index - run.start];
  }

  private get lastStored(): Index {
    const last = this.runs.at(-1);
    return last === undefined ? 0 : last.start + last.slots.length - 1;
  }

  /** `place` names the damage where a whole stretch of the log is missing. */
  result(place: RecordPlace): RecoveredGroup {
    if (this.table !== undefined) return this.slotResult(this.table, placeOf(place));
    const snapshotIndex = this.snapshot?.index ?? 0;
    // Every entry from here on must be there.
    const needed = Math.max(snapshotIndex + 1, this.compactedBelow);
    const lastIndex = Math.max(needed - 1, this.lastStored);
    const entries = this.trailing(Math.min(needed - 1, this.lastStored));
    const intactAfter: Entry[] = [];
    const lost: DamagedEntry[] = [];
    for (let index = needed; index <= this.lastStored; index++) {
      const slot = this.slot(index);
      if (slot?.entry !== undefined) (lost.length === 0 ? entries : intactAfter).push(slot.entry);
      else lost.push({ index, term: slot?.term, ...placeOf(slot ?? place) });
    }
    const lastTerm =
      this.slot(lastIndex)?.term ?? (lastIndex === snapshotIndex ? this.snapshot?.term : undefined);
    const damage: GroupDamage = { entries: lost, intactAfter, lastIndex, lastTerm: lastTerm ?? this.term };
    return this.recovered(entries, lost.length === 0 ? undefined : damage);
  }

  /** Up to the last chosen entry all must be there; behind it, what was stored. */
  private slotResult(table: SlotTable, place: RecordPlace): RecoveredGroup {
    const { chosen, snapshot, compactedBelow } = this;
    const needed = Math.max((snapshot?.index ?? 0) + 1, compactedBelow);
    const lastIndex = Math.max(needed - 1, table.lastIndex, chosen);
    const { entries, lost } = table.read(needed, lastIndex, chosen, compactedBelow, place);
    // No ballot in which anything was accepted is above the promised one.
    const damage = { entries: lost, intactAfter: [], lastIndex, lastTerm: this.term };
    return this.recovered(entries, lost.length === 0 ? undefined : damage);
  }

  private recovered(entries: readonly Entry[], damage: GroupDamage | undefined): RecoveredGroup {
    return {
      term: this.term,
      votedFor: this.votedFor,
      snapshot: this.snapshot?.meta,
      snapshotMark: this.snapshot && { index: this.snapshot.index, term: this.snapshot.term },
      entries,
      floor: this.floor,
      ...(this.chosen > 0 ? { chosen: this.chosen } : {}),
      slots: this.table !== undefined,
      compactedBelow: this.compactedBelow,
      ballotRaised: this.ballotRaised,
      damage,
    };
  }

  /** The unbroken entries up to `index` that were kept for slow followers. Damage among them hurts nobody. */
  private trailing(index: Index): Entry[] {
    const entries: Entry[] = [];
    for (let at = index; at >= Math.max(1, this.compactedBelow); at--) {
      const entry = this.slot(at)?.entry;
      if (entry === undefined) break;
      entries.push(entry);
    }
    return entries.reverse();
  }
}

function placeOf({ file, position }: RecordPlace): RecordPlace {
  return { file, position };
}

function slotOf(header: RecordHeader, value: Bytes | undefined, { file, position }: RecordPlace): Slot {
  const { index, term } = header;
  const kind = ENTRY_KINDS[header.kind % OWN_SLOT];
  const entry = value === undefined || kind === undefined ? undefined : { index, term, kind, payload: value };
  return { index, term, entry, file, position };
}

function metaOf(value: Bytes | undefined): SnapshotMeta | undefined {
  if (value === undefined) return undefined;
  try {
    return decodeSnapshotMeta(value);
  } catch (error) {
    if (isQuorateError(error)) return undefined;
    throw error;
  }
}
