/**
 * The block store on one directory of a disk. What changes a replica waits for its turn: one change at a time for each, in
 * the order of the calls; readers wait for nothing, and find out afterwards whether what they read was being changed.
 */
import type { Bytes } from "../../../runtime/bytes.ts";
import { concatBytes } from "../../../runtime/bytes.ts";
import type { QuorateError } from "../../../runtime/errors.ts";
import type { Clock, Disk, Random } from "../../../runtime/world.ts";
import type { BlockId, GenerationStamp } from "../namespace/model.ts";
import type {
  BlockSpace,
  BlockStore,
  Outcome,
  ReadPiece,
  Replica,
  ReplicaDurability,
  ReplicaWriter,
} from "./block-store.ts";
import { CHUNK_BYTES, READ_BYTES } from "./block-store.ts";
import { ChunkChecksums } from "./chunk-checksums.ts";
import type { PieceReader } from "./piece-reader.ts";
import type { ReplicaFiles } from "./replica-files.ts";
import {
  bigEndian,
  closeFiles,
  createFiles,
  cutExtent,
  openFiles,
  readVerified,
  removeFiles,
  verifyAll,
  writeRecord,
} from "./replica-files.ts";
import { fullChunks, sumPosition } from "./replica-record.ts";
import { scanReplicas } from "./replica-scan.ts";
import { ReplicaTable } from "./replica-table.ts";
import { Scrubber } from "./scrubber.ts";
import { mismatch, StoredReplica, unusable, writeFailure } from "./stored-replica.ts";
import { StoredReplicas } from "./stored-replicas.ts";

export interface BlockStoreOptions {
  /** A directory of its own. */
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  /** Bytes of the disk that blocks leave to others, the log above all. Default 256 MiB. */
  readonly reservedBytes?: number;
  /** Replicas that are kept as objects though nobody works on them (`stored-replicas.ts`). Default 256. */
  readonly awakeReplicas?: number;
  /** Reads large pieces of replicas, beside the event loop. Default: all is read by the disk, and verified here. */
  readonly reader?: PieceReader;
}

const RESERVED_BYTES = 256 * 1024 * 1024;
const MAX_BYTES = 2 ** 52;

/** Opens the store and calls back when every replica is known and verified as far as it must be (`replica-scan.ts`). */
export function openBlockStore(options: BlockStoreOptions, done: (store: BlockStore) => void): void {
  const replicas = new StoredReplicas(options.awakeReplicas);
  scanReplicas(options.disk, options.clock, replicas, () => done(new DiskBlockStore(options, replicas)));
}

class DiskBlockStore extends ReplicaTable implements BlockStore {
  private readonly scrubber: Scrubber;

  constructor({ disk, random, reservedBytes, reader }: BlockStoreOptions, replicas: StoredReplicas) {
    super(disk, reservedBytes ?? RESERVED_BYTES, replicas, reader);
    this.scrubber = new Scrubber(this, random.float());
  }

  create(
    id: BlockId,
    stamp: GenerationStamp,
    durability: ReplicaDurability,
    done: Outcome<ReplicaWriter>,
  ): void {
    this.inTurn(id, done, (over) => {
      const old = this.replicas.get(id);
      if (old !== undefined && stamp <= Math.max(old.record.stamp, old.record.promised)) {
        return over(unusable(id, `one with stamp ${old.record.stamp} is there`));
      }
      const full = this.admit(CHUNK_BYTES, true);
      if (full !== undefined) return over(full);
      this.discard(old, (error) => {
        if (error !== undefined) return over(writeFailure(id, error));
        createFiles(this.disk, id, (createError, files) => {
          if (files === undefined) return over(writeFailure(id, createError ?? new Error("no file")));
          this.begin(id, stamp, durability, files, over);
        });
      });
    });
  }

  private begin(
    id: BlockId,
    stamp: GenerationStamp,
    durability: ReplicaDurability,
    files: ReplicaFiles,
    done: Outcome<ReplicaWriter>,
  ): void {
    const first = { sequence: 0, id, stamp, promised: 0, length: 0, tailSum: 0, state: "writing" } as const;
    const replica = new StoredReplica({ ...first, synced: durability === "disk" });
    writeRecord(files, replica.record, (error) => {
      if (error !== undefined) {
        closeFiles(files);
        return removeFiles(this.disk, id, () => done(writeFailure(id, error)));
      }
      this.replicas.add(replica);
      done(undefined, this.startWriter(replica, files, durability, true));
      this.tell(replica);
    });
  }

