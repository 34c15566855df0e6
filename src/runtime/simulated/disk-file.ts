/**
 * The contents of one simulated file: what programs see (the page cache) and what a power failure would leave.
 *
 * The unit of truth is the sector: after a power failure each sector holds one of the versions it had since it was last
 * made durable, chosen for each sector alone. A write is therefore torn at sector boundaries. The newest lost version may
 * also leave garbage, but only in the bytes that its write covered ("powersafe overwrite": a drive that is interrupted
 * does not damage neighbours of what it was writing), and not where it wrote what was there already.
 */
import type { Bytes } from "../bytes.ts";
import { copyBytes, zeroBytes } from "../bytes.ts";
import type { SeededRandom } from "./random.ts";

export const SECTOR_BYTES = 512;

interface Version {
  readonly sequence: number;
  readonly bytes: Bytes;
  /** What the write covered inside the sector. */
  readonly from: number;
  readonly to: number;
  /** A failed fsync gave this version up: it stays visible, and no later fsync makes it durable by itself. */
  abandoned: boolean;
  /** Made by `truncate`: metadata, which is kept or lost for the whole file at once. */
  readonly cut: boolean;
}

interface DirtySector {
  durable: Bytes | undefined;
  versions: Version[];
}

/** How a power failure treats what was not durable. */
export type PowerLoss = "nothing-kept" | "everything-kept" | "prefix-kept" | "any-sector-kept";

const ZEROS = zeroBytes(SECTOR_BYTES);

