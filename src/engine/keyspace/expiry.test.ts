import fc from "fast-check";
import { expect, test } from "vitest";
import { testKeyspace } from "./keyspace.testing.ts";
import { TICK_NEEDED } from "./moment.ts";

interface Modelled {
  readonly value: string;
  readonly deadline: number | undefined;
}

const key = fc.constantFrom("a", "b", "c");
const ms = fc.integer({ min: 1, max: 50 });
const step = fc.oneof(
  fc.record({
    type: fc.constant("set" as const),
    key,
    value: fc.string({ maxLength: 5 }),
    px: fc.option(ms),
  }),
  fc.record({ type: fc.constant("append" as const), key, value: fc.constantFrom("x", "yz") }),
  fc.record({ type: fc.constant("expire" as const), key, px: fc.integer({ min: -5, max: 50 }) }),
  fc.record({
    type: fc.constantFrom("persist" as const, "get" as const, "pttl" as const, "query" as const),
    key,
  }),
  fc.record({ type: fc.constant("rename" as const), key, to: key }),
  fc.record({ type: fc.constant("wait" as const), ms }),
);

test("strings and deadlines follow a map of values with times", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const keyspace = testKeyspace();
      const model = new Map<string, Modelled>();
      let loggedMs = 0;
      const live = (name: string): Modelled | undefined => {
        const entry = model.get(name);
        return entry?.deadline !== undefined && entry.deadline <= keyspace.nowMs ? undefined : entry;
      };
      for (const each of steps) {
        if (each.type === "wait") {
          keyspace.nowMs += each.ms;
          continue;
        }
        const entry = live(each.key);
        if (each.type === "query") {
          const deadline = model.get(each.key)?.deadline;
          const undecided = deadline !== undefined && deadline <= keyspace.nowMs && deadline > loggedMs;
          const expected = undecided ? TICK_NEEDED : (entry?.value ?? null);
          expect(keyspace.query("GET", each.key)).toBe(expected);
          continue;
        }
        loggedMs = keyspace.nowMs;
        switch (each.type) {
          case "set": {
            const px = each.px === null ? [] : ["PX", String(each.px)];
            keyspace.run("SET", each.key, each.value, ...px);
            const deadline = each.px === null ? undefined : keyspace.nowMs + each.px;
            model.set(each.key, { value: each.value, deadline });
            break;
          }
          case "append": {
            const value = (entry?.value ?? "") + each.value;
            expect(keyspace.run("APPEND", each.key, each.value)).toBe(value.length);
            model.set(each.key, { value, deadline: entry?.deadline });
            break;
          }
          case "expire":
            expect(keyspace.run("PEXPIRE", each.key, String(each.px))).toBe(entry === undefined ? 0 : 1);
            if (entry !== undefined) model.set(each.key, { ...entry, deadline: keyspace.nowMs + each.px });
            break;
          case "persist":
            expect(keyspace.run("PERSIST", each.key)).toBe(entry?.deadline === undefined ? 0 : 1);
            if (entry !== undefined) model.set(each.key, { ...entry, deadline: undefined });
            break;
          case "get":
            expect(keyspace.run("GET", each.key)).toBe(entry?.value ?? null);
            break;
          case "pttl": {
            const left = entry?.deadline === undefined ? -1 : entry.deadline - keyspace.nowMs;
            expect(keyspace.run("PTTL", each.key)).toBe(entry === undefined ? -2 : left);
            break;
          }
          case "rename":
            keyspace.run("RENAME", each.key, each.to);
            if (entry === undefined || each.to === each.key) break;
            model.set(each.to, entry);
            model.delete(each.key);
            break;
        }
      }
      const left = [...model.keys()].filter((name) => live(name) !== undefined);
      expect((keyspace.run("KEYS", "*") as string[]).toSorted((a, b) => (a < b ? -1 : 1))).toEqual(
        left.toSorted((a, b) => (a < b ? -1 : 1)),
      );
    }),
    { numRuns: 400 },
  );
});

test("a key that was seen expired does not come back when log time stands still", () => {
  const keyspace = testKeyspace();
  keyspace.run("SET a 1 PX 10");
  keyspace.nowMs += 10;
  expect(keyspace.run("GET a")).toBe(null);
  keyspace.nowMs -= 10;
  expect(keyspace.run("PERSIST a")).toBe(0);
  expect(keyspace.query("GET a")).toBe(null);
});

test("a query that would write is refused, and changes nothing", () => {
  const keyspace = testKeyspace();
  expect(keyspace.query("SET a 1")).toMatchObject({ message: expect.stringMatching(/^ERR Write commands/) });
  expect(keyspace.run("EXISTS a")).toBe(0);
});

test("of many keys that are due at once, a tick takes the same ones on a restored replica", () => {
  const keyspace = testKeyspace();
  for (let n = 0; n < 300; n++) keyspace.run("SET", `k${(n * 37) % 300}`, "v", "PX", "50");
  for (let n = 0; n < 300; n += 3) keyspace.run("DEL", `k${n}`);
  for (let n = 0; n < 100; n++) keyspace.run("SET", `l${n}`, "v", "PX", "50");
  const restored = testKeyspace();
  restored.machine.restore([keyspace.machine.snapshot().next(1 << 20)!]);
  for (const each of [keyspace, restored]) each.nowMs = 1_000_050;
  for (let ticks = 0; ticks < 10; ticks++) {
    for (const each of [keyspace, restored]) expect(each.apply({ type: "expire", limit: 7 })).toBe(7);
    expect(restored.machine.digest()).toBe(keyspace.machine.digest());
    expect(restored.run("KEYS", "*")).toEqual(keyspace.run("KEYS", "*"));
  }
});
