import { expect, test } from "vitest";
import { decodeCommand } from "./command-codec.ts";
import { testKeyspace, type TestKeyspace } from "./keyspace.testing.ts";
import { OK, OUT_OF_MEMORY, ReplyError } from "./reply.ts";

function configure(keyspace: TestKeyspace, ...settings: [string, string][]): unknown {
  return keyspace.apply({ type: "configure", settings });
}

/** Applies what the leader would put into the log, until nothing is due; gives how many commands that took. */
function settle(keyspace: TestKeyspace): number {
  for (let rounds = 0; ; rounds++) {
    const bytes = keyspace.machine.upkeep(keyspace.nowMs);
    if (bytes === undefined) return rounds;
    keyspace.apply(decodeCommand(bytes));
  }
}

const full = (policy: string): TestKeyspace => {
  const keyspace = testKeyspace();
  expect(configure(keyspace, ["maxmemory", "20kb"], ["maxmemory-policy", policy])).toBe(OK);
  return keyspace;
};

test("noeviction refuses commands that need memory, and only those, once the limit is passed", () => {
  const keyspace = full("noeviction");
  let n = 0;
  while (keyspace.run("SET", `k${n}`, "v".repeat(100)) === OK) n++;
  expect(n).toBeGreaterThan(50);
  expect(keyspace.run("RPUSH l 1")).toBe(OUT_OF_MEMORY);
  expect(keyspace.run("GET k0")).toBe("v".repeat(100));
  const calls = [{ database: 0, args: ["SET", "a", "b"] }];
  expect(keyspace.apply({ type: "exec", watched: [], calls })).toEqual(
    new ReplyError(`EXECABORT Transaction discarded because of: ${OUT_OF_MEMORY.message}`),
  );
  expect(keyspace.run("DEL k0 k1 k2")).toBe(3);
  expect(keyspace.run("SET again 1")).toBe(OK);
});

test.each([
  "allkeys-lru",
  "allkeys-lfu",
  "allkeys-random",
  "volatile-lru",
  "volatile-lfu",
  "volatile-random",
  "volatile-ttl",
])("%s keeps memory within the limit without refusing a write", (policy) => {
  for (const upkeep of [true, false]) {
    const keyspace = full(policy);
    for (let n = 0; n < 500; n++) {
      keyspace.nowMs += 20;
      expect(keyspace.run("SET", `k${n}`, "v".repeat(100), "EX", String(5000 - n))).toBe(OK);
      if (upkeep) settle(keyspace);
      expect(keyspace.machine.usedBytes()).toBeLessThan(20 * 1024 + 300);
    }
    expect(keyspace.machine.databases[0]!.size).toBeGreaterThan(30);
    expect(keyspace.machine.statistics().evictedKeys).toBeGreaterThan(300);
  }
});

test("a volatile policy never takes a key without expiry, and refuses when only such are left", () => {
  const keyspace = full("volatile-lru");
  let n = 0;
  while (keyspace.run("SET", `k${n}`, "v".repeat(100)) === OK) n++;
  settle(keyspace);
  expect(keyspace.machine.databases[0]!.size).toBe(n);
  expect(keyspace.run("SET x 1")).toBe(OUT_OF_MEMORY);
});

test.each(["allkeys-lru", "allkeys-lfu"])("%s keeps the keys that are in use", (policy) => {
  const keyspace = full(policy);
  for (let n = 0; n < 10; n++) keyspace.run("SET", `hot${n}`, "v".repeat(100));
  for (let n = 0; n < 600; n++) {
    keyspace.nowMs += 100;
    for (let hot = 0; hot < 10; hot++) keyspace.query("GET", `hot${hot}`);
    keyspace.run("SET", `cold${n}`, "v".repeat(100));
    settle(keyspace);
  }
  expect(keyspace.run("EXISTS", ...Array.from({ length: 10 }, (_, n) => `hot${n}`))).toBeGreaterThanOrEqual(
    9,
  );
});

test("a victim that changed after the leader chose it stays", () => {
  const keyspace = testKeyspace();
  keyspace.run("SET k 1");
  const version = keyspace.machine.databases[0]!.versionOf("k");
  keyspace.run("SET k 2");
  keyspace.apply({ type: "evict", victims: [{ database: 0, key: "k", version }] });
  expect(keyspace.run("GET k")).toBe("2");
});

test("due keys go by ticks of bounded size, one under way at a time, and again when one was lost", () => {
  const keyspace = testKeyspace();
  for (let n = 0; n < 1200; n++) keyspace.run("SET", `k${n}`, "v", "PX", String(10 + (n % 7)));
  expect(keyspace.machine.upkeep(keyspace.nowMs)).toBe(undefined);
  keyspace.nowMs += 100;
  const tick = keyspace.machine.upkeep(keyspace.nowMs);
  expect(tick).toBeDefined();
  expect(keyspace.machine.upkeep(keyspace.nowMs + 10)).toBe(undefined);
  expect(keyspace.machine.upkeep(keyspace.nowMs + 5000)).toEqual(tick);
  keyspace.apply(decodeCommand(tick!));
  expect(keyspace.machine.databases[0]!.size).toBe(700);
  expect(settle(keyspace)).toBe(2);
  expect(keyspace.machine.databases[0]!.size).toBe(0);
  expect(keyspace.machine.statistics().expiredKeys).toBe(1200);
});

test("settings are taken all or none, with Redis's reasons", () => {
  const keyspace = testKeyspace();
  expect(configure(keyspace, ["maxmemory", "1mb"], ["maxmemory-policy", "nope"])).toEqual(
    new ReplyError(
      "ERR CONFIG SET failed (possibly related to argument 'maxmemory-policy') - argument(s) must be one of the " +
        "following: volatile-lru, volatile-lfu, volatile-random, volatile-ttl, allkeys-lru, allkeys-lfu, " +
        "allkeys-random, noeviction",
    ),
  );
  expect(keyspace.machine.settings.maxmemoryBytes).toBe(0);
});
