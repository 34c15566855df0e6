/**
 * The globals that a script sees: Redis 7.0's allow-list, read-only.
 *
 * Plain Lua has no read-only tables, so each library (and the table of globals itself) is seen through an empty stand-in
 * whose metatable reads from the real table and refuses to write. `pairs`, `next`, `rawget` and their like look behind the
 * stand-in (`base-library.ts`).
 */
import type { LuaState } from "./lua-exports.ts";
import { GLOBALS, REGISTRY, TYPE_NIL, TYPE_STRING, TYPE_TABLE } from "./lua-exports.ts";
import type { Image, LuaFunction, LuaMachine } from "./lua-machine.ts";
import { baseFunctions, randomFunctions, READ_ONLY_ERROR } from "./base-library.ts";
import type { ScriptRandom } from "./base-library.ts";
import { bitFunctions } from "./bit-library.ts";
import { jsonLibrary } from "./cjson-library.ts";
import type { JsonLibrary } from "./cjson-library.ts";
import { msgpackFunctions } from "./cmsgpack-library.ts";
import { CONSTANTS, LOADING_CONSTANTS, redisFunctions } from "./redis-library.ts";
import type { RunContext } from "./redis-library.ts";
import { stringFunctions } from "./string-library.ts";
import { structFunctions } from "./struct-library.ts";

/** Places in the registry. */
export const SLOT = {
  /** The compiled script. */
  script: 1,
  /** The real table of globals, where KEYS and ARGV go. */
  globals: 2,
  /** The functions that a library registered, by name. */
  functions: 3,
  /** The globals while a library loads: nothing but a small `redis`. */
  loadingGlobals: 4,
  /** The metatable of the stand-in for the globals: its __index says which of the two tables is seen. */
  globalsMetatable: 5,
} as const;

const ALLOWED_GLOBALS: ReadonlySet<string> = new Set(
  (
    "xpcall tostring setmetatable next assert tonumber rawequal collectgarbage getmetatable rawset pcall coroutine " +
    "type _G select unpack gcinfo pairs rawget loadstring ipairs _VERSION load error string table math"
  ).split(" "),
);
const LIBRARIES = ["string", "table", "math", "coroutine", "cjson", "cmsgpack", "struct", "bit"] as const;

export interface Sandbox {
  /** What every script and library starts from. */
  readonly image: Image;
  readonly json: JsonLibrary;
}

export function buildSandbox(
  m: LuaMachine,
  context: RunContext,
  random: ScriptRandom,
  registerFunction: LuaFunction,
): Sandbox {
  const { lua, L } = m;
  lua.luaopen_base(L);
  lua.luaopen_table(L);
  lua.luaopen_string(L);
  lua.luaopen_math(L);
  lua.lua_settop(L, 0);
  removeUnlisted(m, L);

  const readOnly = new Set<number>();
  const json = jsonLibrary(m);
  const originalIndex = (path: string): number => {
    pushPath(m, L, path);
    const index = lua.lua_tocfunction(L, -1);
    lua.lua_settop(L, 0);
    return index;
  };
  const strings = stringFunctions(m, { format: m.original(originalIndex("string.format")) });
  const base = { ...baseFunctions(m, originalIndex, readOnly), ...randomFunctions(m, random) };
  const libraries = {
    string: strings,
    cmsgpack: msgpackFunctions(m),
    struct: structFunctions(m),
    bit: bitFunctions(m),
  };
  const redis = redisFunctions(m, context);
  const { refuse, missing } = guards(m);
  m.define([
    ...Object.values(base),
    ...Object.values(libraries).flatMap((functions) => Object.values(functions)),
    ...Object.values(json.functions),
    ...Object.values(redis),
    registerFunction,
    refuse,
    missing,
  ]);

  for (const [path, fn] of Object.entries(base))
    if (path !== "") setPath(m, L, path, () => m.pushFunction(L, fn));
  for (const [name, functions] of Object.entries(libraries)) addLibrary(m, L, name, functions);
  setPath(m, L, "cmsgpack._NAME", () => m.push(L, "cmsgpack"));
  setPath(m, L, "cmsgpack._VERSION", () => m.push(L, "lua-cmsgpack 0.4.0"));
  setPath(m, L, "cmsgpack._COPYRIGHT", () => m.push(L, "Copyright (C) 2012, Salvatore Sanfilippo"));
  setPath(m, L, "cmsgpack._DESCRIPTION", () => m.push(L, "MessagePack C implementation for Lua"));
  setPath(m, L, "cjson", () => json.push(L));

  const standIn = (): void => pushStandIn(m, L, readOnly, refuse);
  for (const name of LIBRARIES) {
    setPath(m, L, name, () => {
      pushPath(m, L, name);
      standIn();
    });
  }
  // Methods of strings come from the same table as a script sees.
  m.push(L, "");
  lua.lua_getmetatable(L, -1);
  m.push(L, "__index");
  pushPath(m, L, "string");
  lua.lua_rawset(L, -3);
  protectMetatable(m, L, standIn);
  lua.lua_settop(L, 0);
  setPath(m, L, "redis", () => {
    pushRedis(m, L, redis, CONSTANTS);
    standIn();
  });
  lua.lua_createtable(L, 0, 0);
  lua.lua_rawseti(L, REGISTRY, SLOT.functions);
  pushLoadingGlobals(m, L, { log: redis["log"]!, register_function: registerFunction }, missing, standIn);
  lua.lua_rawseti(L, REGISTRY, SLOT.loadingGlobals);
  hideGlobals(m, L, missing, standIn);
  return { image: m.capture(), json };
}

