/** What each command of `commands.ts` is answered with. */
import type { FileErrorCode } from "../../../runtime/errors.ts";
import type { CommandType } from "./commands.ts";
import type { ErasurePolicy } from "./erasure-policy.ts";
import type { Block, BlockRecovery, FileId, FileStatus } from "./model.ts";

/** A file that the caller holds now. */
export interface Opened {
  readonly status: FileStatus;
  /** Of an append: the block to go on in, under its new stamp. */
  readonly block: (Block & { readonly replication: number }) | undefined;
  /** Of an append to a file whose end is in the namespace: the first block begins with these bytes. A binary string. */
  readonly inline: string | undefined;
}

/** The next block of a file that is being written. */
export interface AddedBlock {
  readonly block: Block;
  /** Of its first byte, in the file. */
  readonly offset: number;
  readonly replication: number;
  /** Bytes that the block holds at most: of a block group, of all its data shards. */
  readonly blockSize: number;
  /** It is a block group; its shards go to the nodes of `pipeline`, in their order. Undefined: it is replicated. */
  readonly coding?: ErasurePolicy;
  /** The nodes that the command named, or those of the earlier one that it repeats. */
  readonly pipeline: readonly string[];
}

/** `closed`: the file is at rest. Else its last block is being recovered. */
export interface LeaseRecovery {
  readonly file: FileId;
  readonly closed: boolean;
  readonly recovery: BlockRecovery | undefined;
}

interface ReplyShapes {
  /** False: it was there already. */
  readonly mkdir: boolean;
  readonly symlink: FileStatus;
  readonly rename: boolean;
  readonly renameTo: undefined;
  readonly publish: undefined;
  /** False: there was nothing. */
  readonly delete: boolean;
  /** Where it is now; undefined: there was nothing. */
  readonly trash: string | undefined;
  /** Paths of the checkpoints that were removed. */
  readonly expunge: readonly string[];
  readonly setMode: undefined;
  readonly setOwner: undefined;
  readonly setTimes: undefined;
  /** False: it is a directory. */
  readonly setReplication: boolean;
  readonly setQuota: undefined;
  readonly setAcl: undefined;
  readonly setAttribute: undefined;
  readonly removeAttribute: undefined;
  readonly setPolicy: undefined;
  readonly put: FileStatus;
  readonly appendInline: FileStatus;
  readonly concat: undefined;
  /** False: the block at the new end is being cut; the file is at rest when it is no longer open. */
  readonly truncate: boolean;
  readonly create: Opened;
  readonly append: Opened;
  readonly addBlock: AddedBlock;
  readonly abandonBlock: undefined;
  /** The generation stamp. */
  readonly nextStamp: number;
  readonly updatePipeline: undefined;
  readonly sync: undefined;
  readonly complete: FileStatus;
  /** False: its last block is being cut. */
  readonly abandon: boolean;
  /** How many files the holder has open. */
  readonly renewLease: number;
  readonly recoverLease: LeaseRecovery;
  /** False: it was done already, or another attempt is under way. */
  readonly finishRecovery: boolean;
  readonly allowSnapshots: undefined;
  /** The snapshot's path. */
  readonly createSnapshot: string;
  readonly renameSnapshot: undefined;
  readonly deleteSnapshot: undefined;
  readonly configure: undefined;
  readonly setStanding: undefined;
  /** Files that are now closed or being recovered. */
  readonly expireLeases: number;
  readonly endLeases: number;
  /** Nodes given up. */
  readonly reclaim: number;
  /** Checkpoints made and removed. */
  readonly emptyTrash: number;
  /** False: it was founded before. */
  readonly found: boolean;
}

/** Proves that every command has a reply. */
export type Replies = { readonly [Type in CommandType]: ReplyShapes[Type] };

export type RefusalCode = FileErrorCode | "UNSUPPORTED";

/** What is wrong with a command or a question. The state is as if it had not been asked. */
export class Refusal {
  readonly code: RefusalCode;
  readonly message: string;

  constructor(code: RefusalCode, message: string) {
    this.code = code;
    this.message = message;
  }
}

export type NamespaceReply = Replies[CommandType] | Refusal;
