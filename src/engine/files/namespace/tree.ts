/**
 * The tree of inodes, changed in place where nobody else looks, copied where somebody does.
 *
 * Two kinds of onlookers must go on seeing what was:
 * - A directory's snapshot, which is replicated. Inodes and chunks count who holds them (`refs`). What is held twice is
 *   copied before it is changed, and then the copy and the original hold their common children once each. So taking a
 *   snapshot costs nothing, and what no one holds any more is known exactly (`Reclaimer`).
 * - A cut of the whole state that is being written to disk, which is local and must leave no trace in the state. Everything
 *   made in or before a protected epoch is copied before it is changed; the copy takes the original's place, and its count.
 *
 * Digests and totals are brought up to date on the way back from a change to the root.
 */
import { assert } from "../../../runtime/errors.ts";
import type { BlockTable } from "./block-table.ts";
import { Chunk, CHUNK_ENTRIES, chunkOf, placeOf } from "./chunk.ts";
import type { Inode } from "./inode.ts";
import { addTotals, Directory, entryDigest, FileNode, namesIn, noTotals } from "./inode.ts";
import type { Totals } from "./inode.ts";

export class Tree {
  root: Directory;
  /** New objects are of this epoch. */
  epoch = 1;
  /** Objects up to this epoch must not be changed in place. 0: there is no onlooker. */
  private protectedEpoch = 0;
  private readonly blocks: BlockTable;
  /** Told before an inode or chunk loses one of its holders. */
  onRelease: ((item: Inode | Chunk) => void) | undefined = undefined;
  /** While a savepoint is open: what undoes the changes of counts. */
  private journal: (() => void)[] | undefined;

  constructor(root: Directory, blocks: BlockTable) {
    this.root = root;
    this.blocks = blocks;
  }

  /** From now on, everything that is there now stays as it is. Gives what ends that. */
  protect(): () => void {
    const before = this.protectedEpoch;
    this.protectedEpoch = this.epoch++;
    return () => (this.protectedEpoch = before);
  }

  /** Runs `change`; when it throws, the tree is as it was before. */
  atomically<T>(change: () => T): T {
    assert(this.journal === undefined, "one savepoint at a time");
    const journal: (() => void)[] = (this.journal = []);
    const { root } = this;
    const release = this.protect();
    try {
      return change();
    } catch (error) {
      for (const undo of journal.reverse()) undo();
      this.root = root;
      throw error;
    } finally {
      release();
      this.journal = undefined;
    }
  }

  get inSavepoint(): boolean {
    return this.journal !== undefined;
  }

  /** Something outside of the tree changed that `atomically` is to take back. */
  recordUndo(undo: () => void): void {
    this.journal?.push(undo);
  }

  /** Changes the inode at `names`, which is there: `change` may change the inode, of a directory with `attach` and `detach`. */
  edit(names: readonly string[], change: (node: Inode) => void): void {
    this.root = this.own(this.root) as Directory;
    const spine: Directory[] = [];
    let node: Inode = this.root;
    for (const name of names) {
      assert(node.kind === "directory", "an inode below what is no directory");
      spine.push(node);
      node = this.ownChild(node, name);
    }
    let before = node.digest;
    const delta = noTotals();
    addTotals(delta, node, -1);
    change(node);
    node.seal();
    addTotals(delta, node, 1);
    for (let at = spine.length - 1; at >= 0; at--) {
      const parent = spine[at]!;
      const name = names[at]!;
      addTotals(parent, delta, 1);
      const change = entryDigest(name, node.digest) - entryDigest(name, before);
      parent.entriesDigest = (parent.entriesDigest + change) | 0;
      before = parent.digest;
      parent.sealEntries();
      node = parent;
    }
  }

  /** Inside `edit`: puts a sealed inode under a name that is free. The directory holds it from now on. */
  attach(directory: Directory, name: string, node: Inode): void {
    if (directory.chunks.length === 0) directory.chunks = [new Chunk(this.epoch, [], [])];
    const at = chunkOf(directory.chunks, name);
    const chunk = this.ownChunk(directory, at);
    const place = placeOf(chunk, name);
    assert(chunk.names[place] !== name, "two entries of one name");
    // Names that only grow, as those of logs and parts do, leave full chunks behind them.
    if (
      chunk.names.length >= CHUNK_ENTRIES &&
      place === chunk.names.length &&
      at === directory.chunks.length - 1
    ) {
      directory.chunks.push(new Chunk(this.epoch, [name], [node]));
    } else {
      chunk.names.splice(place, 0, name);
      chunk.nodes.splice(place, 0, node);
      if (chunk.names.length > CHUNK_ENTRIES) {
        const half = chunk.names.length >> 1;
        const right = new Chunk(this.epoch, chunk.names.splice(half), chunk.nodes.splice(half));
        directory.chunks.splice(at + 1, 0, right);
      }
    }
    directory.childCount++;
    addTotals(directory, node, 1);
    directory.entriesDigest = (directory.entriesDigest + entryDigest(name, node.digest)) | 0;
  }

