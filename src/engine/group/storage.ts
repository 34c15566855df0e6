/** What a replica needs of the disk: its share of the write-ahead log, and its snapshots. */
import type { DurableWrite, Index, SnapshotMeta } from "../../consensus/consensus.ts";
import type { Bytes } from "../../runtime/bytes.ts";
import type { QuorateError } from "../../runtime/errors.ts";
import type { SnapshotCut } from "./state-machine.ts";

export interface ReplicaStorage {
  /** `done` comes when the write, and all before it, are durable. A failing disk ends the process instead. */
  append(write: DurableWrite, done: () => void): void;
  /** Entries below may be forgotten. */
  compact(belowIndex: Index): void;
  /** Writes a snapshot in slices while the replica goes on; `done` when it is durable and the older ones are gone. */
  saveSnapshot(
    snapshot: Omit<SnapshotMeta, "sizeBytes">,
    cut: SnapshotCut,
    done: (error: Error | undefined, saved: SnapshotMeta | undefined) => void,
  ): void;
  /** Bytes of the newest local snapshot; undefined when it is no longer there. */
  readChunk(snapshot: SnapshotMeta, offset: number, length: number): Bytes | undefined;
  /** Verifies a stored snapshot, a bit in each turn. A damaged one is read from no more; `intact` is true also when it is gone. */
  verifySnapshot(snapshot: SnapshotMeta, done: (intact: boolean) => void): void;
  /** Stores received bytes; `valid` false: they do not fit, start again. */
  storeChunk(snapshot: SnapshotMeta, offset: number, chunk: Bytes, done: (valid: boolean) => void): void;
  /** Verifies and keeps a fully received snapshot; gives its content, or undefined when a checksum failed. */
  adoptSnapshot(snapshot: SnapshotMeta, done: (content: Iterable<Bytes> | undefined) => void): void;
  /** Why no more writes can be taken now (DISK_FULL), or undefined. What was appended already waits and is not lost. */
  refusing(): QuorateError | undefined;
  /** Why what was appended is held up (DISK_FULL): until there is space, this replica cannot follow the log. */
  stalled(): QuorateError | undefined;
  /** Bytes that log and snapshots take on the disk; the log that all groups share is counted as group 0's. */
  diskBytes(): number;
  /** Bytes of the shared log while entries of this group keep its oldest part; otherwise 0. */
  pinnedBytes(): number;
}
