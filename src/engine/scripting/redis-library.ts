/** The `redis` table of scripts: commands, replies, log, and the few switches (https://redis.io/docs/latest/develop/interact/programmability/lua-api/). */
import { sha1Hex } from "../keyspace/scripting/sha1.ts";
import { ReplyError } from "../keyspace/reply.ts";
import type { Reply } from "../keyspace/reply.ts";
import type { ScriptHost } from "../keyspace/scripting/lua-engine.ts";
import { formatPrecise } from "../keyspace/scripting/number-format.ts";
import type { LuaState } from "./lua-exports.ts";
import { TYPE_NUMBER, TYPE_STRING } from "./lua-exports.ts";
import type { LuaFunction, LuaMachine } from "./lua-machine.ts";
import { pushReply } from "./reply-to-lua.ts";

/** What the functions know of the script that runs. */
export interface RunContext {
  /** Undefined while a library is being loaded. */
  host: ScriptHost | undefined;
  /** The protocol whose shapes replies take inside the script: redis.setresp. */
  resp: 2 | 3;
}

const LOG_LEVELS = { LOG_DEBUG: 0, LOG_VERBOSE: 1, LOG_NOTICE: 2, LOG_WARNING: 3 } as const;
const REPLICATION = { REPL_NONE: 0, REPL_AOF: 1, REPL_SLAVE: 2, REPL_REPLICA: 2, REPL_ALL: 3 } as const;
export const REDIS_VERSION = "7.0.15";
const REDIS_VERSION_NUMBER = 0x07_00_0f;

/** Constants of the `redis` table; those a library sees while it loads are `LOADING_CONSTANTS`. */
export const LOADING_CONSTANTS: Readonly<Record<string, number | string>> = {
  ...LOG_LEVELS,
  REDIS_VERSION,
  REDIS_VERSION_NUM: REDIS_VERSION_NUMBER,
};
export const CONSTANTS: Readonly<Record<string, number | string>> = { ...LOADING_CONSTANTS, ...REPLICATION };

/** Work of one command, in steps, on top of what its reply costs. */
const COMMAND_STEPS = 200;

