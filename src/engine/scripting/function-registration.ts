/** redis.register_function: what a library does while it is loaded. Error wording is Redis 7.0's. */
import { SCRIPT_FLAGS } from "../keyspace/scripting/lua-engine.ts";
import type { LibraryFunction, ScriptFlag } from "../keyspace/scripting/lua-engine.ts";
import type { LuaState } from "./lua-exports.ts";
import { REGISTRY, TYPE_FUNCTION, TYPE_NIL, TYPE_STRING, TYPE_TABLE } from "./lua-exports.ts";
import type { LuaFunction, LuaMachine } from "./lua-machine.ts";
import { pushField } from "./redis-library.ts";

/** What the library that is being loaded has registered; `functions` is undefined while none is. */
export interface Registration {
  functions: LibraryFunction[] | undefined;
}

const NAME = /^[A-Za-z0-9_]+$/;

export function registerFunction(m: LuaMachine, registration: Registration, slot: number): LuaFunction {
  const { lua } = m;

  function raise(L: LuaState, message: string): never {
    pushField(m, L, "err", `ERR ${message}`);
    return m.raise(L);
  }

  /** The flags in the table on top of the stack. */
  function readFlags(L: LuaState): ScriptFlag[] {
    const flags: ScriptFlag[] = [];
    for (let position = 1; ; position++) {
      lua.lua_rawgeti(L, -1, position);
      const text = lua.lua_type(L, -1) === TYPE_NIL ? undefined : m.stringAt(L, -1);
      const end = lua.lua_type(L, -1) === TYPE_NIL;
      lua.lua_settop(L, -2);
      if (end) return flags;
      const flag = SCRIPT_FLAGS.find((known) => known === text);
      if (flag === undefined) raise(L, "unknown flag given");
      if (!flags.includes(flag)) flags.push(flag);
    }
  }

  /** Named arguments, in the table at index 1; leaves the callback on top. */
  function readTable(L: LuaState): LibraryFunction {
    let name: string | undefined;
    let description: string | undefined;
    let flags: ScriptFlag[] = [];
    let callbackAt = 0;
    lua.lua_pushnil(L);
    while (lua.lua_next(L, 1) !== 0) {
      if (lua.lua_type(L, -2) !== TYPE_STRING) {
        raise(L, "named argument key given to redis.register_function is not a string");
      }
      const type = lua.lua_type(L, -1);
      switch (m.stringAt(L, -2)!.toLowerCase()) {
        case "function_name":
          if (lua.lua_isstring(L, -1) === 0) {
            raise(L, "function_name argument given to redis.register_function must be a string");
          }
          name = m.stringAt(L, -1)!;
          break;
        case "description":
          if (lua.lua_isstring(L, -1) === 0) {
            raise(L, "description argument given to redis.register_function must be a string");
          }
          description = m.stringAt(L, -1)!;
          break;
        case "callback":
          if (type !== TYPE_FUNCTION) {
            raise(L, "callback argument given to redis.register_function must be a function");
          }
          // Kept below the key of the iteration.
          lua.lua_pushvalue(L, -1);
          lua.lua_insert(L, 2);
          callbackAt = 2;
          break;
        case "flags":
          if (type !== TYPE_TABLE) {
            raise(L, "flags argument to redis.register_function must be a table representing function flags");
          }
          flags = readFlags(L);
          break;
        default:
          raise(L, "unknown argument given to redis.register_function");
      }
      lua.lua_settop(L, -2);
    }
    if (name === undefined) raise(L, "redis.register_function must get a function name argument");
    if (callbackAt === 0) raise(L, "redis.register_function must get a callback argument");
    lua.lua_pushvalue(L, callbackAt);
    return { name, description, flags };
  }

  function readArguments(L: LuaState): LibraryFunction {
    const count = lua.lua_gettop(L);
    if (count < 1 || count > 2) raise(L, "wrong number of arguments to redis.register_function");
    if (count === 1) {
      if (lua.lua_type(L, 1) !== TYPE_TABLE) {
        raise(
          L,
          "calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments).",
        );
      }
      return readTable(L);
    }
    if (lua.lua_isstring(L, 1) === 0) raise(L, "first argument to redis.register_function must be a string");
    if (lua.lua_type(L, 2) !== TYPE_FUNCTION)
      raise(L, "second argument to redis.register_function must be a function");
    return { name: m.stringAt(L, 1)!, description: undefined, flags: [] };
  }

  return (L) => {
    const { functions } = registration;
    if (functions === undefined) {
      return raise(L, "redis.register_function can only be called on FUNCTION LOAD command");
    }
    const registered = readArguments(L);
    if (!NAME.test(registered.name)) {
      raise(
        L,
        "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long",
      );
    }
    if (functions.some(({ name }) => name === registered.name))
      raise(L, "Function already exists in the library");
    functions.push(registered);
    lua.lua_rawgeti(L, REGISTRY, slot);
    m.push(L, registered.name);
    lua.lua_pushvalue(L, -3);
    lua.lua_rawset(L, -3);
    return 0;
  };
}
