/**
 * scripting: Lua 5.1 for EVAL and FCALL, deterministic on every replica. This file is its door.
 *
 * The machine (`lua-machine.ts`) is one WebAssembly instance for the whole process, shared by every keyspace in it: a run
 * starts from an image and leaves nothing behind, so nodes in one process cannot see each other. The sandbox
 * (`sandbox.ts`) is the image that scripts start from; this file compiles scripts into images of their own, keeps the
 * latest of those, and runs them. What a script may touch of the keyspace comes in as `ScriptHost`.
 */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

import { assert } from "../../runtime/errors.ts";
import { ReplyError } from "../keyspace/reply.ts";
import type { Reply } from "../keyspace/reply.ts";
import { createScripting } from "../keyspace/scripting/scripting.ts";
import type { LogSink } from "../keyspace/scripting/scripting.ts";
import type {
  LibraryFunction,
  LibrarySource,
  LuaEngine,
  Script,
  ScriptHost,
} from "../keyspace/scripting/lua-engine.ts";
import { ScriptStopped } from "../keyspace/scripting/lua-engine.ts";
import type { ScriptEngine } from "../keyspace/section.ts";
import { ScriptRandom } from "./base-library.ts";
import { errorHandler, errorReply, uncaughtError } from "./error-handler.ts";
import { registerFunction } from "./function-registration.ts";
import type { Registration } from "./function-registration.ts";
import { ImageCache } from "./image-cache.ts";
import type { JsonLibrary } from "./cjson-library.ts";
import { REGISTRY } from "./lua-exports.ts";
import { LuaMachine, ScriptAbort } from "./lua-machine.ts";
import type { Image, Limits } from "./lua-machine.ts";
import { takeReply } from "./lua-to-reply.ts";
import type { RunContext } from "./redis-library.ts";
import { buildSandbox, selectGlobals, SLOT } from "./sandbox.ts";
import { wasm } from "./web-assembly.ts";
import type { WasmModule } from "./web-assembly.ts";

/** Part of what a committed EVAL means: a change is a change of the replicated format. */
export const LIMITS: Limits = { steps: 20_000_000, memoryBytes: 64 * 1024 * 1024 };
/** Compiled scripts that are kept, in bytes of their images. */
const IMAGE_CACHE_BYTES = 16 * 1024 * 1024;

export interface ScriptEngineOptions {
  /** Where redis.log goes. Default: nowhere. */
  readonly log?: LogSink;
}

let shared: LuaEngine | undefined;

/**
 * Makes the scripts, functions and their commands of one keyspace (pass it as `createKeyspace({ scripts })`). All share
 * one machine; the first call compiles it, which takes some 20 ms.
 */
export async function loadScriptEngine(options: ScriptEngineOptions = {}): Promise<ScriptEngine> {
  if (shared === undefined) {
    const module = await wasm.compile(await readFile(modulePath()));
    shared ??= createLuaEngine(module);
  }
  return createScripting(shared, options.log);
}

function modulePath(): string {
  return createRequire(import.meta.url).resolve("wasmoon-lua5.1/dist/liblua5.1.wasm");
}

/** A Lua engine of its own over a compiled module; most callers want `loadScriptEngine`. */
export function createLuaEngine(module: WasmModule, limits: Limits = LIMITS): LuaEngine {
  return new WasmLuaEngine(module, limits);
}

class WasmLuaEngine implements LuaEngine {
  private readonly m: LuaMachine;
  private readonly context: RunContext = { host: undefined, resp: 2 };
  private readonly random = new ScriptRandom();
  private readonly registration: Registration = { functions: undefined };
  private readonly base: Image;
  private readonly json: JsonLibrary;
  /** Of scripts by SHA-1, of libraries by body, which begins with "#!" and so is no SHA-1. */
  private readonly images = new ImageCache(IMAGE_CACHE_BYTES);
  private readonly handler: ReturnType<typeof errorHandler>;
  private running = false;

  constructor(module: WasmModule, limits: Limits) {
    this.m = new LuaMachine(module, limits);
    const register = registerFunction(this.m, this.registration, SLOT.functions);
    this.handler = errorHandler(this.m);
    this.m.define([this.handler]);
    const { image, json } = buildSandbox(this.m, this.context, this.random, register);
    this.base = image;
    this.json = json;
  }

  compileError(script: Script): ReplyError | undefined {
    if (this.images.get(script.sha) !== undefined) return undefined;
    const image = this.compile(script);
    return image instanceof ReplyError ? image : undefined;
  }

  run(script: Script, keys: readonly string[], args: readonly string[], host: ScriptHost): Reply {
    const image = this.images.get(script.sha) ?? this.compile(script);
    if (image instanceof ReplyError) return image;
    const { m } = this;
    const { lua, L } = m;
    return this.enter(image, script.sha, host, () => {
      lua.lua_rawgeti(L, REGISTRY, SLOT.globals);
      m.push(L, "KEYS");
      this.pushStrings(keys);
      lua.lua_rawset(L, -3);
      m.push(L, "ARGV");
      this.pushStrings(args);
      lua.lua_rawset(L, -3);
      m.pushFunction(L, this.handler);
      lua.lua_rawgeti(L, REGISTRY, SLOT.script);
      if (lua.lua_pcall(L, 0, 1, -2) !== 0) return errorReply(m, L, script.sha);
      return takeReply(m, L, this.context.resp);
    });
  }

