/**
 * A frame: what one write to the log puts on the disk, all or nothing. `docs/storage.md` draws it byte by byte.
 *
 *     head | headers of its records | headers of the previous frame's records | values | zeros up to the sector's end
 *
 * Frames start on a sector, so a write never touches a sector that holds acknowledged bytes. Every header has a checksum of
 * its own, apart from its value's, and is repeated in the *next* frame: when a sector dies, what was in it is still known by
 * name, and by the time the name matters (the frame was acknowledged) the next frame or a seal exists.
 *
 * Checksums are seeded with the log's random salt, so nothing that a client stores can be mistaken for a frame.
 */
import { allocateOwnedBytes } from "../../../runtime/bytes.ts";
import type { Bytes } from "../../../runtime/bytes.ts";
import { assert } from "../../../runtime/errors.ts";
import type { Checksum } from "../../../wire/crc32.ts";

export type GroupId = number;

/** The unit that a disk writes whole or not at all. */
export const SECTOR_BYTES = 512;
export const FRAME_HEAD_BYTES = 60;
export const RECORD_HEADER_BYTES = 40;
/** A frame is one write and is read back as one: keep it well below what a 32-bit length can say. */
export const FRAME_MAX_BYTES: number = 1 << 30;

const FRAME_MAGIC = 0x3157_4651;

/**
 * `extent` repeats, at the start of a segment, where a group's log ends, so that a lost older segment shows. `floor` says how
 * far a damaged log once reached, `chosen` up to where the slots of a log of slots are decided, and without a gap.
 */
export type RecordType = "ballot" | "entry" | "snapshot" | "compaction" | "extent" | "floor" | "chosen";
/** By its code in the file; 0 is no type, so that a header is never all zeros. */
const TYPES: readonly (RecordType | undefined)[] = [
  undefined,
  "ballot",
  "entry",
  "snapshot",
  "compaction",
  "extent",
  "floor",
  "chosen",
];

/** On top of an entry's kind: it stands for itself, and replaces nothing but what is in its own slot. */
export const OWN_SLOT = 4;

export interface RecordHeader {
  readonly type: RecordType;
  /**
   * Entry: 0 command, 1 noop, 2 membership, and `OWN_SLOT`. Ballot: 1 when a vote was given. Floor: 1 when all that was stored
   * before, but for the ballot, is void. Snapshot: 1 in a log of slots. Extent: 1 when it stands for slots that follow each
   * other, from the one that `term` holds.
   */
  readonly kind: number;
  readonly group: GroupId;
  /** Entry, snapshot and extent: its (last) index. Compaction: the first index that is kept. Ballot: 0. Floor: 0 ends it. */
  readonly index: number;
  readonly term: number;
  readonly valueBytes: number;
  readonly valueChecksum: number;
  /** From the start of the frame. */
  readonly valueOffset: number;
}

export interface FrameHead {
  readonly segment: number;
  readonly position: number;
  /** Counts the frames of the log, over all segments. */
  readonly sequence: number;
  /** All frames up to this one were on the disk before this one was written. */
  readonly syncedThrough: number;
  readonly frameBytes: number;
  readonly recordCount: number;
  /** The previous frame: its length, and how many record headers of it are repeated here. */
  readonly previousBytes: number;
  readonly previousCount: number;
}

/** What ties a checksum to this log: see the salt above. */
export interface Sealing {
  readonly salt: number;
  readonly checksum: Checksum;
}

export function roundUpToSector(bytes: number): number {
  return Math.ceil(bytes / SECTOR_BYTES) * SECTOR_BYTES;
}

export function directoryBytes(recordCount: number, previousCount: number): number {
  return FRAME_HEAD_BYTES + (recordCount + previousCount) * RECORD_HEADER_BYTES;
}

function writeUint53(buffer: Bytes, value: number, at: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, `not an unsigned 53-bit integer: ${value}`);
  buffer.writeUInt32LE(value >>> 0, at);
  buffer.writeUInt32LE(Math.floor(value / 0x1_0000_0000), at + 4);
}

function readUint53(buffer: Bytes, at: number): number | undefined {
  const high = buffer.readUInt32LE(at + 4);
  return high > 0x1f_ffff ? undefined : high * 0x1_0000_0000 + buffer.readUInt32LE(at);
}

