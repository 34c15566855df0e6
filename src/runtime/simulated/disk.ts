/**
 * The simulated disk of one machine: one directory, which outlives the processes that use it.
 *
 * Names and contents are each kept twice: as programs see them and as a power failure would leave them. The end of a
 * process alone loses nothing that was completed (the page cache stays), but operations under way may be done, half done
 * or not done. After a power failure, what no sync covered is kept or lost by chance, names included.
 *
 * Damage that lasts (rot, unreadable sectors, misdirected writes and reads, a failed fsync's lost pages) can only be switched on for
 * a disk that was made `mayDecay`. The rule of the simulator: fewer than half of a cluster's disks may decay, so a majority's
 * acknowledged data always exists somewhere, and every loss is a bug of the system and not of the test.
 */
import type { Bytes } from "../bytes.ts";
import { zeroBytes } from "../bytes.ts";
import { assert } from "../errors.ts";
import type { Disk, DiskCallback, DiskFile } from "../world.ts";
import { diskError, SECTOR_BYTES, SimulatedFile } from "./disk-file.ts";
import type { PowerLoss } from "./disk-file.ts";
import type { SimulatedProcess } from "./process.ts";
import type { SeededRandom } from "./random.ts";
import type { Scheduler } from "./scheduler.ts";
import type { Trace } from "./trace.ts";

export interface DiskOptions {
  /** Mean time of a write or sync. Default 0.3. */
  latencyMs: number;
  /** Probability that an operation stalls, and for how long on average. */
  stall: number;
  stallMs: number;
  /** Probability that a write or sync reports an error. The process must not trust the file afterwards. */
  writeError: number;
  /** A failed sync or durable write leaves pages that look clean and are not on the disk (as Linux does). Default false. */
  lostPages: boolean;
  /** Probability that a read fails this once. */
  readError: number;
  /** Probability that a write lands somewhere else in its file, and reports success (only if the disk may decay). */
  misdirect: number;
  /** Probability that a read gives the bytes of another place of its file, or of another file (only if the disk may decay). */
  misdirectRead: number;
  /** Probability that a lost write leaves garbage where it wrote. */
  garbage: number;
  /** Default unlimited. */
  capacityBytes: number;
}

export const CALM_DISK: DiskOptions = {
  latencyMs: 0.3,
  stall: 0,
  stallMs: 500,
  writeError: 0,
  lostPages: false,
  readError: 0,
  misdirect: 0,
  misdirectRead: 0,
  garbage: 0,
  capacityBytes: Infinity,
};

/** A change of the directory that no `syncDirectory` covered yet; `file` undefined: the name goes away. */
interface NameChange {
  readonly changes: readonly { readonly name: string; readonly file: SimulatedFile | undefined }[];
}

/**
 * What an operation does to the disk. `part` below 1: only in part, as at a crash. `failure`: it is going to report this
 * error, and may do anything in between. Returns the error to report.
 */
type DiskEffect = (failure: Error | undefined, part: number) => Error | undefined;

/** After a misdirected read come so many that are not: who doubts what it read, and reads again, reads what is there. */
const READS_BETWEEN = 8;

export class SimulatedDisk {
  /** Faults; may be changed at any time. */
  readonly options: DiskOptions;
  readonly mayDecay: boolean;
  private readonly id: string;
  private readonly scheduler: Scheduler;
  private readonly random: SeededRandom;
  /** A stream of its own, so that a disk without this fault behaves as ever. */
  private readonly readRandom: SeededRandom;
  private readonly trace: Trace;
  private names = new Map<string, SimulatedFile>();
  private durableNames = new Map<string, SimulatedFile>();
  private nameChanges: NameChange[] = [];
  private underWay = new Set<DiskEffect>();
  /** Damage done so far. */
  decays = 0;
  /** Reads that gave the bytes of another place: what is on the disk is as it was. */
  misdirectedReads = 0;
  private readsSinceMisdirected = READS_BETWEEN;

