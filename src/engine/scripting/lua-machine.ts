/**
 * One Lua 5.1 machine in WebAssembly, used as a pure function: put an image back, run, read the result.
 *
 * Everything that Lua knows lies in its arena of linear memory. Every run starts from a byte-for-byte equal image of that
 * arena (globals, libraries and the compiled script), so whatever a script can see — the order of pairs(), addresses in
 * tostring(), when the garbage collector runs, where memory ends — is a function of the script and its inputs alone, never
 * of what this process ran before. That is the determinism argument of the whole room. Steps and memory have hard limits;
 * meeting one throws a JavaScript exception through Lua, which no pcall sees.
 */
import { Buffer } from "node:buffer";

import { assert } from "../../runtime/errors.ts";
import { Arena } from "./arena.ts";
import type { LuaExports, LuaState } from "./lua-exports.ts";
import { GC_COLLECT, MASK_COUNT, TYPE_BOOLEAN, TYPE_NIL } from "./lua-exports.ts";
import { wrapCallbacks } from "./wasm-callbacks.ts";
import type { Callback } from "./wasm-callbacks.ts";
import { wasm } from "./web-assembly.ts";
import type { WasmImports, WasmModule } from "./web-assembly.ts";

/** A function that Lua can call: takes its arguments from the stack of `L`, pushes results, returns their number. */
export type LuaFunction = (L: LuaState) => number;

/** What a script may use. The same on every replica: changing one changes what committed entries mean. */
export interface Limits {
  /** Lua instructions, and other work measured in them. */
  readonly steps: number;
  /** Bytes of the arena: live values, garbage and fragmentation together. */
  readonly memoryBytes: number;
}

/** Thrown through Lua when a script meets a limit. Never caught by the script. */
export class ScriptAbort {
  readonly reason: "steps" | "memory" | "stack";
  constructor(reason: "steps" | "memory" | "stack") {
    this.reason = reason;
  }
}

/** A copy of the arena that runs start from. */
export type Image = Uint8Array;

/** What a call of a JavaScript function costs beside what it does. */
const CALL_STEPS = 8;
/** Instructions between two calls of the count hook: also the most that a coroutine can run uncounted. */
export const HOOK_INTERVAL = 1000;
const SCRATCH_BYTES = 1 << 16;
/** Bytes of scratch for strings that end in zero; the rest is for strings on their way into Lua. */
const NAMES_BYTES = 1 << 12;
/** What the C library's malloc gets: Lua's own memory is the arena, only setjmp buffers come from there. */
const C_HEAP_BYTES = 1 << 20;
const STATICS_START = 1024;
/** Bytes of the C heap that are put back after an abort; it is fresh then, so no more than its first pages are in use. */
const C_HEAP_SAVED_BYTES = 1 << 17;
const PAGE_BYTES = 1 << 16;
/** Strings up to this length are moved by a loop, longer ones by Buffer. */
const SHORT_STRING = 24;
/** Bytes copied for a step, as a power of two. */
const COPY_SHIFT = 4;
/** sizeof(lua_Debug) is 100 in this build. */
const ACTIVATION_BYTES = 128;

/** What longjmp throws: caught by `invoke_vii`, which stands for setjmp. */
const LONG_JUMP: unique symbol = Symbol("longjmp");

export class LuaMachine {
  readonly lua: LuaExports;
  readonly L: LuaState;
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly limits: Limits;
  /** Steps that are left to the running script. */
  steps = 0;
  private readonly buffer: Buffer;
  private readonly arena: Arena;
  private readonly scratch: number;
  private readonly lengthAt: number;
  private readonly namesAt: number;
  private readonly activationAt: number;
  private readonly stackTop: number;
  private readonly cRuntime: readonly { readonly at: number; readonly bytes: Uint8Array }[];
  private readonly functionIndex = new Map<LuaFunction, number>();
  private readonly tableFunctions: ((...parameters: number[]) => number)[] = [];