function removeUnlisted(m: LuaMachine, L: LuaState): void {
  const { lua } = m;
  const unlisted: string[] = [];
  lua.lua_pushvalue(L, GLOBALS);
  lua.lua_pushnil(L);
  while (lua.lua_next(L, -2) !== 0) {
    lua.lua_settop(L, -2);
    const name = lua.lua_type(L, -1) === TYPE_STRING ? m.stringAt(L, -1)! : "";
    if (!ALLOWED_GLOBALS.has(name)) unlisted.push(name);
  }
  lua.lua_settop(L, 0);
  for (const name of unlisted) setPath(m, L, name, () => lua.lua_pushnil(L));
}

/** What reading a global that is not there, and writing to a read-only table, do. */
function guards(m: LuaMachine): { refuse: LuaFunction; missing: LuaFunction } {
  return {
    refuse: (L) => m.fail(L, READ_ONLY_ERROR),
    missing: (L) => {
      const name = m.stringAt(L, 2);
      if (name === undefined) {
        return m.fail(L, "Second argument to luaProtectedTableError must be a string or number");
      }
      return m.fail(L, `Script attempted to access nonexistent global variable '${name}'`);
    },
  };
}

/** Replaces the table on top by an empty one that reads from it and refuses to be written. */
function pushStandIn(m: LuaMachine, L: LuaState, readOnly: Set<number>, refuse: LuaFunction): void {
  const { lua } = m;
  lua.lua_createtable(L, 0, 0);
  readOnly.add(lua.lua_topointer(L, -1));
  lua.lua_createtable(L, 0, 2);
  m.push(L, "__index");
  lua.lua_pushvalue(L, -4);
  lua.lua_rawset(L, -3);
  m.push(L, "__newindex");
  m.pushFunction(L, refuse);
  lua.lua_rawset(L, -3);
  lua.lua_setmetatable(L, -2);
  lua.lua_remove(L, -2);
}

/** Gives the state a stand-in for its table of globals, and the real one the error for names that are not there. */
function hideGlobals(m: LuaMachine, L: LuaState, missing: LuaFunction, standIn: () => void): void {
  const { lua } = m;
  lua.lua_pushvalue(L, GLOBALS);
  lua.lua_pushvalue(L, -1);
  lua.lua_rawseti(L, REGISTRY, SLOT.globals);
  refuseMissing(m, L, missing);
  lua.lua_getmetatable(L, -1);
  protectMetatable(m, L, standIn);
  lua.lua_settop(L, -2);
  lua.lua_pushvalue(L, -1);
  standIn();
  lua.lua_getmetatable(L, -1);
  lua.lua_rawseti(L, REGISTRY, SLOT.globalsMetatable);
  m.push(L, "_G");
  lua.lua_pushvalue(L, -2);
  lua.lua_rawset(L, -4);
  lua.lua_replace(L, GLOBALS);
  lua.lua_settop(L, 0);
}

