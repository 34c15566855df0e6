/**
 * files: a distributed file system of blocks and replicas on the replicated log.
 *
 * `namespace/` is the state machine: names, attributes, which blocks a file is made of, who writes it. `blocks/` keeps the
 * bytes. This file is the door: what the WebHDFS server, the embedded client and the command line are built against. A node
 * gives one `FileSystem`; it works on every node of the cluster, wherever the leader is.
 *
 * Every call takes the caller for whom it is made and an optional signal; a call ends within the request timeout of the node
 * (streams: an idle timeout), with a QuorateError whose code is one of the error table. Those of files are `FileErrorCode`;
 * besides, NO_QUORUM, OUTCOME_UNKNOWN, OVERLOADED, DISK_FULL and SHUTTING_DOWN may come from any call.
 */
import type { Bytes } from "../../runtime/bytes.ts";
import type { NodeId } from "../../runtime/world.ts";
import type { CommandOf } from "./namespace/commands.ts";
import type {
  AclStatus,
  BlockId,
  Caller,
  ContentSummary,
  FileStatus,
  GenerationStamp,
  Listing,
  NamespaceSettings,
  NodeStanding,
  Segment,
  SnapshotDifference,
  SnapshotEntry,
  SnapshottableDirectory,
} from "./namespace/model.ts";
import type { NamespaceStatistics } from "./namespace/queries.ts";
import type { Replies } from "./namespace/replies.ts";
import type { BlockNode, ReplicaLocation } from "./blocks/locations.ts";
import type { BalanceMoves } from "./blocks/protocol.ts";

export interface CallOptions {
  /** Ends the call with an AbortError; what was put into the log may still be carried out. */
  readonly signal?: AbortSignal;
}

/** Changes of names and attributes that need no stream; those of writers are inside `FileWriter`. */
export type Change = CommandOf<
  | "mkdir"
  | "symlink"
  | "rename"
  | "renameTo"
  | "publish"
  | "delete"
  | "trash"
  | "expunge"
  | "setMode"
  | "setOwner"
  | "setTimes"
  | "setReplication"
  | "setQuota"
  | "setAcl"
  | "setAttribute"
  | "removeAttribute"
  | "setPolicy"
  | "concat"
  | "truncate"
  | "recoverLease"
  | "allowSnapshots"
  | "createSnapshot"
  | "renameSnapshot"
  | "deleteSnapshot"
  | "configure"
  | "setStanding"
>;

export interface CreateOptions extends CallOptions {
  /** After the writer's umask. Default 0o644. */
  readonly mode?: number;
  /** Default: the file system's. */
  readonly replication?: number;
  /** Bytes, a multiple of 512. Default: the file system's. */
  readonly blockSize?: number;
  /** Makes directories that are missing. Default true. */
  readonly createParents?: boolean;
  /** Replaces a file that is there, in one step, when this one is closed or first synced. Default false: PATH_EXISTS. */
  readonly overwrite?: boolean;
  /** Nodes that are not to hold replicas. Default none. */
  readonly exclude?: readonly NodeId[];
  /** A name of its own, of a request that may come twice: of a file that ends small `isDone` says later whether it was put. */
  readonly request?: string;
}

/**
 * One writer of one file. A file that ends small goes into the namespace in one command at `close`; else blocks are written
 * as bytes come, and readers see the file grow to what was synced. Until `close` resolves the file counts as open.
 */
export interface FileWriter {
  /** Bytes put in so far, in the file. */
  readonly position: number;
  /**
   * Takes the bytes (the caller must not change them); resolves when more may come: back-pressure, not durability. Rejects with
   * whatever ended the writer, then and ever after. Whoever gives bytes of a pooled buffer (`blocks/buffer-pool.ts`) retains it
   * until then.
   */
  write(bytes: Uint8Array): Promise<void>;
  /** Everything so far is on the disks of all nodes of the pipeline, and visible to readers. */
  sync(): Promise<void>;
  /** As `sync`, and the file is closed. */
  close(): Promise<FileStatus>;
  /**
   * Gives up: a file that `create` began is removed, with what was written; one that is appended to goes back to what it was, or
   * what it was synced at last. Never rejects.
   */
  abort(): Promise<void>;
}

