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
const CALL_BYTES = 512 * 1024;
/** Calls of one write that are under way at once: the disk need not wait for the thread pool and the event loop. */
const CALLS_AT_ONCE = 3;
/** Calls of all files at once; more wait for their turn. */
const CALLS_MAX = 12;
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

const rooms = new AlignedRooms(CALLS_MAX, CALL_BYTES);

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
    let rest = chunks;
    let at = position;
    let underWay = 0;
    let failure: NodeJS.ErrnoException | undefined;
    const ended = (error: NodeJS.ErrnoException | undefined): void => {
      underWay--;
      failure ??= error;
      if (failure === undefined && rest.length > 0) return next();
      if (underWay > 0) return;
      if (!REFUSALS.has(failure?.code ?? "")) return done(failure);
      this.support.refuse();
      this.cached(position, chunks, done);
    };
    const next = (): void => {
      const call = firstOf(rest, CALL_BYTES);
      const callAt = at;
      rest = withoutFirst(rest, CALL_BYTES);
      at += lengthOf(call);
      underWay++;
      rooms.take((room) => {
        if (room === undefined)
          return ended(Object.assign(new Error("no memory for it"), { code: "ENOTSUP" }));
        const bytes = room.subarray(0, gather(call, room));
        fs.write(fd, bytes, 0, bytes.length, callAt, (error, count) => {
          rooms.giveBack(room);
          if (error || count === bytes.length) return ended(error ?? undefined);
          // A full disk or a signal: the usual way writes what is left, or says why not.
          this.cached(callAt + count, withoutFirst(call, count), ended);
        });
      });
    };
    do next();
    while (rest.length > 0 && failure === undefined && underWay < CALLS_AT_ONCE);
  }
}

/** Copies the chunks to the front of `room`; gives their length. */
function gather(chunks: readonly Uint8Array[], room: Uint8Array): number {
  let filled = 0;
  for (const chunk of chunks) {
    room.set(chunk, filled);
    filled += chunk.length;
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
