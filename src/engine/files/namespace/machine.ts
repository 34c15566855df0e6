/**
 * namespace: the names, attributes and blocks of a file system as a deterministic state machine.
 *
 * It applies commands from the replicated log and answers questions from the local replica. Everything it does is a function
 * of its state, the command and the entry's time; nothing here reads a clock, waits, or does I/O. `state.ts` is the state,
 * `tree.ts` how it is shared with snapshots, `operations/` what the commands do, `questions.ts` the answers,
 * `snapshot-cut.ts` how it is written to disk. What others see is in `model.ts`, `commands.ts`, `replies.ts`, `queries.ts`.
 */
import { assert } from "../../../runtime/errors.ts";
import type { Bytes } from "../../../runtime/bytes.ts";
import { decodeCommand, encodeCommand } from "./command-codec.ts";
import type { CommandType, NamespaceCommand } from "./commands.ts";
import { snapshotDifference } from "./difference.ts";
import type {
  AclStatus,
  BlockId,
  Caller,
  ContentSummary,
  FileStatus,
  Listing,
  NamespaceSettings,
  OpenFile,
  Segment,
  SnapshotDifference,
  SnapshotEntry,
  SnapshottableDirectory,
} from "./model.ts";
import { placeOfFile } from "./operations/content.ts";
import { OPERATIONS } from "./operations/index.ts";
import type { Operation } from "./operations/operation.ts";
import { dueAtMs, RECOVERY_RETRY_MS } from "./operations/recovering.ts";
import * as questions from "./questions.ts";
import type {
  FileSegments,
  IntendedFile,
  NamespaceObserver,
  NamespaceQueries,
  NamespaceStatistics,
  StoredBlock,
} from "./queries.ts";
import type { NamespaceReply } from "./replies.ts";
import { Refusal } from "./replies.ts";
import { NamespaceCut } from "./snapshot-cut.ts";
import { readSnapshot } from "./snapshot-restore.ts";
import { NamespaceState } from "./state.ts";

/** As `AppliedAt` of the group, as far as the namespace uses it. */
export interface AppliedAt {
  /** Log time, Unix milliseconds. */
  readonly timeMs: number;
}

/** Things that one command of upkeep may give up: about a millisecond of work. */
const RECLAIM_LIMIT = 1000;
const EXPIRE_LIMIT = 100;
/** After so long a command of upkeep that was not applied counts as lost. */
const UPKEEP_PATIENCE_MS = 1000;

/** What an operator's safe mode lets through: what ends it, and what closes things without changing any name. */
const IN_SAFE_MODE: ReadonlySet<CommandType> = new Set([
  "configure",
  "setStanding",
  "renewLease",
  "finishRecovery",
  "found",
]);
/** Leave no trace in an inode. */
const UPKEEP: ReadonlySet<CommandType> = new Set(["expireLeases", "reclaim", "emptyTrash"]);

/** An empty namespace. It is a `StateMachine<NamespaceCommand, NamespaceReply>`. */
export function createNamespace(settings: Partial<NamespaceSettings> = {}): NamespaceMachine {
  return new NamespaceMachine(settings);
}

export class NamespaceMachine implements NamespaceQueries {
  private state = new NamespaceState();
  private cut: NamespaceCut | undefined;
  /** When the last command of upkeep was handed out, log time; -Infinity once it was applied. */
  private upkeepSinceMs = -Infinity;
  /** Before this, no lease is due. */
  private leasesDueAtMs = -Infinity;

  /** `settings`: what every replica begins with, and must be the same on all. */
  constructor(settings: Partial<NamespaceSettings>) {
    this.state.settings = { ...this.state.settings, ...settings };
  }

  /** Who is told of changes at this replica. */
  set observer(observer: NamespaceObserver | undefined) {
    this.state.observer = observer;
  }

  get settings(): NamespaceSettings {
    return this.state.settings;
  }

  get key(): string | undefined {
    return this.state.key;
  }

  get nextBlockId(): BlockId {
    return this.state.counters.nextBlockId;
  }

  decode(bytes: Bytes): NamespaceCommand {
    return decodeCommand(bytes);
  }

  /** Never throws: what is wrong with a command is its reply. */
  apply(command: NamespaceCommand, at: AppliedAt): NamespaceReply {
    const { state } = this;
    state.timeMs = Math.floor(at.timeMs);
    // Whatever the command does, nothing that it begins is due before.
    const soonest = state.timeMs + Math.min(state.settings.leaseHardMs, RECOVERY_RETRY_MS);
    this.leasesDueAtMs = Math.min(this.leasesDueAtMs, soonest);
    if (UPKEEP.has(command.type)) this.upkeepSinceMs = -Infinity;
    try {
      if (state.settings.safeMode && !IN_SAFE_MODE.has(command.type)) throw inSafeMode(command.type);
      const reply = (OPERATIONS[command.type] as Operation<CommandType>)(state, command);
      state.counters.revision++;
      return reply;
    } catch (error) {
      if (error instanceof Refusal) return error;
      throw error;
    }
  }

  /** At the leader: leases that ended, deleted things to give up, trash to empty; one at a time. */
  upkeep(nowMs: number): Bytes | undefined {
    const sinceMs = nowMs - this.upkeepSinceMs;
    if (sinceMs >= 0 && sinceMs < UPKEEP_PATIENCE_MS) return undefined;
    const command = this.neededUpkeep(nowMs);
    if (command === undefined) return undefined;
    this.upkeepSinceMs = nowMs;
    return encodeCommand(command);
  }

