/**
 * The two files of a replica: `ID.block` holds its bytes, `ID.sums` two records (`replica-record.ts`) and then a CRC-32C for
 * every full chunk, big-endian. Reading is verifying: no bytes come out that their checksums do not vouch for.
 */
import type { Bytes } from "../../../runtime/bytes.ts";
import { allocateBytes, concatBytes, NO_BYTES } from "../../../runtime/bytes.ts";
import { assert } from "../../../runtime/errors.ts";
import type { Disk, DiskCallback, DiskFile } from "../../../runtime/world.ts";
import { crc32c } from "../../../wire/crc32.ts";
import type { BlockId } from "../namespace/model.ts";
import { CHUNK_BYTES, READ_BYTES } from "./block-store.ts";
import { firstBadChunk } from "./chunk-crc.ts";
import type { FilePiece, PieceReader } from "./piece-reader.ts";
import type { ReplicaRecord } from "./replica-record.ts";
import { encodeRecord, fullChunks, recordPosition, sumPosition } from "./replica-record.ts";

export interface ReplicaFiles {
  readonly bytes: DiskFile;
  readonly sums: DiskFile;
}

/** How much of the files counts. */
export type Extent = Pick<ReplicaRecord, "length" | "tailSum">;

/** Whole chunks that were verified (the last one of a replica may be short). */
export interface VerifiedChunks {
  readonly offset: number;
  readonly content: Bytes;
  /** Big-endian, one for each chunk. */
  readonly checksums: Bytes;
  /** Where it is lent: must be called once, and its memory is used again. Undefined: it has memory of its own. */
  readonly giveBack: (() => void) | undefined;
}

/** Who reads what it takes, beside the event loop, and whether it may lend that: who only looks gives it back at once. */
export interface ReadingHelp {
  readonly reader: PieceReader | undefined;
  readonly mayLend: boolean;
}

const NO_HELP: ReadingHelp = { reader: undefined, mayLend: false };

/** `damaged`: bytes and checksums do not fit. `failed`: the disk gave an error. */
export interface ReadFault {
  readonly type: "damaged" | "failed";
  readonly message: string;
  /** Everything before it is good, from where the read began. */
  readonly at: number;
}

export function bytesName(id: BlockId): string {
  assert(Number.isSafeInteger(id) && id >= 0, `not a block's number: ${id}`);
  return `${id}.block`;
}

export function sumsName(id: BlockId): string {
  assert(Number.isSafeInteger(id) && id >= 0, `not a block's number: ${id}`);
  return `${id}.sums`;
}

/** The number in a name that this room gave, else undefined. */
export function idOfName(name: string): { id: BlockId; kind: "block" | "sums" } | undefined {
  const match = /^(0|[1-9]\d{0,15})\.(block|sums)$/.exec(name);
  const id = Number(match?.[1]);
  return match === null || !Number.isSafeInteger(id) ? undefined : { id, kind: match[2] as "block" | "sums" };
}

type Opened = (error: Error | undefined, files?: ReplicaFiles) => void;

/**
 * New, empty files of a replica that there is none of; nothing is left when one of them cannot be made. Files that are there
 * though are what a creation left that failed: they make place. Durable after the directory's sync.
 */
export function createFiles(disk: Disk, id: BlockId, done: Opened): void {
  createBoth(disk, id, (error, files) => {
    if (error === undefined || !hasCode(error, "EEXIST")) return done(error, files);
    removeFiles(disk, id, (removeError) => {
      if (removeError === undefined) createBoth(disk, id, done);
      else done(removeError);
    });
  });
}

function createBoth(disk: Disk, id: BlockId, done: Opened): void {
  disk.create(bytesName(id), 0, (error, bytes) => {
    if (bytes === undefined) return done(error);
    disk.create(sumsName(id), 0, (sumsError, sums) => {
      if (sums !== undefined) return done(undefined, { bytes, sums });
      bytes.close();
      disk.remove(bytesName(id), () => done(sumsError));
    });
  });
}

export function openFiles(disk: Disk, id: BlockId, done: Opened): void {
  disk.open(bytesName(id), (error, bytes) => {
    if (bytes === undefined) return done(error);
    disk.open(sumsName(id), (sumsError, sums) => {
      if (sums === undefined) bytes.close();
      done(sumsError, sums === undefined ? undefined : { bytes, sums });
    });
  });
}

export function closeFiles({ bytes, sums }: ReplicaFiles): void {
  bytes.close();
  sums.close();
}

/** The checksums first: bytes without them are nothing, and a crash in between leaves no replica. */
export function removeFiles(disk: Disk, id: BlockId, done: DiskCallback): void {
  disk.remove(sumsName(id), (error) => {
    if (error !== undefined && !hasCode(error, "ENOENT")) return done(error);
    disk.remove(bytesName(id), (bytesError) =>
      done(bytesError !== undefined && !hasCode(bytesError, "ENOENT") ? bytesError : undefined),
    );
  });
}

function hasCode(error: Error, code: string): boolean {
  return "code" in error && error.code === code;
}

export function writeRecord({ sums }: ReplicaFiles, record: ReplicaRecord, done: DiskCallback): void {
  sums.write(recordPosition(record), [encodeRecord(record)], "cached", done);
}

/** What was written to both is durable. */
export function syncFiles({ bytes, sums }: ReplicaFiles, done: DiskCallback): void {
  both(
    (each) => bytes.sync(each),
    (each) => sums.sync(each),
    done,
  );
}

/** Gives back what is behind the extent; nothing depends on it. */
export function trimFiles({ bytes, sums }: ReplicaFiles, { length }: Extent, done: DiskCallback): void {
  both(
    (each) => bytes.truncate(length, each),
    (each) => sums.truncate(sumPosition(fullChunks(length)), each),
    done,
  );
}

