/**
 * What the namespace holds, as those outside see it: paths, statuses, blocks, limits. How it is kept in memory is the
 * business of `tree.ts` and `block-table.ts`.
 *
 * Paths are absolute texts such as "/books/a.txt": no empty parts, no "." or "..", no control characters, each name at
 * most 255 bytes of UTF-8. Times are Unix milliseconds of the log. Sizes are bytes.
 */
import type { NodeId } from "../../../runtime/world.ts";
import type { ErasurePolicy } from "./erasure-policy.ts";

/** Who asks. Where the user's groups come from is the server's business; the namespace believes it. */
export interface Caller {
  readonly user: string;
  readonly groups: readonly string[];
}

/** The number of an inode: never used twice, and the same over renames. */
export type FileId = number;
/** The number of a block: never used twice. */
export type BlockId = number;
/** Grows with every append and recovery of a block: a replica with an older one is stale and never served. */
export type GenerationStamp = number;

/** One block as the log knows it. Where its replicas are, no log knows: see `blocks/locations.ts`. */
export interface Block {
  readonly id: BlockId;
  readonly stamp: GenerationStamp;
  /** Bytes that were acknowledged by all nodes of its pipeline; 0 while it is first written. */
  readonly length: number;
}

/** A part of a file: bytes on the nodes that hold replicas of a block, or bytes in the namespace itself. */
export type Segment =
  | ({
      readonly type: "block";
      /** Of the first byte, in the file. */
      readonly offset: number;
      /** How many replicas there should be. */
      readonly replication: number;
      /** Still being written, or waiting for its recovery; `length` is what is known to be durable. */
      readonly open: boolean;
      /** It is a block group, of so many bytes; `id` is that of its first shard. Undefined: it is replicated. */
      readonly coded?: { readonly policy: ErasurePolicy; readonly groupLength: number };
    } & Block)
  | {
      readonly type: "inline";
      readonly offset: number;
      readonly length: number;
      /** A binary string. */
      readonly content: string;
    };

export interface FileStatus {
  readonly type: "file" | "directory" | "link";
  /** Without links on the way: where it is. */
  readonly path: string;
  readonly id: FileId;
  /** Changes with every change of the inode, of a directory's own entries included; with `id` the state of a file. */
  readonly revision: number;
  readonly owner: string;
  readonly group: string;
  /** Nine permission bits and, for a directory, 0o1000: only owners remove what is in it. */
  readonly mode: number;
  readonly modifiedMs: number;
  readonly accessedMs: number;
  /** 0 for a directory; of a link, the length of its target. */
  readonly length: number;
  /** 0 for what is no file. */
  readonly replication: number;
  /** 0 for what is no file. */
  readonly blockSize: number;
  /** Names in a directory, else 0. */
  readonly childCount: number;
  /** A writer holds its lease. */
  readonly open: boolean;
  readonly hasAcl: boolean;
  readonly snapshottable: boolean;
  /** Of a link. */
  readonly target: string | undefined;
  readonly storagePolicy: string | undefined;
  /** Of a file: its own. Of a directory: what files made in it get, from it or from one above. Undefined: they are replicated. */
  readonly erasureCoding: string | undefined;
}

export interface ContentSummary {
  /** The directory itself included, as HDFS counts. Here and below: of what is there now, as quotas count. */
  readonly directories: number;
  readonly files: number;
  readonly length: number;
  /** Replicas and parity counted. */
  readonly space: number;
  /** -1: none. */
  readonly nameQuota: number;
  /** -1: none. */
  readonly spaceQuota: number;
  /** A directory's own policy, not one from above; of a file how its blocks are kept. Undefined: none; replicated. */
  readonly erasureCoding: string | undefined;
  readonly isFile: boolean;
  /** Besides: what was removed or replaced since, and only snapshots hold. */
  readonly snapshots: {
    readonly directories: number;
    readonly files: number;
    readonly length: number;
    readonly space: number;
  };
}

export interface Listing {
  readonly entries: readonly FileStatus[];
  /** Names behind the last entry. */
  readonly remaining: number;
}

/** One entry of an access control list, as in POSIX.1e. */
export interface AclEntry {
  /** A directory hands these to what is made in it. */
  readonly isDefault: boolean;
  readonly type: "user" | "group" | "mask" | "other";
  /** "" is the owner, the owning group, or neither. */
  readonly name: string;
  /** 4 read, 2 write, 1 execute. */
  readonly permission: number;
}

export interface AclStatus {
  readonly owner: string;
  readonly group: string;
  readonly mode: number;
  /** Without those that the mode says already. */
  readonly entries: readonly AclEntry[];
}

