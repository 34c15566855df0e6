/**
 * What a replica says of itself: one record, written into one of two sectors at the head of its checksum file by turns.
 *
 * A record is valid or it is not (CRC-32), so a torn write never spoils what the other sector says. It is the only truth
 * about stamp, state and length: names never change, and a change of all three at once is one sector. Bytes of the data
 * behind `length` count for nothing. The checksum of a last chunk that is not full is in the record and not in the row of
 * checksums, because the row is written in place: bytes that were acknowledged must fit a checksum also while the chunk
 * that they begin is being written again.
 */
import type { Bytes } from "../../../runtime/bytes.ts";
import { zeroBytes } from "../../../runtime/bytes.ts";
import { crc32 } from "../../../wire/crc32.ts";
import { ByteReader } from "../../../wire/byte-reader.ts";
import { ByteWriter } from "../../../wire/byte-writer.ts";
import type { BlockId, GenerationStamp } from "../namespace/model.ts";
import { CHUNK_BYTES } from "./block-store.ts";

export interface ReplicaRecord {
  /** Grows with every record of the replica; the newer one counts. */
  readonly sequence: number;
  readonly id: BlockId;
  readonly stamp: GenerationStamp;
  /** Stamp of the latest recovery that was begun; older ones are refused. 0: none. */
  readonly promised: GenerationStamp;
  readonly length: number;
  /** CRC-32C of the last chunk when it is not full, else 0. */
  readonly tailSum: number;
  readonly state: "writing" | "finished";
  /** Bytes were synced before the record was written; else a power failure may have taken them. */
  readonly synced: boolean;
}

const SECTOR_BYTES = 512;
const MAGIC = 0x4b4c_4251;
const STATES = ["writing", "finished"] as const;

/** Both sectors; the row of checksums follows. */
export const HEADER_BYTES: number = 2 * SECTOR_BYTES;

/** Where a record goes: never over the one before it. */
export function recordPosition({ sequence }: ReplicaRecord): number {
  return (sequence % 2) * SECTOR_BYTES;
}

/** Where the checksum of a chunk is. */
export function sumPosition(chunk: number): number {
  return HEADER_BYTES + 4 * chunk;
}

/** Chunks of so many bytes that are full. */
export function fullChunks(length: number): number {
  return Math.floor(length / CHUNK_BYTES);
}

export function encodeRecord(record: ReplicaRecord): Bytes {
  const writer = new ByteWriter()
    .uint32(MAGIC)
    .uint8(STATES.indexOf(record.state))
    .uint8(record.synced ? 1 : 0)
    .uint53(record.sequence)
    .uint53(record.id)
    .uint53(record.stamp)
    .uint53(record.promised)
    .uint53(record.length)
    .uint32(record.tailSum);
  const body = writer.take();
  const sector = zeroBytes(SECTOR_BYTES);
  sector.set(body);
  sector.writeUInt32LE(crc32(body), body.length);
  return sector;
}

function decodeRecord(sector: Bytes, id: BlockId): ReplicaRecord | undefined {
  if (sector.length < SECTOR_BYTES) return undefined;
  const reader = new ByteReader(sector);
  if (reader.uint32() !== MAGIC) return undefined;
  try {
    const state = STATES[reader.uint8()];
    const synced = reader.uint8() === 1;
    const sequence = reader.uint53();
    const owner = reader.uint53();
    const record = {
      sequence,
      id,
      stamp: reader.uint53(),
      promised: reader.uint53(),
      length: reader.uint53(),
    };
    const tailSum = reader.uint32();
    const body = sector.subarray(0, reader.position);
    if (reader.uint32() !== crc32(body) || owner !== id || state === undefined) return undefined;
    return { ...record, tailSum, state, synced };
  } catch {
    return undefined;
  }
}

/** The valid records of a header, newest first. `blank`: nothing was ever written there. */
export function readHeader(
  header: Bytes,
  id: BlockId,
): { readonly records: readonly ReplicaRecord[]; readonly blank: boolean } {
  const records = [header.subarray(0, SECTOR_BYTES), header.subarray(SECTOR_BYTES, HEADER_BYTES)]
    .map((sector) => decodeRecord(sector, id))
    .filter((record) => record !== undefined)
    .sort((left, right) => right.sequence - left.sequence);
  return { records, blank: header.every((byte) => byte === 0) };
}
