/** Joins what the log and the snapshot files say of a group into what its consensus core starts from. */
import type { DurableWrite, Entry, Floor, Recovered } from "../../consensus/consensus.ts";
import { QuorateError } from "../../runtime/errors.ts";
import type { LoadedSnapshots, StoredSnapshot } from "./snapshot-store.ts";
import type { GroupDamage, RecoveredGroup } from "./write-ahead-log/write-ahead-log.ts";

export interface GroupRecovery {
  /** A whole beginning: `entries` follow the snapshot without a gap, up to the first damage. */
  readonly recovered: Recovered;
  /** The snapshot whose content the state machine must be given first. */
  readonly snapshot: StoredSnapshot | undefined;
  /**
   * To be durable in the log before the group starts: the floor of a damaged log, which must outlive the damage; and the mark
   * of a snapshot that was put in place just before the process died, without which the next entry would leave a gap.
   */
  readonly repair: DurableWrite | undefined;
  /**
   * Set when something acknowledged is unreadable: `recovered.floor` then keeps the group honest until its peers replaced it.
   * A group without peers must not start.
   */
  readonly damage: RecoveryDamage | undefined;
}

export interface RecoveryDamage {
  /** The entries that are unreadable, and the readable ones after them. */
  readonly log: GroupDamage | undefined;
  /** State up to this index was only in a snapshot that is damaged or gone; 0 when no snapshot is missing. */
  readonly snapshotIndex: number;
  /** How far the log reached before. */
  readonly floor: Floor;
  /** What is damaged, naming file and offset. */
  readonly error: QuorateError;
}

/**
 * A damaged newest snapshot is replaced by an older one if the log still holds every entry after that one. Otherwise, and
 * for damaged entries, the damage is reported, and the group starts from what is intact before it.
 */
export function recoverGroup(log: RecoveredGroup | undefined, snapshots: LoadedSnapshots): GroupRecovery {
  if (log?.slots === true) return recoverSlots(log, snapshots);
  const snapshot = snapshots.intact[0];
  const index = snapshot?.meta.index ?? 0;
  const base = { ...ballotOf(log, snapshot), snapshot: snapshot?.meta, floor: log?.floor };
  const needed = neededFrom(log, snapshots);
  if (needed > index + 1) {
    const damage = snapshotDamage(log, snapshots, needed - 1);
    const floor = laterFloor(log?.floor, damage.floor);
    // What is left of the log does not join the snapshot that is left: it would be in the way of what is fetched.
    const repair = { afresh: true, floor, ...(snapshot && { snapshot: snapshot.meta }) } as const;
    return { snapshot, recovered: { ...base, entries: [], floor }, repair, damage };
  }
  if (log === undefined || conflicts(log, snapshot)) {
    const repair = snapshot && { snapshot: snapshot.meta };
    return { snapshot, recovered: { ...base, entries: [] }, repair, damage: undefined };
  }
  const intact = [...log.entries, ...(log.damage?.intactAfter ?? [])];
  const lost = log.damage?.entries.filter((each) => each.index > index) ?? [];
  const firstLost = lost[0]?.index ?? Infinity;
  const entries = unbroken(intact, Math.min(index + 1, firstLost)).filter((each) => each.index < firstLost);
  const intactAfter = intact.filter((each) => each.index > firstLost);
  const damage = logDamage(log.damage && { ...log.damage, entries: lost, intactAfter });
  if (damage === undefined) return { snapshot, recovered: { ...base, entries }, repair: undefined, damage };
  const floor = laterFloor(log.floor, damage.floor);
  return { snapshot, recovered: { ...base, entries, floor }, repair: { floor }, damage };
}

/**
 * A log of slots: what is intact counts whatever is missing beside it. All up to the last chosen entry must be in the snapshot
 * or in the log, or be known as damaged; what is missing otherwise was compacted, and only a snapshot has it.
 */
function recoverSlots(log: RecoveredGroup, snapshots: LoadedSnapshots): GroupRecovery {
  const snapshot = snapshots.intact[0];
  const index = snapshot?.meta.index ?? 0;
  const { chosen, entries, snapshotMark, compactedBelow } = log;
  const base = { ...ballotOf(log, snapshot), snapshot: snapshot?.meta, floor: log.floor };
  const lost = log.damage?.entries.filter((each) => each.index > index) ?? [];
  const known = new Set([...entries, ...lost].map((each) => each.index));
  // A group that began afresh after damage, and is still recovering, no longer counts on the files of before.
  const newestDamaged = log.floor === undefined ? (snapshots.damaged[0]?.index ?? 0) : 0;
  const end = Math.max(chosen ?? 0, snapshotMark?.index ?? 0, compactedBelow - 1, newestDamaged);
  let missing = end;
  while (missing > index && known.has(missing)) missing--;
  if (missing > index) {
    const found = snapshotDamage(log, snapshots, missing);
    const damage = { ...found, floor: floorOfSlots(log, Math.max(found.floor.index, end)) };
    const repair = {
      afresh: true,
      floor: damage.floor,
      ...(snapshot && { snapshot: snapshot.meta }),
    } as const;
    return { snapshot, recovered: { ...base, entries: [], floor: damage.floor }, repair, damage };
  }
  const whole = { ...base, entries, chosen };
  const damage = logDamage(log.damage && { ...log.damage, entries: lost });
  if (damage === undefined) return { snapshot, recovered: whole, repair: undefined, damage };
  const floor = floorOfSlots(log, damage.floor.index);
  return { snapshot, recovered: { ...whole, floor }, repair: { floor }, damage: { ...damage, floor } };
}

