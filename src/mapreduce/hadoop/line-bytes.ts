/**
 * Any bytes as part of a line of Hadoop Streaming: without line ends and tabs, and in an order (that of bytes) which is that of
 * what they stand for. Bytes up to 0x0e, which are rare in texts, become two.
 */
import type { ByteSink } from "../codec/byte-sink.ts";

const MARK = 0x0e;
/** Added to a byte behind the mark: what comes out is above all marks, and no line end. */
const SHIFT = 0x10;

export function escapeBytes(bytes: Uint8Array, start: number, end: number, to: ByteSink): void {
  to.reserve(2 * (end - start));
  for (let at = start; at < end; at++) {
    const byte = bytes[at] ?? 0;
    if (byte > MARK) to.byte(byte);
    else {
      to.byte(MARK);
      to.byte(byte + SHIFT);
    }
  }
}

export function unescapeBytes(bytes: Uint8Array, start: number, end: number, to: ByteSink): void {
  to.reserve(end - start);
  for (let at = start; at < end; at++) {
    const byte = bytes[at] ?? 0;
    to.byte(byte === MARK ? (bytes[++at] ?? 0) - SHIFT : byte);
  }
}
