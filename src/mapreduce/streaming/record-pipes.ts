/** Records onto a pipe and off it, in each of the formats. */
import { findKeyEnd } from "./key-split.ts";
import type { KeyRule } from "./key-split.ts";
import { LineSplitter } from "./lines.ts";
import type { PipeFormat } from "./settings.ts";
import { hexText, PartSplitter, rawEnd, rawPart, typedEnd, typedText } from "./typed-bytes.ts";

/** Takes a record that an executable wrote; key and value may lie in one buffer. Ends are exclusive. */
export type TakePair = (
  key: Buffer,
  keyStart: number,
  keyEnd: number,
  value: Buffer,
  valueStart: number,
  valueEnd: number,
) => void;

export interface PairReader {
  push(chunk: Buffer): void;
  /** Takes what is left. */
  end(): void;
}

const EMPTY = Buffer.alloc(0);
const NEWLINE = Buffer.of(10);

export function pairReader(format: PipeFormat, rule: KeyRule, take: TakePair): PairReader {
  switch (format) {
    case "text":
      return new LineSplitter((bytes, start, end) => {
        const keyEnd = findKeyEnd(bytes, start, end, rule);
        if (keyEnd < 0) take(bytes, start, end, EMPTY, 0, 0);
        else take(bytes, start, keyEnd, bytes, keyEnd + rule.separator.length, end);
      });
    case "rawbytes":
      // The lengths belong to the pipe, not to the record.
      return new PartSplitter(rawEnd, (key, value) => take(key, 4, key.length, value, 4, value.length));
    case "typedbytes":
      return new PartSplitter(typedEnd, (key, value) => take(key, 0, key.length, value, 0, value.length));
  }
}

/** Gives pieces of a record to an executable. */
export type Put = (bytes: Uint8Array, start: number, end: number) => void;

/** `keyStart` to `keyEnd` and so on, in one buffer; a key that is not to be given has an undefined separator. */
export function putPair(
  format: PipeFormat,
  separator: Buffer | undefined,
  pair: Readonly<{
    key: Buffer;
    keyStart: number;
    keyEnd: number;
    value: Buffer;
    valueStart: number;
    valueEnd: number;
  }>,
  put: Put,
): void {
  const { key, keyStart, keyEnd, value, valueStart, valueEnd } = pair;
  switch (format) {
    case "text":
      if (separator !== undefined) {
        put(key, keyStart, keyEnd);
        put(separator, 0, separator.length);
      }
      put(value, valueStart, valueEnd);
      put(NEWLINE, 0, 1);
      return;
    case "rawbytes":
      putAll(put, rawPart(key.subarray(keyStart, keyEnd)), rawPart(value.subarray(valueStart, valueEnd)));
      return;
    case "typedbytes":
      put(key, keyStart, keyEnd);
      put(value, valueStart, valueEnd);
  }
}

function putAll(put: Put, ...parts: readonly Buffer[]): void {
  for (const part of parts) put(part, 0, part.length);
}

/** A part of a record as a file of text has it: Hadoop prints bytes as digits, and typed ones as Java prints their values. */
export function printedPart(format: PipeFormat, bytes: Buffer, start: number, end: number): Buffer {
  switch (format) {
    case "text":
      return bytes.subarray(start, end);
    case "rawbytes":
      return Buffer.from(hexText(bytes.subarray(start, end)));
    case "typedbytes":
      return start === end ? EMPTY : Buffer.from(typedText(bytes, start));
  }
}