  constructor(module: WasmModule, limits: Limits) {
    this.limits = limits;
    this.lua = instantiate(module, {
      invoke_vii: (index, a, b) => this.invoke(index, a, b),
      environ_sizes_get: (countAt, bytesAt) => {
        this.words[countAt >> 2] = this.words[bytesAt >> 2] = 0;
        return 0;
      },
      emscripten_memcpy_js: (to, from, length) => void this.bytes.copyWithin(to, from, from + length),
    });
    const lua = this.lua;
    lua.emscripten_stack_init();
    this.stackTop = lua.stackSave();
    const cHeap = lua.emscripten_stack_get_base();
    this.scratch = cHeap + C_HEAP_BYTES;
    const arenaStart = this.scratch + SCRATCH_BYTES;
    const end = arenaStart + limits.memoryBytes;
    // Grown once, to the end: a memory that could grow later would end at different places in different processes.
    const missing = end - lua.memory.buffer.byteLength;
    if (missing > 0) lua.memory.grow(Math.ceil(missing / PAGE_BYTES));
    const memory = lua.memory.buffer;
    this.bytes = new Uint8Array(memory);
    this.words = new Int32Array(memory);
    this.buffer = Buffer.from(memory);
    lua.__wasm_call_ctors();
    this.lengthAt = this.scratch;
    this.activationAt = this.scratch + 16;
    this.namesAt = this.scratch + 16 + ACTIVATION_BYTES;
    this.arena = new Arena(memory, arenaStart, end, {
      full: () => this.outOfMemory(),
      charge: (steps) => this.charge(steps),
    });
    this.arena.clear();
    this.steps = limits.steps;

    const first = this.defineCallbacks([
      {
        shape: { parameters: 4, results: 1 },
        call: (_: number, pointer: number, oldSize: number, newSize: number) =>
          this.arena.reallocate(pointer, oldSize, newSize),
      },
      {
        shape: { parameters: 1, results: 1 },
        call: (L: number) => {
          throw new TypeError(`Lua error outside a protected call: ${this.stringAt(L, -1)}`);
        },
      },
      { shape: { parameters: 2, results: 0 }, call: () => this.charge(HOOK_INTERVAL) },
    ]);
    this.L = lua.lua_newstate(first, 0);
    assert(this.L !== 0, "a Lua state");
    lua.lua_atpanic(this.L, first + 1);
    lua.lua_sethook(this.L, first + 2, MASK_COUNT, HOOK_INTERVAL);
    this.cRuntime = [
      { at: STATICS_START, bytes: this.bytes.slice(STATICS_START, lua.emscripten_stack_get_end()) },
      { at: cHeap, bytes: this.bytes.slice(cHeap, cHeap + C_HEAP_SAVED_BYTES) },
    ];
  }

  /** Runs `body` from a fresh copy of `image`. Throws ScriptAbort, and whatever a callback threw that is not Lua's. */
  enter<T>(image: Image, body: () => T): T {
    this.bytes.set(image, this.arena.start);
    this.steps = this.limits.steps;
    try {
      return body();
    } catch (error) {
      this.recover();
      // V8's own stack ended before Lua's limits on nesting did.
      if (error instanceof RangeError) throw new ScriptAbort("stack");
      throw error;
    }
  }

  /** The arena as it is now, with its garbage collected. */
  capture(): Image {
    this.lua.lua_gc(this.L, GC_COLLECT, 0);
    return this.bytes.slice(this.arena.start, this.arena.top);
  }

  /** Work that Lua's instruction count does not see. */
  charge(steps: number): void {
    this.steps -= steps;
    if (this.steps < 0) throw new ScriptAbort("steps");
  }

  outOfMemory(): never {
    throw new ScriptAbort("memory");
  }

  // Strings. A Lua string is bytes; here it is a binary string, one char a byte.

  /** The bytes at `pointer`. */
  read(pointer: number, length: number): string {
    if (length > SHORT_STRING) {
      // Strings that leave Lua take memory outside the arena: a table may hold one large string many times.
      this.charge(length >> COPY_SHIFT);
      return this.buffer.toString("latin1", pointer, pointer + length);
    }
    const bytes = this.bytes;
    let text = "";
    for (let at = pointer, end = pointer + length; at < end; at++) text += String.fromCharCode(bytes[at]!);
    return text;
  }

  /** The string (or number, which it turns into a string, as lua_tolstring does) at `index`; undefined for other types. */
  stringAt(L: LuaState, index: number): string | undefined {
    const pointer = this.lua.lua_tolstring(L, index, this.lengthAt);
    return pointer === 0 ? undefined : this.read(pointer, this.words[this.lengthAt >> 2]!);
  }

