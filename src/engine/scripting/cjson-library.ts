/**
 * The `cjson` table: JSON as Redis's scripts know it (lua-cjson 2.1: its limits, options and error wording). Strings pass
 * as bytes; JSON null is cjson.null, a light userdata.
 */
import { formatGeneral } from "../keyspace/scripting/number-format.ts";
import type { LuaState } from "./lua-exports.ts";
import {
  TYPE_BOOLEAN,
  TYPE_LIGHT_USERDATA,
  TYPE_NIL,
  TYPE_NUMBER,
  TYPE_STRING,
  TYPE_TABLE,
  upvalue,
} from "./lua-exports.ts";
import type { LuaFunction, LuaMachine } from "./lua-machine.ts";
import { JsonReader } from "./json-reader.ts";
import { checkInteger, typeName } from "./string-library.ts";

interface JsonOptions {
  sparseConvert: boolean;
  sparseRatio: number;
  sparseSafe: number;
  encodeMaxDepth: number;
  decodeMaxDepth: number;
  /** "null": written as null. */
  encodeInvalidNumbers: boolean | "null";
  decodeInvalidNumbers: boolean;
  keepBuffer: boolean;
  precision: number;
}

const DEFAULTS: Readonly<JsonOptions> = {
  sparseConvert: false,
  sparseRatio: 2,
  sparseSafe: 10,
  encodeMaxDepth: 1000,
  decodeMaxDepth: 1000,
  encodeInvalidNumbers: false,
  decodeInvalidNumbers: true,
  keepBuffer: true,
  precision: 14,
};

