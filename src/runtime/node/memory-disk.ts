/**
 * A disk in the memory of this process, with a bound: for nodes that keep nothing. What is on it is as durable as the process.
 */
import type { Bytes } from "../bytes.ts";
import { NO_BYTES, zeroBytes } from "../bytes.ts";
import type { Disk, DiskCallback, DiskFile } from "../world.ts";

/** Memory is taken in pieces of this size, as files grow. */
const PAGE_BYTES = 64 * 1024;

class MemoryFile {
  size = 0;
  readonly pages: Bytes[] = [];
}

/** An empty directory that holds at most `capacityBytes`. Errors carry the codes that a real one has (ENOSPC, ENOENT, EEXIST). */
export function createMemoryDisk(capacityBytes: number): Disk {
  const files = new Map<string, MemoryFile>();
  let usedBytes = 0;

  const grow = (file: MemoryFile, sizeBytes: number): Error | undefined => {
    const pages = Math.ceil(sizeBytes / PAGE_BYTES) - file.pages.length;
    if (pages > 0 && usedBytes + pages * PAGE_BYTES > capacityBytes)
      return failure("ENOSPC", "no memory is left");
    for (let added = 0; added < pages; added++) file.pages.push(zeroBytes(PAGE_BYTES));
    if (pages > 0) usedBytes += pages * PAGE_BYTES;
    file.size = Math.max(file.size, sizeBytes);
    return undefined;
  };
  const shrink = (file: MemoryFile, sizeBytes: number): void => {
    const kept = Math.ceil(sizeBytes / PAGE_BYTES);
    usedBytes -= PAGE_BYTES * (file.pages.length - kept);
    file.pages.length = kept;
    // What comes behind the end later begins as zeros.
    file.pages[kept - 1]?.fill(0, sizeBytes - (kept - 1) * PAGE_BYTES);
    file.size = sizeBytes;
  };
  const opened = (file: MemoryFile): DiskFile => ({
    read: (position, length, done) => later(() => done(undefined, readFrom(file, position, length))),
    write: (position, chunks, _mode, done) => {
      let length = 0;
      for (const chunk of chunks) length += chunk.length;
      // Nothing, written behind the end, does not lengthen a file.
      const error = length === 0 ? undefined : grow(file, position + length);
      if (error === undefined) writeTo(file, position, chunks);
      later(() => done(error));
    },
    sync: (done) => later(() => done(undefined)),
    truncate: (sizeBytes, done) => {
      const error = sizeBytes > file.size ? grow(file, sizeBytes) : undefined;
      if (sizeBytes < file.size) shrink(file, sizeBytes);
      later(() => done(error));
    },
    close: () => undefined,
  });
  const take = (name: string, done: DiskCallback): MemoryFile | undefined => {
    const file = files.get(name);
    if (file === undefined) later(() => done(failure("ENOENT", `no file ${name}`)));
    return file;
  };

  return {
    list: () => [...files.keys()].sort(),
    size: (name) => files.get(name)?.size,
    read: (name, position, length) => {
      const file = files.get(name);
      if (file === undefined) throw failure("ENOENT", `no file ${name}`);
      return readFrom(file, position, length);
    },
    create: (name, sizeBytes, done) => {
      if (files.has(name)) return later(() => done(failure("EEXIST", `there is a file ${name}`)));
      const file = new MemoryFile();
      const error = grow(file, sizeBytes);
      if (error === undefined) files.set(name, file);
      later(() => (error === undefined ? done(undefined, opened(file)) : done(error)));
    },
    open: (name, done) => {
      const file = take(name, done);
      if (file !== undefined) later(() => done(undefined, opened(file)));
    },
    rename: (from, to, done) => {
      const file = take(from, done);
      if (file === undefined) return;
      const replaced = files.get(to);
      if (replaced !== undefined && replaced !== file) shrink(replaced, 0);
      files.delete(from);
      files.set(to, file);
      later(() => done(undefined));
    },
    remove: (name, done) => {
      const file = take(name, done);
      if (file === undefined) return;
      shrink(file, 0);
      files.delete(name);
      later(() => done(undefined));
    },
    syncDirectory: (done) => later(() => done(undefined)),
    freeBytes: () => Math.max(0, capacityBytes - usedBytes),
  };
}

/** As a disk would: never before the call returns. */
function later(run: () => void): void {
  setImmediate(run);
}

function failure(code: string, message: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), { code });
}

function readFrom(file: MemoryFile, position: number, length: number): Bytes {
  const end = Math.min(file.size, position + length);
  if (end <= position) return NO_BYTES;
  const out = zeroBytes(end - position);
  for (let at = position; at < end;) {
    const page = file.pages[Math.floor(at / PAGE_BYTES)] ?? NO_BYTES;
    const from = at % PAGE_BYTES;
    const count = Math.min(PAGE_BYTES - from, end - at);
    page.copy(out, at - position, from, from + count);
    at += count;
  }
  return out;
}

function writeTo(file: MemoryFile, position: number, chunks: readonly Uint8Array[]): void {
  let at = position;
  for (const chunk of chunks) {
    for (let taken = 0; taken < chunk.length;) {
      const page = file.pages[Math.floor(at / PAGE_BYTES)];
      const from = at % PAGE_BYTES;
      const count = Math.min(PAGE_BYTES - from, chunk.length - taken);
      page?.set(chunk.subarray(taken, taken + count), from);
      taken += count;
      at += count;
    }
  }
}
