/**
 * A run: sorted records in blocks, each with its checksum, and an end that says how many there were. Spills, outputs of maps,
 * what a reduce fetched and what it merged are all runs, so bytes that rot or are cut off anywhere between a map's collector
 * and a reduce's merge are an error and not a wrong result.
 *
 * Block: a head of 20 bytes (bytes stored, bytes plain, records, kind, CRC-32 of the head before it and of the bytes stored),
 * little-endian, then the bytes. A block holds whole records: length of key, length of value (each in 1 to 5 bytes, seven bits
 * a byte, the lowest first), key, value. The last block is the end: no bytes, and the number of records of the whole run (as
 * plain and records: 2^32 to the first).
 */
import { crc32 } from "node:zlib";
import { QuorateError } from "../../runtime/errors.ts";

export const HEAD_BYTES = 20;
/** A block is closed before it grows beyond this; one record may be longer. */
export const BLOCK_BYTES: number = 128 * 1024;

export const PLAIN = 0;
export const DEFLATED = 1;
export const END = 2;

export interface BlockHead {
  readonly stored: number;
  readonly plain: number;
  readonly records: number;
  readonly kind: number;
}

const CHECKSUM_AT = 16;

export function writeHead(head: BlockHead, stored: Uint8Array, to: Buffer, at: number): void {
  to.writeUInt32LE(head.stored, at);
  to.writeUInt32LE(head.plain, at + 4);
  to.writeUInt32LE(head.records, at + 8);
  to.writeUInt32LE(head.kind, at + 12);
  to.writeUInt32LE(crc32(stored, crc32(to.subarray(at, at + CHECKSUM_AT))), at + CHECKSUM_AT);
}

/** What the bytes say; whether they are those that were written is for `verifyBlock` to find out. */
export function readHead(from: Buffer, at: number): BlockHead {
  return {
    stored: from.readUInt32LE(at),
    plain: from.readUInt32LE(at + 4),
    records: from.readUInt32LE(at + 8),
    kind: from.readUInt32LE(at + 12),
  };
}

/** Throws DamagedRun unless head (at `headAt`) and bytes are what was written. */
export function verifyBlock(head: Buffer, headAt: number, stored: Uint8Array, run: string): void {
  const sum = crc32(stored, crc32(head.subarray(headAt, headAt + CHECKSUM_AT)));
  if (sum !== head.readUInt32LE(headAt + CHECKSUM_AT))
    throw damaged(run, "a block does not fit its checksum");
}

/** A run that is not what was written. */
export class DamagedRun extends QuorateError {
  /** How the reader called it. */
  readonly run: string;

  constructor(run: string, what: string) {
    super("CHECKSUM_MISMATCH", `${run} is damaged: ${what}`);
    this.run = run;
  }
}

export function damaged(run: string, what: string): DamagedRun {
  return new DamagedRun(run, what);
}
