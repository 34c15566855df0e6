/** Formats whose records are no lines. */
import { QuorateError } from "../../runtime/errors.ts";
import type { InputFormat } from "./format.ts";
import { WHOLE_MAX_BYTES } from "./format.ts";

export interface WholeFile {
  readonly path: string;
  readonly text: string;
}

/** Each file is one record: its path and its text in UTF-8. A file above `maxBytes` (default 16 MiB) is TOO_LARGE. */
export function wholeFiles(options: { readonly maxBytes?: number } = {}): InputFormat<WholeFile> {
  return {
    name: "wholeFiles",
    framing: { type: "whole", maxBytes: options.maxBytes ?? WHOLE_MAX_BYTES },
    parse: (bytes, start, end, { path, isAscii }) => ({
      path,
      text: bytes.toString(isAscii ? "latin1" : "utf8", start, end),
    }),
  };
}

/** Records of a fixed number of bytes; the mapper gets a copy. A rest at the end of a file is an error. */
export function fixedLength(bytes: number): InputFormat<Buffer> {
  if (!Number.isSafeInteger(bytes) || bytes < 1)
    throw new QuorateError("ARGUMENT_INVALID", `records of ${bytes} bytes`);
  return {
    name: "fixedLength",
    framing: { type: "fixed", bytes },
    parse: (all, start, end) => Buffer.from(all.subarray(start, end)),
  };
}
