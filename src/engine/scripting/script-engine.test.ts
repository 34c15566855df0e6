import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { beforeAll, describe, expect, test } from "vitest";

import { ByteReader } from "../../wire/byte-reader.ts";
import { ByteWriter } from "../../wire/byte-writer.ts";
import { DATA_COMMANDS } from "../keyspace/commands/index.ts";
import { testKeyspace } from "../keyspace/keyspace.testing.ts";
import type { TestKeyspace } from "../keyspace/keyspace.testing.ts";
import { ReplyError } from "../keyspace/reply.ts";
import type { Reply } from "../keyspace/reply.ts";
import { createScripting } from "../keyspace/scripting/scripting.ts";
import type { LuaEngine } from "../keyspace/scripting/lua-engine.ts";
import { sha1Hex } from "../keyspace/scripting/sha1.ts";
import { createLuaEngine, LIMITS, loadScriptEngine } from "./script-engine.ts";
import { wasm } from "./web-assembly.ts";

let keyspace: TestKeyspace;

beforeAll(async () => {
  keyspace = testKeyspace(DATA_COMMANDS, { scripts: await loadScriptEngine() });
});

function evaluate(script: string, ...rest: string[]): Reply {
  return keyspace.run("eval", script, ...(rest.length === 0 ? ["0"] : rest));
}

/** An engine that shares nothing with any other, small so that limits come soon. */
function ownEngine(): LuaEngine {
  const path = createRequire(import.meta.url).resolve("wasmoon-lua5.1/dist/liblua5.1.wasm");
  return createLuaEngine(new wasm.Module(readFileSync(path)), LIMITS);
}

const STOPPED = /^ERR Error running script [0-9a-f]{40}, stopped because .*; its changes are undone$/;

const RUNAWAYS: Readonly<Record<string, string>> = {
  "an endless loop": "while true do end",
  "an endless loop in pcall": "while true do pcall(function() while true do end end) end",
  "an endless loop in a coroutine": "while true do coroutine.wrap(function() for i=1,900 do end end)() end",
  "an endless loop in an error handler": "xpcall(error, function() while true do end end)",
  "an endless loop in a metamethod": "return setmetatable({},{__index=function() while true do end end}).x",
  "a comparison that never ends": "table.sort({1,2,3}, function() while true do end end)",
  "string doubling": "local s='x' while true do s=s..s end",
  "string doubling in pcall": "local s='x' while true do pcall(function() s=s..s end) end",
  "one huge string": "return ('x'):rep(1e9)",
  "many empty strings": "while true do local s = (''):rep(2^31-1) end",
  "a huge table": "local t={} while true do t[#t+1]={} end",
  "a pattern that backtracks": "return (('a'):rep(5000)):find(('.-'):rep(10)..'b')",
  "insertions at the front": "local t={} for i=1,1e6 do table.insert(t,1,i) end",
  "copies of a long string": "local s=('x'):rep(1e7) for i=1,1e9 do local t=s..i end",
  "forced collections": "local t={} for i=1,1e5 do t[i]={} end while true do collectgarbage() end",
  "one long string in a reply many times":
    "local s=('x'):rep(1e6) local t={} for i=1,1e5 do t[i]=s end return t",
  "one long string in JSON many times":
    "local s=('x'):rep(1e6) local t={} for i=1,1e5 do t[i]=s end return cjson.encode(t)",
  "one long string packed many times":
    "local s=('x'):rep(1e6) local t={} for i=1,1e5 do t[i]=s end return cmsgpack.pack(t)",
  "commands without end": "while true do redis.call('incr','n') end",
};

