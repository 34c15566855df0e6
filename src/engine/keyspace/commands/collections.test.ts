import { expect, test } from "vitest";
import { testKeyspace, type TestKeyspace } from "../keyspace.testing.ts";
import { DoubleReply, MapReply, PairsReply, ReplyError, SetReply, WRONG_TYPE, type Reply } from "../reply.ts";

function filled(size: number): TestKeyspace {
  const keyspace = testKeyspace();
  for (let n = 0; n < size; n++) {
    keyspace.run("SADD", "set", `m${n}`);
    keyspace.run("ZADD", "zset", String(n % 7), `m${n}`);
    keyspace.run("HSET", "hash", `m${n}`, `v${n}`);
  }
  return keyspace;
}

/** Scans to the end; `between` runs after every step. Gives the members seen. */
function scanned(keyspace: TestKeyspace, command: string, key: string, between: () => void): Set<string> {
  const seen = new Set<string>();
  const stride = command === "SSCAN" ? 1 : 2;
  for (let cursor = "0", round = 0; round === 0 || cursor !== "0"; round++) {
    const reply = keyspace.run(command, key, cursor, "COUNT", "7") as readonly [string, readonly string[]];
    cursor = reply[0];
    for (let at = 0; at < reply[1].length; at += stride) seen.add(reply[1][at]!);
    between();
  }
  return seen;
}

test.each([
  ["SSCAN", "set", "SREM", (n: number) => ["SADD", "set", `new${n}`]],
  ["HSCAN", "hash", "HDEL", (n: number) => ["HSET", "hash", `new${n}`, "v"]],
  ["ZSCAN", "zset", "ZREM", (n: number) => ["ZADD", "zset", String(n), `new${n}`, String(-n), "m3"]],
] as const)("%s misses no element that stays, while others come, go and change", (scan, key, remove, add) => {
  const keyspace = filled(600);
  let n = 0;
  const seen = scanned(keyspace, scan, key, () => {
    n += 1;
    keyspace.run(...add(n));
    keyspace.run(remove, key, `m${(n * 37) % 300}`, `new${n - 5}`);
  });
  for (let stays = 300; stays < 600; stays++) expect(seen).toContain(`m${stays}`);
});

test("a scan misses no member that stays while the key is overwritten by a STORE", () => {
  const keyspace = filled(600);
  let n = 0;
  const union = scanned(keyspace, "SSCAN", "set", () => {
    keyspace.run("SADD", "other", `x${n++}`, "m599", "m0");
    keyspace.run("SUNIONSTORE", "set", "other", "set");
  });
  const zunion = scanned(keyspace, "ZSCAN", "zset", () => {
    keyspace.run("ZUNIONSTORE", "zset", "2", "other", "zset");
  });
  for (let stays = 0; stays < 600; stays++) {
    expect(union).toContain(`m${stays}`);
    expect(zunion).toContain(`m${stays}`);
  }
});

function membersOf(reply: Reply): readonly Reply[] {
  return reply instanceof SetReply ? reply.items : (reply as readonly Reply[]);
}

test("random picks are members; a positive count gives distinct ones, a negative one exactly so many", () => {
  const keyspace = filled(50);
  const all = new Set(membersOf(keyspace.run("SMEMBERS", "set")));
  for (const [command, key] of [
    ["SRANDMEMBER", "set"],
    ["HRANDFIELD", "hash"],
    ["ZRANDMEMBER", "zset"],
  ] as const) {
    for (const count of [1, 10, 40, 50, 70]) {
      const picked = membersOf(keyspace.run(command, key, String(count)));
      expect(picked).toHaveLength(Math.min(count, 50));
      expect(new Set(picked).size).toBe(picked.length);
      for (const member of picked) expect(all).toContain(member);
      expect(membersOf(keyspace.run(command, key, String(-count)))).toHaveLength(count);
    }
    expect(all).toContain(keyspace.run(command, key));
    const seen = new Set<Reply>();
    for (let n = 0; n < 1000; n++) seen.add(keyspace.run(command, key));
    expect(seen.size).toBe(50);
  }
  expect(keyspace.run("HRANDFIELD", "hash", "-99999999999")).toBeInstanceOf(ReplyError);
});