export class SimulatedFile {
  /** Sectors that hold anything; the others are zeros. */
  private sectors = new Map<number, Bytes>();
  private dirty = new Map<number, DirtySector>();
  private unreadable = new Set<number>();
  private sizeBytes: number;
  private durableSizeBytes: number;
  private sequence = 0;
  private cutPending = false;

  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes;
    this.durableSizeBytes = sizeBytes;
  }

  get size(): number {
    return this.sizeBytes;
  }

  /** Throws an error with code EIO when a sector in the range is unreadable. */
  read(position: number, length: number): Bytes {
    const end = Math.min(position + length, this.sizeBytes);
    const out = zeroBytes(Math.max(0, end - position));
    for (let at = position; at < end;) {
      const sector = Math.floor(at / SECTOR_BYTES);
      const offset = at - sector * SECTOR_BYTES;
      const count = Math.min(SECTOR_BYTES - offset, end - at);
      if (this.unreadable.has(sector)) throw diskError("EIO", `unreadable sector ${sector}`);
      this.sectors.get(sector)?.copy(out, at - position, offset, offset + count);
      at += count;
    }
    return out;
  }

  /** Makes `bytes` visible, from `position`; they are durable only after `syncUpTo`. */
  write(position: number, bytes: Uint8Array): void {
    const sequence = ++this.sequence;
    for (let done = 0; done < bytes.length;) {
      const at = position + done;
      const sector = Math.floor(at / SECTOR_BYTES);
      const from = at - sector * SECTOR_BYTES;
      const count = Math.min(SECTOR_BYTES - from, bytes.length - done);
      const old = this.sectors.get(sector);
      const content = copyBytes(old ?? ZEROS);
      content.set(bytes.subarray(done, done + count), from);
      const to = from + count;
      this.change(sector, old, { sequence, bytes: content, from, to, abandoned: false, cut: false });
      if (count === SECTOR_BYTES) this.unreadable.delete(sector);
      done += count;
    }
    this.sizeBytes = Math.max(this.sizeBytes, position + bytes.length);
  }

  truncate(sizeBytes: number): void {
    const sequence = ++this.sequence;
    for (const [sector, old] of this.sectors) {
      const keep = Math.max(0, sizeBytes - sector * SECTOR_BYTES);
      if (keep >= SECTOR_BYTES) continue;
      const content = zeroBytes(SECTOR_BYTES);
      old.copy(content, 0, 0, keep);
      const range = { from: keep, to: SECTOR_BYTES };
      this.change(sector, old, { sequence, bytes: content, ...range, abandoned: false, cut: true });
    }
    this.sizeBytes = sizeBytes;
    this.cutPending = true;
  }

  /** Names all writes made so far, for `syncUpTo`. */
  mark(): number {
    return this.sequence;
  }

  /**
   * Makes durable what was written before the mark; with `onlyWrite`, only the sectors that the write of that mark touched:
   * a durable write promises nothing about other writes.
   */
  syncUpTo(mark: number, onlyWrite = false): void {
    for (const [sector, state] of this.dirty) {
      if (onlyWrite && !state.versions.some((version) => version.sequence === mark)) continue;
      const later = state.versions.findIndex((version) => version.sequence > mark);
      const settled = later < 0 ? state.versions : state.versions.slice(0, later);
      const newest = settled.findLast((version) => !version.abandoned);
      if (newest !== undefined) state.durable = newest.bytes;
      const last = settled.at(-1);
      const rest = later < 0 ? [] : state.versions.slice(later);
      // An abandoned version that was not written over stays visible and lost.
      state.versions = last?.abandoned === true ? [last, ...rest] : rest;
      if (state.versions.length === 0) this.dirty.delete(sector);
    }
    this.durableSizeBytes = this.sizeBytes;
    this.cutPending = false;
  }

  /** A failed fsync: the pages count as clean, yet never reached the disk (Rebello and others, ATC 2020). */
  abandonUpTo(mark: number): void {
    for (const state of this.dirty.values()) {
      for (const version of state.versions) if (version.sequence <= mark) version.abandoned = true;
    }
  }

  /** What is left after a power failure. `garbage`: probability that a sector's lost write left noise where it wrote. */
  losePower(random: SeededRandom, mode: PowerLoss, garbage: number): void {
    const upTo = random.integer(0, this.sequence);
    const metadataKept = mode === "everything-kept" || (mode !== "nothing-kept" && random.chance(0.5));
    for (const [sector, state] of this.dirty) {
      const { versions } = state;
      let kept = keptVersions(random, mode, upTo, versions);
      if (this.cutPending && metadataKept)
        kept = Math.max(kept, 1 + versions.findLastIndex((each) => each.cut));
      const firstCut = versions.findIndex((version) => version.cut);
      if (!metadataKept && firstCut >= 0) kept = Math.min(kept, firstCut);
      let content = kept === 0 ? state.durable : versions[kept - 1]?.bytes;
      const lost = versions[kept];
      const rewrote = lost !== undefined && (content ?? ZEROS).equals(lost.bytes);
      if (lost !== undefined && !rewrote && !lost.cut && !lost.abandoned && random.chance(garbage)) {
        content = copyBytes(content ?? ZEROS);
        for (let at = lost.from; at < lost.to; at++) content[at] = random.next32() & 0xff;
      }
      if (content === undefined) this.sectors.delete(sector);
      else this.sectors.set(sector, content);
    }
    this.dirty.clear();
    if (!metadataKept) this.sizeBytes = this.durableSizeBytes;
    this.durableSizeBytes = this.sizeBytes;
    this.cutPending = false;
    this.forgetBeyondSize();
  }

  /** Flips one bit of a durable sector; false when there is none. */
  rot(random: SeededRandom): boolean {
    const candidates = [...this.sectors.keys()].filter((sector) => !this.dirty.has(sector));
    if (candidates.length === 0) return false;
    const sector = random.pick(candidates);
    const content = copyBytes(this.sectors.get(sector) ?? ZEROS);
    const at = random.integer(0, SECTOR_BYTES - 1);
    content[at] = (content[at] ?? 0) ^ (1 << random.integer(0, 7));
    this.sectors.set(sector, content);
    return true;
  }

  /** Makes one durable sector unreadable until it is written anew; false when there is none. */
  spoil(random: SeededRandom): boolean {
    const candidates = [...this.sectors.keys()].filter((sector) => !this.dirty.has(sector));
    if (candidates.length > 0) this.unreadable.add(random.pick(candidates));
    return candidates.length > 0;
  }

  private change(sector: number, old: Bytes | undefined, version: Version): void {
    const state = this.dirty.get(sector);
    if (state === undefined) this.dirty.set(sector, { durable: old, versions: [version] });
    else state.versions.push(version);
    this.sectors.set(sector, version.bytes);
  }

  private forgetBeyondSize(): void {
    for (const sector of this.sectors.keys()) {
      if (sector * SECTOR_BYTES >= this.sizeBytes) this.sectors.delete(sector);
    }
  }
}

/** How many of a sector's versions reached the disk before the power failed. */
function keptVersions(
  random: SeededRandom,
  mode: PowerLoss,
  cut: number,
  versions: readonly Version[],
): number {
  const firstAbandoned = versions.findIndex((version) => version.abandoned);
  const writable = firstAbandoned === versions.length - 1 ? firstAbandoned : versions.length;
  switch (mode) {
    case "nothing-kept":
      return 0;
    case "everything-kept":
      return writable;
    case "prefix-kept": {
      const upTo = versions.findIndex((version) => version.sequence > cut);
      return Math.min(writable, upTo < 0 ? versions.length : upTo);
    }
    case "any-sector-kept":
      return random.integer(0, writable);
  }
}

export function diskError(code: "EIO" | "ENOSPC" | "ENOENT" | "EEXIST", message: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), { code });
}
