import { expect, test } from "vitest";
import { createAggregator, splitAggregateKey } from "./aggregate.ts";

function report(type: string, ...values: readonly string[]): string {
  const aggregator = createAggregator(type);
  for (const value of values) aggregator.add(value);
  return aggregator.report();
}

test("values are put together as their key's type says", () => {
  expect(report("LongValueSum", "1", "2", "-5", "+9")).toBe("7");
  expect(report("longvaluesum", "9223372036854775807", "1")).toBe("-9223372036854775808");
  expect(report("LongValueMax", "3", "-4")).toBe("3");
  expect(report("LongValueMin", "3", "-4")).toBe("-4");
  expect(report("DoubleValueSum", "1", "2.5")).toBe("3.5");
  expect(report("StringValueMax", "a", "c", "b")).toBe("c");
  expect(report("StringValueMin", "b", "a")).toBe("a");
  expect(report("UniqValueCount", "a", "b", "a")).toBe("2");
  expect(report("ValueHistogram", "a", "b\t3", "a\t1", "c")).toBe(`3\t1\t2\t3\t2.0\t${Math.sqrt(2 / 3)}`);
});

test("what a combiner passes on gives the same", () => {
  for (const [type, values] of [
    ["LongValueSum", ["1", "2", "3"]],
    ["LongValueMax", ["1", "5", "3"]],
    ["StringValueMin", ["b", "a", "c"]],
    ["UniqValueCount", ["a", "b", "a"]],
    ["ValueHistogram", ["a", "b", "a", "c\t4"]],
  ] as const) {
    const [first, ...rest] = values;
    const combined = createAggregator(type);
    for (const value of rest) combined.add(value);
    expect(report(type, first, ...combined.partial()), type).toBe(report(type, ...values));
  }
});

test("at most so many unique values are kept", () => {
  const counter = createAggregator("UniqValueCount", 2);
  for (const value of ["a", "b", "c"]) counter.add(value);
  expect(counter.report()).toBe("2");
});

test("what is no aggregate is refused with its text", () => {
  expect(splitAggregateKey("LongValueSum:a:b")).toEqual({ type: "LongValueSum", id: "a:b" });
  expect(() => splitAggregateKey("word")).toThrow(/not "word"/);
  expect(() => createAggregator("Nope")).toThrow(/no type "Nope"/);
  expect(() => report("LongValueSum", "x")).toThrow(/not a whole number of 64 bits: "x"/);
  expect(() => report("DoubleValueSum", "x")).toThrow(/not a number: "x"/);
});
