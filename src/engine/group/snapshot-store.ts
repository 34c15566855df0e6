/**
 * The snapshots of one group on the disk: written in slices while the world goes on, received in pieces from a leader, and
 * in either case only put in place, under their final name, once they are whole, verified and durable.
 *
 * The two newest are kept: a transfer of the older one to a slow follower can end although a newer one was taken, and a
 * newest one that rots can be replaced by the older one while the log still reaches back to it.
 */
import type { SnapshotMeta } from "../../consensus/consensus.ts";
import type { Bytes } from "../../runtime/bytes.ts";
import { assert, QuorateError } from "../../runtime/errors.ts";
import type { Clock, Disk, DiskCallback, DiskFile, Logger, Timer } from "../../runtime/world.ts";
import type { SnapshotCut } from "./state-machine.ts";
import { CutEnded } from "./state-machine.ts";
import { SnapshotReader, snapshotChunks } from "./snapshot-file.ts";
import { writeSnapshot } from "./snapshot-writer.ts";
import { inOrder } from "./write-ahead-log/mend.ts";
import { readPatiently } from "./write-ahead-log/segment-reader.ts";
import { isDiskFull } from "./write-ahead-log/segment-store.ts";

export interface SnapshotStoreOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly group: number;
  /** The disk failed in a way that leaves unknown what is durable. */
  readonly fatal: (error: Error) => void;
  /** Upper bound of a slice. Default 1 MiB; slices shrink while one takes more than a few milliseconds. */
  readonly sliceBytes?: number;
  /** How many snapshots to keep. Default 2. */
  readonly keep?: number;
  readonly mutant?: "skip-directory-fsync";
}

export interface StoredSnapshot {
  readonly meta: SnapshotMeta;
  readonly name: string;
}

export interface DamagedSnapshot {
  readonly index: number;
  readonly term: number;
  readonly name: string;
  readonly error: Error;
}

export interface LoadedSnapshots {
  /** Whole and verified, newest first. */
  readonly intact: readonly StoredSnapshot[];
  readonly damaged: readonly DamagedSnapshot[];
}

/** How long a receiver without space waits before it asks for a snapshot again. */
const RETRY_MS = 1000;

interface Receiving {
  readonly meta: SnapshotMeta;
  readonly file: DiskFile;
  received: number;
}

function fileName(group: number, index: number, term: number): string {
  return `snapshot-${String(group).padStart(10, "0")}-${String(index).padStart(16, "0")}-${term}.snap`;
}

/** Verifies every checksum of every snapshot of the group. Synchronous: a node serves nobody before it knows its state. */
export function loadSnapshots(disk: Disk, group: number): LoadedSnapshots {
  const intact: StoredSnapshot[] = [];
  const damaged: DamagedSnapshot[] = [];
  for (const name of disk.list().toReversed()) {
    const [, named, index, term] = /^snapshot-(\d{10})-(\d{16})-(\d+)\.snap$/.exec(name) ?? [];
    if (named === undefined || Number(named) !== group) continue;
    try {
      const reader = new SnapshotReader(disk, name);
      if (fileName(reader.group, reader.meta.index, reader.meta.term) !== name) {
        throw new QuorateError(
          "DATA_CORRUPT",
          `${name} at byte 0: it is another snapshot than its name says`,
        );
      }
      while (reader.next() !== undefined);
      intact.push({ meta: reader.meta, name });
    } catch (error) {
      damaged.push({ index: Number(index), term: Number(term), name, error: error as Error });
    }
  }
  return { intact, damaged };
}

export class SnapshotStore {
  private readonly options: SnapshotStoreOptions;
  private readonly savingName: string;
  private readonly receivingName: string;
  /** Newest first. */
  private stored: StoredSnapshot[];
  private damaged: readonly DamagedSnapshot[];
  private receiving: Receiving | undefined;
  /** Received pieces are handled one after the other. */
  private jobs: (() => void)[] = [];
  private working = false;
  private saving = false;
  private stopSaving: (() => void) | undefined;
  private closed = false;
  private retry: Timer | undefined;

  /** `loaded`: what `loadSnapshots` found. */
  constructor(options: SnapshotStoreOptions, loaded: LoadedSnapshots) {
    this.options = options;
    this.stored = [...loaded.intact];
    this.damaged = loaded.damaged;
    this.savingName = `snapshot-${options.group}-saving.part`;
    this.receivingName = `snapshot-${options.group}-receiving.part`;
    // What an earlier life had received in part cannot be told from damage: it is asked for again.
    this.enqueue((next) => this.removeLeftover(this.receivingName, next));
  }

  get newest(): SnapshotMeta | undefined {
    return this.stored[0]?.meta;
  }

  get diskBytes(): number {
    return this.stored.reduce((bytes, { meta }) => bytes + meta.sizeBytes, this.receiving?.received ?? 0);
  }

