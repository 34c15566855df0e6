/**
 * The format of a snapshot file (`docs/storage.md` draws it): a header that names the snapshot, chunks, a footer. The chain
 * of checksums starts at the header and runs through every chunk to the footer, so chunks cannot be lost, swapped, or taken
 * from another snapshot. The same bytes travel to a follower.
 */
import { crc32 } from "node:zlib";
import type { SnapshotMeta } from "../../consensus/consensus.ts";
import { allocateOwnedBytes, zeroBytes } from "../../runtime/bytes.ts";
import type { Bytes } from "../../runtime/bytes.ts";
import { QuorateError } from "../../runtime/errors.ts";
import type { Disk } from "../../runtime/world.ts";
import { readPatiently } from "./write-ahead-log/segment-reader.ts";
import { decodeSnapshotMeta, encodeSnapshotMeta } from "./snapshot-meta.ts";

export const SNAPSHOT_VERSION = 1;
const MAGIC = "QUORSNAP";
const FIXED_HEADER_BYTES = 24;
const CHUNK_HEADER_BYTES = 8;
const FOOTER_BYTES = 20;
const META_MAX_BYTES = 1 << 20;
/** A chunk is read back whole: its length must be believable before memory is taken for it. */
export const CHUNK_MAX_BYTES: number = 64 << 20;
const READ_BYTES = 1 << 20;

export interface SnapshotHeader {
  readonly bytes: Bytes;
  /** Where the chain of checksums starts. */
  readonly checksum: number;
}

export function encodeSnapshotHeader(group: number, meta: Omit<SnapshotMeta, "sizeBytes">): SnapshotHeader {
  const encoded = encodeSnapshotMeta({ ...meta, sizeBytes: 0 });
  const bytes = zeroBytes(FIXED_HEADER_BYTES + encoded.length);
  bytes.write(MAGIC, 0, "latin1");
  bytes.writeUInt32LE(SNAPSHOT_VERSION, 12);
  bytes.writeUInt32LE(group, 16);
  bytes.writeUInt32LE(encoded.length, 20);
  bytes.set(encoded, FIXED_HEADER_BYTES);
  const checksum = crc32(bytes.subarray(12));
  bytes.writeUInt32LE(checksum, 8);
  return { bytes, checksum };
}

/** The header of a chunk that continues the chain from `before`; the chunk's own bytes follow it in the file. */
export function encodeChunkHeader(chunk: Uint8Array, before: number): { bytes: Bytes; checksum: number } {
  const checksum = crc32(chunk, before);
  const bytes = zeroBytes(CHUNK_HEADER_BYTES);
  bytes.writeUInt32LE(chunk.length, 0);
  bytes.writeUInt32LE(checksum, 4);
  return { bytes, checksum };
}

/** `position` is where the footer goes. */
export function encodeSnapshotFooter(position: number, checksum: number): Bytes {
  const bytes = zeroBytes(FOOTER_BYTES);
  const sizeBytes = position + FOOTER_BYTES;
  bytes.writeUInt32LE(0, 0);
  bytes.writeUInt32LE(checksum, 4);
  bytes.writeUInt32LE(sizeBytes >>> 0, 8);
  bytes.writeUInt32LE(Math.floor(sizeBytes / 0x1_0000_0000), 12);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 16)), 16);
  return bytes;
}

/**
 * Reads a snapshot file piece by piece, and raises DATA_CORRUPT, naming file and offset, at the first thing that is wrong twice:
 * one reading may have been of another place.
 */
export class SnapshotReader {
  readonly meta: SnapshotMeta;
  readonly group: number;
  private readonly disk: Disk;
  private readonly name: string;
  private position: number;
  private checksum: number;

  constructor(disk: Disk, name: string) {
    this.disk = disk;
    this.name = name;
    const header = orAgain(() => this.readHeader());
    this.checksum = header.readUInt32LE(8);
    const version = header.readUInt32LE(12);
    if (version !== SNAPSHOT_VERSION) {
      throw new QuorateError(
        "UNSUPPORTED",
        `${name} has snapshot format ${version}; this is ${SNAPSHOT_VERSION}`,
      );
    }
    this.group = header.readUInt32LE(16);
    const sizeBytes = disk.size(name) ?? 0;
    this.meta = { ...decodeSnapshotMeta(header.subarray(FIXED_HEADER_BYTES)), sizeBytes };
    this.position = header.length;
  }

  /** The next chunk, verified, in memory of its own; undefined after the last, when the footer was verified too. */
  next(): Bytes | undefined {
    return orAgain(() => this.readChunk());
  }

  private readHeader(): Bytes {
    const fixed = this.bytes(0, FIXED_HEADER_BYTES);
    if (fixed.toString("latin1", 0, 8) !== MAGIC) throw this.corrupt(0, "it is not a snapshot");
    const metaBytes = fixed.readUInt32LE(20);
    if (metaBytes > META_MAX_BYTES) throw this.corrupt(20, "its header is damaged");
    const header = this.bytes(0, FIXED_HEADER_BYTES + metaBytes);
    if (crc32(header.subarray(12)) !== fixed.readUInt32LE(8)) throw this.corrupt(0, "its header is damaged");
    return header;
  }

  private readChunk(): Bytes | undefined {
    const at = this.position;
    const header = this.bytes(at, CHUNK_HEADER_BYTES);
    const length = header.readUInt32LE(0);
    if (length === 0) {
      this.verifyFooter(at);
      return undefined;
    }
    if (length > CHUNK_MAX_BYTES) throw this.corrupt(at, "a chunk's length is damaged");
    const chunk = this.bytes(at + CHUNK_HEADER_BYTES, length);
    const checksum = crc32(chunk, this.checksum);
    if (header.readUInt32LE(4) !== checksum) throw this.corrupt(at, "a chunk is damaged");
    this.checksum = checksum;
    this.position = at + CHUNK_HEADER_BYTES + length;
    return chunk;
  }

  private verifyFooter(at: number): void {
    const expected = encodeSnapshotFooter(at, this.checksum);
    if (!this.bytes(at, FOOTER_BYTES).equals(expected)) throw this.corrupt(at, "its footer is damaged");
    if (at + FOOTER_BYTES !== this.meta.sizeBytes) throw this.corrupt(at, "bytes follow its footer");
  }

  private bytes(position: number, length: number): Bytes {
    if (position + length > (this.disk.size(this.name) ?? 0))
      throw this.corrupt(position, "it was cut short");
    const bytes = allocateOwnedBytes(length);
    for (let done = 0; done < length; done += READ_BYTES) {
      try {
        readPatiently(this.disk, this.name, position + done, Math.min(READ_BYTES, length - done)).copy(
          bytes,
          done,
        );
      } catch (error) {
        throw this.corrupt(position + done, (error as Error).message);
      }
    }
    return bytes;
  }

  private corrupt(position: number, what: string): QuorateError {
    return new QuorateError("DATA_CORRUPT", `${this.name} at byte ${position}: ${what}`);
  }
}

function orAgain<Value>(read: () => Value): Value {
  try {
    return read();
  } catch {
    return read();
  }
}

/** The verified chunks of a snapshot file. Raises DATA_CORRUPT while it is read. */
export function* snapshotChunks(disk: Disk, name: string): Generator<Bytes> {
  const reader = new SnapshotReader(disk, name);
  for (let chunk = reader.next(); chunk !== undefined; chunk = reader.next()) yield chunk;
}
