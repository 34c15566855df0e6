/**
 * What can be asked of a replica of the namespace, without the log. All of it is answered from memory, by the state as it
 * is; an answer is linearizable when a barrier of the group was waited for before. All raise a `Refusal` by throwing it:
 * PATH_NOT_FOUND, ACCESS_DENIED, PARENT_NOT_DIRECTORY, PATH_INVALID, LINK_UNRESOLVED, and what is said besides.
 *
 * Paths may lead into a snapshot: "/dir/.snapshot/name/file".
 */
import type { ErasurePolicy } from "./erasure-policy.ts";
import type {
  AclStatus,
  BlockId,
  Caller,
  ContentSummary,
  FileId,
  FileStatus,
  GenerationStamp,
  Listing,
  NamespaceSettings,
  OpenFile,
  Segment,
  SnapshotDifference,
  SnapshotEntry,
  SnapshottableDirectory,
} from "./model.ts";

/** What the namespace knows of one block that some file names, or named until a moment ago. */
export interface StoredBlock {
  /** Of a block group: that of its first shard. */
  readonly id: BlockId;
  readonly stamp: GenerationStamp;
  readonly length: number;
  readonly replication: number;
  /** It is the last of a file that is being written. */
  readonly open: boolean;
  /** Whose it is: of several files (snapshots), the one that it was made for. */
  readonly file: FileId;
  /** It is a block group of this policy. Undefined: it is replicated. */
  readonly coding?: ErasurePolicy;
}

/** Told of changes, right after each, so that what is kept beside the state (`blocks/locations.ts`) follows it. Local. */
export interface NamespaceObserver {
  /** A block is there, or its stamp, length, replication or openness changed. */
  blockChanged(block: StoredBlock): void;
  /** No file and no snapshot names it any more: the replicas of this block, or of so many from it on, can go. */
  blockRemoved(id: BlockId, numbers: number): void;
  /** A file was closed, renamed, removed, or changed in content: those who watch it look again. Path of now, or last. */
  pathChanged(path: string): void;
  /** The request of this name has put the file that it calls so (`request-name.ts`). */
  requestDone(request: string, path: string): void;
  /** An operator changed settings: those that he named. */
  configured(change: Partial<NamespaceSettings>): void;
  /** Everything may have changed: a snapshot of the log was installed. */
  replaced(): void;
}

/** How a file is to be made, as far as it can be refused. */
export interface IntendedFile {
  readonly path: string;
  readonly caller: Caller;
  readonly replication: number | undefined;
  readonly blockSize: number | undefined;
  readonly createParents: boolean;
  readonly existing: "refuse" | "replace";
}

export interface NamespaceQueries {
  readonly settings: NamespaceSettings;
  /** The secret that the cluster was founded with: 64 hexadecimal digits. Undefined: it was not founded yet. */
  readonly key: string | undefined;
  /** Raises what the commands `create` and `put` would be refused with at this moment. */
  checkCreate(file: IntendedFile): void;
  /** `followLast` false: of the link, not of what it leads to. Default true. */
  status(path: string, caller: Caller, followLast?: boolean): FileStatus;
  /** The end of a file that is to be appended to. Raises what `append` would be refused with at this moment. */
  checkAppend(
    path: string,
    caller: Caller,
  ): { readonly status: FileStatus; readonly last: Segment | undefined };
  /**
   * Names of a directory in the order of their UTF-8 bytes, behind `startAfter` ("": from the first); at most `limit`,
   * cost independent of how many there are. Of a file: itself.
   */
  list(path: string, caller: Caller, startAfter: string, limit: number): Listing;
  /**
   * Raises ACCESS_DENIED when the caller may not list a directory of the subtree, as far as that is looked at in one slice.
   * Gives where to go on, with another call in a later turn; undefined: it was looked at to its end. `behind` []: begins.
   */
  checkSummary(path: string, caller: Caller, behind: readonly string[]): readonly string[] | undefined;
  /**
   * Of a whole subtree, at the cost of its depth: it is kept up to date. Of the permissions only those of the directory itself
   * are asked for: see `checkSummary`.
   */
  contentSummary(path: string, caller: Caller): ContentSummary;
  /** The parts of a file that hold bytes [offset, offset + length). FILE_OPERATION_REFUSED: it is no file. */
  segments(path: string, caller: Caller, offset: number, length: number): FileSegments;
  linkTarget(path: string, caller: Caller): string;
  acl(path: string, caller: Caller): AclStatus;
  /** Names to values (binary strings). `names` undefined: all that the caller may see. ATTRIBUTE_REFUSED: one is missing. */
  attributes(path: string, caller: Caller, names: readonly string[] | undefined): ReadonlyMap<string, string>;
  /** Raises ACCESS_DENIED unless the caller has these permissions (4 read, 2 write, 1 execute; 0: it exists). */
  checkAccess(path: string, caller: Caller, permission: number): void;
  snapshottable(caller: Caller): readonly SnapshottableDirectory[];
  snapshots(path: string, caller: Caller): readonly SnapshotEntry[];
  /** "" is the present. Subtrees that neither touched are not looked at. `limit`: at most so many, then cut. */
  snapshotDifference(
    path: string,
    caller: Caller,
    from: string,
    to: string,
    limit: number,
  ): { readonly differences: readonly SnapshotDifference[]; readonly more: boolean };
  /** Of a shard: the block group that it belongs to. Undefined: no file and no snapshot names it. */
  block(id: BlockId): StoredBlock | undefined;
  /**
   * All blocks. May be read on in a later turn: what was added meanwhile comes, what was removed does not, and every other
   * comes once.
   */
  blocks(): IterableIterator<StoredBlock>;
  openFiles(): Iterable<OpenFile>;
  /** Numbers at or above were never given to a block. */
  readonly nextBlockId: BlockId;
  statistics(): NamespaceStatistics;
}

export interface FileSegments {
  readonly status: FileStatus;
  readonly segments: readonly Segment[];
}

export interface NamespaceStatistics {
  readonly files: number;
  readonly directories: number;
  readonly links: number;
  readonly blocks: number;
  readonly length: number;
  /** Replicas counted. */
  readonly space: number;
  readonly openFiles: number;
  readonly snapshots: number;
  /** Subtrees that were deleted and are being given up. */
  readonly reclaiming: number;
}
