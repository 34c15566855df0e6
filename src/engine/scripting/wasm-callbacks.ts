/**
 * JavaScript functions as WebAssembly functions, so that they can stand in the function table that Lua calls C functions
 * through. A table takes only functions that come from a module, so a module is assembled that imports each function and
 * exports it again (WebAssembly core specification 1.0, section 5.5: type, import and export sections).
 */

import { wasm } from "./web-assembly.ts";

/** The shapes that Lua calls: a lua_CFunction, a lua_Hook, a lua_Alloc. Numbers of i32 parameters and results. */
export interface CallbackShape {
  readonly parameters: number;
  readonly results: 0 | 1;
}

export interface Callback {
  readonly shape: CallbackShape;
  readonly call: (...parameters: number[]) => number | void;
}

const MAGIC_AND_VERSION = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
const TYPE_SECTION = 1;
const IMPORT_SECTION = 2;
const EXPORT_SECTION = 7;
const FUNCTION_TYPE = 0x60;
const FUNCTION_KIND = 0x00;
const I32 = 0x7f;

/** The callbacks, in order, as functions that `WebAssembly.Table.set` takes. */
export function wrapCallbacks(callbacks: readonly Callback[]): readonly CallableFunction[] {
  const types = callbacks.map(({ shape }) => [
    FUNCTION_TYPE,
    ...vector(Array.from({ length: shape.parameters }, () => [I32])),
    ...vector(Array.from({ length: shape.results }, () => [I32])),
  ]);
  const imports = callbacks.map((_, index) => [
    ...name("j"),
    ...name(String(index)),
    FUNCTION_KIND,
    ...leb(index),
  ]);
  const exports = callbacks.map((_, index) => [...name(String(index)), FUNCTION_KIND, ...leb(index)]);
  const bytes = Uint8Array.from([
    ...MAGIC_AND_VERSION,
    ...section(TYPE_SECTION, vector(types)),
    ...section(IMPORT_SECTION, vector(imports)),
    ...section(EXPORT_SECTION, vector(exports)),
  ]);
  const functions: Record<string, CallableFunction> = {};
  for (const [index, callback] of callbacks.entries()) functions[String(index)] = callback.call;
  const instance = new wasm.Instance(new wasm.Module(bytes), { j: functions });
  return callbacks.map((_, index) => instance.exports[String(index)] as CallableFunction);
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...leb(content.length), ...content];
}

function vector(items: readonly (readonly number[])[]): number[] {
  return [...leb(items.length), ...items.flat()];
}

function name(text: string): number[] {
  return [...leb(text.length), ...Array.from(text, (char) => char.charCodeAt(0))];
}

/** Unsigned LEB128. */
function leb(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    bytes.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    rest >>>= 7;
  } while (rest > 0);
  return bytes;
}
