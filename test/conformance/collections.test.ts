/**
 * The commands of hashes, lists, sets and sorted sets against a real redis-server 7.0: random command lines, the same to
 * both, in RESP2 and RESP3. Replies must be equal, but for the order where Redis promises none and for what is random.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bytesFromLatin1 } from "../../src/runtime/bytes.ts";
import { HASH_COMMANDS } from "../../src/engine/keyspace/commands/hash.ts";
import { LIST_COMMANDS } from "../../src/engine/keyspace/commands/list.ts";
import { SET_COMMANDS } from "../../src/engine/keyspace/commands/set.ts";
import { SORTED_SET_COMMANDS } from "../../src/engine/keyspace/commands/sorted-set.ts";
import { testKeyspace, type TestKeyspace } from "../../src/engine/keyspace/keyspace.testing.ts";
import type { Reply } from "../../src/engine/keyspace/reply.ts";
import { encodeReply, type RespVersion } from "../../src/engine/protocol/resp/reply-encoder.ts";
import { ReplyParser, type WireReply } from "../../src/wire/resp/reply-parser.ts";
import { lacks } from "../engines.ts";
import { Dice, KEYS, randomLine } from "./collection-commands.ts";
import { RedisConnection, startRedisServer, type RedisServer } from "./redis-server.ts";

const ROWS = [...HASH_COMMANDS, ...LIST_COMMANDS, ...SET_COMMANDS, ...SORTED_SET_COMMANDS];
const COMMANDS_PER_SEED = Number(process.env["CONFORMANCE_COMMANDS"] ?? 2500);
const SEEDS = (process.env["CONFORMANCE_SEEDS"] ?? "1,2,3").split(",").map(Number);

/** Commands whose elements come in no promised order: the items, and of those answered in pairs, the pairs are sorted. */
const UNORDERED = new Set(["hkeys", "hvals", "smembers", "sinter", "sunion", "sdiff"]);
const UNORDERED_PAIRS = new Set(["hgetall"]);
const SCANS = new Set(["hscan", "sscan", "zscan"]);
/** Commands with random results: only the shape is compared. */
const RANDOM = new Set(["hrandfield", "srandmember", "zrandmember"]);

function asRead(reply: Reply, version: RespVersion): WireReply {
  const parser = new ReplyParser();
  parser.push(bytesFromLatin1(encodeReply(reply, version)));
  return parser.next()!.reply;
}

function itemsOf(reply: WireReply): readonly WireReply[] | undefined {
  if (Array.isArray(reply)) return reply as readonly WireReply[];
  return reply !== null && typeof reply === "object" && "items" in reply ? reply.items : undefined;
}

function inPairs(items: readonly WireReply[]): WireReply[] {
  const pairs: WireReply[] = [];
  for (let at = 0; at < items.length; at += 2) pairs.push([items[at]!, items[at + 1]!]);
  return pairs;
}

function sorted(items: readonly WireReply[]): unknown[] {
  return items.map((item) => JSON.stringify(item)).toSorted();
}

/** The kind of every part of a reply, without its content. */
function shape(reply: WireReply): unknown {
  const items = itemsOf(reply);
  const type = reply !== null && typeof reply === "object" && "type" in reply ? reply.type : typeof reply;
  return items === undefined ? type : [type, items.map(shape)];
}

/** What of a reply must be equal on both sides. */
function essence(name: string, reply: WireReply): unknown {
  const items = itemsOf(reply);
  if (RANDOM.has(name) || name === "spop")
    return typeof reply === "object" && items === undefined ? reply : shape(reply);
  if (items === undefined) return reply;
  const type = Array.isArray(reply) ? "array" : (reply as { type: string }).type;
  if (UNORDERED.has(name)) return [type, sorted(items)];
  if (UNORDERED_PAIRS.has(name)) return [type, sorted(inPairs(items))];
  const scanned = SCANS.has(name) ? itemsOf(items[1]!) : undefined;
  if (scanned !== undefined) return [items[0], sorted(name === "sscan" ? scanned : inPairs(scanned))];
  return reply;
}

/** Carries out the line on both sides and gives what each answered. */
async function onBoth(
  ours: TestKeyspace,
  redis: RedisConnection,
  version: RespVersion,
  line: readonly string[],
): Promise<{ ours: WireReply; redis: WireReply }> {
  const answer = asRead(ours.run(...line), version);
  const name = line[0]!.toLowerCase();
  const key = line[1];
  if (name !== "spop" || key === undefined) return { ours: answer, redis: await redis.call(line) };
  // A random removal is tried on a copy; then the members that we took are taken there as well.
  await redis.call(["COPY", key, "copy", "REPLACE"]);
  const theirs = await redis.call([line[0]!, "copy", ...line.slice(2)]);
  await redis.call(["DEL", "copy"]);
  const taken = typeof answer === "string" ? [answer] : ((itemsOf(answer) ?? []) as readonly string[]);
  if (taken.length > 0) expect(await redis.call(["SREM", key, ...taken])).toBe(taken.length);
  return { ours: answer, redis: theirs };
}

async function compareContents(ours: TestKeyspace, redis: RedisConnection): Promise<void> {
  for (const key of KEYS) {
    const encoding = await redis.call(["OBJECT", "ENCODING", key]);
    const value = ours.machine.databases[0]!.peek(key);
    // Popping most of a set makes Redis build a new, perhaps denser one: ours keeps its encoding.
    if (value !== undefined && typeof value !== "string" && value.type !== "set") {
      expect([key, value.encoding()]).toEqual([key, encoding]);
    }
    expect([key, value === undefined ? null : "there"]).toEqual([key, encoding === null ? null : "there"]);
    for (const [name, ...rest] of [
      ["HGETALL"],
      ["LRANGE", "0", "-1"],
      ["SMEMBERS"],
      ["ZRANGE", "0", "-1", "WITHSCORES"],
    ]) {
      const line = [name!, key, ...rest];
      const theirs = essence(name!.toLowerCase(), await redis.call(line));
      expect([key, essence(name!.toLowerCase(), asRead(ours.run(...line), 2))]).toEqual([key, theirs]);
    }
  }
}

