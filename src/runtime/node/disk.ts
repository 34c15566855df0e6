/** The disk of the real machine: one directory, through node:fs. */
import fs from "node:fs";
import { join } from "node:path";
import { allocateOwnedBytes, NO_BYTES, zeroBytes } from "../bytes.ts";
import type { Bytes } from "../bytes.ts";
import type { Disk, DiskCallback, DiskFile } from "../world.ts";

/**
 * What a call that need not be durable writes at most: less than half a MiB, so that Linux takes memory for it in pieces of at
 * most a quarter. A virtual machine gives larger pieces that lie idle back to its host, and who takes them first waits for
 * each: there a GiB in calls of a MiB took 2.5 s of processor time, in calls of a quarter 0.3 s, as both do where memory is at
 * hand.
 */
const CALL_BYTES = 448 * 1024;
/**
 * Calls of one such write that are under way at once: the system lets one after the other write to a file, but what each waits
 * for besides, the thread pool and its turn in the event loop, is then not added up. A tenth of the time that a GiB takes.
 */
const CALLS_AT_ONCE = 2;
/** Zeros are written in pieces of this size, so that no single call holds a thread of the pool for long. */
const ZEROS_BYTES = 1 << 20;

/**
 * Opens `directory`, which must exist and be writable. Nothing stays open between calls except the files that were
 * created or opened and not yet closed. Errors carry the `code` of the operating system (ENOSPC, EIO, ENOENT, EEXIST).
 */
export function openNodeDisk(directory: string): Disk {
  const path = (name: string): string => join(directory, plainName(name));
  return {
    list: () =>
      fs
        .readdirSync(directory, { withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => entry.name)
        .sort(),
    size: (name) => fs.statSync(path(name), { throwIfNoEntry: false })?.size,
    read: (name, position, length) => readSync(path(name), position, length),
    create: (name, sizeBytes, done) => create(path(name), sizeBytes, done),
    open(name, done) {
      fs.open(path(name), "r+", (error, fd) => {
        if (error) done(error);
        else done(undefined, nodeFile(path(name), fd));
      });
    },
    rename: (from, to, done) => fs.rename(path(from), path(to), (error) => done(error ?? undefined)),
    remove: (name, done) => fs.unlink(path(name), (error) => done(error ?? undefined)),
    syncDirectory: (done) => syncDirectory(directory, done),
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
  done: (error: Error | undefined, file?: DiskFile) => void,
): void {
  fs.open(path, "wx+", (openError, fd) => {
    if (openError) return done(openError);
    const finish = (error: Error | undefined): void => {
      if (error === undefined) return done(undefined, nodeFile(path, fd));
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

/** A write may end early (a signal, a full disk): the rest is written by further calls, or the reason is reported. */
function writeFully(fd: number, position: number, chunks: readonly Uint8Array[], done: DiskCallback): void {
  fs.writev(fd, chunks as Uint8Array[], position, (error, bytesWritten) => {
    if (error) return done(error);
    const rest = withoutFirst(chunks, bytesWritten);
    if (rest.length === 0) return done(undefined);
    if (bytesWritten === 0) {
      return done(Object.assign(new Error("EIO: the disk accepts no more bytes"), { code: "EIO" }));
    }
    writeFully(fd, position + bytesWritten, rest, done);
  });
}

/** As `writeFully`, in several calls. After an error no further one begins, and what is behind it may be written or not. */
function writeInCalls(fd: number, position: number, chunks: readonly Uint8Array[], done: DiskCallback): void {
  let rest = chunks;
  let at = position;
  let underWay = 0;
  let failure: Error | undefined;
  const next = (): void => {
    const call = firstOf(rest, CALL_BYTES);
    rest = withoutFirst(rest, CALL_BYTES);
    underWay++;
    writeFully(fd, at, call, (error) => {
      underWay--;
      failure ??= error;
      const isOver = failure !== undefined || rest.length === 0;
      if (!isOver) next();
      else if (underWay === 0) done(failure);
    });
    for (const { length } of call) at += length;
  };
  do next();
  while (rest.length > 0 && underWay < CALLS_AT_ONCE);
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

/** The first `count` bytes of `chunks`. */
function firstOf(chunks: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let taken = 0;
  for (let at = 0; at < chunks.length; at++) {
    const chunk = chunks[at] as Uint8Array;
    if (taken + chunk.length > count) return [...chunks.slice(0, at), chunk.subarray(0, count - taken)];
    taken += chunk.length;
  }
  return chunks;
}

/** What is left of `chunks` after their first `count` bytes. */
function withoutFirst(chunks: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let skipped = 0;
  for (let at = 0; at < chunks.length; at++) {
    const chunk = chunks[at] as Uint8Array;
    if (skipped + chunk.length > count) {
      return [chunk.subarray(count - skipped), ...chunks.slice(at + 1)].filter(({ length }) => length > 0);
    }
    skipped += chunk.length;
  }
  return [];
}

/**
 * Durable writes go through a descriptor of their own, opened with O_DSYNC: one hop to the thread pool instead of two, and
 * the disk is asked for just the bytes that were written.
 */
function nodeFile(path: string, fd: number): DiskFile {
  let open = true;
  let synchronousFd: number | undefined;
  /** Operations under way; the descriptor is closed after the last, since its number may be reused at once. */
  let busy = 0;
  const closeWhenIdle = (): void => {
    if (open || busy > 0) return;
    fs.close(fd, () => undefined);
    if (synchronousFd !== undefined) fs.close(synchronousFd, () => undefined);
  };
  const begin = (done: DiskCallback): DiskCallback | undefined => {
    if (!open) {
      process.nextTick(done, Object.assign(new Error("EBADF: the file is closed"), { code: "EBADF" }));
      return undefined;
    }
    busy++;
    return (error) => {
      busy--;
      closeWhenIdle();
      done(error ?? undefined);
    };
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
    write(position, chunks, durable, done) {
      const end = begin(done);
      if (end === undefined) return;
      if (!durable) return writeInCalls(fd, position, chunks, end);
      if (synchronousFd !== undefined) return writeFully(synchronousFd, position, chunks, end);
      fs.open(path, fs.constants.O_RDWR | fs.constants.O_DSYNC, (openError, opened) => {
        if (openError) return end(openError);
        if (synchronousFd === undefined) synchronousFd = opened;
        else fs.close(opened, () => undefined);
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
