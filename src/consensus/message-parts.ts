/** The parts that messages of every algorithm have in common, as bytes: entries of the log, the name of a snapshot. */
import { QuorateError } from "../runtime/errors.ts";
import type { ByteReader } from "../wire/byte-reader.ts";
import type { ByteWriter } from "../wire/byte-writer.ts";
import type { Entry, Index, SnapshotMeta } from "./consensus.ts";
import { decodeMembership, readMembership, writeMembership } from "./membership.ts";

const KINDS = ["command", "noop", "membership"] as const satisfies readonly Entry["kind"][];
/** Payloads up to this size are copied into the header part: cheaper than a part of their own. */
const COPY_BELOW_BYTES = 256;
/** What one entry takes besides its payload: a frame cannot hold more entries than this allows. */
const ENTRY_HEADER_BYTES = 8 + 1 + 4;

/** Term, kind and payload; a large payload ends the part in hand and becomes one of its own in `parts`. */
export function writeEntry(
  writer: ByteWriter,
  { term, kind, payload }: Omit<Entry, "index">,
  parts: Uint8Array[],
): void {
  writer.uint53(term).uint8(KINDS.indexOf(kind)).uint32(payload.length);
  if (payload.length < COPY_BELOW_BYTES) writer.raw(payload);
  else parts.push(writer.take(), payload);
}

/** The payload is a view into the reader's bytes. Throws QuorateError PROTOCOL. */
export function readEntry(reader: ByteReader, index: Index): Entry {
  const term = reader.uint53();
  const kind = KINDS[reader.uint8()];
  if (kind === undefined) throw new QuorateError("PROTOCOL", "unknown kind of entry");
  const payload = reader.bytes();
  // The core decodes it when it takes effect; what is wrong with it must show here.
  if (kind === "membership") decodeMembership(payload);
  return { index, term, kind, payload };
}

/** How many entries follow: never more than the rest of the frame could hold. Throws QuorateError PROTOCOL. */
export function readEntryCount(reader: ByteReader): number {
  const count = reader.uint32();
  if (count > reader.remaining / ENTRY_HEADER_BYTES) throw new QuorateError("PROTOCOL", "truncated entries");
  return count;
}

export function writeSnapshotName(writer: ByteWriter, snapshot: SnapshotMeta): void {
  writer.uint53(snapshot.index).uint53(snapshot.term).uint53(snapshot.sizeBytes);
  writeMembership(writer, snapshot.membership);
}

export function readSnapshotName(reader: ByteReader): SnapshotMeta {
  const index = reader.uint53();
  const term = reader.uint53();
  const sizeBytes = reader.uint53();
  return { index, term, membership: readMembership(reader), sizeBytes };
}

/** Throws QuorateError PROTOCOL for anything but 0 and 1. */
export function readFlag(reader: ByteReader): boolean {
  const flag = reader.uint8();
  if (flag > 1) throw new QuorateError("PROTOCOL", `not a flag: ${flag}`);
  return flag === 1;
}
