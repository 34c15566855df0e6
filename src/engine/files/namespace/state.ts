/**
 * The whole state of the namespace, and the few steps that all commands are made of. What a command checks it checks before
 * its first step: a command that is refused has changed nothing.
 */
import { assert } from "../../../runtime/errors.ts";
import { hashText, stir, stirNumber } from "../../../wire/digest.ts";
import type { BlockFacts, BlockRecord } from "./block-table.ts";
import { BlockTable } from "./block-table.ts";
import type { Extras, Inode, NewInode, Totals } from "./inode.ts";
import { Drafts } from "./drafts.ts";
import { Directory, FileNode } from "./inode.ts";
import type { Access } from "./access.ts";
import { inheritedAcl, withAcl } from "./acl.ts";
import type { OpenRecord } from "./leases.ts";
import { LeaseTable } from "./leases.ts";
import { erasurePolicyOf, GROUP_NUMBERS, groupOf, unitOf, unitsOf } from "./erasure-policy.ts";
import type { BlockId, FileId, NamespaceSettings } from "./model.ts";
import { isWithin, ownName, pathOf } from "./path.ts";
import type { NamespaceObserver, StoredBlock } from "./queries.ts";
import { Reclaimer } from "./reclaimer.ts";
import { Refusal } from "./replies.ts";
import { DEFAULT_NAMESPACE_SETTINGS, settingsDigest } from "./settings.ts";
import { lookUp } from "./chunk.ts";
import type { OverQuota } from "./tree.ts";
import { overQuota, Tree } from "./tree.ts";

export const ROOT_ID = 16_385;
/** As HDFS's, 2^30 + 1: tools tell blocks by it. Written out, so that it is a small integer, and all that are counted from it. */
export const FIRST_BLOCK_ID: number = 1_073_741_825;
export const FIRST_STAMP = 1001;

/** Numbers that only grow. */
export interface Counters {
  nextFileId: FileId;
  nextBlockId: BlockId;
  nextStamp: number;
  nextSnapshotId: number;
  /** Commands that changed something. */
  revision: number;
  /** When the trash is emptied next, log time; 0: not known yet. */
  emptyTrashAtMs: number;
}

export class NamespaceState {
  settings: NamespaceSettings = DEFAULT_NAMESPACE_SETTINGS;
  /** Set once, when the file system is founded. */
  key: string | undefined = undefined;
  readonly blocks: BlockTable = new BlockTable();
  readonly tree: Tree = new Tree(emptyRoot(), this.blocks);
  readonly leases: LeaseTable = new LeaseTable();
  readonly drafts: Drafts = new Drafts();
  readonly reclaimer: Reclaimer = new Reclaimer(this.blocks);
  readonly counters: Counters = {
    nextFileId: ROOT_ID + 1,
    nextBlockId: FIRST_BLOCK_ID,
    nextStamp: FIRST_STAMP,
    nextSnapshotId: 0,
    revision: 1,
    emptyTrashAtMs: 0,
  };
  /** Directories that allow snapshots: where they are. Follows from the tree. */
  readonly snapshottable: Map<FileId, readonly string[]> = new Map();
  /** Log time of the command that is applied. */
  timeMs = 0;
  observer: NamespaceObserver | undefined = undefined;

  constructor() {
    this.blocks.onChange = (id) => this.observer?.blockChanged(this.storedBlock(id)!);
    this.blocks.onRemove = (id, policy) => this.observer?.blockRemoved(id, numbersOf(policy));
    this.leases.onChange = (id, before) => this.onLeaseChange(id, before);
  }

  get root(): Directory {
    return this.tree.root;
  }

  /** Of everything, at no more cost than the settings: kept up to date by all parts. */
  digest(): number {
    const { counters, tree, blocks, leases, drafts, reclaimer } = this;
    let hash = stir(stir(stir(tree.root.digest, blocks.digest), leases.digest), reclaimer.stack.length);
    hash = stir(hash, drafts.digest);
    for (const value of Object.values(counters)) hash = stirNumber(hash, value as number);
    for (const id of this.snapshottable.keys()) hash = stirNumber(hash, id);
    return settingsDigest(hashText(hash, this.key ?? ""), this.settings) >>> 0;
  }

  /** Of a shard's number: the block group that it belongs to. */
  storedBlock(number: BlockId): StoredBlock | undefined {
    const record = this.blocks.get(number) ?? this.groupWith(number);
    if (record === undefined) return undefined;
    const { id, file, stamp, length, replication, policy } = record;
    const lease = this.leases.get(file);
    const open = lease !== undefined && (lease.block === id || lease.recovery?.copyTo === id);
    const coding = erasurePolicyOf(policy);
    return { id, file, stamp, length, replication, open, ...(coding === undefined ? {} : { coding }) };
  }

