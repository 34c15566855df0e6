/**
 * CRC-32 (the polynomial of zlib, gzip and PNG; ISO 3309) and CRC-32C (Castagnoli's; RFC 3720, and HDFS) in plain
 * JavaScript, eight bytes at a time.
 *
 * `crc32` gives exactly what `zlib.crc32` gives, so a file written with one can be read with the other: rooms that run in
 * Node.js inject the native one, which is several times faster on large buffers.
 */

/** Continues from `seed`: `checksum(b, checksum(a))` is the checksum of a followed by b. An unsigned 32-bit integer. */
export type Checksum = (bytes: Uint8Array, seed?: number) => number;

const TABLES = makeTables(0xedb8_8320);
const CASTAGNOLI = makeTables(0x82f6_3b78);
/** The same memory: a load gives a small integer, not a number that may need 33 bits. */
const SIGNED_CASTAGNOLI = new Int32Array(CASTAGNOLI.buffer);
const LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

/** `TABLES[k * 256 + b]`: what byte `b` contributes when `k` more bytes follow it in the same step of eight. */
function makeTables(polynomial: number): Uint32Array {
  const tables = new Uint32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ polynomial;
    tables[byte] = crc;
  }
  for (let at = 256; at < tables.length; at++) {
    const before = tables[at - 256] ?? 0;
    tables[at] = (before >>> 8) ^ (tables[before & 0xff] ?? 0);
  }
  return tables;
}

export function crc32(bytes: Uint8Array, seed = 0): number {
  return checksum(TABLES, bytes, seed);
}

/** What blocks of files are guarded with. Test value: "123456789" gives 0xe3069283. */
export function crc32c(bytes: Uint8Array, seed = 0): number {
  return checksum(CASTAGNOLI, bytes, seed);
}

/**
 * CRC-32Cs of pieces of `pieceBytes` each, one after the other (the last may be shorter), written big-endian into `sums`:
 * how HDFS lays them out. Two pieces at a time, because the steps of one wait for each other.
 */
export function crc32cPieces(
  bytes: Uint8Array,
  from: number,
  to: number,
  pieceBytes: number,
  sums: Uint8Array,
  sumsFrom: number,
): void {
  const tables = CASTAGNOLI;
  const isAligned = (bytes.byteOffset + from) % 4 === 0 && pieceBytes % 8 === 0 && LITTLE_ENDIAN;
  const pairs = isAligned ? Math.floor((to - from) / (2 * pieceBytes)) : 0;
  if (pairs > 0) pairsByWords(bytes, from, pairs, pieceBytes, sums, sumsFrom);
  let at = from + pairs * 2 * pieceBytes;
  let out = sumsFrom + pairs * 8;
  const stride = 2 * pieceBytes;
  if (pieceBytes % 8 === 0) {
    for (; at + stride <= to; at += stride) {
      let one = -1;
      let two = -1;
      const end = at + pieceBytes;
      for (let i = at, j = end; i < end; i += 8, j += 8) {
        one ^= bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
        two ^= bytes[j]! | (bytes[j + 1]! << 8) | (bytes[j + 2]! << 16) | (bytes[j + 3]! << 24);
        one =
          tables[1792 + (one & 0xff)]! ^
          tables[1536 + ((one >>> 8) & 0xff)]! ^
          tables[1280 + ((one >>> 16) & 0xff)]! ^
          tables[1024 + (one >>> 24)]! ^
          tables[768 + bytes[i + 4]!]! ^
          tables[512 + bytes[i + 5]!]! ^
          tables[256 + bytes[i + 6]!]! ^
          tables[bytes[i + 7]!]!;
        two =
          tables[1792 + (two & 0xff)]! ^
          tables[1536 + ((two >>> 8) & 0xff)]! ^
          tables[1280 + ((two >>> 16) & 0xff)]! ^
          tables[1024 + (two >>> 24)]! ^
          tables[768 + bytes[j + 4]!]! ^
          tables[512 + bytes[j + 5]!]! ^
          tables[256 + bytes[j + 6]!]! ^
          tables[bytes[j + 7]!]!;
      }
      putBigEndian(sums, out, ~one);
      putBigEndian(sums, out + 4, ~two);
      out += 8;
    }
  }
  for (; at < to; at += pieceBytes, out += 4) {
    putBigEndian(sums, out, checksum(tables, bytes.subarray(at, Math.min(to, at + pieceBytes)), 0));
  }
}

/** As above, four bytes in one load, where the memory lies so. */
function pairsByWords(
  bytes: Uint8Array,
  from: number,
  pairs: number,
  pieceBytes: number,
  sums: Uint8Array,
  sumsFrom: number,
): void {
  const tables = SIGNED_CASTAGNOLI;
  const pieceWords = pieceBytes / 4;
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + from, pairs * 2 * pieceWords);
  for (let pair = 0; pair < pairs; pair++) {
    const at = pair * 2 * pieceWords;
    const end = at + pieceWords;
    let one = -1;
    let two = -1;
    for (let i = at, j = end; i < end; i += 2, j += 2) {
      one ^= words[i]!;
      two ^= words[j]!;
      const oneHigh = words[i + 1]!;
      const twoHigh = words[j + 1]!;
      one =
        tables[1792 + (one & 0xff)]! ^
        tables[1536 + ((one >>> 8) & 0xff)]! ^
        tables[1280 + ((one >>> 16) & 0xff)]! ^
        tables[1024 + (one >>> 24)]! ^
        tables[768 + (oneHigh & 0xff)]! ^
        tables[512 + ((oneHigh >>> 8) & 0xff)]! ^
        tables[256 + ((oneHigh >>> 16) & 0xff)]! ^
        tables[oneHigh >>> 24]!;
      two =
        tables[1792 + (two & 0xff)]! ^
        tables[1536 + ((two >>> 8) & 0xff)]! ^
        tables[1280 + ((two >>> 16) & 0xff)]! ^
        tables[1024 + (two >>> 24)]! ^
        tables[768 + (twoHigh & 0xff)]! ^
        tables[512 + ((twoHigh >>> 8) & 0xff)]! ^
        tables[256 + ((twoHigh >>> 16) & 0xff)]! ^
        tables[twoHigh >>> 24]!;
    }
    putBigEndian(sums, sumsFrom + 8 * pair, ~one);
    putBigEndian(sums, sumsFrom + 8 * pair + 4, ~two);
  }
}

function putBigEndian(target: Uint8Array, at: number, value: number): void {
  target[at] = value >>> 24;
  target[at + 1] = (value >>> 16) & 0xff;
  target[at + 2] = (value >>> 8) & 0xff;
  target[at + 3] = value & 0xff;
}

function checksum(tables: Uint32Array, bytes: Uint8Array, seed: number): number {
  const whole = bytes.length - (bytes.length % 8);
  let crc = ~seed;
  let at = 0;
  // The `!` are for speed: every index is below the length by construction.
  for (; at < whole; at += 8) {
    crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    crc =
      tables[1792 + (crc & 0xff)]! ^
      tables[1536 + ((crc >>> 8) & 0xff)]! ^
      tables[1280 + ((crc >>> 16) & 0xff)]! ^
      tables[1024 + (crc >>> 24)]! ^
      tables[768 + bytes[at + 4]!]! ^
      tables[512 + bytes[at + 5]!]! ^
      tables[256 + bytes[at + 6]!]! ^
      tables[bytes[at + 7]!]!;
  }
  for (; at < bytes.length; at++) crc = (crc >>> 8) ^ tables[(crc ^ bytes[at]!) & 0xff]!;
  return ~crc >>> 0;
}
