/**
 * What the log carries for the namespace: every change of it, one command each, applied whole or not at all.
 *
 * A command says everything that its outcome depends on besides the state: who asks, which nodes were chosen. Its reply is
 * in `replies.ts` under the same name; what is wrong with it is a `Refusal`. The codec is `command-codec.ts`.
 */
import type { NodeId } from "../../../runtime/world.ts";
import type {
  AclEntry,
  BlockId,
  Caller,
  FileId,
  GenerationStamp,
  NamespaceSettings,
  NodeStanding,
} from "./model.ts";

/** Of a path that is changed on behalf of a user. */
interface OnPath {
  readonly caller: Caller;
  readonly path: string;
}

/** Of a file that a writer holds. All raise LEASE_LOST when it no longer does. */
interface OnOpenFile {
  readonly file: FileId;
  readonly holder: string;
}

/** The last block as its writer knows it: what its pipeline has acknowledged. */
export interface WrittenBlock {
  readonly id: BlockId;
  readonly stamp: GenerationStamp;
  readonly length: number;
}

/** How a new file begins. */
interface NewFile {
  /** Nine bits, after the writer's umask. */
  readonly mode: number;
  /** As it was before the umask: counts in its place where the directory has a default ACL. Undefined: as `mode`. */
  readonly unmaskedMode: number | undefined;
  /** Undefined: the file system's. */
  readonly replication: number | undefined;
  /** Undefined: the file system's. A multiple of 512, at least the minimum. */
  readonly blockSize: number | undefined;
  /** Directories that are missing are made. */
  readonly createParents: boolean;
  /**
   * What becomes of a file that is there already: PATH_EXISTS, or this one in its place, in one step: when it is put, or closed or
   * first synced. A writer that gives up or dies before leaves what was there.
   */
  readonly existing: "refuse" | "replace";
}

/** One rename of a `publish`. */
export interface Move {
  readonly from: string;
  readonly to: string;
}

/** What must be so for a `publish` to be carried out. */
export interface Expectation {
  readonly path: string;
  /** Undefined: nothing may be there. */
  readonly id: FileId | undefined;
  /** Undefined: any. */
  readonly revision: number | undefined;
}

