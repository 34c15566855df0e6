/**
 * Writes past the system's memory (O_DIRECT), for much that must be on the disk anyway before anybody is told.
 *
 * What is written through the system's memory takes as much of it as it is long, and most of the processor time of a large
 * write goes there: on a virtual machine that has given idle memory back to its host, 2.4 s of 3 for a GiB. Past it the disk
 * takes the bytes from memory that is used again and again. And what others like to have in memory stays there.
 *
 * Such a write begins and ends at whole units, and so does its memory. What lies before and behind goes the usual way: no unit
 * is written both ways by one write, and between writes the system keeps the two in step.
 */
import fs from "node:fs";
import { fillsUnits } from "../page-memory.ts";
import type { DiskCallback } from "../world.ts";
import { AlignedRooms } from "./aligned-rooms.ts";
import { firstOf, lengthOf, withoutFirst } from "./file-writes.ts";

/** What the usual disks and file systems ask for; one that asks for more refuses. */
const UNIT_BYTES = 4096;
/** Less is not worth it. */
const WORTH_BYTES = 64 * 1024;
/** A call takes so much at most: the larger it is, the less does its end, which waits for a processor, count for. */
const CALL_BYTES = 4 * 1024 * 1024;
/**
 * Calls under way of all files, each with a room of its own that what is not at units is copied to; more wait for their turn. Two keep a disk busy, and leave half of the
 * threads that carry out calls (four by default), and the disk's own queue, to the log, whose writes are what everybody waits for.
 */
const CALLS_MAX = 2;
/** A file system says so that it takes no such writes, at the opening or at the first write; ENOENT: there is no /proc. */
const REFUSALS: ReadonlySet<string> = new Set(["EINVAL", "ENOTSUP", "EOPNOTSUPP", "ENOENT"]);
/** What would fail the usual way too. Of anything else that way may know better: it needs no memory to be pinned, for one. */
const FAULTS: ReadonlySet<string> = new Set(["EIO", "ENOSPC", "EDQUOT", "EROFS", "EFBIG"]);

/** Whether the file system of a directory takes such writes; all its files learn it from the first one. */
export class DirectSupport {
  /** Undefined: it does not, or nobody has memory that suits it. */
  flag: number | undefined = fs.constants.O_DIRECT as number | undefined;

  refuse(): void {
    this.flag = undefined;
  }
}

const rooms = new AlignedRooms(CALLS_MAX, CALL_BYTES);

type Cached = (position: number, chunks: readonly Uint8Array[], done: DiskCallback) => void;

/** The direct writes of one file, through a descriptor of their own. `cached` writes the usual way. */
export class DirectWriter {
  private readonly path: string;
  private readonly support: DirectSupport;
  private readonly cached: Cached;
  private fd: number | undefined;
  private opening: (() => void)[] | undefined;

  constructor(fd: number, support: DirectSupport, cached: Cached) {
    // The same file, whatever bears its name by then.
    this.path = `/proc/self/fd/${fd}`;
    this.support = support;
    this.cached = cached;
  }

  /** After an error, any part of it may be written. */
  write(position: number, chunks: readonly Uint8Array[], done: DiskCallback): void {
    const end = position + lengthOf(chunks);
    const from = Math.ceil(position / UNIT_BYTES) * UNIT_BYTES;
    const to = end - (end % UNIT_BYTES);
    if (to - from < WORTH_BYTES) return this.cached(position, chunks, done);
    this.open(() => {
      const { fd } = this;
      if (fd === undefined || this.support.flag === undefined) return this.cached(position, chunks, done);
      const behind = withoutFirst(chunks, from - position);
      const tail = withoutFirst(behind, to - from);
      const parts: ((over: DiskCallback) => void)[] = [
        (over) => this.writeUnits(fd, from, firstOf(behind, to - from), over),
      ];
      if (from > position) {
        parts.push((over) => this.cached(position, firstOf(chunks, from - position), over));
      }
      if (tail.length > 0) parts.push((over) => this.cached(to, tail, over));
      together(parts, done);
    });
  }

  /** Call it when no write is under way. */
  close(done: () => void): void {
    if (this.fd === undefined) return done();
    fs.close(this.fd, () => done());
    this.fd = undefined;
  }

  private open(then: () => void): void {
    const { flag } = this.support;
    if (this.fd !== undefined || flag === undefined) return then();
    this.opening?.push(then);
    if (this.opening !== undefined) return;
    this.opening = [then];
    fs.open(this.path, fs.constants.O_RDWR | flag, (error, fd) => {
      if (error === null) this.fd = fd;
      else if (REFUSALS.has(error.code ?? "")) this.support.refuse();
      const waiting = this.opening ?? [];
      this.opening = undefined;
      for (const next of waiting) next();
    });
  }

  private writeUnits(fd: number, position: number, chunks: readonly Uint8Array[], done: DiskCallback): void {
    if (chunks.length === 0) return done(undefined);
    rooms.take((room) => {
      if (room === undefined) {
        this.support.refuse();
        return this.cached(position, chunks, done);
      }
      const there = filling(chunks);
      const parts = there.length > 0 ? there : [fill(room, chunks)];
      fs.writev(fd, parts, position, (error, count) => {
        rooms.giveBack(room);
        if (error !== null) {
          const code = error.code ?? "";
          if (FAULTS.has(code)) return done(error);
          if (REFUSALS.has(code)) this.support.refuse();
          return this.cached(position, chunks, done);
        }
        const rest = withoutFirst(chunks, count);
        if (count === lengthOf(parts)) return this.writeUnits(fd, position + count, rest, done);
        // A full disk or a signal: the usual way writes what is left, or says why not.
        this.cached(position + count, rest, done);
      });
    });
  }
}

/** The first chunks that need no copy, as many as one call takes. */
function filling(chunks: readonly Uint8Array[]): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let length = 0;
  for (const chunk of chunks) {
    length += chunk.length;
    if (length > CALL_BYTES || !fillsUnits(chunk, UNIT_BYTES)) break;
    parts.push(chunk);
  }
  return parts;
}

/** Copies as much of the chunks to the room as it holds; gives the part of it that is filled. */
function fill(room: Uint8Array, chunks: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const chunk of firstOf(chunks, room.length)) {
    room.set(chunk, length);
    length += chunk.length;
  }
  return room.subarray(0, length);
}

/** Runs them all at once; the first error counts, and comes when all are over. */
function together(parts: readonly ((over: DiskCallback) => void)[], done: DiskCallback): void {
  let left = parts.length;
  let failure: Error | undefined;
  for (const part of parts) {
    part((error) => {
      failure ??= error;
      if (--left === 0) done(failure);
    });
  }
}
