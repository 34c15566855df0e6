/** FCALL, FCALL_RO and FUNCTION (https://redis.io/docs/latest/develop/interact/programmability/functions-intro/). */
import type { CommandSpec } from "../command.ts";
import { NO_KEYS } from "../commands/key-positions.ts";
import { commandRows } from "../commands/rows.ts";
import type { Execution } from "../execution.ts";
import { matchesGlob } from "../glob.ts";
import { MapReply, OK, ReplyError, SetReply, Status, subcommandMisused } from "../reply.ts";
import type { Reply } from "../reply.ts";
import { dumpLibraries, readDump } from "./function-dump.ts";
import type { Library, LibraryRegistry } from "./library-registry.ts";
import type { LuaEngine } from "./lua-engine.ts";
import { findScriptKeys, runScript, splitKeys } from "./running.ts";
import { helpReply, NOT_BUSY } from "./script-commands.ts";
import type { LogSink } from "./script-host.ts";
import { readLibraryHeader } from "./shebang.ts";

const BAD_COUNT: ReplyError = new ReplyError("ERR Bad number of keys provided");
const DEPENDS = "Depends on the function that is executed.";

const HELP: readonly string[] = [
  "FUNCTION <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
  "LOAD [REPLACE] <FUNCTION CODE>",
  "    Create a new library with the given library name and code.",
  "DELETE <LIBRARY NAME>",
  "    Delete the given library.",
  "LIST [LIBRARYNAME PATTERN] [WITHCODE]",
  "    Return the libraries: name, engine, functions, and the code if WITHCODE is given.",
  "STATS",
  "    Return the number of libraries and functions; no function is ever seen running.",
  "KILL",
  "    Functions are stopped by their limits; there is never one to kill.",
  "FLUSH [ASYNC|SYNC]",
  "    Delete all the libraries.",
  "DUMP",
  "    Return a serialized payload representing the current libraries, can be restored using FUNCTION RESTORE command",
  "RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
  "    Restore the libraries of the payload. FLUSH: delete the existing ones first. APPEND (default): abort on collision.",
  "    REPLACE: replace libraries of the same name.",
  "HELP",
  "    Prints this help.",
];

export function functionCommands(
  engine: LuaEngine,
  libraries: LibraryRegistry,
  log: LogSink,
): readonly CommandSpec[] {
  const call = (readOnly: boolean) => (execution: Execution, args: readonly string[]) => {
    const found = libraries.find(args[1]!);
    if (found === undefined) return new ReplyError("ERR Function not found");
    const split = splitKeys(args, BAD_COUNT);
    const { library, definition } = found;
    return runScript(execution, definition.flags, readOnly, log, (host) =>
      engine.callFunction(library, definition.name, split.keys, split.args, host),
    );
  };
  const rows = commandRows("scripting", [
    {
      name: "fcall",
      arity: -3,
      flags: ["noscript", "stale", "skip_monitor", "no_mandatory_keys", "movablekeys"],
      keys: NO_KEYS,
      findKeys: findScriptKeys,
      since: "7.0.0",
      complexity: DEPENDS,
      usage: "function numkeys [key [key ...]] [arg [arg ...]]",
      summary: "Invoke a function",
      mayWrite: ([, name = ""]) => !(libraries.find(name)?.definition.flags.includes("no-writes") ?? false),
      execute: call(false),
    },
    {
      name: "fcall_ro",
      arity: -3,
      flags: ["readonly", "noscript", "stale", "skip_monitor", "no_mandatory_keys", "movablekeys"],
      keys: NO_KEYS,
      findKeys: findScriptKeys,
      since: "7.0.0",
      complexity: DEPENDS,
      usage: "function numkeys [key [key ...]] [arg [arg ...]]",
      summary: "Invoke a read-only function",
      execute: call(true),
    },
  ]);
  return [...rows, functionContainer(libraries)];
}

