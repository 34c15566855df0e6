import fc from "fast-check";
import { expect, test } from "vitest";
import { LineSplitter } from "./lines.ts";

function linesOf(chunks: readonly Buffer[]): readonly string[] {
  const lines: string[] = [];
  const splitter = new LineSplitter((bytes, start, end) => lines.push(bytes.toString("latin1", start, end)));
  for (const chunk of chunks) splitter.push(chunk);
  splitter.end();
  return lines;
}

test("lines end with a line feed, a carriage return, or both", () => {
  expect(linesOf([Buffer.from("a\nb\r\nc\rd\n\n\r\r\ne")])).toEqual(["a", "b", "c", "d", "", "", "", "e"]);
  expect(linesOf([Buffer.from("a\r"), Buffer.from("\nb")])).toEqual(["a", "b"]);
  expect(linesOf([Buffer.from("a\r"), Buffer.from("b")])).toEqual(["a", "b"]);
  expect(linesOf([Buffer.from("a\r"), Buffer.alloc(0), Buffer.from("\n")])).toEqual(["a"]);
  expect(linesOf([])).toEqual([]);
});

test("lines are the same however their bytes come in pieces", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "\n", "\r", "é"), maxLength: 60 });
  fc.assert(
    fc.property(text, fc.array(fc.nat(60), { maxLength: 8 }), (whole, cuts) => {
      const bytes = Buffer.from(whole, "latin1");
      const edges = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length].sort(
        (a, b) => a - b,
      );
      const chunks = edges.slice(1).map((edge, at) => bytes.subarray(edges[at], edge));
      const expected = whole.split(/\r\n|\n|\r/);
      if (expected.at(-1) === "") expected.pop();
      expect(linesOf(chunks)).toEqual(expected);
    }),
    { numRuns: 500 },
  );
});

test("a line without end is refused, not kept", () => {
  const splitter = new LineSplitter(() => undefined, 1000);
  splitter.push(Buffer.alloc(900, "x"));
  expect(() => splitter.push(Buffer.alloc(200, "x"))).toThrow(/a line of more than 1000 bytes/);
});
