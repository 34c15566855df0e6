/** Reads a snapshot back into new tables; nothing of the old state is touched until all of it was read and its digest fits. */
import type { Bytes } from "../../runtime/bytes.ts";
import { concatBytes } from "../../runtime/bytes.ts";
import { isQuorateError } from "../../runtime/errors.ts";
import { ByteReader } from "../../wire/byte-reader.ts";
import type { CollectionReaders } from "./collection-readers.ts";
import { KeyCreations } from "./key-creations.ts";
import { KeyTable } from "./key-table.ts";
import { DATABASE_COUNT } from "./keyspace.ts";
import {
  corrupt,
  CREATIONS,
  DATABASE,
  END,
  ENTRIES,
  FORMAT,
  FORMAT_WITHOUT_CREATIONS,
  HEADER,
  PART,
  readValue,
  recordsOf,
  SECTION,
} from "./snapshot-format.ts";
import type { Value } from "./value.ts";

export interface RestoredState {
  readonly revision: number;
  readonly logMs: number;
  readonly auditDigest: number;
  /** The digest that the state must have. */
  readonly digest: number;
  readonly settings: readonly (readonly [name: string, value: string])[];
  readonly sections: ReadonlyMap<string, Bytes>;
  readonly tables: readonly KeyTable[];
  readonly creations: readonly KeyCreations[];
}

interface EarlyEntry {
  readonly key: string;
  readonly value: Value;
  readonly version: number;
  readonly deadlineMs: number;
}

/** Fills a table slot by slot; what comes before its turn waits. */
class TableLoad {
  readonly table: KeyTable;
  private readonly early = new Map<number, EarlyEntry>();
  /** Of large collections, until their last part is there. */
  private readonly parts = new Map<number, Bytes[]>();

  constructor(hashSecret: number) {
    this.table = new KeyTable(hashSecret);
  }

  add(slot: number, entry: EarlyEntry): void {
    if (slot !== this.table.size) {
      if (slot < this.table.size || this.early.has(slot)) throw corrupt(`slot ${slot} comes twice`);
      this.early.set(slot, entry);
      return;
    }
    this.insert(entry);
    this.settle();
  }

  /** A part of an entry; gives the whole entry's bytes with the last one. */
  join(slot: number, last: boolean, part: Bytes): Bytes | undefined {
    let parts = this.parts.get(slot);
    if (parts === undefined) this.parts.set(slot, (parts = []));
    parts.push(part);
    if (!last) return undefined;
    this.parts.delete(slot);
    return concatBytes(parts);
  }

  /** All slots must be there now. */
  finish(size: number): void {
    if (this.early.size > 0 || this.parts.size > 0 || this.table.size !== size)
      throw corrupt("slots are missing");
  }

  private settle(): void {
    if (this.early.size === 0) return;
    for (;;) {
      const entry = this.early.get(this.table.size);
      if (entry === undefined) return;
      this.early.delete(this.table.size);
      this.insert(entry);
    }
  }

  private insert({ key, value, version, deadlineMs }: EarlyEntry): void {
    if (this.table.find(key) >= 0) throw corrupt("a key comes twice");
    this.table.insert(key, value, version, deadlineMs);
  }
}

/** Throws DATA_CORRUPT when the bytes are not one whole snapshot. `hashSecret` is for the new tables. */
export function readSnapshot(
  chunks: Iterable<Bytes>,
  readers: CollectionReaders,
  hashSecret: number,
): RestoredState {
  try {
    return new SnapshotReader(readers, hashSecret).read(chunks);
  } catch (error) {
    if (isQuorateError(error) && error.code === "PROTOCOL") throw corrupt(error.message);
    throw error;
  }
}

