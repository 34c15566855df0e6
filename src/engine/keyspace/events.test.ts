import { expect, test } from "vitest";
import type { Bytes } from "../../runtime/bytes.ts";
import { concatBytes } from "../../runtime/bytes.ts";
import { loadScriptEngine } from "../scripting/script-engine.ts";
import { decodeCommand } from "./command-codec.ts";
import { DATA_COMMANDS } from "./commands/index.ts";
import { formatEventClasses, parseEventClasses } from "./events.ts";
import type { KeyspaceOptions } from "./keyspace-options.ts";
import type { KeyspaceMachine } from "./machine.ts";
import { testKeyspace, type TestKeyspace } from "./keyspace.testing.ts";
import { OK, ReplyError } from "./reply.ts";

interface Told extends TestKeyspace {
  /** What was told since the last look: "event key", or the whole channel and message. */
  events(): string[];
}

function telling(classes: string, options: Partial<KeyspaceOptions> = {}): Told {
  const told: string[] = [];
  const keyspace = testKeyspace(DATA_COMMANDS, {
    ...options,
    publish: (channel, message) => void told.push(`${channel} ${message}`),
  });
  expect(choose(keyspace, classes)).toBe(OK);
  return Object.assign(keyspace, {
    events: () => told.splice(0).map((line) => line.replace("__keyevent@0__:", "")),
  });
}

function choose(keyspace: TestKeyspace, classes: string): unknown {
  return keyspace.apply({ type: "configure", settings: [["notify-keyspace-events", classes]] });
}

/** Applies what the leader would put into the log, until nothing is due. */
function settle(keyspace: TestKeyspace): void {
  for (;;) {
    const bytes = keyspace.machine.upkeep(keyspace.nowMs);
    if (bytes === undefined) return;
    keyspace.apply(decodeCommand(bytes));
  }
}

const snapshotOf = (machine: KeyspaceMachine): Bytes => {
  const cut = machine.snapshot();
  const chunks: Bytes[] = [];
  for (let chunk = cut.next(1 << 20); chunk !== undefined; chunk = cut.next(1 << 20)) chunks.push(chunk);
  cut.close();
  return concatBytes(chunks);
};

test.each([
  ["", ""],
  ["KEA", "AKE"],
  ["EKg", "gKE"],
  ["gxdetKE", "gxetdKE"],
  ["g$lshzxetdK", "AK"],
  ["nKE", "nKE"],
  ["AnE", "AnE"],
])("%j is kept as %j", (given, kept) => {
  expect(formatEventClasses(parseEventClasses(given)!)).toBe(kept);
  // As it is written, it is read back: a snapshot holds it.
  expect(parseEventClasses(kept)).toBe(parseEventClasses(given));
});

test("letters that name no class are refused, and so are misses, which are told by no node", () => {
  const keyspace = telling("KEA");
  for (const wrong of ["q", "K E", "KEm", "a"]) {
    const refused = new ReplyError(
      "ERR CONFIG SET failed (possibly related to argument 'notify-keyspace-events')" +
        " - Invalid event class character. Use 'Ag$lshzxetdnKE'.",
    );
    expect(choose(keyspace, wrong)).toEqual(refused);
  }
  expect(formatEventClasses(keyspace.machine.settings.eventClasses)).toBe("AKE");
});

test("what is told is what was asked for: classes, and kinds of channels", () => {
  for (const [classes, expected] of [
    ["", []],
    ["A", []],
    ["EA", ["set a", "expire a", "lpush l", "lpop l", "del l"]],
    ["E$", ["set a"]],
    ["Eg", ["expire a", "del l"]],
    ["Eln", ["new a", "new l", "lpush l", "lpop l"]],
    ["K$", ["__keyspace@0__:a set"]],
    ["KE$", ["__keyspace@0__:a set", "set a"]],
  ] as const) {
    const keyspace = telling(classes);
    keyspace.run("SET a 1 EX 10");
    keyspace.run("LPUSH l x");
    keyspace.run("LPOP l");
    expect([classes, keyspace.events()]).toEqual([classes, expected]);
  }
});

test("a key that expires is told once, by the tick or by the command that finds it due, and before what that does", () => {
  const keyspace = telling("EA");
  keyspace.run("SET a 1 PX 10");
  keyspace.run("SET b 1 PX 20");
  keyspace.run("SET c 1 PX 30");
  keyspace.events();
  keyspace.nowMs += 25;
  keyspace.run("SADD b m");
  expect(keyspace.events()).toEqual(["expired b", "sadd b"]);
  settle(keyspace);
  expect(keyspace.events()).toEqual(["expired a"]);
  keyspace.nowMs += 10;
  settle(keyspace);
  settle(keyspace);
  expect(keyspace.events()).toEqual(["expired c"]);
});