/** As far as anything may have been accepted, in whatever ballot up to the promised one. */
function floorOfSlots({ term, floor, entries }: RecoveredGroup, index: number): Floor {
  const last = entries.at(-1)?.index ?? 0;
  return { term: Math.max(term, floor?.term ?? 0), index: Math.max(index, last, floor?.index ?? 0) };
}

/**
 * A received snapshot may be in place although the term in which it came is not yet on the disk. No vote of a term leaves
 * before that term is on the disk, so none was given in it.
 */
function ballotOf(
  log: RecoveredGroup | undefined,
  snapshot: StoredSnapshot | undefined,
): Pick<Recovered, "term" | "votedFor"> {
  const { term, votedFor } = log ?? { term: 0, votedFor: undefined };
  const least = snapshot?.meta.term ?? 0;
  return least > term ? { term: least, votedFor: undefined } : { term, votedFor };
}

/** The later of two ends of logs, as elections compare them. */
function laterFloor(left: Floor | undefined, right: Floor): Floor {
  if (left === undefined) return right;
  const isLater = left.term > right.term || (left.term === right.term && left.index > right.index);
  return isLater ? left : right;
}

/** The first index whose entry the log holds or should hold: everything before it must be in a snapshot. */
function neededFrom(log: RecoveredGroup | undefined, snapshots: LoadedSnapshots): number {
  // A group that began afresh after damage, and is still recovering, no longer counts on the files of before.
  const newestDamaged = log?.floor === undefined ? (snapshots.damaged[0]?.index ?? 0) : 0;
  if (log === undefined) return newestDamaged + 1;
  const first = log.entries[0]?.index ?? log.damage?.entries[0]?.index;
  // Nothing is stored: the log ended at its snapshot mark, or at a snapshot whose mark was not written any more.
  if (first === undefined)
    return Math.max(log.snapshotMark?.index ?? 0, newestDamaged, log.compactedBelow - 1) + 1;
  return first;
}

/**
 * True when the log does not hold the snapshot's own last entry: the process died after a received snapshot was put in place
 * and before the mark that drops the old log was written.
 */
function conflicts(log: RecoveredGroup, snapshot: StoredSnapshot | undefined): boolean {
  if (snapshot === undefined) return false;
  const { index, term } = snapshot.meta;
  const end = log.snapshotMark?.index ?? 0;
  const last = Math.max(log.damage?.lastIndex ?? log.entries.at(-1)?.index ?? 0, end, log.compactedBelow - 1);
  if (last < index) return true;
  const stored = [...log.entries, ...(log.damage?.intactAfter ?? []), ...(log.damage?.entries ?? [])];
  const own = stored.find((each) => each.index === index);
  // Without a known term (compacted, or damaged beyond its name) the mark decides, and recovery has heeded it.
  return own?.term !== undefined && own.term !== term;
}

/** The entries before and after `index` that follow each other without a gap. */
function unbroken(entries: readonly Entry[], index: number): readonly Entry[] {
  const at = entries.findIndex((each) => each.index >= index);
  const middle = at < 0 ? entries.length : at;
  let from = middle;
  while (from > 0 && entries[from - 1]?.index === index - 1 - (middle - from)) from--;
  let to = middle;
  while (to < entries.length && entries[to]?.index === index + (to - middle)) to++;
  return entries.slice(from, to);
}

function logDamage(damage: GroupDamage | undefined): RecoveryDamage | undefined {
  const first = damage?.entries[0];
  if (damage === undefined || first === undefined) return undefined;
  const floor = { term: damage.lastTerm, index: damage.lastIndex };
  const error = new QuorateError(
    "DATA_CORRUPT",
    `${first.file} at byte ${first.position}: entry ${first.index} is damaged`,
  );
  return { log: damage, snapshotIndex: 0, floor, error };
}

function snapshotDamage(
  log: RecoveredGroup | undefined,
  { damaged }: LoadedSnapshots,
  snapshotIndex: number,
): RecoveryDamage {
  const found = damaged[0]?.error.message ?? "it is not in the data directory";
  const { damage, entries, snapshotMark } = log ?? {};
  // Each of these may be where the log ended. What is known by its index alone gets the latest term that it can have.
  const ends: (Floor | undefined)[] = [
    damage && { term: damage.lastTerm, index: damage.lastIndex },
    entries?.at(-1),
    snapshotMark,
    damaged[0],
  ];
  const known = ends.reduce<Floor>((last, end) => (end === undefined ? last : laterFloor(end, last)), {
    term: 0,
    index: 0,
  });
  const isCovered = ends.some((end) => end !== undefined && end.index >= snapshotIndex);
  const floor = isCovered
    ? { term: known.term, index: known.index }
    : laterFloor(known, { term: log?.term ?? 0, index: snapshotIndex });
  return {
    log: damage,
    snapshotIndex,
    floor,
    error: new QuorateError("DATA_CORRUPT", `the snapshot up to entry ${snapshotIndex} is needed: ${found}`),
  };
}
