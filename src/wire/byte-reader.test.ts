import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesFromLatin1 } from "../runtime/bytes.ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";

test("what a writer wrote, a reader reads back", () => {
  fc.assert(
    fc.property(
      fc.nat(255),
      fc.nat(0xffff_ffff),
      fc.maxSafeNat(),
      fc.double({ noNaN: true }),
      fc.string({ unit: "grapheme" }),
      fc.uint8Array(),
      (small, medium, large, real, text, raw) => {
        const writer = new ByteWriter(1);
        const binary = String.fromCharCode(...raw);
        writer.uint8(small).uint32(medium).uint53(large).double(real).text(text).string(binary).bytes(raw);
        const reader = new ByteReader(writer.take());
        expect(reader.uint8()).toBe(small);
        expect(reader.uint32()).toBe(medium);
        expect(reader.uint53()).toBe(large);
        expect(reader.double()).toBe(real);
        expect(reader.text()).toBe(text);
        expect(reader.string()).toBe(binary);
        expect([...reader.bytes()]).toEqual([...raw]);
        expect(reader.remaining).toBe(0);
      },
    ),
  );
});

test("reading past the end is an error, never a wrong value", () => {
  const cut = new ByteReader(bytesFromLatin1("\x05\x00\x00\x00abc"));
  expect(() => cut.string()).toThrow(/truncated/);
});

test("what a writer gave away is not written to again, however full its buffer was", () => {
  for (const length of [0, 1, 100, 190, 200, 255, 256, 257, 5000]) {
    const writer = new ByteWriter(256);
    const first = writer.raw(new Uint8Array(length).fill(1)).take();
    const second = writer.raw(new Uint8Array(length).fill(2)).take();
    expect(first.every((byte) => byte === 1) && first.length === length).toBe(true);
    expect(second.every((byte) => byte === 2) && second.length === length).toBe(true);
    expect(writer.size).toBe(0);
  }
});
