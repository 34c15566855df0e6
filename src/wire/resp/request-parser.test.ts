import fc from "fast-check";
import { expect, test } from "vitest";
import type { Bytes } from "../../runtime/bytes.ts";
import { bytesFromLatin1, concatBytes, copyBytes } from "../../runtime/bytes.ts";
import { encodeRequest, requestText } from "./request-encoder.ts";
import { defaultRequestLimits, parseRequest, RequestParser } from "./request-parser.ts";

interface Parsed {
  readonly commands: string[][];
  readonly raws: string[];
  readonly error: string | undefined;
}

function parse(chunks: readonly string[], parser: RequestParser = new RequestParser()): Parsed {
  const commands: string[][] = [];
  const views: Bytes[] = [];
  for (const chunk of chunks) {
    parser.push(bytesFromLatin1(chunk));
    let result = parser.next();
    for (; result === "command"; result = parser.next()) {
      commands.push(parser.args);
      views.push(parser.raw());
    }
    if (result === "error") break;
  }
  // Read only now: a view that later bytes had overwritten would show here.
  return { commands, raws: views.map((view) => view.toString("latin1")), error: parser.error };
}

const binary = fc.uint8Array({ maxLength: 40 }).map((bytes) => String.fromCharCode(...bytes));
const command = fc.array(binary, { minLength: 1, maxLength: 6 });

test("a pipeline gives the same commands wherever the bytes are cut", () => {
  fc.assert(
    fc.property(
      fc.array(command, { maxLength: 8 }),
      fc.array(fc.nat(400), { maxLength: 12 }),
      (commands, cuts) => {
        const text = commands.map(requestText).join("");
        const places = [0, ...cuts.filter((cut) => cut < text.length).sort((a, b) => a - b), text.length];
        const chunks = places.slice(1).map((to, index) => text.slice(places[index], to));
        const parsed = parse(chunks);
        expect(parsed.error).toBeUndefined();
        expect(parsed.commands).toEqual(commands);
        expect(parsed.raws).toEqual(commands.map(requestText));
      },
    ),
  );
});

test("a chunk that is written over when it was let go has been read", () => {
  fc.assert(
    fc.property(
      fc.array(command, { maxLength: 8 }),
      fc.array(fc.nat(400), { maxLength: 12 }),
      (commands, cuts) => {
        const text = commands.map(requestText).join("");
        const places = [0, ...cuts.filter((cut) => cut < text.length).sort((a, b) => a - b), text.length];
        const shared = bytesFromLatin1("*".repeat(text.length + 1));
        const parser = new RequestParser();
        const found: string[][] = [];
        for (const [index, to] of places.slice(1).entries()) {
          const length = shared.write(text.slice(places[index], to), 0, "latin1");
          parser.push(shared, length);
          // Sometimes not all that is there is asked for at once.
          if (index % 3 !== 2) while (parser.next() === "command") found.push(parser.args);
          parser.letGo();
          shared.fill(42);
        }
        while (parser.next() === "command") found.push(parser.args);
        expect(found).toEqual(commands);
      },
    ),
  );
});

test("a mixed pipeline survives a cut at every single byte", () => {
  const text = `${requestText(["SET", "key", "v\r\n$9"])}PING\r\n\r\n*0\r\n${requestText(["GET", ""])}ECHO "a b"\n*-1\r\nQUIT\r\n`;
  const whole = parse([text]);
  expect(whole.commands).toEqual([
    ["SET", "key", "v\r\n$9"],
    ["PING"],
    ["GET", ""],
    ["ECHO", "a b"],
    ["QUIT"],
  ]);
  for (let at = 0; at <= text.length; at += 1) {
    expect(parse([text.slice(0, at), text.slice(at)])).toEqual(whole);
  }
  expect(parse(text.split(""))).toEqual(whole);
});

test("the raw bytes of an inline command are its array form", () => {
  expect(parse(['set k "a b"\r\n']).raws).toEqual([requestText(["set", "k", "a b"])]);
});

test("inline words follow Redis's quoting", () => {
  const line = `SET  'it\\'s'\t"\\x41\\n\\q\\xzz" mid"dle" ''\r\n`;
  expect(parse([line]).commands).toEqual([["SET", "it's", "A\nqxzz", "middle", ""]]);
  for (const bad of [`"open`, `'open`, `"a"b`, `'a'b`, `x "y\\"`]) {
    expect(parse([`${bad}\r\n`]).error).toBe("Protocol error: unbalanced quotes in request");
  }
});

