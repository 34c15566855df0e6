import fc from "fast-check";
import { expect, test } from "vitest";
import { testKeyspace } from "./keyspace.testing.ts";

test("SCAN returns every key that was there all along, whatever is added and removed in between", () => {
  const change = fc.record({ add: fc.boolean(), key: fc.nat(200) });
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 60 }),
      fc.array(fc.array(change, { maxLength: 12 }), { maxLength: 30 }),
      fc.integer({ min: 1, max: 9 }),
      (stable, rounds, count) => {
        const keyspace = testKeyspace();
        for (let n = 0; n < 200; n++) {
          keyspace.run("SET", n % 3 === 0 && n / 3 < stable ? `stable:${n / 3}` : `moving:${n}`, "v");
        }
        const expected = new Set(Array.from({ length: Math.min(stable, 67) }, (_, n) => `stable:${n}`));
        let cursor = "0";
        let step = 0;
        do {
          const [next, keys] = keyspace.run("SCAN", cursor, "COUNT", String(count)) as [string, string[]];
          for (const key of keys) expected.delete(key);
          cursor = next;
          for (const { add, key } of rounds[step++] ?? []) {
            keyspace.run(...(add ? ["SET", `moving:${key}`, "w"] : ["DEL", `moving:${key}`]));
          }
        } while (cursor !== "0");
        expect([...expected]).toEqual([]);
      },
    ),
  );
});

test("a key that is due for the reader but not for the log is neither shown nor hidden: the scan asks for a tick", () => {
  const keyspace = testKeyspace();
  keyspace.run("SET a 1 PX 10");
  keyspace.run("SET b 1");
  keyspace.nowMs += 20;
  expect(typeof keyspace.query("KEYS *")).toBe("symbol");
  expect(typeof keyspace.query("SCAN 0")).toBe("symbol");
  expect(keyspace.run("SCAN 0")).toEqual(["0", ["b"]]);
});

test("a random key follows the log's seed: the same on every replica", () => {
  const [left, right] = [testKeyspace(), testKeyspace()];
  const drawn = [left, right].map((keyspace) => {
    for (let n = 0; n < 50; n++) keyspace.run("SET", `k${n}`, "v");
    return Array.from({ length: 20 }, () => keyspace.run("RANDOMKEY"));
  });
  expect(drawn[0]).toEqual(drawn[1]);
  expect(new Set(drawn[0]).size).toBeGreaterThan(5);
});
