/**
 * Carries out what recovery decided, before anything may rely on the log: the cut end is overwritten with zeros, files that
 * do not count are removed, and the frames that no seal covers are written and synced again. The last is for a
 * process that ended at a failed fsync: the kernel may show pages that never reached the disk, and call them clean.
 */
import { zeroBytes } from "../../../runtime/bytes.ts";
import type { Disk, DiskCallback, DiskFile } from "../../../runtime/world.ts";
import type { FileRange, Recovery } from "./recovery.ts";
import { readTwice } from "./segment-reader.ts";

const PIECE_BYTES = 1 << 20;

/** One step after the other; the first error ends it. */
export function inOrder(steps: readonly ((done: DiskCallback) => void)[], done: DiskCallback): void {
  const step = (at: number): void => {
    const next = steps[at];
    if (next === undefined) done(undefined);
    else next((error) => (error === undefined ? step(at + 1) : done(error)));
  };
  step(0);
}

/** Gives the open file of the segment in which the log goes on, if there is one. */
export function mend(
  disk: Disk,
  recovery: Recovery,
  syncDirectory: (done: DiskCallback) => void,
  done: (error: Error | undefined, file?: DiskFile) => void,
): void {
  const { discard, segments, unsealed, position, staleEnd } = recovery;
  const current = segments.at(-1);
  const open: DiskFile[] = [];
  const inFile =
    (name: string, steps: (file: DiskFile) => readonly ((done: DiskCallback) => void)[]) =>
    (next: DiskCallback): void =>
      disk.open(name, (error, file) => {
        if (file === undefined) return next(error);
        open.push(file);
        inOrder([...steps(file), (end) => file.sync(end)], next);
      });
  const steps = [
    // The newest first, so that an interruption leaves no gap in the numbers.
    ...discard
      .toReversed()
      .flatMap((name) => [(next: DiskCallback) => disk.remove(name, next), syncDirectory]),
    ...unsealed.map((range) => inFile(range.name, (file) => rewrite(disk, file, range))),
    ...(current === undefined
      ? []
      : [inFile(current.name, (file) => [(next) => writeZeros(file, position, staleEnd, next)])]),
    syncDirectory,
  ];
  inOrder(steps, (error) => {
    const last = error === undefined && current !== undefined ? open.pop() : undefined;
    for (const file of open) file.close();
    done(error, last);
  });
}

function rewrite(
  disk: Disk,
  file: DiskFile,
  { name, from, to }: FileRange,
): ((done: DiskCallback) => void)[] {
  const steps = [];
  for (let at = from; at < to; at += PIECE_BYTES) {
    const length = Math.min(PIECE_BYTES, to - at);
    steps.push((done: DiskCallback): void => {
      let bytes;
      try {
        bytes = readTwice(disk, name, at, length);
      } catch (error) {
        return done(error as Error);
      }
      file.write(at, [bytes], "cached", done);
    });
  }
  return steps;
}

function writeZeros(file: DiskFile, position: number, end: number, done: DiskCallback): void {
  if (position >= end) return done(undefined);
  const length = Math.min(PIECE_BYTES, end - position);
  file.write(position, [zeroBytes(length)], "cached", (error) => {
    if (error !== undefined) done(error);
    else writeZeros(file, position + length, end, done);
  });
}