  constructor(
    id: string,
    scheduler: Scheduler,
    random: SeededRandom,
    trace: Trace,
    options: Partial<DiskOptions> = {},
    mayDecay = false,
  ) {
    this.id = id;
    this.scheduler = scheduler;
    this.random = random;
    this.readRandom = random.split("misdirected reads");
    this.trace = trace;
    this.options = { ...CALM_DISK, ...options };
    this.mayDecay = mayDecay;
  }

  /** Another disk in its place, of the same kind and empty. No process may be at work. */
  replace(): void {
    this.names = new Map();
    this.durableNames = new Map();
    this.nameChanges = [];
    this.underWay.clear();
    this.trace.record(this.scheduler.nowMs, this.id, "disk replaced", 0);
  }

  /** The disk as one life of a process sees it. */
  attach(process: SimulatedProcess): Disk {
    return {
      list: () => [...this.names.keys()].sort(),
      size: (name) => this.names.get(name)?.size,
      read: (name, position, length) => this.read(name, position, length),
      freeBytes: () => Math.max(0, this.options.capacityBytes - this.usedBytes()),
      create: (name, sizeBytes, done) => this.create(process, name, sizeBytes, done),
      open: (name, done) => {
        let file: SimulatedFile | undefined;
        const effect = (): Error | undefined => {
          file = this.names.get(name);
          return file === undefined ? diskError("ENOENT", `no file ${name}`) : undefined;
        };
        this.operate(process, "open", 0, effect, (error) => {
          done(error, file === undefined ? undefined : this.handle(process, file));
        });
      },
      rename: (from, to, done) => {
        this.changeNames(process, "rename", done, () => {
          const file = this.names.get(from);
          if (file === undefined) return diskError("ENOENT", `no file ${from}`);
          return from === to
            ? []
            : [
                { name: from, file: undefined },
                { name: to, file },
              ];
        });
      },
      remove: (name, done) => {
        this.changeNames(process, "remove", done, () =>
          this.names.has(name) ? [{ name, file: undefined }] : diskError("ENOENT", `no file ${name}`),
        );
      },
      syncDirectory: (done) => this.syncDirectory(process, done),
    };
  }

  /** The process ended, the machine did not: what it had under way is done, half done or not done. */
  endProcess(): void {
    const underWay = [...this.underWay];
    this.underWay.clear();
    for (const effect of underWay) {
      const part = this.random.pick([0, this.random.float(), 1]);
      if (part > 0) effect(undefined, part);
    }
  }

  /** The machine lost power: call after `endProcess`. */
  losePower(): void {
    const mode: PowerLoss = this.random.pick([
      "nothing-kept",
      "everything-kept",
      "prefix-kept",
      "any-sector-kept",
      "any-sector-kept",
    ]);
    this.loseNames(mode);
    for (const file of new Set(this.durableNames.values())) {
      file.losePower(this.random, mode, this.options.garbage);
    }
    this.names = new Map(this.durableNames);
    this.nameChanges = [];
    this.trace.record(this.scheduler.nowMs, this.id, "power lost", this.names.size, () => mode);
  }

  /** Damages one durable sector of one file: a flipped bit, or a sector that cannot be read. False: nothing to damage. */
  decay(kind: "rot" | "unreadable"): boolean {
    assert(this.mayDecay, "this disk must keep what was made durable on it");
    const files = [...this.names.values()].filter((file) => file.size > 0);
    if (files.length === 0) return false;
    const file = this.random.pick(files);
    const damaged = kind === "rot" ? file.rot(this.random) : file.spoil(this.random);
    if (damaged) this.decays++;
    this.trace.record(this.scheduler.nowMs, this.id, kind, damaged ? 1 : 0);
    return damaged;
  }

  /** Replaces the disk by an empty one. */
  wipe(): void {
    assert(this.mayDecay, "this disk must keep what was made durable on it");
    this.decays++;
    this.names.clear();
    this.durableNames.clear();
    this.nameChanges = [];
    this.underWay.clear();
  }

  /** Switches every fault off; damage done stays. */
  heal(): void {
    Object.assign(this.options, CALM_DISK);
  }

  /** Sizes of all files. */
  usedBytes(): number {
    let bytes = 0;
    for (const file of this.names.values()) bytes += file.size;
    return bytes;
  }

