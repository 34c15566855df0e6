/**
 * Inodes as they are kept: files, directories, links.
 *
 * An inode does not know its name nor its parent, so that a snapshot and the present can share it under different names. It
 * is changed in place only by `tree.ts`, which first makes a copy where somebody else must go on seeing the old one.
 */
import { hashText, stir, stirNumber } from "../../../wire/digest.ts";
import type { ErasurePolicy } from "./erasure-policy.ts";
import { erasurePolicy, groupCapacity, groupSpace } from "./erasure-policy.ts";
import type { AclEntry, BlockId, FileId } from "./model.ts";
import type { Chunk } from "./chunk.ts";
import { NO_CHUNKS } from "./chunk.ts";
import type { Layout, Rights } from "./shared.ts";
import { sharedLayout, sharedRights } from "./shared.ts";

/** What few inodes have. Never changed in place. */
export interface Extras {
  readonly accessAcl?: readonly AclEntry[];
  readonly defaultAcl?: readonly AclEntry[];
  /** Names to values; both binary strings. */
  readonly attributes?: ReadonlyMap<string, string>;
  readonly storagePolicy?: string;
  /** Of a directory: what files made below begin with. Of a file: how its blocks are kept, for ever. */
  readonly erasureCoding?: string;
  readonly nameQuota?: number;
  readonly spaceQuota?: number;
  /** Snapshots are allowed; by ascending id. */
  readonly snapshots?: readonly DirectorySnapshot[];
}

export interface DirectorySnapshot {
  /** A binary string, as a name. */
  readonly name: string;
  readonly id: number;
  readonly createdMs: number;
  readonly root: Directory;
}

/** What a subtree amounts to, itself included. */
export interface Totals {
  files: number;
  directories: number;
  links: number;
  length: number;
  /** Replicas and parity counted, and what is set aside for blocks that are being written. */
  space: number;
  /** Directories that not everybody may list: who sums up must be asked about these only (`listable.ts`). */
  restricted: number;
}

/**
 * There may be millions of these. A number that is a small integer (31 bits and a sign) lies in the object, any other in one of
 * its own: so times and lengths are kept in two parts; and what many inodes have in common is one object for all (`shared.ts`).
 */
abstract class Attributes {
  readonly id: FileId;
  revision: number;
  /** How many chunks, snapshots and deletions under way hold this inode. */
  refs = 1;
  /** The tree's epoch in which this object was made; see `Tree.protect`. */
  epoch: number;
  /** Of everything below and in it; kept by `seal`. */
  digest = 0;
  extras: Extras | undefined = undefined;
  private rights: Rights;
  private modifiedHigh = 0;
  private modifiedLow = 0;
  private accessedHigh = 0;
  private accessedLow = 0;

  constructor(id: FileId, epoch: number, like: Attributes | NewInode) {
    this.id = id;
    this.epoch = epoch;
    this.revision = like.revision;
    this.rights = like instanceof Attributes ? like.rights : sharedRights(like.owner, like.group, like.mode);
    this.modifiedMs = like.modifiedMs;
    this.accessedMs = like.accessedMs;
    this.extras = like.extras;
  }

  get owner(): string {
    return this.rights.owner;
  }

  set owner(owner: string) {
    this.rights = sharedRights(owner, this.group, this.mode);
  }

  get group(): string {
    return this.rights.group;
  }

  set group(group: string) {
    this.rights = sharedRights(this.owner, group, this.mode);
  }

  get mode(): number {
    return this.rights.mode;
  }

  set mode(mode: number) {
    this.rights = sharedRights(this.owner, this.group, mode);
  }

  get modifiedMs(): number {
    return this.modifiedHigh * LOW + this.modifiedLow;
  }

  set modifiedMs(ms: number) {
    this.modifiedHigh = highOf(ms);
    this.modifiedLow = lowOf(ms);
  }

  get accessedMs(): number {
    return this.accessedHigh * LOW + this.accessedLow;
  }

  set accessedMs(ms: number) {
    this.accessedHigh = highOf(ms);
    this.accessedLow = lowOf(ms);
  }

  protected attributesDigest(seed: number): number {
    const { owner, group, mode } = this.rights;
    let hash = stirNumber(stirNumber(seed, this.id), this.revision);
    hash = stir(hashText(hashText(hash, owner), group), mode);
    hash = stirNumber(stirNumber(hash, this.modifiedMs), this.accessedMs);
    return this.extras === undefined ? hash : extrasDigest(hash, this.extras);
  }
}

