/** What EVAL and FCALL share: counting keys, what flags allow, and running with the selected database put back. */
import { parseInteger } from "../numbers.ts";
import type { Execution } from "../execution.ts";
import { NOT_AN_INTEGER, OUT_OF_MEMORY, ReplyError } from "../reply.ts";
import type { Reply } from "../reply.ts";
import type { ScriptFlag, ScriptHost } from "./lua-engine.ts";
import { ScriptStopped } from "./lua-engine.ts";
import { scriptHost } from "./script-host.ts";
import type { LogSink } from "./script-host.ts";

/** The arguments after "numkeys", which is at index 2. */
export function findScriptKeys(args: readonly string[]): readonly number[] {
  const count = Number(parseInteger(args[2] ?? ""));
  // A number that is none, or of more keys than there are, names no keys: the command itself says what is wrong.
  if (!Number.isSafeInteger(count) || count < 0 || count > args.length - 3) return [];
  return Array.from({ length: count }, (_, at) => 3 + at);
}

export interface KeysAndArguments {
  readonly keys: readonly string[];
  readonly args: readonly string[];
}

/** Splits EVAL's or FCALL's arguments. Throws ReplyError. */
export function splitKeys(
  args: readonly string[],
  notInteger: ReplyError = NOT_AN_INTEGER,
): KeysAndArguments {
  const count = parseInteger(args[2]!);
  if (count === undefined) throw notInteger;
  if (count > args.length - 3)
    throw new ReplyError("ERR Number of keys can't be greater than number of args");
  if (count < 0) throw new ReplyError("ERR Number of keys can't be negative");
  return { keys: args.slice(3, 3 + Number(count)), args: args.slice(3 + Number(count)) };
}

/**
 * Runs a script. `flags` undefined: one without a shebang line, of which nothing is known before it runs.
 * `readOnlyCommand`: called by EVAL_RO, EVALSHA_RO or FCALL_RO.
 */
export function runScript(
  execution: Execution,
  flags: readonly ScriptFlag[] | undefined,
  readOnlyCommand: boolean,
  log: LogSink,
  run: (host: ScriptHost) => Reply,
): Reply {
  const noWrites = flags?.includes("no-writes") ?? false;
  const unlimited = flags?.includes("allow-oom") ?? false;
  if (flags !== undefined) {
    if (!noWrites && !unlimited && !execution.makeRoom()) return OUT_OF_MEMORY;
    if (readOnlyCommand && !noWrites) {
      return new ReplyError("ERR Can not execute a script with write flag using *_ro command.");
    }
  }
  const database = execution.databaseIndex;
  const readOnly = readOnlyCommand || noWrites || execution.reading;
  const body = (): Reply => execution.atomically(() => run(scriptHost(execution, readOnly, log)));
  try {
    return unlimited ? execution.beyondMemory(body) : body();
  } catch (error) {
    if (error instanceof ScriptStopped) return error.reply;
    throw error;
  } finally {
    execution.select(database);
  }
}
