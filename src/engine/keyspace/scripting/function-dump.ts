/**
 * The payload of FUNCTION DUMP: Redis's RDB encoding of libraries (version 10), so that it can be carried to and from a
 * Redis server. Each library is opcode 245 and a string; a version and a CRC-64 (Jones) close the payload.
 */
import { ReplyError } from "../reply.ts";

const FUNCTION_OPCODE = 245;
const RDB_VERSION = 10;
const FOOTER_BYTES = 10;
const POLYNOMIAL = 0x95ac_9329_ac4b_c9b5n;
const MAX_LIBRARY_BYTES = 64 * 1024 * 1024;

const BAD_PAYLOAD: ReplyError = new ReplyError("ERR DUMP payload version or checksum are wrong");
const BAD_CONTENT: ReplyError = new ReplyError("ERR failed loading the given functions payload");

export function dumpLibraries(bodies: readonly string[]): string {
  const libraries = bodies.map(
    (body) => String.fromCharCode(FUNCTION_OPCODE) + encodeLength(body.length) + body,
  );
  const payload = `${libraries.join("")}${String.fromCharCode(RDB_VERSION, 0)}`;
  return payload + littleEndian(crc64(payload));
}

/** The libraries' bodies. Throws ReplyError. */
export function readDump(payload: string): readonly string[] {
  const contentEnd = payload.length - FOOTER_BYTES;
  if (contentEnd < 0) throw BAD_PAYLOAD;
  const version = payload.charCodeAt(contentEnd) | (payload.charCodeAt(contentEnd + 1) << 8);
  if (version > RDB_VERSION) throw BAD_PAYLOAD;
  if (littleEndian(crc64(payload.slice(0, contentEnd + 2))) !== payload.slice(contentEnd + 2))
    throw BAD_PAYLOAD;
  const bodies: string[] = [];
  const reader = new RdbReader(payload, contentEnd);
  while (!reader.atEnd) {
    if (reader.byte() !== FUNCTION_OPCODE) {
      throw new ReplyError("ERR given type is not a function");
    }
    bodies.push(reader.string());
  }
  return bodies;
}

/** 6, 14 or 32 bits, big-endian, the form in the two top bits. */
function encodeLength(length: number): string {
  if (length < 1 << 6) return String.fromCharCode(length);
  if (length < 1 << 14) return String.fromCharCode(0x40 | (length >> 8), length & 0xff);
  return String.fromCharCode(0x80, length >>> 24, (length >> 16) & 0xff, (length >> 8) & 0xff, length & 0xff);
}

class RdbReader {
  private at = 0;
  private readonly text: string;
  private readonly end: number;

  constructor(text: string, end: number) {
    this.text = text;
    this.end = end;
  }

  get atEnd(): boolean {
    return this.at === this.end;
  }

  byte(): number {
    if (this.at >= this.end) throw BAD_CONTENT;
    return this.text.charCodeAt(this.at++);
  }

  string(): string {
    const first = this.byte();
    if (first !== 0xc3) return this.take(this.length(first));
    // Compressed by LZF: both lengths, then the bytes.
    const compressed = this.length(this.byte());
    const length = this.length(this.byte());
    return decompress(this.take(compressed), length);
  }

  private length(first: number): number {
    if (first < 0x40) return first;
    if (first < 0x80) return ((first & 0x3f) << 8) | this.byte();
    if (first !== 0x80) throw BAD_CONTENT;
    let length = 0;
    for (let i = 0; i < 4; i++) length = length * 256 + this.byte();
    return length;
  }

  private take(length: number): string {
    if (this.end - this.at < length) throw BAD_CONTENT;
    this.at += length;
    return this.text.slice(this.at - length, this.at);
  }
}

/** LZF (liblzf's format): literal runs, and copies from up to 8 KiB back. */
function decompress(text: string, length: number): string {
  if (length > MAX_LIBRARY_BYTES) throw BAD_CONTENT;
  const out = new Uint8Array(length);
  let filled = 0;
  let at = 0;
  const next = (): number => {
    if (at >= text.length) throw BAD_CONTENT;
    return text.charCodeAt(at++);
  };
  while (at < text.length) {
    const control = next();
    let count = control < 32 ? control + 1 : control >> 5;
    if (control < 32) {
      if (filled + count > length) throw BAD_CONTENT;
      while (count-- > 0) out[filled++] = next();
      continue;
    }
    if (count === 7) count += next();
    count += 2;
    const from = filled - (((control & 0x1f) << 8) | next()) - 1;
    if (from < 0 || filled + count > length) throw BAD_CONTENT;
    for (let i = 0; i < count; i++) out[filled++] = out[from + i]!;
  }
  if (filled !== length) throw BAD_CONTENT;
  let result = "";
  for (let i = 0; i < length; i += 4096) result += String.fromCharCode(...out.subarray(i, i + 4096));
  return result;
}

/** CRC-64/REDIS: Jones's polynomial, reflected, starting from 0. */
function crc64(text: string): bigint {
  let crc = 0n;
  for (let i = 0; i < text.length; i++) {
    crc = CRC_TABLE[Number((crc ^ BigInt(text.charCodeAt(i))) & 0xffn)]! ^ (crc >> 8n);
  }
  return crc;
}

const CRC_TABLE: readonly bigint[] = Array.from({ length: 256 }, (_, index) => {
  let crc = BigInt(index);
  for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? (crc >> 1n) ^ POLYNOMIAL : crc >> 1n;
  return crc;
});

function littleEndian(value: bigint): string {
  let text = "";
  for (let i = 0n; i < 8n; i++) text += String.fromCharCode(Number((value >> (8n * i)) & 0xffn));
  return text;
}