  private read(name: string, position: number, length: number): Bytes {
    const file = this.names.get(name);
    if (file === undefined) throw diskError("ENOENT", `no file ${name}`);
    if (this.random.chance(this.options.readError)) throw diskError("EIO", `read of ${name} failed`);
    return this.readFrom(file, position, length);
  }

  /** As much as there is in the right place, though perhaps of another one: at the start of a sector, in any file. */
  private readFrom(file: SimulatedFile, position: number, length: number): Bytes {
    const random = this.readRandom;
    const right = file.read(position, length);
    if (!this.mayDecay || right.length === 0) return right;
    if (++this.readsSinceMisdirected <= READS_BETWEEN || !random.chance(this.options.misdirectRead))
      return right;
    const others = [...this.names.values()].filter((each) => each !== file && each.size > 0);
    const from = others.length > 0 && random.chance(0.5) ? random.pick(others) : file;
    const sectors = Math.ceil(from.size / SECTOR_BYTES);
    const wrong = from.read(random.integer(0, sectors - 1) * SECTOR_BYTES, right.length);
    // A device reads past the end of a file as well as before it: there are zeros here.
    const bytes = zeroBytes(right.length);
    wrong.copy(bytes);
    this.readsSinceMisdirected = 0;
    this.misdirectedReads++;
    this.trace.record(this.scheduler.nowMs, this.id, "misdirected read", right.length);
    return bytes;
  }

  private create(
    process: SimulatedProcess,
    name: string,
    sizeBytes: number,
    done: (error: Error | undefined, file?: DiskFile) => void,
  ): void {
    let created: SimulatedFile | undefined;
    this.changeNames(
      process,
      "create",
      (error) => done(error, created === undefined ? undefined : this.handle(process, created)),
      () => {
        if (this.names.has(name)) return diskError("EEXIST", `file ${name} exists`);
        if (this.usedBytes() + sizeBytes > this.options.capacityBytes)
          return diskError("ENOSPC", "disk full");
        created = new SimulatedFile(sizeBytes);
        return [{ name, file: created }];
      },
    );
  }

  private handle(process: SimulatedProcess, file: SimulatedFile): DiskFile {
    let closed = false;
    const refuse = (done: DiskCallback): boolean => {
      if (closed) process.deliver("input", () => done(diskError("EIO", "file is closed")));
      return closed;
    };
    return {
      read: (position, length, done) => {
        let bytes: Bytes | undefined;
        const end: DiskCallback = (error) => done(error, error === undefined ? bytes : undefined);
        if (refuse(end)) return;
        const effect: DiskEffect = (failure) => {
          if (failure !== undefined || this.random.chance(this.options.readError))
            return diskError("EIO", "read failed");
          try {
            bytes = this.readFrom(file, position, length);
            return undefined;
          } catch (error) {
            return error as Error;
          }
        };
        this.operate(process, "read", length, effect, end);
      },
      write: (position, chunks, mode, done) => {
        if (!refuse(done)) this.write(process, file, position, chunks, mode === "durable", done);
      },
      sync: (done) => {
        if (refuse(done)) return;
        const mark = file.mark();
        const effect: DiskEffect = (failure, part) => {
          if (failure === undefined && part >= 1) file.syncUpTo(mark);
          if (failure !== undefined && this.options.lostPages) file.abandonUpTo(mark);
          return failure;
        };
        this.operate(process, "sync", 0, effect, done);
      },
      truncate: (sizeBytes, done) => {
        if (refuse(done)) return;
        const effect: DiskEffect = (failure, part) => {
          if (failure === undefined && part >= 1) file.truncate(sizeBytes);
          return failure;
        };
        this.operate(process, "truncate", sizeBytes, effect, done);
      },
      close() {
        closed = true;
      },
    };
  }

