/**
 * The functions outside the string library that differ from plain Lua 5.1: those that Redis replaces (pcall, math.random),
 * those that must know of read-only tables (rawset, setmetatable, next…), those whose work the instruction count does not
 * see (table.sort, collectgarbage…), and loading code, which takes source only.
 */
import type { LuaState } from "./lua-exports.ts";
import { MULTIPLE_RESULTS, TYPE_NIL, TYPE_NUMBER, TYPE_STRING, TYPE_TABLE } from "./lua-exports.ts";
import type { LuaFunction, LuaMachine } from "./lua-machine.ts";
import { HOOK_INTERVAL } from "./lua-machine.ts";
import { checkInteger, optionalInteger } from "./string-library.ts";

export const READ_ONLY_ERROR = "Attempt to modify a readonly table";
const ESCAPE = "\u001b";
const GC_COUNT = 3;
/** Steps charged for each kilobyte of heap that a forced collection looks at. */
const COLLECT_STEPS_PER_KB = 100;
const DEFAULT_GC_TUNING = 200;

/** Tables that scripts see through an empty stand-in (see `sandbox.ts`): asked by address of the stand-in. */
export interface ReadOnlyTables {
  has(pointer: number): boolean;
}

export function baseFunctions(
  m: LuaMachine,
  originalIndex: (path: string) => number,
  readOnly: ReadOnlyTables,
): Record<string, LuaFunction> {
  const { lua } = m;
  const original = (path: string): LuaFunction => m.original(originalIndex(path));

  /** Puts the table behind a read-only stand-in in the place of argument `index`. */
  function look(L: LuaState, index: number): void {
    if (lua.lua_type(L, index) !== TYPE_TABLE || !readOnly.has(lua.lua_topointer(L, index))) return;
    lua.lua_getmetatable(L, index);
    m.push(L, "__index");
    lua.lua_rawget(L, -2);
    lua.lua_replace(L, index);
    lua.lua_settop(L, -2);
  }

  function refuseReadOnly(L: LuaState, index: number): void {
    if (lua.lua_type(L, index) !== TYPE_TABLE || !readOnly.has(lua.lua_topointer(L, index))) return;
    m.push(L, READ_ONLY_ERROR);
    m.raise(L);
  }

  const looking = (path: string): LuaFunction => {
    const fn = original(path);
    return (L) => {
      look(L, 1);
      return fn(L);
    };
  };
  const guarding = (path: string): LuaFunction => {
    const fn = original(path);
    return (L) => {
      refuseReadOnly(L, 1);
      return fn(L);
    };
  };
  const charging = (path: string, cost: (L: LuaState) => number): LuaFunction => {
    const fn = original(path);
    return (L) => {
      m.charge(cost(L));
      return fn(L);
    };
  };

  const getmetatable: LuaFunction = (L) => {
    look(L, 1);
    return getmetatableOriginal(L);
  };
  const getmetatableOriginal = original("getmetatable");

  const nextIndex = originalIndex("next");
  /** The C functions behind pairs have upvalues, so it is written anew: the plain `next`, the table, nil. */
  const pairs: LuaFunction = (L) => {
    lua.luaL_checktype(L, 1, TYPE_TABLE);
    look(L, 1);
    lua.lua_pushcclosure(L, nextIndex, 0);
    lua.lua_pushvalue(L, 1);
    lua.lua_pushnil(L);
    return 3;
  };

  /** Redis's pcall: an error that is a table with a string `err` is given as that string. */
  const pcall: LuaFunction = (L) => {
    lua.luaL_checkany(L, 1);
    const count = lua.lua_gettop(L);
    lua.lua_pushboolean(L, 1);
    lua.lua_insert(L, 1);
    if (lua.lua_pcall(L, count - 1, MULTIPLE_RESULTS, 0) !== 0) {
      lua.lua_remove(L, 1);
      if (lua.lua_type(L, -1) === TYPE_TABLE) {
        m.push(L, "err");
        lua.lua_gettable(L, -2);
        if (lua.lua_isstring(L, -1) !== 0) lua.lua_replace(L, -2);
      }
      lua.lua_pushboolean(L, 0);
      lua.lua_insert(L, 1);
    }
    return lua.lua_gettop(L);
  };

  const tonumberOriginal = original("tonumber");
  const tonumber: LuaFunction = (L) => {
    const base = optionalInteger(m, L, 2, 10);
    if (base === 10) return tonumberOriginal(L);
    const text = m.checkString(L, 1);
    if (base < 2 || base > 36) m.argumentError(L, 2, "base out of range");
    const value = parseUnsigned(text, base);
    if (value === undefined) lua.lua_pushnil(L);
    else lua.lua_pushnumber(L, value);
    return 1;
  };

  /** Leaves a function, or nil and a message. */
  function load(L: LuaState, source: string, name: string): number {
    // Compiled code is not taken: a space in front makes the compiler read it as source.
    const text = source.startsWith(ESCAPE) ? ` ${source}` : source;
    if (m.load(L, text, name) === 0) return 1;
    lua.lua_pushnil(L);
    lua.lua_insert(L, -2);
    return 2;
  }

  const loadstring: LuaFunction = (L) => {
    const source = m.checkString(L, 1);
    const name = lua.lua_type(L, 2) <= TYPE_NIL ? source : m.checkString(L, 2);
    return load(L, source, name);
  };

  const loadFunction: LuaFunction = (L) => {
    lua.luaL_checktype(L, 1, 6);
    const name = lua.lua_type(L, 2) <= TYPE_NIL ? "=(load)" : m.checkString(L, 2);
    let source = "";
    for (;;) {
      lua.lua_settop(L, 1);
      lua.lua_pushvalue(L, 1);
      lua.lua_call(L, 0, 1);
      if (lua.lua_type(L, -1) === TYPE_NIL) break;
      if (lua.lua_isstring(L, -1) === 0) {
        lua.lua_pushnil(L);
        lua.luaL_where(L, 1);
        m.push(L, "reader function must return a string");
        lua.lua_concat(L, 2);
        return 2;
      }
      const piece = m.stringAt(L, -1)!;
      if (piece === "") break;
      m.charge(piece.length >> 4);
      source += piece;
      if (source.length > m.limits.memoryBytes) m.outOfMemory();
    }
    return load(L, source, name);
  };

  const collectgarbageOriginal = original("collectgarbage");
  const collectgarbage: LuaFunction = (L) => {
    const what = lua.lua_type(L, 1) === TYPE_STRING ? m.stringAt(L, 1) : "collect";
    // Tuning the collector would only let a script do more work between two counted instructions.
    if (what === "setpause" || what === "setstepmul") {
      lua.lua_pushnumber(L, DEFAULT_GC_TUNING);
      return 1;
    }
    if (what === "collect" || what === "step") m.charge(lua.lua_gc(L, GC_COUNT, 0) * COLLECT_STEPS_PER_KB);
    return collectgarbageOriginal(L);
  };

  const insertOriginal = original("table.insert");
  const insert: LuaFunction = (L) => {
    refuseReadOnly(L, 1);
    // With a position, all elements from there on are moved.
    if (lua.lua_gettop(L) === 3) m.charge(Math.max(0, lua.lua_objlen(L, 1) - lua.lua_tonumber(L, 2)) || 0);
    return insertOriginal(L);
  };
  const removeOriginal = original("table.remove");
  const remove: LuaFunction = (L) => {
    refuseReadOnly(L, 1);
    if (lua.lua_gettop(L) >= 2 && lua.lua_type(L, 1) === TYPE_TABLE) {
      m.charge(Math.max(0, lua.lua_objlen(L, 1) - lua.lua_tonumber(L, 2)) || 0);
    }
    return removeOriginal(L);
  };

  const sortOriginal = original("table.sort");
  /** The default order of table.sort, counted: an order chosen to be slow must not be free. */
  const countedLess: LuaFunction = (L) => {
    m.charge(1);
    lua.lua_pushboolean(L, lua.lua_lessthan(L, 1, 2));
    return 1;
  };
  /** True when all elements are numbers or all are strings: then comparing them cannot fail or run code of the script. */
  function isPlain(L: LuaState, length: number): boolean {
    let first = TYPE_NIL;
    for (let position = 1; position <= length; position++) {
      lua.lua_rawgeti(L, 1, position);
      const type = lua.lua_type(L, -1);
      lua.lua_settop(L, -2);
      if (position === 1) first = type;
      if (type !== first || (type !== TYPE_NUMBER && type !== TYPE_STRING)) return false;
    }
    return true;
  }

  const sort: LuaFunction = (L) => {
    refuseReadOnly(L, 1);
    if (lua.lua_type(L, 1) === TYPE_TABLE) {
      const length = lua.lua_objlen(L, 1);
      m.charge(length * 8);
      if (length > SORTED_UNCOUNTED && lua.lua_type(L, 2) <= TYPE_NIL && isPlain(L, length)) {
        lua.lua_settop(L, 1);
        m.pushFunction(L, countedLess);
      }
    }
    return sortOriginal(L);
  };

  const sized = (L: LuaState): number => (lua.lua_type(L, 1) === TYPE_TABLE ? lua.lua_objlen(L, 1) : 0);
  const concatOriginal = original("table.concat");
  const concat: LuaFunction = (L) => {
    const end = Math.min(optionalInteger(m, L, 4, sized(L)), sized(L) + 1);
    m.charge(Math.max(0, end - optionalInteger(m, L, 3, 1)) || 0);
    return concatOriginal(L);
  };

  return {
    pcall,
    tonumber,
    loadstring,
    load: loadFunction,
    collectgarbage,
    getmetatable,
    next: looking("next"),
    pairs,
    rawget: looking("rawget"),
    rawset: guarding("rawset"),
    setmetatable: guarding("setmetatable"),
    "table.insert": insert,
    "table.remove": remove,
    "table.sort": sort,
    "table.concat": concat,
    "table.maxn": charging("table.maxn", sized),
    "coroutine.create": charging("coroutine.create", () => HOOK_INTERVAL),
    "coroutine.wrap": charging("coroutine.wrap", () => HOOK_INTERVAL),
    "": countedLess,
  };
}

