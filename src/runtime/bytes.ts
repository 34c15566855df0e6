/**
 * Bytes: the byte buffer of the pure rooms.
 *
 * It is Node.js's Buffer seen through the few methods that are pure data handling (no I/O, no clock). The pure rooms are
 * compiled without Node's types, so this file names what they may use; at run time it is Buffer itself, whose native
 * latin1 conversion is several times faster than any loop in JavaScript.
 *
 * Keys, values and command arguments are *binary strings*: JavaScript strings in which each character is one byte
 * (latin1). They cost a third of the memory of Buffers in a Map and compare, hash and concatenate natively.
 */
export interface Bytes extends Uint8Array<ArrayBuffer> {
  toString(encoding?: "latin1" | "utf8" | "hex", start?: number, end?: number): string;
  write(text: string, offset: number, encoding: "latin1" | "utf8"): number;
  subarray(start?: number, end?: number): Bytes;
  equals(other: Uint8Array): boolean;
  copy(target: Uint8Array, targetStart?: number, sourceStart?: number, sourceEnd?: number): number;
  readUInt8(offset: number): number;
  readUInt16LE(offset: number): number;
  readUInt32LE(offset: number): number;
  readInt32LE(offset: number): number;
  readDoubleLE(offset: number): number;
  writeUInt8(value: number, offset: number): number;
  writeUInt16LE(value: number, offset: number): number;
  writeUInt32LE(value: number, offset: number): number;
  writeInt32LE(value: number, offset: number): number;
  writeDoubleLE(value: number, offset: number): number;
}

interface BytesConstructor {
  readonly prototype: { readonly latin1Slice?: (start: number, end: number) => string };
  alloc(size: number): Bytes;
  allocUnsafe(size: number): Bytes;
  allocUnsafeSlow(size: number): Bytes;
  from(text: string, encoding: "latin1" | "utf8" | "hex"): Bytes;
  from(bytes: ArrayLike<number>): Bytes;
  from(buffer: ArrayBuffer, byteOffset: number, length: number): Bytes;
  concat(list: readonly Uint8Array[], totalLength?: number): Bytes;
  byteLength(text: string, encoding: "latin1" | "utf8"): number;
  compare(left: Uint8Array, right: Uint8Array): number;
}

const buffer = (globalThis as unknown as { Buffer: BytesConstructor }).Buffer;

/** What `toString("latin1")` ends in. Looked up once: buffers come in so many shapes that each call would look for it. */
const { latin1Slice } = buffer.prototype;

/** An empty buffer, shared. */
export const NO_BYTES: Bytes = buffer.alloc(0);

/** A zero-filled buffer of `size` bytes. */
export function zeroBytes(size: number): Bytes {
  return buffer.alloc(size);
}

/** An uninitialised buffer of `size` bytes; small ones are cut from a shared pool and must not be kept for long. */
export function allocateBytes(size: number): Bytes {
  return buffer.allocUnsafe(size);
}

/** An uninitialised buffer of `size` bytes with memory of its own: for what is kept (log entries, snapshot chunks). */
export function allocateOwnedBytes(size: number): Bytes {
  return buffer.allocUnsafeSlow(size);
}

/** A copy that owns its memory, so that keeping it does not pin the pooled chunk that it was cut from. */
export function copyBytes(bytes: Uint8Array): Bytes {
  const copy = buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return copy;
}

/** The bytes of a binary string (each character one byte). */
export function bytesFromLatin1(text: string): Bytes {
  return buffer.from(text, "latin1");
}

/** The binary string of `bytes[from, to)`: as `toString("latin1", from, to)`, quicker for the short ones of which there are many. */
export function binaryStringOf(bytes: Bytes, from: number, to: number): string {
  return latin1Slice === undefined ? bytes.toString("latin1", from, to) : latin1Slice.call(bytes, from, to);
}

/** The UTF-8 bytes of a text. */
export function bytesFromUtf8(text: string): Bytes {
  return buffer.from(text, "utf8");
}

/** Joins buffers into one. */
export function concatBytes(list: readonly Uint8Array[], totalLength?: number): Bytes {
  return buffer.concat(list, totalLength);
}

/** A Uint8Array seen as Bytes, without a copy. */
export function viewBytes(array: Uint8Array<ArrayBuffer>): Bytes {
  return buffer.from(array.buffer, array.byteOffset, array.byteLength);
}

/** A text as a binary string of its UTF-8 bytes: how a JavaScript text becomes a key or an argument. */
export function binaryStringFromUtf8(text: string): string {
  return buffer.from(text, "utf8").toString("latin1");
}
