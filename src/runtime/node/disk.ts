/** The disk of the real machine: one directory, through node:fs. */
import fs from "node:fs";
import { join } from "node:path";
import { allocateOwnedBytes, NO_BYTES, zeroBytes } from "../bytes.ts";
import type { Bytes } from "../bytes.ts";
import type { Disk, DiskCallback, DiskFile } from "../world.ts";
import { DirectSupport, DirectWriter } from "./direct-writes.ts";
import { writeFully, writeInCalls } from "./file-writes.ts";
import { UnderWay } from "./under-way.ts";

/** Zeros are written in pieces of this size, so that no single call holds a thread of the pool for long. */
const ZEROS_BYTES = 1 << 20;

export interface NodeDisk extends Disk {
  /** Resolves when no call is under way, and all that was closed is: nothing in the directory changes by itself then. */
  settled(): Promise<void>;
}

/**
 * Opens `directory`, which must exist and be writable. Nothing stays open between calls except the files that were
 * created or opened and not yet closed. Errors carry the `code` of the operating system (ENOSPC, EIO, ENOENT, EEXIST).
 * `direct` false: direct writes are cached too. Default true.
 */
export function openNodeDisk(directory: string, options: { readonly direct?: boolean } = {}): NodeDisk {
  const path = (name: string): string => join(directory, plainName(name));
  const direct = new DirectSupport();
  const underWay = new UnderWay();
  const ending = (done: DiskCallback): ((error: Error | null | undefined) => void) =>
    underWay.until((error) => done(error ?? undefined));
  if (options.direct === false) direct.refuse();
  return {
    list: () =>
      fs
        .readdirSync(directory, { withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => entry.name)
        .sort(),
    size: (name) => fs.statSync(path(name), { throwIfNoEntry: false })?.size,
    read: (name, position, length) => readSync(path(name), position, length),
    create(name, sizeBytes, done) {
      const created = (error: Error | undefined, fd?: number): void =>
        fd === undefined ? done(error) : done(undefined, nodeFile(path(name), fd, direct, underWay));
      create(path(name), sizeBytes, underWay.until(created));
    },
    open(name, done) {
      const opened = (error: Error | null, fd: number): void =>
        error ? done(error) : done(undefined, nodeFile(path(name), fd, direct, underWay));
      fs.open(path(name), "r+", underWay.until(opened));
    },
    rename: (from, to, done) => fs.rename(path(from), path(to), ending(done)),
    remove: (name, done) => fs.unlink(path(name), ending(done)),
    syncDirectory: (done) => syncDirectory(directory, ending(done)),
    settled: () => underWay.settled(),
    freeBytes() {
      const { bavail, bsize } = fs.statfsSync(directory);
      return bavail * bsize;
    },
  };
}

function plainName(name: string): string {
  if (!/^[\w.-]+$/.test(name) || name === "." || name === "..")
    throw new Error(`not a plain file name: ${name}`);
  return name;
}

function readSync(path: string, position: number, length: number): Bytes {
  const fd = fs.openSync(path, "r");
  try {
    const wanted = Math.max(0, Math.min(length, fs.fstatSync(fd).size - position));
    if (wanted === 0) return NO_BYTES;
    const bytes = allocateOwnedBytes(wanted);
    let filled = 0;
    while (filled < wanted) {
      const count = fs.readSync(fd, bytes, filled, wanted - filled, position + filled);
      if (count === 0) break;
      filled += count;
    }
    return bytes.subarray(0, filled);
  } finally {
    fs.closeSync(fd);
  }
}

/**
 * Really allocates: a sparse file would still run out of space, or change its metadata, in the middle of a log write. Node
 * has no fallocate, so the zeros are written once; on file systems that overwrite in place the blocks are then ours.
 */
function create(
  path: string,
  sizeBytes: number,
  done: (error: Error | undefined, fd?: number) => void,
): void {
  fs.open(path, "wx+", (openError, fd) => {
    if (openError) return done(openError);
    const finish = (error: Error | undefined): void => {
      if (error === undefined) return done(undefined, fd);
      fs.close(fd, () => fs.unlink(path, () => done(error)));
    };
    if (sizeBytes === 0) return finish(undefined);
    writeZeros(fd, 0, sizeBytes, (error) => {
      if (error) return finish(error);
      fs.fsync(fd, (syncError) => finish(syncError ?? undefined));
    });
  });
}

function writeZeros(fd: number, position: number, end: number, done: DiskCallback): void {
  const zeros = zeroBytes(Math.min(ZEROS_BYTES, end - position));
  const step = (at: number): void => {
    if (at >= end) return done(undefined);
    const chunk = zeros.subarray(0, Math.min(zeros.length, end - at));
    writeInCalls(fd, at, [chunk], (error) => {
      if (error) return done(error);
      // Piece by piece: what is written meanwhile, the log above all, must not queue behind the whole file.
      fs.fdatasync(fd, (syncError) => (syncError ? done(syncError) : step(at + chunk.length)));
    });
  };
  step(position);
}

/** A read may end early (a signal); it is over at the end of the file. */
function readFully(
  fd: number,
  target: Uint8Array,
  filled: number,
  position: number,
  done: (error: Error | undefined, filled: number) => void,
): void {
  fs.read(fd, target, filled, target.length - filled, position + filled, (error, count) => {
    if (error) return done(error, filled);
    if (count === 0 || filled + count === target.length) return done(undefined, filled + count);
    readFully(fd, target, filled + count, position, done);
  });
}

/**
 * Durable writes go through a descriptor of their own, opened with O_DSYNC: one hop to the thread pool instead of two, and
 * the disk is asked for just the bytes that were written.
 */
function nodeFile(path: string, fd: number, support: DirectSupport, underWay: UnderWay): DiskFile {
  let open = true;
  let synchronousFd: number | undefined;
  const direct = new DirectWriter(fd, support, (position, chunks, done) =>
    writeInCalls(fd, position, chunks, done),
  );
  /** Operations under way; the descriptor is closed after the last, since its number may be reused at once. */
  let busy = 0;
  const closeWhenIdle = (): void => {
    if (open || busy > 0) return;
    fs.close(fd, underWay.begin());
    if (synchronousFd !== undefined) fs.close(synchronousFd, underWay.begin());
    direct.close(underWay.begin());
  };
  const begin = (done: DiskCallback): DiskCallback | undefined => {
    if (!open) {
      process.nextTick(done, Object.assign(new Error("EBADF: the file is closed"), { code: "EBADF" }));
      return undefined;
    }
    busy++;
    return underWay.until((error?: Error) => {
      busy--;
      closeWhenIdle();
      done(error);
    });
  };
  return {
    read(position, length, done) {
      let bytes: Bytes = NO_BYTES;
      const end = begin((error) => done(error, bytes));
      if (end === undefined) return;
      if (length <= 0) {
        process.nextTick(end, undefined);
        return;
      }
      const target = allocateOwnedBytes(length);
      readFully(fd, target, 0, position, (error, filled) => {
        bytes = target.subarray(0, filled);
        end(error ?? undefined);
      });
    },
    write(position, chunks, mode, done) {
      const end = begin(done);
      if (end === undefined) return;
      if (mode === "cached") return writeInCalls(fd, position, chunks, end);
      if (mode === "direct") return direct.write(position, chunks, end);
      if (synchronousFd !== undefined) return writeFully(synchronousFd, position, chunks, end);
      fs.open(path, fs.constants.O_RDWR | fs.constants.O_DSYNC, (openError, opened) => {
        if (openError) return end(openError);
        if (synchronousFd === undefined) synchronousFd = opened;
        else fs.close(opened, underWay.begin());
        writeFully(synchronousFd, position, chunks, end);
      });
    },
    sync(done) {
      const end = begin(done);
      if (end !== undefined) fs.fdatasync(fd, (error) => end(error ?? undefined));
    },
    truncate(sizeBytes, done) {
      const end = begin(done);
      if (end !== undefined) fs.ftruncate(fd, sizeBytes, (error) => end(error ?? undefined));
    },
    descriptor() {
      if (!open) return undefined;
      busy++;
      return {
        number: fd,
        free() {
          busy--;
          closeWhenIdle();
        },
      };
    },
    close() {
      if (!open) return;
      open = false;
      closeWhenIdle();
    },
  };
}

function syncDirectory(directory: string, done: DiskCallback): void {
  fs.open(directory, "r", (openError, fd) => {
    if (openError) return done(openError);
    fs.fsync(fd, (error) => fs.close(fd, () => done(error ?? undefined)));
  });
}
