/**
 * Records as data: a field knows how to write a value and how to read it back, and a record is made of fields, so that the
 * two directions cannot drift apart and the compiler sees to it that no field is forgotten.
 *
 * For what is written by the thousand, not by the million; the hot paths keep codecs of their own.
 */
import type { Bytes } from "../runtime/bytes.ts";
import { QuorateError } from "../runtime/errors.ts";
import type { ByteReader } from "./byte-reader.ts";
import { ByteReader as Reader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";

export interface Field<T> {
  write(writer: ByteWriter, value: T): void;
  /** Throws QuorateError PROTOCOL when the bytes are not what `write` writes. */
  read(reader: ByteReader): T;
}

/** A whole number in [0, 2^32). */
export const uint32: Field<number> = {
  write: (writer, value) => void writer.uint32(value),
  read: (reader) => reader.uint32(),
};

/** A whole number in [0, 2^53). */
export const uint53: Field<number> = {
  write: (writer, value) => void writer.uint53(value),
  read: (reader) => reader.uint53(),
};

/** Any number. */
export const double: Field<number> = {
  write: (writer, value) => void writer.double(value),
  read: (reader) => reader.double(),
};

export const flag: Field<boolean> = {
  write: (writer, value) => void writer.uint8(value ? 1 : 0),
  read: (reader) => {
    const value = reader.uint8();
    if (value > 1) throw new QuorateError("PROTOCOL", `not a flag: ${value}`);
    return value === 1;
  },
};

/**
 * A text, as UTF-8. Writing throws QuorateError PROTOCOL for one with half a surrogate pair: it would be read back as another
 * text, and a replica that applies what it parsed would differ from one that applies what it read.
 */
export const text: Field<string> = {
  write: (writer, value) => {
    if (!isWellFormed(value)) throw new QuorateError("PROTOCOL", "a text that is not well-formed Unicode");
    writer.text(value);
  },
  read: (reader) => reader.text(),
};

const SURROGATE = /[\ud800-\udfff]/;

function isWellFormed(value: string): boolean {
  if (!SURROGATE.test(value)) return true;
  try {
    encodeURIComponent(value);
    return true;
  } catch {
    return false;
  }
}

/** A binary string: each character one byte. */
export const binary: Field<string> = {
  write: (writer, value) => void writer.string(value),
  read: (reader) => reader.string(),
};

/** Bytes. What is read is a view of the buffer that is being read. */
export const bytes: Field<Uint8Array> = {
  write: (writer, value) => void writer.bytes(value),
  read: (reader) => reader.bytes(),
};

/** One of a few words, written as its place: words may be added at the end, never removed. */
export function word<const T extends string>(...words: readonly T[]): Field<T> {
  return {
    write: (writer, value) => void writer.uint8(words.indexOf(value)),
    read: (reader) => {
      const value = words[reader.uint8()];
      if (value === undefined) throw new QuorateError("PROTOCOL", `not one of ${words.join(", ")}`);
      return value;
    },
  };
}

export function optional<T>(field: Field<T>): Field<T | undefined> {
  return {
    write: (writer, value) => {
      writer.uint8(value === undefined ? 0 : 1);
      if (value !== undefined) field.write(writer, value);
    },
    read: (reader) => (flag.read(reader) ? field.read(reader) : undefined),
  };
}

export function list<T>(field: Field<T>): Field<readonly T[]> {
  return {
    write: (writer, values) => {
      writer.uint32(values.length);
      for (const value of values) field.write(writer, value);
    },
    read: (reader) => {
      const values: T[] = [];
      // Not made at its length at once: a length from a peer may be anything, and ends at the last byte anyway.
      for (let left = reader.uint32(); left > 0; left--) values.push(field.read(reader));
      return values;
    },
  };
}

/** A field for each member of `T`, in the order in which they are written. */
export type FieldsOf<T> = { readonly [Name in keyof T]-?: Field<T[Name]> };

export function record<T extends object>(fields: FieldsOf<T>): Field<T> {
  const members = membersOf(fields);
  return {
    write: (writer, value) => writeMembers(writer, members, value as Members),
    read: (reader) => readMembers(reader, members, {}) as T,
  };
}

type Members = Record<string, unknown>;
type MemberFields = readonly (readonly [name: string, field: Field<unknown>])[];

function membersOf(fields: object): MemberFields {
  return Object.entries(fields) as [string, Field<unknown>][];
}

function writeMembers(writer: ByteWriter, members: MemberFields, value: Members): void {
  for (let at = 0; at < members.length; at++) {
    const [name, field] = members[at]!;
    field.write(writer, value[name]);
  }
}

/** Into `value`, and gives it. */
function readMembers(reader: ByteReader, members: MemberFields, value: Members): Members {
  for (let at = 0; at < members.length; at++) {
    const [name, field] = members[at]!;
    value[name] = field.read(reader);
  }
  return value;
}

/** What a member of a union holds besides its tag. */
type Untagged<Union, Type> = Omit<Extract<Union, { readonly type: Type }>, "type">;

/**
 * A union with a `type` tag: one row a member. Each tag is written as its place, so rows may be added at the end, never
 * removed or moved.
 */
export function union<Union extends { readonly type: string }>(rows: {
  readonly [Type in Union["type"]]: FieldsOf<Untagged<Union, Type>>;
}): Field<Union> {
  const names = Object.keys(rows) as Union["type"][];
  const places = new Map<string, number>(names.map((name, place) => [name, place]));
  const members = names.map((name) => membersOf(rows[name]));
  return {
    write: (writer, value) => {
      const place = places.get(value.type) ?? -1;
      writer.uint8(place);
      writeMembers(writer, members[place] ?? [], value as unknown as Members);
    },
    read: (reader) => {
      const place = reader.uint8();
      const type = names[place];
      if (type === undefined) throw new QuorateError("PROTOCOL", `unknown kind of record: ${place}`);
      return readMembers(reader, members[place]!, { type }) as unknown as Union;
    },
  };
}

export function encode<T>(field: Field<T>, value: T): Bytes {
  const writer = new ByteWriter();
  field.write(writer, value);
  return writer.take();
}

/** Throws QuorateError PROTOCOL when the bytes are not one whole value. */
export function decode<T>(field: Field<T>, content: Bytes): T {
  const reader = new Reader(content);
  const value = field.read(reader);
  if (reader.remaining > 0) throw new QuorateError("PROTOCOL", "bytes behind the end of a record");
  return value;
}
