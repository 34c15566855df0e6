/** Reads a segment through a window of at most 1 MiB, and goes on past sectors that the disk cannot read. */
import { allocateOwnedBytes, NO_BYTES } from "../../../runtime/bytes.ts";
import type { Bytes } from "../../../runtime/bytes.ts";
import { QuorateError } from "../../../runtime/errors.ts";
import type { Disk } from "../../../runtime/world.ts";
import { SECTOR_BYTES } from "./frame.ts";

const WINDOW_BYTES = 1 << 20;
const ATTEMPTS = 3;
/** Stands for a byte that cannot be read. Whatever covers it fails its checksum. */
const UNREADABLE = 0xbd;

/** Reads again when a read fails: a passing fault must not look like damage. */
export function readPatiently(disk: Disk, name: string, position: number, length: number): Bytes {
  for (let attempt = 1; ; attempt++) {
    try {
      return disk.read(name, position, length);
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
    }
  }
}

/** For what nothing checks: reads until two readings in a row agree, so that what one of them made up is not believed. */
export function readTwice(disk: Disk, name: string, position: number, length: number): Bytes {
  let before = readPatiently(disk, name, position, length);
  for (let attempt = 1; ; attempt++) {
    const bytes = readPatiently(disk, name, position, length);
    if (bytes.equals(before)) return bytes;
    if (attempt === ATTEMPTS) {
      throw new QuorateError("DATA_CORRUPT", `${name} at byte ${position}: reads differently each time`);
    }
    before = bytes;
  }
}

export class SegmentReader {
  readonly name: string;
  readonly size: number;
  private readonly disk: Disk;
  private window: Bytes = NO_BYTES;
  private windowStart = 0;

  constructor(disk: Disk, name: string) {
    this.disk = disk;
    this.name = name;
    this.size = disk.size(name) ?? 0;
  }

  /** Up to `length` bytes, valid until the next call; shorter at the end of the file. At most 1 MiB. */
  view(position: number, length: number): Bytes {
    const end = Math.min(position + length, this.size);
    if (end <= position) return NO_BYTES;
    if (position < this.windowStart || end > this.windowStart + this.window.length) {
      this.window = this.load(position, Math.max(end - position, WINDOW_BYTES));
      this.windowStart = position;
    }
    return this.window.subarray(position - this.windowStart, end - this.windowStart);
  }

  /** Behind the pieces of `zeros`' length from `position` on that are nothing but zeros. */
  endOfZeros(position: number, zeros: Bytes): number {
    let at = position;
    for (;;) {
      const piece = this.view(at, zeros.length);
      if (piece.length === 0 || !piece.equals(zeros.subarray(0, piece.length))) return at;
      at += piece.length;
    }
  }

  /** `length` bytes in memory of their own, or undefined when the file ends before. */
  copy(position: number, length: number): Bytes | undefined {
    if (position + length > this.size) return undefined;
    const bytes = allocateOwnedBytes(length);
    for (let done = 0; done < length;) {
      const piece = this.view(position + done, Math.min(WINDOW_BYTES, length - done));
      if (piece.length === 0) return undefined;
      piece.copy(bytes, done);
      done += piece.length;
    }
    return bytes;
  }

  private load(position: number, length: number): Bytes {
    const wanted = Math.min(length, this.size - position);
    try {
      return readPatiently(this.disk, this.name, position, wanted);
    } catch {
      return this.loadBySector(position, wanted);
    }
  }

  private loadBySector(position: number, length: number): Bytes {
    const bytes = allocateOwnedBytes(length).fill(UNREADABLE) as Bytes;
    for (let at = position; at < position + length;) {
      const next = Math.min(position + length, (Math.floor(at / SECTOR_BYTES) + 1) * SECTOR_BYTES);
      try {
        readPatiently(this.disk, this.name, at, next - at).copy(bytes, at - position);
      } catch {
        // Stays marked: the checksums find it.
      }
      at = next;
    }
    return bytes;
  }
}
