/**
 * A consistent cut of the keyspace, read in slices while commands go on being applied.
 *
 * Copy on write, by slot: the cut remembers how many slots each table had, and the tables tell it before a slot's content
 * changes. A slot that was not yet written is then written as it is, at once and out of its turn; nothing of the state is
 * copied ahead. Only of a large collection, which is written in parts, the references to its elements are copied when it
 * changes before or while it is written: a few milliseconds for a million. The creations of keys, of fixed size, are copied at
 * the start. Tables that FLUSHALL or SWAPDB take away stay readable here, because those exchange tables whole.
 */
import type { Bytes } from "../../runtime/bytes.ts";
import { ByteWriter } from "../../wire/byte-writer.ts";
import type { KeyCreations } from "./key-creations.ts";
import type { KeyTable, SlotObserver } from "./key-table.ts";
import {
  CREATIONS,
  DATABASE,
  END,
  ENTRIES,
  finishRecord,
  PART,
  startRecord,
  STRING_TYPE,
  writeType,
  writeValue,
} from "./snapshot-format.ts";
import { cutString } from "./string-cut.ts";
import type { CollectionCut, Value } from "./value.ts";

/** A record of entries is closed when it has so many bytes. */
const RECORD_BYTES = 32 * 1024;
/** A collection or string that takes more memory than this is written in parts. */
const WHOLE_MAX_BYTES = 256 * 1024;

/** What is cut of a database. */
interface CutDatabase {
  readonly index: number;
  readonly table: KeyTable;
  readonly creations: KeyCreations;
}

/** A large collection, or string, that is being written. */
interface Parts {
  readonly slot: number;
  readonly content: CollectionCut;
}

/** The cut of one table: writes each slot that existed when it began, once, with the content of that time. */
class TableCut implements SlotObserver {
  /** Slots below were written in their turn. */
  private position = 0;
  private readonly size: number;
  private readonly table: KeyTable;
  private readonly out: ByteWriter;
  /** A bit for each slot that was written before its turn. */
  private readonly early: Uint8Array;
  /** In their turn: at `position`. */
  private current: Parts | undefined;
  /** Those that changed before their turn. */
  private readonly detached: Parts[] = [];

  private readonly index: number;
  /** Of the moment, until they are written. */
  private creations: KeyCreations | undefined;

  constructor({ table, creations, index }: CutDatabase, out: ByteWriter) {
    this.table = table;
    this.size = table.size;
    this.early = new Uint8Array((table.size + 7) >> 3);
    this.index = index;
    this.creations = creations.isEmpty ? undefined : creations.copy();
    this.out = out;
  }

  beforeChange(slot: number): void {
    if (slot < this.position || slot >= this.size || this.wasEarly(slot)) return;
    if (slot === this.current?.slot) return this.current.content.keep();
    this.early[slot >> 3] = this.early[slot >> 3]! | (1 << (slot & 7));
    const large = this.largeAt(slot);
    if (large === undefined) return void this.writeEntries(slot, slot + 1);
    const parts = this.beginParts(slot, large);
    parts.content.keep();
    this.detached.push(parts);
  }

  /** Writes the next entries in turn, or a part of one; false when all are written. */
  advance(): boolean {
    if (this.creations !== undefined) {
      this.writeCreations(this.creations);
      this.creations = undefined;
      return true;
    }
    const [detached] = this.detached;
    if (detached !== undefined) {
      if (!this.writePart(detached)) this.detached.shift();
      return true;
    }
    while (this.position < this.size && this.wasEarly(this.position)) this.position++;
    if (this.position >= this.size) return false;
    const large = this.largeAt(this.position);
    if (this.current === undefined && large === undefined) {
      this.position = this.writeEntries(this.position, this.size);
    } else if (this.current === undefined && large !== undefined) {
      this.current = this.beginParts(this.position, large);
    } else if (this.current !== undefined && !this.writePart(this.current)) {
      this.current = undefined;
      this.position++;
    }
    return true;
  }

  begin(): void {
    this.table.observer = this;
  }

  end(): void {
    if (this.table.observer === this) this.table.observer = undefined;
  }

  private writeCreations(creations: KeyCreations): void {
    const start = startRecord(this.out, CREATIONS);
    creations.write(this.out.uint32(this.index));
    finishRecord(this.out, start);
  }

