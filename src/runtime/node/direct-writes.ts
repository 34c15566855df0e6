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
import type { DiskCallback } from "../world.ts";
import { AlignedRooms } from "./aligned-rooms.ts";
import { firstOf, lengthOf, withoutFirst } from "./file-writes.ts";

/** What disks and file systems ask for at most. */
const UNIT_BYTES = 4096;
/** Less is not worth it. */
const WORTH_BYTES = 64 * 1024;
/** A call takes so much at most: the larger it is, the less does its end, which waits for a processor, count for. */
const ROOM_BYTES = 1024 * 1024;
const CALL_ROOMS = 4;
/** Of all files: so many as the threads that carry out calls (four by default) can use. */
const ROOMS = 16;
/** A file system says so that it cannot, at the opening or at the first write. */
const REFUSALS: ReadonlySet<string> = new Set(["EINVAL", "ENOTSUP", "EOPNOTSUPP"]);

/** Whether the file system of a directory takes such writes; all its files learn it from the first one. */
export class DirectSupport {
  /** Undefined: it does not, or nobody has memory that suits it. */
  flag: number | undefined = fs.constants.O_DIRECT as number | undefined;

  refuse(): void {
    this.flag = undefined;
  }
}

const rooms = new AlignedRooms(ROOMS, ROOM_BYTES);

type Cached = (position: number, chunks: readonly Uint8Array[], done: DiskCallback) => void;

/** The direct writes of one file. `cached` writes the usual way. */
export class DirectWriter {
  private readonly path: string;
  private readonly support: DirectSupport;
  private readonly cached: Cached;
  private fd: number | undefined;
  private opening: (() => void)[] | undefined;

  constructor(path: string, support: DirectSupport, cached: Cached) {
    this.path = path;
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
  close(): void {
    if (this.fd !== undefined) fs.close(this.fd, () => undefined);
    this.fd = undefined;
  }

  private open(then: () => void): void {
    const { flag } = this.support;
    if (this.fd !== undefined || flag === undefined) return then();
    this.opening?.push(then);
    if (this.opening !== undefined) return;
    this.opening = [then];
    fs.open(this.path, fs.constants.O_RDWR | flag, (error, fd) => {
      // Whatever the reason is: the usual way either works or says why not.
      if (error) this.support.refuse();
      else this.fd = fd;
      const waiting = this.opening ?? [];
      this.opening = undefined;
      for (const next of waiting) next();
    });
  }

  private writeUnits(fd: number, position: number, chunks: readonly Uint8Array[], done: DiskCallback): void {
    if (chunks.length === 0) return done(undefined);
    const usual = (): void => {
      this.support.refuse();
      this.cached(position, chunks, done);
    };
    rooms.take(Math.min(Math.ceil(lengthOf(chunks) / ROOM_BYTES), CALL_ROOMS), (taken) => {
      if (taken.length === 0) return usual();
      const bytes = fill(taken, chunks);
      fs.writev(fd, bytes as Uint8Array[], position, (error, count) => {
        rooms.giveBack(taken);
        if (error) return REFUSALS.has(error.code ?? "") ? usual() : done(error);
        const rest = withoutFirst(chunks, count);
        if (count === lengthOf(bytes)) return this.writeUnits(fd, position + count, rest, done);
        // A full disk or a signal: the usual way writes what is left, or says why not.
        this.cached(position + count, rest, done);
      });
    });
  }
}

/** Copies as much of the chunks to the rooms as these hold; gives the parts of them that are filled. */
function fill(rooms: readonly Uint8Array[], chunks: readonly Uint8Array[]): readonly Uint8Array[] {
  let rest = chunks;
  const filled: Uint8Array[] = [];
  for (const room of rooms) {
    let length = 0;
    for (const chunk of firstOf(rest, room.length)) {
      room.set(chunk, length);
      length += chunk.length;
    }
    rest = withoutFirst(rest, room.length);
    if (length > 0) filled.push(room.subarray(0, length));
  }
  return filled;
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