  reopen(
    id: BlockId,
    stamp: GenerationStamp,
    length: number,
    durability: ReplicaDurability,
    done: Outcome<ReplicaWriter>,
  ): void {
    this.change(id, done, (replica, over) => {
      const { record } = replica;
      if (stamp < Math.max(record.stamp, record.promised)) return over(unusable(id, "it is newer"));
      this.cut(replica, length, { stamp, promised: 0, state: "writing" }, (error, files) => {
        if (files === undefined) return over(error);
        over(undefined, this.startWriter(replica, files, durability, false));
        this.tell(replica);
      });
    });
  }

  beginRecovery(id: BlockId, recoveryStamp: GenerationStamp, done: Outcome<Replica>): void {
    this.change(id, done, (replica, over) => {
      const { record } = replica;
      if (recoveryStamp < Math.max(record.stamp, record.promised)) {
        return over(unusable(id, "a later recovery was here"));
      }
      openFiles(this.disk, id, (openError, files) => {
        if (files === undefined) return over(unusable(id, `${openError?.message}`));
        verifyAll(files, record, this.reader, (fault) => {
          if (fault !== undefined) {
            closeFiles(files);
            return over(this.damaged(replica, fault));
          }
          const promised = recoveryStamp > record.stamp ? recoveryStamp : record.promised;
          this.commit(replica, files, replica.next({ promised, synced: true }), (error) => {
            closeFiles(files);
            if (error !== undefined) return over(writeFailure(id, error));
            this.tell(replica);
            over(undefined, { ...replica.view(), state: record.state });
          });
        });
      });
    });
  }

  finishRecovery(
    id: BlockId,
    recoveryStamp: GenerationStamp,
    length: number,
    copyTo: BlockId | undefined,
    done: Outcome<Replica>,
  ): void {
    if (copyTo !== undefined) return this.finishByCopy(id, recoveryStamp, length, copyTo, done);
    this.change(id, done, (replica, over) => {
      const { record } = replica;
      const isRepeated = record.stamp === recoveryStamp && record.state === "finished";
      if (isRepeated && record.length === length) return over(undefined, replica.view());
      if (record.promised !== recoveryStamp) return over(unusable(id, "this recovery was not begun here"));
      const change = { stamp: recoveryStamp, promised: 0, state: "finished" } as const;
      this.cut(replica, length, change, (error, files) => {
        if (files === undefined) return over(error);
        this.commit(replica, files, replica.next({}), (repeatError) => {
          closeFiles(files);
          this.tell(replica);
          over(repeatError && writeFailure(id, repeatError), replica.view());
        });
      });
    });
  }

  /** The old block stays as it was, for the snapshot that names it. */
  private finishByCopy(
    id: BlockId,
    recoveryStamp: GenerationStamp,
    length: number,
    copyTo: BlockId,
    done: Outcome<Replica>,
  ): void {
    const there = this.replicas.get(copyTo);
    if (there?.record.stamp === recoveryStamp && there.state === "finished")
      return done(undefined, there.view());
    const source = this.replicas.get(id);
    if (source?.record.promised !== recoveryStamp || source.record.length < length) {
      return done(unusable(id, "this recovery was not begun here, or at another length"));
    }
    this.create(copyTo, recoveryStamp, "disk", (error, writer) => {
      if (writer === undefined) return done(error);
      const fail = (failure: QuorateError | undefined): void => this.delete(copyTo, () => done(failure));
      const copied: Outcome<Replica> = (finishError, replica) => {
        if (replica === undefined) return fail(finishError);
        this.keepAsItWas(id, recoveryStamp, (keepError) => done(keepError, replica));
      };
      const step = (at: number): void => {
        if (at >= length) return writer.finish(copied);
        this.read(id, 0, at, Math.min(READ_BYTES, length - at), (readError, piece) => {
          if (piece === undefined) return fail(readError);
          const checksums = new ChunkChecksums(at, 0).of(piece.bytes);
          writer.write(piece.bytes, checksums, (writeError) =>
            writeError === undefined ? step(at + piece.bytes.length) : fail(writeError),
          );
        });
      };
      step(0);
    });
  }

  private keepAsItWas(id: BlockId, recoveryStamp: GenerationStamp, done: Outcome): void {
    this.change(id, done, (replica, over) => {
      if (replica.record.promised !== recoveryStamp) return over(undefined);
      openFiles(this.disk, id, (openError, files) => {
        if (files === undefined) return over(unusable(id, `${openError?.message}`));
        this.commit(replica, files, replica.next({ promised: 0 }), (error) => {
          closeFiles(files);
          this.tell(replica);
          over(error && writeFailure(id, error));
        });
      });
    });
  }

