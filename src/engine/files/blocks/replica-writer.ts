/**
 * Writes one replica. Bytes that come while a write is under way go out together in the next one; calls of `sync` that come
 * while one is under way share the next one. A sync writes a record of what was written, and then makes the bytes, the
 * checksums and the record durable together: after a crash the record counts if all its bytes fit their checksums, else the
 * one before it. A writer that stops syncs what it has written: it is the most that another can go on from.
 */
import type { Bytes } from "../../../runtime/bytes.ts";
import { copyBytes } from "../../../runtime/bytes.ts";
import { QuorateError } from "../../../runtime/errors.ts";
import type { DiskCallback } from "../../../runtime/world.ts";
import type { GenerationStamp } from "../namespace/model.ts";
import type { Outcome, Replica, ReplicaDurability, ReplicaWriter } from "./block-store.ts";
import { ChunkChecksums } from "./chunk-checksums.ts";
import type { ReplicaFiles } from "./replica-files.ts";
import { both, closeFiles, syncFiles, writeRecord } from "./replica-files.ts";
import type { ReplicaRecord } from "./replica-record.ts";
import { fullChunks, sumPosition } from "./replica-record.ts";
import type { StoredReplica } from "./stored-replica.ts";
import { mismatch, unusable, writeFailure } from "./stored-replica.ts";

/** One gathered write, at most. */
const GATHER_BYTES = 4 * 1024 * 1024;
const GATHER_PIECES = 512;
/** So much gets a record, and is synced, though nobody asks: the last sync of a block is then a short one. */
const UNSYNCED_BYTES = 8 * 1024 * 1024;

/**
 * The front of a block goes through the system's memory: what is small is often read soon. What is behind it, and must be on the
 * disk before the block is acknowledged, goes there past it.
 */
const CACHED_BYTES = 4 * 1024 * 1024;

interface Piece {
  readonly bytes: Bytes;
  /** Of the chunks that end in it. */
  readonly fullSums: Bytes;
  /** Of the last chunk behind it, when that is not full. */
  readonly tailSum: number;
  readonly done: Outcome;
}

interface SyncWaiter {
  readonly upTo: number;
  readonly done: Outcome;
}

export interface WriterDoors {
  /** Makes the names of the files durable. */
  syncDirectory(done: DiskCallback): void;
  /** Raises DISK_FULL when so many more bytes would touch what is reserved. */
  admit(bytes: number): QuorateError | undefined;
  /** The replica's state changed. */
  changed(): void;
}

export class DiskReplicaWriter implements ReplicaWriter {
  readonly stamp: GenerationStamp;
  private readonly replica: StoredReplica;
  private readonly files: ReplicaFiles;
  private readonly durability: ReplicaDurability;
  private readonly doors: WriterDoors;
  private readonly checksums: ChunkChecksums;
  private accepted: number;
  private written: number;
  private writtenTail: number;
  private pieces: Piece[] = [];
  /** Checksums of full chunks that were written since the last record: they go out with the next one. */
  private row: Bytes[] = [];
  private waiters: SyncWaiter[] = [];
  private writing = false;
  private syncing = false;
  private finishing: Outcome<Replica> | undefined;
  private failure: QuorateError | undefined;
  /** The disk gave another error than that it is full: nothing more is written, not even a record. */
  private broken = false;
  private stopped: (() => void)[] = [];
  private ended = false;
  private namesDurable: boolean;

  /** `isNew`: its names are not durable yet. */
  constructor(
    replica: StoredReplica,
    files: ReplicaFiles,
    durability: ReplicaDurability,
    isNew: boolean,
    doors: WriterDoors,
  ) {
    this.replica = replica;
    this.files = files;
    this.durability = durability;
    this.namesDurable = !isNew;
    this.doors = doors;
    const { stamp, length, tailSum } = replica.record;
    this.stamp = stamp;
    this.accepted = length;
    this.written = length;
    this.writtenTail = tailSum;
    this.checksums = new ChunkChecksums(length, tailSum);
  }

  get id(): number {
    return this.replica.id;
  }

  get length(): number {
    return this.accepted;
  }

  write(bytes: Bytes, checksums: Bytes, done: Outcome, isOwn = false): void {
    if (this.failure !== undefined) return done(this.failure);
    if (this.finishing !== undefined) return done(unusable(this.id, "it is being finished"));
    if (!isOwn && !this.checksums.fits(bytes, checksums)) {
      return done(mismatch(this.id, `what came for byte ${this.accepted} does not fit its checksums`));
    }
    const full = this.doors.admit(bytes.length);
    if (full !== undefined) return done(full);
    this.checksums.advance(bytes, checksums);
    const isTail = !this.checksums.aligned;
    this.accepted += bytes.length;
    this.pieces.push({
      bytes,
      // A copy, for they wait for the next record: what they came in, bytes and all, must not wait with them.
      fullSums: copyBytes(isTail ? checksums.subarray(0, Math.max(0, checksums.length - 4)) : checksums),
      tailSum: this.checksums.tailSum,
      done,
    });
    this.pump();
  }

  sync(done: Outcome): void {
    if (this.failure !== undefined) return done(this.failure);
    this.waiters.push({ upTo: this.accepted, done });
    this.pump();
  }

  finish(done: Outcome<Replica>): void {
    if (this.failure !== undefined) return done(this.failure);
    if (this.finishing !== undefined) return done(unusable(this.id, "it is being finished"));
    this.finishing = done;
    this.pump();
  }

  release(): void {
    this.stop(() => undefined);
  }

  /** As `release`; calls back when nothing is under way any more. */
  stop(done: () => void): void {
    if (this.ended) return done();
    this.stopped.push(done);
    this.fail(unusable(this.id, "its writer was stopped"));
  }

