/** What runs Lua for the keyspace: implemented in `engine/scripting` over WebAssembly, which this pure room does not know. */
import type { Reply, ReplyError } from "../reply.ts";

/** What a running script can reach. */
export interface ScriptHost {
  /** redis.call: the reply, an error as a ReplyError. May throw what must pass through the script, such as TICK_NEEDED. */
  call(args: readonly string[]): Reply;
  /** True when the arguments name a command. */
  knows(args: readonly string[]): boolean;
  /** redis.log: 0 debug, 1 verbose, 2 notice, 3 warning. */
  log(level: 0 | 1 | 2 | 3, message: string): void;
  /** 32 bits from which math.random starts. */
  readonly seed: number;
}

/** A script as EVAL takes it. */
export interface Script {
  /** SHA-1 of the body, which is its name. */
  readonly sha: string;
  /** As the client sent it, the shebang line included. */
  readonly body: string;
  /** Where the Lua source begins: after the shebang line, its line end kept so that line numbers stay right. */
  readonly sourceStart: number;
}

export interface LibraryFunction {
  readonly name: string;
  readonly description: string | undefined;
  readonly flags: readonly ScriptFlag[];
}

export interface LibrarySource {
  readonly name: string;
  readonly body: string;
  readonly sourceStart: number;
}

/** Redis's flags of scripts and functions. */
export const SCRIPT_FLAGS = [
  "no-writes",
  "allow-oom",
  "allow-stale",
  "no-cluster",
  "allow-cross-slot-keys",
] as const;
export type ScriptFlag = (typeof SCRIPT_FLAGS)[number];

/** A script met a limit: what it changed must be undone. `reply` is what the client gets. */
export class ScriptStopped {
  readonly reply: ReplyError;
  constructor(reply: ReplyError) {
    this.reply = reply;
  }
}

/**
 * Runs scripts. Every call is a pure function of its arguments and of what the host answers: equal on every replica,
 * whatever ran before. Calls never nest.
 */
export interface LuaEngine {
  /** What is wrong with the source, or undefined. */
  compileError(script: Script): ReplyError | undefined;
  /** Throws ScriptStopped at a limit. */
  run(script: Script, keys: readonly string[], args: readonly string[], host: ScriptHost): Reply;
  /** Runs a library's body to learn its functions; an error when it does not compile, fails, or registers wrongly. */
  loadLibrary(library: LibrarySource): readonly LibraryFunction[] | ReplyError;
  /** Throws ScriptStopped at a limit. */
  callFunction(
    library: LibrarySource,
    functionName: string,
    keys: readonly string[],
    args: readonly string[],
    host: ScriptHost,
  ): Reply;
}