/** Of a whole number in [0, 2^53], the lower part counts up to here. */
const LOW = 2 ** 30;

/** `| 0`: what arithmetic gives need not be a small integer where its value is one. */
function highOf(value: number): number {
  return Math.floor(value / LOW) | 0;
}

function lowOf(value: number): number {
  return (value % LOW) | 0;
}

/** What every new inode is given. */
export interface NewInode {
  readonly revision: number;
  readonly owner: string;
  readonly group: string;
  readonly mode: number;
  /** Times: whole numbers, not negative. */
  readonly modifiedMs: number;
  readonly accessedMs: number;
  readonly extras: Extras | undefined;
}

/** A block's number, or content that is kept here (a binary string). */
export type StoredSegment = BlockId | string;

export class FileNode extends Attributes {
  private lengthHigh = 0;
  private lengthLow = 0;
  private layout: Layout;
  /** Undefined: both are 0, as of nearly all files. */
  private aside: Aside | undefined = undefined;
  /** One that is alone is kept without an array. */
  private content: StoredSegment | readonly StoredSegment[] | undefined = undefined;

  constructor(
    id: FileId,
    epoch: number,
    like: Attributes | NewInode,
    replication: number,
    blockSize: number,
  ) {
    super(id, epoch, like);
    this.layout = sharedLayout(replication, blockSize);
  }

  get length(): number {
    return this.lengthHigh * LOW + this.lengthLow;
  }

  set length(length: number) {
    this.lengthHigh = highOf(length);
    this.lengthLow = lowOf(length);
  }

  get replication(): number {
    return this.layout.replication;
  }

  set replication(replication: number) {
    this.layout = sharedLayout(replication, this.blockSize);
  }

  get blockSize(): number {
    return this.layout.blockSize;
  }

  /** Set aside for the block that is being written, before replicas are counted; of a coded file, with its parity. */
  get reserved(): number {
    return this.aside?.reserved ?? 0;
  }

  set reserved(reserved: number) {
    this.aside = asideOf(reserved, this.parity);
  }

  /** Bytes of parity that belong to `length`; 0 unless the file is coded. */
  get parity(): number {
    return this.aside?.parity ?? 0;
  }

  set parity(parity: number) {
    this.aside = asideOf(this.reserved, parity);
  }

  /** Replaced whole, never changed in place. */
  get segments(): readonly StoredSegment[] {
    const { content } = this;
    if (content === undefined) return NO_SEGMENTS;
    return typeof content === "object" ? content : [content];
  }

  set segments(segments: readonly StoredSegment[]) {
    this.content = segments.length > 1 ? segments : segments[0];
  }

  get kind(): "file" {
    return "file";
  }

  get space(): number {
    return (this.length + this.parity + this.reserved) * this.replication;
  }

  /** Undefined: it is replicated. */
  get coding(): ErasurePolicy | undefined {
    const name = this.extras?.erasureCoding;
    return name === undefined ? undefined : erasurePolicy(name);
  }

  /** Bytes that one block of it holds at most. */
  get blockCapacity(): number {
    const { coding, blockSize } = this;
    return coding === undefined ? blockSize : groupCapacity(coding, blockSize);
  }

  /** Of a block with so many bytes. */
  parityOf(blockLength: number): number {
    const { coding } = this;
    return coding === undefined ? 0 : groupSpace(coding, blockLength) - blockLength;
  }

  /** What is set aside for a block of which so many bytes are there. */
  reserveFor(blockLength: number): number {
    const { blockCapacity } = this;
    const left = blockCapacity + this.parityOf(blockCapacity) - blockLength - this.parityOf(blockLength);
    return Math.max(0, left);
  }

  copy(epoch: number): FileNode {
    const copy = new FileNode(this.id, epoch, this, this.replication, this.blockSize);
    copy.length = this.length;
    copy.aside = this.aside;
    copy.content = this.content;
    copy.digest = this.digest;
    return copy;
  }

  seal(): void {
    let hash = stirNumber(this.attributesDigest(1), this.length);
    hash = stirNumber(stirNumber(stir(hash, this.replication), this.blockSize), this.reserved);
    hash = stirNumber(hash, this.parity);
    for (const segment of this.segments) {
      hash = typeof segment === "string" ? hashText(hash, segment) : stirNumber(hash, segment);
    }
    this.digest = hash;
  }
}

export class LinkNode extends Attributes {
  readonly target: string;

  constructor(id: FileId, epoch: number, like: Attributes | NewInode, target: string) {
    super(id, epoch, like);
    this.target = target;
  }