  private pump(): void {
    if (!this.writing && this.pieces.length > 0 && this.failure === undefined) this.writeNext();
    if (!this.syncing && this.failure === undefined) this.syncNext();
    if (this.failure !== undefined && !this.writing && !this.syncing) this.leave();
  }

  private leave(): void {
    if (this.ended) return;
    const { record } = this.replica;
    if (this.broken || this.replica.gone || record.state === "finished" || record.length === this.written) {
      return this.end();
    }
    const last = this.replica.next({
      length: this.written,
      tailSum: this.writtenTail,
      synced: this.isSynced,
    });
    this.syncing = true;
    this.commit(last, (error) => {
      this.syncing = false;
      if (error === undefined) this.replica.record = last;
      else this.syncFailed(error);
      this.end();
    });
  }

  private writeNext(): void {
    let size = 0;
    let count = 0;
    for (const { bytes } of this.pieces) {
      if (count > 0 && (size + bytes.length > GATHER_BYTES || count >= GATHER_PIECES)) break;
      size += bytes.length;
      count++;
    }
    const batch = this.pieces.splice(0, count);
    const parts = batch.map((piece) => piece.bytes);
    this.writing = true;
    const mode = this.isSynced && this.written >= CACHED_BYTES ? "direct" : "cached";
    this.files.bytes.write(this.written, parts, mode, (error) => {
      this.writing = false;
      if (error === undefined) {
        this.written += size;
        this.writtenTail = batch.at(-1)?.tailSum ?? 0;
        for (const { fullSums } of batch) if (fullSums.length > 0) this.row.push(fullSums);
      } else {
        const failure = writeFailure(this.id, error);
        // A disk that is full has what it took before: others have been told that it is written, and may go on from there.
        this.broken = failure.code !== "DISK_FULL";
        this.fail(failure);
      }
      for (const { done } of batch) done(error === undefined ? undefined : this.failure);
      this.pump();
    });
  }

  private syncNext(): void {
    const due = this.waiters.filter(({ upTo }) => upTo <= this.written);
    const finishing = this.finishing !== undefined && this.written === this.accepted;
    const { record } = this.replica;
    const isMuch = this.written - record.length >= UNSYNCED_BYTES;
    if (due.length === 0 && !finishing && !isMuch) return;
    this.waiters = this.waiters.filter(({ upTo }) => upTo > this.written);
    const settle = (): void => {
      for (const { done } of due) done(this.failure);
    };
    const unchanged = record.length === this.written && this.namesDurable && record.synced === this.isSynced;
    if (unchanged && !finishing) return settle();
    const next = this.replica.next({
      length: this.written,
      tailSum: this.writtenTail,
      state: finishing ? "finished" : "writing",
      synced: this.isSynced,
    });
    this.syncing = true;
    this.commit(next, (error) => {
      if (error !== undefined) {
        this.syncing = false;
        this.syncFailed(error);
        settle();
        return this.pump();
      }
      this.replica.record = next;
      settle();
      if (finishing) return this.finished();
      this.syncing = false;
      this.pump();
    });
  }

  private get isSynced(): boolean {
    return this.durability === "disk";
  }

  /** The checksums of what was written since the last one, the record that counts on them, and all of it durable. */
  private commit(record: ReplicaRecord, done: DiskCallback): void {
    const { files, row } = this;
    this.row = [];
    const write = (next: DiskCallback): void => {
      if (row.length === 0) return writeRecord(files, record, next);
      const position = sumPosition(fullChunks(this.replica.record.length));
      files.sums.write(position, row, "cached", (error) => {
        if (error === undefined) writeRecord(files, record, next);
        else next(error);
      });
    };
    if (!this.isSynced) return write(done);
    const sync: DiskCallback = (error) => {
      if (error !== undefined) return done(error);
      if (this.namesDurable) return syncFiles(files, done);
      both(
        (each) => syncFiles(files, each),
        (each) => this.doors.syncDirectory(each),
        (syncError) => {
          this.namesDurable = syncError === undefined;
          done(syncError);
        },
      );
    };
    write(sync);
  }

  /** A second record that says the same: from then on the replica counts as whole without being read. */
  private finished(): void {
    const { replica } = this;
    const repeated = replica.next({});
    this.doors.changed();
    this.finishing?.(undefined, replica.view());
    this.finishing = undefined;
    writeRecord(this.files, repeated, (error) => {
      const over: DiskCallback = (syncError) => {
        if (syncError === undefined) replica.record = repeated;
        this.syncing = false;
        this.fail(unusable(this.id, "it is finished"));
        this.pump();
      };
      if (error !== undefined || !this.isSynced) over(error);
      else this.files.sums.sync(over);
    });
  }

  /** After a failed sync nobody knows what is on the disk (Rebello and others, ATC 2020): the replica is given up. */
  private syncFailed(error: Error): void {
    this.broken = true;
    const failure = writeFailure(this.id, error);
    if (failure.code !== "DISK_FULL") {
      this.replica.damage = `it could not be synced: ${error.message}`;
      this.doors.changed();
    }
    this.fail(failure);
  }

  private fail(failure: QuorateError): void {
    if (this.failure === undefined) {
      this.failure = failure;
      const { pieces, waiters, finishing } = this;
      this.pieces = [];
      this.waiters = [];
      this.finishing = undefined;
      for (const { done } of pieces) done(failure);
      for (const { done } of waiters) done(failure);
      finishing?.(failure);
    }
    if (!this.writing && !this.syncing) this.leave();
  }

  private end(): void {
    if (this.ended) return;
    this.ended = true;
    closeFiles(this.files);
    if (this.replica.writer === this) this.replica.writer = undefined;
    for (const done of this.stopped.splice(0)) done();
  }
}
