/**
 * How keys and values become bytes. Keys travel, are sorted and compared as bytes (memcmp), so the encoding of a codec that is
 * `ordered` has the order of its values: no value is decoded to sort it.
 *
 * A codec has two forms: alone, where the end of the bytes ends the value, and as a part of a tuple, where it tells its own end.
 */
import { QuorateError } from "../../runtime/errors.ts";
import type { ByteSink, ByteSource } from "./byte-sink.ts";

export interface Codec<T> {
  /** Two copies of this package know each other's codecs by it: tasks have faster ways for some. */
  readonly name: string;
  /** Whether bytes compare as values do. */
  readonly ordered: boolean;
  write(value: T, to: ByteSink): void;
  read(bytes: Buffer, start: number, end: number): T;
  writePart(value: T, to: ByteSink): void;
  readPart(from: ByteSource): T;
}

/** The type of what a codec encodes. */
export type Decoded<C> = C extends Codec<infer T> ? T : never;

/** ARGUMENT_INVALID: a program gave a value that the codec cannot hold. */
export function cannotEncode(name: string, value: unknown): QuorateError {
  const text = typeof value === "string" ? JSON.stringify(value.slice(0, 100)) : String(value).slice(0, 100);
  return new QuorateError("ARGUMENT_INVALID", `${text} is not a value of the codec "${name}"`);
}

/** DATA_CORRUPT: bytes that this codec cannot have written. */
export function cannotDecode(name: string): QuorateError {
  return new QuorateError("DATA_CORRUPT", `the bytes of a key or value are not of the codec "${name}"`);
}

/** Of a codec that always takes the same number of bytes, or tells its end by itself. */
export function selfDelimiting<T>(
  name: string,
  write: (value: T, to: ByteSink) => void,
  readPart: (from: ByteSource) => T,
): Codec<T> {
  return {
    name,
    ordered: true,
    write,
    writePart: write,
    readPart,
    read(bytes, start, end) {
      const source = { bytes, at: start, end };
      const value = readPart(source);
      if (source.at !== end) throw cannotDecode(name);
      return value;
    },
  };
}

/** The next `length` bytes of a source: where they begin. */
export function take(from: ByteSource, length: number, name: string): number {
  const { at } = from;
  if (at + length > from.end) throw cannotDecode(name);
  from.at = at + length;
  return at;
}
