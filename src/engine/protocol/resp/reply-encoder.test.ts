import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesFromLatin1 } from "../../../runtime/bytes.ts";
import type { WireReply } from "../../../wire/resp/reply-parser.ts";
import { ReplyParser } from "../../../wire/resp/reply-parser.ts";
import type { Reply } from "../../keyspace/reply.ts";
import {
  BigNumberReply,
  DoubleReply,
  MapReply,
  NULL_ARRAY,
  OK,
  PairsReply,
  PushReply,
  ReplyError,
  SetReply,
  Status,
  VerbatimReply,
} from "../../keyspace/reply.ts";
import { encodeReply } from "./reply-encoder.ts";

test("each reply has its RESP2 and its RESP3 form", () => {
  const samples: readonly (readonly [Reply, string, string])[] = [
    ["a\r\nb", "$4\r\na\r\nb\r\n", "$4\r\na\r\nb\r\n"],
    [OK, "+OK\r\n", "+OK\r\n"],
    [null, "$-1\r\n", "_\r\n"],
    [NULL_ARRAY, "*-1\r\n", "_\r\n"],
    [7, ":7\r\n", ":7\r\n"],
    [-1, ":-1\r\n", ":-1\r\n"],
    [9223372036854775807n, ":9223372036854775807\r\n", ":9223372036854775807\r\n"],
    [
      new BigNumberReply("12345678901234567890123"),
      "$23\r\n12345678901234567890123\r\n",
      "(12345678901234567890123\r\n",
    ],
    [true, ":1\r\n", "#t\r\n"],
    [false, ":0\r\n", "#f\r\n"],
    [["a", 1, []], "*3\r\n$1\r\na\r\n:1\r\n*0\r\n", "*3\r\n$1\r\na\r\n:1\r\n*0\r\n"],
    [new DoubleReply(1.5), "$3\r\n1.5\r\n", ",1.5\r\n"],
    [new DoubleReply(-Infinity), "$4\r\n-inf\r\n", ",-inf\r\n"],
    [new MapReply(["a", 1]), "*2\r\n$1\r\na\r\n:1\r\n", "%1\r\n$1\r\na\r\n:1\r\n"],
    [new SetReply(["a"]), "*1\r\n$1\r\na\r\n", "~1\r\n$1\r\na\r\n"],
    [
      new PairsReply(["a", new DoubleReply(1)]),
      "*2\r\n$1\r\na\r\n$1\r\n1\r\n",
      "*1\r\n*2\r\n$1\r\na\r\n,1\r\n",
    ],
    [new PushReply(["a"]), "*1\r\n$1\r\na\r\n", ">1\r\n$1\r\na\r\n"],
    [new VerbatimReply("txt", "hi"), "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n"],
    [new ReplyError("ERR two\r\nlines"), "-ERR two  lines\r\n", "-ERR two  lines\r\n"],
    [new Status("a\nb"), "+a b\r\n", "+a b\r\n"],
  ];
  for (const [reply, two, three] of samples) {
    expect(encodeReply(reply, 2)).toBe(two);
    expect(encodeReply(reply, 3)).toBe(three);
  }
});

test("what the encoder writes in RESP3, the reply parser reads back", () => {
  const binary = fc.uint8Array({ maxLength: 20 }).map((bytes) => String.fromCharCode(...bytes));
  const { tree } = fc.letrec<{ tree: Reply }>((tie) => ({
    tree: fc.oneof(
      { depthSize: "small" },
      binary,
      fc.maxSafeInteger(),
      fc.boolean(),
      fc.constant(null),
      fc.double({ noNaN: true }).map((value) => new DoubleReply(value)),
      fc.array(tie("tree"), { maxLength: 4 }),
      fc.array(tie("tree"), { maxLength: 4 }).map((items) => new SetReply(items)),
      fc.array(tie("tree"), { maxLength: 3 }).map((items) => new MapReply([...items, ...items])),
    ),
  }));
  fc.assert(
    fc.property(tree, (reply) => {
      const parser = new ReplyParser();
      parser.push(bytesFromLatin1(encodeReply(reply, 3)));
      expect(parser.next()?.reply).toEqual(wireForm(reply));
    }),
  );
});

function wireForm(reply: Reply): WireReply {
  if (Array.isArray(reply)) return (reply as readonly Reply[]).map(wireForm);
  if (reply instanceof DoubleReply) return { type: "double", value: reply.value };
  if (reply instanceof SetReply) return { type: "set", items: reply.items.map(wireForm) };
  if (reply instanceof MapReply) return { type: "map", items: reply.items.map(wireForm) };
  return reply as string | number | boolean | null;
}

test("an integer that is none is never sent", () => {
  expect(() => encodeReply(1.5, 2)).toThrow(/safe integer/);
});
