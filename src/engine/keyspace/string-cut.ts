/** The content of a long string for a snapshot, piece by piece: written at once it would hold up the event loop. */
import { bytesFromLatin1 } from "../../runtime/bytes.ts";
import type { CollectionCut } from "./value.ts";

/** Strings do not change: there is nothing to hold on to but the string. */
export function cutString(text: string): CollectionCut {
  let at = 0;
  return {
    advance(writer, maxBytes) {
      const to = Math.min(text.length, at + maxBytes);
      writer.raw(bytesFromLatin1(text.slice(at, to)));
      at = to;
      return at < text.length;
    },
    keep: () => undefined,
  };
}
