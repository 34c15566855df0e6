/** What a client sends becomes bytes of the log: what the parser took from them, every replica must read in them too. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Bytes } from "../../../runtime/bytes.ts";
import { bytesFromLatin1, copyBytes } from "../../../runtime/bytes.ts";
import { encodeRequest, requestText } from "../../../wire/resp/request-encoder.ts";
import { RequestParser } from "../../../wire/resp/request-parser.ts";
import { decodeCommand, encodeCall, encodeCalls, encodeExec } from "../../keyspace/command-codec.ts";
import type { KeyspaceCommand } from "../../keyspace/keyspace-command.ts";
import { cutAt, requestStream } from "./request-streams.testing.ts";
import { Request } from "./request.ts";
import type { Route } from "./router.ts";
import type { LoggedRun } from "./write-run.ts";
import { WriteRun } from "./write-run.ts";

interface Logged {
  readonly command: KeyspaceCommand;
  readonly encoded: Bytes | undefined;
}

/** Takes what arrives as a connection does that only writes: one run for the commands of a chunk, each inline one alone. */
function logged(chunks: readonly string[]): { readonly commands: string[][]; readonly log: Logged[] } {
  const parser = new RequestParser();
  const run = new WriteRun();
  const commands: string[][] = [];
  const log: Logged[] = [];
  const keep = (each: LoggedRun): void =>
    void log.push({ ...each, encoded: each.encoded && copyBytes(each.encoded) });
  for (const chunk of chunks) {
    parser.push(bytesFromLatin1(chunk));
    while (parser.next() === "command") {
      const { args } = parser;
      commands.push(args);
      // `raw` is what a single command would be logged as.
      expect(decodeCommand(encodeCall(3, parser.raw()))).toEqual({ type: "call", database: 3, args });
      if (parser.cameInline) continue;
      const request = new Request(args, {} as Route, { database: 3, version: 2 }, false, parser.rawBytes, 0);
      if (run.add(request, parser)) continue;
      keep(run.take());
      run.add(request, parser);
    }
    if (!run.empty) keep(run.take());
    parser.letGo();
  }
  return { commands, log };
}

test("whatever bytes are taken as commands, every replica reads the same commands in the log", () => {
  fc.assert(
    fc.property(requestStream, fc.array(fc.nat(200), { maxLength: 5 }), (text, cuts) => {
      const { commands, log } = logged(cutAt(text, cuts));
      for (const { command, encoded } of log) {
        expect(encoded).toBeDefined();
        expect(decodeCommand(encoded!)).toEqual(command);
      }
      const calls = commands.map((args) => ({ database: 1, args }));
      const encoded = encodeExec(
        [],
        calls.map(({ database, args }) => ({ database, resp: encodeRequest(args) })),
      );
      expect(decodeCommand(encoded)).toEqual({ type: "exec", watched: [], calls });
    }),
    { numRuns: 3000 },
  );
});

test.each([
  [
    "bytes other than CR LF behind a value",
    "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nbXX",
    "expected CRLF after bulk string",
  ],
  [
    "CR and another byte behind a value",
    "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\rX",
    "expected CRLF after bulk string",
  ],
  ["no LF behind the count", "*3\rX$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n", "invalid multibulk length"],
  ["no LF behind a length", "*3\r\n$3\rXSET\r\n$1\r\na\r\n$1\r\nb\r\n", "invalid bulk length"],
])("%s: a protocol error, and nothing in the log", (_name, bytes, error) => {
  for (const chunks of [[bytes], bytes.split("")]) {
    const parser = new RequestParser();
    for (const chunk of chunks) {
      parser.push(bytesFromLatin1(chunk));
      if (parser.next() !== "more") break;
    }
    expect(parser.error).toBe(`Protocol error: ${error}`);
  }
  expect(logged([bytes]).log).toEqual([]);
});

test("bytes that are not whole requests are refused before they can reach the log", () => {
  const good = requestText(["SET", "a", "b"]);
  const bad = [
    "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nbXX",
    good.slice(0, -1),
    `${good}*`,
    good + good,
    "*0\r\n",
    "SET a b\r\n",
    "",
  ];
  const refused = expect.objectContaining({ code: "PROTOCOL" });
  for (const text of bad) {
    const bytes = bytesFromLatin1(text);
    expect(() => encodeCall(0, bytes)).toThrow(refused);
    expect(() => encodeCalls(0, 2, bytesFromLatin1(good + text), 0, good.length + text.length)).toThrow(
      refused,
    );
    expect(() => encodeExec([], [{ database: 0, resp: bytes }])).toThrow(refused);
  }
  expect(() => encodeCalls(0, 2, bytesFromLatin1(good), 0, good.length)).toThrow(refused);
});