  get kind(): "link" {
    return "link";
  }

  copy(epoch: number): LinkNode {
    const copy = new LinkNode(this.id, epoch, this, this.target);
    copy.digest = this.digest;
    return copy;
  }

  seal(): void {
    this.digest = hashText(this.attributesDigest(2), this.target);
  }
}

export class Directory extends Attributes implements Totals {
  chunks: Chunk[] = NO_CHUNKS;
  childCount = 0;
  files = 0;
  directories = 1;
  links = 0;
  length = 0;
  space = 0;
  restricted = 0;
  /** Sum over the entries of `entryDigest`, modulo 2^32. */
  entriesDigest = 0;
  private ownDigest = 0;
  /** What it adds to `restricted` by itself: 0 or 1. */
  private ownRestricted = 0;

  get kind(): "directory" {
    return "directory";
  }

  copy(epoch: number): Directory {
    const copy = new Directory(this.id, epoch, this);
    copy.chunks = this.chunks.length === 0 ? NO_CHUNKS : this.chunks.slice();
    copy.childCount = this.childCount;
    copy.entriesDigest = this.entriesDigest;
    copy.ownDigest = this.ownDigest;
    copy.ownRestricted = this.ownRestricted;
    copy.digest = this.digest;
    addTotals(copy, this, 1);
    // It counted itself already.
    copy.directories--;
    return copy;
  }

  /** After attributes changed. */
  seal(): void {
    const isOpen = (this.mode & LISTABLE_BY_ALL) === LISTABLE_BY_ALL && this.extras?.accessAcl === undefined;
    const restricted = isOpen ? 0 : 1;
    this.restricted += restricted - this.ownRestricted;
    this.ownRestricted = restricted;
    this.ownDigest = this.attributesDigest(3);
    this.sealEntries();
  }

  /** After only what is below changed. */
  sealEntries(): void {
    this.digest = stir(stir(this.ownDigest, this.entriesDigest), this.childCount);
  }
}

/** READ and EXECUTE for the owner, the group and all others. */
const LISTABLE_BY_ALL = 0o555;

export type Inode = FileNode | Directory | LinkNode;

/** What only files have that are being written or coded. */
interface Aside {
  readonly reserved: number;
  readonly parity: number;
}

function asideOf(reserved: number, parity: number): Aside | undefined {
  return reserved === 0 && parity === 0 ? undefined : { reserved, parity };
}

export const NO_SEGMENTS: readonly StoredSegment[] = [];

/** What an entry adds to the digest of its directory. */
export function entryDigest(name: string, digest: number): number {
  return stir(hashText(0, name), digest);
}

/** Adds what `node` amounts to, `times` (1 or -1). */
export function addTotals(totals: Totals, node: Totals | Inode, times: number): void {
  if (node instanceof FileNode) {
    totals.files += times;
    totals.length += times * node.length;
    totals.space += times * node.space;
  } else if (node instanceof LinkNode) {
    totals.links += times;
  } else {
    totals.files += times * node.files;
    totals.directories += times * node.directories;
    totals.links += times * node.links;
    totals.length += times * node.length;
    totals.space += times * node.space;
    totals.restricted += times * node.restricted;
  }
}

export function noTotals(): Totals {
  return { files: 0, directories: 0, links: 0, length: 0, space: 0, restricted: 0 };
}

/** Names that a quota counts. */
export function namesIn(totals: Totals): number {
  return totals.files + totals.directories + totals.links;
}

function extrasDigest(seed: number, extras: Extras): number {
  let hash = stir(seed, 7);
  for (const acl of [extras.accessAcl, extras.defaultAcl]) {
    hash = stir(hash, acl?.length ?? -1);
    for (const entry of acl ?? []) {
      hash = stir(hashText(hashText(hash, entry.type), entry.name), entry.permission);
    }
  }
  for (const [name, value] of extras.attributes ?? []) hash = hashText(hashText(hash, name), value);
  hash = hashText(hashText(hash, extras.storagePolicy ?? ""), extras.erasureCoding ?? "");
  hash = stirNumber(stirNumber(hash, extras.nameQuota ?? -1), extras.spaceQuota ?? -1);
  hash = stir(hash, extras.snapshots?.length ?? -1);
  for (const { name, id, createdMs, root } of extras.snapshots ?? []) {
    hash = stir(stirNumber(stirNumber(hashText(hash, name), id), createdMs), root.digest);
  }
  return hash;
}
