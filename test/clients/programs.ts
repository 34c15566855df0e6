/**
 * Small programs as users write them, each with a client library that knows nothing of Quorate. What a program saw is its
 * transcript: two servers are alike to it when the transcripts are equal.
 */
import { Redis } from "ioredis";
import { createClient } from "redis";
import { Mutex, Semaphore } from "redis-semaphore";
import Redlock from "redlock";

export type Transcript = readonly (readonly [step: string, saw: unknown])[];
export type Program = (port: number) => Promise<Transcript>;

/** Writes down what each step answered or threw. */
class Notes {
  readonly steps: [string, unknown][] = [];

  async take(step: string, action: () => Promise<unknown>): Promise<void> {
    try {
      this.steps.push([step, plain(await action())]);
    } catch (error) {
      // A mistake in the program itself looks the same at every server.
      if (error instanceof TypeError || error instanceof ReferenceError) throw error;
      this.steps.push([step, `${(error as Error).name}: ${(error as Error).message}`]);
    }
  }
}

/** Maps without prototype and the like, as JSON can hold them; bytes in hexadecimal. */
function plain(value: unknown): unknown {
  if (value === undefined) return "undefined";
  if (Buffer.isBuffer(value)) return value.toString("hex");
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (value instanceof Map) return [...value].map(plain);
  if (value instanceof Set) return [...value].map((part) => JSON.stringify(plain(part))).toSorted();
  if (Array.isArray(value)) return value.map(plain);
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, plain(part)]));
  }
  return value;
}

function deferred(): { readonly promise: Promise<unknown>; readonly resolve: (value: unknown) => void } {
  let resolve: (value: unknown) => void = () => undefined;
  const promise = new Promise<unknown>((done) => (resolve = done));
  return { promise, resolve };
}

async function nodeRedis(port: number): Promise<Transcript> {
  const client = await createClient({ url: `redis://127.0.0.1:${port}`, RESP: 3 }).connect();
  const other = await client.duplicate().connect();
  const notes = new Notes();
  try {
    await notes.take("flush", () => client.flushAll());
    await notes.take("set", () => client.set("a", "grün", { expiration: { type: "EX", value: 100 } }));
    await notes.take("get", () => client.get("a"));
    await notes.take("ttl", async () => (await client.ttl("a")) > 90);
    await notes.take("hash", () => client.hSet("h", { f: "1", g: "2" }));
    await notes.take("whole hash", () => client.hGetAll("h"));
    await notes.take("set of members", () => client.sAdd("s", ["x", "y", "z"]));
    await notes.take("members", async () => (await client.sMembers("s")).toSorted());
    await notes.take("scores", () =>
      client.zAdd(
        "z",
        [1, 2.5].map((score) => ({ score, value: `m${score}` })),
      ),
    );
    await notes.take("range", () => client.zRangeWithScores("z", 0, -1));
    await notes.take("score", () => client.zScore("z", "m2.5"));
    await notes.take("wrong type", () => client.incr("h"));
    await notes.take("hundred at once", () =>
      Promise.all(Array.from({ length: 100 }, () => client.incr("n"))),
    );
    await notes.take("transaction", () => client.multi().set("t", "1").incr("t").hGetAll("h").exec());
    await client.watch("t");
    await other.set("t", "changed");
    await notes.take("broken watch", () => client.multi().set("t", "mine").exec());
    await notes.take("script", () => client.eval("return {KEYS[1], 2, false}", { keys: ["k"] }));
    await notes.take("scan", async () => {
      const found: string[] = [];
      for await (const keys of client.scanIterator({ COUNT: 2 })) found.push(...keys);
      return found.toSorted();
    });
    await notes.take("pub/sub", async () => {
      const { promise: heard, resolve } = deferred();
      await other.subscribe("news", (message, channel) => resolve([channel, message]));
      return [await client.publish("news", "hello"), await heard];
    });
  } finally {
    client.destroy();
    other.destroy();
  }
  return notes.steps;
}

async function withIoredis(
  port: number,
  count: number,
  steps: (notes: Notes, redis: Redis, ...others: Redis[]) => Promise<void>,
): Promise<Transcript> {
  const clients = Array.from(
    { length: count },
    () => new Redis(port, "127.0.0.1", { retryStrategy: () => null }),
  );
  const notes = new Notes();
  try {
    const [redis, ...others] = clients;
    if (redis === undefined) throw new RangeError("at least one connection");
    await notes.take("flush", () => redis.flushall());
    await steps(notes, redis, ...others);
  } finally {
    for (const client of clients) client.disconnect();
  }
  return notes.steps;
}

