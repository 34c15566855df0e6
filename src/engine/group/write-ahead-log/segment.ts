/** Segments: the files of the log, numbered, preallocated, each opened by two copies of the same header. */
import { zeroBytes } from "../../../runtime/bytes.ts";
import type { Bytes } from "../../../runtime/bytes.ts";
import type { Checksum } from "../../../wire/crc32.ts";
import { SECTOR_BYTES } from "./frame.ts";

/** Frames start here: after the two copies of the header, each in a sector of its own. */
export const FIRST_FRAME_POSITION: number = 2 * SECTOR_BYTES;
export const FORMAT_VERSION = 1;

const MAGIC = "QUORWAL1";
const HEADER_BYTES = 32;
const NAME = /^wal-(\d{10})\.log$/;

export interface SegmentHeader {
  readonly version: number;
  readonly segment: number;
  /** The same in all segments of a log. */
  readonly salt: number;
  /** What was preallocated, a multiple of the sector: a shorter file was cut by something else than this log. */
  readonly sizeBytes: number;
}

export function segmentName(segment: number): string {
  return `wal-${String(segment).padStart(10, "0")}.log`;
}

/** The number in a segment's file name, or undefined for another file. */
export function segmentNumber(name: string): number | undefined {
  const digits = NAME.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Both copies. */
export function encodeSegmentHeader(header: SegmentHeader, checksum: Checksum): Bytes {
  const bytes = zeroBytes(FIRST_FRAME_POSITION);
  bytes.write(MAGIC, 0, "latin1");
  bytes.writeUInt32LE(header.version, 12);
  bytes.writeUInt32LE(header.segment, 16);
  bytes.writeUInt32LE(header.salt, 20);
  bytes.writeUInt32LE(header.sizeBytes / SECTOR_BYTES, 24);
  bytes.writeUInt32LE(checksum(bytes.subarray(12, HEADER_BYTES)), 8);
  bytes.copy(bytes, SECTOR_BYTES, 0, HEADER_BYTES);
  return bytes;
}

/** What the first two sectors say; undefined when neither copy is whole, or they are of another segment. */
export function decodeSegmentHeader(
  sectors: Bytes,
  segment: number,
  checksum: Checksum,
): SegmentHeader | undefined {
  for (const at of [0, SECTOR_BYTES]) {
    const bytes = sectors.subarray(at, at + HEADER_BYTES);
    if (bytes.length < HEADER_BYTES || bytes.toString("latin1", 0, 8) !== MAGIC) continue;
    if (bytes.readUInt32LE(8) !== checksum(bytes.subarray(12)) || bytes.readUInt32LE(16) !== segment)
      continue;
    return {
      version: bytes.readUInt32LE(12),
      segment,
      salt: bytes.readUInt32LE(20),
      sizeBytes: bytes.readUInt32LE(24) * SECTOR_BYTES,
    };
  }
  return undefined;
}
