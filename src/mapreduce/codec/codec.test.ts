import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ByteSink } from "./byte-sink.ts";
import type { Codec } from "./codec.ts";
import * as codecs from "./codecs.ts";
import { endOfParts } from "./composite.ts";

function encode<T>(codec: Codec<T>, value: T, isPart = false): Buffer {
  const sink = new ByteSink(1);
  if (isPart) codec.writePart(value, sink);
  else codec.write(value, sink);
  return Buffer.from(sink.bytes.subarray(0, sink.length));
}

/** The order of values, by what they are. */
type Order<T> = (left: T, right: T) => number;
const byValue: Order<number | bigint | boolean> = (left, right) =>
  left === right ? 0 : left < right ? -1 : 1;
const byCodePoints: Order<string> = (left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right));

const texts = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 12 }),
  fc.string({ unit: fc.constantFrom("a", "b", "\u0000", "\u0001", "ÿ", "\u{1f600}"), maxLength: 6 }),
);
const integers = fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -300, max: 300 }));
const numbers = fc.double({ noNaN: true }).map((value) => (value === 0 ? 0 : value));
const bytes = fc.uint8Array({ maxLength: 8 }).map((value) => Buffer.from(value));
const bigints = fc.oneof(fc.bigInt(), fc.bigInt({ min: -70_000n, max: 70_000n }));

interface Case<T> {
  readonly codec: Codec<T>;
  readonly values: fc.Arbitrary<T>;
  readonly order: Order<T>;
}

const cases: Readonly<Record<string, Case<never>>> = {
  text: of(codecs.text, texts, byCodePoints),
  bytes: of<Uint8Array>(codecs.bytes, bytes, (left, right) => Buffer.compare(left, right)),
  integer: of(codecs.integer, integers, byValue),
  number: of(codecs.number, numbers, byValue),
  bigint: of(codecs.bigint, bigints, byValue),
  boolean: of(codecs.boolean, fc.boolean(), byValue),
  date: of(codecs.date, fc.date({ noInvalidDate: true }), (left, right) => left.getTime() - right.getTime()),
  descending: of(codecs.descending(codecs.text), texts, (left, right) => byCodePoints(right, left)),
  optional: of(codecs.optional(codecs.integer), fc.option(integers, { nil: undefined }), (left, right) =>
    byValue(left ?? -Infinity, right ?? -Infinity),
  ),
  tuple: of(
    codecs.tuple(codecs.text, codecs.descending(codecs.integer), codecs.bytes),
    fc.tuple(texts, integers, bytes),
    (left, right) =>
      byCodePoints(left[0], right[0]) || byValue(right[1], left[1]) || Buffer.compare(left[2], right[2]),
  ),
  "tuple of tuples": of(
    codecs.tuple(codecs.tuple(codecs.bytes, codecs.text), codecs.optional(codecs.text)),
    fc.tuple(fc.tuple(bytes, texts), fc.option(texts, { nil: undefined })),
    ([[one, two], three], [[uno, due], tre]) =>
      Buffer.compare(one, uno) ||
      byCodePoints(two, due) ||
      Number(three !== undefined) - Number(tre !== undefined) ||
      byCodePoints(three ?? "", tre ?? ""),
  ),
};

function of<T>(codec: Codec<T>, values: fc.Arbitrary<T>, order: Order<T>): Case<never> {
  return { codec, values, order } as unknown as Case<never>;
}

