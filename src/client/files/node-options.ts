/**
 * What `node:fs/promises` takes besides: options that programs written for it bring along. Each is done, or refused with
 * ARGUMENT_INVALID: one that was passed over in silence would do something else than it says.
 */
import { QuorateError } from "../../runtime/errors.ts";
import type { Content } from "./content.ts";
import type { ReadOptions, WriteOptions } from "./driver.ts";

/** Node.js's `flag`: "w" makes or replaces, "wx" makes, "a" appends, "ax" makes (there is nothing to append to). */
export type WriteFlag = "w" | "wx" | "a" | "ax";

export interface NodeWriteOptions extends Omit<WriteOptions, "mode"> {
  /** Default: that of the call, "w" or "a". */
  readonly flag?: WriteFlag;
  /** Of a content that is a text. Default "utf8". */
  readonly encoding?: BufferEncoding;
  /** A number, or octal digits. Default 0o644. */
  readonly mode?: number | string;
}

export interface NodeReadOptions extends ReadOptions {
  /** With it a text, else bytes. */
  readonly encoding?: BufferEncoding;
  readonly flag?: "r";
}

export interface NodeReadStreamOptions extends NodeReadOptions {
  /** The first byte, as `offset`. */
  readonly start?: number;
  /** The last byte, which is read too. */
  readonly end?: number;
  /** Bytes that the stream reads ahead. */
  readonly highWaterMark?: number;
}

export interface WrittenAs {
  readonly content: Content;
  readonly options: WriteOptions;
  readonly appends: boolean;
}

/** Throws ARGUMENT_INVALID. */
export function writtenAs(
  content: Content,
  given: NodeWriteOptions | BufferEncoding,
  byDefault: "w" | "a",
): WrittenAs {
  const { flag = byDefault, encoding, mode, ...rest } = whole(given);
  refuseOthers(rest);
  const options = { ...rest, ...(mode === undefined ? {} : { mode: modeOf(mode) }) };
  const encodedContent = typeof content === "string" ? textBytes(content, encoding) : content;
  if (encoding !== undefined) checkEncoding(encoding);
  switch (flag) {
    case "a":
      return { content: encodedContent, options, appends: true };
    case "w":
      return { content: encodedContent, options, appends: false };
    case "wx":
    case "ax":
      return { content: encodedContent, options: { ...options, overwrite: false }, appends: false };
    default:
      throw invalid(
        `the flag "${String(flag)}": files are written from their beginning (w, wx) or end (a, ax)`,
      );
  }
}

/** What is to be read, and the text that it is to become. Throws ARGUMENT_INVALID. */
export function readAs(given: NodeReadStreamOptions | BufferEncoding): {
  readonly range: ReadOptions;
  readonly encoding: BufferEncoding | undefined;
  readonly highWaterMark: number | undefined;
} {
  const { encoding, flag, start, end, highWaterMark, ...rest } = whole(given);
  refuseOthers(rest);
  if (flag !== undefined && flag !== "r") throw invalid(`the flag "${String(flag)}" of what is read`);
  if (encoding !== undefined) checkEncoding(encoding);
  if (start === undefined && end === undefined) return { range: rest, encoding, highWaterMark };
  const offset = start ?? rest.offset ?? 0;
  const range = { ...rest, offset };
  if (end === undefined || end === Infinity) return { range, encoding, highWaterMark };
  if (!Number.isSafeInteger(end) || end < offset - 1)
    throw invalid(`the end ${end} is before the start ${offset}`);
  return { range: { ...range, length: end - offset + 1 }, encoding, highWaterMark };
}

/** An encoding stands for the options with it, as in Node.js. */
function whole<T extends { readonly encoding?: BufferEncoding }>(options: T | BufferEncoding): T {
  return typeof options === "string" ? ({ encoding: options } as T) : options;
}

/** A number, or octal digits as Node.js takes them. Throws ARGUMENT_INVALID. */
export function modeOf(mode: number | string): number {
  if (typeof mode === "number") return mode;
  if (/^(0o?)?[0-7]{1,4}$/.test(mode)) return Number.parseInt(mode.replace(/^0o/, ""), 8);
  throw invalid(`the mode "${mode}": a number, or octal digits`);
}

/**
 * Options of Node.js that nothing here does, and that would change what is done. Those of which the value is what happens anyway
 * (`dereference: true`, `flush: true`) are let through.
 */
const OTHERS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ["flags", undefined],
  ["fd", undefined],
  ["fs", undefined],
  ["start", undefined],
  ["bigint", false],
  ["filter", undefined],
  ["preserveTimestamps", false],
  ["errorOnExist", false],
  ["verbatimSymlinks", false],
  ["dereference", true],
  ["flush", true],
  ["autoClose", true],
  ["emitClose", true],
]);

/** Throws ARGUMENT_INVALID. */
export function refuseOthers(options: object): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || !OTHERS.has(name) || OTHERS.get(name) === value) continue;
    throw invalid(`the option ${name} of node:fs is not supported`);
  }
}

/** Throws ARGUMENT_INVALID. */
export function checkEncoding(encoding: string): void {
  if (!Buffer.isEncoding(encoding)) throw invalid(`the encoding "${encoding}"`);
}

function textBytes(text: string, encoding: BufferEncoding = "utf8"): Content {
  checkEncoding(encoding);
  return encoding === "utf8" || encoding === "utf-8" ? text : Buffer.from(text, encoding);
}

function invalid(what: string): QuorateError {
  return new QuorateError("ARGUMENT_INVALID", `not done here: ${what}`);
}
