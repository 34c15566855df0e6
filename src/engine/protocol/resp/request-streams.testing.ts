/** Streams of bytes for tests: requests of clients, well framed, carelessly framed, and damaged. */
import fc from "fast-check";
import { requestText } from "../../../wire/resp/request-encoder.ts";

const binary = fc.uint8Array({ maxLength: 12 }).map((bytes) => String.fromCharCode(...bytes));
const key = fc.constantFrom("a", "b", "c");
const request = fc
  .oneof(
    fc.array(binary, { minLength: 1, maxLength: 4 }),
    fc.tuple(fc.constantFrom("SET", "APPEND", "LPUSH", "SADD", "get"), key, binary),
    fc.tuple(fc.constantFrom("HSET", "ZADD"), key, fc.constantFrom("1", "2"), binary),
    fc.tuple(fc.constantFrom("DEL", "INCR", "TYPE", "WATCH"), key),
    fc.constantFrom(["MULTI"], ["EXEC"], ["PING"]),
  )
  .map(requestText);
/** Lengths as a careless or hostile client writes them. */
const length = fc.constantFrom(
  ..."0 00 1 01 03 3 +1 +3 -0 -1 -2 1e0 0x1 1. 4 5 1048576 1048577 4294967297 9007199254740993".split(" "),
  ..."18446744073709551617 99999999999999999999999".split(" "),
  " 1",
  "1 ",
  "",
  "-",
  "--1",
);
const ending = fc.constantFrom("\r\n", "\r\n", "\r\n", "XX", "\rX", "X\n", "\n\r", "\n", "\r", "");
const crooked = fc
  .tuple(length, ending, fc.array(fc.tuple(length, ending, binary, ending), { maxLength: 3 }))
  .map(
    ([count, end, bulks]) =>
      `*${count}${end}` + bulks.map(([size, a, text, b]) => `$${size}${a}${text}${b}`).join(""),
  );
const inline = fc.constantFrom(
  "SET a b\r\n",
  "SET \"a\\r\\nb\" ''\n",
  "\r\n",
  "*0\r\n",
  "*-1\r\n",
  "get x\n",
);
/** What a client may send: whole requests, inline lines, and the same with mistakes in their framing. */
export const requestStream: fc.Arbitrary<string> = fc
  .tuple(
    fc.array(fc.oneof({ weight: 4, arbitrary: request }, inline, crooked), { maxLength: 6 }),
    // Any byte of it may be another, one may be missing, and one too many.
    fc.array(
      fc.tuple(fc.constantFrom("change", "remove", "insert"), fc.nat(), fc.oneof(fc.nat(255), byteOf())),
      { maxLength: 3 },
    ),
  )
  .map(([parts, changes]) => changes.reduce(mutated, parts.join("")));

function byteOf(): fc.Arbitrary<number> {
  return fc.nat(17).map((at) => "\r\n*$-+0123456789X".charCodeAt(at % 17));
}

function mutated(text: string, [how, place, byte]: readonly [string, number, number]): string {
  const at = place % (text.length + 1);
  const added = how === "remove" ? "" : String.fromCharCode(byte);
  return text.slice(0, at) + added + text.slice(how === "insert" ? at : at + 1);
}

/** The text in pieces, cut at the given places. */
export function cutAt(text: string, cuts: readonly number[]): readonly string[] {
  const inside = cuts.filter((cut) => cut < text.length).toSorted((left, right) => left - right);
  const places = [0, ...inside, text.length];
  return places.slice(1).map((to, at) => text.slice(places[at], to));
}