  /** The value at `index` as tostring() of a string, number, boolean or nil shows it. */
  display(L: LuaState, index: number): string {
    switch (this.lua.lua_type(L, index)) {
      case TYPE_BOOLEAN:
        return this.lua.lua_toboolean(L, index) !== 0 ? "true" : "false";
      case TYPE_NIL:
        return "nil";
      default:
        return this.copyAt(L, index) ?? "(an error value that is no text)";
    }
  }

  /** As `stringAt`, without turning a number on the stack into a string. */
  copyAt(L: LuaState, index: number): string | undefined {
    this.lua.lua_pushvalue(L, index);
    const text = this.stringAt(L, -1);
    this.lua.lua_settop(L, -2);
    return text;
  }

  /** The address of argument `index`, an error of Lua's own wording when it is no string; its length: `lastLength`. */
  checkBytes(L: LuaState, index: number): number {
    return this.lua.luaL_checklstring(L, index, this.lengthAt);
  }

  checkString(L: LuaState, index: number): string {
    return this.read(this.checkBytes(L, index), this.lastLength);
  }

  get lastLength(): number {
    return this.words[this.lengthAt >> 2]!;
  }

  push(L: LuaState, text: string): void {
    const length = text.length;
    if (length <= SHORT_STRING) {
      const at = this.namesAt + NAMES_BYTES;
      const bytes = this.bytes;
      for (let i = 0; i < length; i++) bytes[at + i] = text.charCodeAt(i);
      this.lua.lua_pushlstring(L, at, length);
    } else {
      this.pushFilled(L, length, (at) => this.buffer.write(text, at, length, "latin1"));
    }
  }

  pushBytes(L: LuaState, from: Uint8Array, length: number): void {
    this.pushFilled(L, length, (at) => this.bytes.set(from.subarray(0, length), at));
  }

  /** Gives `use` a place with the bytes of `text`, for a call that takes pointer and length. */
  withBytes<T>(L: LuaState, text: string, use: (at: number) => T): T {
    if (text.length <= this.transferBytes) {
      const at = this.namesAt + NAMES_BYTES;
      this.buffer.write(text, at, text.length, "latin1");
      return use(at);
    }
    const at = this.lua.lua_newuserdata(L, text.length);
    const index = this.lua.lua_gettop(L);
    this.buffer.write(text, at, text.length, "latin1");
    const result = use(at);
    this.lua.lua_remove(L, index);
    return result;
  }

  /** A zero-terminated copy of a short text, good until the next call. */
  cString(text: string): number {
    assert(text.length < NAMES_BYTES, "a short C string");
    this.buffer.write(text, this.namesAt, text.length, "latin1");
    this.bytes[this.namesAt + text.length] = 0;
    return this.namesAt;
  }

  // Functions and errors.

  /** Compiles source text; leaves the function, or on an error (not 0) its message. */
  load(L: LuaState, source: string, name: string): number {
    const shown = name.replace(/\0.*/s, "").slice(0, NAMES_BYTES - 1);
    this.charge(source.length >> 2);
    return this.withBytes(L, source, (at) =>
      this.lua.luaL_loadbuffer(L, at, source.length, this.cString(shown)),
    );
  }

  /** Makes functions known, so that they can be pushed. */
  define(functions: readonly LuaFunction[]): void {
    const shape = { parameters: 1, results: 1 } as const;
    const counted = (call: LuaFunction) => (L: LuaState) => {
      this.charge(CALL_STEPS);
      return call(L);
    };
    const first = this.defineCallbacks(functions.map((call) => ({ shape, call: counted(call) })));
    for (const [i, fn] of functions.entries()) this.functionIndex.set(fn, first + i);
  }

  pushFunction(L: LuaState, fn: LuaFunction, upvalues = 0): void {
    const index = this.functionIndex.get(fn);
    assert(index !== undefined, "a function known to the machine");
    this.lua.lua_pushcclosure(L, index, upvalues);
  }

  /** The function behind a Lua C function's entry in the table: called with the arguments that are on the stack of `L`. */
  original(index: number): LuaFunction {
    return this.tableFunction(index) as LuaFunction;
  }

