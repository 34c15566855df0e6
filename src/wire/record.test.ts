import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesFromUtf8 } from "../runtime/bytes.ts";
import type { Field } from "./record.ts";
import {
  binary,
  bytes,
  decode,
  double,
  encode,
  flag,
  list,
  optional,
  record,
  text,
  uint32,
  uint53,
  union,
  word,
} from "./record.ts";

type Shape =
  | { readonly type: "point"; readonly x: number; readonly name: string | undefined }
  | { readonly type: "path"; readonly steps: readonly { readonly dx: number; readonly up: boolean }[] }
  | { readonly type: "blob"; readonly raw: string; readonly kind: "big" | "small"; readonly count: number };

const SHAPE: Field<Shape> = union<Shape>({
  point: { x: double, name: optional(text) },
  path: { steps: list(record({ dx: uint53, up: flag })) },
  blob: { raw: binary, kind: word("big", "small"), count: uint32 },
});

const shape: fc.Arbitrary<Shape> = fc.oneof(
  fc.record({
    type: fc.constant("point" as const),
    x: fc.double({ noNaN: true }),
    name: fc.option(fc.string({ unit: "grapheme" }), { nil: undefined }),
  }),
  fc.record({
    type: fc.constant("path" as const),
    steps: fc.array(fc.record({ dx: fc.maxSafeNat(), up: fc.boolean() })),
  }),
  fc.record({
    type: fc.constant("blob" as const),
    raw: fc.string({ unit: "binary-ascii" }),
    kind: fc.constantFrom("big" as const, "small" as const),
    count: fc.integer({ min: 0, max: 0xffff_ffff }),
  }),
);

test("a record that was written is read back as it was", () => {
  fc.assert(
    fc.property(shape, (each) => {
      expect(decode(SHAPE, encode(SHAPE, each))).toEqual(each);
    }),
  );
});

test("bytes that end early, go on, or are something else are refused with PROTOCOL", () => {
  fc.assert(
    fc.property(shape, fc.nat(60), (each, cut) => {
      const whole = encode(SHAPE, each);
      if (cut < whole.length) expect(() => decode(SHAPE, whole.subarray(0, cut))).toThrow();
    }),
  );
  expect(() => decode(SHAPE, bytesFromUtf8("\x09"))).toThrow(/unknown kind of record/);
  expect(() => decode(flag, bytesFromUtf8("\x02"))).toThrow(/not a flag/);
  expect(() => decode(word("a"), bytesFromUtf8("\x07"))).toThrow(/not one of/);
  expect(() => decode(flag, bytesFromUtf8("\x01\x01"))).toThrow(/behind the end/);
  expect(() => decode(list(bytes), bytesFromUtf8("\x7f\x7f\x7f\x7f"))).toThrow(/truncated/);
});

test("a text that would not be read back as it is cannot be written", () => {
  expect(() => encode(text, "a\ud800b")).toThrow(/well-formed/);
  expect(() => encode(text, "\udc00")).toThrow(/well-formed/);
  expect(decode(text, encode(text, "\ud83d\ude00"))).toBe("\ud83d\ude00");
});