export function writeFrameHead(buffer: Bytes, head: FrameHead, { salt, checksum }: Sealing): void {
  buffer.writeUInt32LE(FRAME_MAGIC, 0);
  writeUint53(buffer, head.segment, 8);
  writeUint53(buffer, head.position, 16);
  writeUint53(buffer, head.sequence, 24);
  writeUint53(buffer, head.syncedThrough, 32);
  buffer.writeUInt32LE(head.frameBytes, 40);
  buffer.writeUInt32LE(head.recordCount, 44);
  buffer.writeUInt32LE(head.previousBytes, 48);
  buffer.writeUInt32LE(head.previousCount, 52);
  buffer.writeUInt32LE(0, 56);
  buffer.writeUInt32LE(checksum(buffer.subarray(8, FRAME_HEAD_BYTES), salt), 4);
}

/** The head at the start of `buffer`, if one is there, whole, and says that it belongs there. */
export function readFrameHead(
  buffer: Bytes,
  segment: number,
  position: number,
  { salt, checksum }: Sealing,
): FrameHead | undefined {
  if (buffer.length < FRAME_HEAD_BYTES || buffer.readUInt32LE(0) !== FRAME_MAGIC) return undefined;
  if (buffer.readUInt32LE(4) !== checksum(buffer.subarray(8, FRAME_HEAD_BYTES), salt)) return undefined;
  const sequence = readUint53(buffer, 24);
  const syncedThrough = readUint53(buffer, 32);
  const frameBytes = buffer.readUInt32LE(40);
  const recordCount = buffer.readUInt32LE(44);
  const previousBytes = buffer.readUInt32LE(48);
  const previousCount = buffer.readUInt32LE(52);
  // A write that landed at the wrong place is not a frame of this place.
  if (readUint53(buffer, 8) !== segment || readUint53(buffer, 16) !== position) return undefined;
  if (sequence === undefined || syncedThrough === undefined || syncedThrough >= sequence) return undefined;
  if (frameBytes % SECTOR_BYTES !== 0 || frameBytes > FRAME_MAX_BYTES) return undefined;
  if (directoryBytes(recordCount, previousCount) > frameBytes) return undefined;
  return {
    segment,
    position,
    sequence,
    syncedThrough,
    frameBytes,
    recordCount,
    previousBytes,
    previousCount,
  };
}

/** A record header belongs to one frame of one log. */
function recordSeed(sequence: number, salt: number): number {
  return (salt ^ sequence) >>> 0;
}

export function writeRecordHeader(
  buffer: Bytes,
  at: number,
  header: RecordHeader,
  sequence: number,
  { salt, checksum }: Sealing,
): void {
  buffer.writeUInt8(TYPES.indexOf(header.type), at + 4);
  buffer.writeUInt8(header.kind, at + 5);
  buffer.writeUInt16LE(0, at + 6);
  buffer.writeUInt32LE(header.group, at + 8);
  buffer.writeUInt32LE(header.valueBytes, at + 12);
  buffer.writeUInt32LE(header.valueChecksum, at + 16);
  buffer.writeUInt32LE(header.valueOffset, at + 20);
  writeUint53(buffer, header.index, at + 24);
  writeUint53(buffer, header.term, at + 32);
  const covered = buffer.subarray(at + 4, at + RECORD_HEADER_BYTES);
  buffer.writeUInt32LE(checksum(covered, recordSeed(sequence, salt)), at);
}

/** The record header at `at`, or undefined when it is damaged. */
export function readRecordHeader(
  buffer: Bytes,
  at: number,
  sequence: number,
  { salt, checksum }: Sealing,
): RecordHeader | undefined {
  if (at + RECORD_HEADER_BYTES > buffer.length) return undefined;
  const covered = buffer.subarray(at + 4, at + RECORD_HEADER_BYTES);
  if (buffer.readUInt32LE(at) !== checksum(covered, recordSeed(sequence, salt))) return undefined;
  const type = TYPES[buffer.readUInt8(at + 4)];
  const index = readUint53(buffer, at + 24);
  const term = readUint53(buffer, at + 32);
  if (type === undefined || index === undefined || term === undefined) return undefined;
  return {
    type,
    kind: buffer.readUInt8(at + 5),
    group: buffer.readUInt32LE(at + 8),
    valueBytes: buffer.readUInt32LE(at + 12),
    valueChecksum: buffer.readUInt32LE(at + 16),
    valueOffset: buffer.readUInt32LE(at + 20),
    index,
    term,
  };
}

/** `buffer` if it is large enough, else a larger one. */
export function atLeast(buffer: Bytes, bytes: number): Bytes {
  return buffer.length >= bytes ? buffer : allocateOwnedBytes(Math.max(bytes, buffer.length * 2));
}
