import fc from "fast-check";
import { expect, test } from "vitest";
import type { Bytes } from "../../runtime/bytes.ts";
import { concatBytes } from "../../runtime/bytes.ts";
import { ByteWriter } from "../../wire/byte-writer.ts";
import type { CommandSpec } from "./command.ts";
import { DATA_COMMANDS } from "./commands/index.ts";
import { NO_KEYS } from "./commands/key-positions.ts";
import type { Call } from "./keyspace-command.ts";
import { testKeyspace, type TestKeyspace } from "./keyspace.testing.ts";
import { CREATIONS, FORMAT_WITHOUT_CREATIONS, recordsOf } from "./snapshot-format.ts";
import { NOT_AN_INTEGER, NULL_ARRAY, OK, type Reply, ReplyError, WRONG_TYPE } from "./reply.ts";

const call = (line: string, database = 0): Call => ({ database, args: line.split(" ") });

/** A command of the connection: a row without `execute`. */
const SELECT: CommandSpec = {
  name: "select",
  arity: 2,
  flags: [],
  keys: NO_KEYS,
  docs: { summary: "", group: "connection", since: "1.0.0", complexity: "", usage: "index" },
};

function watchThenExec(keyspace: TestKeyspace, key: string, between: () => void, ...calls: Call[]): Reply {
  const watched = [keyspace.machine.watch(0, key, keyspace.nowMs)];
  between();
  return keyspace.apply({ type: "exec", watched, calls });
}

test("EXEC runs its commands in their databases and goes on after an error, as Redis does", () => {
  const keyspace = testKeyspace([...DATA_COMMANDS, SELECT]);
  const calls = [
    call("SET a x"),
    call("INCR a"),
    call("SELECT 1"),
    call("SET a 5", 1),
    call("INCR a", 1),
    call("RPUSH a 1", 1),
  ];
  expect(keyspace.apply({ type: "exec", watched: [], calls })).toEqual([
    OK,
    NOT_AN_INTEGER,
    OK,
    OK,
    6,
    WRONG_TYPE,
  ]);
  expect(keyspace.run("GET a")).toBe("x");
});

test("SELECT on the way refuses what is no number of a database as Redis does", () => {
  const keyspace = testKeyspace([...DATA_COMMANDS, SELECT]);
  const calls = ["x", "01", "2147483648", "99", "15"].map((index) => call(`SELECT ${index}`));
  expect(keyspace.apply({ type: "exec", watched: [], calls })).toEqual([
    NOT_AN_INTEGER,
    NOT_AN_INTEGER,
    new ReplyError("ERR value is out of range, value must between -2147483648 and 2147483647"),
    new ReplyError("ERR DB index is out of range"),
    OK,
  ]);
});

test("EXEC answers a null array and changes nothing when a watched key changed, died or came to be", () => {
  const changes: ((keyspace: TestKeyspace) => void)[] = [
    (keyspace) => keyspace.run("SET k other"),
    (keyspace) => keyspace.run("SET k 1"),
    (keyspace) => keyspace.run("PEXPIRE k 5000"),
    (keyspace) => keyspace.run("DEL k"),
    (keyspace) => keyspace.run("FLUSHALL"),
    (keyspace) => keyspace.run("RENAME k l"),
    (keyspace) => keyspace.run("SWAPDB 0 1"),
    (keyspace) => {
      keyspace.run("PEXPIRE k 10");
      keyspace.nowMs += 10;
    },
  ];
  for (const change of changes) {
    const keyspace = testKeyspace();
    keyspace.run("SET k 1");
    expect(watchThenExec(keyspace, "k", () => change(keyspace), call("SET done 1"))).toBe(NULL_ARRAY);
    expect(keyspace.run("EXISTS done")).toBe(0);
  }
  const absent = testKeyspace();
  expect(watchThenExec(absent, "k", () => absent.run("SET k 1"), call("SET done 1"))).toBe(NULL_ARRAY);
});

test("EXEC goes through when watched keys are as they were: read, absent before and after, or expired before WATCH", () => {
  const keyspace = testKeyspace();
  keyspace.run("SET k 1");
  expect(watchThenExec(keyspace, "k", () => keyspace.run("GET k"), call("SET a 1"))).toEqual([OK]);
  expect(watchThenExec(keyspace, "none", () => keyspace.run("SET z 1"), call("SET b 1"))).toEqual([OK]);
  keyspace.run("PEXPIRE k 10");
  keyspace.nowMs += 10;
  expect(watchThenExec(keyspace, "k", () => undefined, call("SET c 1"))).toEqual([OK]);
});

