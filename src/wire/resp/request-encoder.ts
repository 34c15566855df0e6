/** Writes commands as clients send them: an array of bulk strings. */
import type { Bytes } from "../../runtime/bytes.ts";
import { bytesFromLatin1 } from "../../runtime/bytes.ts";

/** One command, from binary strings. Several joined make a pipeline. */
export function requestText(args: readonly string[]): string {
  let text = `*${args.length}\r\n`;
  for (const argument of args) text += `$${argument.length}\r\n${argument}\r\n`;
  return text;
}

/** The bytes of one command. */
export function encodeRequest(args: readonly string[]): Bytes {
  return bytesFromLatin1(requestText(args));
}
