/** Keyspace notifications beside a real redis-server 7.0: the same commands to both tell the same events in the same order. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { testKeyspace, type TestKeyspace } from "../../src/engine/keyspace/keyspace.testing.ts";
import { DATA_COMMANDS } from "../../src/engine/keyspace/commands/index.ts";
import { plain, RespClient } from "../../src/engine/protocol/resp/resp-client.testing.ts";
import { SESSION_SPECS } from "../../src/engine/protocol/resp/session-commands.ts";
import { loadScriptEngine } from "../../src/engine/scripting/script-engine.ts";
import { lacks } from "../engines.ts";
import { Dice, randomLine } from "./collection-commands.ts";
import { type RedisPeer, startRedis } from "./redis-peer.ts";
import { randomSortLine, randomStringLine, SORT_FIXTURES } from "./string-commands.ts";

type Line = string | readonly string[];

const wordsOf = (line: Line): readonly string[] => (typeof line === "string" ? line.split(" ") : line);

/** Behind each command: what it left due is told by both. */
const touching = ([, key = "nokey"]: readonly string[]): string[] => ["EXISTS", key];

/** Every class, and on both kinds of channels. */
const EVERYTHING = "KEAn";

const FAMILIES: Readonly<Record<string, readonly Line[]>> = {
  strings: [
    "SET a 1",
    "SET a 2 EX 100",
    "SET a 3 KEEPTTL",
    "SET a 3 NX",
    "SET b 1 NX",
    "SET nokey 1 XX",
    "SET a 4 XX GET",
    "SETNX a 1",
    "SETNX c 1",
    "SETEX c 100 x",
    "PSETEX d 100000 x",
    "SET past x PXAT 1",
    "SET a x PXAT 1",
    "GET a",
    "GETSET e 1",
    "GETSET e 2",
    "GETDEL e",
    "GETDEL e",
    "MSET a 1 b 2 a 3",
    "MSETNX a 1 f 1",
    "MSETNX f 1 g 1 f 2",
    "APPEND a x",
    "APPEND h x",
    "SETRANGE h 3 y",
    "SETRANGE i 3 y",
    "SETRANGE i 3 ",
    "INCR n",
    "INCRBY n 5",
    "DECR n",
    "DECRBY n 3",
    "INCRBYFLOAT n 1.5",
    "INCRBYFLOAT new 1",
    "INCR a",
    "GETEX n",
    "GETEX n EX 100",
    "GETEX n PERSIST",
    "GETEX n PERSIST",
    "GETEX n PXAT 1",
    "GETEX n EX 5",
  ],
  keys: [
    "MSET a 1 b 2 c 3",
    "DEL a nokey b a",
    "UNLINK c c",
    "MSET a 1 b 2",
    "EXPIRE a 100",
    "PEXPIRE a 100000 NX",
    "EXPIREAT a 99999999999",
    "PEXPIREAT a 99999999999000 GT",
    "PERSIST a",
    "PERSIST a",
    "EXPIRE a -1",
    "EXPIRE a 1",
    "PEXPIREAT b 1 XX",
    "EXPIRE b 50",
    "RENAME b c",
    "RENAME c c",
    "SET d 1",
    "RENAME c d",
    "RENAMENX d e",
    "SET f 1",
    "RENAMENX e f",
    "COPY e f",
    "COPY e f REPLACE",
    "COPY e g",
    "COPY e h DB 3",
    "MOVE g 4",
    "SET h 1",
    "MOVE h 3",
    "TOUCH e",
    "RPUSH l 3 1 2",
    "SORT l STORE sorted",
    "SORT l STORE sorted",
    "SORT nokey STORE sorted",
    "SORT nokey STORE sorted",
    "SWAPDB 0 3",
    "FLUSHDB",
    "SWAPDB 3 0",
    "FLUSHALL",
  ],
  lists: [
    "LPUSH l a b c",
    "RPUSH l d",
    "LPUSHX l e",
    "RPUSHX nokey e",
    "RPUSHX l f",
    "LINSERT l BEFORE a x",
    "LINSERT l AFTER nowhere x",
    "LSET l 0 z",
    "LREM l 0 x",
    "LREM l 0 x",
    "LTRIM l 0 100",
    "LPOP l",
    "RPOP l 2",
    "LPOP l 0",
    "LMOVE l m LEFT RIGHT",
    "LMOVE m m LEFT RIGHT",
    "RPOPLPUSH m m",
    "RPOPLPUSH m l",
    "RPOPLPUSH m l",
    "LMPOP 2 nokey l LEFT",
    "LMPOP 2 nokey l RIGHT COUNT 10",
    "RPUSH l a a",
    "LREM l 0 a",
    "RPUSH l a",
    "LTRIM l 5 6",
    "LTRIM l 5 6",
  ],
  hashes: [
    "HSET h a 1 b 2",
    "HSET h a 1",
    "HMSET h c 3",
    "HSETNX h c 4",
    "HSETNX h d 4",
    "HINCRBY h a 5",
    "HINCRBY i a 5",
    "HINCRBYFLOAT h a 0.5",
    "HINCRBYFLOAT j a 0.5",
    "HDEL h a nofield",
    "HDEL h nofield",
    "HDEL h b c d",
    "HDEL h a",
  ],
  sets: [
    "SADD s a b c",
    "SADD s a",
    "SADD t b x",
    "SREM s a",
    "SREM s a",
    "SMOVE s t b",
    "SMOVE s t nomember",
    "SMOVE t t x",
    "SMOVE s u c",
    "SADD s a",
    "SADD t a",
    "SMOVE s t a",
    "SADD s a b",
    "SINTERSTORE d s t",
    "SINTERSTORE d s t",
    "SUNIONSTORE d s t",
    "SDIFFSTORE d s t",
    "SDIFFSTORE d s s",
    "SINTERSTORE nokey s nothing",
    "SPOP s 10",
    "SPOP s",
    "SADD s a",
    "SPOP s",
    "SPOP t 0",
  ],
  "sorted sets": [
    "ZADD z 1 a 2 b 3 c",
    "ZADD z 1 a",
    "ZADD z XX CH 5 a",
    "ZADD z NX 5 a",
    "ZADD z INCR 5 a",
    "ZADD z XX INCR 5 nomember",
    "ZADD nokey XX 5 a",
    "ZINCRBY z 0 a",
    "ZINCRBY z 1 d",
    "ZREM z d nomember",
    "ZREM z d",
    "ZRANGESTORE y z 0 -1",
    "ZRANGESTORE y z 5 6",
    "ZRANGESTORE y z 5 6",
    "ZUNIONSTORE y 1 z",
    "ZUNIONSTORE y 1 z",
    "ZINTERSTORE y 2 z y",
    "ZDIFFSTORE y 2 z y",
    "ZPOPMIN z",
    "ZPOPMAX z 0",
    "ZPOPMAX z 10",
    "ZADD z 1 a 2 b 3 c 4 d",
    "ZMPOP 2 nokey z MIN",
    "ZREMRANGEBYSCORE z 2 2",
    "ZREMRANGEBYSCORE z 2 2",
    "ZREMRANGEBYRANK z 0 0",
    "ZADD z 0 c",
    "ZREMRANGEBYLEX z - +",
    "ZADD z 0 c",
    "ZMPOP 1 z MAX COUNT 5",
    "SET s x",
    "ZADD s 1 a",
  ],
  scripts: [
    [
      "EVAL",
      "redis.call('set', KEYS[1], '1') redis.call('publish', '__keyspace@0__:said', 'between')" +
        " redis.call('select', 2) redis.call('lpush', 'l', 'x') redis.pcall('incr', 'l') redis.call('del', 'l')" +
        " return redis.call('incr', KEYS[1])",
      "1",
      "a",
    ],
    ["EVAL", "redis.call('rename', 'a', 'b') return redis.call('no such')", "0"],
    ["EVAL_RO", "return redis.pcall('set', 'a', 'b')", "0"],
    [
      "FUNCTION",
      "LOAD",
      "#!lua name=l\nredis.register_function('f', function(k) redis.call('hset', k[1], 'a', 'b') end)",
    ],
    ["FCALL", "f", "1", "h"],
  ],
};