test("a query tells nothing", () => {
  const keyspace = telling("KEAn");
  keyspace.run("SET a 1 PX 10");
  keyspace.events();
  keyspace.query("GET a");
  keyspace.query("GET nokey");
  keyspace.nowMs += 20;
  keyspace.query("GET a");
  expect(keyspace.events()).toEqual([]);
});

test.each([true, false])(
  "every key that goes for want of room is told (ahead, by the leader: %s)",
  (ahead) => {
    const keyspace = telling("Ee");
    keyspace.apply({
      type: "configure",
      settings: [
        ["maxmemory", "20kb"],
        ["maxmemory-policy", "allkeys-lru"],
      ],
    });
    const kept = new Set<string>();
    for (let at = 0; at < 300; at++) {
      expect(keyspace.run("SET", `k${at}`, "v".repeat(100))).toBe(OK);
      kept.add(`k${at}`);
      if (ahead) settle(keyspace);
    }
    for (const event of keyspace.events()) expect(kept.delete(event.replace("evicted ", ""))).toBe(true);
    expect(kept).toEqual(new Set(keyspace.machine.databases[0]!.keys()));
  },
);

test("of a transaction each command tells as it is carried out; one that is not carried out tells nothing", () => {
  const keyspace = telling("EA");
  const calls = [
    ["SET", "a", "1"],
    ["INCR", "a"],
    ["LPUSH", "a", "x"],
    ["RENAME", "a", "b"],
  ].map((args) => ({
    database: 0,
    args,
  }));
  keyspace.apply({ type: "exec", watched: [], calls });
  expect(keyspace.events()).toEqual(["set a", "incrby a", "rename_from a", "rename_to b"]);
  const watched = [keyspace.machine.watch(0, "b", keyspace.nowMs)];
  keyspace.run("SET b 2");
  keyspace.events();
  keyspace.apply({ type: "exec", watched, calls });
  expect(keyspace.events()).toEqual([]);
});

test("a script that is stopped and undone has told nothing", async () => {
  const keyspace = telling("EA", { scripts: await loadScriptEngine() });
  keyspace.run("EVAL", "redis.call('set', 'a', '1') redis.call('lpush', 'l', 'x') while true do end", "0");
  expect(keyspace.events()).toEqual([]);
  expect(keyspace.run("EXISTS a l")).toBe(0);
  keyspace.run("EVAL", "redis.call('set', 'a', '1') error('no')", "0");
  expect(keyspace.events()).toEqual(["set a"]);
});

test("a key that was due is told of, though the script that met it is stopped and undone", async () => {
  const keyspace = telling("EA", { scripts: await loadScriptEngine() });
  keyspace.run("SET a 1 PX 100");
  keyspace.nowMs += 1000;
  keyspace.events();
  const script = "redis.call('set', 'b', '1') redis.call('exists', KEYS[1]) while true do end";
  keyspace.run("EVAL", script, "1", "a");
  expect(keyspace.run("DBSIZE")).toBe(0);
  expect(keyspace.events()).toEqual(["expired a"]);
});

test("a snapshot holds what is told, and one that holds nothing of it turns it off", () => {
  const quiet = telling("");
  const loud = telling("EA");
  const [without, withIt] = [snapshotOf(quiet.machine), snapshotOf(loud.machine)];
  // As before there was the setting.
  expect([without, withIt].map((bytes) => bytes.toString("latin1").includes("notify-"))).toEqual([
    false,
    true,
  ]);
  quiet.machine.restore([withIt]);
  loud.machine.restore([without]);
  expect(quiet.machine.digest()).not.toBe(loud.machine.digest());
  for (const keyspace of [quiet, loud]) keyspace.run("SET a 1");
  expect(quiet.events()).toEqual(["set a"]);
  expect(loud.events()).toEqual([]);
});

test("what the log held before this process began was delivered by an earlier life", () => {
  const keyspace = telling("E$", { deliveredUpTo: 3 });
  // The first command chose what is told.
  for (const key of ["a", "b", "c", "d"]) keyspace.run("SET", key, "1");
  expect(keyspace.events()).toEqual(["set c", "set d"]);
});
