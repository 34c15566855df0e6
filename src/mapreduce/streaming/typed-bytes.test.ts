import fc from "fast-check";
import { expect, test } from "vitest";
import { PartSplitter, rawEnd, rawPart, typedEnd, typedLong, typedString, typedText } from "./typed-bytes.ts";

const text = (value: string): Buffer => typedString(Buffer.from(value));
const int = (value: number): Buffer => Buffer.of(3, value >>> 24, value >>> 16, value >>> 8, value);

test("typed values are printed as Java prints them", () => {
  const double = Buffer.alloc(9);
  double[0] = 6;
  double.writeDoubleBE(0.1, 1);
  const float = Buffer.alloc(5);
  float[0] = 5;
  float.writeFloatBE(0.1, 1);
  expect(typedText(text("a é"), 0)).toBe("a é");
  expect(typedText(int(-7), 0)).toBe("-7");
  expect(typedText(typedLong(2 ** 40), 0)).toBe("1099511627776");
  expect(typedText(double, 0)).toBe("0.1");
  expect(typedText(float, 0)).toBe("0.1");
  expect(typedText(Buffer.of(2, 1), 0)).toBe("true");
  expect(typedText(Buffer.of(1, 255), 0)).toBe("-1");
  expect(typedText(Buffer.concat([Buffer.of(9), text("a"), int(1), Buffer.of(255)]), 0)).toBe("[a, 1]");
  expect(typedText(Buffer.concat([Buffer.of(8, 0, 0, 0, 2), int(1), int(2)]), 0)).toBe("[1, 2]");
  expect(typedText(Buffer.concat([Buffer.of(10, 0, 0, 0, 1), text("k"), int(2)]), 0)).toBe("{k=2}");
  expect(typedText(Buffer.of(0, 0, 0, 0, 2, 10, 255), 0)).toBe("0a ff");
});

test.each([
  ["rawbytes", rawEnd, (value: string): Buffer => rawPart(Buffer.from(value))],
  ["typedbytes", typedEnd, text],
] as const)("records of %s are the same however they come in pieces", (_name, findEnd, part) => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.string(), fc.string()), { maxLength: 6 }), fc.nat(40), (pairs, size) => {
      const bytes = Buffer.concat(pairs.flatMap(([key, value]) => [part(key), part(value)]));
      const found: (readonly [Buffer, Buffer])[] = [];
      const splitter = new PartSplitter(findEnd, (key, value) =>
        found.push([Buffer.from(key), Buffer.from(value)]),
      );
      for (let at = 0; at < bytes.length; at += size + 1) splitter.push(bytes.subarray(at, at + size + 1));
      splitter.end();
      expect(found).toEqual(pairs.map(([key, value]) => [part(key), part(value)]));
    }),
  );
});

test("what is in no such format is refused", () => {
  const splitter = new PartSplitter(typedEnd, () => undefined);
  expect(() => splitter.push(Buffer.of(20, 1, 2))).toThrow(/there is no type/);
  const raw = new PartSplitter(rawEnd, () => undefined);
  expect(() => raw.push(Buffer.of(255, 255, 255, 255))).toThrow(/a part of -1 bytes/);
  const cut = new PartSplitter(rawEnd, () => undefined);
  cut.push(Buffer.of(0, 0, 0, 5, 1));
  expect(() => cut.end()).toThrow(/cut off/);
});
