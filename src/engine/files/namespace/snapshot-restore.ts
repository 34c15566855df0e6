/** Reads a snapshot into a new state; nothing is believed before all of it was read and its digest fits. */
import type { Bytes } from "../../../runtime/bytes.ts";
import { concatBytes } from "../../../runtime/bytes.ts";
import { isQuorateError } from "../../../runtime/errors.ts";
import { ByteReader } from "../../../wire/byte-reader.ts";
import { Chunk } from "./chunk.ts";
import { SETTINGS } from "./command-codec.ts";
import { erasurePolicyOf } from "./erasure-policy.ts";
import type { DirectorySnapshot, Inode, NewInode, StoredSegment } from "./inode.ts";
import { addTotals, Directory, entryDigest, FileNode, LinkNode } from "./inode.ts";
import type { NamespaceSettings } from "./model.ts";
import { DEFAULT_NAMESPACE_SETTINGS } from "./settings.ts";
import type { LeaseToken } from "./snapshot-format.ts";
import {
  CHUNK,
  corrupt,
  COUNTERS,
  DIRECTORY,
  END,
  FILE,
  FORMAT,
  HEADER,
  KEY,
  LEASES,
  LINK,
  readExtras,
  SAME,
  SHARED,
  SNAPSHOTTABLE,
  TREE,
} from "./snapshot-format.ts";
import { NamespaceState } from "./state.ts";

/** Throws DATA_CORRUPT when the bytes are not one whole snapshot. */
export function readSnapshot(chunks: Iterable<Bytes>): NamespaceState {
  try {
    return new SnapshotReader(chunks).read();
  } catch (error) {
    if (isQuorateError(error) && error.code === "DATA_CORRUPT") throw error;
    if (isQuorateError(error) || error instanceof RangeError || error instanceof TypeError) {
      throw corrupt(error.message);
    }
    throw error;
  }
}

/** What is being read, and what of it is there. */
type Frame =
  | {
      readonly kind: "chunk";
      readonly number: number | undefined;
      readonly count: number;
      readonly names: string[];
      readonly nodes: Inode[];
    }
  | {
      readonly kind: "directory";
      readonly number: number | undefined;
      readonly directory: Directory;
      /** Still to come. */
      chunks: number;
      last: string;
      readonly snapshots: readonly Omit<DirectorySnapshot, "root">[] | undefined;
      readonly roots: Directory[];
    };

function isWhole(frame: Frame): boolean {
  if (frame.kind === "chunk") return frame.nodes.length === frame.count;
  return frame.chunks === 0 && frame.roots.length === (frame.snapshots?.length ?? 0);
}

/** Puts what is whole into what holds it. */
function place(frame: Frame, item: Inode | Chunk): void {
  if (frame.kind === "chunk") {
    if (item instanceof Chunk) throw corrupt("a chunk in place of an inode");
    frame.nodes.push(item);
  } else if (frame.chunks > 0) {
    if (!(item instanceof Chunk)) throw corrupt("an inode in place of a chunk");
    frame.chunks--;
    addChunk(frame.directory, item, frame);
  } else {
    if (!(item instanceof Directory)) throw corrupt("a snapshot of what is no directory");
    frame.roots.push(item);
  }
}

function addChunk(directory: Directory, chunk: Chunk, order: { last: string }): void {
  if (directory.chunks.length === 0) directory.chunks = [];
  directory.chunks.push(chunk);
  for (const [at, name] of chunk.names.entries()) {
    if (name <= order.last) throw corrupt("entries that are not in order");
    order.last = name;
    const node = chunk.nodes[at]!;
    addTotals(directory, node, 1);
    directory.entriesDigest = (directory.entriesDigest + entryDigest(name, node.digest)) | 0;
  }
  directory.childCount += chunk.names.length;
}

class SnapshotReader {
  private readonly state = new NamespaceState();
  private readonly records: Iterator<Bytes>;
  private reader: ByteReader = new ByteReader(concatBytes([]));
  private readonly shared: (Inode | Chunk | undefined)[] = [];
  private readonly texts: string[] = [];

  constructor(chunks: Iterable<Bytes>) {
    this.records = recordsOf(chunks)[Symbol.iterator]();
  }

