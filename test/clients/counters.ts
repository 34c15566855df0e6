/**
 * Programs that count, one for each client library, to be run while a leader is killed. A round that is done raises the
 * counter by one; an error is thrown to the caller, who knows whether there may be one.
 */
import { Redis } from "ioredis";
import { createClient } from "redis";
import { Mutex } from "redis-semaphore";
import Redlock from "redlock";

export interface Counter {
  /** Raises the counter by one; the new count. */
  round(): Promise<number>;
  close(): void;
}

async function nodeRedis(port: number): Promise<Counter> {
  const client = createClient({ url: `redis://127.0.0.1:${port}`, RESP: 3 });
  // Every failure also rejects the call that waits for it.
  client.on("error", () => undefined);
  await client.connect();
  return { round: () => client.incr("counter:node-redis"), close: () => client.destroy() };
}

function connect(port: number): Redis {
  const redis = new Redis(port, "127.0.0.1", { retryStrategy: () => 100, maxRetriesPerRequest: 100 });
  redis.on("error", () => undefined);
  return redis;
}

function ioredis(port: number): Counter {
  const redis = connect(port);
  return { round: () => redis.incr("counter:ioredis"), close: () => redis.disconnect() };
}

/** Reads and writes apart, so that only the lock keeps two rounds from counting the same. */
async function raise(redis: Redis, key: string): Promise<number> {
  const count = Number((await redis.get(key)) ?? 0) + 1;
  await redis.set(key, count);
  return count;
}

function redlock(port: number): Counter {
  const redis = connect(port);
  const locks = new Redlock([redis], { retryCount: 200, retryDelay: 50, retryJitter: 20 });
  return {
    round: () => locks.using(["lock:redlock"], 5_000, () => raise(redis, "counter:redlock")),
    close: () => redis.disconnect(),
  };
}

function redisSemaphore(port: number): Counter {
  const redis = connect(port);
  return {
    async round() {
      const mutex = new Mutex(redis, "counter", { lockTimeout: 5_000, acquireTimeout: 10_000 });
      await mutex.acquire();
      try {
        return await raise(redis, "counter:redis-semaphore");
      } finally {
        await mutex.release();
      }
    },
    close: () => redis.disconnect(),
  };
}

export const COUNTERS: Readonly<Record<string, (port: number) => Counter | Promise<Counter>>> = {
  "node-redis": nodeRedis,
  ioredis,
  redlock,
  "redis-semaphore": redisSemaphore,
};