  /** Inside `edit`: takes an entry out. The caller holds the inode from now on. */
  detach(directory: Directory, name: string): Inode {
    const at = chunkOf(directory.chunks, name);
    const chunk = this.ownChunk(directory, at);
    const place = placeOf(chunk, name);
    const node = chunk.nodes[place];
    assert(chunk.names[place] === name && node !== undefined, "no entry of this name");
    chunk.names.splice(place, 1);
    chunk.nodes.splice(place, 1);
    directory.childCount--;
    addTotals(directory, node, -1);
    directory.entriesDigest = (directory.entriesDigest - entryDigest(name, node.digest)) | 0;
    this.join(directory, at);
    return node;
  }

  /** One more holder of an inode that is being copied or put into a snapshot. */
  hold(node: Inode | Chunk): void {
    node.refs++;
    this.journal?.push(() => node.refs--);
  }

  /** The directory as it is now, to be held by a snapshot: shares everything below. `directory` was owned by `edit`. */
  freeze(directory: Directory): Directory {
    const frozen = directory.copy(this.epoch);
    if (frozen.extras !== undefined) {
      const { snapshots: _, ...extras } = frozen.extras;
      frozen.extras = extras;
    }
    for (const chunk of frozen.chunks) this.hold(chunk);
    frozen.seal();
    return frozen;
  }

  private ownChild(parent: Directory, name: string): Inode {
    const at = chunkOf(parent.chunks, name);
    const chunk = this.ownChunk(parent, at);
    const place = placeOf(chunk, name);
    const child = chunk.nodes[place];
    assert(chunk.names[place] === name && child !== undefined, "no entry of this name");
    const owned = this.own(child);
    chunk.nodes[place] = owned;
    return owned;
  }

  private own(node: Inode): Inode {
    if (node.refs > 1) {
      this.release(node);
      const copy = node.copy(this.epoch);
      if (copy instanceof Directory) for (const chunk of copy.chunks) this.hold(chunk);
      else if (copy instanceof FileNode) this.holdBlocks(copy);
      return copy;
    }
    return node.epoch <= this.protectedEpoch ? node.copy(this.epoch) : node;
  }

  private ownChunk(directory: Directory, at: number): Chunk {
    const chunk = directory.chunks[at];
    assert(chunk !== undefined, "a directory without the chunk that was found");
    if (chunk.refs > 1) {
      this.release(chunk);
      const copy = chunk.copy(this.epoch);
      for (const node of copy.nodes) this.hold(node);
      directory.chunks[at] = copy;
      return copy;
    }
    if (chunk.epoch > this.protectedEpoch) return chunk;
    const copy = chunk.copy(this.epoch);
    directory.chunks[at] = copy;
    return copy;
  }

  private release(node: Inode | Chunk): void {
    this.onRelease?.(node);
    node.refs--;
    this.journal?.push(() => node.refs++);
  }

  private holdBlocks(file: FileNode): void {
    for (const segment of file.segments) {
      if (typeof segment === "string") continue;
      this.blocks.hold(segment);
      this.journal?.push(() => this.blocks.letGo(segment));
    }
  }

  /** After an entry left chunk `at`: no chunk stays empty, and small neighbours become one. */
  private join(directory: Directory, at: number): void {
    const { chunks } = directory;
    const chunk = chunks[at]!;
    if (chunk.names.length === 0) {
      chunks.splice(at, 1);
      if (chunks.length === 0) directory.chunks = [];
      return;
    }
    const left = at > 0 ? at - 1 : at;
    const size = (chunks[left]?.names.length ?? 0) + (chunks[left + 1]?.names.length ?? CHUNK_ENTRIES);
    if (size >= CHUNK_ENTRIES / 2) return;
    const first = this.ownChunk(directory, left);
    const second = this.ownChunk(directory, left + 1);
    first.names.push(...second.names);
    first.nodes.push(...second.nodes);
    chunks.splice(left + 1, 1);
  }
}

export interface OverQuota {
  /** Which of the directories. */
  readonly at: number;
  readonly kind: "names" | "space";
  readonly quota: number;
  readonly needed: number;
}

/** Whether `delta` fits into the quotas of all these directories; gives the first that it does not fit into. */
export function overQuota(directories: readonly Directory[], delta: Partial<Totals>): OverQuota | undefined {
  const { files = 0, directories: made = 0, links = 0, space = 0 } = delta;
  const names = files + made + links;
  for (let at = 0; at < directories.length; at++) {
    const directory = directories[at]!;
    if (directory.extras === undefined) continue;
    const { nameQuota, spaceQuota } = directory.extras;
    if (nameQuota !== undefined && names > 0 && namesIn(directory) + names > nameQuota) {
      return { at, kind: "names", quota: nameQuota, needed: namesIn(directory) + names };
    }
    if (spaceQuota !== undefined && space > 0 && directory.space + space > spaceQuota) {
      return { at, kind: "space", quota: spaceQuota, needed: directory.space + space };
    }
  }
  return undefined;
}