function functionContainer(libraries: LibraryRegistry): CommandSpec {
  const subcommands = commandRows("scripting", [
    {
      name: "function|load",
      arity: -3,
      flags: ["write", "denyoom", "noscript"],
      keys: NO_KEYS,
      since: "7.0.0",
      complexity: "O(1) (considering compilation time is redundant)",
      usage: "[REPLACE] function-code",
      summary: "Create a function with the given arguments (name, code, description)",
      execute: (_, args) => {
        const body = args.at(-1)!;
        const options = args.slice(2, -1);
        const unknown = options.find((option) => option.toLowerCase() !== "replace");
        if (unknown !== undefined) return new ReplyError(`ERR Unknown option given: ${unknown}`);
        return libraries.load(body, options.length > 0);
      },
    },
    {
      name: "function|delete",
      arity: 3,
      flags: ["write", "noscript"],
      keys: NO_KEYS,
      since: "7.0.0",
      complexity: "O(1)",
      usage: "library-name",
      summary: "Delete a function by name",
      execute: (_, args) => (libraries.delete(args[2]!) ? OK : new ReplyError("ERR Library not found")),
    },
    {
      name: "function|flush",
      arity: -2,
      flags: ["write", "noscript"],
      keys: NO_KEYS,
      since: "7.0.0",
      complexity: "O(N) where N is the number of functions deleted",
      usage: "[ASYNC | SYNC]",
      summary: "Deleting all functions",
      execute: (_, args) => {
        if (args.length > 3) return subcommandMisused(args);
        if (args.length === 3 && !/^a?sync$/i.test(args[2]!)) {
          return new ReplyError("ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
        }
        libraries.clear();
        return OK;
      },
    },
    {
      name: "function|list",
      arity: -2,
      flags: ["noscript"],
      keys: NO_KEYS,
      since: "7.0.0",
      complexity: "O(N) where N is the number of functions",
      usage: "[LIBRARYNAME library-name-pattern] [WITHCODE]",
      summary: "List information about all the functions",
      execute: (_, args) => listLibraries(libraries, args.slice(2)),
    },
    {
      name: "function|stats",
      arity: 2,
      flags: ["noscript", "allow_busy"],
      keys: NO_KEYS,
      since: "7.0.0",
      complexity: "O(1)",
      usage: "",
      summary: "Return information about the function currently running (name, description, duration)",
      execute: () =>
        new MapReply([
          "running_script",
          null,
          "engines",
          new MapReply([
            "LUA",
            new MapReply([
              "libraries_count",
              libraries.all().length,
              "functions_count",
              libraries.functionCount,
            ]),
          ]),
        ]),
    },
    {
      name: "function|kill",
      arity: 2,
      flags: ["noscript", "allow_busy"],
      keys: NO_KEYS,
      since: "7.0.0",
      complexity: "O(1)",
      usage: "",
      summary: "Kill the function currently in execution.",
      execute: () => NOT_BUSY,
    },
    {
      name: "function|dump",
      arity: 2,
      flags: ["noscript"],
      keys: NO_KEYS,
      since: "7.0.0",
      complexity: "O(N) where N is the number of functions",
      usage: "",
      summary: "Dump all functions into a serialized binary payload",
      execute: () => dumpLibraries(libraries.all().map(({ body }) => body)),
    },
    {
      name: "function|restore",
      arity: -3,
      flags: ["write", "denyoom", "noscript"],
      keys: NO_KEYS,
      since: "7.0.0",
      complexity: "O(N) where N is the number of functions on the payload",
      usage: "serialized-value [FLUSH | APPEND | REPLACE]",
      summary: "Restore all the functions on the given payload",
      execute: (_, args) => restoreLibraries(libraries, args),
    },
    {
      name: "function|help",
      arity: 2,
      flags: ["loading", "stale"],
      keys: NO_KEYS,
      since: "7.0.0",
      complexity: "O(1)",
      usage: "",
      summary: "Show helpful text about the different subcommands",
      execute: () => helpReply(HELP),
    },
  ]);
  const [container] = commandRows("scripting", [
    {
      name: "function",
      arity: -2,
      flags: [],
      keys: NO_KEYS,
      since: "7.0.0",
      complexity: "Depends on subcommand.",
      usage: "",
      summary: "A container for function commands",
      execute: () => helpReply(HELP),
    },
  ]);
  return { ...container!, subcommands };
}

function listLibraries(libraries: LibraryRegistry, options: readonly string[]): Reply {
  let pattern: string | undefined;
  let withCode = false;
  for (let i = 0; i < options.length; i++) {
    const option = options[i]!.toLowerCase();
    if (!withCode && option === "withcode") withCode = true;
    else if (pattern === undefined && option === "libraryname") {
      pattern = options[++i];
      if (pattern === undefined) return new ReplyError("ERR library name argument was not given");
    } else return new ReplyError(`ERR Unknown argument ${options[i]!}`);
  }
  return libraries
    .all()
    .filter(({ name }) => pattern === undefined || matchesGlob(pattern, name, true))
    .map((library) => describe(library, withCode));
}

function describe(library: Library, withCode: boolean): Reply {
  const functions = library.functions.map(
    ({ name, description, flags }) =>
      new MapReply([
        "name",
        name,
        "description",
        description ?? null,
        "flags",
        new SetReply(flags.map((flag) => new Status(flag))),
      ]),
  );
  const items: Reply[] = ["library_name", library.name, "engine", "LUA", "functions", functions];
  if (withCode) items.push("library_code", library.body);
  return new MapReply(items);
}

function restoreLibraries(libraries: LibraryRegistry, args: readonly string[]): Reply {
  if (args.length > 4) return subcommandMisused(args);
  const policy = (args[3] ?? "append").toLowerCase();
  if (policy !== "flush" && policy !== "append" && policy !== "replace") {
    return new ReplyError("ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.");
  }
  const bodies = readDump(args[2]!);
  libraries.atomically(() => {
    if (policy === "flush") libraries.clear();
    for (const body of bodies) {
      const { name } = readLibraryHeader(body);
      if (policy !== "replace" && libraries.all().some((library) => library.name === name)) {
        throw new ReplyError(`ERR Library ${name} already exists`);
      }
      libraries.load(body, policy === "replace");
    }
  });
  return OK;
}
