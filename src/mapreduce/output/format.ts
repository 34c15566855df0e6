/** What a record of the output looks like in its file. */
import { QuorateError } from "../../runtime/errors.ts";
import type { ByteSink } from "../codec/byte-sink.ts";

/** `A`: what `emit` takes. */
export interface OutputFormat<A extends readonly unknown[]> {
  readonly name: string;
  readonly compress: "none" | "gzip";
  /** Between key and value, where the format has both: their bytes may then go to the file as they are. */
  readonly separator: string | undefined;
  /** Appends one record. */
  write(to: ByteSink, ...record: A): void;
}

export interface OutputOptions {
  /** Default "none". */
  readonly compress?: "none" | "gzip";
}

/** What has a plain text. */
export type Printable = string | number | bigint | boolean | Date;

/** Lines. A line end inside a line would make two of one: ARGUMENT_INVALID. */
export function text(options: OutputOptions = {}): OutputFormat<[line: string]> {
  return {
    name: "text",
    compress: options.compress ?? "none",
    separator: undefined,
    write(to, line) {
      assertOneLine(line);
      to.text(line);
      to.byte(LINE_END);
    },
  };
}

/** One JSON text a line. */
export function json<T>(options: OutputOptions = {}): OutputFormat<[record: T]> {
  return {
    name: "json",
    compress: options.compress ?? "none",
    separator: undefined,
    write(to, record) {
      const encoded: string | undefined = JSON.stringify(record);
      if (encoded === undefined)
        throw new QuorateError("ARGUMENT_INVALID", "a record that JSON does not know");
      to.text(encoded);
      to.byte(LINE_END);
    },
  };
}

/** Lines of key, separator (default a tabulator) and value; dates in ISO 8601. */
export function keyValue(
  options: OutputOptions & { readonly separator?: string } = {},
): OutputFormat<[key: Printable, value: Printable]> {
  const { separator = "\t" } = options;
  return {
    name: "keyValue",
    compress: options.compress ?? "none",
    separator,
    write(to, key, value) {
      print(to, key);
      to.text(separator);
      print(to, value);
      to.byte(LINE_END);
    },
  };
}

/** Bytes, with nothing between records. */
export function binary(options: OutputOptions = {}): OutputFormat<[bytes: Uint8Array]> {
  return {
    name: "binary",
    compress: options.compress ?? "none",
    separator: undefined,
    write: (to, bytes) => to.raw(bytes),
  };
}

const LINE_END = 10;

function print(to: ByteSink, value: Printable): void {
  const printed = value instanceof Date ? value.toISOString() : String(value);
  if (typeof value === "string") assertOneLine(printed);
  to.text(printed);
}

function assertOneLine(line: string): void {
  if (line.includes("\n"))
    throw new QuorateError(
      "ARGUMENT_INVALID",
      `a line end inside a record of text: ${JSON.stringify(line.slice(0, 100))}`,
    );
}
