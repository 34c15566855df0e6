/** What becomes of an error that a script does not catch: where it was raised, and the reply that clients match on. */
import { ReplyError } from "../keyspace/reply.ts";
import type { LuaState } from "./lua-exports.ts";
import { TYPE_STRING, TYPE_TABLE } from "./lua-exports.ts";
import type { LuaFunction, LuaMachine } from "./lua-machine.ts";
import { oneLine } from "./lua-to-reply.ts";

/** How much of an error that is no table is repeated. */
const REPEATED_LENGTH = 100;

/** The message handler of lua_pcall: makes every error a table with err, source and line. */
export function errorHandler(m: LuaMachine): LuaFunction {
  const { lua } = m;
  return (L) => {
    let place = m.activation(L, 1);
    if (place?.what === "C") place = m.activation(L, 2);
    if (lua.lua_type(L, 1) !== TYPE_TABLE) {
      const message = m.display(L, 1);
      lua.lua_settop(L, 0);
      lua.lua_createtable(L, 0, 3);
      m.push(L, "err");
      m.push(L, `ERR ${message}`);
      lua.lua_rawset(L, -3);
    } else lua.lua_settop(L, 1);
    if (place !== undefined) {
      setField(m, L, "source", () => m.push(L, place.source));
      setField(m, L, "line", () => lua.lua_pushnumber(L, place.line));
    }
    return 1;
  };
}

/** With the metamethods of a table that the script made, as assignment in Lua has. */
function setField(m: LuaMachine, L: LuaState, name: string, pushValue: () => void): void {
  m.push(L, name);
  pushValue();
  m.lua.lua_settable(L, -3);
}

function stringField(m: LuaMachine, L: LuaState, name: string): string | undefined {
  m.push(L, name);
  m.lua.lua_rawget(L, -2);
  const text = m.stringAt(L, -1);
  m.lua.lua_settop(L, -2);
  return text;
}

export interface UncaughtError {
  readonly message: string;
  readonly source: string | undefined;
  readonly line: string | undefined;
}

/** The error table on top of the stack; undefined when it is none (an error while handling an error). */
export function uncaughtError(m: LuaMachine, L: LuaState): UncaughtError | undefined {
  if (m.lua.lua_type(L, -1) !== TYPE_TABLE) return undefined;
  return {
    // A table without a message crashes Redis; here it gets one.
    message: stringField(m, L, "err") ?? "ERR unknown error",
    source: stringField(m, L, "source"),
    line: stringField(m, L, "line"),
  };
}

/** The reply for the error on top of the stack, which `name` (a script's SHA-1 or a function) did not catch. */
export function errorReply(m: LuaMachine, L: LuaState, name: string): ReplyError {
  const error = uncaughtError(m, L);
  if (error === undefined) {
    const shown = m.lua.lua_type(L, -1) === TYPE_STRING ? m.stringAt(L, -1)! : "execution failure";
    return new ReplyError(oneLine(`ERR Error running script ${name}, ${shown.slice(0, REPEATED_LENGTH)}`));
  }
  const { message, source, line } = error;
  const place = source !== undefined && line !== undefined ? ` script: ${name}, on ${source}:${line}.` : "";
  return new ReplyError(oneLine(message.replace(/\0.*/s, "") + place));
}
