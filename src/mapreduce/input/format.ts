/** What a file is made of: how its bytes are cut into records (data, done by the task) and what a record is to the program. */

/** A record longer than this is an error unless its format was told otherwise: 8 MiB. */
export const RECORD_MAX_BYTES: number = 8 * 1024 * 1024;
/** A file that is read whole may be as long as this unless its format was told otherwise: 16 MiB. */
export const WHOLE_MAX_BYTES: number = 16 * 1024 * 1024;

export type Framing =
  | {
      readonly type: "lines";
      /** Bytes of a line, without its end. */
      readonly maxBytes: number;
      /** The first line of each file is no record, but told to each of them. */
      readonly header: boolean;
      /** Line ends between double quotes belong to the record. Such a file cannot be split. */
      readonly quoted: boolean;
    }
  /** Records of so many bytes, one after the other. */
  | { readonly type: "fixed"; readonly bytes: number }
  /** The file is the record. */
  | { readonly type: "whole"; readonly maxBytes: number };

/** Where the record that is being read lies. One object for a whole task: what is kept must be copied. */
export interface RecordPlace {
  readonly path: string;
  /** Of the first byte, in the file; of a compressed file in what is in it. */
  readonly position: number;
  /** The file's first line, where the format has one. */
  readonly header: string | undefined;
  /** The bytes at hand are all ASCII. */
  readonly isAscii: boolean;
}

/** `R`: what the program's mapper gets. */
export interface InputFormat<R> {
  readonly name: string;
  readonly framing: Framing;
  /** Undefined: nothing for the mapper (an empty line). The bytes are valid during the call. */
  parse(bytes: Buffer, start: number, end: number, place: RecordPlace): R | undefined;
}

/** Whether a file can be read from its middle on. Compressed ones cannot. */
export function isSplittable(framing: Framing, path: string): boolean {
  if (isGzip(path) || framing.type === "whole") return false;
  return framing.type !== "lines" || !framing.quoted;
}

export function isGzip(path: string): boolean {
  return path.endsWith(".gz") || path.endsWith(".tgz");
}