describe.skipIf(lacks("redis-server"))("events are told as redis-server 7.0 tells them", () => {
  let redis: RedisPeer;
  let client: RespClient;
  let subscriber: RespClient;
  let ours: TestKeyspace;
  const told: string[] = [];

  beforeAll(async () => {
    // Where keys expire by themselves, both would tell it at a moment of their own.
    redis = await startRedis(["--enable-debug-command", "yes", "--notify-keyspace-events", EVERYTHING]);
    [client, subscriber] = [await RespClient.open(redis.port), await RespClient.open(redis.port)];
    await client.call("DEBUG SET-ACTIVE-EXPIRE 0");
    await subscriber.pipeline("PSUBSCRIBE __key*", "SUBSCRIBE end");
    const scripts = await loadScriptEngine();
    ours = testKeyspace([...DATA_COMMANDS, ...SESSION_SPECS], { scripts });
    ours.machine.publish = (channel, message) => void told.push(`${channel} ${message}`);
    expect(
      ours.apply({ type: "configure", settings: [["notify-keyspace-events", EVERYTHING]] }),
    ).toMatchObject({
      text: "OK",
    });
  });
  afterAll(async () => {
    client?.close();
    subscriber?.close();
    await redis?.stop();
  });

  async function ofRedis(line: Line): Promise<string[]> {
    const words = wordsOf(line);
    await client.call(...words);
    await client.call(...touching(words));
    await client.call("PUBLISH end end");
    const events: string[] = [];
    for (;;) {
      const message = plain((await subscriber.take(1))[0] ?? null) as readonly string[];
      if (message[0] === "message") return events;
      events.push(message.slice(2).join(" "));
    }
  }

  function ofOurs(line: Line): string[] {
    ours.nowMs = Date.now();
    told.length = 0;
    const words = wordsOf(line);
    ours.run(...words);
    ours.run(...touching(words));
    return [...told];
  }

  async function differences(lines: readonly Line[]): Promise<unknown[]> {
    const found: unknown[] = [];
    await ofRedis("FLUSHALL");
    ofOurs("FLUSHALL");
    for (const line of lines) {
      const [mine, theirs] = [ofOurs(line), await ofRedis(line)];
      if (JSON.stringify(mine) !== JSON.stringify(theirs)) found.push({ line, ours: mine, redis: theirs });
    }
    return found;
  }

  test.each(Object.keys(FAMILIES))("of %s", async (family) => {
    expect(await differences(FAMILIES[family]!)).toEqual([]);
  });

  test.each([1, 2, 3])("of random commands, seed %i", async (seed) => {
    const dice = new Dice(seed);
    const lines: Line[] = [];
    for (let at = 0; at < 700; at++) lines.push(randomStringLine(dice), randomLine(dice));
    lines.push("FLUSHALL", ...SORT_FIXTURES);
    for (let at = 0; at < 200; at++) lines.push(randomSortLine(dice));
    // Which member it takes is chance.
    const told = lines.filter((line) => wordsOf(line)[0]!.toLowerCase() !== "spop");
    expect(await differences(told)).toEqual([]);
  });
});
