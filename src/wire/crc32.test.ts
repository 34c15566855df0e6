import { crc32 as nativeCrc32 } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesFromLatin1 } from "../runtime/bytes.ts";
import { crc32, crc32c, crc32cPieces } from "./crc32.ts";

test("the check value of the standard", () => {
  expect(crc32(bytesFromLatin1("123456789"))).toBe(0xcbf4_3926);
  expect(crc32(bytesFromLatin1(""))).toBe(0);
});

test("it agrees with zlib at every length and continues from any seed", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.uint8Array({ maxLength: 100 }), (first, second) => {
      expect(crc32(first)).toBe(nativeCrc32(first));
      expect(crc32(second, crc32(first))).toBe(nativeCrc32(second, nativeCrc32(first)));
      expect(crc32(second, crc32(first))).toBe(crc32(Buffer.concat([first, second])));
    }),
  );
});

test("CRC-32C gives the check values of RFC 3720 and continues from any seed", () => {
  expect(crc32c(bytesFromLatin1("123456789"))).toBe(0xe306_9283);
  expect(crc32c(new Uint8Array(32))).toBe(0x8a91_36aa);
  expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8_ab43);
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, at) => at))).toBe(0x46dd_794e);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.uint8Array({ maxLength: 100 }), (first, second) => {
      expect(crc32c(second, crc32c(first))).toBe(crc32c(Buffer.concat([first, second])));
    }),
  );
});

test("pieces have the checksums that each has alone, from any offset and with any end", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 700 }),
      fc.nat({ max: 40 }),
      fc.constantFrom(8, 64, 100),
      (content, skipped, pieceBytes) => {
        const from = Math.min(skipped, content.length);
        const pieces = Math.ceil((content.length - from) / pieceBytes);
        const sums = Buffer.alloc(4 * pieces + 8);
        crc32cPieces(content, from, content.length, pieceBytes, sums, 4);
        for (let piece = 0; piece < pieces; piece++) {
          const at = from + piece * pieceBytes;
          expect(sums.readUInt32BE(4 + 4 * piece)).toBe(crc32c(content.subarray(at, at + pieceBytes)));
        }
        expect([sums.readUInt32BE(0), sums.readUInt32BE(4 + 4 * pieces)]).toEqual([0, 0]);
      },
    ),
  );
});
