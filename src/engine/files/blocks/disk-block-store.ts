/**
 * The block store on one directory of a disk. What changes a replica waits for its turn: one change at a time for each, in
 * the order of the calls; readers wait for nothing, and find out afterwards whether what they read was being changed.
 */
import type { Bytes } from "../../../runtime/bytes.ts";
import { concatBytes } from "../../../runtime/bytes.ts";
import { QuorateError } from "../../../runtime/errors.ts";
import type { Clock, Disk, DiskCallback, Random } from "../../../runtime/world.ts";
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
import { OpenReplicas } from "./open-replicas.ts";
import type { ReadFault, ReplicaFiles } from "./replica-files.ts";
import {
  bigEndian,
  closeFiles,
  createFiles,
  cutExtent,
  openFiles,
  readVerified,
  removeFiles,
  syncFiles,
  trimFiles,
  verifyAll,
  writeRecord,
} from "./replica-files.ts";
import type { ReplicaRecord } from "./replica-record.ts";
import { fullChunks, HEADER_BYTES, readHeader, sumPosition } from "./replica-record.ts";
import { scanReplicas } from "./replica-scan.ts";
import { DiskReplicaWriter } from "./replica-writer.ts";
import { mismatch, StoredReplica, unusable, writeFailure } from "./stored-replica.ts";

export interface BlockStoreOptions {
  /** A directory of its own. */
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  /** Bytes of the disk that blocks leave to others, the log above all. Default 256 MiB. */
  readonly reservedBytes?: number;
}

/** How many bytes may be written before the disk is asked again how much is free. */
const ADMITTED_BYTES = 8 * 1024 * 1024;

const MAX_BYTES = 2 ** 52;

/** Opens the store and calls back when every replica is known and verified as far as it must be (`replica-scan.ts`). */
export function openBlockStore(options: BlockStoreOptions, done: (store: BlockStore) => void): void {
  scanReplicas(options.disk, options.clock, (replicas) =>
    done(new DiskBlockStore(options, new Map(replicas))),
  );
}

class DiskBlockStore implements BlockStore {
  private readonly disk: Disk;
  private readonly reservedBytes: number;
  private readonly replicas: Map<BlockId, StoredReplica>;
  private readonly open: OpenReplicas;
  /** Changes that wait for their turn. */
  private readonly turns = new Map<BlockId, (() => void)[]>();
  private readonly listeners: ((replica: Replica | undefined, id: BlockId) => void)[] = [];
  private admitted = 0;
  private scrubbing: { ids: readonly BlockId[]; at: number; offset: number };
  private closing: (() => void) | undefined;

