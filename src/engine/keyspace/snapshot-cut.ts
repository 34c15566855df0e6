/**
 * A consistent cut of the keyspace, read in slices while commands go on being applied.
 *
 * Copy on write, by slot: the cut remembers how many slots each table had, and the tables tell it before a slot's content
 * changes. A slot that was not yet written is then written as it is, at once and out of its turn; nothing of the state is
 * copied ahead. Tables that FLUSHALL or SWAPDB take away stay readable here, because those exchange tables whole.
 */
import type { Bytes } from "../../runtime/bytes.ts";
import { ByteWriter } from "../../wire/byte-writer.ts";
import type { KeyTable, SlotObserver } from "./key-table.ts";
import { DATABASE, END, ENTRIES, finishRecord, startRecord, writeValue } from "./snapshot-format.ts";

/** A record of entries is closed when it has so many bytes. */
const RECORD_BYTES = 32 * 1024;

/** The cut of one table: writes each slot that existed when it began, once, with the content of that time. */
class TableCut implements SlotObserver {
  /** Slots below were written in their turn. */
  private position = 0;
  private readonly size: number;
  private readonly table: KeyTable;
  private readonly out: ByteWriter;
  /** A bit for each slot that was written before its turn. */
  private readonly early: Uint8Array;

  constructor(table: KeyTable, index: number, out: ByteWriter) {
    this.table = table;
    this.size = table.size;
    this.early = new Uint8Array((table.size + 7) >> 3);
    this.index = index;
    this.out = out;
  }

  readonly index: number;

  beforeChange(slot: number): void {
    if (slot < this.position || slot >= this.size || this.wasEarly(slot)) return;
    this.early[slot >> 3] = this.early[slot >> 3]! | (1 << (slot & 7));
    this.writeDatabase();
    const start = startRecord(this.out, ENTRIES);
    this.out.uint32(slot).uint32(1);
    this.writeEntry(slot);
    finishRecord(this.out, start);
  }

  /** Writes the next entries in turn; false when all are written. */
  advance(): boolean {
    while (this.position < this.size && this.wasEarly(this.position)) this.position++;
    if (this.position >= this.size) return false;
    this.writeDatabase();
    const start = startRecord(this.out, ENTRIES);
    this.out.uint32(this.position);
    const countAt = this.out.size;
    this.out.uint32(0);
    let count = 0;
    while (this.position < this.size && !this.wasEarly(this.position)) {
      this.writeEntry(this.position++);
      count++;
      if (this.out.size - start >= RECORD_BYTES) break;
    }
    this.out.patchUint32(countAt, count);
    finishRecord(this.out, start);
    return true;
  }

  begin(): void {
    this.table.observer = this;
  }

  end(): void {
    if (this.table.observer === this) this.table.observer = undefined;
  }

  /** Records of several tables may alternate, so each run of entries names its database. */
  private writeDatabase(): void {
    const start = startRecord(this.out, DATABASE);
    this.out.uint32(this.index).uint32(this.size);
    finishRecord(this.out, start);
  }

  private writeEntry(slot: number): void {
    const { table, out } = this;
    out.string(table.keys[slot]!).uint53(table.versionAt(slot)).double(table.due.deadlineOf(slot));
    writeValue(out, table.values[slot]!);
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
  constructor(tables: readonly KeyTable[], out: ByteWriter, closed: () => void) {
    this.out = out;
    this.closed = closed;
    this.cuts = tables.map((table, index) => new TableCut(table, index, out));
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
