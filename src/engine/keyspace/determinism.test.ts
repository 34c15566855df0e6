import fc from "fast-check";
import { expect, test } from "vitest";
import type { Bytes } from "../../runtime/bytes.ts";
import { encodeCommand } from "./command-codec.ts";
import { DATA_COMMANDS } from "./commands/index.ts";
import type { KeyspaceCommand } from "./keyspace-command.ts";
import { createKeyspace, type AppliedAt, type KeyspaceMachine } from "./machine.ts";
import type { KeyspaceCut } from "./snapshot-cut.ts";

const key = fc.integer({ min: 0, max: 24 }).map((n) => `key:${n}`);
const small = fc.integer({ min: -3, max: 40 }).map(String);
const text = fc.string({ unit: "binary-ascii", maxLength: 90 });
const word = <T extends string>(...words: T[]): fc.Arbitrary<T> => fc.constantFrom(...words);

const args: fc.Arbitrary<readonly string[]> = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.constant("SET"), key, text) },
  { weight: 3, arbitrary: fc.tuple(fc.constant("SET"), key, text, fc.constant("PX"), small) },
  fc.tuple(fc.constant("SET"), key, text, word("NX", "XX", "KEEPTTL", "GET")),
  fc.tuple(word("GET", "DEL", "INCR", "TTL", "PERSIST", "TYPE", "STRLEN", "GETDEL", "DECR"), key),
  fc.tuple(word("APPEND", "INCRBY", "INCRBYFLOAT", "GETSET"), key, small),
  fc.tuple(word("RENAME", "RENAMENX", "COPY", "LCS"), key, key),
  { weight: 2, arbitrary: fc.tuple(word("PEXPIRE", "EXPIRE"), key, small) },
  fc.tuple(fc.constant("MOVE"), key, word("0", "1", "2")),
  fc.constantFrom(["RANDOMKEY"], ["DBSIZE"], ["KEYS", "*"], ["SCAN", "0"], ["TIME"]),
  fc.tuple(fc.constant("SETRANGE"), key, small, text),
  { weight: 2, arbitrary: fc.tuple(fc.constant("HSET"), key, small, text) },
  fc.tuple(fc.constant("HDEL"), key, small),
  fc.tuple(fc.constant("HINCRBY"), key, small, small),
  { weight: 2, arbitrary: fc.tuple(word("RPUSH", "LPUSH"), key, text) },
  fc.tuple(word("RPOP", "LPOP", "SPOP", "SMEMBERS", "HGETALL", "ZPOPMIN", "SRANDMEMBER"), key),
  { weight: 2, arbitrary: fc.tuple(fc.constant("SADD"), key, small, text) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("ZADD"), key, small, text) },
  fc.tuple(fc.constant("ZRANGE"), key, fc.constant("0"), fc.constant("-1")),
);
const call = fc.record({ database: fc.nat(1), args });
const calls = fc.array(call, { maxLength: 5 });
const command: fc.Arbitrary<KeyspaceCommand> = fc.oneof(
  { weight: 60, arbitrary: call.map((each) => ({ type: "call" as const, ...each })) },
  {
    weight: 5,
    arbitrary: fc
      .array(args, { minLength: 2, maxLength: 5 })
      .map((list) => ({ type: "calls" as const, database: 0, list })),
  },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant("exec" as const), watched: fc.constant([]), calls }),
  },
  // Of a moment that lies anywhere in the run: a replica that knows less of it answers otherwise.
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant("exec" as const),
      watched: fc.array(
        fc.record({ database: fc.nat(1), key, wasPresent: fc.boolean(), revision: fc.nat(150) }),
        { minLength: 1, maxLength: 2 },
      ),
      calls,
    }),
  },
  { weight: 3, arbitrary: fc.constant({ type: "expire" as const, limit: 3 }) },
  { weight: 1, arbitrary: fc.constant({ type: "call" as const, database: 0, args: ["SWAPDB", "0", "1"] }) },
  { weight: 1, arbitrary: fc.constant({ type: "call" as const, database: 1, args: ["FLUSHDB"] }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant("configure" as const),
      settings: fc.tuple(
        fc.tuple(fc.constant("maxmemory"), word("0", "4000", "9000")),
        fc.tuple(fc.constant("maxmemory-policy"), word("noeviction", "allkeys-lru", "volatile-ttl")),
      ),
    }),
  },
);

interface Step {
  readonly command: KeyspaceCommand;
  readonly passMs: number;
}
const steps: fc.Arbitrary<Step[]> = fc.array(fc.record({ command, passMs: fc.integer({ min: 0, max: 6 }) }), {
  minLength: 1,
  maxLength: 150,
  size: "max",
});

function* positions(all: readonly Step[]): Generator<{ command: KeyspaceCommand; at: AppliedAt }> {
  let timeMs = 5000;
  for (const [index, step] of all.entries()) {
    timeMs += step.passMs;
    yield { command: step.command, at: { index, position: 0, timeMs, seed: index * 31 } };
  }
}