test("bad framing is refused with Redis's words", () => {
  const errors: Readonly<Record<string, string>> = {
    "*3000000000\r\n": "Protocol error: invalid multibulk length",
    "*1048577\r\n": "Protocol error: invalid multibulk length",
    "*x\r\n": "Protocol error: invalid multibulk length",
    "*01\r\n": "Protocol error: invalid multibulk length",
    "*\r\n": "Protocol error: invalid multibulk length",
    "*-0\r\n": "Protocol error: invalid multibulk length",
    "*\0": "Protocol error: invalid multibulk length",
    "*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n": "Protocol error: expected '$', got 'f'",
    "*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$-10\r\n": "Protocol error: invalid bulk length",
    "*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$2000000000\r\n": "Protocol error: invalid bulk length",
    "*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$blabla\r\n": "Protocol error: invalid bulk length",
    "*1\r\n$\r\n": "Protocol error: invalid bulk length",
    "*1\r\n$99999999999999999999999999": "Protocol error: invalid bulk length",
    [`\0${"x".repeat(70_000)}`]: "Protocol error: too big inline request",
    [`${"x".repeat(70_000)}\r\n`]: "Protocol error: too big inline request",
  };
  for (const [bytes, error] of Object.entries(errors)) {
    expect(parse([`PING\r\n${bytes}`])).toEqual({
      commands: [["PING"]],
      raws: [requestText(["PING"])],
      error,
    });
    expect(parse(bytes.split("")).error).toBe(error);
  }
});

test("a client that is not yet authenticated may send only little", () => {
  const restricted = (): RequestParser => new RequestParser({ ...defaultRequestLimits(), restricted: true });
  expect(parse(["*11\r\n"], restricted()).error).toBe("Protocol error: unauthenticated multibulk length");
  expect(parse(["*1\r\n$16385\r\n"], restricted()).error).toBe("Protocol error: unauthenticated bulk length");
  expect(parse([requestText(["AUTH", "secret"])], restricted()).commands).toEqual([["AUTH", "secret"]]);
});

test("a long value in small pieces arrives whole, and its command takes no more memory than its bytes", () => {
  const value = "0123456789abcdef".repeat(300_000);
  const text = requestText(["SET", "key", value]) + requestText(["GET", "key"]);
  const chunks = [];
  for (let at = 0; at < text.length; at += 65_536) chunks.push(text.slice(at, at + 65_536));
  const parsed = parse(chunks);
  expect(parsed.commands).toEqual([
    ["SET", "key", value],
    ["GET", "key"],
  ]);
  expect(parsed.raws[0]).toBe(requestText(["SET", "key", value]));
});

test("a lie about a length costs the server nothing but what was sent", () => {
  const parser = new RequestParser();
  parser.push(bytesFromLatin1("*2\r\n$3\r\nSET\r\n$500000000\r\n"));
  expect(parser.next()).toBe("more");
  parser.push(bytesFromLatin1("x".repeat(1000)));
  expect(parser.next()).toBe("more");
  expect(parser.bufferedBytes).toBeLessThan(1100);
  const view = parser as unknown as { buffer: Bytes };
  expect(view.buffer.buffer.byteLength).toBeLessThanOrEqual(1 << 20);
});

test("any bytes at all give commands or an error, never an exception or an endless loop", () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 30 }).map((bytes) => String.fromCharCode(...bytes)),
    fc.constantFrom("*", "$", "\r\n", "-", "1", "3", "$3\r\n", "*2\r\n", "GET", '"', "'", "\\x"),
    command.map(requestText),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
      const cut = parse(pieces);
      const whole = parse([pieces.join("")]);
      expect(cut).toEqual(whole);
    }),
    { numRuns: 2000 },
  );
});

test("what was parsed parses again from its raw bytes", () => {
  fc.assert(
    fc.property(command, (args) => {
      expect(parseRequest(encodeRequest(args))).toEqual(args);
    }),
  );
  expect(parseRequest(bytesFromLatin1("PING\r\n"))).toBeUndefined();
  expect(parseRequest(bytesFromLatin1("*1\r\n$4\r\nPI"))).toBeUndefined();
  expect(parseRequest(concatBytes([encodeRequest(["PING"]), encodeRequest(["PING"])]))).toBeUndefined();
});

test("raw bytes stay as they were while later chunks arrive", () => {
  const parser = new RequestParser();
  const text = requestText(["SET", "a", "1"]);
  parser.push(copyBytes(bytesFromLatin1(text + text.slice(0, 10))));
  expect(parser.next()).toBe("command");
  const first = parser.raw();
  expect(parser.next()).toBe("more");
  parser.push(bytesFromLatin1(text.slice(10)));
  expect(parser.next()).toBe("command");
  expect(first.toString("latin1")).toBe(text);
});

test("of a command above the limit only the name is kept, and the commands around it are found", () => {
  const length = fc.nat(60);
  fc.assert(
    fc.property(fc.array(length, { minLength: 1, maxLength: 6 }), fc.array(fc.nat(400)), (lengths, cuts) => {
      const commands = lengths.map((bytes) => ["SET", "key", "x".repeat(bytes)]);
      const text = commands.map(requestText).join("");
      const places = [0, ...cuts.filter((cut) => cut < text.length).sort((a, b) => a - b), text.length];
      const parser = new RequestParser({ ...defaultRequestLimits(), commandMaxBytes: 60 });
      const found: [string[], boolean][] = [];
      places.slice(1).forEach((to, at) => {
        parser.push(bytesFromLatin1(text.slice(places[at], to)));
        while (parser.next() === "command") found.push([parser.args, parser.tooLarge]);
        parser.letGo();
      });
      const tooLarge = commands.map((each) => requestText(each).length > 60);
      expect(found).toEqual(commands.map((each, at) => [tooLarge[at] ? ["SET"] : each, tooLarge[at]]));
      expect(parser.bufferedBytes).toBe(0);
    }),
  );
});
