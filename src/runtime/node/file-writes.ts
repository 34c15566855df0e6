/** Writes of several chunks to a file of node:fs: all of them, or a reason why not. */
import fs from "node:fs";
import type { DiskCallback } from "../world.ts";

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

/** A write may end early (a signal, a full disk): the rest is written by further calls, or the reason is reported. */
export function writeFully(
  fd: number,
  position: number,
  chunks: readonly Uint8Array[],
  done: DiskCallback,
): void {
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
export function writeInCalls(
  fd: number,
  position: number,
  chunks: readonly Uint8Array[],
  done: DiskCallback,
): void {
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

/** The first `count` bytes of `chunks`. */
export function firstOf(chunks: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let taken = 0;
  for (let at = 0; at < chunks.length; at++) {
    const chunk = chunks[at] as Uint8Array;
    if (taken + chunk.length > count) return [...chunks.slice(0, at), chunk.subarray(0, count - taken)];
    taken += chunk.length;
  }
  return chunks;
}

/** What is left of `chunks` after their first `count` bytes. */
export function withoutFirst(chunks: readonly Uint8Array[], count: number): readonly Uint8Array[] {
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

export function lengthOf(chunks: readonly Uint8Array[]): number {
  let length = 0;
  for (const chunk of chunks) length += chunk.length;
  return length;
}