/** A table of so many elements is sorted in few steps whatever its order. */
const SORTED_UNCOUNTED = 64;

/** C's strtoul of 64 bits over the whole text (white space around it allowed), or undefined. */
function parseUnsigned(text: string, base: number): number | undefined {
  const end = text.indexOf("\0");
  const parts = /^[ \t\n\v\f\r]*([+-]?)(0[xX])?([0-9a-zA-Z]*)[ \t\n\v\f\r]*$/.exec(
    end === -1 ? text : text.slice(0, end),
  );
  if (parts === null) return undefined;
  const prefix = parts[2] ?? "";
  const digits = base === 16 && parts[3] !== "" ? parts[3]! : prefix + parts[3]!;
  if (digits === "") return undefined;
  let value = 0n;
  for (const char of digits.toLowerCase()) {
    const digit = char >= "a" ? char.charCodeAt(0) - 87 : char.charCodeAt(0) - 48;
    if (digit >= base) return undefined;
    value = value * BigInt(base) + BigInt(digit);
  }
  if (value >= 1n << 64n) value = (1n << 64n) - 1n;
  else if (parts[1] === "-") value = BigInt.asUintN(64, -value);
  return Number(value);
}

/** math.random and math.randomseed as Redis has them: drand48's generator, so that a seed gives the known sequence. */
export class ScriptRandom {
  /** 48 bits: high and low 24. */
  private high = 0;
  private low = 0;

