/** EVAL, EVALSHA, their read-only forms, and SCRIPT (https://redis.io/docs/latest/commands/?group=scripting). */
import type { CommandSpec } from "../command.ts";
import { NO_KEYS } from "../commands/key-positions.ts";
import { commandRows } from "../commands/rows.ts";
import type { Execution } from "../execution.ts";
import { OK, ReplyError, Status } from "../reply.ts";
import type { Reply } from "../reply.ts";
import type { LuaEngine } from "./lua-engine.ts";
import { findScriptKeys, runScript, splitKeys } from "./running.ts";
import type { CachedScript, ScriptCache } from "./script-cache.ts";
import type { LogSink } from "./script-host.ts";

const NO_SCRIPT: ReplyError = new ReplyError("NOSCRIPT No matching script. Please use EVAL.");
export const NOT_BUSY: ReplyError = new ReplyError("NOTBUSY No scripts in execution right now.");
const RUN_FLAGS = ["noscript", "stale", "skip_monitor", "no_mandatory_keys", "movablekeys"] as const;
const RUN_READ_ONLY_FLAGS = ["readonly", ...RUN_FLAGS] as const;
const SHA1_HEX_LENGTH = 40;
const DEPENDS = "Depends on the script that is executed.";

const HELP: readonly string[] = [
  "SCRIPT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
  "EXISTS <sha1> [<sha1> ...]",
  "    Return information about the existence of the scripts in the script cache.",
  "FLUSH [ASYNC|SYNC]",
  "    Flush the Lua scripts cache on all replicas.",
  "KILL",
  "    Scripts are stopped by their limits; there is never one to kill.",
  "LOAD <script>",
  "    Load a script into the scripts cache of all replicas without executing it.",
  "HELP",
  "    Prints this help.",
];

export function scriptCommands(engine: LuaEngine, cache: ScriptCache, log: LogSink): readonly CommandSpec[] {
  function run(
    execution: Execution,
    script: CachedScript,
    args: readonly string[],
    readOnly: boolean,
  ): Reply {
    const split = splitKeys(args);
    return runScript(execution, script.flags, readOnly, log, (host) =>
      engine.run(script, split.keys, split.args, host),
    );
  }

  /** Compiles and, in the log, stores. Throws ReplyError. */
  function remember(execution: Execution, body: string): CachedScript {
    const script = cache.parse(body);
    if (!cache.has(script)) {
      const error = engine.compileError(script);
      if (error !== undefined) throw error;
      // A query must not change the state: what it ran stays unknown to EVALSHA.
      if (!execution.reading) cache.add(script);
    }
    return script;
  }

  const evaluate = (readOnly: boolean) => (execution: Execution, args: readonly string[]) => {
    splitKeys(args);
    return run(execution, remember(execution, args[1]!), args, readOnly);
  };
  const evaluateSha = (readOnly: boolean) => (execution: Execution, args: readonly string[]) => {
    // As in Redis: what cannot be a digest is looked at before the keys, what could be one after them.
    if (args[1]!.length !== SHA1_HEX_LENGTH) return NO_SCRIPT;
    splitKeys(args);
    const script = cache.find(args[1]!.toLowerCase());
    return script === undefined ? NO_SCRIPT : run(execution, script, args, readOnly);
  };

  /** Undefined: its header says something that will be refused. */
  function readable(body: string): CachedScript | undefined {
    try {
      return cache.parse(body);
    } catch (error) {
      if (error instanceof ReplyError) return undefined;
      throw error;
    }
  }
  const mayWrite = (script: CachedScript | undefined): boolean =>
    !(script?.flags?.includes("no-writes") ?? false);

  const rows = commandRows("scripting", [
    {
      name: "eval",
      arity: -3,
      flags: RUN_FLAGS,
      keys: NO_KEYS,
      findKeys: findScriptKeys,
      since: "2.6.0",
      complexity: DEPENDS,
      usage: "script numkeys [key [key ...]] [arg [arg ...]]",
      summary: "Execute a Lua script server side",
      mayWrite: ([, body = ""]) => mayWrite(readable(body)),
      execute: evaluate(false),
    },
    {
      name: "eval_ro",
      arity: -3,
      flags: RUN_READ_ONLY_FLAGS,
      keys: NO_KEYS,
      findKeys: findScriptKeys,
      since: "7.0.0",
      complexity: DEPENDS,
      usage: "script numkeys [key [key ...]] [arg [arg ...]]",
      summary: "Execute a read-only Lua script server side",
      execute: evaluate(true),
    },
    {
      name: "evalsha",
      arity: -3,
      flags: RUN_FLAGS,
      keys: NO_KEYS,
      findKeys: findScriptKeys,
      since: "2.6.0",
      complexity: DEPENDS,
      usage: "sha1 numkeys [key [key ...]] [arg [arg ...]]",
      summary: "Execute a Lua script server side",
      mayWrite: ([, sha = ""]) => mayWrite(cache.find(sha.toLowerCase())),
      execute: evaluateSha(false),
    },
    {
      name: "evalsha_ro",
      arity: -3,
      flags: RUN_READ_ONLY_FLAGS,
      keys: NO_KEYS,
      findKeys: findScriptKeys,
      since: "7.0.0",
      complexity: DEPENDS,
      usage: "sha1 numkeys [key [key ...]] [arg [arg ...]]",
      summary: "Execute a read-only Lua script server side",
      execute: evaluateSha(true),
    },
  ]);
  return [...rows, scriptContainer(cache, (execution, body) => remember(execution, body).sha)];
}

