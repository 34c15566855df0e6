/** What can be written, as bytes in order; and bytes as lines. */
import { QuorateError } from "../../runtime/errors.ts";
import type { Chunks } from "./driver.ts";

/**
 * Texts are written in UTF-8. Streams of Node.js and of the web are both iterable. A function gives the content from its beginning
 * whenever it is called: what breaks off because a node died is then begun anew at another one, as texts and bytes are.
 */
export type Content =
  | string
  | Uint8Array
  | AsyncIterable<string | Uint8Array>
  | Iterable<string | Uint8Array>
  | (() => AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>);

/** A line is not kept in memory beyond this. */
const LINE_MAX_BYTES = 64 * 1024 * 1024;
/** Large pieces are cut, so that back-pressure and signals have somewhere to act. */
const PIECE_BYTES = 1024 * 1024;

export async function* bytesOf(content: Content): Chunks {
  if (typeof content === "string") yield* piecesOf(Buffer.from(content, "utf8"));
  else if (content instanceof Uint8Array) yield* piecesOf(content);
  else
    for await (const part of typeof content === "function" ? content() : content)
      yield* piecesOf(typeof part === "string" ? Buffer.from(part, "utf8") : part);
}

/** The bytes from their beginning once more; undefined: a stream gives them only once. */
export function againOf(content: Content): (() => Chunks) | undefined {
  const isKept =
    typeof content === "string" || content instanceof Uint8Array || typeof content === "function";
  return isKept ? () => bytesOf(content) : undefined;
}

function* piecesOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
}

/** Lines without their ends ("\n" or "\r\n"), in UTF-8. TOO_LARGE: one is longer than 64 MiB. */
export async function* linesOf(chunks: Chunks): AsyncGenerator<string> {
  let parts: Uint8Array[] = [];
  let bytes = 0;
  const line = (last: Uint8Array): string => {
    const whole =
      parts.length === 0
        ? Buffer.from(last.buffer, last.byteOffset, last.length)
        : Buffer.concat([...parts, last]);
    parts = [];
    bytes = 0;
    return whole.toString("utf8", 0, whole.at(-1) === 13 ? whole.length - 1 : whole.length);
  };
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      yield line(chunk.subarray(start, end));
      start = end + 1;
    }
    if (start === chunk.length) continue;
    bytes += chunk.length - start;
    if (bytes > LINE_MAX_BYTES)
      throw new QuorateError("TOO_LARGE", `a line of more than ${LINE_MAX_BYTES} bytes`);
    parts.push(chunk.subarray(start));
  }
  if (parts.length > 0) yield line(new Uint8Array());
}