export interface ReadOptions extends CallOptions {
  /** Default 0. Behind the end: FILE_OPERATION_REFUSED. */
  readonly offset?: number;
  /** Default: to the end. */
  readonly length?: number;
  /** Nodes that are not to be read from, because they failed the reader. Default none. */
  readonly exclude?: readonly NodeId[];
  /** Bytes may be lent: their memory is used again when the next ones are asked for, or the loop is left. Default false. */
  readonly mayLend?: boolean;
}

/**
 * Verified bytes, in order. A replica that fails in the middle is replaced by another one without the reader noticing; when
 * there is none, iteration ends with BLOCK_MISSING. Leaving the loop early frees everything.
 */
export interface FileReader extends AsyncIterable<Bytes> {
  readonly status: FileStatus;
  /** Bytes that will come. */
  readonly length: number;
}

/** HDFS's checksum of a file: MD5 over the MD5s of its blocks' CRC-32Cs, and over zeros behind them (`wire/webhdfs/file-checksum.ts`). */
export interface FileChecksum {
  /** Such as "MD5-of-0MD5-of-512CRC32C". */
  readonly algorithm: string;
  readonly bytes: Bytes;
}

export interface BlockLocation {
  readonly segment: Segment;
  /** Nearest first. Of an inline segment: the nodes of the namespace. */
  readonly replicas: readonly ReplicaLocation[];
}

/** A file with its blocks; or a directory or link, which has none. */
export interface PathHealth {
  readonly status: FileStatus;
  /** In the order of the file. Bytes that are kept in the namespace are no block. */
  readonly blocks: readonly BlockHealth[];
}

/** Why a block has not as many good replicas as it should, and what is being done. */
export interface BlockHealth {
  readonly block: BlockId;
  readonly stamp: GenerationStamp;
  readonly length: number;
  /** All that were reported, and what each is worth; of a block group its shards. */
  readonly replicas: readonly ReplicaHealth[];
  /** Replicas, or shards, that there should be. */
  readonly wanted: number;
  /** Nodes on which a replica is being made. */
  readonly making: readonly NodeId[];
  readonly problem:
    | "none"
    | "missing"
    | "under-replicated"
    | "over-replicated"
    | "corrupt"
    | "misplaced"
    | "open";
  /** One sentence, such as "n3 is silent for 12 s; a replica is being made on n4, from n1". */
  readonly explanation: string;
}

export interface ReplicaHealth {
  readonly node: NodeId;
  readonly rack: string;
  readonly standing: NodeStanding;
  /** `silent`: its node is gone. `stale`: of an older generation, or of another length. `quiet`: good, of a node silent for seconds. */
  readonly state: "good" | "quiet" | "silent" | "stale" | "corrupt" | "writing" | "recovering";
  /** Which shard of its block group it is; undefined: the block is replicated. */
  readonly shard?: number;
}

/** How all blocks are, and the nodes that keep them. */
export interface FilesReport {
  readonly blocks: {
    readonly total: number;
    /** Of no replica it is known that it is good, or where it is. */
    readonly missing: number;
    readonly underReplicated: number;
    readonly overReplicated: number;
    /** All replicas that are there are damaged. */
    readonly corrupt: number;
    /** All replicas are on one rack, though there are more. */
    readonly misplaced: number;
    /** Being written. */
    readonly open: number;
  };
  readonly nodes: readonly NodeReport[];
  /** Members of which nothing was heard since the node that reports was started. */
  readonly unheard: readonly NodeId[];
  readonly safeMode: SafeModeStatus;
}

export interface NodeReport {
  readonly node: BlockNode;
  /** Replicas that it holds. */
  readonly replicas: number;
  /**
   * Of a node on its way out: blocks of which it holds a replica and too few are elsewhere (in maintenance: none is). It may be
   * stopped at 0.
   */
  readonly remaining: number;
  /** What is being done about the first of those; undefined: there are none. */
  readonly explanation: string | undefined;
}

export interface SafeModeStatus {
  readonly on: boolean;
  /** Who ends it: an operator, or this node by itself when enough blocks are reported. Undefined: it is off. */
  readonly by: "operator" | "start" | undefined;
  /** One sentence; undefined: it is off. */
  readonly explanation: string | undefined;
}

