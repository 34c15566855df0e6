/**
 * Frames on a TCP stream between two nodes: length and CRC-32 (u32 each, little-endian), then the payload. A frame of
 * length 0 is a sign of life and not delivered. The checksum catches what TCP's own 16 bits let through.
 *
 * Of a frame whose end has checksums of its own, the highest bit of the length is set. It begins with the number of payload
 * bytes (u32) that the CRC-32 covers, besides this number and the length.
 */
import { crc32 } from "node:zlib";
import { QuorateError } from "../errors.ts";

export const FRAME_HEADER_BYTES = 8;

const IS_PARTLY_GUARDED = 0x8000_0000;
const COVERED_BYTES = 4;

/** `parts` as one frame; the checksum covers the first `guardedParts` of them. */
export function framed(
  parts: readonly Uint8Array[],
  guardedParts: number = parts.length,
): readonly Uint8Array[] {
  const header = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
  if (guardedParts >= parts.length) {
    header.writeUInt32LE(lengthOf(parts), 0);
    header.writeUInt32LE(checksumOf(parts, 0), 4);
    return [header, ...parts];
  }
  const guarded = parts.slice(0, guardedParts);
  const covered = Buffer.allocUnsafe(COVERED_BYTES);
  covered.writeUInt32LE(lengthOf(guarded), 0);
  header.writeUInt32LE(IS_PARTLY_GUARDED + COVERED_BYTES + lengthOf(parts), 0);
  header.writeUInt32LE(checksumOf([covered, ...guarded], crc32(header.subarray(0, 4))), 4);
  return [header, covered, ...parts];
}

function lengthOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}

function checksumOf(parts: readonly Uint8Array[], seed: number): number {
  let checksum = seed;
  // For an empty buffer without memory of its own, zlib gives its initial value instead of the seed.
  for (const part of parts) if (part.length > 0) checksum = crc32(part, checksum);
  return checksum;
}

/** So much of a frame that is still to come is worth a read of its own: what follows the frame needs another. */
const DIRECT_BYTES = 16 * 1024;
/** Where everything else is read, of all streams: a read is over before the next one begins. */
const shared = Buffer.allocUnsafeSlow(64 * 1024);

/**
 * Cuts a stream into frames. Each has memory of its own. The end of a large one is read to where it belongs; what is small is
 * read together with what follows it, and copied out.
 */
export class FrameReader {
  /** Frames longer than this are refused; raised once the peer has shown who it is. */
  maxBytes: number;
  private readonly preamble: Buffer;
  private readonly receive: (frame: Buffer) => void;
  private readonly header: Buffer = Buffer.allocUnsafeSlow(FRAME_HEADER_BYTES);
  private preambleSeen = 0;
  private headerSeen = 0;
  private body: Buffer | undefined;
  private bodySeen = 0;
  private stopped = false;

  /** `preamble`: what the stream must begin with. `receive` may call `stop`. */
  constructor(preamble: Buffer, maxBytes: number, receive: (frame: Buffer) => void) {
    this.preamble = preamble;
    this.maxBytes = maxBytes;
    this.receive = receive;
  }

  /** True when a part of a frame has come. */
  get insideFrame(): boolean {
    return this.body !== undefined;
  }

  /** Nothing is delivered from now on. */
  stop(): void {
    this.stopped = true;
    this.body = undefined;
  }

  /** Where the next bytes of the stream are to be put: `took` must follow before another reader is asked. */
  room(): Buffer {
    const { body, bodySeen } = this;
    return body !== undefined && body.length - bodySeen >= DIRECT_BYTES ? body.subarray(bodySeen) : shared;
  }

  /** So many bytes have been put there. Throws as `push`. */
  took(room: Uint8Array, length: number): void {
    if (room === shared) this.push(shared.subarray(0, length));
    else if (this.body !== undefined) this.filled(this.body, length);
  }

  /** The next bytes, which may be changed afterwards. Throws PROTOCOL when they are not what a peer sends. */
  push(chunk: Buffer): void {
    let at = this.skipPreamble(chunk);
    while (!this.stopped && at < chunk.length) {
      if (this.body) at = this.fillBody(chunk, at, this.body);
      else if (this.headerSeen === 0 && chunk.length - at >= FRAME_HEADER_BYTES)
        at = this.startFrame(chunk, at);
      else at = this.fillHeader(chunk, at);
    }
  }

  private skipPreamble(chunk: Buffer): number {
    let at = 0;
    while (this.preambleSeen < this.preamble.length && at < chunk.length) {
      if (chunk[at++] !== this.preamble[this.preambleSeen++]) {
        throw new QuorateError("PROTOCOL", "the other side does not speak the peer protocol");
      }
    }
    return at;
  }

  private fillHeader(chunk: Buffer, at: number): number {
    const taken = chunk.copy(this.header, this.headerSeen, at);
    this.headerSeen += taken;
    if (this.headerSeen === FRAME_HEADER_BYTES) this.openBody(this.lengthFrom(this.header));
    return at + taken;
  }

  /** The common case: the whole header is in this chunk, and perhaps the whole frame. */
  private startFrame(chunk: Buffer, at: number): number {
    const start = at + FRAME_HEADER_BYTES;
    const header = chunk.subarray(at, start);
    const length = this.lengthFrom(header);
    const end = start + length;
    if (end > chunk.length) {
      header.copy(this.header);
      this.openBody(length);
      return start;
    }
    if (length > 0) this.deliver(ownCopy(chunk.subarray(start, end)), header);
    return end;
  }

  private openBody(length: number): void {
    this.headerSeen = 0;
    if (length === 0) return;
    this.headerSeen = FRAME_HEADER_BYTES;
    // What is large stands at the end of a frame: so that it is read in words, the end is at a multiple of eight.
    const before = -length & 7;
    this.body = Buffer.allocUnsafeSlow(before + length).subarray(before);
    this.bodySeen = 0;
  }

  private fillBody(chunk: Buffer, at: number, body: Buffer): number {
    const taken = chunk.copy(body, this.bodySeen, at);
    this.filled(body, taken);
    return at + taken;
  }

  private filled(body: Buffer, bytes: number): void {
    this.bodySeen += bytes;
    if (this.bodySeen < body.length) return;
    this.body = undefined;
    this.headerSeen = 0;
    this.deliver(body, this.header);
  }

  private lengthFrom(header: Buffer): number {
    const length = header.readUInt32LE(0) & ~IS_PARTLY_GUARDED;
    if (length > this.maxBytes + COVERED_BYTES) {
      throw new QuorateError("PROTOCOL", `a frame of ${length} bytes is above the limit of ${this.maxBytes}`);
    }
    return length;
  }

  private deliver(frame: Buffer, header: Buffer): void {
    const isPartlyGuarded = header.readUInt32LE(0) >= IS_PARTLY_GUARDED;
    if (!isPartlyGuarded) {
      check(crc32(frame) === header.readUInt32LE(4));
      this.receive(frame);
      return;
    }
    check(frame.length > COVERED_BYTES);
    const end = COVERED_BYTES + frame.readUInt32LE(0);
    check(end <= frame.length);
    check(crc32(frame.subarray(0, end), crc32(header.subarray(0, 4))) === header.readUInt32LE(4));
    this.receive(frame.subarray(COVERED_BYTES));
  }
}

function check(isWhole: boolean): void {
  if (!isWhole) throw new QuorateError("PROTOCOL", "a frame failed its checksum");
}

function ownCopy(view: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(view.length);
  view.copy(copy);
  return copy;
}
