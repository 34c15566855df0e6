/**
 * Command names, without a new string for each request.
 *
 * The first argument of almost every request is one of a few hundred words. Turning bytes into a string costs a call out
 * of JavaScript; comparing them with the word that was last seen in the same slot does not, and the same string object
 * each time makes the look-up in the command table a comparison of pointers.
 */
import type { Bytes } from "../../runtime/bytes.ts";
import { binaryStringOf } from "../../runtime/bytes.ts";

const SLOTS = 1024;
const WORD_MAX_BYTES = 24;
const words: string[] = Array.from({ length: SLOTS }, () => "");

/** The binary string of `buffer[from, to)`; short ones come from a fixed table of recent words. */
export function internWord(buffer: Bytes, from: number, to: number): string {
  const length = to - from;
  if (length === 0 || length > WORD_MAX_BYTES) return binaryStringOf(buffer, from, to);
  let hash = length;
  for (let at = from; at < to; at += 1) hash = (Math.imul(hash, 31) + (buffer[at] as number)) | 0;
  const slot = (hash ^ (hash >>> 10)) & (SLOTS - 1);
  const word = words[slot] as string;
  if (word.length === length) {
    let index = 0;
    while (index < length && word.charCodeAt(index) === buffer[from + index]) index += 1;
    if (index === length) return word;
  }
  const fresh = binaryStringOf(buffer, from, to);
  words[slot] = fresh;
  return fresh;
}
