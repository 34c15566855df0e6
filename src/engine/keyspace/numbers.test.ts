import fc from "fast-check";
import { expect, test } from "vitest";
import {
  addIntegers,
  formatGeneral,
  INT64_MAX,
  INT64_MIN,
  parseDouble,
  parseInteger,
  parseMemorySize,
} from "./numbers.ts";
import { testKeyspace } from "./keyspace.testing.ts";
import { ReplyError } from "./reply.ts";

test("an integer has one spelling, 64 bits, and keeps every one of them", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: INT64_MIN, max: INT64_MAX }), (value) => {
      expect(BigInt(parseInteger(String(value))!)).toBe(value);
    }),
  );
  for (const wrong of ["", "+1", "01", "-0", "1 ", " 1", "1.0", "1e3", "9223372036854775808", "0x1"]) {
    expect(parseInteger(wrong), wrong).toBe(undefined);
  }
});

test("a sum is exact or refused", () => {
  const int64 = fc.bigInt({ min: INT64_MIN, max: INT64_MAX });
  fc.assert(
    fc.property(int64, int64, (left, right) => {
      const sum = addIntegers(parseInteger(String(left))!, parseInteger(String(right))!);
      const exact = left + right;
      const fits = exact <= INT64_MAX && exact >= INT64_MIN;
      expect(sum === undefined ? undefined : BigInt(sum)).toBe(fits ? exact : undefined);
    }),
  );
});

test("a double in 17 digits reads back as itself", () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      expect(parseDouble(formatGeneral(value, 17))).toBe(Object.is(value, -0) ? 0 : value);
    }),
  );
  expect(formatGeneral(3.1, 17)).toBe("3.1000000000000001");
  expect(formatGeneral(1e21, 14)).toBe("1e+21");
  expect(formatGeneral(0.0001, 14)).toBe("0.0001");
  expect(formatGeneral(0.00001, 14)).toBe("1e-05");
});

test("memory sizes take Redis's units", () => {
  expect(["100", "1k", "1kb", "2MB", "1g", "1gb", "", "1tb", "-1", "k"].map(parseMemorySize)).toEqual([
    100,
    1000,
    1024,
    2 * 1024 * 1024,
    1e9,
    1024 ** 3,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

test("a hostile number of a megabyte is refused without delay", () => {
  const keyspace = testKeyspace();
  for (const digits of ["1", "0", "f"].map((digit) => digit.repeat(1_000_000))) {
    for (const text of [`${digits}x`, `0x${digits}x`, `${digits}.${digits}x`, `-${digits}`]) {
      parseDouble(text);
      for (const line of [
        ["INCRBYFLOAT", "k", text],
        ["EXPIRE", "k", text],
        ["SCAN", text],
        ["SET", "k", "v", "EX", text],
        ["LCS", "k", "k", "MINMATCHLEN", text],
      ]) {
        expect(keyspace.run(...line), line[0]).toBeInstanceOf(ReplyError);
      }
      keyspace.run("ZADD", "z", text, "m");
    }
  }
});

test("a hostile pattern is refused without delay", () => {
  const keyspace = testKeyspace();
  keyspace.run("SET", "a".repeat(2000), "v");
  expect(keyspace.run("KEYS", `${"a*".repeat(2000)}b`)).toEqual([]);
  expect(keyspace.run("KEYS", `${"*a".repeat(2000)}b`)).toEqual([]);
  expect(keyspace.run("KEYS", `${"[^b]*".repeat(500)}b`)).toEqual([]);
});