export interface BalanceOptions extends CallOptions {
  /** Share of its space by which a node's use may differ from the mean. Default 0.1. */
  readonly threshold?: number;
  /** Bytes that are moved in this round. Default 10 GiB. */
  readonly maxBytes?: number;
}

/** None ordered and none pending: all nodes are used alike, as far as they can be. */
export type BalanceRound = BalanceMoves;

export interface FileSystem {
  /** Where this door is: reads and writes prefer it. */
  readonly node: NodeId;
  /** Puts a change into the log; its reply is that of `Replies`. */
  change<C extends Change>(command: C, options?: CallOptions): Promise<Replies[C["type"]]>;

  // Questions, linearizable: each waits for a barrier of the namespace's group first.
  status(
    path: string,
    caller: Caller,
    options?: CallOptions & { readonly followLast?: boolean },
  ): Promise<FileStatus>;
  /** At most 1,000 names a call; `startAfter` "" begins. */
  list(path: string, caller: Caller, startAfter: string, options?: CallOptions): Promise<Listing>;
  contentSummary(path: string, caller: Caller, options?: CallOptions): Promise<ContentSummary>;
  acl(path: string, caller: Caller, options?: CallOptions): Promise<AclStatus>;
  attributes(
    path: string,
    caller: Caller,
    names: readonly string[] | undefined,
    options?: CallOptions,
  ): Promise<ReadonlyMap<string, string>>;
  linkTarget(path: string, caller: Caller, options?: CallOptions): Promise<string>;
  checkAccess(path: string, caller: Caller, permission: number, options?: CallOptions): Promise<void>;
  locations(
    path: string,
    caller: Caller,
    offset: number,
    length: number,
    options?: CallOptions,
  ): Promise<{ readonly status: FileStatus; readonly blocks: readonly BlockLocation[] }>;
  checksum(path: string, caller: Caller, options?: CallOptions): Promise<FileChecksum>;
  snapshottable(caller: Caller, options?: CallOptions): Promise<readonly SnapshottableDirectory[]>;
  snapshots(path: string, caller: Caller, options?: CallOptions): Promise<readonly SnapshotEntry[]>;
  snapshotDifference(
    path: string,
    caller: Caller,
    from: string,
    to: string,
    options?: CallOptions,
  ): Promise<readonly SnapshotDifference[]>;
  settings(): NamespaceSettings;
  statistics(): NamespaceStatistics;
  nodes(): readonly BlockNode[];
  /** Walks the subtree in the order of the paths, a directory before what is in it. */
  health(path: string, caller: Caller, options?: CallOptions): AsyncIterable<PathHealth>;
  /** In sum. At the cost of a look at every block. */
  report(options?: CallOptions): Promise<FilesReport>;
  /** As far as this node is concerned. `configure` begins one on all nodes, and ends any. */
  safeMode(): SafeModeStatus;
  /** Orders one round of moves from full nodes to empty ones, unless an earlier one is still under way. For the superuser. */
  balance(caller: Caller, options?: BalanceOptions): Promise<BalanceRound>;
  /** Resolves when every block below the path has as many good replicas as it should. */
  settledReplication(path: string, caller: Caller, options?: CallOptions): Promise<void>;

  // Streams.
  create(path: string, caller: Caller, options?: CreateOptions): Promise<FileWriter>;
  /**
   * The file of a `create` with this request was put into the namespace, through whichever node, and this node has applied it lately.
   * False: it was not, or not yet, or it is not known any more.
   */
  isDone(request: string, path: string): boolean;
  /** Raises what `create` would be refused with at this moment, in one round, and begins nothing. */
  checkCreate(path: string, caller: Caller, options?: CreateOptions): Promise<void>;
  /** At the end of a file that nobody writes. BEING_WRITTEN, LEASE_RECOVERING. */
  append(path: string, caller: Caller, options?: CallOptions): Promise<FileWriter>;
  read(path: string, caller: Caller, options?: ReadOptions): Promise<FileReader>;
  /** Calls back when the file or directory at a path may have changed, until the signal fires. */
  watch(path: string, caller: Caller, changed: (path: string) => void, options?: CallOptions): void;
}
