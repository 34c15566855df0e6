import { expect, test } from "vitest";
import type { Bytes } from "../../../runtime/bytes.ts";
import { copyBytes, NO_BYTES } from "../../../runtime/bytes.ts";
import { seededRandom } from "../../group/write-ahead-log/crash-disk.testing.ts";
import { streamBytes } from "./block-store.testing.ts";
import { ChunkChecksums } from "./chunk-checksums.ts";

test("bytes fit their checksums in whatever pieces they come, and no others", () => {
  const random = seededRandom(5);
  const below = (limit: number): number => Math.floor(random.float() * limit);
  const content = streamBytes(1, 0, 2_000_000);
  const whole = new ChunkChecksums(0, 0).of(content);
  const checksums = new ChunkChecksums(0, 0);
  for (let at = 0; at < content.length;) {
    const bytes = content.subarray(at, at + [below(600), 512 * below(40), 300_000][below(3)]!);
    const sums = checksums.of(bytes);
    expect(checksums.fits(bytes, sums)).toBe(true);
    if (bytes.length > 0) {
      const isEnd = (at + bytes.length) % 512 === 0 || at + bytes.length === content.length;
      const from = Math.floor(at / 512) * 4;
      const full = sums.subarray(0, isEnd ? sums.length : sums.length - 4);
      expect(full.equals(whole.subarray(from, from + full.length))).toBe(true);
      const spoilt = (original: Bytes): Bytes => {
        const copy = copyBytes(original);
        copy[below(copy.length)]! ^= 1 << below(8);
        return copy;
      };
      expect(checksums.fits(spoilt(bytes), sums)).toBe(false);
      expect(checksums.fits(bytes, spoilt(sums))).toBe(false);
      expect(checksums.fits(bytes, sums.subarray(4))).toBe(false);
    }
    expect(checksums.fits(NO_BYTES, sums)).toBe(sums.length === 0);
    checksums.advance(bytes, sums);
    at += bytes.length;
  }
});
