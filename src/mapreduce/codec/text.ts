/** Texts and bytes. Alone they are as they are; as parts, zeros are escaped and two zeros end them, which keeps the order. */
import type { ByteSink, ByteSource } from "./byte-sink.ts";
import type { Codec } from "./codec.ts";
import { cannotDecode, cannotEncode } from "./codec.ts";

/** Follows a zero that is part of the value. The end, 0 0, sorts before it. */
const ESCAPED = 0xff;

/** UTF-8, in the order of code points. ARGUMENT_INVALID: half of a surrogate pair, which UTF-8 cannot hold. */
export const text: Codec<string> = {
  name: "text",
  ordered: true,
  write(value, to) {
    // What comes of JSON is not always what the program's types say.
    if (typeof value !== "string") throw cannotEncode("text", value);
    if (to.text(value) !== value.length) assertWellFormed(value);
  },
  read: (bytes, start, end) => bytes.toString("utf8", start, end),
  writePart(value, to) {
    const start = to.length;
    text.write(value, to);
    endPart(to, start);
  },
  readPart(from) {
    const part = takePart(from, "text");
    return part.toString("utf8");
  },
};

/** As they are. */
export const bytes: Codec<Uint8Array> = {
  name: "bytes",
  ordered: true,
  write(value, to) {
    // Of another list of numbers the bytes would be something else, without an error.
    if (!(value instanceof Uint8Array)) throw cannotEncode("bytes", value);
    to.raw(value);
  },
  read: (all, start, end) => Buffer.from(all.subarray(start, end)),
  writePart(value, to) {
    const start = to.length;
    bytes.write(value, to);
    endPart(to, start);
  },
  readPart: (from) => Buffer.from(takePart(from, "bytes")),
};

/** Anything that JSON holds. Equal values are equal keys only when their properties come in one order; bytes have no order. */
export function json<T>(): Codec<T> {
  const encode = (value: T): string => {
    const encoded: string | undefined = JSON.stringify(value);
    if (encoded === undefined) throw cannotEncode("json", value);
    return encoded;
  };
  return {
    name: "json",
    ordered: false,
    write: (value, to) => void to.text(encode(value)),
    read: (all, start, end) => JSON.parse(all.toString("utf8", start, end)) as T,
    writePart: (value, to) => text.writePart(encode(value), to),
    readPart: (from) => JSON.parse(text.readPart(from)) as T,
  };
}

function assertWellFormed(value: string): void {
  if (/\p{Surrogate}/u.test(value)) throw cannotEncode("text", value);
}

/** Escapes what was written since `start`, and ends it. */
function endPart(to: ByteSink, start: number): void {
  let zeros = 0;
  for (let at = start; at < to.length; at++) if (to.bytes[at] === 0) zeros++;
  if (zeros > 0) {
    to.reserve(zeros);
    const { bytes: all } = to;
    let target = to.length + zeros;
    for (let at = to.length - 1; at >= start; at--) {
      const byte = all[at] ?? 0;
      if (byte === 0) all[--target] = ESCAPED;
      all[--target] = byte;
    }
    to.length += zeros;
  }
  to.byte(0);
  to.byte(0);
}

/** The bytes of the next part: a view, or a copy when something had to be undone. */
function takePart(from: ByteSource, name: string): Buffer {
  const start = from.at;
  let escapes = 0;
  for (let at = all(from, start, name); ; at = all(from, at + 2, name)) {
    const next = from.bytes[at + 1];
    if (at + 1 >= from.end || (next !== 0 && next !== ESCAPED)) throw cannotDecode(name);
    if (next === ESCAPED) {
      escapes++;
      continue;
    }
    from.at = at + 2;
    const part = from.bytes.subarray(start, at);
    return escapes === 0 ? part : unescape(part, escapes);
  }
}

/** Where the next zero is. */
function all(from: ByteSource, start: number, name: string): number {
  const at = from.bytes.indexOf(0, start);
  if (at < 0 || at >= from.end) throw cannotDecode(name);
  return at;
}

function unescape(part: Buffer, escapes: number): Buffer {
  const plain = Buffer.allocUnsafeSlow(part.length - escapes);
  for (let at = 0, target = 0; at < part.length; at++) {
    const byte = part[at] ?? 0;
    plain[target++] = byte;
    if (byte === 0) at++;
  }
  return plain;
}
