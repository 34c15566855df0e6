import { expect, test } from "vitest";

import type { CommandSpec } from "./command.ts";
import { DATA_COMMANDS } from "./commands/index.ts";
import { testKeyspace } from "./keyspace.testing.ts";
import type { TestKeyspace } from "./keyspace.testing.ts";
import { ReplyError } from "./reply.ts";

/** A command that runs others, one a line, and fails at the end when it is told to. */
const attempt: CommandSpec = {
  name: "attempt",
  arity: -3,
  flags: ["write"],
  keys: { first: 0, last: 0, step: 0 },
  docs: { summary: "", group: "generic", since: "7.0.0", complexity: "", usage: "" },
  execute: (execution, [, outcome, ...lines]) =>
    execution.atomically(() => {
      for (const line of lines) execution.call(line.split(" "));
      execution.publish("channel", "message");
      if (outcome === "fail") throw new ReplyError("ERR stopped");
      return "done";
    }),
};

const SETUP: readonly string[] = [
  "set s text",
  "set counter 5 px 100000",
  "hset h a 1 b 2 c 3",
  "rpush l 1 2 3 4 5 6 7 8 9 10 11 12",
  "sadd m a b c 1 2 3",
  "zadd z 1 a 2 b 3 c",
];

const CHANGES: readonly string[] = [
  "set s other",
  "append s more",
  "set new 1 ex 5",
  "incr counter",
  "persist counter",
  "expire s 100",
  "del s",
  "del h",
  "rename s t",
  "rename h moved",
  "hset h a 9 d 4",
  "hset moved z 1",
  "hdel h a",
  "hdel h a b c d z",
  "hincrby h c 5",
  "lpush l x y",
  "rpush l x y",
  "lpop l",
  "rpop l 3",
  "lset l 2 changed",
  "linsert l before 5 new",
  "lrem l 0 x",
  "ltrim l 2 4",
  "ltrim l 1 -1",
  "lpop l 100",
  "lmove l other left right",
  "sadd m x y",
  "srem m a x",
  "spop m",
  "spop m 2",
  "smove m n b",
  "sinterstore m m n",
  "zadd z 5 a 6 new",
  "zincrby z 2.5 b",
  "zrem z a",
  "zpopmin z 2",
  "zremrangebyrank z 0 -1",
  "zunionstore z 1 z weights 2",
  "copy l copied",
  "expire l -1",
  "flushdb",
  "swapdb 0 1",
  "select 1",
];

/** Everything that a client can see, without regard to the order of hashes and sets. */
function contentOf(keyspace: TestKeyspace): unknown {
  const databases: unknown[] = [];
  for (const database of [0, 1]) {
    keyspace.database = database;
    const entries: unknown[] = [];
    for (const key of (keyspace.run("keys *") as string[]).toSorted()) {
      const type = (keyspace.run(`type ${key}`) as { text: string }).text;
      const read = { string: "get", hash: "hgetall", list: "lrange", set: "smembers", zset: "zrange" }[type]!;
      const range = read.endsWith("range") ? " 0 -1" : "";
      let value: unknown = keyspace.run(`${read} ${key}${range}${type === "zset" ? " withscores" : ""}`);
      if (type === "set") value = (value as { items: string[] }).items.toSorted();
      if (type === "hash") {
        const { items } = value as { items: string[] };
        value = items.map((item, i) => (i % 2 === 0 ? `${item}=${items[i + 1]}` : "")).toSorted();
      }
      entries.push([key, type, value, keyspace.run(`pexpiretime ${key}`)]);
    }
    databases.push(entries);
  }
  keyspace.database = 0;
  return [databases, keyspace.machine.statistics().usedBytes];
}

function fresh(): TestKeyspace {
  const keyspace = testKeyspace([...DATA_COMMANDS, attempt]);
  for (const line of SETUP) expect(keyspace.run(line)).not.toBeInstanceOf(ReplyError);
  return keyspace;
}

test("each change of a failed attempt is taken back", () => {
  for (const change of CHANGES) {
    const keyspace = fresh();
    const before = contentOf(keyspace);
    keyspace.run("attempt", "fail", change);
    expect(contentOf(keyspace), change).toEqual(before);
  }
});

test("any run of changes is taken back, and replicas stay equal", () => {
  let state = 1;
  const next = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 1;
    return state % below;
  };
  for (let round = 0; round < 300; round++) {
    const lines = Array.from({ length: 1 + next(12) }, () => CHANGES[next(CHANGES.length)]!);
    const one = fresh();
    const two = fresh();
    const before = contentOf(one);
    expect(contentOf(two)).toEqual(before);
    one.run("attempt", "fail", ...lines);
    two.run("attempt", "fail", ...lines);
    expect(contentOf(one), lines.join("; ")).toEqual(before);
    contentOf(two);
    expect(one.machine.digest()).toBe(two.machine.digest());
    // What follows works on sound collections.
    for (const line of lines) {
      one.run(line);
      two.run(line);
    }
    expect(contentOf(one)).toEqual(contentOf(two));
  }
});

test("an attempt that succeeds is kept and can be changed afterwards", () => {
  const keyspace = fresh();
  keyspace.run("attempt", "keep", "hset h a 9", "lpush l x");
  keyspace.run("hset h a 10");
  keyspace.run("attempt", "fail", "hset h a 11", "del l");
  expect(keyspace.run("hget h a")).toBe("10");
  expect(keyspace.run("lindex l 0")).toBe("x");
});

test("a failed attempt publishes nothing", () => {
  const published: string[] = [];
  const keyspace = testKeyspace([...DATA_COMMANDS, attempt], {
    publish: (channel, message) => published.push(`${channel} ${message}`),
  });
  keyspace.run("attempt", "fail", "set a 1");
  expect(published).toEqual([]);
  keyspace.run("attempt", "keep", "set a 1");
  expect(published).toEqual(["channel message"]);
});