/** What `getmetatable` gives in place of the metatable on top: a script that wrote to the real one would change what follows. */
function protectMetatable(m: LuaMachine, L: LuaState, standIn: () => void): void {
  m.push(L, "__metatable");
  m.lua.lua_pushvalue(L, -2);
  standIn();
  m.lua.lua_rawset(L, -3);
}

/** Gives the table on top the error for names that are not there. */
function refuseMissing(m: LuaMachine, L: LuaState, missing: LuaFunction): void {
  const { lua } = m;
  lua.lua_createtable(L, 0, 1);
  m.push(L, "__index");
  m.pushFunction(L, missing);
  lua.lua_rawset(L, -3);
  lua.lua_setmetatable(L, -2);
}

/** The globals of a library that loads, each name that is missing an error. */
function pushLoadingGlobals(
  m: LuaMachine,
  L: LuaState,
  functions: Readonly<Record<string, LuaFunction>>,
  missing: LuaFunction,
  standIn: () => void,
): void {
  m.lua.lua_createtable(L, 0, 1);
  m.push(L, "redis");
  pushRedis(m, L, functions, LOADING_CONSTANTS);
  refuseMissing(m, L, missing);
  standIn();
  m.lua.lua_rawset(L, -3);
  refuseMissing(m, L, missing);
}

/** Chooses what globals scripts see: `SLOT.globals` or `SLOT.loadingGlobals`. */
export function selectGlobals(m: LuaMachine, L: LuaState, slot: number): void {
  const { lua } = m;
  lua.lua_rawgeti(L, REGISTRY, SLOT.globalsMetatable);
  m.push(L, "__index");
  lua.lua_rawgeti(L, REGISTRY, slot);
  lua.lua_rawset(L, -3);
  lua.lua_settop(L, -2);
}

function pushRedis(
  m: LuaMachine,
  L: LuaState,
  functions: Readonly<Record<string, LuaFunction>>,
  constants: Readonly<Record<string, number | string>>,
): void {
  const { lua } = m;
  lua.lua_createtable(L, 0, 32);
  for (const [name, fn] of Object.entries(functions)) {
    m.push(L, name);
    m.pushFunction(L, fn);
    lua.lua_rawset(L, -3);
  }
  for (const [name, value] of Object.entries(constants)) {
    m.push(L, name);
    if (typeof value === "number") lua.lua_pushnumber(L, value);
    else m.push(L, value);
    lua.lua_rawset(L, -3);
  }
}

function addLibrary(m: LuaMachine, L: LuaState, name: string, functions: Record<string, LuaFunction>): void {
  pushPath(m, L, name);
  const exists = m.lua.lua_type(L, -1) === TYPE_TABLE;
  m.lua.lua_settop(L, 0);
  if (!exists) setPath(m, L, name, () => m.lua.lua_createtable(L, 0, 16));
  for (const [field, fn] of Object.entries(functions)) {
    if (field !== "") setPath(m, L, `${name}.${field}`, () => m.pushFunction(L, fn));
  }
}

/** Pushes a global, or a field of one ("table.sort"). */
function pushPath(m: LuaMachine, L: LuaState, path: string): void {
  m.lua.lua_pushvalue(L, GLOBALS);
  for (const name of path.split(".")) {
    if (m.lua.lua_type(L, -1) === TYPE_NIL) return;
    m.push(L, name);
    m.lua.lua_rawget(L, -2);
    m.lua.lua_remove(L, -2);
  }
}

/** Sets a global, or a field of one, to the value that `pushValue` pushes. */
function setPath(m: LuaMachine, L: LuaState, path: string, pushValue: () => void): void {
  const dot = path.lastIndexOf(".");
  if (dot === -1) m.lua.lua_pushvalue(L, GLOBALS);
  else pushPath(m, L, path.slice(0, dot));
  m.push(L, path.slice(dot + 1));
  pushValue();
  m.lua.lua_rawset(L, -3);
  m.lua.lua_settop(L, 0);
}
