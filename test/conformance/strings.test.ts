/** Strings, keys and expiry against a real redis-server 7.0: random command lines, the same to both; replies must be equal. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bytesFromLatin1 } from "../../src/runtime/bytes.ts";
import { DATA_COMMANDS } from "../../src/engine/keyspace/commands/index.ts";
import { matchesGlob } from "../../src/engine/keyspace/glob.ts";
import { testKeyspace } from "../../src/engine/keyspace/keyspace.testing.ts";
import type { Reply } from "../../src/engine/keyspace/reply.ts";
import { encodeReply, type RespVersion } from "../../src/engine/protocol/resp/reply-encoder.ts";
import { ReplyParser, type WireReply } from "../../src/wire/resp/reply-parser.ts";
import { lacks } from "../engines.ts";
import { Dice } from "./collection-commands.ts";
import { RedisConnection, startRedisServer, type RedisServer } from "./redis-server.ts";
import { randomSortLine, randomStringLine, SORT_FIXTURES, STRING_KEYS } from "./string-commands.ts";

const COMMANDS_PER_SEED = Number(process.env["CONFORMANCE_COMMANDS"] ?? 2500);
const SEEDS = (process.env["CONFORMANCE_SEEDS"] ?? "1,2,3").split(",").map(Number);

/** Both sides compute these from clocks of their own. */
const TIMES = new Set(["ttl", "pttl", "expiretime", "pexpiretime"]);
const TIME_TOLERANCE_MS = 10_000;

function asRead(reply: Reply, version: RespVersion): WireReply {
  const parser = new ReplyParser();
  parser.push(bytesFromLatin1(encodeReply(reply, version)));
  return parser.next()!.reply;
}

function essence(name: string, reply: WireReply): unknown {
  if (name === "randomkey") return typeof reply;
  if (name === "keys" && Array.isArray(reply)) return (reply as readonly string[]).toSorted();
  if (name === "scan" && Array.isArray(reply)) {
    const [cursor, keys] = reply as [string, string[]];
    return [cursor, keys.toSorted()];
  }
  return reply;
}

function equal(name: string, ours: WireReply, redis: WireReply): boolean {
  if (TIMES.has(name) && typeof ours === "number" && typeof redis === "number" && Math.min(ours, redis) > 0) {
    return Math.abs(ours - redis) < TIME_TOLERANCE_MS;
  }
  const text = (value: unknown): string =>
    JSON.stringify(value, (_, part: unknown) => (typeof part === "bigint" ? `bigint ${part}` : part));
  return text(essence(name, ours)) === text(essence(name, redis));
}

describe.skipIf(lacks("redis-server"))("strings and keys answer as redis-server 7.0 does", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedisServer();
  });
  afterAll(async () => server?.stop());

  test.each(SEEDS.flatMap((seed) => [2, 3].map((version) => [seed, version as RespVersion] as const)))(
    "random commands of seed %i in RESP%i",
    async (seed, version) => {
      const redis = await RedisConnection.open(server.port);
      await redis.call(["FLUSHALL"]);
      await redis.call(["HELLO", String(version)]);
      const ours = testKeyspace();
      const dice = new Dice(seed * 2 + version);
      const differences: unknown[] = [];
      for (let n = 0; n < COMMANDS_PER_SEED && differences.length < 5; n++) {
        const line = randomStringLine(dice);
        ours.nowMs = Date.now();
        const left = asRead(ours.apply({ type: "call", database: 0, args: line }), version);
        const right = await redis.call(line);
        if (!equal(line[0]!.toLowerCase(), left, right))
          differences.push({ n, line, ours: left, redis: right });
        if (n % 100 !== 99) continue;
        for (const key of STRING_KEYS) {
          const [mine, theirs] = [asRead(ours.run("GET", key), version), await redis.call(["GET", key])];
          if (!equal("get", mine, theirs)) differences.push({ n, key, ours: mine, redis: theirs });
        }
      }
      expect(differences).toEqual([]);
      redis.close();
    },
  );

  test("the rows of the table say what COMMAND INFO says", async () => {
    const redis = await RedisConnection.open(server.port);
    const groups = new Set(["string", "generic", "server"]);
    for (const spec of DATA_COMMANDS.filter(({ docs }) => groups.has(docs.group))) {
      for (const each of [spec, ...(spec.subcommands ?? [])]) {
        if (each.name === "object|help") continue;
        const [found] = (await redis.call(["COMMAND", "INFO", each.name])) as [WireReply[]];
        const [name, arity, flags, ...places] = found as [string, number, { text: string }[], ...number[]];
        const { first, last, step } = each.keys;
        expect([each.name, each.arity, first, last, step]).toEqual([name, arity, ...places.slice(0, 3)]);
        expect([name, ...each.flags.toSorted()]).toEqual([
          name,
          ...flags.map((flag) => flag.text).toSorted(),
        ]);
      }
    }
    redis.close();
  });

  test("SORT gives the same order, and stores the same", async () => {
    const redis = await RedisConnection.open(server.port);
    await redis.call(["FLUSHALL"]);
    const ours = testKeyspace();
    for (const line of SORT_FIXTURES) expect([line, ours.run(...line)]).toBeDefined();
    for (const line of SORT_FIXTURES) await redis.call(line);
    const dice = new Dice(5);
    for (let n = 0; n < 3000; n++) {
      const line = randomSortLine(dice);
      const [mine, theirs] = [asRead(ours.run(...line), 2), await redis.call(line)];
      // Without sorting, a set comes in whatever order it is kept in; equal texts in whatever order qsort leaves them.
      const words = line.map((word) => word.toLowerCase());
      const loose = words.includes("by") && (line[1] === "members" || words.includes("alpha"));
      const form = (reply: WireReply): unknown => (loose && Array.isArray(reply) ? reply.length : reply);
      expect([line, form(mine)]).toEqual([line, form(theirs)]);
      if (loose || typeof mine !== "number") continue;
      for (const key of ["sorted", "sorted2"]) {
        const list = ["LRANGE", key, "0", "-1"];
        if (words.lastIndexOf("store") === line.lastIndexOf(key) - 1)
          expect([line, asRead(ours.run(...list), 2)]).toEqual([line, await redis.call(list)]);
      }
    }
    redis.close();
  });

  test("patterns match the same keys", async () => {
    const redis = await RedisConnection.open(server.port);
    await redis.call(["FLUSHALL"]);
    const dice = new Dice(11);
    const letters = ["a", "b", "c", "-", "]", "^", "\\", "*", "?", "[", "\xff"];
    const keys = Array.from({ length: 150 }, () => dice.some(0, 5, () => dice.pick(letters)).join(""));
    await redis.call(["MSET", ...keys.flatMap((key) => [key, ""])]);
    const symbols = [...letters, "*", "?", "[a-c]", "[^b]", "\\a", "[\\]]", "[c-a]", "["];
    for (let n = 0; n < 1500; n++) {
      const pattern = dice.some(1, 6, () => dice.pick(symbols)).join("");
      const theirs = (await redis.call(["KEYS", pattern])) as string[];
      const ours = [...new Set(keys)].filter((key) => pattern === "*" || matchesGlob(pattern, key));
      expect([pattern, ...ours.toSorted()]).toEqual([pattern, ...theirs.toSorted()]);
    }
    redis.close();
  });
});