/** Deeper nesting is refused whatever a script configures: far below what any machine's stack holds. */
const NESTING_MOST = 1000;
const INT_MAX = 0x7fff_ffff;
const ESCAPES: readonly string[] = Array.from({ length: 256 }, (_, code) => {
  const named = { 8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 34: '\\"', 47: "\\/", 92: "\\\\" }[
    code
  ];
  if (named !== undefined) return named;
  if (code < 32 || code === 127) return `\\u${code.toString(16).padStart(4, "0")}`;
  return String.fromCharCode(code);
});
// eslint-disable-next-line no-control-regex
const ESCAPED = /[\u0000-\u001f"/\\\u007f]/g;

export interface JsonLibrary {
  readonly functions: Record<string, LuaFunction>;
  /** Forgets what a script configured. */
  reset(): void;
  /** Leaves a new table of functions with options of its own. */
  push(L: LuaState): void;
}

export function jsonLibrary(m: LuaMachine): JsonLibrary {
  const { lua } = m;
  /** By number; the functions of a table carry its number as their upvalue. */
  let instances: JsonOptions[] = [{ ...DEFAULTS }];
  const optionsOf = (L: LuaState): JsonOptions => instances[lua.lua_tonumber(L, upvalue(1))]!;

  function refuse(L: LuaState, index: number, reason: string): never {
    return m.fail(L, `Cannot serialise ${typeName(lua.lua_type(L, index))}: ${reason}`);
  }

  function numberText(L: LuaState, index: number, options: JsonOptions): string {
    const value = lua.lua_tonumber(L, index);
    if (!Number.isFinite(value)) {
      if (options.encodeInvalidNumbers === "null") return "null";
      if (!options.encodeInvalidNumbers) return refuse(L, index, "must not be NaN or Inf");
      if (Number.isNaN(value)) return "-nan";
      return value > 0 ? "inf" : "-inf";
    }
    const precise = options.precision >= 14 && Number.isInteger(value) && Math.abs(value) < 1e14;
    if (precise && !Object.is(value, -0)) return String(value);
    return Object.is(value, -0) ? "-0" : formatGeneral(value, options.precision);
  }

  function stringText(L: LuaState, index: number): string {
    const text = m.stringAt(L, index)!;
    m.charge(text.length >> 3);
    return `"${text.replaceAll(ESCAPED, (char) => ESCAPES[char.charCodeAt(0)]!)}"`;
  }

  /** The length of the table on top as an array, or -1 for an object. */
  function arrayLength(L: LuaState, options: JsonOptions): number {
    let max = 0;
    let items = 0;
    lua.lua_pushnil(L);
    while (lua.lua_next(L, -2) !== 0) {
      m.charge(1);
      const key = lua.lua_type(L, -2) === TYPE_NUMBER ? lua.lua_tonumber(L, -2) : 0;
      if (!(key >= 1 && Math.floor(key) === key)) {
        lua.lua_settop(L, -3);
        return -1;
      }
      max = Math.max(max, key);
      items++;
      lua.lua_settop(L, -2);
    }
    const { sparseRatio, sparseSafe } = options;
    if (sparseRatio > 0 && max > items * sparseRatio && max > sparseSafe) {
      if (!options.sparseConvert) refuse(L, -1, "excessively sparse array");
      return -1;
    }
    return max;
  }

  function append(L: LuaState, out: string[], depth: number, options: JsonOptions): void {
    m.charge(2);
    const type = lua.lua_type(L, -1);
    switch (type) {
      case TYPE_STRING:
        out.push(stringText(L, -1));
        break;
      case TYPE_NUMBER:
        out.push(numberText(L, -1, options));
        break;
      case TYPE_BOOLEAN:
        out.push(lua.lua_toboolean(L, -1) !== 0 ? "true" : "false");
        break;
      case TYPE_TABLE: {
        const nested = depth + 1;
        if (nested > Math.min(options.encodeMaxDepth, NESTING_MOST) || lua.lua_checkstack(L, 3) === 0) {
          m.fail(L, `Cannot serialise, excessive nesting (${nested})`);
        }
        const length = arrayLength(L, options);
        if (length > 0) appendArray(L, out, nested, options, length);
        else appendObject(L, out, nested, options);
        break;
      }
      case TYPE_NIL:
        out.push("null");
        break;
      case TYPE_LIGHT_USERDATA:
        if (lua.lua_touserdata(L, -1) === 0) {
          out.push("null");
          break;
        }
        refuse(L, -1, "type not supported");
      // falls through: refuse never returns
      default:
        refuse(L, -1, "type not supported");
    }
  }

  function appendArray(
    L: LuaState,
    out: string[],
    depth: number,
    options: JsonOptions,
    length: number,
  ): void {
    out.push("[");
    for (let position = 1; position <= length; position++) {
      if (position > 1) out.push(",");
      lua.lua_rawgeti(L, -1, position);
      append(L, out, depth, options);
      lua.lua_settop(L, -2);
    }
    out.push("]");
  }

  function appendObject(L: LuaState, out: string[], depth: number, options: JsonOptions): void {
    out.push("{");
    let first = true;
    lua.lua_pushnil(L);
    while (lua.lua_next(L, -2) !== 0) {
      if (!first) out.push(",");
      first = false;
      const type = lua.lua_type(L, -2);
      if (type === TYPE_NUMBER) out.push(`"${numberText(L, -2, options)}":`);
      else if (type === TYPE_STRING) out.push(stringText(L, -2), ":");
      else refuse(L, -2, "table key must be a number or string");
      append(L, out, depth, options);
      lua.lua_settop(L, -2);
    }
    out.push("}");
  }

  const encode: LuaFunction = (L) => {
    if (lua.lua_gettop(L) !== 1) m.argumentError(L, 1, "expected 1 argument");
    const out: string[] = [];
    append(L, out, 0, optionsOf(L));
    m.push(L, out.join(""));
    return 1;
  };

  const decode: LuaFunction = (L) => {
    if (lua.lua_gettop(L) !== 1) m.argumentError(L, 1, "expected 1 argument");
    const options = optionsOf(L);
    const at = m.checkBytes(L, 1);
    const reader = new JsonReader(
      m,
      L,
      at,
      m.lastLength,
      Math.min(options.decodeMaxDepth, NESTING_MOST),
      options.decodeInvalidNumbers,
    );
    reader.readDocument();
    return 1;
  };

  /** At most `count` arguments, as all options take. */
  function checkCount(L: LuaState, count: number): void {
    if (lua.lua_gettop(L) > count) m.argumentError(L, count + 1, "found too many arguments");
  }

  function integerOption(L: LuaState, index: number, least: number, most: number): number | undefined {
    if (lua.lua_type(L, index) <= TYPE_NIL) return undefined;
    const value = checkInteger(m, L, index);
    if (value < least || value > most) {
      m.argumentError(L, index, `expected integer between ${least} and ${most}`);
    }
    return value;
  }

  const numberOption =
    (field: "encodeMaxDepth" | "decodeMaxDepth" | "precision", most: number): LuaFunction =>
    (L) => {
      checkCount(L, 1);
      const options = optionsOf(L);
      options[field] = integerOption(L, 1, 1, most) ?? options[field];
      lua.lua_pushnumber(L, options[field]);
      return 1;
    };

  /** An argument that is a boolean or one of `words`; anything else is Lua's error for an unknown option. */
  function choice(L: LuaState, index: number, words: readonly string[]): boolean | string | undefined {
    const type = lua.lua_type(L, index);
    if (type <= TYPE_NIL) return undefined;
    if (type === TYPE_BOOLEAN) return lua.lua_toboolean(L, index) !== 0;
    const word = m.checkString(L, index);
    if (word === "off") return false;
    if (word === "on") return true;
    if (!words.includes(word)) m.argumentError(L, index, `invalid option '${word}'`);
    return word;
  }

  function pushChoice(L: LuaState, value: boolean | string): number {
    if (typeof value === "string") m.push(L, value);
    else lua.lua_pushboolean(L, value ? 1 : 0);
    return 1;
  }

  const functions: Record<string, LuaFunction> = {
    encode,
    decode,
    encode_max_depth: numberOption("encodeMaxDepth", INT_MAX),
    decode_max_depth: numberOption("decodeMaxDepth", INT_MAX),
    encode_number_precision: numberOption("precision", 14),
    encode_sparse_array: (L) => {
      checkCount(L, 3);
      const options = optionsOf(L);
      const convert = choice(L, 1, []);
      if (convert !== undefined) options.sparseConvert = convert === true;
      options.sparseRatio = integerOption(L, 2, 0, INT_MAX) ?? options.sparseRatio;
      options.sparseSafe = integerOption(L, 3, 0, INT_MAX) ?? options.sparseSafe;
      lua.lua_pushboolean(L, options.sparseConvert ? 1 : 0);
      lua.lua_pushnumber(L, options.sparseRatio);
      lua.lua_pushnumber(L, options.sparseSafe);
      return 3;
    },
    encode_invalid_numbers: (L) => {
      checkCount(L, 1);
      const options = optionsOf(L);
      const value = choice(L, 1, ["null"]);
      if (value !== undefined) options.encodeInvalidNumbers = value as boolean | "null";
      return pushChoice(L, options.encodeInvalidNumbers);
    },
    decode_invalid_numbers: (L) => {
      checkCount(L, 1);
      const options = optionsOf(L);
      const value = choice(L, 1, []);
      if (value !== undefined) options.decodeInvalidNumbers = value === true;
      return pushChoice(L, options.decodeInvalidNumbers);
    },
    encode_keep_buffer: (L) => {
      checkCount(L, 1);
      const options = optionsOf(L);
      const value = choice(L, 1, []);
      if (value !== undefined) options.keepBuffer = value === true;
      return pushChoice(L, options.keepBuffer);
    },
    new: (L) => {
      instances.push({ ...DEFAULTS });
      pushTable(L, instances.length - 1);
      return 1;
    },
  };

  function pushTable(L: LuaState, instance: number): void {
    lua.lua_createtable(L, 0, 16);
    for (const [name, fn] of Object.entries(functions)) {
      m.push(L, name);
      lua.lua_pushnumber(L, instance);
      m.pushFunction(L, fn, 1);
      lua.lua_rawset(L, -3);
    }
    m.push(L, "null");
    lua.lua_pushlightuserdata(L, 0);
    lua.lua_rawset(L, -3);
    for (const [name, value] of [
      ["_NAME", "cjson"],
      ["_VERSION", "2.1.0"],
    ] as const) {
      m.push(L, name);
      m.push(L, value);
      lua.lua_rawset(L, -3);
    }
  }

  return {
    functions,
    reset: () => {
      instances = [{ ...DEFAULTS }];
    },
    push: (L) => pushTable(L, 0),
  };
}