  /** The verified chunks of a stored snapshot, read one by one; undefined when it is not there. May raise DATA_CORRUPT. */
  chunks(snapshot: { readonly index: number; readonly term: number }): Iterable<Bytes> | undefined {
    const found = this.find(snapshot);
    return found && snapshotChunks(this.options.disk, found.name);
  }

  /**
   * Writes the cut in slices, one per event-loop turn and not before the disk took the one before; at most one at a time.
   * `done` gets the snapshot once it is durable under its name, or DISK_FULL or CutEnded, after which the old ones are as they were.
   */
  save(
    meta: Omit<SnapshotMeta, "sizeBytes">,
    cut: SnapshotCut,
    done: (error: Error | undefined, saved: SnapshotMeta | undefined) => void,
  ): void {
    assert(!this.saving, "two snapshots of a group are being saved at the same time");
    if (this.closed) return cut.close();
    this.saving = true;
    const { group, sliceBytes = 1 << 20 } = this.options;
    this.removeLeftover(this.savingName, () => {
      if (this.closed) return cut.close();
      const target = { ...this.options, name: this.savingName, group, sliceBytes };
      this.stopSaving = writeSnapshot(target, meta, cut, (error, sizeBytes) => {
        const end = (failure: Error | undefined, saved?: SnapshotMeta): void => {
          this.saving = false;
          this.stopSaving = undefined;
          done(failure, saved);
        };
        if (error === undefined) {
          const saved = { ...meta, sizeBytes };
          return this.putInPlace(this.savingName, saved, () => end(undefined, saved));
        }
        if (error instanceof CutEnded) return this.removeLeftover(this.savingName, () => end(error));
        if (!isDiskFull(error)) return this.options.fatal(error);
        const full = new QuorateError("DISK_FULL", `no space for a snapshot: ${error.message}`, {
          cause: error,
        });
        this.removeLeftover(this.savingName, () => end(full));
      });
    });
  }

  /** `[offset, offset + length)` of a stored snapshot's file, for a follower; undefined when it is gone or unreadable. */
  read(snapshot: SnapshotMeta, offset: number, length: number): Bytes | undefined {
    const found = this.find(snapshot);
    if (found === undefined || found.meta.sizeBytes !== snapshot.sizeBytes) return undefined;
    try {
      return readPatiently(this.options.disk, found.name, offset, length);
    } catch (error) {
      this.log("snapshot unreadable", { name: found.name, offset, reason: (error as Error).message });
      return undefined;
    }
  }

  /**
   * Verifies a stored snapshot, one chunk per turn. One that is damaged is not read from any more, and removed when another one
   * is in place. `intact` is true also when it was removed meanwhile.
   */
  verify(snapshot: SnapshotMeta, done: (intact: boolean) => void): void {
    const found = this.find(snapshot);
    if (found === undefined) return done(true);
    this.check(found.name, snapshot, (error) => {
      // Saved anew under the same name, it is another one.
      if (error === undefined || !this.stored.includes(found)) return done(true);
      this.stored = this.stored.filter((each) => each !== found);
      const { index, term } = snapshot;
      this.damaged = [...this.damaged, { index, term, name: found.name, error }];
      this.log("snapshot damaged", { index, name: found.name, reason: error.message });
      done(false);
    });
  }

  /** Stores received bytes; offset 0 starts afresh. `valid` false: they do not follow what is there, start again. */
  receive(snapshot: SnapshotMeta, offset: number, chunk: Bytes, done: (valid: boolean) => void): void {
    this.enqueue((next) => {
      const finish = (valid: boolean): void => {
        done(valid);
        next();
      };
      if (offset === 0)
        return this.startReceiving(snapshot, () => this.store(snapshot, offset, chunk, finish));
      this.store(snapshot, offset, chunk, finish);
    });
  }

  /** Verifies what was received, puts it in place, and gives its content; undefined when it is not what it should be. */
  adopt(snapshot: SnapshotMeta, done: (content: Iterable<Bytes> | undefined) => void): void {
    this.enqueue((next) => {
      const finish = (content: Iterable<Bytes> | undefined): void => {
        done(content);
        next();
      };
      const { receiving } = this;
      if (!sameSnapshot(receiving?.meta, snapshot) || receiving?.received !== snapshot.sizeBytes) {
        return finish(undefined);
      }
      this.receiving = undefined;
      receiving.file.sync((error) => {
        receiving.file.close();
        if (error !== undefined) return this.options.fatal(error);
        this.check(this.receivingName, snapshot, (damage) => {
          if (damage !== undefined) {
            const fields = { index: snapshot.index, reason: damage.message };
            this.log("received snapshot is damaged", fields);
            return this.removeLeftover(this.receivingName, () => finish(undefined));
          }
          this.putInPlace(this.receivingName, snapshot, () => finish(this.chunks(snapshot)));
        });
      });
    });
  }