test("a change in place of a collection breaks a watch", () => {
  const keyspace = testKeyspace();
  keyspace.run("HSET k f v");
  expect(watchThenExec(keyspace, "k", () => keyspace.run("HSET k f w"), call("GET a"))).toBe(NULL_ARRAY);
});

/** What others do between WATCH k, where k is absent or due, and EXEC; lines starting with "1: " are for database 1. */
function endsAfter(before: readonly string[], between: readonly string[]): boolean {
  const keyspace = testKeyspace();
  const all = (lines: readonly string[]): void => {
    for (const line of lines) {
      keyspace.database = line.startsWith("1: ") ? 1 : 0;
      if (line.startsWith("pass ")) keyspace.nowMs += Number(line.slice(5));
      else expect(keyspace.run(line.replace("1: ", ""))).not.toBeInstanceOf(ReplyError);
    }
    keyspace.database = 0;
  };
  all(before);
  return watchThenExec(keyspace, "k", () => all(between), call("SET done 1")) === NULL_ARRAY;
}

// Each case was carried out at redis-server 7.0.15 with the same result.
test.each([
  ["made and deleted", [], ["SET k 1", "DEL k"]],
  ["made and expired", [], ["SET k 1 PX 1", "pass 50"]],
  ["made with a deadline that is past", [], ["SET k 1 PXAT 1"]],
  ["made and flushed away", ["SET z 1"], ["SET k 1", "FLUSHALL"]],
  ["made as a collection and emptied", [], ["LPUSH k 1", "LPOP k"]],
  ["named so and renamed", ["SET z 1"], ["RENAME z k", "RENAME k z"]],
  ["moved here and away", ["1: SET k 1"], ["1: MOVE k 0", "MOVE k 1"]],
  ["copied here and deleted", ["SET z 1"], ["COPY z k", "DEL k"]],
  ["swapped in", ["1: SET k 1"], ["SWAPDB 0 1"]],
  ["swapped in and out", ["1: SET k 1"], ["SWAPDB 0 1", "SWAPDB 0 1"]],
  ["swapped in, deleted, swapped out", ["1: SET k 1"], ["SWAPDB 0 1", "DEL k", "SWAPDB 0 1"]],
  ["made, swapped out, deleted, swapped back", [], ["SET k 1", "SWAPDB 0 1", "1: DEL k", "SWAPDB 0 1"]],
  ["due, made anew and deleted", ["SET k 1 PX 1", "pass 50"], ["SET k 1", "DEL k"]],
  ["there, swapped out and in", ["SET k 1"], ["SWAPDB 0 1", "SWAPDB 0 1"]],
  ["there, flushed away and made anew", ["SET k 1"], ["FLUSHALL", "SET k 1"]],
  ["there, made with a deadline that is past", ["SET k 1"], ["SET k 1 PXAT 1"]],
  ["there, and expired", ["SET k 1 PX 30"], ["pass 100"]],
] as const)("a watched key that was %s meanwhile ends the transaction", (_, before, between) => {
  expect(endsAfter(before, between)).toBe(true);
});

test.each([
  ["all are flushed away", ["SET z 1"], ["FLUSHALL"]],
  ["the absent key is deleted", [], ["DEL k", "UNLINK k", "PERSIST k", "EXPIRE k 1", "SINTERSTORE k q r"]],
  ["an empty database is swapped in", ["SET z 1"], ["SWAPDB 0 1"]],
  ["the database is swapped with itself", ["SET k 1"], ["SWAPDB 0 0"]],
  ["the due key dies", ["SET k 1 PX 1", "pass 50"], ["DEL k"]],
  ["the due key is flushed away", ["SET k 1 PX 1", "pass 50"], ["FLUSHALL"]],
] as const)("a transaction over watched keys goes through when %s", (_, before, between) => {
  expect(endsAfter(before, between)).toBe(false);
});

function wholeSnapshot({ machine }: TestKeyspace): Bytes {
  const cut = machine.snapshot();
  const chunks: Bytes[] = [];
  for (let bytes = cut.next(1 << 20); bytes !== undefined; bytes = cut.next(1 << 20)) chunks.push(bytes);
  return concatBytes(chunks);
}

