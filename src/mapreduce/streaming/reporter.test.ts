import { expect, test } from "vitest";
import { parseReport } from "./reporter.ts";

test("counters have three fields, the last a whole number", () => {
  const counter = (group: string, name: string, amount: number): object => ({
    type: "counter",
    group,
    name,
    amount,
  });
  expect(parseReport("reporter:counter:words,long,3")).toEqual(counter("words", "long", 3));
  expect(parseReport("reporter:counter:words,long,-3 ")).toEqual(counter("words", "long", -3));
  expect(parseReport("reporter:counter:a b,c d,+12,,")).toEqual(counter("a b", "c d", 12));
  for (const odd of ["a,b", "a,b,1,2", "a,b,x", "a,b, 1", "a,b,1.5", "", "a,b,99999999999999999999"])
    expect(parseReport(`reporter:counter:${odd}`).type, odd).toBe("odd");
});

test("status is a text, other reports are odd, and all else goes to the log", () => {
  expect(parseReport("reporter:status: half way ")).toEqual({ type: "status", text: "half way" });
  expect(parseReport("reporter:nonsense").type).toBe("odd");
  expect(parseReport(" reporter:status:x").type).toBe("log");
  expect(parseReport("Traceback: x")).toEqual({ type: "log", line: "Traceback: x" });
});

test("the prefix may be another", () => {
  expect(parseReport("q!status:x", "q!")).toEqual({ type: "status", text: "x" });
  expect(parseReport("reporter:status:x", "q!").type).toBe("log");
});