  private groupWith(shard: BlockId): BlockRecord | undefined {
    const record = this.blocks.get(groupOf(shard));
    const coding = record === undefined ? undefined : erasurePolicyOf(record.policy);
    return coding !== undefined && unitOf(shard) < unitsOf(coding) ? record : undefined;
  }

  /** What an inode begins with that `access` makes in `parent`; `unmasked`: the mode before the umask. */
  newInode(
    parent: Directory,
    access: Access,
    mode: number,
    unmasked: number | undefined,
    isDirectory: boolean,
  ): NewInode {
    const plain: NewInode = {
      revision: this.counters.revision,
      owner: access.caller.user,
      group: parent.group,
      mode,
      modifiedMs: this.timeMs,
      accessedMs: this.timeMs,
      extras: undefined,
    };
    if (parent.extras === undefined) return plain;
    const { defaultAcl, storagePolicy } = parent.extras;
    const acl = inheritedAcl(parent, defaultAcl === undefined ? mode : (unmasked ?? mode), isDirectory);
    const policies: Extras = storagePolicy === undefined ? {} : { storagePolicy };
    return { ...plain, mode: acl.mode, extras: withAcl(policies, acl) };
  }

  newFile(id: FileId, like: NewInode, replication: number, blockSize: number): FileNode {
    return new FileNode(id, this.tree.epoch, like, replication, blockSize);
  }

  newDirectory(like: NewInode): Directory {
    return new Directory(this.counters.nextFileId++, this.tree.epoch, like);
  }

  newBlock(file: FileId, facts: BlockFacts): BlockId {
    const { counters } = this;
    const numbers = numbersOf(facts.policy);
    // A group begins at a multiple of its numbers, so that a shard's number tells its group.
    const id = Math.ceil(counters.nextBlockId / numbers) * numbers;
    counters.nextBlockId = id + numbers;
    this.blocks.add(id, file, facts);
    return id;
  }

  /** Puts a new inode under a free name of a directory that is there. */
  attach(parentNames: readonly string[], name: string, node: Inode): void {
    node.seal();
    this.attachAsIs(parentNames, name, node);
  }

  /** As `attach`, of an inode that is sealed. */
  attachAsIs(parentNames: readonly string[], name: string, node: Inode): void {
    this.tree.edit(parentNames, (parent) => {
      this.touch(parent);
      this.tree.attach(parent as Directory, ownName(name), node);
    });
  }

  /** Takes an entry out of its directory; the caller holds it now. */
  detach(names: readonly string[]): Inode {
    let taken: Inode | undefined;
    this.tree.edit(names.slice(0, -1), (parent) => {
      this.touch(parent);
      taken = this.tree.detach(parent as Directory, names.at(-1)!);
    });
    return taken!;
  }

  /** Gives up what was detached: its writers lose their leases at once, its blocks step by step. */
  discard(names: readonly string[], node: Inode): void {
    const { stack } = this.reclaimer;
    stack.push(node);
    this.tree.recordUndo(() => stack.pop());
    for (const record of this.openBelow(names)) this.closeLease(record.id);
    for (const [id, at] of this.snapshottable) {
      if (!isWithin(at, names)) continue;
      this.snapshottable.delete(id);
      this.tree.recordUndo(() => this.snapshottable.set(id, at));
    }
    this.observer?.pathChanged(pathOf(names));
  }

  /** What hangs on paths follows an inode that was moved. */
  moved(from: readonly string[], to: readonly string[]): void {
    for (const record of this.openBelow(from)) {
      this.leases.move(record, [...to, ...record.names.slice(from.length)]);
      this.tree.recordUndo(() => this.leases.move(this.leases.get(record.id)!, record.names));
    }
    for (const [id, at] of this.snapshottable) {
      if (!isWithin(at, from)) continue;
      this.snapshottable.set(id, [...to, ...at.slice(from.length)]);
      this.tree.recordUndo(() => this.snapshottable.set(id, at));
    }
    this.observer?.pathChanged(pathOf(from));
    this.observer?.pathChanged(pathOf(to));
  }

  /** Of names that are known to lead somewhere. */
  nodeAt(names: readonly string[]): Inode {
    let node: Inode | undefined = this.root;
    for (const name of names) {
      node = node?.kind === "directory" ? lookUp(node.chunks, name) : undefined;
    }
    assert(node !== undefined, "names that should lead to an inode do not");
    return node;
  }