  loadLibrary(library: LibrarySource): readonly LibraryFunction[] | ReplyError {
    const { registration } = this;
    try {
      const image = this.buildLibrary(library);
      if (image instanceof ReplyError) return image;
      this.images.set(library.body, image);
      return registration.functions!;
    } catch (error) {
      if (error instanceof ScriptStopped) return new ReplyError("ERR FUNCTION LOAD timeout");
      throw error;
    } finally {
      registration.functions = undefined;
    }
  }

  callFunction(
    library: LibrarySource,
    functionName: string,
    keys: readonly string[],
    args: readonly string[],
    host: ScriptHost,
  ): Reply {
    const { m } = this;
    const { lua, L } = m;
    return this.enter(this.libraryImage(library), functionName, host, () => {
      m.pushFunction(L, this.handler);
      lua.lua_rawgeti(L, REGISTRY, SLOT.functions);
      m.push(L, functionName);
      lua.lua_rawget(L, -2);
      lua.lua_remove(L, -2);
      this.pushStrings(keys);
      this.pushStrings(args);
      if (lua.lua_pcall(L, 2, 1, -4) !== 0) return errorReply(m, L, functionName);
      return takeReply(m, L, this.context.resp);
    });
  }

  /** The image of a library that was loaded before; made again when it is no longer kept. */
  private libraryImage(library: LibrarySource): Image {
    const kept = this.images.get(library.body);
    if (kept !== undefined) return kept;
    const image = this.buildLibrary(library);
    this.registration.functions = undefined;
    assert(!(image instanceof ReplyError), "a library that was loaded once loads again");
    this.images.set(library.body, image);
    return image;
  }

  /** Runs `body` on an image with a host; nothing of it is left afterwards. */
  private enter<T>(image: Image, name: string, host: ScriptHost | undefined, body: () => T): T {
    assert(!this.running, "scripts do not nest");
    const { context } = this;
    this.running = true;
    context.host = host;
    context.resp = 2;
    this.random.seed(host?.seed ?? 0);
    this.json.reset();
    try {
      return this.m.enter(image, body);
    } catch (error) {
      if (error instanceof ScriptAbort) throw new ScriptStopped(stoppedReply(error, name, this.m.limits));
      throw error;
    } finally {
      this.running = false;
      context.host = undefined;
    }
  }

  private compile(script: Script): Image | ReplyError {
    const { m } = this;
    const { lua, L } = m;
    try {
      const image = this.enter(this.base, script.sha, undefined, () => {
        if (m.load(L, script.body.slice(script.sourceStart), "@user_script") !== 0) {
          return new ReplyError(`ERR Error compiling script (new function): ${m.display(L, -1)}`);
        }
        lua.lua_rawseti(L, REGISTRY, SLOT.script);
        return m.capture();
      });
      if (!(image instanceof ReplyError)) this.images.set(script.sha, image);
      return image;
    } catch (error) {
      if (error instanceof ScriptStopped) return error.reply;
      throw error;
    }
  }

  private buildLibrary(library: LibrarySource): Image | ReplyError {
    const { m } = this;
    const { lua, L } = m;
    const { registration } = this;
    return this.enter(this.base, library.name, undefined, () => {
      registration.functions = [];
      selectGlobals(m, L, SLOT.loadingGlobals);
      m.pushFunction(L, this.handler);
      if (m.load(L, library.body.slice(library.sourceStart), "@user_function") !== 0) {
        return new ReplyError(`ERR Error compiling function: ${m.display(L, -1)}`);
      }
      if (lua.lua_pcall(L, 0, 0, -2) !== 0) {
        const message = uncaughtError(m, L)?.message ?? m.display(L, -1);
        return new ReplyError(`ERR Error registering functions: ${message}`);
      }
      selectGlobals(m, L, SLOT.globals);
      lua.lua_settop(L, 0);
      return m.capture();
    });
  }

  private pushStrings(strings: readonly string[]): void {
    const { m } = this;
    const { lua, L } = m;
    lua.lua_createtable(L, strings.length, 0);
    for (let i = 0; i < strings.length; i++) {
      m.push(L, strings[i]!);
      lua.lua_rawseti(L, -2, i + 1);
    }
  }
}

function stoppedReply(abort: ScriptAbort, name: string, limits: Limits): ReplyError {
  const what = {
    steps: `it ran more than ${limits.steps} steps`,
    memory: `it used more than ${limits.memoryBytes} bytes of memory`,
    stack: "it nested too deeply",
  }[abort.reason];
  return new ReplyError(`ERR Error running script ${name}, stopped because ${what}; its changes are undone`);
}
