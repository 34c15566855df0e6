/** Numbers whose bytes have their order: big-endian, the sign turned so that what is negative comes first. */
import type { ByteSink, ByteSource } from "./byte-sink.ts";
import type { Codec } from "./codec.ts";
import { cannotDecode, cannotEncode, selfDelimiting, take } from "./codec.ts";

/** The first byte of an integer: 0x80 and how many bytes of magnitude follow, or as much below 0x7f when it is negative. */
const NOT_NEGATIVE = 0x80;
const NEGATIVE = 0x7f;
/** 2^53 - 1 takes seven. */
const MAGNITUDE_MAX = 7;

function readInteger(from: ByteSource): number {
  const head = from.bytes[take(from, 1, "integer")]!;
  const length = head >= NOT_NEGATIVE ? head - NOT_NEGATIVE : NEGATIVE - head;
  if (length > MAGNITUDE_MAX) throw cannotDecode("integer");
  const start = take(from, length, "integer");
  const mask = head >= NOT_NEGATIVE ? 0 : 0xff;
  let magnitude = 0;
  for (let at = start; at < start + length; at++) magnitude = magnitude * 256 + (mask ^ from.bytes[at]!);
  if (magnitude > Number.MAX_SAFE_INTEGER) throw cannotDecode("integer");
  return head >= NOT_NEGATIVE ? magnitude : -magnitude;
}

const integers: Codec<number> = selfDelimiting<number>(
  "integer",
  (value, to) => {
    if (!Number.isSafeInteger(value)) throw cannotEncode("integer", value);
    writeInteger(value, to);
  },
  readInteger,
);

/** Whole numbers from -(2^53 - 1) to 2^53 - 1, in 1 to 8 bytes. */
export const integer: Codec<number> = {
  ...integers,
  read(bytes, start, end) {
    // Small counts are most of all values.
    const length = bytes[start]! - NOT_NEGATIVE;
    if (length === 1 && end === start + 2) return bytes[start + 1]!;
    if (length === 2 && end === start + 3) return bytes[start + 1]! * 256 + bytes[start + 2]!;
    return integers.read(bytes, start, end);
  },
};

/** How many bytes an integer takes. */
export function integerBytes(value: number): number {
  let bytes = 1;
  for (let rest = Math.abs(value); rest >= 1; rest /= 256) bytes++;
  return bytes;
}

function writeInteger(value: number, to: ByteSink): void {
  to.reserve(1 + MAGNITUDE_MAX);
  let magnitude = Math.abs(value);
  const length = integerBytes(value) - 1;
  const mask = value < 0 ? 0xff : 0;
  to.bytes[to.length] = value < 0 ? NEGATIVE - length : NOT_NEGATIVE + length;
  for (let at = to.length + length; at > to.length; at--) {
    const low = magnitude % 256;
    to.bytes[at] = mask ^ low;
    magnitude = (magnitude - low) / 256;
  }
  to.length += 1 + length;
}

/** Any number, in 8 bytes. -0 becomes 0; NaN comes behind all others. */
export const number: Codec<number> = selfDelimiting<number>(
  "number",
  (value, to) => {
    to.reserve(8);
    const at = to.length;
    to.bytes.writeDoubleBE(value === 0 ? 0 : value, at);
    turn(to.bytes, at, (to.bytes[at] ?? 0) >= 0x80 && !Number.isNaN(value));
    to.length += 8;
  },
  (from) => {
    const at = take(from, 8, "number");
    const turned = Buffer.from(from.bytes.subarray(at, at + 8));
    turn(turned, 0, (turned[0] ?? 0) < 0x80);
    return turned.readDoubleBE(0);
  },
);

/** Turns the sign; of a negative number all bits, because the larger magnitude is the smaller number. */
function turn(bytes: Buffer, at: number, isNegative: boolean): void {
  if (isNegative) for (let each = at; each < at + 8; each++) bytes[each] = 0xff ^ bytes[each]!;
  else bytes[at] = 0x80 ^ bytes[at]!;
}

/** Milliseconds of a date. ARGUMENT_INVALID: an invalid one. */
export const date: Codec<Date> = selfDelimiting<Date>(
  "date",
  (value, to) => integer.write(value.getTime(), to),
  (from) => new Date(integer.readPart(from)),
);

export const boolean: Codec<boolean> = selfDelimiting<boolean>(
  "boolean",
  (value, to) => to.byte(value ? 1 : 0),
  (from) => {
    const byte = from.bytes[take(from, 1, "boolean")];
    if (byte !== 0 && byte !== 1) throw cannotDecode("boolean");
    return byte === 1;
  },
);

/** Whole numbers of any size: sign, length of the magnitude in four bytes, magnitude. */
export const bigint: Codec<bigint> = selfDelimiting<bigint>(
  "bigint",
  (value, to) => {
    const isNegative = value < 0n;
    const digits = value === 0n ? "" : (isNegative ? -value : value).toString(16);
    const magnitude = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, "hex");
    const mask = isNegative ? 0xff : 0;
    to.byte(isNegative ? 0 : 1);
    to.reserve(4 + magnitude.length);
    to.bytes.writeUInt32BE((isNegative ? ~magnitude.length : magnitude.length) >>> 0, to.length);
    to.length += 4;
    for (const byte of magnitude) to.bytes[to.length++] = mask ^ byte;
  },
  (from) => {
    const sign = from.bytes[take(from, 1, "bigint")];
    if (sign !== 0 && sign !== 1) throw cannotDecode("bigint");
    const written = from.bytes.readUInt32BE(take(from, 4, "bigint"));
    const length = sign === 0 ? ~written >>> 0 : written;
    const start = take(from, length, "bigint");
    const magnitude = Buffer.from(from.bytes.subarray(start, start + length));
    if (sign === 0) for (let at = 0; at < length; at++) magnitude[at] = 0xff ^ magnitude[at]!;
    const value = length === 0 ? 0n : BigInt(`0x${magnitude.toString("hex")}`);
    return sign === 0 ? -value : value;
  },
);