/** Runs two operations at once; the first error counts, and comes when both are over. */
export function both(
  first: (done: DiskCallback) => void,
  second: (done: DiskCallback) => void,
  done: DiskCallback,
): void {
  let left = 2;
  let failure: Error | undefined;
  const each: DiskCallback = (error) => {
    failure ??= error;
    if (--left === 0) done(failure);
  };
  first(each);
  second(each);
}

type Read = (fault: ReadFault | undefined, chunks?: VerifiedChunks) => void;

/** Whole chunks of a replica, but for the last one of all. */
interface ChunkRange {
  readonly extent: Extent;
  readonly from: number;
  readonly to: number;
}

/**
 * The chunks that hold [offset, offset + length) of the extent, verified. What the reader beside does not take, or cannot read,
 * is read here; an error of the disk is met with a second try.
 */
export function readVerified(
  files: ReplicaFiles,
  extent: Extent,
  offset: number,
  length: number,
  { reader, mayLend }: ReadingHelp,
  done: Read,
): void {
  const from = fullChunks(Math.min(offset, extent.length)) * CHUNK_BYTES;
  const to = Math.min(extent.length, Math.ceil((offset + length) / CHUNK_BYTES) * CHUNK_BYTES);
  const range = { extent, from, to };
  const here = (): void =>
    readHere(files, range, (fault, chunks) => {
      if (fault?.type === "failed") readHere(files, range, done);
      else done(fault, chunks);
    });
  const content = { file: files.bytes, position: from, length: to - from };
  const sums = { file: files.sums, position: sumPosition(fullChunks(from)), length: 4 * rowsOf(range) };
  const isTaken = reader?.read(content, sums, mayLend, (piece) => {
    if (piece === undefined) return here();
    judge(range, piece, done);
  });
  if (isTaken !== true) here();
}

function rowsOf({ from, to }: ChunkRange): number {
  return fullChunks(to) - fullChunks(from);
}

function readHere(files: ReplicaFiles, range: ChunkRange, done: Read): void {
  const { from, to } = range;
  let content: Bytes = NO_BYTES;
  let checksums: Bytes = NO_BYTES;
  both(
    (each) =>
      files.bytes.read(from, to - from, (error, bytes) => {
        content = bytes ?? NO_BYTES;
        each(error);
      }),
    (each) =>
      files.sums.read(sumPosition(fullChunks(from)), 4 * rowsOf(range), (error, bytes) => {
        checksums = bytes ?? NO_BYTES;
        each(error);
      }),
    (error) => {
      if (error !== undefined) return done({ type: "failed", message: error.message, at: from });
      judge(range, { content, checksums, fitting: 0, giveBack: undefined }, done);
    },
  );
}

/** Holds what was read of a range against its checksums. */
function judge({ extent, from, to }: ChunkRange, piece: FilePiece, done: Read): void {
  const { fitting, giveBack } = piece;
  let { content, checksums: row } = piece;
  const rows = fullChunks(to) - fullChunks(from);
  const isWhole = content.length === to - from && row.length === 4 * rows;
  const isTail = isWhole && to % CHUNK_BYTES !== 0;
  if (!isWhole) {
    // What is there of both, as far as it fits.
    const chunks = Math.min(fullChunks(content.length), row.length >> 2);
    content = content.subarray(0, chunks * CHUNK_BYTES);
    row = row.subarray(0, 4 * chunks);
  }
  const checksums = isTail ? concatBytes([row, bigEndian(extent.tailSum)]) : row;
  const bad = firstBadChunk(content, checksums, fitting);
  if (isWhole && bad === undefined) return done(undefined, { offset: from, content, checksums, giveBack });
  const at = from + (bad ?? fullChunks(content.length)) * CHUNK_BYTES;
  const what = bad === undefined ? "is missing" : "does not fit its checksum";
  giveBack?.();
  done({ type: "damaged", message: `the chunk at byte ${at} ${what}`, at });
}

/** The extent cut to `length`: its last chunk is verified before a part of it gets a checksum of its own. */
export function cutExtent(
  files: ReplicaFiles,
  extent: Extent,
  length: number,
  done: (fault: ReadFault | undefined, extent?: Extent) => void,
): void {
  if (length === extent.length) return done(undefined, { length, tailSum: extent.tailSum });
  if (length % CHUNK_BYTES === 0) return done(undefined, { length, tailSum: 0 });
  const from = fullChunks(length) * CHUNK_BYTES;
  readVerified(files, extent, from, length - from, NO_HELP, (fault, chunks) => {
    if (chunks === undefined) return done(fault);
    done(undefined, { length, tailSum: crc32c(chunks.content.subarray(0, length - from)) });
  });
}

/** Verifies all of the extent from `from` (a chunk's beginning), a piece at a time. */
export function verifyAll(
  files: ReplicaFiles,
  extent: Extent,
  reader: PieceReader | undefined,
  done: (fault: ReadFault | undefined) => void,
  from = 0,
): void {
  if (from >= extent.length) return done(undefined);
  readVerified(files, extent, from, READ_BYTES, { reader, mayLend: true }, (fault, chunks) => {
    chunks?.giveBack?.();
    if (fault !== undefined) done(fault);
    else verifyAll(files, extent, reader, done, from + READ_BYTES);
  });
}

export function bigEndian(value: number): Bytes {
  const out = allocateBytes(4);
  out[0] = value >>> 24;
  out[1] = (value >>> 16) & 0xff;
  out[2] = (value >>> 8) & 0xff;
  out[3] = value & 0xff;
  return out;
}