  read(): NamespaceState {
    const { state } = this;
    if (this.nextRecord() !== HEADER) throw corrupt("it does not begin with a header");
    if (this.reader.uint32() !== FORMAT) throw corrupt("it is of another format");
    const digest = this.reader.uint32();
    state.timeMs = this.reader.uint53();
    Object.assign(state.counters, COUNTERS.read(this.reader));
    state.settings = wholeSettings(SETTINGS.read(this.reader));
    state.key = KEY.read(this.reader);
    for (const { id, names } of SNAPSHOTTABLE.read(this.reader)) state.snapshottable.set(id, names);
    const leases = LEASES.read(this.reader);
    for (let left = this.reader.uint32(); left > 0; left--) this.addDraft();
    const roots = this.reader.uint32();
    const root = this.readInode();
    if (root.kind !== "directory") throw corrupt("its root is no directory");
    state.tree.root = root;
    for (let left = roots - 1; left > 0; left--) state.reclaimer.stack.push(this.readItem());
    for (const each of leases) this.addLease(each);
    if (this.reader.remaining > 0 || this.nextRecord() !== END)
      throw corrupt("it does not end where it should");
    if (this.records.next().done !== true) throw corrupt("something follows its end");
    if (state.digest() !== digest) throw corrupt("its digest does not fit its content");
    return state;
  }

  private addDraft(): void {
    const draft = this.begin([]);
    if (!(draft instanceof FileNode)) throw corrupt("a draft that is no file");
    this.state.drafts.add(draft);
  }

  private addLease({ lease, renewedMs, blocks }: LeaseToken): void {
    for (const { id, file, ...facts } of blocks) this.state.blocks.add(id, file, facts);
    this.state.leases.set(lease, renewedMs);
  }

  private nextRecord(): number {
    const next = this.records.next();
    if (next.done === true) throw corrupt("it ends too early");
    this.reader = new ByteReader(next.value);
    return this.reader.uint8();
  }

  /** Before each token: records hold whole tokens. */
  private tag(): number {
    while (this.reader.remaining === 0)
      if (this.nextRecord() !== TREE) throw corrupt("the tree ends too early");
    return this.reader.uint8();
  }

  private readInode(): Inode {
    const item = this.readItem();
    if (item instanceof Chunk) throw corrupt("a chunk in place of an inode");
    return item;
  }

  /** One item with everything in it. Not by recursion: a path may be a thousand names deep. */
  private readItem(): Inode | Chunk {
    const frames: Frame[] = [];
    for (;;) {
      const top = frames.at(-1);
      let item: Inode | Chunk | undefined;
      if (top !== undefined && isWhole(top)) {
        frames.pop();
        item = this.finish(top);
      } else {
        if (top?.kind === "chunk") top.names.push(this.readName());
        item = this.begin(frames);
      }
      if (item === undefined) continue;
      const holder = frames.at(-1);
      if (holder === undefined) return item;
      place(holder, item);
    }
  }

  private readName(): string {
    while (this.reader.remaining === 0)
      if (this.nextRecord() !== TREE) throw corrupt("a chunk ends too early");
    return this.reader.string();
  }

  /** Reads a token: gives what is whole with it, or adds a frame for what is not. */
  private begin(frames: Frame[]): Inode | Chunk | undefined {
    const tag = this.tag();
    if (tag === SAME) {
      const item = this.shared[this.reader.uint32()];
      if (item === undefined) throw corrupt("a number of nothing");
      item.refs++;
      return item;
    }
    // Numbered in the order of their beginnings.
    const number = (tag & SHARED) === 0 ? undefined : this.shared.push(undefined) - 1;
    const kind = tag & ~SHARED;
    if (kind === CHUNK) {
      frames.push({ kind: "chunk", number, count: this.reader.uint32(), names: [], nodes: [] });
      return undefined;
    }
    const { id, like, snapshots } = this.readAttributes();
    if (kind === DIRECTORY) {
      const directory = new Directory(id, 1, like);
      const chunks = this.reader.uint32();
      frames.push({ kind: "directory", number, directory, chunks, last: "", snapshots, roots: [] });
      return undefined;
    }
    if (kind !== FILE && kind !== LINK) throw corrupt(`an inode of unknown kind ${kind}`);
    const node = kind === FILE ? this.newFile(id, like) : new LinkNode(id, 1, like, this.reader.text());
    node.seal();
    return this.numbered(number, node);
  }

