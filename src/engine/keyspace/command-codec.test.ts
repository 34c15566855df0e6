import fc from "fast-check";
import { expect, test } from "vitest";
import { isQuorateError } from "../../runtime/errors.ts";
import { viewBytes } from "../../runtime/bytes.ts";
import { encodeRequest } from "../../wire/resp/request-encoder.ts";
import { decodeCommand, decodeLogged, encodeCall, encodeCommand, encodeExec } from "./command-codec.ts";
import type { KeyspaceCommand } from "./keyspace-command.ts";

const binary = fc.uint8Array({ maxLength: 40 }).map((bytes) => String.fromCharCode(...bytes));
const database = fc.nat(15);
const args = fc.array(binary, { minLength: 1, maxLength: 6 });
const versions = fc.array(fc.record({ database, key: binary, version: fc.maxSafeNat() }), { maxLength: 4 });
const watched = fc.array(
  fc.record({ database, key: binary, wasPresent: fc.boolean(), revision: fc.maxSafeNat() }),
  { maxLength: 4 },
);
const command: fc.Arbitrary<KeyspaceCommand> = fc.oneof(
  fc.record({ type: fc.constant("call" as const), database, args }),
  fc.record({
    type: fc.constant("calls" as const),
    database,
    list: fc.array(args, { minLength: 2, maxLength: 4 }),
  }),
  fc.record({
    type: fc.constant("exec" as const),
    watched,
    calls: fc.array(fc.record({ database, args }), { maxLength: 4 }),
  }),
  fc.record({
    type: fc.constant("exec-by-version" as const),
    watched: versions,
    calls: fc.array(fc.record({ database, args }), { maxLength: 4 }),
  }),
  fc.record({ type: fc.constant("expire" as const), limit: fc.nat() }),
  fc.record({ type: fc.constant("evict" as const), victims: versions }),
  fc.record({ type: fc.constant("configure" as const), settings: fc.array(fc.tuple(binary, binary)) }),
);

test("a command reads back from the log as it was written", () => {
  fc.assert(
    fc.property(command, (each) => {
      expect(decodeCommand(encodeCommand(each))).toEqual(each);
    }),
  );
});

test("the bytes that a client sent are the log form, and mean the same as the decoded command", () => {
  const line = ["SET", "k", "\0\r\n\xff"];
  expect(encodeCall(3, encodeRequest(line))).toEqual(
    encodeCommand({ type: "call", database: 3, args: line }),
  );
  const calls = [{ database: 1, args: line }];
  expect(encodeExec([], [{ database: 1, resp: encodeRequest(line) }])).toEqual(
    encodeCommand({ type: "exec", watched: [], calls }),
  );
});

test("damaged bytes are refused or another command, never a crash; in the log they are a command too", () => {
  fc.assert(
    fc.property(
      command,
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }),
      fc.nat(),
      (each, changes, cut) => {
        const bytes = viewBytes(Uint8Array.from(encodeCommand(each)));
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        const damaged = bytes.subarray(0, 1 + (cut % bytes.length));
        const isKnown = damaged[0]! >= 1 && damaged[0]! <= 7;
        try {
          expect(decodeLogged(damaged)).toEqual(decodeCommand(damaged));
        } catch (error) {
          expect(isQuorateError(error) && error.code).toBe(isKnown ? "PROTOCOL" : "UNSUPPORTED");
          if (isKnown) expect(decodeLogged(damaged)).toMatchObject({ type: "malformed" });
          else expect(() => decodeLogged(damaged)).toThrow("a newer version wrote it");
        }
      },
    ),
    { numRuns: 500 },
  );
});