  /** A consistent cut of the whole state as of now. At most one is open at a time. */
  snapshot(): NamespaceCut {
    assert(this.cut === undefined, "one snapshot at a time");
    this.cut = new NamespaceCut(this.state, this.digest(), () => (this.cut = undefined));
    return this.cut;
  }

  /** Replaces the whole state. Throws DATA_CORRUPT when the bytes are not a whole snapshot or its digest does not fit. */
  restore(chunks: Iterable<Bytes>): void {
    const { observer } = this.state;
    const restored = readSnapshot(chunks);
    this.cut?.close();
    this.state = restored;
    this.upkeepSinceMs = -Infinity;
    this.leasesDueAtMs = -Infinity;
    restored.observer = observer;
    observer?.replaced();
  }

  digest(): number {
    return this.state.digest();
  }

  checkCreate(file: IntendedFile): void {
    if (this.state.settings.safeMode) throw inSafeMode("create");
    placeOfFile(this.state, file, 0);
  }

  checkAppend(path: string, caller: Caller): { status: FileStatus; last: Segment | undefined } {
    if (this.state.settings.safeMode) throw inSafeMode("append");
    return questions.endOf(this.state, path, caller);
  }

  status(path: string, caller: Caller, followLast = true): FileStatus {
    return questions.status(this.state, path, caller, followLast);
  }

  list(path: string, caller: Caller, startAfter: string, limit: number): Listing {
    return questions.list(this.state, path, caller, startAfter, limit);
  }

  checkSummary(path: string, caller: Caller, behind: readonly string[]): readonly string[] | undefined {
    return questions.checkSummary(this.state, path, caller, behind);
  }

  contentSummary(path: string, caller: Caller): ContentSummary {
    return questions.contentSummary(this.state, path, caller);
  }

  segments(path: string, caller: Caller, offset: number, length: number): FileSegments {
    return questions.segments(this.state, path, caller, offset, length);
  }

  linkTarget(path: string, caller: Caller): string {
    return questions.linkTarget(this.state, path, caller);
  }

  acl(path: string, caller: Caller): AclStatus {
    return questions.acl(this.state, path, caller);
  }

  attributes(
    path: string,
    caller: Caller,
    names: readonly string[] | undefined,
  ): ReadonlyMap<string, string> {
    return questions.attributes(this.state, path, caller, names);
  }

  checkAccess(path: string, caller: Caller, permission: number): void {
    questions.checkAccess(this.state, path, caller, permission);
  }

  snapshottable(caller: Caller): readonly SnapshottableDirectory[] {
    return questions.snapshottable(this.state, caller);
  }

  snapshots(path: string, caller: Caller): readonly SnapshotEntry[] {
    return questions.snapshots(this.state, path, caller);
  }

  snapshotDifference(
    path: string,
    caller: Caller,
    from: string,
    to: string,
    limit: number,
  ): { readonly differences: readonly SnapshotDifference[]; readonly more: boolean } {
    return snapshotDifference(this.state, path, caller, from, to, limit);
  }

  block(id: BlockId): StoredBlock | undefined {
    return this.state.storedBlock(id);
  }

  blocks(): IterableIterator<StoredBlock> {
    return questions.blocks(this.state);
  }

  openFiles(): Iterable<OpenFile> {
    return questions.openFiles(this.state);
  }

  statistics(): NamespaceStatistics {
    const { root, blocks, leases, reclaimer, snapshottable } = this.state;
    let snapshots = 0;
    for (const names of snapshottable.values()) {
      snapshots += this.state.nodeAt(names).extras?.snapshots?.length ?? 0;
    }
    const { files, directories, links, length, space } = root;
    return {
      files,
      directories,
      links,
      blocks: blocks.size,
      length,
      space,
      openFiles: leases.size,
      snapshots,
      reclaiming: reclaimer.stack.length,
    };
  }

  private neededUpkeep(nowMs: number): NamespaceCommand | undefined {
    const { settings, reclaimer, counters } = this.state;
    if (settings.safeMode) return undefined;
    if (this.leasesDue(nowMs)) return { type: "expireLeases", limit: EXPIRE_LIMIT };
    if (reclaimer.stack.length > 0) return { type: "reclaim", limit: RECLAIM_LIMIT };
    // The first time only says when the next is: what was thrown away an hour ago stays for the interval.
    const isTrashDue = settings.trashIntervalMs > 0 && counters.emptyTrashAtMs <= nowMs;
    return isTrashDue ? { type: "emptyTrash" } : undefined;
  }

  private leasesDue(nowMs: number): boolean {
    const { state } = this;
    if (this.leasesDueAtMs > nowMs) return false;
    this.leasesDueAtMs = Infinity;
    for (const record of state.leases.all()) {
      this.leasesDueAtMs = Math.min(this.leasesDueAtMs, dueAtMs(state, record));
    }
    return this.leasesDueAtMs <= nowMs;
  }
}

function inSafeMode(type: CommandType): Refusal {
  return new Refusal("SAFE_MODE", `Cannot ${type}. Name node is in safe mode. It was turned on manually.`);
}
