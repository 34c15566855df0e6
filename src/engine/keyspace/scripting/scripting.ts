/**
 * scripting: EVAL, FCALL and their kin, as a part of the replicated state. This file is its door.
 *
 * Scripts and libraries are state: EVAL, SCRIPT LOAD and FUNCTION LOAD go through the log, so every replica knows the same
 * scripts and answers EVALSHA alike. A script is run by every replica from the log entry's time and seed; the Lua engine
 * behind `LuaEngine` promises that equal inputs give equal results. A script that meets a limit is undone.
 */
import { stir } from "../../../wire/digest.ts";
import type { ScriptEngine } from "../section.ts";
import { functionCommands } from "./function-commands.ts";
import { LibraryRegistry } from "./library-registry.ts";
import type { LuaEngine } from "./lua-engine.ts";
import { ScriptCache } from "./script-cache.ts";
import { scriptCommands } from "./script-commands.ts";
import type { LogSink } from "./script-host.ts";

export type { LogSink } from "./script-host.ts";

/** The commands and state of scripting for one keyspace. */
export function createScripting(engine: LuaEngine, log: LogSink = () => {}): ScriptEngine {
  const cache = new ScriptCache();
  const libraries = new LibraryRegistry(engine);
  return {
    commands: [...scriptCommands(engine, cache, log), ...functionCommands(engine, libraries, log)],
    figures: () => ({
      scripts: cache.size,
      scriptBytes: cache.bytes,
      libraries: libraries.all().length,
      functions: libraries.functionCount,
      functionBytes: libraries.all().reduce((sum, { body }) => sum + body.length, 0),
    }),
    section: {
      name: "scripts",
      write: (writer) => {
        cache.write(writer);
        libraries.write(writer);
      },
      restore: (reader) => {
        cache.clear();
        libraries.clear();
        if (reader === undefined) return;
        cache.read(reader);
        libraries.read(reader);
      },
      digest: () => stir(cache.digest(), libraries.digest()),
    },
  };
}
