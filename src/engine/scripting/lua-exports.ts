/** The functions of Lua 5.1's C interface that the WebAssembly build exports and this room uses (reference manual, 3.7). */

import type { WasmMemory, WasmTable } from "./web-assembly.ts";

/** A lua_State: its address. Functions called by Lua get the state of the coroutine that calls them. */
export type LuaState = number;

export interface LuaExports {
  readonly memory: WasmMemory;
  readonly __indirect_function_table: WasmTable;
  __wasm_call_ctors(): void;
  emscripten_stack_init(): void;
  /** Where the C stack begins (high) and ends (low). */
  emscripten_stack_get_base(): number;
  emscripten_stack_get_end(): number;
  stackSave(): number;
  stackRestore(pointer: number): void;
  setThrew(threw: number, value: number): void;

  lua_newstate(allocate: number, userData: number): LuaState;
  lua_atpanic(L: LuaState, panic: number): number;
  lua_sethook(L: LuaState, hook: number, mask: number, count: number): number;
  lua_checkstack(L: LuaState, extra: number): number;
  lua_gettop(L: LuaState): number;
  lua_settop(L: LuaState, index: number): void;
  lua_pushvalue(L: LuaState, index: number): void;
  lua_remove(L: LuaState, index: number): void;
  lua_insert(L: LuaState, index: number): void;
  lua_replace(L: LuaState, index: number): void;
  lua_type(L: LuaState, index: number): number;
  lua_isnumber(L: LuaState, index: number): number;
  lua_isstring(L: LuaState, index: number): number;
  lua_lessthan(L: LuaState, left: number, right: number): number;
  lua_tonumber(L: LuaState, index: number): number;
  lua_toboolean(L: LuaState, index: number): number;
  lua_tolstring(L: LuaState, index: number, lengthAt: number): number;
  lua_objlen(L: LuaState, index: number): number;
  /** In this build a C function's pointer is its index in the function table. */
  lua_tocfunction(L: LuaState, index: number): number;
  lua_topointer(L: LuaState, index: number): number;
  lua_touserdata(L: LuaState, index: number): number;
  lua_pushnil(L: LuaState): void;
  lua_pushnumber(L: LuaState, value: number): void;
  lua_pushlstring(L: LuaState, bytes: number, length: number): void;
  lua_pushcclosure(L: LuaState, fn: number, upvalues: number): void;
  lua_pushboolean(L: LuaState, value: number): void;
  lua_pushlightuserdata(L: LuaState, pointer: number): void;
  lua_gettable(L: LuaState, index: number): void;
  lua_settable(L: LuaState, index: number): void;
  lua_rawget(L: LuaState, index: number): void;
  lua_rawgeti(L: LuaState, index: number, position: number): void;
  lua_rawset(L: LuaState, index: number): void;
  lua_rawseti(L: LuaState, index: number, position: number): void;
  lua_createtable(L: LuaState, arraySize: number, hashSize: number): void;
  lua_getmetatable(L: LuaState, index: number): number;
  lua_setmetatable(L: LuaState, index: number): number;
  lua_newuserdata(L: LuaState, size: number): number;
  lua_next(L: LuaState, index: number): number;
  lua_call(L: LuaState, parameters: number, results: number): void;
  lua_pcall(L: LuaState, parameters: number, results: number, handler: number): number;
  lua_error(L: LuaState): number;
  lua_gc(L: LuaState, what: number, value: number): number;
  lua_getstack(L: LuaState, level: number, activation: number): number;
  lua_getinfo(L: LuaState, what: number, activation: number): number;
  lua_xmove(from: LuaState, to: LuaState, count: number): void;
  luaL_loadbuffer(L: LuaState, bytes: number, length: number, chunkName: number): number;
  luaL_where(L: LuaState, level: number): void;
  luaL_argerror(L: LuaState, argument: number, message: number): number;
  luaL_checkany(L: LuaState, argument: number): void;
  luaL_checknumber(L: LuaState, argument: number): number;
  luaL_checklstring(L: LuaState, argument: number, lengthAt: number): number;
  luaL_checktype(L: LuaState, argument: number, type: number): void;
  lua_concat(L: LuaState, count: number): void;
  luaopen_base(L: LuaState): number;
  luaopen_table(L: LuaState): number;
  luaopen_string(L: LuaState): number;
  luaopen_math(L: LuaState): number;
}

export const REGISTRY = -10000;
export const GLOBALS = -10002;
export const MULTIPLE_RESULTS = -1;

export const TYPE_NIL = 0;
export const TYPE_BOOLEAN = 1;
export const TYPE_LIGHT_USERDATA = 2;
export const TYPE_NUMBER = 3;
export const TYPE_STRING = 4;
export const TYPE_TABLE = 5;
export const TYPE_FUNCTION = 6;

export const MASK_COUNT = 8;
export const GC_COLLECT = 2;

/** The pseudo-index of a C function's upvalue, counted from 1. */
export function upvalue(position: number): number {
  return GLOBALS - position;
}