  /** Records of several tables may alternate, so each run of entries names its database. */
  private writeDatabase(): void {
    const start = startRecord(this.out, DATABASE);
    this.out.uint32(this.index).uint32(this.size);
    finishRecord(this.out, start);
  }

  /** Entries from `from` on, in one record, until it is full or there is one that is written in another way. */
  private writeEntries(from: number, to: number): number {
    const { out } = this;
    this.writeDatabase();
    const start = startRecord(out, ENTRIES);
    out.uint32(from);
    const countAt = out.size;
    out.uint32(0);
    let slot = from;
    do {
      this.writeHead(slot);
      writeValue(out, this.table.values[slot]!);
      slot++;
    } while (
      slot < to &&
      out.size - start < RECORD_BYTES &&
      !this.wasEarly(slot) &&
      this.largeAt(slot) === undefined
    );
    out.patchUint32(countAt, slot - from);
    finishRecord(out, start);
    return slot;
  }

  /** Writes what stands before the content of a large value. */
  private beginParts(slot: number, value: Value): Parts {
    const { out } = this;
    this.writeDatabase();
    const start = startRecord(out, PART);
    out.uint32(slot).uint32(0);
    this.writeHead(slot);
    if (typeof value === "string") out.uint8(STRING_TYPE).uint32(value.length);
    else writeType(out, value);
    finishRecord(out, start);
    return { slot, content: typeof value === "string" ? cutString(value) : value.cut() };
  }

  /** False when it was the last one. */
  private writePart({ slot, content }: Parts): boolean {
    const { out } = this;
    this.writeDatabase();
    const start = startRecord(out, PART);
    out.uint32(slot);
    const lastAt = out.size;
    out.uint32(0);
    const more = content.advance(out, RECORD_BYTES);
    if (!more) out.patchUint32(lastAt, 1);
    finishRecord(out, start);
    return more;
  }

  private writeHead(slot: number): void {
    const { table, out } = this;
    out.string(table.keys[slot]!).uint53(table.versionAt(slot)).double(table.due.deadlineOf(slot));
  }

  private largeAt(slot: number): Value | undefined {
    const value = this.table.values[slot]!;
    return (typeof value === "string" ? value.length : value.bytes) > WHOLE_MAX_BYTES ? value : undefined;
  }

  private wasEarly(slot: number): boolean {
    return (this.early[slot >> 3]! & (1 << (slot & 7))) !== 0;
  }
}

export class KeyspaceCut {
  private readonly out: ByteWriter;
  private readonly cuts: readonly TableCut[];
  private readonly closed: () => void;
  /** Index of the table that is being written; beyond the last: the end record follows. */
  private current = 0;
  private rest: Bytes | undefined;
  private state: "open" | "ended" | "closed" = "open";

  /** `out` holds the header and sections already. `closed` is called once. */
  constructor(databases: readonly CutDatabase[], out: ByteWriter, closed: () => void) {
    this.out = out;
    this.closed = closed;
    this.cuts = databases.map((database) => new TableCut(database, out));
    for (const cut of this.cuts) cut.begin();
  }

  /** At most `maxBytes` bytes; undefined at the end. */
  next(maxBytes: number): Bytes | undefined {
    if (this.state === "closed") return undefined;
    if (this.rest === undefined) {
      while (this.state === "open" && this.out.size < maxBytes) this.advance();
      if (this.out.size === 0) {
        this.close();
        return undefined;
      }
      this.rest = this.out.take();
    }
    const bytes = this.rest;
    this.rest = bytes.length > maxBytes ? bytes.subarray(maxBytes) : undefined;
    return bytes.length > maxBytes ? bytes.subarray(0, maxBytes) : bytes;
  }

  close(): void {
    if (this.state === "closed") return;
    this.state = "closed";
    this.rest = undefined;
    for (const cut of this.cuts) cut.end();
    this.closed();
  }

  private advance(): void {
    const cut = this.cuts[this.current];
    if (cut === undefined) {
      finishRecord(this.out, startRecord(this.out, END));
      this.state = "ended";
    } else if (!cut.advance()) {
      cut.end();
      this.current++;
    }
  }
}