/** Between two snapshots of a directory, or one and now; paths below the directory, "" is itself. */
export interface SnapshotDifference {
  readonly type: "created" | "deleted" | "modified" | "renamed";
  readonly path: string;
  /** Only of "renamed": where it went. */
  readonly target: string | undefined;
}

export interface SnapshotEntry {
  readonly name: string;
  /** "/dir/.snapshot/name": everything of the time can be read below. */
  readonly path: string;
  readonly id: number;
  readonly createdMs: number;
}

export interface SnapshottableDirectory {
  readonly status: FileStatus;
  readonly count: number;
  readonly limit: number;
}

/** A file that a writer holds. */
export interface OpenFile {
  readonly id: FileId;
  readonly path: string;
  /** The writer's name: one writer one name, also over its reconnections. */
  readonly holder: string;
  /** When its holder last gave a sign. */
  readonly renewedMs: number;
  /** The block at its end that is being written, and the nodes that were told to. */
  readonly block: Block | undefined;
  readonly pipeline: readonly NodeId[];
  /** Set while its last block is being brought to one length on all replicas. */
  readonly recovery: BlockRecovery | undefined;
}

/** The leader sees to it that this is done (`blocks/recovery.ts`), and reports it with `finishRecovery`. */
export interface BlockRecovery {
  readonly block: Block;
  /** What the replicas get when it is done. A later attempt has a later one, and wins. */
  readonly stamp: GenerationStamp;
  /** The replicas are to end here; undefined: at what all good ones hold. */
  readonly truncateTo: number | undefined;
  /** The bytes go into a block of this number, because a snapshot still needs the old one. */
  readonly copyTo: BlockId | undefined;
  readonly startedMs: number;
}

/** What is expected of a node that keeps blocks: to stay, to be emptied, or to be away for a while. */
export type NodeStanding = "inService" | "decommissioning" | "inMaintenance";

/** What an operator sets for the whole file system; replicated. */
export interface NamespaceSettings {
  /** May do everything. Default: the user that runs the node which founds the file system; where it has no name, "quorate". */
  readonly superuser: string;
  /** Its members may do everything. Default "supergroup". */
  readonly supergroup: string;
  /** False: nobody's permissions are looked at. Default true. */
  readonly permissions: boolean;
  /** Takes no changes but those of this. Default false. */
  readonly safeMode: boolean;
  /** Default 3; 1 in a cluster of one node. */
  readonly replication: number;
  /** Default 512. */
  readonly maxReplication: number;
  /** Default 128 MiB. A multiple of 512. */
  readonly blockSize: number;
  /** Default 1 MiB; tests choose less, at least 512. */
  readonly minBlockSize: number;
  /** A file up to this size is kept in the namespace. 0: none. Default 64 KiB, at most 1 MiB. */
  readonly inlineMaxBytes: number;
  /** After so long without a sign of its holder, another writer may take over a lease. Default 60,000. */
  readonly leaseSoftMs: number;
  /** After so long without a sign of its holder, a file is closed. Default 20 minutes. */
  readonly leaseHardMs: number;
  /** What is in the trash is removed when it has been there for so long. 0: never. Default 0. */
  readonly trashIntervalMs: number;
  /** Entries of one directory. Default 1,048,576, as in HDFS. */
  readonly maxDirectoryEntries: number;
  /** Snapshots of one directory. Default 65,536, as in HDFS. */
  readonly maxSnapshots: number;
  /** Extended attributes of one inode. Default 32, as in HDFS. */
  readonly maxAttributes: number;
  /** Name and value of an extended attribute. Default 16,384, as in HDFS. */
  readonly maxAttributeBytes: number;
  /** Nodes that are to be emptied of replicas: theirs are made anew elsewhere, and they get no more. Default none. */
  readonly decommissioning: readonly NodeId[];
  /** Nodes that will be away for a while: their replicas count while another one can be read. Default none. */
  readonly inMaintenance: readonly NodeId[];
}

/** Bytes of UTF-8 in one name. */
export const NAME_MAX_BYTES = 255;
/** Characters of a path, as in HDFS. */
export const PATH_MAX_LENGTH = 8000;
/** Names of a path, as in HDFS. */
export const PATH_MAX_DEPTH = 1000;
/** Links that are followed for one path. */
export const LINK_MAX_HOPS = 32;
/** Moves of one `publish`, and as many expectations. */
export const PUBLISH_MOVES_MAX = 10_000;
/** Under a snapshottable directory, the name below which its snapshots are. */
export const SNAPSHOT_NAME = ".snapshot";
/** In the root, where HDFS shows inodes and raw content: it is never made. */
export const RESERVED_NAME = ".reserved";
/** Under a user's home directory. */
export const TRASH_NAME = ".Trash";