describe("a script that runs away", () => {
  for (const [name, script] of Object.entries(RUNAWAYS)) {
    test(`${name} is stopped alike on two replicas, and what it wrote is undone`, () => {
      const writing = `redis.call('set','touched','1') redis.call('rpush','list','x') ${script}`;
      const replicas = [ownEngine(), ownEngine()].map((engine) =>
        testKeyspace(DATA_COMMANDS, { scripts: createScripting(engine) }),
      );
      const replies = replicas.map((replica) => {
        replica.run("set", "before", "1");
        return replica.run("eval", writing, "0");
      });
      expect(replies[0]).toBeInstanceOf(ReplyError);
      expect((replies[0] as ReplyError).message).toMatch(STOPPED);
      expect(replies[1]).toEqual(replies[0]);
      for (const replica of replicas) {
        expect(replica.run("keys", "*")).toEqual(["before"]);
        expect(replica.run("eval", "return 1", "0")).toBe(1);
      }
      expect(replicas[0]!.machine.digest()).toBe(replicas[1]!.machine.digest());
    });
  }

  test("recursion ends in Lua's own errors, which pcall may catch", () => {
    expect(evaluate("local function f() return 1 + f() end return f()")).toEqual(
      new ReplyError(
        "ERR user_script:1: stack overflow script: " +
          `${sha1Hex("local function f() return 1 + f() end return f()")}, on @user_script:1.`,
      ),
    );
    expect(evaluate("local n=0 local function f() n=n+1 pcall(f) end f() return n")).toBe(199);
    const pattern = `return pcall(string.find, ('a'):rep(20000), ('a?'):rep(20000))`;
    expect(evaluate(pattern)).toBe(null);
    expect(
      evaluate("local n=0 local function f() n=n+1 ('x'):gsub('x', f) end return {pcall(f), n}"),
    ).toEqual([null, 198]);
    expect(
      evaluate("local n=0 local function f() n=n+1 ('x'):gsub('x', f) end pcall(f) return n"),
    ).toBeGreaterThan(150);
    const deepest = `local s = ('['):rep(1000)..(']'):rep(1000) local ok = 0
      local function f() if pcall(cjson.decode, s) then ok = ok + 1 end
        local t = {} for i=1,999 do t={t} end if pcall(cjson.encode, t) then ok = ok + 1 end
        ;('x'):gsub('x', f) end
      pcall(f) return ok > 300`;
    expect(evaluate(deepest)).toBe(1);
    expect(evaluate("local t={} for i=1,5000 do t={t} end return t")).toBeInstanceOf(Array);
    expect(evaluate("return pcall(cmsgpack.unpack, ('\\145'):rep(10000))")).toBe(null);
    const nested = `return pcall(loadstring, ('('):rep(100000))`;
    expect(evaluate(nested)).toBe(1);
    expect(
      evaluate("local t='x' for i=1,190 do t='{'..t..'}' end return type(loadstring('return '..t))"),
    ).toBe("function");
  });
});

describe("what a script sees does not depend on what ran before", () => {
  const PROBE = `
    local seen = {}
    local keys = {}
    for i = 1, 30 do keys[{}] = i keys[function() end] = -i keys['k'..i] = i end
    for k, v in pairs(keys) do seen[#seen+1] = tostring(k)..tostring(v) end
    seen[#seen+1] = collectgarbage('count') * 1024
    local weak = setmetatable({}, {__mode = 'k'})
    for i = 1, 3000 do weak[{}] = ('x'):rep(i % 100) end
    local alive = 0
    for _ in pairs(weak) do alive = alive + 1 end
    seen[#seen+1] = alive
    seen[#seen+1] = math.random(1e9)
    seen[#seen+1] = tostring(coroutine.create(function() end))
    return seen`;
  const WARMING: readonly string[] = [
    "return 1",
    "local t={} for i=1,1e5 do t[i]={} end return #t",
    "return ('x'):rep(1e6)",
    "return nope",
    "while true do end",
    "local s='x' while true do s=s..s end",
    "return pcall(error, 'x')",
    "cjson.encode_max_depth(1) getmetatable('').__index = nil return 1",
    "collectgarbage('stop') return 1",
    "math.randomseed(1) return math.random()",
    "error({})",
  ];

  function probe(engine: LuaEngine): Reply {
    const replica = testKeyspace(DATA_COMMANDS, { scripts: createScripting(engine) });
    return replica.run("eval", PROBE, "1", "key");
  }

  test("differently warmed engines give the same answers, addresses and collections included", () => {
    const cold = probe(ownEngine());
    const engine = ownEngine();
    const other = testKeyspace(DATA_COMMANDS, { scripts: createScripting(engine) });
    for (const script of WARMING) {
      other.run("eval", script, "0");
      expect(probe(engine), script).toEqual(cold);
    }
    other.run("function", "load", "#!lua name=l\nredis.register_function('f', function() return 1 end)");
    expect(probe(engine)).toEqual(cold);
    expect((cold as Reply[]).length).toBeGreaterThan(90);
  });

  test("a run leaves no global, option or metatable behind", () => {
    evaluate("cjson.encode_number_precision(1) return 1");
    expect(evaluate("return cjson.encode(1.25)")).toBe("1.25");
    evaluate("local m = getmetatable('') m.__index = function() return 'stolen' end return 1");
    expect(evaluate("return ('x'):upper()")).toBe("X");
  });

  test("math.random differs between calls and repeats after a seed", () => {
    const draw = (): Reply => evaluate("return math.random(1e9)");
    expect(draw()).not.toEqual(draw());
    const seeded = (): Reply => evaluate("math.randomseed(7) return math.random(1e9)");
    expect(seeded()).toEqual(seeded());
  });
});