  private write(
    process: SimulatedProcess,
    file: SimulatedFile,
    position: number,
    chunks: readonly Uint8Array[],
    durable: boolean,
    done: DiskCallback,
  ): void {
    let length = 0;
    for (const chunk of chunks) length += chunk.length;
    const effect: DiskEffect = (failure, part) => {
      const grown = Math.max(0, position + length - file.size);
      if (failure === undefined && this.usedBytes() + grown > this.options.capacityBytes) {
        return diskError("ENOSPC", "disk full");
      }
      // A failed or interrupted write may have written any part.
      let rest = Math.floor(length * (failure === undefined ? part : this.random.float()));
      let at = this.mayDecay && this.random.chance(this.options.misdirect) ? this.elsewhere(file) : position;
      for (const chunk of chunks) {
        if (rest <= 0) break;
        file.write(at, chunk.length <= rest ? chunk : chunk.subarray(0, rest));
        at += chunk.length;
        rest -= chunk.length;
        if (durable && failure === undefined && part >= 1) file.syncUpTo(file.mark(), true);
      }
      if (failure !== undefined && durable && this.options.lostPages) file.abandonUpTo(file.mark());
      return failure;
    };
    this.operate(process, durable ? "durable write" : "write", length, effect, done);
  }

  private elsewhere(file: SimulatedFile): number {
    this.decays++;
    const sectors = Math.max(1, Math.floor(file.size / SECTOR_BYTES));
    return this.random.integer(0, sectors - 1) * SECTOR_BYTES;
  }

  private syncDirectory(process: SimulatedProcess, done: DiskCallback): void {
    const covered = [...this.nameChanges];
    const effect: DiskEffect = (failure, part) => {
      if (failure !== undefined || part < 1) return failure;
      for (const change of covered) {
        const at = this.nameChanges.indexOf(change);
        if (at < 0) continue;
        this.nameChanges.splice(at, 1);
        applyNames(this.durableNames, change);
      }
      return undefined;
    };
    this.operate(process, "sync directory", covered.length, effect, done);
  }

  private changeNames(
    process: SimulatedProcess,
    kind: string,
    done: DiskCallback,
    change: () => NameChange["changes"] | Error,
  ): void {
    const effect: DiskEffect = (failure, part) => {
      // A change of names is done or not done: there is no part of one.
      if (failure !== undefined || part < 1) return failure;
      const changes = change();
      if (changes instanceof Error) return changes;
      this.nameChanges.push({ changes });
      applyNames(this.names, { changes });
      return undefined;
    };
    this.operate(process, kind, 0, effect, done);
  }

  /** Keeps some of the pending changes of names: never one that builds on a lost one. */
  private loseNames(mode: PowerLoss): void {
    const blocked = new Set<string>();
    const cut = this.random.integer(0, this.nameChanges.length);
    this.nameChanges.forEach((change, at) => {
      const kept =
        mode === "everything-kept" ||
        (mode === "prefix-kept" && at < cut) ||
        (mode === "any-sector-kept" && this.random.chance(0.5));
      if (kept && !change.changes.some(({ name }) => blocked.has(name)))
        applyNames(this.durableNames, change);
      else for (const { name } of change.changes) blocked.add(name);
    });
  }

  /** Starts an operation: `effect` happens once, at its end or at a crash; `done` is told if the process still lives. */
  private operate(
    process: SimulatedProcess,
    kind: string,
    detail: number,
    effect: DiskEffect,
    done: DiskCallback,
  ): void {
    if (!process.alive) return;
    const { options, random, scheduler } = this;
    const stallMs = random.chance(options.stall) ? random.exponential(options.stallMs) : 0;
    this.underWay.add(effect);
    scheduler.after(random.exponential(options.latencyMs) + stallMs, () => {
      if (!this.underWay.delete(effect)) return;
      const failed = random.chance(options.writeError);
      const error = effect(failed ? diskError("EIO", `${kind} failed`) : undefined, 1);
      this.trace.record(scheduler.nowMs, this.id, kind, detail, () => `${detail} ${error?.message ?? "ok"}`);
      process.deliver("input", () => done(error));
    });
  }
}

function applyNames(names: Map<string, SimulatedFile>, change: NameChange): void {
  for (const { name, file } of change.changes) {
    if (file === undefined) names.delete(name);
    else names.set(name, file);
  }
}
