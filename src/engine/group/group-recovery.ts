/** Joins what the log and the snapshot files say of a group into what its consensus core starts from. */
import type { Entry, Recovered, SnapshotMeta } from "../../consensus/consensus.ts";
import { QuorateError } from "../../runtime/errors.ts";
import type { LoadedSnapshots, StoredSnapshot } from "./snapshot-store.ts";
import type { GroupDamage, RecoveredGroup } from "./write-ahead-log/write-ahead-log.ts";

export interface GroupRecovery {
  /** A whole beginning: `entries` follow the snapshot without a gap, up to the first damage. */
  readonly recovered: Recovered;
  /** The snapshot whose content the state machine must be given first. */
  readonly snapshot: StoredSnapshot | undefined;
  /**
   * To be appended to the log before anything else: the process died between putting this snapshot in place and writing the
   * mark that starts the log anew. Without it the next entry would leave a gap.
   */
  readonly missingMark: SnapshotMeta | undefined;
  /** Set when something acknowledged is unreadable: the group may not vote freely or lead before its peers replaced it. */
  readonly damage: RecoveryDamage | undefined;
}

export interface RecoveryDamage {
  /** The entries that are unreadable, and the readable ones after them. */
  readonly log: GroupDamage | undefined;
  /** State up to this index was only in a snapshot that is damaged or gone; 0 when no snapshot is missing. */
  readonly snapshotIndex: number;
  /** How far the log reached before: until repaired, only a candidate at least this far may get this node's vote. */
  readonly lastIndex: number;
  readonly lastTerm: number;
  /** What is damaged, naming file and offset. */
  readonly error: QuorateError;
}

/**
 * A damaged newest snapshot is replaced by an older one if the log still holds every entry after that one. Otherwise, and
 * for damaged entries, the damage is reported; a node without peers should raise its `error` (DATA_CORRUPT).
 */
export function recoverGroup(log: RecoveredGroup | undefined, snapshots: LoadedSnapshots): GroupRecovery {
  const snapshot = snapshots.intact[0];
  const index = snapshot?.meta.index ?? 0;
  const intactLog = { snapshot, missingMark: undefined, damage: undefined };
  const base = { term: log?.term ?? 0, votedFor: log?.votedFor, snapshot: snapshot?.meta };
  const needed = neededFrom(log, snapshots);
  if (needed > index + 1) {
    const damage = snapshotDamage(log, snapshots, needed - 1);
    return { ...intactLog, recovered: { ...base, entries: [] }, damage };
  }
  if (log === undefined || conflicts(log, snapshot)) {
    return { ...intactLog, recovered: { ...base, entries: [] }, missingMark: snapshot?.meta };
  }
  const intact = [...log.entries, ...(log.damage?.intactAfter ?? [])];
  const lost = log.damage?.entries.filter((each) => each.index > index) ?? [];
  const firstLost = lost[0]?.index ?? Infinity;
  const entries = unbroken(intact, Math.min(index + 1, firstLost)).filter((each) => each.index < firstLost);
  const intactAfter = intact.filter((each) => each.index > firstLost);
  const damage = log.damage && { ...log.damage, entries: lost, intactAfter };
  return { ...intactLog, recovered: { ...base, entries }, damage: logDamage(damage) };
}

/** The first index whose entry the log holds or should hold: everything before it must be in a snapshot. */
function neededFrom(log: RecoveredGroup | undefined, snapshots: LoadedSnapshots): number {
  const newestDamaged = snapshots.damaged[0]?.index ?? 0;
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
  const { lastIndex, lastTerm } = damage;
  const error = new QuorateError(
    "DATA_CORRUPT",
    `${first.file} at byte ${first.position}: entry ${first.index} is damaged`,
  );
  return { log: damage, snapshotIndex: 0, lastIndex, lastTerm, error };
}

function snapshotDamage(
  log: RecoveredGroup | undefined,
  { damaged }: LoadedSnapshots,
  snapshotIndex: number,
): RecoveryDamage {
  const found = damaged[0]?.error.message ?? "it is not in the data directory";
  const last = log?.entries.at(-1);
  return {
    log: log?.damage,
    snapshotIndex,
    lastIndex: Math.max(log?.damage?.lastIndex ?? 0, last?.index ?? 0, snapshotIndex),
    lastTerm:
      log?.damage?.lastTerm ?? last?.term ?? log?.snapshotMark?.term ?? damaged[0]?.term ?? log?.term ?? 0,
    error: new QuorateError("DATA_CORRUPT", `the snapshot up to entry ${snapshotIndex} is needed: ${found}`),
  };
}
