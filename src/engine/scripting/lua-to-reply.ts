/** What a script returns, as a reply: the conversion that Redis documents, nil ending an array and numbers cut to integers. */
import {
  BigNumberReply,
  DoubleReply,
  MapReply,
  ReplyError,
  SetReply,
  Status,
  VerbatimReply,
} from "../keyspace/reply.ts";
import type { Reply } from "../keyspace/reply.ts";
import type { LuaState } from "./lua-exports.ts";
import { TYPE_BOOLEAN, TYPE_NIL, TYPE_NUMBER, TYPE_STRING, TYPE_TABLE } from "./lua-exports.ts";
import type { LuaMachine } from "./lua-machine.ts";
import { toInteger } from "./string-library.ts";

const STACK_LIMIT_ERROR: ReplyError = new ReplyError("ERR reached lua stack limit");

/** Tables inside tables: far below what any machine's stack holds. */
const MAX_DEPTH = 1000;

/** The value on top of the stack, which is taken off. */
export function takeReply(m: LuaMachine, L: LuaState, resp: 2 | 3, depth = 0): Reply {
  const { lua } = m;
  // Four places are the most that one level of nesting needs.
  const deep = depth > MAX_DEPTH || lua.lua_checkstack(L, 4) === 0;
  const reply = deep ? STACK_LIMIT_ERROR : replyAtTop(m, L, resp, depth);
  lua.lua_settop(L, -2);
  return reply;
}

function replyAtTop(m: LuaMachine, L: LuaState, resp: 2 | 3, depth: number): Reply {
  const { lua } = m;
  m.charge(1);
  switch (lua.lua_type(L, -1)) {
    case TYPE_STRING:
      return m.stringAt(L, -1)!;
    case TYPE_BOOLEAN: {
      const value = lua.lua_toboolean(L, -1) !== 0;
      if (resp === 3) return value;
      return value ? 1 : null;
    }
    case TYPE_NUMBER: {
      const value = toInteger(lua.lua_tonumber(L, -1));
      return Number.isSafeInteger(value) ? value : BigInt(value);
    }
    case TYPE_TABLE:
      return tableReply(m, L, resp, depth + 1);
    default:
      return null;
  }
}

/** Pushes a field of the table on top, without metamethods, and gives its type. */
function rawField(m: LuaMachine, L: LuaState, name: string): number {
  m.push(L, name);
  m.lua.lua_rawget(L, -2);
  return m.lua.lua_type(L, -1);
}

function tableReply(m: LuaMachine, L: LuaState, resp: 2 | 3, depth: number): Reply {
  const { lua } = m;
  const top = lua.lua_gettop(L);
  const pop = <T>(value: T): T => {
    lua.lua_settop(L, top);
    return value;
  };
  if (rawField(m, L, "err") === TYPE_STRING) return pop(new ReplyError(oneLine(m.stringAt(L, -1)!)));
  lua.lua_settop(L, top);
  if (rawField(m, L, "ok") === TYPE_STRING) return pop(new Status(oneLine(m.stringAt(L, -1)!)));
  lua.lua_settop(L, top);
  if (rawField(m, L, "double") === TYPE_NUMBER) return pop(new DoubleReply(lua.lua_tonumber(L, -1)));
  lua.lua_settop(L, top);
  if (rawField(m, L, "big_number") === TYPE_STRING) {
    return pop(new BigNumberReply(oneLine(m.stringAt(L, -1)!)));
  }
  lua.lua_settop(L, top);
  if (rawField(m, L, "verbatim_string") === TYPE_TABLE && rawField(m, L, "format") === TYPE_STRING) {
    const format = m.stringAt(L, -1)!;
    lua.lua_settop(L, -2);
    if (rawField(m, L, "string") === TYPE_STRING) {
      return pop(new VerbatimReply(format === "mkd" ? "mkd" : "txt", m.stringAt(L, -1)!));
    }
  }
  lua.lua_settop(L, top);
  if (rawField(m, L, "map") === TYPE_TABLE) return pop(new MapReply(pairsOf(m, L, resp, depth, true)));
  lua.lua_settop(L, top);
  if (rawField(m, L, "set") === TYPE_TABLE) return pop(new SetReply(pairsOf(m, L, resp, depth, false)));
  lua.lua_settop(L, top);
  const items: Reply[] = [];
  for (let position = 1; ; position++) {
    lua.lua_rawgeti(L, -1, position);
    if (lua.lua_type(L, -1) === TYPE_NIL) return pop(items);
    items.push(takeReply(m, L, resp, depth));
  }
}

/** Keys and values, or keys only, of the table on top. */
function pairsOf(m: LuaMachine, L: LuaState, resp: 2 | 3, depth: number, withValues: boolean): Reply[] {
  const { lua } = m;
  const items: Reply[] = [];
  lua.lua_pushnil(L);
  while (lua.lua_next(L, -2) !== 0) {
    const valueAt = lua.lua_gettop(L);
    lua.lua_pushvalue(L, -2);
    items.push(takeReply(m, L, resp, depth));
    lua.lua_settop(L, valueAt);
    if (withValues) items.push(takeReply(m, L, resp, depth));
    else lua.lua_settop(L, -2);
  }
  return items;
}

/** An error or status is one line of RESP. Redis reads it as a C string, so a zero byte ends it. */
export function oneLine(text: string): string {
  return text.replace(/\0.*/s, "").replaceAll(/[\r\n]/g, " ");
}