function ioredis(port: number): Promise<Transcript> {
  return withIoredis(port, 2, async (notes, redis, other) => {
    await notes.take("set", () => redis.set("a", Buffer.from([0, 255, 13, 10]), "PX", 90_000, "NX"));
    await notes.take("get", () => redis.getBuffer("a"));
    await notes.take("not twice", () => redis.set("a", "1", "NX"));
    await notes.take("pipeline", () => redis.pipeline().incr("n").incr("n").lpush("n", "x").get("n").exec());
    await notes.take("transaction", () => redis.multi().set("t", "1").incr("t").get("t").exec());
    await notes.take("hash", () => redis.hset("h", new Map([["f", "1"]])));
    await notes.take("whole hash", () => redis.hgetall("h"));
    await notes.take("list", () => redis.rpush("l", "a", "b", "c"));
    await notes.take("range", () => redis.lrange("l", 0, -1));
    await notes.take("pop", () => redis.lpop("l", 2));
    await notes.take("scores", () => redis.zadd("z", 1, "one", 2, "two"));
    await notes.take("popped", () => redis.zpopmin("z"));
    redis.defineCommand("addTwice", {
      numberOfKeys: 1,
      lua: "redis.call('incrby', KEYS[1], ARGV[1]) return redis.call('incrby', KEYS[1], ARGV[1])",
    });
    const scripted = redis as Redis & { addTwice(key: string, amount: number): Promise<number> };
    await notes.take("own command", () => scripted.addTwice("twice", 21));
    await notes.take("own command by its digest", () => scripted.addTwice("twice", 1));
    await notes.take("no such command", () => redis.call("NOSUCH", "x"));
    await notes.take("pub/sub", async () => {
      if (other === undefined) throw new RangeError("two connections");
      const { promise: heard, resolve } = deferred();
      other.on("message", (...saw) => resolve(saw));
      await other.subscribe("news");
      return [await redis.publish("news", "hello"), await heard];
    });
  });
}

function redlock(port: number): Promise<Transcript> {
  return withIoredis(port, 1, async (notes, redis) => {
    const locks = new Redlock([redis], { retryCount: 2, retryDelay: 20, retryJitter: 0 });
    const held = await locks.acquire(["lock:a", "lock:b"], 10_000);
    await notes.take("is there", async () => (await redis.get("lock:a")) === held.value);
    await notes.take("refused", () => locks.acquire(["lock:b"], 10_000));
    const longer = await held.extend(20_000);
    await notes.take("longer", async () => (await redis.pttl("lock:a")) > 10_000);
    await longer.release();
    await notes.take("gone", () => redis.exists("lock:a", "lock:b"));
    await notes.take("using", () => locks.using(["lock:a"], 5_000, () => redis.incr("n")));
    await notes.take("gone again", () => redis.exists("lock:a"));
  });
}

function redisSemaphore(port: number): Promise<Transcript> {
  return withIoredis(port, 1, async (notes, redis) => {
    const patience = { lockTimeout: 10_000, acquireTimeout: 100, retryInterval: 20 };
    const [first, second] = [new Mutex(redis, "job", patience), new Mutex(redis, "job", patience)];
    await notes.take("mutex", () => first.tryAcquire());
    await notes.take("held", () => second.tryAcquire());
    await notes.take("in vain", () => second.acquire());
    await notes.take("release", () => first.release());
    await notes.take("free", () => second.tryAcquire());
    await notes.take("release", () => second.release());
    const places = Array.from({ length: 3 }, () => new Semaphore(redis, "places", 2, patience));
    await notes.take("two places for three", async () => {
      const got: boolean[] = [];
      for (const place of places) got.push(await place.tryAcquire());
      return got;
    });
    for (const place of places) await place.release();
    await notes.take("left behind", () => redis.keys("*"));
  });
}

export const PROGRAMS: Readonly<Record<string, Program>> = {
  "node-redis": nodeRedis,
  ioredis,
  redlock,
  "redis-semaphore": redisSemaphore,
};
