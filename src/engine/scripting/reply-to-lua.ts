/** A command's reply as the Lua value that redis.call gives: by the shapes of RESP2, or of RESP3 after redis.setresp(3). */
import {
  BigNumberReply,
  DoubleReply,
  MapReply,
  NullArray,
  PairsReply,
  PushReply,
  ReplyError,
  SetReply,
  Status,
  VerbatimReply,
} from "../keyspace/reply.ts";
import type { Reply } from "../keyspace/reply.ts";
import { formatPrecise } from "../keyspace/scripting/number-format.ts";
import type { LuaState } from "./lua-exports.ts";
import type { LuaMachine } from "./lua-machine.ts";

export function pushReply(m: LuaMachine, L: LuaState, reply: Reply, resp: 2 | 3): void {
  const { lua } = m;
  if (typeof reply === "string") m.push(L, reply);
  else if (typeof reply === "number") lua.lua_pushnumber(L, reply);
  else if (typeof reply === "bigint") lua.lua_pushnumber(L, Number(reply));
  else if (reply === null || reply instanceof NullArray) pushNull(m, L, resp);
  else if (typeof reply === "boolean") {
    if (resp === 3) lua.lua_pushboolean(L, reply ? 1 : 0);
    else lua.lua_pushnumber(L, reply ? 1 : 0);
  } else pushTable(m, L, reply, resp);
}

function pushNull(m: LuaMachine, L: LuaState, resp: 2 | 3): void {
  if (resp === 3) m.lua.lua_pushnil(L);
  else m.lua.lua_pushboolean(L, 0);
}

function pushTable(
  m: LuaMachine,
  L: LuaState,
  reply: Exclude<Reply, string | number | bigint | boolean | null | NullArray>,
  resp: 2 | 3,
): void {
  const { lua } = m;
  lua.lua_checkstack(L, 6);
  if (reply instanceof Status) pushNamed(m, L, "ok", () => m.push(L, reply.text));
  else if (reply instanceof ReplyError) pushNamed(m, L, "err", () => m.push(L, reply.message));
  else if (reply instanceof DoubleReply) {
    if (resp === 2) m.push(L, formatPrecise(reply.value));
    else pushNamed(m, L, "double", () => lua.lua_pushnumber(L, reply.value));
  } else if (reply instanceof VerbatimReply) {
    if (resp === 2) m.push(L, reply.text);
    else {
      pushNamed(m, L, "verbatim_string", () => {
        lua.lua_createtable(L, 0, 2);
        setField(m, L, "string", reply.text);
        setField(m, L, "format", reply.format);
      });
    }
  } else if (reply instanceof BigNumberReply) {
    if (resp === 2) m.push(L, reply.digits);
    else pushNamed(m, L, "big_number", () => m.push(L, reply.digits));
  } else if (reply instanceof MapReply && resp === 3) {
    pushNamed(m, L, "map", () => {
      lua.lua_createtable(L, 0, reply.items.length >> 1);
      for (let i = 0; i + 1 < reply.items.length; i += 2) {
        pushReply(m, L, reply.items[i]!, resp);
        pushReply(m, L, reply.items[i + 1]!, resp);
        lua.lua_rawset(L, -3);
      }
    });
  } else if (reply instanceof SetReply && resp === 3) {
    pushNamed(m, L, "set", () => {
      lua.lua_createtable(L, 0, reply.items.length);
      for (const item of reply.items) {
        pushReply(m, L, item, resp);
        lua.lua_pushboolean(L, 1);
        lua.lua_rawset(L, -3);
      }
    });
  } else pushArray(m, L, arrayItems(reply, resp), resp);
}

/** The items of a reply that is an array in this protocol. */
function arrayItems(
  reply: MapReply | SetReply | PairsReply | PushReply | readonly Reply[],
  resp: 2 | 3,
): readonly Reply[] {
  if (reply instanceof PairsReply && resp === 3) {
    const pairs: Reply[] = [];
    for (let i = 0; i + 1 < reply.items.length; i += 2) pairs.push([reply.items[i]!, reply.items[i + 1]!]);
    return pairs;
  }
  return reply instanceof MapReply ||
    reply instanceof SetReply ||
    reply instanceof PairsReply ||
    reply instanceof PushReply
    ? reply.items
    : reply;
}

function pushArray(m: LuaMachine, L: LuaState, items: readonly Reply[], resp: 2 | 3): void {
  const { lua } = m;
  m.charge(items.length);
  lua.lua_createtable(L, 0, 0);
  for (let i = 0; i < items.length; i++) {
    pushReply(m, L, items[i]!, resp);
    lua.lua_rawseti(L, -2, i + 1);
  }
}

function pushNamed(m: LuaMachine, L: LuaState, name: string, pushValue: () => void): void {
  m.lua.lua_createtable(L, 0, 1);
  m.push(L, name);
  pushValue();
  m.lua.lua_rawset(L, -3);
}

function setField(m: LuaMachine, L: LuaState, name: string, value: string): void {
  m.push(L, name);
  m.push(L, value);
  m.lua.lua_rawset(L, -3);
}
