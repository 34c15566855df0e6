import { expect, test } from "vitest";
import { ByteSink } from "../codec/byte-sink.ts";
import { binary, json, keyValue, text } from "./format.ts";
import type { OutputFormat } from "./format.ts";

function written<A extends readonly unknown[]>(format: OutputFormat<A>, ...records: readonly A[]): string {
  const sink = new ByteSink(1);
  for (const record of records) format.write(sink, ...record);
  return sink.bytes.toString("utf8", 0, sink.length);
}

test("records are lines of text, JSON, or keys and values; or bytes as they are", () => {
  expect(written(text(), ["a"], ["é"])).toBe("a\né\n");
  expect(written(json<unknown>(), [{ a: 1 }], ["x\ny"])).toBe('{"a":1}\n"x\\ny"\n');
  const at = new Date(0);
  expect(written(keyValue(), ["a", 1], [2n, true], [at, -0.5])).toBe(
    "a\t1\n2\ttrue\n1970-01-01T00:00:00.000Z\t-0.5\n",
  );
  expect(written(keyValue({ separator: "" }), ["a", "b"])).toBe("ab\n");
  expect(written(binary(), [Buffer.from("a\n")], [Buffer.from("b")])).toBe("a\nb");
});

test("what would not come back as it went is refused", () => {
  expect(() => written(text(), ["a\nb"])).toThrow(/a line end inside a record of text: "a\\nb"/);
  expect(() => written(keyValue(), ["a", "b\n"])).toThrow(/a line end/);
  expect(() => written(json<unknown>(), [undefined])).toThrow(/JSON does not know/);
});
