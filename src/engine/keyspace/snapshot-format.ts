/**
 * The bytes of a snapshot: records, each behind its length, so that a reader finds them however the chunks were cut.
 *
 *   header    1, format u32, revision u53, log time f64, audit u32, digest u32, count u32, {setting name, value}…
 *   section   2, name, bytes
 *   database  3, index u32, number of slots u32                       the entries that follow belong to it
 *   entries   4, first slot u32, count u32, {key, version u53, deadline f64 (0: none), type u8, value}…
 *   end       5
 *   part      6, slot u32, 1 if it is the last u32, bytes             together the bytes of one entry, as in a record of entries
 *   creations 7, database u32, exchanged u53, count u32, {bucket u32, revision u53}…, digest u32   see `key-creations.ts`
 *
 * Entries come in the order of their slots, but those that changed while the snapshot was taken come before their turn.
 * A large collection or string comes in parts, between which there may be other records. Format 1 had no creations.
 */
import type { Bytes } from "../../runtime/bytes.ts";
import { concatBytes } from "../../runtime/bytes.ts";
import { QuorateError } from "../../runtime/errors.ts";
import type { ByteReader } from "../../wire/byte-reader.ts";
import type { ByteWriter } from "../../wire/byte-writer.ts";
import type { CollectionReaders } from "./collection-readers.ts";
import { writeCollection } from "./value.ts";
import type { Collection, Value } from "./value.ts";

export const FORMAT = 2;
/** Still read: of the keys that came to be before it, nothing is known, and nobody watches since before it. */
export const FORMAT_WITHOUT_CREATIONS = 1;
export const HEADER = 1;
export const SECTION = 2;
export const DATABASE = 3;
export const ENTRIES = 4;
export const END = 5;
export const PART = 6;
export const CREATIONS = 7;

export const STRING_TYPE = 0;
const COLLECTION_TYPES: readonly Collection["type"][] = ["hash", "list", "set", "zset"];

/** Begins a record; gives what `finishRecord` needs. */
export function startRecord(writer: ByteWriter, kind: number): number {
  const start = writer.size;
  writer.uint32(0).uint8(kind);
  return start;
}

export function finishRecord(writer: ByteWriter, start: number): void {
  writer.patchUint32(start, writer.size - start - 4);
}

export function writeValue(writer: ByteWriter, value: Value): void {
  if (typeof value === "string") writer.uint8(STRING_TYPE).string(value);
  else {
    writeType(writer, value);
    writeCollection(writer, value);
  }
}

/** What stands before a collection's content. */
export function writeType(writer: ByteWriter, { type }: Collection): void {
  writer.uint8(1 + COLLECTION_TYPES.indexOf(type));
}

export function readValue(reader: ByteReader, readers: CollectionReaders): Value {
  const code = reader.uint8();
  if (code === STRING_TYPE) return reader.string();
  const type = COLLECTION_TYPES[code - 1];
  const read = type === undefined ? undefined : readers[type];
  if (read === undefined) throw corrupt(`a value of unknown type ${code}`);
  return read(reader);
}

/** The records in chunks that were cut anywhere. Each is a view of a chunk, or a copy of its own. */
export function* recordsOf(chunks: Iterable<Bytes>): IterableIterator<Bytes> {
  let parts: Bytes[] = [];
  let held = 0;
  let needed = 4;
  for (const chunk of chunks) {
    parts.push(chunk);
    held += chunk.length;
    if (held < needed) continue;
    let bytes = parts.length === 1 ? chunk : concatBytes(parts, held);
    while (bytes.length >= 4) {
      const end = 4 + bytes.readUInt32LE(0);
      if (bytes.length < end) break;
      yield bytes.subarray(4, end);
      bytes = bytes.subarray(end);
    }
    parts = bytes.length === 0 ? [] : [bytes];
    held = bytes.length;
    needed = held < 4 ? 4 : 4 + bytes.readUInt32LE(0);
  }
  if (held > 0) throw corrupt("it ends inside a record");
}

export function corrupt(what: string): QuorateError {
  return new QuorateError("DATA_CORRUPT", `the snapshot of the keyspace cannot be read: ${what}`);
}
