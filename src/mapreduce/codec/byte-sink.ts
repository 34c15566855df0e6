/** Bytes that grow while something is encoded, and bytes that are read from their front. */

const SHORT_TEXT = 40;

/** What codecs write to. It is used again and again: what is kept must be copied. */
export class ByteSink {
  bytes: Buffer;
  length = 0;

  constructor(initialBytes = 256) {
    this.bytes = Buffer.allocUnsafeSlow(initialBytes);
  }

  clear(): this {
    this.length = 0;
    return this;
  }

  /** Makes room for so many bytes more. */
  reserve(more: number): void {
    const needed = this.length + more;
    if (needed <= this.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2));
    this.bytes.copy(grown, 0, 0, this.length);
    this.bytes = grown;
  }

  byte(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }

  raw(from: Uint8Array, start = 0, end: number = from.length): void {
    this.reserve(end - start);
    this.bytes.set(start === 0 && end === from.length ? from : from.subarray(start, end), this.length);
    this.length += end - start;
  }

  /** As UTF-8; gives the number of bytes. */
  text(value: string): number {
    const { length } = value;
    this.reserve(length * 3);
    if (length <= SHORT_TEXT) {
      // A call of native code takes longer than a short text that is ASCII.
      const { bytes, length: start } = this;
      let at = 0;
      for (; at < length; at++) {
        const code = value.charCodeAt(at);
        if (code >= 0x80) break;
        bytes[start + at] = code;
      }
      if (at === length) {
        this.length = start + length;
        return length;
      }
    }
    const written = this.bytes.write(value, this.length, "utf8");
    this.length += written;
    return written;
  }
}

/** What codecs read parts of a whole from. */
export interface ByteSource {
  readonly bytes: Buffer;
  at: number;
  readonly end: number;
}
