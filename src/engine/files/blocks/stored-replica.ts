/** A replica as its node knows it while somebody works on it: what is durable of it, who writes it, how many read it. */
import { QuorateError } from "../../../runtime/errors.ts";
import type { BlockId } from "../namespace/model.ts";
import type { Replica, ReplicaState } from "./block-store.ts";
import type { DiskReplicaWriter } from "./replica-writer.ts";
import type { ReplicaRecord } from "./replica-record.ts";

export class StoredReplica {
  /** The latest record that is on the disk. */
  record: ReplicaRecord;
  /** Why its bytes are not to be trusted, if so. */
  damage: string | undefined;
  writer: DiskReplicaWriter | undefined;
  /** Those who have its files, or wait for them to be opened. */
  readers = 0;
  /** Grows when bytes that could be read may change: a reader that sees another one than at its begin knows nothing. */
  epoch = 0;
  /** It was deleted or replaced, or rests (`stored-replicas.ts`): what this says does not hold any more. */
  gone = false;

  constructor(record: ReplicaRecord, damage?: string) {
    this.record = record;
    this.damage = damage;
  }

  get id(): BlockId {
    return this.record.id;
  }

  get state(): ReplicaState {
    if (this.damage !== undefined) return "corrupt";
    return this.record.promised > this.record.stamp ? "recovering" : this.record.state;
  }

  /** The record that comes next. The one before it stays where it is until this one is durable. */
  next(change: Partial<ReplicaRecord>): ReplicaRecord {
    return { ...this.record, ...change, sequence: this.record.sequence + 1 };
  }

  view(): Replica {
    const { id, stamp, length } = this.record;
    return { id, stamp, length, state: this.state };
  }
}

export function unusable(id: BlockId, why: string, cause?: unknown): QuorateError {
  return new QuorateError("REPLICA_UNUSABLE", `replica of block ${id}: ${why}`, { cause });
}

export function mismatch(id: BlockId, why: string): QuorateError {
  return new QuorateError("CHECKSUM_MISMATCH", `replica of block ${id}: ${why}`);
}

/** What an error of the disk means to those who wanted to write. */
export function writeFailure(id: BlockId, error: Error): QuorateError {
  const full = "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT");
  return full
    ? new QuorateError("DISK_FULL", `no space for block ${id}: ${error.message}`, { cause: error })
    : unusable(id, error.message, error);
}
