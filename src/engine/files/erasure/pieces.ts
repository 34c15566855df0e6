/** Bytes that lie in several buffers, one behind the other: what comes from a network or a writer is not copied together. */
import type { Bytes } from "../../../runtime/bytes.ts";

export type Pieces = readonly Uint8Array[];

/** Reads pieces from the front; behind their end there are zeros. */
export class PieceCursor {
  private readonly pieces: Pieces;
  private piece = 0;
  private at = 0;

  constructor(pieces: Pieces) {
    this.pieces = pieces;
  }

  /** The next `length` bytes, written to `target` from `offset` on. */
  take(target: Uint8Array, offset: number, length: number): void {
    let written = 0;
    while (written < length) {
      const piece = this.pieces[this.piece];
      if (piece === undefined) return void target.fill(0, offset + written, offset + length);
      const size = Math.min(length - written, piece.length - this.at);
      target.set(piece.subarray(this.at, this.at + size), offset + written);
      written += size;
      this.at += size;
      if (this.at < piece.length) continue;
      this.piece++;
      this.at = 0;
    }
  }
}

/** Bytes [from, to) of pieces, without a copy. */
export function cutPieces(pieces: readonly Bytes[], from: number, to: number): readonly Bytes[] {
  const cut: Bytes[] = [];
  let start = 0;
  for (const piece of pieces) {
    const end = start + piece.length;
    const part = piece.subarray(Math.max(0, from - start), Math.max(0, Math.min(piece.length, to - start)));
    if (end > from && start < to && part.length > 0) cut.push(part);
    start = end;
  }
  return cut;
}
