/** A set: distinct members in order of insertion (a removal moves the last member into the gap). */
import type { ByteReader } from "../../../wire/byte-reader.ts";
import type { ByteWriter } from "../../../wire/byte-writer.ts";
import type { Collection, CollectionCut, UndoRecorder } from "../value.ts";
import { cutElements, strings } from "./elements-cut.ts";
import { EMPTY_BYTES, MemberTable, SLOT_BYTES, STRING_OVERHEAD_BYTES } from "./member-table.ts";

/** Redis 7.0's set-max-intset-entries: integers only and at most so many are an "intset"; a "hashtable" stays one. */
const INTSET_ENTRIES = 512;
const ENTRY_BYTES = SLOT_BYTES + STRING_OVERHEAD_BYTES;
const CANONICAL_INTEGER = /^(?:0|-?[1-9][0-9]{0,18})$/;
const INT64_DIGITS = "9223372036854775807";

export class SetValue implements Collection {
  readonly type = "set";
  undo: UndoRecorder | undefined = undefined;
  private readonly table: MemberTable;
  private integers: boolean;
  private accounted: number;

  constructor(members: readonly string[] = [], integers = true) {
    this.table = new MemberTable(members);
    this.integers = integers;
    this.accounted = EMPTY_BYTES + members.length * ENTRY_BYTES;
    for (const member of members) this.accounted += member.length;
  }

  get size(): number {
    return this.table.size;
  }

  get bytes(): number {
    return this.accounted;
  }

  /** Members by position. A view: do not keep it over a change. */
  get members(): readonly string[] {
    return this.table.members;
  }

  has(member: string): boolean {
    return this.table.has(member);
  }

  /** The member at a position below `size`: what a random pick asks for. */
  at(position: number): string {
    return this.table.at(position);
  }

  /** True when the member is new. */
  add(member: string): boolean {
    if (this.table.has(member)) return false;
    this.undo?.record(() => this.delete(member));
    this.table.add(member);
    this.accounted += ENTRY_BYTES + member.length;
    if (this.integers && (this.size > INTSET_ENTRIES || !isInt64(member))) this.integers = false;
    return true;
  }

  delete(member: string): boolean {
    if (this.table.remove(member) < 0) return false;
    this.undo?.record(() => this.add(member));
    this.accounted -= ENTRY_BYTES + member.length;
    return true;
  }

  encoding(): "intset" | "hashtable" {
    return this.integers ? "intset" : "hashtable";
  }

  clone(): SetValue {
    return new SetValue(this.members, this.integers);
  }

  cut(): CollectionCut {
    const { integers, size } = this;
    const writeHead = (writer: ByteWriter): void => void writer.uint8(integers ? 1 : 0).uint32(size);
    return cutElements(writeHead, strings(this.members));
  }
}

/** Reads what `SetValue.cut` wrote, order and encoding included. */
export function readSet(reader: ByteReader): SetValue {
  const integers = reader.uint8() === 1;
  const size = reader.uint32();
  const members: string[] = [];
  for (let n = 0; n < size; n++) members.push(reader.string());
  return new SetValue(members, integers);
}

/** True for a decimal in the one form that Redis stores as a 64-bit integer: no plus sign, no leading zero. */
function isInt64(member: string): boolean {
  if (!CANONICAL_INTEGER.test(member)) return false;
  const digits = member.startsWith("-") ? member.slice(1) : member;
  if (digits.length < INT64_DIGITS.length) return true;
  return digits <= INT64_DIGITS || member === "-9223372036854775808";
}