export function redisFunctions(m: LuaMachine, context: RunContext): Record<string, LuaFunction> {
  const { lua } = m;

  /** A table {err = "CODE message"} on the stack, as Redis forms it from a reply line or a plain message. */
  function pushError(L: LuaState, line: string): void {
    const text = line.startsWith("-") ? line.slice(1) : line;
    const space = text.indexOf(" ");
    const message =
      line.startsWith("-") && space !== -1
        ? `${text.slice(0, space)} ${trimLineEnds(text.slice(space + 1))}`
        : `ERR ${trimLineEnds(text)}`;
    pushField(m, L, "err", message);
  }

  function raise(L: LuaState, message: string): never {
    pushError(L, message);
    return m.raise(L);
  }

  function hostOf(L: LuaState, name: string): ScriptHost {
    return context.host ?? raise(L, `${name} can only be called inside a script invocation`);
  }

  /** The arguments of redis.call, or what is wrong with them. */
  function commandArguments(L: LuaState): string[] | string {
    const count = lua.lua_gettop(L);
    if (count === 0) return "Please specify at least one argument for this redis lib call";
    const args: string[] = [];
    for (let index = 1; index <= count; index++) {
      if (lua.lua_type(L, index) === TYPE_NUMBER) args.push(formatPrecise(lua.lua_tonumber(L, index)));
      else {
        const text = m.stringAt(L, index);
        if (text === undefined) return "Lua redis lib command arguments must be strings or integers";
        args.push(text);
      }
    }
    lua.lua_settop(L, 0);
    return args;
  }

  function call(L: LuaState, raising: boolean): number {
    const host = hostOf(L, "redis.call/pcall");
    m.charge(COMMAND_STEPS);
    const args = commandArguments(L);
    let reply: Reply;
    if (typeof args === "string") reply = new ReplyError(`ERR ${args}`);
    else reply = host.call(args);
    if (reply instanceof ReplyError) {
      pushError(L, `-${reply.message}`);
      m.push(L, "ignore_error_stats_update");
      lua.lua_pushboolean(L, 1);
      lua.lua_rawset(L, -3);
      return raising ? m.raise(L) : 1;
    }
    pushReply(m, L, reply, context.resp);
    return 1;
  }

  const log: LuaFunction = (L) => {
    const count = lua.lua_gettop(L);
    if (count < 2) raise(L, "redis.log() requires two arguments or more.");
    if (lua.lua_isnumber(L, 1) === 0) raise(L, "First argument must be a number (log level).");
    const level = Math.trunc(lua.lua_tonumber(L, 1));
    if (!(level >= LOG_LEVELS.LOG_DEBUG && level <= LOG_LEVELS.LOG_WARNING)) raise(L, "Invalid debug level.");
    const parts: string[] = [];
    for (let index = 2; index <= count; index++) {
      const text = m.stringAt(L, index);
      if (text !== undefined) parts.push(text);
    }
    context.host?.log(level as 0 | 1 | 2 | 3, parts.join(" "));
    return 0;
  };

  return {
    call: (L) => call(L, true),
    pcall: (L) => call(L, false),
    log,
    sha1hex: (L) => {
      if (lua.lua_gettop(L) !== 1) raise(L, "wrong number of arguments");
      const text = m.stringAt(L, 1) ?? "";
      m.charge(text.length >> 1);
      m.push(L, sha1Hex(text));
      return 1;
    },
    error_reply: (L) => {
      if (lua.lua_gettop(L) !== 1 || lua.lua_type(L, 1) !== TYPE_STRING) {
        pushError(L, "wrong number or type of arguments");
        return 1;
      }
      const text = m.stringAt(L, 1)!.replace(/\0.*/s, "");
      pushError(L, text.startsWith("-") ? text : `-${text}`);
      return 1;
    },
    status_reply: (L) => {
      if (lua.lua_gettop(L) !== 1 || lua.lua_type(L, 1) !== TYPE_STRING) {
        pushError(L, "wrong number or type of arguments");
        return 1;
      }
      pushField(m, L, "ok", m.stringAt(L, 1)!);
      return 1;
    },
    setresp: (L) => {
      hostOf(L, "redis.setresp");
      if (lua.lua_gettop(L) !== 1) raise(L, "redis.setresp() requires one argument.");
      const version = Math.trunc(lua.lua_tonumber(L, 1));
      if (version !== 2 && version !== 3) raise(L, "RESP version must be 2 or 3.");
      context.resp = version as 2 | 3;
      return 0;
    },
    // Every replica runs the script itself, so there is no stream of effects to switch: the arguments are checked only.
    set_repl: (L) => {
      hostOf(L, "redis.set_repl");
      if (lua.lua_gettop(L) !== 1) raise(L, "redis.set_repl() requires two arguments.");
      if ((Math.trunc(lua.lua_tonumber(L, 1)) & ~REPLICATION.REPL_ALL) !== 0) {
        raise(L, "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.");
      }
      return 0;
    },
    replicate_commands: (L) => {
      lua.lua_pushboolean(L, 1);
      return 1;
    },
    // There is no debugger: as in Redis outside a debugging session.
    breakpoint: (L) => {
      lua.lua_pushboolean(L, 0);
      return 1;
    },
    debug: () => 0,
    acl_check_cmd: (L) => {
      const host = hostOf(L, "redis.acl_check_cmd");
      const args = commandArguments(L);
      if (typeof args === "string") return raise(L, args);
      if (!host.knows(args)) raise(L, "Invalid command passed to redis.acl_check_cmd()");
      lua.lua_pushboolean(L, 1);
      return 1;
    },
  };
}

/** Pushes a table with one field. */
export function pushField(m: LuaMachine, L: LuaState, name: string, value: string): void {
  m.lua.lua_checkstack(L, 3);
  m.lua.lua_createtable(L, 0, 1);
  m.push(L, name);
  m.push(L, value);
  m.lua.lua_rawset(L, -3);
}

function trimLineEnds(text: string): string {
  return text.replace(/^[\r\n]+|[\r\n]+$/g, "");
}
