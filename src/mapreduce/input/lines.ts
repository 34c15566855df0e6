/** Formats whose records are lines: "\n" or "\r\n" ends them, and the last one needs no end. */
import { QuorateError } from "../../runtime/errors.ts";
import type { InputFormat, RecordPlace } from "./format.ts";
import { RECORD_MAX_BYTES } from "./format.ts";

export interface LineOptions {
  /** Longest line, bytes. A longer one fails the attempt with TOO_LARGE. Default 8 MiB. */
  readonly maxBytes?: number;
}

function linesOf(
  maxBytes: number = RECORD_MAX_BYTES,
  header = false,
  quoted = false,
): InputFormat<never>["framing"] {
  return { type: "lines", maxBytes, header, quoted };
}

/** Each line is a text. */
export function textLines(options: LineOptions = {}): InputFormat<string> {
  return { name: "textLines", framing: linesOf(options.maxBytes), parse: decode };
}

function decode(bytes: Buffer, start: number, end: number, place: RecordPlace): string {
  return bytes.toString(place.isAscii ? "latin1" : "utf8", start, end);
}

/** Each line is a JSON text; empty ones are left out. What does not parse is a bad record. */
export function jsonLines<T>(
  options: LineOptions & {
    /** Gives the value its type, and throws on what has not got it. Default: believed. */
    readonly check?: (value: unknown) => T;
  } = {},
): InputFormat<T> {
  const { check = (value: unknown) => value as T } = options;
  return {
    name: "jsonLines",
    framing: linesOf(options.maxBytes),
    parse(bytes, start, end, place) {
      const text = decode(bytes, start, end, place);
      return text.trim() === "" ? undefined : check(JSON.parse(text));
    },
  };
}

export interface KeyValueLine {
  readonly key: string;
  readonly value: string;
}

/** Each line is a key, a separator and a value; a line without a separator is all key. */
export function keyValueLines(
  options: LineOptions & {
    /** Default a tabulator. */
    readonly separator?: string;
  } = {},
): InputFormat<KeyValueLine> {
  const { separator = "\t" } = options;
  if (separator === "")
    throw new QuorateError("ARGUMENT_INVALID", "the separator of key-value lines is empty");
  return {
    name: "keyValueLines",
    framing: linesOf(options.maxBytes),
    parse(bytes, start, end, place) {
      const text = decode(bytes, start, end, place);
      const at = text.indexOf(separator);
      return at < 0
        ? { key: text, value: "" }
        : { key: text.slice(0, at), value: text.slice(at + separator.length) };
    },
  };
}

export { linesOf as lineFraming, decode as decodeLine };