  /** The file that a lease is for. */
  openFile(record: OpenRecord): FileNode {
    return record.draft ? this.drafts.of(record.id) : (this.nodeAt(record.names) as FileNode);
  }

  editFile(record: OpenRecord, change: (file: FileNode) => void): void {
    const edit = (node: Inode): void => {
      node.revision = this.counters.revision;
      change(node as FileNode);
    };
    if (record.draft) this.drafts.edit(record.id, edit);
    else this.tree.edit(record.names, edit);
  }

  /** Runs `change`; when it throws, everything is as it was before. */
  atomically<T>(change: () => T): T {
    const { nextFileId } = this.counters;
    return this.tree.atomically(() => {
      this.tree.recordUndo(() => (this.counters.nextFileId = nextFileId));
      return change();
    });
  }

  /** Ends a lease, however; a block that never got into its file goes. */
  closeLease(id: FileId): void {
    const record = this.leases.get(id);
    if (record === undefined) return;
    // A block that is gone cannot be brought back: `publish` does not replace what is being written.
    assert(!this.tree.inSavepoint, "a lease was ended that a savepoint may have to restore");
    this.leases.delete(id);
    if (record.draft) {
      for (const segment of this.drafts.take(id).segments) {
        if (typeof segment !== "string") this.blocks.letGo(segment);
      }
    }
    if (record.aside && record.block !== undefined) this.blocks.letGo(record.block);
    if (record.recovery?.copyTo !== undefined) this.blocks.letGo(record.recovery.copyTo);
  }

  /** A change of an inode or of a directory's entries. */
  touch(node: Inode): void {
    node.revision = this.counters.revision;
    node.modifiedMs = this.timeMs;
  }

  /** Throws Refusal when `delta` does not fit below these directories, which lead to `names`. */
  checkQuota(directories: readonly Directory[], names: readonly string[], delta: Partial<Totals>): void {
    const over = overQuota(directories, delta);
    if (over !== undefined) throw quotaRefusal(over, pathOf(names, over.at));
  }

  /** As `checkQuota`, of the directory with these names alone. */
  checkQuotaOf(directory: Directory, names: readonly string[], delta: Partial<Totals>): void {
    const over = overQuota([directory], delta);
    if (over !== undefined) throw quotaRefusal(over, pathOf(names));
  }

  /** Somebody is about to put a file below these names. */
  hasDraftBelow(names: readonly string[]): boolean {
    if (this.drafts.size === 0) return false;
    for (const record of this.leases.all()) if (record.draft && isWithin(record.names, names)) return true;
    return false;
  }

  /** A draft is not the file whose place it is to take: what becomes of that does not concern it. */
  private openBelow(names: readonly string[]): OpenRecord[] {
    const below: OpenRecord[] = [];
    for (const record of this.leases.all()) {
      const isIt = record.draft && record.names.length === names.length;
      if (!isIt && isWithin(record.names, names)) below.push(record);
    }
    return below;
  }

  private onLeaseChange(id: FileId, before: OpenRecord | undefined): void {
    if (this.observer === undefined) return;
    const blocks = new Set([before?.block, before?.recovery?.copyTo, this.leases.get(id)?.block]);
    for (const block of blocks) {
      const stored = block === undefined ? undefined : this.storedBlock(block);
      if (stored !== undefined) this.observer.blockChanged(stored);
    }
  }
}

function quotaRefusal({ kind, quota, needed }: OverQuota, path: string): Refusal {
  if (kind === "names") {
    const text = `The NameSpace quota (directories and files) of directory ${path} is exceeded`;
    return new Refusal("NAME_QUOTA_EXCEEDED", `${text}: quota=${quota} file count=${needed}`);
  }
  const text = `The DiskSpace quota of ${path} is exceeded: quota = ${quota} B`;
  return new Refusal("SPACE_QUOTA_EXCEEDED", `${text} but diskspace consumed = ${needed} B`);
}

/** Block numbers that a block takes. */
function numbersOf(policy: number): number {
  return policy === 0 ? 1 : GROUP_NUMBERS;
}

export function emptyRoot(): Directory {
  const like = {
    revision: 0,
    owner: DEFAULT_NAMESPACE_SETTINGS.superuser,
    group: DEFAULT_NAMESPACE_SETTINGS.supergroup,
    mode: 0o755,
    modifiedMs: 0,
    accessedMs: 0,
    extras: undefined,
  };
  const root = new Directory(ROOT_ID, 1, like);
  root.seal();
  return root;
}
