import { expect, test } from "vitest";
import type { CommandSpec } from "./command.ts";
import { DATA_COMMANDS } from "./commands/index.ts";
import { NO_KEYS } from "./commands/key-positions.ts";
import type { Call } from "./keyspace-command.ts";
import { testKeyspace, type TestKeyspace } from "./keyspace.testing.ts";
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
  const version = keyspace.machine.versionOf(0, key, keyspace.nowMs);
  between();
  return keyspace.apply({ type: "exec", watched: [{ database: 0, key, version }], calls });
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