const change = fc.tuple(
  fc.nat(1),
  fc.oneof(
    fc.constantFrom(
      "SET k 1",
      "DEL k",
      "SET k 1 PX 3",
      "PEXPIRE k 3",
      "PERSIST k",
      "SET k 1 PXAT 1",
      "GETDEL k",
    ),
    fc.constantFrom("RPUSH l 1", "LPOP l", "RENAME l k", "RENAME k l", "COPY l k", "MOVE k 0", "MOVE k 1"),
    fc.constantFrom("FLUSHDB", "FLUSHALL", "SWAPDB 0 1", "SWAPDB 0 2", "pass", "expire", "restart"),
  ),
);

test("no change of a watched key is missed, whatever else is done; without SWAPDB none is seen where there was none", () => {
  fc.assert(
    fc.property(
      fc.array(change, { maxLength: 12 }),
      fc.array(change, { maxLength: 12 }),
      (before, between) => {
        let keyspace = testKeyspace();
        const carryOut = ([database, line]: readonly [number, string]): void => {
          keyspace.database = database;
          if (line === "pass") keyspace.nowMs += 2;
          else if (line === "expire") keyspace.apply({ type: "expire", limit: 100 });
          else if (line === "restart") {
            const { nowMs } = keyspace;
            const snapshot = wholeSnapshot(keyspace);
            keyspace = testKeyspace();
            keyspace.nowMs = nowMs;
            keyspace.machine.restore([snapshot]);
          } else keyspace.run(line);
        };
        /** 0: absent, or due. */
        const version = (): number => {
          keyspace.machine.watch(0, "k", keyspace.nowMs);
          return keyspace.machine.databases[0]!.versionOf("k");
        };
        before.forEach(carryOut);
        const watched = [keyspace.machine.watch(0, "k", keyspace.nowMs)];
        const then = version();
        let hasChanged = false;
        for (const each of between) {
          carryOut(each);
          hasChanged ||= version() !== then || (each[1] === "SET k 1 PXAT 1" && each[0] === 0);
        }
        const reply = keyspace.apply({ type: "exec", watched, calls: [] });
        if (between.some(([, line]) => line.startsWith("SWAPDB"))) {
          if (hasChanged) expect(reply).toBe(NULL_ARRAY);
        } else expect(reply).toEqual(hasChanged ? NULL_ARRAY : []);
      },
    ),
    { numRuns: 3000 },
  );
});

test("a transaction in the log of an earlier version ends as it ended then", () => {
  const keyspace = testKeyspace();
  const exec = (version: number): Reply =>
    keyspace.apply({ type: "exec-by-version", watched: [{ database: 0, key: "k", version }], calls: [] });
  keyspace.run("SET k 1");
  const version = keyspace.machine.databases[0]!.versionOf("k");
  expect(exec(version)).toEqual([]);
  expect(exec(version + 1)).toBe(NULL_ARRAY);
  keyspace.run("DEL k");
  expect(exec(version)).toBe(NULL_ARRAY);
  expect(exec(0)).toEqual([]);
});

test("a snapshot of an earlier version is read; who watches afterwards misses nothing", () => {
  const keyspace = testKeyspace();
  keyspace.run("SET k 1");
  keyspace.run("DEL k");
  const records = [...recordsOf([wholeSnapshot(keyspace)])];
  expect(records.some((record) => record[0] === CREATIONS)).toBe(true);
  records[0]!.writeUInt32LE(FORMAT_WITHOUT_CREATIONS, 1);
  const old = records.filter((record) => record[0] !== CREATIONS);
  const restored = testKeyspace();
  restored.machine.restore(old.map((record) => new ByteWriter().bytes(record).take()));
  expect(restored.machine.digest()).toBe(keyspace.machine.digest());
  expect(watchThenExec(restored, "k", () => restored.run("GET k"), call("SET a 1"))).toEqual([OK]);
  const makeAndDelete = (): void => ["SET k 1", "DEL k"].forEach((line) => restored.run(line));
  expect(watchThenExec(restored, "k", makeAndDelete, call("SET a 1"))).toBe(NULL_ARRAY);
});

test("the creation of another key ends a transaction over an absent one once in thousands of times", () => {
  const keyspace = testKeyspace();
  let ended = 0;
  for (let n = 0; n < 16_384; n++) {
    const others = (): Reply => keyspace.run("SET", `other:${n}`, "1");
    if (watchThenExec(keyspace, `absent:${n}`, others) === NULL_ARRAY) ended++;
  }
  expect(ended).toBeLessThan(10);
});
