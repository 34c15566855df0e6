/** A reader that lends all it may, of any length, and spoils the memory that it gets back: who still reads it then is found out. */
import type { Bytes } from "../../runtime/bytes.ts";
import { copyBytes } from "../../runtime/bytes.ts";
import { READ_BYTES } from "../../engine/files/blocks/block-store.ts";
import type { FilePart, PieceRead, PieceReader } from "../../engine/files/blocks/piece-reader.ts";
import { both } from "../../engine/files/blocks/replica-files.ts";

export class LendingReader implements PieceReader {
  /** Pieces that have not come back. */
  lent = 0;
  readonly lendableBytes: number = READ_BYTES;

  read(content: FilePart, checksums: FilePart, mayLend: boolean, done: PieceRead): boolean {
    if (!mayLend || content.length === 0) return false;
    const found: Bytes[] = [];
    const part =
      ({ file, position, length }: FilePart, at: number) =>
      (each: (error: Error | undefined) => void): void =>
        file.read(position, length, (error, bytes) => {
          if (bytes !== undefined) found[at] = copyBytes(bytes);
          each(error);
        });
    both(part(content, 0), part(checksums, 1), (error) => {
      const [bytes, sums] = found;
      if (error !== undefined || bytes === undefined || sums === undefined) return done(undefined);
      this.lent++;
      const giveBack = (): void => {
        this.lent--;
        bytes.fill(0xdd);
        sums.fill(0xdd);
      };
      done({ content: bytes, checksums: sums, fitting: 0, giveBack });
    });
    return true;
  }
}
