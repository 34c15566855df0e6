/**
 * blocks: the replicas that a node keeps, and how they come to other nodes.
 *
 * This file is the contract of the block store: one directory of a disk, two files a replica (the bytes, and beside them a
 * CRC-32C for every 512 bytes, big-endian, as HDFS counts them; `replica-files.ts`). Nothing is believed that its checksum does not vouch for:
 * every read is verified before a byte leaves. All calls take callbacks, so that the simulated disk decides their order.
 *
 * A replica is `writing` until `finish`; a process that dies leaves `writing` replicas, whose bytes count up to the last sync
 * whose bytes all fit their checksums. A stamp of the namespace goes with every replica; one with an older stamp than the block is
 * stale. `protocol.ts` is how nodes talk, `locations.ts` what a namespace node knows of who holds what.
 */
import type { Bytes } from "../../../runtime/bytes.ts";
import type { QuorateError } from "../../../runtime/errors.ts";
import type { BlockId, GenerationStamp } from "../namespace/model.ts";

/** Bytes that one checksum covers. Fixed: checksums of files agree with HDFS's only so. */
export const CHUNK_BYTES: number = 512;
/** Bytes that one read gives, at most. */
export const READ_BYTES: number = 4 << 20;

export type ReplicaState = "writing" | "finished" | "recovering" | "corrupt";

export interface Replica {
  readonly id: BlockId;
  readonly stamp: GenerationStamp;
  /** Bytes that are durable and verified (`writing`: so far). */
  readonly length: number;
  readonly state: ReplicaState;
}

export type Outcome<T = void> = (error: QuorateError | undefined, value?: T) => void;

/** How sure bytes must be before they are acknowledged. `disk`: synced; `memory`: handed to the operating system. */
export type ReplicaDurability = "disk" | "memory";

/** The one who writes a replica. At most one a replica: opening another makes the earlier one fail. */
export interface ReplicaWriter {
  readonly id: BlockId;
  readonly stamp: GenerationStamp;
  /** Written so far. */
  readonly length: number;
  /**
   * Writes `bytes` at the end; `checksums` are those of their chunks, where the first goes on in a chunk that has begun: its
   * checksum then covers the whole chunk. Verified before written: CHECKSUM_MISMATCH; unless `isOwn`, for bytes whose checksums
   * were made in this process, of the same memory. DISK_FULL leaves the replica as it was. `done` comes when the bytes are
   * written, not when they are durable; several may be under way, in order.
   */
  write(bytes: Bytes, checksums: Bytes, done: Outcome, isOwn?: boolean): void;
  /** Everything written so far is durable. Calls that wait share one sync. */
  sync(done: Outcome): void;
  /** Syncs (unless durability is `memory`) and makes it `finished`. */
  finish(done: Outcome<Replica>): void;
  /** Stops, with what is written synced; the replica stays `writing`. Idempotent. */
  release(): void;
}

/** A piece of a replica that was verified. */
export interface ReadPiece {
  /** Begins exactly where it was asked for. */
  readonly bytes: Bytes;
  /** The whole chunks that it was cut from, with their checksums (big-endian): what another node can verify again. */
  readonly chunks: { readonly offset: number; readonly content: Bytes; readonly checksums: Bytes };
  readonly replicaLength: number;
  /** Where it is lent: must be called once, and its memory is used again afterwards. Undefined: it has memory of its own. */
  readonly giveBack: (() => void) | undefined;
}

export interface BlockStore {
  /** Bytes of a lent piece that serve best at present; 0 when none can be lent. */
  readonly lendableBytes: number;
  /** A new, empty replica. REPLICA_UNUSABLE when there is one with this stamp or a later one; an older one is replaced. */
  create(
    id: BlockId,
    stamp: GenerationStamp,
    durability: ReplicaDurability,
    done: Outcome<ReplicaWriter>,
  ): void;
  /**
   * Goes on with a replica that has at least `length` bytes, cut to it, under a stamp that is later than its own (or the same,
   * for a pipeline that is built again). REPLICA_UNUSABLE when it is shorter, newer or absent.
   */
  reopen(
    id: BlockId,
    stamp: GenerationStamp,
    length: number,
    durability: ReplicaDurability,
    done: Outcome<ReplicaWriter>,
  ): void;
  /**
   * Bytes [offset, offset + length), at most READ_BYTES, fewer at its end. REPLICA_UNUSABLE when it is absent or older than
   * `minStamp`; CHECKSUM_MISMATCH when it is damaged, and then it is `corrupt` from now on. With `mayLend` (default false) it
   * may be lent.
   */
  read(
    id: BlockId,
    minStamp: GenerationStamp,
    offset: number,
    length: number,
    done: Outcome<ReadPiece>,
    mayLend?: boolean,
  ): void;
  /** The stored checksums of the chunks that [0, length) begins, big-endian: what a file's checksum is made of. */
  readChecksums(id: BlockId, minStamp: GenerationStamp, length: number, done: Outcome<Bytes>): void;
  /**
   * First step of a block's recovery: its writer is stopped, and no attempt with an older stamp is heard any more, also after
   * a restart. Gives what is held, verified to its end, with the state that it had; REPLICA_UNUSABLE when there is nothing, or
   * a later attempt was here; CHECKSUM_MISMATCH when it is damaged.
   */
  beginRecovery(id: BlockId, recoveryStamp: GenerationStamp, done: Outcome<Replica>): void;
  /** Second step: cut to `length`, stamped, `finished`, durable. With `copyTo`, the bytes go to a new replica instead. */
  finishRecovery(
    id: BlockId,
    recoveryStamp: GenerationStamp,
    length: number,
    copyTo: BlockId | undefined,
    done: Outcome<Replica>,
  ): void;
  /** Gone at once for readers; the space follows. `done` without an error also when there was none. */
  delete(id: BlockId, done: Outcome): void;
  get(id: BlockId): Replica | undefined;
  /** Reads and verifies all of it. CHECKSUM_MISMATCH: it is `corrupt` from now on. REPLICA_UNUSABLE when it is absent. */
  verify(id: BlockId, done: Outcome<Replica>): void;
  /** All replicas, by ascending id, from memory. */
  list(): Iterable<Replica>;
  /** Reads and verifies on, round and round all finished replicas, at most `maxBytes`; gives how many were read. */
  scrub(maxBytes: number, done: Outcome<number>): void;
  /** Tells of every change of a replica, also of damage that a read or the scrubber found. */
  onChange(listener: (replica: Replica | undefined, id: BlockId) => void): void;
  space(): BlockSpace;
  /** Waits for what is under way; writers fail. */
  close(done: () => void): void;
}

export interface BlockSpace {
  readonly capacityBytes: number;
  /** By replicas. */
  readonly usedBytes: number;
  /** For more replicas: what the disk has, less what is reserved for the log. */
  readonly freeBytes: number;
}
