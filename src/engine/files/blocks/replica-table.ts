/**
 * How a replica is changed: in its turn, without its writer, durably, and with everyone told of it.
 */
import { QuorateError } from "../../../runtime/errors.ts";
import type { Disk, DiskCallback } from "../../../runtime/world.ts";
import type { BlockId } from "../namespace/model.ts";
import type { Outcome, Replica, ReplicaDurability } from "./block-store.ts";
import { OpenReplicas } from "./open-replicas.ts";
import type { PieceReader } from "./piece-reader.ts";
import type { ReadFault, ReplicaFiles } from "./replica-files.ts";
import {
  closeFiles,
  cutExtent,
  openFiles,
  removeFiles,
  syncFiles,
  trimFiles,
  writeRecord,
} from "./replica-files.ts";
import type { ReplicaRecord } from "./replica-record.ts";
import { DiskReplicaWriter } from "./replica-writer.ts";
import type { StoredReplica } from "./stored-replica.ts";
import { mismatch, unusable, writeFailure } from "./stored-replica.ts";
import type { StoredReplicas } from "./stored-replicas.ts";

/** How many bytes may be written before the disk is asked again how much is free. */
const ADMITTED_BYTES = 8 * 1024 * 1024;

/**
 * The replicas of one directory, and the ways in which one may be changed: one change at a time for each, in the order of the
 * calls.
 */
export class ReplicaTable {
  readonly disk: Disk;
  readonly open: OpenReplicas;
  readonly reservedBytes: number;
  readonly replicas: StoredReplicas;
  readonly reader: PieceReader | undefined;
  readonly listeners: ((replica: Replica | undefined, id: BlockId) => void)[] = [];
  /** Changes that wait for their turn. */
  private readonly turns = new Map<BlockId, (() => void)[]>();
  private admitted = 0;
  private closing: (() => void) | undefined;
  /** For good: what comes late must not touch files that the next one to open the directory has. */
  private isClosed = false;

  constructor(disk: Disk, reservedBytes: number, replicas: StoredReplicas, reader: PieceReader | undefined) {
    this.disk = disk;
    this.reservedBytes = reservedBytes;
    this.replicas = replicas;
    this.reader = reader;
    this.open = new OpenReplicas(disk);
    replicas.isNeeded = (replica) => this.turns.has(replica.id) || this.open.has(replica);
  }

  /** Waits for what is under way; writers fail. */
  close(done: () => void): void {
    this.isClosed = true;
    this.closing = done;
    for (const { writer } of this.replicas.awake()) writer?.release();
    this.closeWhenIdle();
  }

  /** Stops its writer, cuts it, gives it a new record, durably; its files stay open for `done`. */
  cut(
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
  commit(replica: StoredReplica, files: ReplicaFiles, next: ReplicaRecord, done: DiskCallback): void {
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

  admit(bytes: number, always: boolean): QuorateError | undefined {
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

  damaged(replica: StoredReplica, fault: ReadFault | undefined): QuorateError {
    const why = fault?.message ?? "it cannot be read";
    if (replica.damage === undefined) {
      replica.damage = why;
      this.tell(replica);
    }
    return mismatch(replica.id, why);
  }

  /** Gone for everyone at once; then its files. */
  discard(replica: StoredReplica | undefined, done: DiskCallback): void {
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
  change<T>(id: BlockId, done: Outcome<T>, run: (replica: StoredReplica, over: Outcome<T>) => void): void {
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

  inTurn<T>(id: BlockId, done: Outcome<T>, run: (over: Outcome<T>) => void): void {
    if (this.isClosed) return done(new QuorateError("SHUTTING_DOWN", "the node is stopping"));
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

  tell(replica: StoredReplica): void {
    if (replica.gone) return;
    for (const listener of this.listeners) listener(replica.view(), replica.id);
  }

  startWriter(
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

  private closeWhenIdle(): void {
    if (this.closing === undefined || this.turns.size > 0) return;
    const writer = [...this.replicas.awake()].find((replica) => replica.writer !== undefined)?.writer;
    if (writer !== undefined) return writer.stop(() => this.closeWhenIdle());
    const done = this.closing;
    this.closing = undefined;
    this.open.closeAll();
    done();
  }
}
