import fc from "fast-check";
import { expect, test } from "vitest";
import type { BodyFraming } from "./body-framing.ts";
import { ChunkedBody, SizedBody } from "./body-framing.ts";

/** What a reader with one buffer has when it got `raw` in pieces that end at `cuts`. */
function decode(framing: BodyFraming, raw: string, cuts: readonly number[]): string {
  const bytes = Buffer.alloc(raw.length);
  let filled = 0;
  let from = 0;
  for (const to of [...cuts, raw.length]) {
    filled += bytes.write(raw.slice(from, to), filled, "latin1");
    filled = framing.take(bytes, filled - (to - from), filled);
    from = to;
  }
  return bytes.toString("latin1", 0, filled);
}

function everyCut(raw: string, see: (cuts: readonly number[]) => void): void {
  for (let first = 0; first <= raw.length; first++) see([first]);
  see(Array.from(raw, (_, at) => at));
}

const BODIES: readonly (readonly [raw: string, content: string])[] = [
  ["0\r\n\r\n", ""],
  ["5\r\nhello\r\n0\r\n\r\n", "hello"],
  ["0005\r\nhello\r\n00A\r\n, \r\n there\r\n000\r\n\r\n", "hello, \r\n there"],
  ['1;signature=0a\r\nx\r\n1;a;b="c d"\r\ny\r\n0;z\r\n\r\n', "xy"],
  ["2\r\n\r\n\r\n0\r\nDigest: a:b c\r\nX:\r\n\r\n", "\r\n"],
];

test("a body in chunks gives its content, wherever its connection cuts it", () => {
  for (const [raw, content] of BODIES) {
    everyCut(raw, (cuts) => {
      const body = new ChunkedBody();
      expect(decode(body, raw, cuts)).toBe(content);
      expect([body.isOver, body.most]).toEqual([true, 0]);
    });
  }
});

test("content of any bytes in chunks of any size comes out as it went in", () => {
  const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 12 });
  fc.assert(
    fc.property(chunks, fc.array(fc.nat(4000), { maxLength: 20 }), (sent, places) => {
      const texts = sent.map((chunk) => Buffer.from(chunk).toString("latin1"));
      const raw = `${texts.map((text) => `${text.length.toString(16)}\r\n${text}\r\n`).join("")}0\r\n\r\n`;
      const cuts = places.filter((place) => place < raw.length).toSorted((a, b) => a - b);
      const body = new ChunkedBody();
      expect(decode(body, raw, cuts)).toBe(texts.join(""));
      expect(body.isOver).toBe(true);
    }),
  );
});

test("what follows a body is not taken for a part of it", () => {
  everyCut("3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n", (cuts) => {
    expect(decode(new ChunkedBody(), "3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n", cuts)).toBe("abc");
  });
  everyCut("abcGET /", (cuts) => {
    const body = new SizedBody(3);
    expect([decode(body, "abcGET /", cuts), body.isOver, body.most]).toEqual(["abc", true, 0]);
  });
});

test("a body that is not whole is not over", () => {
  for (const [raw, content] of BODIES) {
    for (let length = 0; length < raw.length; length++) {
      const body = new ChunkedBody();
      const cut = decode(body, raw.slice(0, length), []);
      expect([body.isOver, content.startsWith(cut)]).toEqual([false, true]);
    }
  }
  const sized = new SizedBody(5);
  sized.take(Buffer.alloc(4), 0, 4);
  expect([sized.isOver, sized.most]).toEqual([false, 1]);
});

test.each([
  ["no size", "\r\n"],
  ["an extension without a size", ";a\r\n"],
  ["no number", "g\r\nx"],
  ["a sign", "-1\r\nx"],
  ["a prefix", "0x1\r\nx"],
  ["a blank before the size", " 1\r\nx"],
  ["a blank behind the size", "1 \r\nx"],
  ["a size that no number holds", "10000000000000\r\nx"],
  ["a size that ends with LF", "1\nx"],
  ["a size that ends with CR", "1\rx"],
  ["an extension that ends with LF", "1;a\nx"],
  ["an extension with a zero byte", "1;\0\r\nx"],
  ["a chunk longer than its size", "1\r\nab\r\n0\r\n\r\n"],
  ["a chunk that ends with LF", "1\r\na\n0\r\n\r\n"],
  ["a chunk that ends with CR", "1\r\na\r0\r\n\r\n"],
  ["a field without a name", "0\r\n: a\r\n\r\n"],
  ["a folded field", "0\r\nA: b\r\n c\r\n\r\n"],
  ["a blank in a field's name", "0\r\nA : b\r\n\r\n"],
  ["no colon in a field", "0\r\nA\r\n\r\n"],
  ["a field that ends with LF", "0\r\nA: b\n\r\n"],
  ["a field that ends with CR", "0\r\nA: b\rC: d\r\n\r\n"],
  ["a body that ends with CR", "0\r\n\rx"],
])("%s is refused, wherever the connection cuts it", (_, raw) => {
  everyCut(raw, (cuts) => {
    expect(() => decode(new ChunkedBody(), raw, cuts)).toThrow(/this is no body in chunks/);
  });
});

test("extensions and fields have a bound, however they come", () => {
  const long = "x".repeat(1024);
  expect(decode(new ChunkedBody(), `1;${long}\r\na\r\n1;${long}\r\nb\r\n0\r\n\r\n`, [])).toBe("ab");
  everyThousandth(`1;${long}x`, /more than 1024 bytes/);
  const fields = (bytes: number): string => `0\r\n${"A: b\r\n".repeat(bytes / 6)}`;
  expect(decode(new ChunkedBody(), `${fields(8_184)}\r\n`, [])).toBe("");
  everyThousandth(`${fields(8_196)}\r\n`, /more than 8192 bytes/);
});

function everyThousandth(raw: string, refusal: RegExp): void {
  const cuts = Array.from({ length: Math.floor(raw.length / 1000) }, (_, at) => 1000 * (at + 1));
  for (const pieces of [[], cuts]) expect(() => decode(new ChunkedBody(), raw, pieces)).toThrow(refusal);
}