const BOUNDS: readonly string[] = [
  "HSET h f v",
  "ZADD z 1 m",
  "RPUSH l a b a",
  ...["h", "nokey"].flatMap((key) =>
    ["4611686018427387903", "4611686018427387904", "-4611686018427387904", "-9223372036854775808"].flatMap(
      (count) =>
        count.startsWith("-")
          ? [`HRANDFIELD ${key} ${count} WITHVALUES`]
          : [`HRANDFIELD ${key} ${count} WITHVALUES`, `HRANDFIELD ${key} ${count}`],
    ),
  ),
  "ZRANDMEMBER z 4611686018427387903 WITHSCORES",
  "ZRANDMEMBER z 4611686018427387904 WITHSCORES",
  "ZRANDMEMBER z -9223372036854775808",
  "LPOS l a RANK -9223372036854775808",
  "LPOS l a RANK -9223372036854775807",
  "LPOS l a RANK -9223372036854775808 COUNT 0",
  "LPOS nokey a RANK -9223372036854775808",
  "ZRANGE z 1 2 BYSCORE BYLEX",
  "ZRANGE z 1 2 BYLEX BYSCORE",
  "ZRANGE z 1 2 BYSCORE BYSCORE",
  "ZRANGE z - + BYLEX BYLEX",
  "ZRANGE z 0 -1 REV REV",
  "ZRANGE z 2 1 BYSCORE REV REV",
  "ZRANGESTORE d z 1 2 BYSCORE BYLEX",
];

describe.skipIf(lacks("redis-server"))("collections answer as redis-server 7.0 does", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedisServer();
  });
  afterAll(async () => server?.stop());

  test.each(SEEDS.flatMap((seed) => [2, 3].map((version) => [seed, version as RespVersion] as const)))(
    "random commands of seed %i in RESP%i",
    async (seed, version) => {
      const redis = await RedisConnection.open(server.port);
      const plain = await RedisConnection.open(server.port);
      await redis.call(["FLUSHALL"]);
      await redis.call(["HELLO", String(version)]);
      const ours = testKeyspace();
      const dice = new Dice(seed * 2 + version);
      const differences: unknown[] = [];
      await redis.call(["SET", "text", "words"]);
      ours.run("SET", "text", "words");
      for (let n = 0; n < COMMANDS_PER_SEED && differences.length < 5; n++) {
        const line = randomLine(dice);
        const replies = await onBoth(ours, redis, version, line);
        const name = line[0]!.toLowerCase();
        const [left, right] = [essence(name, replies.ours), essence(name, replies.redis)];
        if (!equal(left, right)) differences.push({ n, line, ours: replies.ours, redis: replies.redis });
        if (n % 250 === 249 && differences.length === 0) await compareContents(ours, plain);
      }
      expect(differences).toEqual([]);
      redis.close();
      plain.close();
    },
  );

  test.each([2, 3] as const)("options and numbers at their bounds, in RESP%i", async (version) => {
    const redis = await RedisConnection.open(server.port);
    await redis.call(["FLUSHALL"]);
    await redis.call(["HELLO", String(version)]);
    const ours = testKeyspace();
    const differences: unknown[] = [];
    for (const text of BOUNDS) {
      const line = text.split(" ");
      const answers = [asRead(ours.run(...line), version), await redis.call(line)] as const;
      if (!equal(...answers)) differences.push({ line, ours: answers[0], redis: answers[1] });
    }
    expect(differences).toEqual([]);
    redis.close();
  });

  test("the rows of the table say what COMMAND INFO says", async () => {
    const redis = await RedisConnection.open(server.port);
    for (const spec of ROWS) {
      const [found] = (await redis.call(["COMMAND", "INFO", spec.name])) as [WireReply[]];
      const [name, arity, flags, ...places] = found as [
        string,
        number,
        { text: string }[],
        number,
        number,
        number,
      ];
      const { first, last, step } = spec.keys;
      expect([spec.name, spec.arity, first, last, step]).toEqual([name, arity, ...places.slice(0, 3)]);
      expect([name, ...spec.flags.toSorted()]).toEqual([name, ...flags.map((flag) => flag.text).toSorted()]);
    }
    redis.close();
  });

  test("the keys of a command line are those that COMMAND GETKEYS finds", async () => {
    const redis = await RedisConnection.open(server.port);
    const { commands } = testKeyspace().machine;
    const dice = new Dice(7);
    for (let n = 0; n < 1500; n++) {
      const line = randomLine(dice);
      const theirs = await redis.call(["COMMAND", "GETKEYS", ...line]);
      if (!Array.isArray(theirs)) continue;
      const spec = commands.find(line)!;
      const ours = commands.keyIndices(spec, line).map((at) => line[at]);
      expect([line, ours]).toEqual([line, theirs]);
    }
    redis.close();
  });
});

function equal(left: unknown, right: unknown): boolean {
  const text = (value: unknown): string =>
    JSON.stringify(value, (_, part: unknown) =>
      typeof part === "bigint" || Object.is(part, -0) || (typeof part === "number" && !Number.isFinite(part))
        ? `${typeof part} ${Object.is(part, -0) ? "-0" : String(part)}`
        : part,
    );
  return text(left) === text(right);
}