export type NamespaceCommand =
  // Directories, names
  | ({
      readonly type: "mkdir";
      /** Nine bits and the sticky bit. */
      readonly mode: number;
      readonly unmaskedMode: number | undefined;
      readonly createParents: boolean;
    } & OnPath)
  | ({ readonly type: "symlink"; readonly target: string; readonly createParents: boolean } & OnPath)
  /** As Hadoop's: into `to` when that is a directory; answers false, not an error, when it cannot be. */
  | { readonly type: "rename"; readonly caller: Caller; readonly from: string; readonly to: string }
  /** As POSIX's, with or without replacing what is at `to` (a file, or an empty directory). */
  | {
      readonly type: "renameTo";
      readonly caller: Caller;
      readonly from: string;
      readonly to: string;
      readonly overwrite: boolean;
    }
  /** Many renames, all or none, and only if everything is as expected. Made for a job's commit. */
  | {
      readonly type: "publish";
      readonly caller: Caller;
      readonly expected: readonly Expectation[];
      readonly moves: readonly Move[];
      /** Files at the targets are replaced. */
      readonly overwrite: boolean;
      /** Parents of the targets are made where they are missing. */
      readonly createParents: boolean;
    }
  | ({ readonly type: "delete"; readonly recursive: boolean } & OnPath)
  /** To the same path below the trash of the caller; makes what is missing, and never overwrites. */
  | ({ readonly type: "trash" } & OnPath)
  /** Closes the current trash of the caller as a checkpoint, and removes checkpoints older than `olderThanMs`. */
  | { readonly type: "expunge"; readonly caller: Caller; readonly olderThanMs: number }
  // Attributes
  | ({ readonly type: "setMode"; readonly mode: number } & OnPath)
  /** Undefined keeps it. */
  | ({
      readonly type: "setOwner";
      readonly owner: string | undefined;
      readonly group: string | undefined;
    } & OnPath)
  /** Undefined keeps it. */
  | ({
      readonly type: "setTimes";
      readonly modifiedMs: number | undefined;
      readonly accessedMs: number | undefined;
    } & OnPath)
  | ({ readonly type: "setReplication"; readonly replication: number } & OnPath)
  /** Undefined keeps it, -1 removes it. For the superuser. */
  | ({
      readonly type: "setQuota";
      readonly names: number | undefined;
      readonly space: number | undefined;
    } & OnPath)
  /** `replace` all, `modify` or `remove` those given, `removeDefault` and `removeAll` take none. */
  | ({
      readonly type: "setAcl";
      readonly change: "replace" | "modify" | "remove" | "removeDefault" | "removeAll";
      readonly entries: readonly AclEntry[];
    } & OnPath)
  /** `value` is a binary string. */
  | ({
      readonly type: "setAttribute";
      readonly name: string;
      readonly value: string;
      /** It must not be there, must be there, or either. */
      readonly mode: "create" | "replace" | "either";
    } & OnPath)
  | ({ readonly type: "removeAttribute"; readonly name: string } & OnPath)
  /**
   * Undefined removes it. Each is a name that files made below inherit. `erasureCoding`: of `ERASURE_POLICIES`, or
   * "replication"; directories below that have none of their own follow, files that are there stay as they are.
   */
  | ({
      readonly type: "setPolicy";
      readonly policy: "storage" | "erasureCoding";
      readonly value: string | undefined;
    } & OnPath)
  // Files whole
  /** A small file in one command: content in the namespace. `content` is a binary string. */
  | ({ readonly type: "put"; readonly content: string } & NewFile & OnPath)
  /** One atomic append that stays in the namespace. Refused with FILE_OPERATION_REFUSED when it does not fit there. */
  | ({ readonly type: "appendInline"; readonly content: string } & OnPath)
  /** The content of `sources` moves, in order, behind that of `path`; the sources are gone. */
  | ({ readonly type: "concat"; readonly sources: readonly string[] } & OnPath)
  /** Takes at once where no block must be cut; else the file is held until the block is. */
  | ({ readonly type: "truncate"; readonly length: number } & OnPath)
  // Files by the block: one writer each
  | ({ readonly type: "create"; readonly holder: string } & NewFile & OnPath)
  /** The file is the holder's. Its last block, if it is not full, gets a new stamp; `pipeline`: who holds that block. */
  | ({ readonly type: "append"; readonly holder: string; readonly pipeline: readonly NodeId[] } & OnPath)
  /** Closes `previous` for ever, at its length, and begins the next block on these nodes. */
  | ({
      readonly type: "addBlock";
      readonly previous: WrittenBlock | undefined;
      readonly pipeline: readonly NodeId[];
    } & OnOpenFile)
  /** No pipeline came about: the last block, still empty, is taken back. */
  | ({ readonly type: "abandonBlock"; readonly block: BlockId } & OnOpenFile)
  /** A node of the pipeline failed: gives the stamp under which the others go on. Nothing else changes yet. */
  | ({ readonly type: "nextStamp"; readonly block: BlockId } & OnOpenFile)
  /** The pipeline goes on with these nodes and this stamp: replicas with the old one are stale from now on. */
  | ({
      readonly type: "updatePipeline";
      readonly block: WrittenBlock;
      readonly pipeline: readonly NodeId[];
    } & OnOpenFile)
  /** What the pipeline has acknowledged becomes visible to readers. */
  | ({ readonly type: "sync"; readonly block: WrittenBlock } & OnOpenFile)
  | ({ readonly type: "complete"; readonly last: WrittenBlock | undefined } & OnOpenFile)
  /**
   * The writer gives up. `length` undefined: the file, which it made, is removed. Else the file goes back to that length, which
   * it had before or was synced at since; where a block must be cut for it, the file is held until it is.
   */
  | ({ readonly type: "abandon"; readonly length: number | undefined } & OnOpenFile)
  | { readonly type: "renewLease"; readonly holder: string }
  /** Takes the file from its writer when that was silent for the soft limit, is the caller itself, or `force` (superuser). */
  | ({ readonly type: "recoverLease"; readonly holder: string | undefined; readonly force: boolean } & OnPath)
  /** By the leader: the block is at one length on these nodes. `length` undefined: no replica of it exists. */
  | {
      readonly type: "finishRecovery";
      readonly file: FileId;
      readonly block: BlockId;
      readonly stamp: GenerationStamp;
      readonly length: number | undefined;
    }
  // Snapshots of directories
  | ({ readonly type: "allowSnapshots"; readonly allowed: boolean } & OnPath)
  /** Undefined: a name made of the log time, as HDFS makes it. */
  | ({ readonly type: "createSnapshot"; readonly name: string | undefined } & OnPath)
  | ({ readonly type: "renameSnapshot"; readonly name: string; readonly to: string } & OnPath)
  | ({ readonly type: "deleteSnapshot"; readonly name: string } & OnPath)
  // The file system
  | { readonly type: "configure"; readonly caller: Caller; readonly settings: Partial<NamespaceSettings> }
  /** One node's own line of the settings `decommissioning` and `inMaintenance`: two operators do not undo each other. */
  | {
      readonly type: "setStanding";
      readonly caller: Caller;
      readonly node: NodeId;
      readonly standing: NodeStanding;
    }
  /** Upkeep, by the leader: closes or begins to recover files whose writers were silent for the hard limit. */
  | { readonly type: "expireLeases"; readonly limit: number }
  /**
   * By the leader: these holders are gone, with the process of their node. Their files are closed, or begin to be recovered, as
   * when the hard limit is over. Who gave a sign within the last `silentMs` is left alone. Answers how many files.
   */
  | { readonly type: "endLeases"; readonly holders: readonly string[]; readonly silentMs: number }
  /** Upkeep, by the leader: gives up that many nodes of what was deleted, and their blocks. */
  | { readonly type: "reclaim"; readonly limit: number }
  /** Upkeep, by the leader: closes every user's current trash and removes checkpoints that are due. */
  | { readonly type: "emptyTrash" }
  /**
   * By the first leader: what the file system begins with. A later one changes nothing. `key`: a secret of the cluster, 64
   * hexadecimal digits; the settings are those that depend on the cluster, such as the replication of one of a single node.
   */
  | { readonly type: "found"; readonly key: string; readonly settings: Partial<NamespaceSettings> };

export type CommandType = NamespaceCommand["type"];
export type CommandOf<Type extends CommandType> = Extract<NamespaceCommand, { readonly type: Type }>;
