/**
 * The way through the log, against a real redis-server 7.0: the same random command lines to it and to three replicas, each
 * line at the next node. What commands answer is compared in full elsewhere, where nothing is replicated; here it is shown
 * that no algorithm changes it.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ALGORITHMS, start } from "../../src/index.ts";
import type { Engine } from "../../src/index.ts";
import type { WireReply } from "../../src/wire/resp/reply-parser.ts";
import { lacks } from "../engines.ts";
import { Dice, randomLine } from "./collection-commands.ts";
import { RedisConnection, startRedisServer, type RedisServer } from "./redis-server.ts";
import { randomStringLine } from "./string-commands.ts";

const LINES = 600;
/** These choose by chance or by the order of a hash table; after SPOP the two sides would even differ for good. */
const CHOOSING = new Set(
  "spop srandmember hrandfield zrandmember randomkey scan sscan hscan zscan sort sort_ro".split(" "),
);
/** Their order is that of a hash table. */
const UNORDERED = new Set("keys hkeys hvals hgetall smembers sinter sunion sdiff".split(" "));
/** Of clocks of their own. */
const TIMES = new Set("ttl pttl expiretime pexpiretime".split(" "));

function essence(name: string, reply: WireReply): unknown {
  if (TIMES.has(name)) return typeof reply === "number" ? Math.sign(reply) : reply;
  return UNORDERED.has(name) && Array.isArray(reply)
    ? reply.map((each) => JSON.stringify(each)).sort()
    : reply;
}

describe.skipIf(lacks("redis-server")).each(ALGORITHMS)("%s", (consensus) => {
  let server: RedisServer;
  let engine: Engine;
  beforeAll(async () => {
    [server, engine] = await Promise.all([startRedisServer(), start({ consensus, nodes: 3 })]);
  });
  afterAll(async () => {
    await engine?.close();
    await server?.stop();
  });

  test("three replicas answer as redis-server does, each command at the next node", async () => {
    const redis = await RedisConnection.open(server.port);
    const nodes = await Promise.all(
      engine.urls.map((url) => RedisConnection.open(Number(new URL(url).port))),
    );
    const dice = new Dice(7);
    try {
      for (let turn = 0; turn < LINES; turn++) {
        const line = turn % 2 === 0 ? randomLine(dice) : randomStringLine(dice);
        const name = line[0]?.toLowerCase() ?? "";
        if (CHOOSING.has(name)) continue;
        const node = nodes[turn % nodes.length];
        const [theirs, ours] = await Promise.all([redis.call(line), node?.call(line)]);
        expect([line, essence(name, ours ?? null)]).toEqual([line, essence(name, theirs)]);
      }
      await expect.poll(() => new Set(engine.nodes.map((each) => each.status()?.appliedIndex)).size).toBe(1);
      expect(new Set(engine.nodes.map((each) => each.status()?.digest)).size).toBe(1);
    } finally {
      for (const connection of [redis, ...nodes]) connection.close();
    }
  });
});