describe.each(Object.entries(cases))("%s", (_, { codec, values, order }) => {
  test("what was encoded is decoded, alone and as a part followed by anything", () => {
    fc.assert(
      fc.property(values, fc.uint8Array({ maxLength: 4 }), (value, rest) => {
        const alone = encode(codec, value);
        expect(codec.read(alone, 0, alone.length)).toEqual(value);
        const part = encode(codec, value, true);
        const all = Buffer.concat([part, rest]);
        const source = { bytes: all, at: 0, end: all.length };
        expect(codec.readPart(source)).toEqual(value);
        expect(source.at).toBe(part.length);
      }),
    );
  });

  test("bytes have the order of values, alone and before other parts", () => {
    fc.assert(
      fc.property(values, values, texts, texts, (left, right, one, two) => {
        const expected = Math.sign(order(left, right));
        expect(Math.sign(Buffer.compare(encode(codec, left), encode(codec, right)))).toBe(expected);
        const pair = codecs.tuple(codec, codecs.text);
        const after = Buffer.compare(encode(pair, [left, one]), encode(pair, [right, two]));
        expect(Math.sign(after)).toBe(expected || Math.sign(byCodePoints(one, two)));
      }),
    );
  });

  test("a part that is cut off is refused", () => {
    fc.assert(
      fc.property(values, fc.nat(20), (value, cut) => {
        const part = encode(codec, value, true);
        fc.pre(cut > 0 && cut <= part.length);
        const source = { bytes: part, at: 0, end: part.length - cut };
        expect(() => codec.readPart(source)).toThrow(/codec/);
      }),
    );
  });
});

test("the first parts of a tuple end where a shorter tuple would", () => {
  const whole = codecs.tuple(codecs.text, codecs.integer, codecs.text);
  fc.assert(
    fc.property(texts, integers, texts, (one, two, three) => {
      const all = encode(whole, [one, two, three]);
      expect(endOfParts(whole.parts, 1, all, 0, all.length)).toBe(encode(codecs.text, one, true).length);
      const both = encode(codecs.tuple(codecs.text, codecs.integer), [one, two]).length;
      expect(endOfParts(whole.parts, 2, all, 0, all.length)).toBe(both);
      expect(endOfParts(whole.parts, 3, all, 0, all.length)).toBe(all.length);
    }),
  );
});

test("values that a codec cannot hold are refused", () => {
  expect(() => encode(codecs.integer, 1.5)).toThrow(/1.5 is not a value of the codec "integer"/);
  expect(() => encode(codecs.integer, 2 ** 53)).toThrow(/codec "integer"/);
  expect(() => encode(codecs.text, "a\ud800b")).toThrow(/codec "text"/);
  expect(() => encode(codecs.text, `${"a".repeat(50)}\udc00`)).toThrow(/codec "text"/);
  // What a program took from JSON without looking is not what its type says.
  for (const odd of [5, undefined, null, ["a"], { length: 1 }]) {
    expect(() => encode<unknown>(codecs.text as Codec<unknown>, odd)).toThrow(
      /is not a value of the codec "text"/,
    );
    expect(() => encode<unknown>(codecs.text as Codec<unknown>, odd, true)).toThrow(/the codec "text"/);
  }
  for (const odd of ["12", [1, 2], undefined, new Uint16Array([1, 300])]) {
    expect(() => encode<unknown>(codecs.bytes as Codec<unknown>, odd)).toThrow(
      /not a value of the codec "bytes"/,
    );
    expect(() => encode<unknown>(codecs.bytes as Codec<unknown>, odd, true)).toThrow(/the codec "bytes"/);
  }
  expect(() => encode(codecs.date, new Date(Number.NaN))).toThrow(/codec "integer"/);
  expect(() => encode(codecs.json(), undefined)).toThrow(/codec "json"/);
  expect(() => encode<readonly unknown[]>(codecs.tuple(codecs.text), [])).toThrow(/codec "tuple\(text\)"/);
});

test("JSON values come back as they went", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const codec = codecs.json();
      const alone = encode(codec, value);
      const known: unknown = JSON.parse(JSON.stringify(value));
      expect(codec.read(alone, 0, alone.length)).toEqual(known);
      const part = encode(codec, value, true);
      expect(codec.readPart({ bytes: part, at: 0, end: part.length })).toEqual(known);
    }),
  );
});
