import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesFromLatin1 } from "../../runtime/bytes.ts";
import { formatDouble } from "./numbers.ts";
import type { WireReply } from "./reply-parser.ts";
import { ReplyParser } from "./reply-parser.ts";

function parse(chunks: readonly string[]): WireReply[] {
  const parser = new ReplyParser();
  const replies: WireReply[] = [];
  for (const chunk of chunks) {
    parser.push(bytesFromLatin1(chunk));
    for (let found = parser.next(); found !== undefined; found = parser.next()) replies.push(found.reply);
  }
  return replies;
}

const SAMPLES: readonly (readonly [string, WireReply])[] = [
  ["+OK\r\n", { type: "status", text: "OK" }],
  ["-ERR no\r\n", { type: "error", message: "ERR no" }],
  [":-7\r\n", -7],
  [":9223372036854775807\r\n", 9223372036854775807n],
  ["(123456789012345678901234567890\r\n", 123456789012345678901234567890n],
  ["$3\r\na\r\n\r\n", "a\r\n"],
  ["$0\r\n\r\n", ""],
  ["$-1\r\n", null],
  ["_\r\n", null],
  ["*-1\r\n", { type: "null-array" }],
  ["*0\r\n", []],
  ["*3\r\n:1\r\n*1\r\n$1\r\nx\r\n#t\r\n", [1, ["x"], true]],
  ["%2\r\n+a\r\n:1\r\n+b\r\n%0\r\n", mapOf(status("a"), 1, status("b"), mapOf())],
  ["~1\r\n#f\r\n", { type: "set", items: [false] }],
  [">2\r\n$1\r\na\r\n,1.5\r\n", { type: "push", items: ["a", { type: "double", value: 1.5 }] }],
  [",inf\r\n", { type: "double", value: Infinity }],
  ["=7\r\ntxt:abc\r\n", { type: "verbatim", format: "txt", text: "abc" }],
  ["!5\r\nERR x\r\n", { type: "error", message: "ERR x" }],
  ["|1\r\n+ttl\r\n:3\r\n*2\r\n:1\r\n|1\r\n+a\r\n+b\r\n:2\r\n", [1, 2]],
];

function status(text: string): WireReply {
  return { type: "status", text };
}

function mapOf(...items: readonly WireReply[]): WireReply {
  return { type: "map", items };
}

test("every kind of reply is read, also when its bytes come one at a time", () => {
  for (const [bytes, reply] of SAMPLES) {
    expect(parse([bytes])).toEqual([reply]);
    expect(parse(bytes.split(""))).toEqual([reply]);
  }
  const all = SAMPLES.map(([bytes]) => bytes).join("");
  for (let at = 0; at <= all.length; at += 1) {
    expect(parse([all.slice(0, at), all.slice(at)])).toEqual(SAMPLES.map(([, reply]) => reply));
  }
});

test("bytes that are no RESP are refused", () => {
  for (const bad of [
    "hello\r\n",
    ":x\r\n",
    "$x\r\n",
    "$2\r\nabc\r\n",
    "#x\r\n",
    "*-2\r\n",
    "+a\rb",
    ",\r\n",
  ]) {
    expect(() => parse([bad])).toThrow(/not a RESP reply/);
  }
  expect(() => parse(["*1\r\n".repeat(200)])).toThrow(/nested too deep/);
});

test("doubles have the seventeen digits of Redis 7.0", () => {
  const samples: readonly (readonly [number, string])[] = [
    [3, "3"],
    [-0, "-0"],
    [0.1, "0.10000000000000001"],
    [1.1, "1.1000000000000001"],
    [1.5, "1.5"],
    [1e20, "1e+20"],
    [1e16, "10000000000000000"],
    [1e17, "1e+17"],
    [0.0001, "0.0001"],
    [0.00001, "1.0000000000000001e-05"],
    [5e-324, "4.9406564584124654e-324"],
    [1.7976931348623157e308, "1.7976931348623157e+308"],
    [3.0e-7, "2.9999999999999999e-07"],
    [-123456.789, "-123456.789"],
    [Infinity, "inf"],
    [-Infinity, "-inf"],
  ];
  for (const [value, text] of samples) expect(formatDouble(value)).toBe(text);
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      expect(Number(formatDouble(value))).toBe(value);
    }),
  );
});
