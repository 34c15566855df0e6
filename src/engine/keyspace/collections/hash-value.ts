/** A hash: fields to values, in order of insertion (a removal moves the last field into the gap). */
import type { ByteReader } from "../../../wire/byte-reader.ts";
import type { ByteWriter } from "../../../wire/byte-writer.ts";
import type { Collection, CollectionCut, UndoRecorder } from "../value.ts";
import { cutElements } from "./elements-cut.ts";
import type { Elements } from "./elements-cut.ts";
import { EMPTY_BYTES, MemberTable, removeAtGap, SLOT_BYTES, STRING_OVERHEAD_BYTES } from "./member-table.ts";

/** Redis 7.0's hash-max-listpack-entries and -value: beyond either the encoding is "hashtable", and stays so. */
const LISTPACK_ENTRIES = 512;
const LISTPACK_VALUE_BYTES = 64;
const ENTRY_BYTES = SLOT_BYTES + 2 * STRING_OVERHEAD_BYTES;

export class HashValue implements Collection {
  readonly type = "hash";
  undo: UndoRecorder | undefined = undefined;
  private readonly table: MemberTable;
  private readonly column: string[];
  private large: boolean;
  private accounted: number;

  constructor(fields: readonly string[] = [], values: readonly string[] = [], large = false) {
    this.table = new MemberTable(fields);
    this.column = [...values];
    this.large = large;
    this.accounted = EMPTY_BYTES + fields.length * ENTRY_BYTES;
    for (const field of fields) this.accounted += field.length;
    for (const value of values) this.accounted += value.length;
  }

  get size(): number {
    return this.table.size;
  }

  get bytes(): number {
    return this.accounted;
  }

  /** Fields by position, and beside them `values`. Views: do not keep them over a change. */
  get fields(): readonly string[] {
    return this.table.members;
  }

  get values(): readonly string[] {
    return this.column;
  }

  has(field: string): boolean {
    return this.table.has(field);
  }

  get(field: string): string | undefined {
    const position = this.table.positionOf(field);
    return position < 0 ? undefined : this.column[position];
  }

  /** True when the field is new. */
  set(field: string, value: string): boolean {
    if (field.length > LISTPACK_VALUE_BYTES || value.length > LISTPACK_VALUE_BYTES) this.large = true;
    const position = this.table.positionOf(field);
    if (position >= 0) {
      const before = this.column[position] ?? "";
      this.undo?.record(() => this.set(field, before));
      this.accounted += value.length - before.length;
      this.column[position] = value;
      return false;
    }
    this.undo?.record(() => this.delete(field));
    this.table.add(field);
    this.column.push(value);
    this.accounted += ENTRY_BYTES + field.length + value.length;
    if (this.table.size > LISTPACK_ENTRIES) this.large = true;
    return true;
  }

  delete(field: string): boolean {
    const gap = this.table.remove(field);
    if (gap < 0) return false;
    const value = this.column[gap] ?? "";
    this.undo?.record(() => this.set(field, value));
    this.accounted -= ENTRY_BYTES + field.length + value.length;
    removeAtGap(this.column, gap);
    return true;
  }

  encoding(): "listpack" | "hashtable" {
    return this.large ? "hashtable" : "listpack";
  }

  clone(): HashValue {
    return new HashValue(this.fields, this.column, this.large);
  }

  cut(): CollectionCut {
    const { large, size } = this;
    const writeHead = (writer: ByteWriter): void => void writer.uint8(large ? 1 : 0).uint32(size);
    return cutElements(writeHead, pairs(this.fields, this.column));
  }
}

function pairs(fields: readonly string[], values: readonly string[]): Elements {
  return {
    size: fields.length,
    write: (writer, position) => void writer.string(fields[position] ?? "").string(values[position] ?? ""),
    copy: () => pairs(fields.slice(), values.slice()),
  };
}

/** Reads what `HashValue.cut` wrote, order and encoding included. */
export function readHash(reader: ByteReader): HashValue {
  const large = reader.uint8() === 1;
  const size = reader.uint32();
  const fields: string[] = [];
  const values: string[] = [];
  for (let n = 0; n < size; n++) {
    fields.push(reader.string());
    values.push(reader.string());
  }
  return new HashValue(fields, values, large);
}