  /** luaL_error: position of the caller, then the message. */
  fail(L: LuaState, message: string): never {
    this.lua.luaL_where(L, 1);
    this.push(L, message);
    this.lua.lua_concat(L, 2);
    return this.raise(L);
  }

  argumentError(L: LuaState, argument: number, message: string): never {
    this.lua.luaL_argerror(L, argument, this.cString(message));
    throw new TypeError("luaL_argerror returned");
  }

  /** Raises the value on top of the stack. */
  raise(L: LuaState): never {
    this.lua.lua_error(L);
    throw new TypeError("lua_error returned");
  }

  /** Where the function at `level` of the call stack is, or undefined when there is no such level. */
  activation(L: LuaState, level: number): { what: string; source: string; line: number } | undefined {
    const at = this.activationAt;
    if (this.lua.lua_getstack(L, level, at) === 0) return undefined;
    this.lua.lua_getinfo(L, this.cString("Sl"), at);
    const word = (offset: number): number => this.words[(at + offset) >> 2]!;
    return { what: this.readName(word(12)), source: this.readName(word(16)), line: word(20) };
  }

  private readName(pointer: number): string {
    const end = this.bytes.indexOf(0, pointer);
    return this.read(pointer, end - pointer);
  }

  private get transferBytes(): number {
    return SCRATCH_BYTES - NAMES_BYTES - ACTIVATION_BYTES - 16;
  }

  /** Pushes a string of `length` bytes that `fill` writes at the address it is given. */
  pushFilled(L: LuaState, length: number, fill: (at: number) => void): void {
    if (length <= this.transferBytes) {
      const at = this.namesAt + NAMES_BYTES;
      fill(at);
      this.lua.lua_pushlstring(L, at, length);
      return;
    }
    const at = this.lua.lua_newuserdata(L, length);
    fill(at);
    this.lua.lua_pushlstring(L, at, length);
    this.lua.lua_remove(L, -2);
  }

  /** Puts functions into Lua's table of C functions; the index of the first. */
  private defineCallbacks(callbacks: readonly Callback[]): number {
    const table = this.lua.__indirect_function_table;
    const first = table.grow(callbacks.length);
    for (const [i, fn] of wrapCallbacks(callbacks).entries()) table.set(first + i, fn);
    return first;
  }

  private tableFunction(index: number): (...parameters: number[]) => number {
    let fn = this.tableFunctions[index];
    if (fn === undefined) {
      fn = this.lua.__indirect_function_table.get(index) as (...parameters: number[]) => number;
      this.tableFunctions[index] = fn;
    }
    return fn;
  }

  /** The setjmp half of Lua's protected calls: only a longjmp ends here. */
  private invoke(index: number, a: number, b: number): void {
    const stack = this.lua.stackSave();
    try {
      this.tableFunction(index)(a, b);
    } catch (error) {
      if (error !== LONG_JUMP) throw error;
      this.lua.stackRestore(stack);
      this.lua.setThrew(1, 0);
    }
  }

  /** After an exception went through Lua: the C library's state as it was when the machine was made. */
  private recover(): void {
    this.lua.stackRestore(this.stackTop);
    for (const { at, bytes } of this.cRuntime) this.bytes.set(bytes, at);
  }
}

interface Imports {
  /** The C library looks for environment variables when it starts: there are none. */
  readonly environ_sizes_get: (countAt: number, bytesAt: number) => number;
  readonly invoke_vii: (index: number, a: number, b: number) => void;
  readonly emscripten_memcpy_js: (to: number, from: number, length: number) => void;
}

function instantiate(module: WasmModule, used: Imports): LuaExports {
  const imports: WasmImports = {};
  // Files, clocks and the environment are imported by libraries that are never opened.
  for (const { module: space, name } of wasm.Module.imports(module)) {
    (imports[space] ??= {})[name] = () => {
      throw new TypeError(`Lua called ${name}`);
    };
  }
  imports["wasi_snapshot_preview1"]!["environ_sizes_get"] = used.environ_sizes_get;
  imports["wasi_snapshot_preview1"]!["environ_get"] = () => 0;
  Object.assign(imports["env"]!, used, {
    _emscripten_throw_longjmp: () => {
      throw LONG_JUMP;
    },
    emscripten_resize_heap: () => 0,
  });
  const instance = new wasm.Instance(module, imports);
  return instance.exports as unknown as LuaExports;
}