  seed(value: number): void {
    // The seed's 32 bits over 0x330E.
    const state = (value >>> 0) * 0x1_0000 + 0x330e;
    this.high = Math.floor(state / 0x100_0000);
    this.low = state % 0x100_0000;
  }

  /** The next 31 bits. */
  next(): number {
    // state * 0x5DEECE66D + 11, modulo 2^48, by halves of 24 bits: the multiplier's are 0x5DE and 0xECE66D.
    const lowProduct = this.low * 0xec_e66d + 11;
    const carry = Math.floor(lowProduct / 0x100_0000);
    const high = this.low * 0x5de + this.high * 0xec_e66d + carry;
    this.low = lowProduct % 0x100_0000;
    this.high = high % 0x100_0000;
    return Math.floor((this.high * 0x100_0000 + this.low) / 0x2_0000);
  }
}

const RANDOM_RANGE = 0x7fff_ffff;

export function randomFunctions(m: LuaMachine, random: ScriptRandom): Record<string, LuaFunction> {
  const { lua } = m;
  const checkInt = (L: LuaState, index: number): number => checkInteger(m, L, index) | 0;
  return {
    "math.random": (L) => {
      const fraction = (random.next() % RANDOM_RANGE) / RANDOM_RANGE;
      switch (lua.lua_gettop(L)) {
        case 0:
          lua.lua_pushnumber(L, fraction);
          break;
        case 1: {
          const upper = checkInt(L, 1);
          if (upper < 1) m.argumentError(L, 1, "interval is empty");
          lua.lua_pushnumber(L, Math.floor(fraction * upper) + 1);
          break;
        }
        case 2: {
          const lower = checkInt(L, 1);
          const upper = checkInt(L, 2);
          if (lower > upper) m.argumentError(L, 2, "interval is empty");
          lua.lua_pushnumber(L, Math.floor(fraction * (((upper - lower) | 0) + 1)) + lower);
          break;
        }
        default:
          m.fail(L, "wrong number of arguments");
      }
      return 1;
    },
    "math.randomseed": (L) => {
      random.seed(checkInt(L, 1));
      return 0;
    },
  };
}