  private numbered<T extends Inode | Chunk>(number: number | undefined, item: T): T {
    if (number !== undefined) this.shared[number] = item;
    return item;
  }

  private finish(frame: Frame): Inode | Chunk {
    const { number } = frame;
    if (frame.kind === "chunk") {
      if (frame.count === 0) throw corrupt("an empty chunk");
      return this.numbered(number, new Chunk(1, frame.names.slice(), frame.nodes.slice()));
    }
    const { directory, snapshots, roots } = frame;
    if (snapshots !== undefined) {
      const whole = snapshots.map((each, at) => ({ ...each, root: roots[at]! }));
      directory.extras = { ...directory.extras, snapshots: whole };
    }
    directory.seal();
    return this.numbered(number, directory);
  }

  private readAttributes(): {
    readonly id: number;
    readonly like: NewInode;
    readonly snapshots: readonly Omit<DirectorySnapshot, "root">[] | undefined;
  } {
    const { reader } = this;
    const id = reader.uint53();
    const revision = reader.uint53();
    const owner = this.readText();
    const group = this.readText();
    const mode = reader.uint32();
    const modifiedMs = reader.uint53();
    const accessedMs = reader.uint53();
    const found = reader.uint8() === 0 ? undefined : readExtras(reader);
    const extras = found?.extras;
    return {
      id,
      like: { revision, owner, group, mode, modifiedMs, accessedMs, extras },
      snapshots: found?.snapshots,
    };
  }

  private newFile(id: number, like: NewInode): FileNode {
    const { reader } = this;
    const length = reader.uint53();
    const replication = reader.uint32();
    const file = new FileNode(id, 1, like, replication, reader.uint53());
    file.length = length;
    file.reserved = reader.uint53();
    file.parity = reader.uint53();
    const segments: StoredSegment[] = [];
    for (let left = reader.uint32(); left > 0; left--) {
      segments.push(reader.uint8() === 0 ? reader.string() : this.readBlock());
    }
    // Without the room that growing leaves.
    if (segments.length > 0) file.segments = segments.slice();
    return file;
  }

  private readBlock(): number {
    const { reader, state } = this;
    const id = reader.uint53();
    const file = reader.uint53();
    const stamp = reader.uint53();
    const length = reader.uint53();
    const replication = reader.uint32();
    const policy = reader.uint32();
    if (policy !== 0 && erasurePolicyOf(policy) === undefined) throw corrupt(`unknown policy ${policy}`);
    if (state.blocks.has(id)) state.blocks.hold(id);
    else state.blocks.add(id, file, { stamp, length, replication, policy });
    return id;
  }

  private readText(): string {
    const number = this.reader.uint32();
    if (number === this.texts.length) this.texts.push(this.reader.text());
    const text = this.texts[number];
    if (text === undefined) throw corrupt("a number of no text");
    return text;
  }
}

function wholeSettings(read: Partial<NamespaceSettings>): NamespaceSettings {
  // A setting that this version has and the one that wrote the snapshot had not keeps its default.
  const given = Object.entries(read).filter(([, value]) => value !== undefined);
  return { ...DEFAULT_NAMESPACE_SETTINGS, ...(Object.fromEntries(given) as Partial<NamespaceSettings>) };
}

/** The records in chunks that were cut anywhere. */
function* recordsOf(chunks: Iterable<Bytes>): Generator<Bytes> {
  let parts: Bytes[] = [];
  let held = 0;
  let needed = 4;
  for (const chunk of chunks) {
    parts.push(chunk);
    held += chunk.length;
    if (held < needed) continue;
    let bytes = parts.length === 1 ? chunk : concatBytes(parts, held);
    while (bytes.length >= 4) {
      const end = 4 + bytes.readUInt32LE(0);
      if (bytes.length < end) break;
      yield bytes.subarray(4, end);
      bytes = bytes.subarray(end);
    }
    parts = bytes.length === 0 ? [] : [bytes];
    held = bytes.length;
    needed = held < 4 ? 4 : 4 + bytes.readUInt32LE(0);
  }
  if (held > 0) throw corrupt("it ends inside a record");
}