function drained(cut: KeyspaceCut, maxBytes: number): Bytes[] {
  const chunks: Bytes[] = [];
  for (let bytes = cut.next(maxBytes); bytes !== undefined; bytes = cut.next(maxBytes)) {
    expect(bytes.length).toBeLessThanOrEqual(maxBytes);
    chunks.push(bytes);
  }
  return chunks;
}

const create = (): KeyspaceMachine => createKeyspace({ commands: DATA_COMMANDS });

test("replicas agree in replies and digests, also one that went through a snapshot taken while commands were applied", () => {
  fc.assert(
    fc.property(steps, fc.nat(150), fc.integer({ min: 1, max: 400 }), (all, cutAt, maxBytes) => {
      const first = create();
      const second = create();
      let cut: KeyspaceCut | undefined;
      let restored: KeyspaceMachine | undefined;
      const chunks: Bytes[] = [];
      let cutDigest = 0;
      const missed: { command: KeyspaceCommand; at: AppliedAt }[] = [];
      for (const each of positions(all)) {
        if (each.at.index === cutAt) {
          cut = first.snapshot();
          cutDigest = first.digest();
        }
        const reply = first.apply(each.command, each.at);
        expect(second.apply(second.decode(encodeCommand(each.command)), each.at)).toEqual(reply);
        expect(second.digest()).toBe(first.digest());
        if (cut !== undefined && each.at.index % 3 === 0) {
          const bytes = cut.next(maxBytes);
          if (bytes !== undefined) chunks.push(bytes);
        }
        if (cut !== undefined) missed.push(each);
      }
      if (cut === undefined) return;
      restored = create();
      restored.restore([...chunks, ...drained(cut, maxBytes)]);
      expect(restored.digest()).toBe(cutDigest);
      const replay = create();
      replay.restore(drained(restored.snapshot(), 1000));
      for (const { command: missing, at } of missed) {
        expect(replay.apply(missing, at)).toEqual(restored.apply(missing, at));
      }
      expect(restored.digest()).toBe(first.digest());
      expect(replay.digest()).toBe(first.digest());
      expect(restored.usedBytes()).toBe(first.usedBytes());
    }),
    { numRuns: 150 },
  );
});

test("a divergence of one value, one deadline or one key shows in the digest", () => {
  const run = (...lines: string[]): number => {
    const machine = create();
    for (const [index, line] of lines.entries()) {
      const command = { type: "call", database: 0, args: line.split(" ") } as const;
      machine.apply(command, { index, position: 0, timeMs: 1000, seed: 1 });
    }
    return machine.digest();
  };
  const digests = [
    run("SET a 1", "SET b 2"),
    run("SET a 1", "SET b 3"),
    run("SET a 1", "SET c 2"),
    run("SET b 2", "SET a 1"),
    run("SET a 1", "SET b 2 PX 10"),
    run("SET a 1", "SET b 2 PX 11"),
    run("SET a 1", "SET b 2", "DEL c"),
  ];
  expect(new Set(digests).size).toBe(6);
  expect(digests[6]).toBe(digests[0]);
});

test("a snapshot that is cut short or damaged is refused, never half believed", () => {
  const machine = create();
  const at = { index: 1, position: 0, timeMs: 1000, seed: 1 };
  for (let n = 0; n < 50; n++) {
    machine.apply({ type: "call", database: n % 3, args: ["SET", `k${n}`, "v".repeat(n)] }, at);
  }
  const [whole] = drained(machine.snapshot(), 1 << 20);
  for (let length = 0; length < whole!.length; length += 7) {
    expect(() => create().restore([whole!.subarray(0, length)]), `cut at ${length}`).toThrow(/snapshot/);
  }
  let accepted = 0;
  for (let offset = 0; offset < whole!.length; offset += 11) {
    const damaged = whole!.subarray();
    damaged[offset]! ^= 0x15;
    try {
      create().restore([damaged]);
      accepted++;
    } catch (error) {
      expect(String(error)).toMatch(/snapshot|section/);
    }
    damaged[offset]! ^= 0x15;
  }
  // What only repeats the database of a run, or the log time, is not covered by the digest: the file's checksum is.
  expect(accepted).toBeLessThan(whole!.length / 11 / 20);
});

test("a collection that holds another content of the same size shows in the digest after a few changes", () => {
  const digests = ["left", "rite"].map((word) => {
    const machine = create();
    const apply = (...line: string[]): void => {
      const command = { type: "call", database: 0, args: line } as const;
      machine.apply(command, { index: 1, position: 0, timeMs: 1000, seed: 1 });
    };
    apply("HSET", "h", "field", word);
    for (let n = 0; n < 40; n++) apply("HINCRBY", "h", "count", "1");
    return machine.digest();
  });
  expect(digests[0]).not.toBe(digests[1]);
});