describe("scripts as state", () => {
  test("EVAL and SCRIPT LOAD make a script known to EVALSHA in any case; FLUSH forgets", async () => {
    const own = testKeyspace(DATA_COMMANDS, { scripts: await loadScriptEngine() });
    const sha = sha1Hex("return 42");
    expect(own.run("evalsha", sha, "0")).toEqual(
      new ReplyError("NOSCRIPT No matching script. Please use EVAL."),
    );
    expect(own.run("script", "load", "return 42")).toBe(sha);
    expect(own.run("evalsha", sha.toUpperCase(), "0")).toBe(42);
    own.run("eval", "return 43", "0");
    expect(own.run("script", "exists", sha, sha1Hex("return 43"), "x")).toEqual([1, 1, 0]);
    own.run("script", "flush");
    expect(own.run("script", "exists", sha)).toEqual([0]);
  });

  test("a query runs EVAL_RO, refuses to write, and stores nothing", async () => {
    const own = testKeyspace(DATA_COMMANDS, { scripts: await loadScriptEngine() });
    own.run("set", "k", "v");
    const digest = own.machine.digest();
    expect(own.query("eval_ro", "return redis.call('get',KEYS[1])", "1", "k")).toBe("v");
    expect(own.query("eval_ro", "return redis.call('set','k','x')", "0")).toBeInstanceOf(ReplyError);
    expect(own.machine.digest()).toBe(digest);
  });

  test("a snapshot carries scripts and libraries", async () => {
    const scripts = await loadScriptEngine();
    const own = testKeyspace(DATA_COMMANDS, { scripts });
    own.run("eval", "return 42", "0");
    own.run("function", "load", "#!lua name=l\nredis.register_function('f', function(k,a) return a[1] end)");
    const writer = new ByteWriter();
    scripts.section.write(writer);
    const restored = await loadScriptEngine();
    const copy = testKeyspace(DATA_COMMANDS, { scripts: restored });
    restored.section.restore(new ByteReader(writer.take()));
    expect(restored.section.digest()).toBe(scripts.section.digest());
    expect(copy.run("evalsha", sha1Hex("return 42"), "0")).toBe(42);
    expect(copy.run("fcall", "f", "0", "x")).toBe("x");
    restored.section.restore(undefined);
    expect(copy.run("fcall", "f", "0", "x")).toEqual(new ReplyError("ERR Function not found"));
  });

  test("the cache is bounded, the oldest scripts go first", async () => {
    const own = testKeyspace(DATA_COMMANDS, { scripts: await loadScriptEngine() });
    const body = (n: number): string => `return ${n} --${"x".repeat(300_000)}`;
    for (let n = 0; n < 20; n++) own.run("script", "load", body(n));
    expect(own.run("evalsha", sha1Hex(body(0)), "0")).toBeInstanceOf(ReplyError);
    expect(own.run("evalsha", sha1Hex(body(19)), "0")).toBe(19);
  });

  test("libraries survive FUNCTION DUMP and RESTORE", async () => {
    const own = testKeyspace(DATA_COMMANDS, { scripts: await loadScriptEngine() });
    const code = "#!lua name=l\nredis.register_function('f', function() return 1 end)";
    own.run("function", "load", code);
    const payload = own.run("function", "dump") as string;
    expect(own.run("function", "restore", payload)).toBeInstanceOf(ReplyError);
    own.run("function", "flush");
    own.run("function", "restore", payload);
    expect(own.run("fcall", "f", "0")).toBe(1);
    expect(own.run("function", "restore", `${payload.slice(0, -1)}x`)).toBeInstanceOf(ReplyError);
  });
});

test("every byte passes unchanged through keys, arguments, commands and replies", () => {
  const bytes = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join("");
  for (const text of ["", "\0", bytes, bytes.repeat(500), "x".repeat(1_000_000)]) {
    const script = "redis.call('set',KEYS[1],ARGV[1]) return {redis.call('get',KEYS[1]), #ARGV[1], KEYS[1]}";
    const key = `k${text.slice(0, 256)}`;
    expect(evaluate(script, "1", key, text)).toEqual([text, text.length, key]);
  }
});

test("a script compiles once and its time is the log's", () => {
  keyspace.nowMs = 1_234_567_890_123;
  expect(evaluate("return redis.call('time')[1]")).toBe("1234567890");
  expect(
    evaluate(
      "local a = redis.call('time') for i=1,1e5 do end local b = redis.call('time') return a[2]==b[2]",
    ),
  ).toBe(1);
});