function scriptContainer(
  cache: ScriptCache,
  load: (execution: Execution, body: string) => string,
): CommandSpec {
  const subcommands = commandRows("scripting", [
    {
      name: "script|exists",
      arity: -3,
      flags: ["noscript"],
      keys: NO_KEYS,
      since: "2.6.0",
      complexity: "O(N) with N being the number of scripts to check.",
      usage: "sha1 [sha1 ...]",
      summary: "Check existence of scripts in the script cache.",
      execute: (_, args) => args.slice(2).map((sha) => (cache.find(sha.toLowerCase()) === undefined ? 0 : 1)),
    },
    {
      name: "script|flush",
      arity: -2,
      flags: ["noscript"],
      keys: NO_KEYS,
      since: "2.6.0",
      complexity: "O(N) with N being the number of scripts in cache",
      usage: "[ASYNC | SYNC]",
      summary: "Remove all the scripts from the script cache.",
      execute: (_, args) => {
        if (args.length > 3 || (args.length === 3 && !/^a?sync$/i.test(args[2]!))) {
          return new ReplyError("ERR SCRIPT FLUSH only support SYNC|ASYNC option");
        }
        cache.clear();
        return OK;
      },
    },
    {
      name: "script|load",
      arity: 3,
      flags: ["noscript", "stale"],
      keys: NO_KEYS,
      since: "2.6.0",
      complexity: "O(N) with N being the length in bytes of the script body.",
      usage: "script",
      summary: "Load the specified Lua script into the script cache.",
      execute: (execution, args) => load(execution, args[2]!),
    },
    {
      name: "script|kill",
      arity: 2,
      flags: ["noscript", "allow_busy"],
      keys: NO_KEYS,
      since: "2.6.0",
      complexity: "O(1)",
      usage: "",
      summary: "Kill the script currently in execution.",
      execute: () => NOT_BUSY,
    },
    {
      name: "script|help",
      arity: 2,
      flags: ["loading", "stale"],
      keys: NO_KEYS,
      since: "5.0.0",
      complexity: "O(1)",
      usage: "",
      summary: "Show helpful text about the different subcommands",
      execute: () => helpReply(HELP),
    },
  ]);
  const [container] = commandRows("scripting", [
    {
      name: "script",
      arity: -2,
      flags: [],
      keys: NO_KEYS,
      since: "2.6.0",
      complexity: "Depends on subcommand.",
      usage: "",
      summary: "A container for Lua scripts management commands",
      execute: () => helpReply(HELP),
    },
  ]);
  return { ...container!, subcommands };
}

export function helpReply(lines: readonly string[]): Reply {
  return lines.map((line) => new Status(line));
}
