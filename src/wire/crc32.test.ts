import { crc32 as nativeCrc32 } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesFromLatin1 } from "../runtime/bytes.ts";
import { crc32 } from "./crc32.ts";

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