test("SPOP takes each member once, until the key is gone", () => {
  const keyspace = filled(100);
  const popped = [keyspace.run("SPOP", "set"), ...membersOf(keyspace.run("SPOP", "set", "98"))];
  popped.push(keyspace.run("SPOP", "set"));
  expect(new Set(popped).size).toBe(100);
  expect(keyspace.run("EXISTS", "set")).toBe(0);
});

test("fields and scores come in the shape that each protocol wants", () => {
  const keyspace = testKeyspace();
  keyspace.run("HSET", "hash", "f", "v");
  keyspace.run("ZADD", "zset", "1.5", "m");
  expect(keyspace.run("HGETALL", "hash")).toEqual(new MapReply(["f", "v"]));
  expect(keyspace.run("HRANDFIELD", "hash", "1", "WITHVALUES")).toEqual(new PairsReply(["f", "v"]));
  const pair = ["m", new DoubleReply(1.5)];
  expect(keyspace.run("ZRANGE", "zset", "0", "-1", "WITHSCORES")).toEqual(new PairsReply(pair));
  expect(keyspace.run("ZPOPMIN", "zset")).toEqual(pair);
});

test("a refused command changes nothing: neither content nor version nor a key", () => {
  const keyspace = filled(3);
  keyspace.run("SET", "text", "words");
  keyspace.run("RPUSH", "list", "a");
  keyspace.run("HSET", "hash", "word", "abc");
  const [database] = keyspace.machine.databases;
  const versions = (): number[] => [...database!.keys()].map((key) => database!.versionOf(key));
  const [before, digest] = [versions(), keyspace.machine.digest()];
  for (const line of [
    "HSET text f v",
    "LPUSH text a",
    "SADD text a",
    "ZADD text 1 a",
    "HSET hash f",
    "HINCRBY hash word 1",
    "HINCRBYFLOAT hash word 1",
    "ZADD zset 1 a x b",
    "ZADD zset INCR 1 a 2 b",
    "ZADD new XX 1 a",
    "ZADD zset NX 9 m1",
    "HSETNX hash m1 w",
    "SMOVE set text m1",
    "LMOVE list text LEFT LEFT",
    "RPOPLPUSH list text",
    "SADD set m1",
    "SREM set x",
    "HDEL hash x",
    "ZREM zset x",
    "LREM list 0 x",
    "LSET list 5 x",
    "LINSERT list BEFORE x y",
    "SUNIONSTORE set set text",
    "ZUNIONSTORE zset 2 zset text",
    "LPOP list 0",
    "SPOP set 0",
    "ZPOPMIN zset 0",
    "LMPOP 2 new text LEFT",
    "ZREMRANGEBYSCORE zset 90 99",
    "LPUSHX new a",
    "ZRANGESTORE zset text 0 -1",
  ]) {
    keyspace.run(line);
    expect([line, versions(), keyspace.machine.digest()]).toEqual([line, before, digest]);
  }
  expect(keyspace.run("HGET text f")).toBe(WRONG_TYPE);
});

test("a collection whose last element goes takes its key and expiry with it", () => {
  const keyspace = testKeyspace();
  for (const [add, take] of [
    ["HSET k f v", "HDEL k f"],
    ["RPUSH k a", "LPOP k"],
    ["RPUSH k a", "LTRIM k 1 0"],
    ["RPUSH k a", "LMOVE k o LEFT LEFT"],
    ["SADD k a", "SMOVE k p a"],
    ["ZADD k 1 a", "ZREMRANGEBYRANK k 0 -1"],
    ["ZADD k 1 a", "ZMPOP 1 k MIN"],
    ["SADD k a", "SINTERSTORE k k none"],
  ] as const) {
    keyspace.run(add);
    keyspace.run("EXPIRE k 100");
    keyspace.run(take);
    expect([take, keyspace.run("EXISTS k")]).toEqual([take, 0]);
    keyspace.run(add);
    expect(keyspace.run("TTL k")).toBe(-1);
    keyspace.run("DEL k");
  }
});

test("a change in place keeps the expiry, a STORE drops it", () => {
  const keyspace = filled(3);
  keyspace.run("EXPIRE set 100");
  keyspace.run("SADD set more");
  expect(keyspace.run("TTL set")).toBe(100);
  keyspace.run("SUNIONSTORE set set");
  expect(keyspace.run("TTL set")).toBe(-1);
});
