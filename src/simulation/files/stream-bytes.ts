/** Bytes that can be told apart. */
import type { Bytes } from "../../runtime/bytes.ts";
import { allocateOwnedBytes } from "../../runtime/bytes.ts";

/** Bytes of a stream that `seed` names, from `from` on: the same wherever they are cut. */
export function streamBytes(seed: number, from: number, length: number): Bytes {
  const out = allocateOwnedBytes(length);
  for (let at = 0; at < length; at++) {
    const mixed = Math.imul((from + at + 1) ^ (seed * 0x9e37), 0x85eb_ca6b);
    out[at] = (mixed ^ (mixed >>> 13) ^ (mixed >>> 21)) & 0xff;
  }
  return out;
}