  close(): void {
    this.closed = true;
    this.retry?.cancel();
    this.stopSaving?.();
    this.receiving?.file.close();
    this.receiving = undefined;
    this.jobs = [];
  }

  private find({
    index,
    term,
  }: {
    readonly index: number;
    readonly term: number;
  }): StoredSnapshot | undefined {
    return this.stored.find(({ meta }) => meta.index === index && meta.term === term);
  }

  private enqueue(job: (next: () => void) => void): void {
    this.jobs.push(() => {
      job(() => {
        this.working = false;
        this.work();
      });
    });
    this.work();
  }

  private work(): void {
    if (this.working || this.closed) return;
    const job = this.jobs.shift();
    if (job === undefined) return;
    this.working = true;
    job();
  }

  private startReceiving(meta: SnapshotMeta, next: () => void): void {
    this.receiving?.file.close();
    this.receiving = undefined;
    this.removeLeftover(this.receivingName, () => {
      this.options.disk.create(this.receivingName, 0, (error, file) => {
        if (file === undefined) {
          if (!isDiskFull(error)) return this.options.fatal(error ?? new Error("no file was created"));
        } else if (this.closed) return file.close();
        else this.receiving = { meta, file, received: 0 };
        next();
      });
    });
  }

  private store(snapshot: SnapshotMeta, offset: number, chunk: Bytes, done: (valid: boolean) => void): void {
    const { receiving } = this;
    const fits = offset === receiving?.received && offset + chunk.length <= snapshot.sizeBytes;
    if (!fits || !sameSnapshot(receiving.meta, snapshot)) return done(false);
    receiving.file.write(offset, [chunk], "cached", (error) => {
      if (this.closed) return;
      if (error !== undefined && !isDiskFull(error)) return this.options.fatal(error);
      if (error !== undefined) return this.waitForSpace(receiving, () => done(false));
      receiving.received += chunk.length;
      done(true);
    });
  }

  /** What was received makes room for the log, which goes first; the sender is asked to begin again a moment later. */
  private waitForSpace({ file, meta }: Receiving, next: () => void): void {
    this.log("no space for a received snapshot", { index: meta.index });
    this.receiving = undefined;
    file.close();
    this.removeLeftover(this.receivingName, () => {
      if (!this.closed) this.retry = this.options.clock.setTimer(RETRY_MS, next);
    });
  }

  /** One chunk per turn, so that a large snapshot does not hold up the event loop. */
  private check(name: string, snapshot: SnapshotMeta, done: (damage: Error | undefined) => void): void {
    let reader: SnapshotReader;
    try {
      reader = new SnapshotReader(this.options.disk, name);
      const same = reader.meta.index === snapshot.index && reader.meta.term === snapshot.term;
      if (!same || reader.group !== this.options.group) throw new Error("it is another snapshot");
    } catch (error) {
      return done(error as Error);
    }
    const step = (): void => {
      if (this.closed) return;
      try {
        if (reader.next() === undefined) return done(undefined);
      } catch (error) {
        return done(error as Error);
      }
      this.options.clock.endOfTurn(step);
    };
    step();
  }

  private putInPlace(from: string, meta: SnapshotMeta, done: () => void): void {
    const { disk, group, mutant, keep = 2 } = this.options;
    const name = fileName(group, meta.index, meta.term);
    const syncDirectory = (next: DiskCallback): void => {
      if (mutant === "skip-directory-fsync") next(undefined);
      else disk.syncDirectory(next);
    };
    inOrder([(next) => disk.rename(from, name, next), syncDirectory], (error) => {
      if (error !== undefined) return this.options.fatal(error);
      const others = this.stored.filter((each) => each.name !== name);
      const all = [{ meta, name }, ...others].sort((left, right) => right.meta.index - left.meta.index);
      this.stored = all.slice(0, keep);
      // Only now: until the new one is durable, an old one may be the only whole one.
      const useless = [...all.slice(keep), ...this.damaged.filter((each) => each.name !== name)];
      this.damaged = [];
      inOrder(
        useless.map((each) => (next: DiskCallback) => disk.remove(each.name, next)),
        (failure) => (failure === undefined ? done() : this.options.fatal(failure)),
      );
    });
  }

  private removeLeftover(name: string, next: () => void): void {
    const { disk } = this.options;
    if (disk.size(name) === undefined) return next();
    disk.remove(name, (error) => (error === undefined ? next() : this.options.fatal(error)));
  }

  private log(event: string, fields: Record<string, string | number>): void {
    this.options.logger.log("warn", event, { group: this.options.group, ...fields });
  }
}

function sameSnapshot(left: SnapshotMeta | undefined, right: SnapshotMeta): boolean {
  return left?.index === right.index && left.term === right.term && left.sizeBytes === right.sizeBytes;
}