class SnapshotReader {
  private readonly readers: CollectionReaders;
  private readonly loads: readonly TableLoad[];
  private readonly sizes = Array.from({ length: DATABASE_COUNT }, () => 0);
  private readonly sections = new Map<string, Bytes>();
  private readonly creations = Array.from({ length: DATABASE_COUNT }, () => new KeyCreations());
  private header: Omit<RestoredState, "sections" | "tables" | "creations"> | undefined;
  private database = 0;
  private ended = false;

  constructor(readers: CollectionReaders, hashSecret: number) {
    this.readers = readers;
    this.loads = Array.from({ length: DATABASE_COUNT }, () => new TableLoad(hashSecret));
  }

  read(chunks: Iterable<Bytes>): RestoredState {
    for (const record of recordsOf(chunks)) {
      if (this.ended) throw corrupt("bytes after its end");
      this.take(new ByteReader(record));
    }
    if (this.header === undefined || !this.ended) throw corrupt("it is not whole");
    for (const [index, load] of this.loads.entries()) load.finish(this.sizes[index]!);
    const { sections, creations } = this;
    return { ...this.header, sections, tables: this.loads.map((load) => load.table), creations };
  }

  private take(reader: ByteReader): void {
    const kind = reader.uint8();
    if (this.header === undefined && kind !== HEADER) throw corrupt("it does not start with its header");
    switch (kind) {
      case HEADER:
        this.readHeader(reader);
        break;
      case SECTION:
        this.sections.set(reader.text(), reader.bytes());
        break;
      case DATABASE:
        this.database = databaseIn(reader);
        this.sizes[this.database] = reader.uint32();
        break;
      case ENTRIES:
        this.readEntries(reader);
        break;
      case PART:
        this.readPart(reader);
        break;
      case CREATIONS:
        this.readCreations(reader);
        break;
      case END:
        this.ended = true;
        break;
      default:
        throw corrupt(`a record of unknown kind ${kind}`);
    }
    if (reader.remaining > 0) throw corrupt("a record is longer than its content");
  }

  private readHeader(reader: ByteReader): void {
    const format = reader.uint32();
    if (format !== FORMAT && format !== FORMAT_WITHOUT_CREATIONS)
      throw corrupt(`format ${format}; this version reads ${FORMAT_WITHOUT_CREATIONS} to ${FORMAT}`);
    const [revision, logMs] = [reader.uint53(), reader.double()];
    const [auditDigest, digest] = [reader.uint32(), reader.uint32()];
    const settings: [string, string][] = [];
    for (let left = reader.uint32(); left > 0; left--) settings.push([reader.text(), reader.text()]);
    this.header = { revision, logMs, auditDigest, digest, settings };
  }

  private readCreations(reader: ByteReader): void {
    const database = databaseIn(reader);
    const creations = KeyCreations.read(reader);
    if (creations === undefined) throw corrupt("the digest of creations does not fit them");
    this.creations[database] = creations;
  }

  private readEntries(reader: ByteReader): void {
    const load = this.loads[this.database]!;
    let slot = reader.uint32();
    for (let left = reader.uint32(); left > 0; left--) this.readEntry(reader, load, slot++);
  }

  private readPart(reader: ByteReader): void {
    const load = this.loads[this.database]!;
    const [slot, last] = [reader.uint32(), reader.uint32()];
    const whole = load.join(slot, last === 1, reader.raw(reader.remaining));
    if (whole === undefined) return;
    const entry = new ByteReader(whole);
    this.readEntry(entry, load, slot);
    if (entry.remaining > 0) throw corrupt("an entry is longer than its content");
  }

  private readEntry(reader: ByteReader, load: TableLoad, slot: number): void {
    const key = reader.string();
    const [version, deadlineMs] = [reader.uint53(), reader.double()];
    load.add(slot, { key, version, deadlineMs, value: readValue(reader, this.readers) });
  }
}

function databaseIn(reader: ByteReader): number {
  const database = reader.uint32();
  if (database >= DATABASE_COUNT) throw corrupt(`database ${database}`);
  return database;
}
