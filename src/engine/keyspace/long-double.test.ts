import { expect, test } from "vitest";
import { addLongDoubles, formatLongDouble, parseLongDouble } from "./long-double.ts";

function sum(left: string, right: string): string | undefined {
  const a = parseLongDouble(left);
  const b = parseLongDouble(right);
  if (typeof a !== "object" || typeof b !== "object") throw new Error("no number");
  const result = addLongDoubles(a, b);
  return result && formatLongDouble(result);
}

test("sums round as an 80-bit long double does and print 17 decimals (answers of redis-server 7.0 on x86-64)", () => {
  expect(sum("0.1", "0.2")).toBe("0.3");
  expect(sum("3.0e3", "200")).toBe("3200");
  expect(sum("5.0e3", "-5000")).toBe("0");
  expect(sum("-0", "-0.0")).toBe("0");
  expect(sum("0x1.8p3", "1")).toBe("13");
  expect(sum("1", "15e-18")).toBe("1.00000000000000001");
  expect(sum("9007199254740993", "0")).toBe("9007199254740993");
  expect(sum("18446744073709551617", "0")).toBe("18446744073709551616");
  expect(sum("1e4932", "1e4932")).toBeUndefined();
});

test("only what strtold takes whole is a number", () => {
  for (const text of [
    "",
    "-",
    ".",
    " 1",
    "1 ",
    "1e",
    "1_0",
    "0x",
    "nan",
    "2e4932",
    "1e-4960",
    "1".repeat(6000),
  ]) {
    expect(parseLongDouble(text)).toBeUndefined();
  }
  for (const text of ["1.", ".5", "+1", "0e99999", "1e-4950", "0x.8"])
    expect(parseLongDouble(text)).toBeTypeOf("object");
  for (const text of ["inf", "-INF", "+Infinity"]) expect(parseLongDouble(text)).toBe("infinite");
});
