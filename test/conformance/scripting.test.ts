import { isDeepStrictEqual } from "node:util";

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

import { commandGetKeys } from "../../src/engine/keyspace/command-replies.ts";
import { DATA_COMMANDS } from "../../src/engine/keyspace/commands/index.ts";
import { testKeyspace } from "../../src/engine/keyspace/keyspace.testing.ts";
import type { TestKeyspace } from "../../src/engine/keyspace/keyspace.testing.ts";
import { loadScriptEngine } from "../../src/engine/scripting/script-engine.ts";
import { OK, ReplyError } from "../../src/engine/keyspace/reply.ts";
import { plainReply } from "./plain-reply.ts";
import { lacks } from "../engines.ts";
import { startReference } from "./redis-reference.ts";
import type { Reference } from "./redis-reference.ts";
import {
  BINARY_CASES,
  COMMAND_CASES,
  ERROR_CASES,
  JSON_CASES,
  LIBRARY_CASES,
  REPLY_CASES,
} from "./scripting-cases.ts";
import type { Case } from "./scripting-cases.ts";
import { SEQUENCES } from "./scripting-sequences.ts";

describe.skipIf(lacks("redis-server")).each([2, 3] as const)(
  "scripts reply as redis-server 7.0 does, RESP%i",
  (protocol) => {
    let reference: Reference;
    let keyspace: TestKeyspace;

    beforeAll(async () => {
      reference = await startReference(protocol);
    });
    afterAll(async () => {
      await reference.stop();
    });
    beforeEach(async () => {
      keyspace = testKeyspace(DATA_COMMANDS, { scripts: await loadScriptEngine() });
    });

    async function clear(): Promise<void> {
      for (const args of [["flushall"], ["set", "k", "v"]]) {
        await reference.send(args);
        keyspace.run(args[0]!, ...args.slice(1));
      }
    }

    const groups: readonly [string, readonly Case[]][] = [
      ["values", REPLY_CASES],
      ["commands", COMMAND_CASES],
      ["errors and sandbox", ERROR_CASES],
      ["libraries", LIBRARY_CASES],
      ["cjson", JSON_CASES],
      ["cmsgpack, struct and bit", BINARY_CASES],
    ];
    test.each(groups)("%s", async (_, cases) => {
      const differences: string[] = [];
      for (const given of cases) {
        const [script, ...rest] = typeof given === "string" ? [given, "0"] : given;
        await clear();
        const args = ["eval", script, ...rest];
        const expected = await reference.send(args);
        const got = plainReply(keyspace.run(...args), protocol);
        if (!isDeepStrictEqual(got, expected)) differences.push(JSON.stringify({ script, expected, got }));
      }
      expect(differences).toEqual([]);
    });

    test.each(Object.entries(SEQUENCES))("%s", async (_, commands) => {
      await clear();
      const differences: string[] = [];
      for (const args of commands) {
        const expected = await reference.send(args);
        const got = plainReply(keyspace.run(args[0]!, ...args.slice(1)), protocol);
        if (!isDeepStrictEqual(got, expected)) differences.push(JSON.stringify({ args, expected, got }));
      }
      expect(differences).toEqual([]);
    });

    test("the keys of a call are those behind their number, the script is none of them", async () => {
      for (const args of [
        ["EVAL", "return 1", "2", "a", "b", "c"],
        ["EVAL", "return 1", "0", "a"],
        ["EVAL", "return 1", "5", "a"],
        ["EVAL", "return 1", "-1", "a"],
        ["EVALSHA", "0", "1", "a"],
        ["FCALL", "f", "1", "a", "b"],
      ]) {
        const expected = await reference.send(["COMMAND", "GETKEYS", ...args]);
        expect([args, commandGetKeys(keyspace.machine.commands, args)]).toEqual([args, expected]);
      }
    });

    test("a payload of FUNCTION DUMP passes between the two", async () => {
      const code = `#!lua name=carried\nredis.register_function('f', function() return '${"x".repeat(200)}' end)`;
      await reference.send(["function", "load", "replace", code]);
      const theirs = (await reference.send(["function", "dump"])) as string;
      expect(keyspace.run("function", "restore", theirs)).toEqual(OK);
      expect(keyspace.run("fcall", "f", "0")).toBe("x".repeat(200));
      const { error } = (await reference.send(["function", "restore", theirs])) as { error: string };
      expect(keyspace.run("function", "restore", theirs)).toEqual(new ReplyError(error));
      const ours = keyspace.run("function", "dump") as string;
      expect(await reference.send(["function", "restore", ours, "flush"])).toEqual({ status: "OK" });
      expect(await reference.send(["fcall", "f", "0"])).toBe("x".repeat(200));
    });
  },
);