  constructor(options: BlockStoreOptions, replicas: Map<BlockId, StoredReplica>) {
    this.disk = options.disk;
    this.reservedBytes = options.reservedBytes ?? 256 * 1024 * 1024;
    this.replicas = replicas;
    this.open = new OpenReplicas(options.disk);
    const ids = [...replicas.keys()];
    // Not always from the first on: a node that is often restarted would never come to the last.
    this.scrubbing = { ids, at: Math.floor(options.random.float() * ids.length), offset: 0 };
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
      this.replicas.set(id, replica);
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
        verifyAll(files, record, (fault) => {
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
  ): void {
    const replica = this.replicas.get(id);
    const refused = refusalOf(id, replica, minStamp);
    if (replica === undefined || refused !== undefined) return done(refused);
    const { record, epoch } = replica;
    if (offset > record.length) return done(unusable(id, `it ends at byte ${record.length}`));
    this.open.use(replica, (error, files, free) => {
      if (files === undefined) return done(unusable(id, `${error?.message}`));
      const wanted = Math.min(length, READ_BYTES, record.length - offset);
      readVerified(files, record, offset, wanted, (fault, chunks) => {
        free();
        if (replica.gone || replica.epoch !== epoch) return done(unusable(id, "it was changed meanwhile"));
        if (chunks === undefined) return done(this.damaged(replica, fault));
        const from = offset - chunks.offset;
        done(undefined, {
          bytes: chunks.content.subarray(from, from + wanted),
          chunks,
          replicaLength: record.length,
        });
      });
    });
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
    return this.replicas.get(id)?.view();
  }

  verify(id: BlockId, done: Outcome<Replica>): void {
    const replica = this.replicas.get(id);
    const refused = refusalOf(id, replica, 0);
    if (replica === undefined || refused !== undefined) return done(refused);
    this.verifyPiece(replica, 0, Infinity, (error) => done(error, error ? undefined : replica.view()));
  }

  *list(): Iterable<Replica> {
    for (const id of [...this.replicas.keys()].sort((left, right) => left - right)) {
      const replica = this.replicas.get(id);
      if (replica !== undefined) yield replica.view();
    }
  }

  scrub(maxBytes: number, done: Outcome<number>): void {
    const round = this.scrubbing;
    if (round.at >= round.ids.length) {
      this.scrubbing = { ids: [...this.replicas.keys()], at: 0, offset: 0 };
      if (this.scrubbing.ids.length === 0 || round.ids.length === 0) return done(undefined, 0);
    }
    const { ids, at, offset } = this.scrubbing;
    const replica = this.replicas.get(ids[at] as BlockId);
    const behind = (): void => {
      this.scrubbing = { ids, at: at + 1, offset: 0 };
    };
    if (replica === undefined || replica.state !== "finished" || offset >= replica.record.length) {
      behind();
      return done(undefined, 0);
    }
    const verify = (): void =>
      this.verifyPiece(replica, offset, Math.min(maxBytes, READ_BYTES), (error, read) => {
        if (error !== undefined || read === undefined) behind();
        else this.scrubbing = { ids, at, offset: offset + read };
        done(undefined, read ?? 0);
      });
    if (offset > 0) verify();
    else this.mendRecords(replica, verify);
  }

  /** A record that no longer is what it says is written again, while the other one still is. */
  private mendRecords(replica: StoredReplica, done: () => void): void {
    const { id } = replica;
    this.open.use(replica, (_, files, free) => {
      if (files === undefined) return done();
      files.sums.read(0, HEADER_BYTES, (error, header) => {
        free();
        const isWhole = header !== undefined && readHeader(header, id).records.length === 2;
        if (error === undefined && isWhole) return done();
        this.change<void>(id, done, (current, over) => {
          if (current !== replica) return over(undefined);
          openFiles(this.disk, id, (openError, opened) => {
            if (opened === undefined) return over(unusable(id, `${openError?.message}`));
            const end = (failure: Error | undefined): void => {
              closeFiles(opened);
              over(failure && writeFailure(id, failure));
            };
            const again = (failure: Error | undefined): void => {
              if (failure !== undefined) end(failure);
              else this.commit(replica, opened, replica.next({}), end);
            };
            this.commit(replica, opened, replica.next({}), again);
          });
        });
      });
    });
  }

  onChange(listener: (replica: Replica | undefined, id: BlockId) => void): void {
    this.listeners.push(listener);
  }

  space(): BlockSpace {
    let usedBytes = 0;
    for (const { record } of this.replicas.values())
      usedBytes += record.length + sumPosition(fullChunks(record.length));
    // A disk may claim to be endless (network file systems do); a figure on the wire may not.
    const free = Math.min(this.disk.freeBytes(), MAX_BYTES);
    return {
      capacityBytes: usedBytes + free,
      usedBytes,
      freeBytes: Math.max(0, free - this.reservedBytes),
    };
  }

  close(done: () => void): void {
    this.closing = done;
    for (const { writer } of this.replicas.values()) writer?.release();
    this.closeWhenIdle();
  }

  private closeWhenIdle(): void {
    if (this.closing === undefined || this.turns.size > 0) return;
    const writer = [...this.replicas.values()].find((replica) => replica.writer !== undefined)?.writer;
    if (writer !== undefined) return writer.stop(() => this.closeWhenIdle());
    const done = this.closing;
    this.closing = undefined;
    this.open.closeAll();
    done();
  }

  private verifyPiece(replica: StoredReplica, offset: number, maxBytes: number, done: Outcome<number>): void {
    const { record, epoch } = replica;
    const to = Math.min(record.length, offset + maxBytes);
    this.open.use(replica, (error, files, free) => {
      if (files === undefined) return done(unusable(replica.id, `${error?.message}`));
      const step = (at: number): void => {
        if (at >= to) {
          free();
          return done(undefined, to - offset);
        }
        readVerified(files, record, at, Math.min(READ_BYTES, to - at), (fault, chunks) => {
          if (replica.gone || replica.epoch !== epoch || chunks === undefined) {
            free();
            if (replica.gone || replica.epoch !== epoch) return done(unusable(replica.id, "it was changed"));
            return done(this.damaged(replica, fault));
          }
          step(chunks.offset + Math.max(chunks.content.length, 1));
        });
      };
      step(offset);
    });
  }

  /** Stops its writer, cuts it, gives it a new record, durably; its files stay open for `done`. */
  private cut(
    replica: StoredReplica,
    length: number,
    change: Partial<ReplicaRecord>,
    done: Outcome<ReplicaFiles>,
  ): void {
    const { id, record } = replica;
    if (length > record.length) return done(unusable(id, `it ends at byte ${record.length}`));
    openFiles(this.disk, id, (openError, files) => {
      if (files === undefined) return done(unusable(id, `${openError?.message}`));
      const fail = (failure: QuorateError): void => {
        closeFiles(files);
        done(failure);
      };
      cutExtent(files, record, length, (fault, extent) => {
        if (extent === undefined) return fail(this.damaged(replica, fault));
        this.commit(replica, files, replica.next({ ...change, ...extent, synced: true }), (error) => {
          if (error !== undefined) return fail(writeFailure(id, error));
          if (length === record.length) return done(undefined, files);
          replica.epoch++;
          trimFiles(files, extent, (trimError) =>
            trimError === undefined ? done(undefined, files) : fail(writeFailure(id, trimError)),
          );
        });
      });
    });
  }

  /** Bytes first, where they were never synced: a record may not promise more than the disk has. */
  private commit(replica: StoredReplica, files: ReplicaFiles, next: ReplicaRecord, done: DiskCallback): void {
    const write = (error: Error | undefined): void => {
      if (error !== undefined) return done(error);
      writeRecord(files, next, (writeError) => {
        if (writeError !== undefined) return done(writeError);
        files.sums.sync((syncError) => {
          if (syncError === undefined) replica.record = next;
          else replica.damage = `it could not be synced: ${syncError.message}`;
          done(syncError);
        });
      });
    };
    if (replica.record.synced) write(undefined);
    else syncFiles(files, write);
  }

  private startWriter(
    replica: StoredReplica,
    files: ReplicaFiles,
    durability: ReplicaDurability,
    isNew: boolean,
  ): DiskReplicaWriter {
    replica.writer = new DiskReplicaWriter(replica, files, durability, isNew, {
      syncDirectory: (done) => this.disk.syncDirectory(done),
      admit: (bytes) => this.admit(bytes, false),
      changed: () => this.tell(replica),
    });
    return replica.writer;
  }

  private admit(bytes: number, always: boolean): QuorateError | undefined {
    this.admitted -= bytes;
    if (!always && this.admitted > 0) return undefined;
    const free = this.disk.freeBytes() - this.reservedBytes;
    if (free >= bytes) {
      this.admitted = Math.min(ADMITTED_BYTES, free >> 1);
      return undefined;
    }
    this.admitted = 0;
    return new QuorateError("DISK_FULL", "no space is left for blocks");
  }

  private damaged(replica: StoredReplica, fault: ReadFault | undefined): QuorateError {
    const why = fault?.message ?? "it cannot be read";
    if (replica.damage === undefined) {
      replica.damage = why;
      this.tell(replica);
    }
    return mismatch(replica.id, why);
  }

  /** Gone for everyone at once; then its files. */
  private discard(replica: StoredReplica | undefined, done: DiskCallback): void {
    if (replica === undefined) return done(undefined);
    const { id } = replica;
    replica.gone = true;
    this.replicas.delete(id);
    this.open.forget(replica);
    for (const listener of this.listeners) listener(undefined, id);
    const remove = (): void => removeFiles(this.disk, id, done);
    if (replica.writer === undefined) remove();
    else replica.writer.stop(remove);
  }

  /** A change of a replica that is there and good, without a writer. */
  private change<T>(
    id: BlockId,
    done: Outcome<T>,
    run: (replica: StoredReplica, over: Outcome<T>) => void,
  ): void {
    this.inTurn(id, done, (over) => {
      const replica = this.replicas.get(id);
      if (replica === undefined) return over(unusable(id, "there is none"));
      const start = (): void => {
        if (replica.damage !== undefined) over(mismatch(id, replica.damage));
        else run(replica, over);
      };
      if (replica.writer === undefined) start();
      else replica.writer.stop(start);
    });
  }

  private inTurn<T>(id: BlockId, done: Outcome<T>, run: (over: Outcome<T>) => void): void {
    if (this.closing !== undefined) return done(new QuorateError("SHUTTING_DOWN", "the node is stopping"));
    const start = (): void => {
      let isOver = false;
      run((error, value) => {
        if (isOver) return;
        isOver = true;
        const waiting = this.turns.get(id);
        const next = waiting?.shift();
        if (next === undefined) this.turns.delete(id);
        if (error === undefined) done(undefined, value);
        else done(error);
        next?.();
        this.closeWhenIdle();
      });
    };
    const waiting = this.turns.get(id);
    if (waiting !== undefined) return void waiting.push(start);
    this.turns.set(id, []);
    start();
  }

  private tell(replica: StoredReplica): void {
    if (replica.gone) return;
    for (const listener of this.listeners) listener(replica.view(), replica.id);
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
