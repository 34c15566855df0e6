/**
 * Records that are no lines: `rawbytes` (each part as a length of four bytes and so many bytes) and `typedbytes` (each part as a
 * code and what the code says follows). Big-endian both.
 */
import { QuorateError } from "../../runtime/errors.ts";
import { doubleText } from "./java-text.ts";

const LENGTH_BYTES = 4;
/** A part is not kept in memory beyond this. */
const PART_MAX_BYTES = 64 * 1024 * 1024;
/** Lists in lists. */
const DEPTH_MAX = 64;

const CODE = {
  bytes: 0,
  byte: 1,
  flag: 2,
  integer: 3,
  long: 4,
  float: 5,
  double: 6,
  string: 7,
  vector: 8,
  list: 9,
  map: 10,
  end: 255,
} as const;
/** Bytes behind the code. */
const FIXED: Readonly<Record<number, number>> = {
  [CODE.byte]: 1,
  [CODE.flag]: 1,
  [CODE.integer]: 4,
  [CODE.long]: 8,
  [CODE.float]: 4,
  [CODE.double]: 8,
};

export function rawPart(bytes: Uint8Array): Buffer {
  const part = Buffer.allocUnsafe(LENGTH_BYTES + bytes.length);
  part.writeInt32BE(bytes.length);
  part.set(bytes, LENGTH_BYTES);
  return part;
}

export function typedString(bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(CODE.string), rawPart(bytes)]);
}

export function typedLong(value: number): Buffer {
  const part = Buffer.allocUnsafe(9);
  part[0] = CODE.long;
  part.writeBigInt64BE(BigInt(value), 1);
  return part;
}

/** Where the part that begins at `start` ends; undefined: not all of it is there yet. Throws PROTOCOL. */
export type FindEnd = (bytes: Buffer, start: number) => number | undefined;

export const rawEnd: FindEnd = (bytes, start) => {
  if (start + LENGTH_BYTES > bytes.length) return undefined;
  const length = bytes.readInt32BE(start);
  if (length < 0 || length > PART_MAX_BYTES) throw broken(`a part of ${length} bytes`);
  const end = start + LENGTH_BYTES + length;
  return end <= bytes.length ? end : undefined;
};

export const typedEnd: FindEnd = (bytes, start) => endOf(bytes, start, 0);

function endOf(bytes: Buffer, start: number, depth: number): number | undefined {
  if (depth > DEPTH_MAX) throw broken(`lists in lists deeper than ${DEPTH_MAX}`);
  const code = bytes[start];
  if (code === undefined) return undefined;
  const fixed = FIXED[code];
  if (fixed !== undefined) return start + 1 + fixed <= bytes.length ? start + 1 + fixed : undefined;
  if (code === CODE.bytes || code === CODE.string || (code >= 50 && code <= 200))
    return rawEnd(bytes, start + 1);
  if (code === CODE.vector || code === CODE.map) {
    if (start + 1 + LENGTH_BYTES > bytes.length) return undefined;
    const items = bytes.readInt32BE(start + 1) * (code === CODE.map ? 2 : 1);
    let at: number | undefined = start + 1 + LENGTH_BYTES;
    for (let item = 0; item < items && at !== undefined; item++) at = endOf(bytes, at, depth + 1);
    return at;
  }
  if (code === CODE.list) {
    let at: number | undefined = start + 1;
    while (at !== undefined && at < bytes.length && bytes[at] !== CODE.end) at = endOf(bytes, at, depth + 1);
    return at === undefined || at >= bytes.length ? undefined : at + 1;
  }
  throw broken(`there is no type ${code}`);
}

/** A typed part as Java prints it, for files of text. */
export function typedText(bytes: Buffer, start: number): string {
  return printed(bytes, start).text;
}

function printed(bytes: Buffer, start: number): { readonly text: string; readonly end: number } {
  const end = typedEnd(bytes, start);
  if (end === undefined) throw broken("a part that is cut off");
  const at = start + 1;
  switch (bytes[start]) {
    case CODE.byte:
      return { text: String(bytes.readInt8(at)), end };
    case CODE.flag:
      return { text: String(bytes[at] !== 0), end };
    case CODE.integer:
      return { text: String(bytes.readInt32BE(at)), end };
    case CODE.long:
      return { text: String(bytes.readBigInt64BE(at)), end };
    case CODE.float:
      return { text: floatText(bytes.readFloatBE(at)), end };
    case CODE.double:
      return { text: doubleText(bytes.readDoubleBE(at)), end };
    case CODE.string:
      return { text: bytes.toString("utf8", at + LENGTH_BYTES, end), end };
    case CODE.vector:
      return { text: `[${itemsOf(bytes, at + LENGTH_BYTES, end).join(", ")}]`, end };
    case CODE.list:
      return { text: `[${itemsOf(bytes, at, end - 1).join(", ")}]`, end };
    case CODE.map: {
      const items = itemsOf(bytes, at + LENGTH_BYTES, end);
      const pairs = items.flatMap((item, index) =>
        index % 2 === 0 ? [`${item}=${items[index + 1] ?? ""}`] : [],
      );
      return { text: `{${pairs.join(", ")}}`, end };
    }
    default:
      return { text: hexText(bytes.subarray(at + LENGTH_BYTES, end)), end };
  }
}

function itemsOf(bytes: Buffer, start: number, end: number): readonly string[] {
  const items: string[] = [];
  for (let at = start; at < end;) {
    const item = printed(bytes, at);
    items.push(item.text);
    at = item.end;
  }
  return items;
}

/** The shortest digits that mean the same float, written as Java writes doubles. */
function floatText(value: number): string {
  for (let digits = 1; digits < 10; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return doubleText(short);
  }
  return doubleText(value);
}

/** As Hadoop prints bytes: two digits each, with blanks between. */
export function hexText(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

/** Calls back with key and value of each record in a stream of parts. */
export class PartSplitter {
  private readonly findEnd: FindEnd;
  private readonly take: (key: Buffer, value: Buffer) => void;
  private rest: Buffer = Buffer.alloc(0);

  constructor(findEnd: FindEnd, take: (key: Buffer, value: Buffer) => void) {
    this.findEnd = findEnd;
    this.take = take;
  }

  /** The parts are whole, with their codes and lengths. Throws PROTOCOL, TOO_LARGE. */
  push(chunk: Buffer): void {
    const bytes = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    let at = 0;
    for (;;) {
      const middle = this.findEnd(bytes, at);
      const end = middle === undefined ? undefined : this.findEnd(bytes, middle);
      if (middle === undefined || end === undefined) break;
      this.take(bytes.subarray(at, middle), bytes.subarray(middle, end));
      at = end;
    }
    this.rest = Buffer.from(bytes.subarray(at));
    if (this.rest.length > 2 * PART_MAX_BYTES)
      throw new QuorateError("TOO_LARGE", `a record of more than ${2 * PART_MAX_BYTES} bytes`);
  }

  /** Throws PROTOCOL when a record is cut off. */
  end(): void {
    if (this.rest.length > 0) throw broken(`a record that is cut off after ${this.rest.length} bytes`);
  }
}

function broken(what: string): QuorateError {
  return new QuorateError("PROTOCOL", `the executable's output is not in its -io format: ${what}`);
}