  read(
    id: BlockId,
    minStamp: GenerationStamp,
    offset: number,
    length: number,
    done: Outcome<ReadPiece>,
    mayLend = false,
  ): void {
    const replica = this.replicas.get(id);
    const refused = refusalOf(id, replica, minStamp);
    if (replica === undefined || refused !== undefined) return done(refused);
    const { record, epoch } = replica;
    if (offset > record.length) return done(unusable(id, `it ends at byte ${record.length}`));
    this.open.use(replica, (error, files, free) => {
      if (files === undefined) return done(unusable(id, `${error?.message}`));
      const wanted = Math.min(length, READ_BYTES, record.length - offset);
      readVerified(files, record, offset, wanted, { reader: this.reader, mayLend }, (fault, chunks) => {
        free();
        if (replica.gone || replica.epoch !== epoch) {
          chunks?.giveBack?.();
          return done(unusable(id, "it was changed meanwhile"));
        }
        if (chunks === undefined) return done(this.damaged(replica, fault));
        const from = offset - chunks.offset;
        done(undefined, {
          bytes: chunks.content.subarray(from, from + wanted),
          chunks,
          replicaLength: record.length,
          giveBack: chunks.giveBack,
        });
      });
    });
  }

  get lendableBytes(): number {
    return this.reader?.lendableBytes ?? 0;
  }

  readChecksums(id: BlockId, minStamp: GenerationStamp, length: number, done: Outcome<Bytes>): void {
    const replica = this.replicas.get(id);
    const refused = refusalOf(id, replica, minStamp);
    if (replica === undefined || refused !== undefined) return done(refused);
    const { record, epoch } = replica;
    if (length > record.length) return done(unusable(id, `it ends at byte ${record.length}`));
    this.open.use(replica, (error, files, free) => {
      if (files === undefined) return done(unusable(id, `${error?.message}`));
      files.sums.read(sumPosition(0), 4 * fullChunks(length), (readError, row) => {
        if (row === undefined || row.length < 4 * fullChunks(length)) {
          free();
          return done(this.damaged(replica, { type: "damaged", message: `${readError?.message}`, at: 0 }));
        }
        cutExtent(files, record, length, (fault, extent) => {
          free();
          if (replica.gone || replica.epoch !== epoch) return done(unusable(id, "it was changed meanwhile"));
          if (extent === undefined) return done(this.damaged(replica, fault));
          done(undefined, length % CHUNK_BYTES === 0 ? row : concatBytes([row, bigEndian(extent.tailSum)]));
        });
      });
    });
  }

  delete(id: BlockId, done: Outcome): void {
    this.inTurn(id, done, (over) => {
      this.discard(this.replicas.get(id), (error) => over(error && writeFailure(id, error)));
    });
  }

  get(id: BlockId): Replica | undefined {
    return this.replicas.view(id);
  }

  verify(id: BlockId, done: Outcome<Replica>): void {
    const replica = this.replicas.get(id);
    const refused = refusalOf(id, replica, 0);
    if (replica === undefined || refused !== undefined) return done(refused);
    this.scrubber.verifyPiece(replica, 0, Infinity, (error) =>
      done(error, error ? undefined : replica.view()),
    );
  }

  *list(): Iterable<Replica> {
    for (const id of this.replicas.ids().sort()) {
      const replica = this.replicas.view(id);
      if (replica !== undefined) yield replica;
    }
  }

  scrub(maxBytes: number, done: Outcome<number>): void {
    this.scrubber.step(maxBytes, done);
  }

  onChange(listener: (replica: Replica | undefined, id: BlockId) => void): void {
    this.listeners.push(listener);
  }

  space(): BlockSpace {
    const usedBytes = this.replicas.usedBytes();
    // A disk may claim to be endless (network file systems do); a figure on the wire may not.
    const free = Math.min(this.disk.freeBytes(), MAX_BYTES);
    return {
      capacityBytes: usedBytes + free,
      usedBytes,
      freeBytes: Math.max(0, free - this.reservedBytes),
    };
  }
}

function refusalOf(
  id: BlockId,
  replica: StoredReplica | undefined,
  minStamp: GenerationStamp,
): QuorateError | undefined {
  if (replica === undefined) return unusable(id, "there is none");
  if (replica.damage !== undefined) return mismatch(id, replica.damage);
  if (replica.record.stamp < minStamp) return unusable(id, `it is stale, of stamp ${replica.record.stamp}`);
  return undefined;
}
