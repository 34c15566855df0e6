import { expect, test } from "vitest";
import type { StateMachine } from "../group/state-machine.ts";
import type { KeyspaceCommand } from "./keyspace-command.ts";
import { testKeyspace } from "./keyspace.testing.ts";
import { TICK_NEEDED } from "./moment.ts";
import { OK, ReplyError, type Reply } from "./reply.ts";

test("a string reads back as it was stored, in its own database", () => {
  const keyspace = testKeyspace();
  expect(keyspace.run("SET a 1")).toBe(OK);
  expect(keyspace.run("GET a")).toBe("1");
  keyspace.database = 1;
  expect(keyspace.run("GET a")).toBe(null);
});

test("a key dies at the first entry whose time reached its deadline, and a read before that asks for a tick", () => {
  const keyspace = testKeyspace();
  keyspace.run("SET a 1 PX 100");
  keyspace.nowMs += 99;
  expect(keyspace.query("GET a")).toBe("1");
  keyspace.nowMs += 1;
  expect(keyspace.query("GET a")).toBe(TICK_NEEDED);
  expect(keyspace.run("GET a")).toBe(null);
  expect(keyspace.query("GET a")).toBe(null);
});

test("a command that is unknown or has a wrong number of arguments answers Redis's words", () => {
  const keyspace = testKeyspace();
  expect(keyspace.run("NOPE a b")).toEqual(
    new ReplyError("ERR unknown command 'NOPE', with args beginning with: 'a' 'b' "),
  );
  expect(keyspace.run("GET")).toEqual(new ReplyError("ERR wrong number of arguments for 'get' command"));
});

test("floats add with 80 bits, as in Redis", () => {
  const keyspace = testKeyspace();
  keyspace.run("SET a 3.0");
  expect(keyspace.run("INCRBYFLOAT a 0.1")).toBe("3.1");
  expect(keyspace.run("INCRBYFLOAT a 0.2")).toBe("3.3");
  expect(keyspace.run("INCRBYFLOAT a -3.3")).toBe("0");
  expect(keyspace.run("INCRBYFLOAT b 5.0e3")).toBe("5000");
});

test("the keyspace is what a replicated log replicates", () => {
  const machine: StateMachine<KeyspaceCommand, Reply> = testKeyspace().machine;
  const copy: StateMachine<KeyspaceCommand, Reply> = testKeyspace().machine;
  const cut = machine.snapshot();
  copy.restore([cut.next(1 << 20)!]);
  cut.close();
  expect(copy.digest()).toBe(machine.digest());
  expect(machine.snapshot().next(64)).toBeDefined();
});

test("commands that are foreseen, whatever they are, change nothing", () => {
  const keyspace = testKeyspace();
  keyspace.run("SET a 1");
  keyspace.run("RPUSH l 1 2");
  keyspace.run("SET due 1 PX 1");
  keyspace.nowMs += 5000;
  keyspace.run("PING");
  const { machine } = keyspace;
  const figures = (): unknown[] => [
    machine.digest(),
    machine.statistics(),
    machine.databases[0]!.idleMs("a"),
  ];
  const before = figures();
  const list = [
    ["GET", "a"],
    ["LLEN", "l"],
    ["GET", "due"],
    ["GET", "none"],
    ["PING"],
    [],
    ["MGET", "a", "l"],
  ];
  const many = Array.from({ length: 1000 }, (_, n) => ["GET", `k${n}`]);
  for (const [database, calls] of [
    [0, list],
    [1, list],
    [99, list],
    [0, []],
    [0, many],
  ] as const) {
    machine.foreseeCalls(database, calls);
    machine.foresee(calls.map((args) => ({ type: "call", database, args })));
  }
  machine.foresee([
    { type: "call", database: 0, args: ["GET", "a"] },
    ...Array(5).fill({ type: "expire", limit: 1 }),
  ]);
  expect(figures()).toEqual(before);
});
