/** Codecs made of codecs: keys of several parts, in any mixture of directions. */
import type { ByteSink, ByteSource } from "./byte-sink.ts";
import type { Codec, Decoded } from "./codec.ts";
import { cannotDecode, cannotEncode, take } from "./codec.ts";

/** The parts of a tuple's codec: what grouping by the first of them needs. */
export interface TupleCodec<T> extends Codec<T> {
  readonly parts: readonly Codec<unknown>[];
}

/** Several values, compared from the first on. */
export function tuple<const C extends readonly Codec<unknown>[]>(
  ...parts: C
): TupleCodec<{ -readonly [I in keyof C]: Decoded<C[I]> }> {
  type T = { -readonly [I in keyof C]: Decoded<C[I]> };
  const codecs: readonly Codec<unknown>[] = parts;
  const name = `tuple(${codecs.map((codec) => codec.name).join(",")})`;
  const last = codecs.length - 1;
  const writeAll = (value: T, to: ByteSink, isPart: boolean): void => {
    if (value.length !== codecs.length) throw cannotEncode(name, value);
    for (const [index, codec] of codecs.entries())
      if (index === last && !isPart) codec.write(value[index], to);
      else codec.writePart(value[index], to);
  };
  return {
    name,
    parts,
    ordered: codecs.every((codec) => codec.ordered),
    write: (value, to) => writeAll(value, to, false),
    read(bytes, start, end) {
      const source = { bytes, at: start, end };
      return codecs.map((codec, index) =>
        index === last ? codec.read(bytes, source.at, end) : codec.readPart(source),
      ) as T;
    },
    writePart: (value, to) => writeAll(value, to, true),
    readPart: (from) => codecs.map((codec) => codec.readPart(from)) as T,
  };
}

/** Where the first `count` parts of an encoded tuple end. */
export function endOfParts(
  parts: readonly Codec<unknown>[],
  count: number,
  bytes: Buffer,
  start: number,
  end: number,
): number {
  // The last part alone does not tell its end: it has the rest.
  if (count >= parts.length) return end;
  const source = { bytes, at: start, end };
  for (let index = 0; index < count; index++) parts[index]?.readPart(source);
  return source.at;
}

/** The same values in the opposite order. */
export function descending<T>(codec: Codec<T>): Codec<T> {
  const name = `descending(${codec.name})`;
  const write = (value: T, to: ByteSink): void => {
    const start = to.length;
    codec.writePart(value, to);
    invert(to.bytes, start, to.length);
  };
  const readPart = (from: ByteSource): T => {
    const turned = Buffer.from(from.bytes.subarray(from.at, from.end));
    invert(turned, 0, turned.length);
    const source = { bytes: turned, at: 0, end: turned.length };
    const value = codec.readPart(source);
    from.at += source.at;
    return value;
  };
  return {
    name,
    ordered: codec.ordered,
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

function invert(bytes: Buffer, start: number, end: number): void {
  for (let at = start; at < end; at++) bytes[at] = 0xff ^ bytes[at]!;
}

/** A value or undefined, which comes first. */
export function optional<T>(codec: Codec<T>): Codec<T | undefined> {
  const name = `optional(${codec.name})`;
  const isThere = (from: ByteSource): boolean => {
    const byte = from.bytes[take(from, 1, name)];
    if (byte !== 0 && byte !== 1) throw cannotDecode(name);
    return byte === 1;
  };
  return {
    name,
    ordered: codec.ordered,
    write(value, to) {
      to.byte(value === undefined ? 0 : 1);
      if (value !== undefined) codec.write(value, to);
    },
    read(bytes, start, end) {
      const source = { bytes, at: start, end };
      if (isThere(source)) return codec.read(bytes, source.at, end);
      if (source.at !== end) throw cannotDecode(name);
      return undefined;
    },
    writePart(value, to) {
      to.byte(value === undefined ? 0 : 1);
      if (value !== undefined) codec.writePart(value, to);
    },
    readPart: (from) => (isThere(from) ? codec.readPart(from) : undefined),
  };
}
