/**
 * WebAssembly written instruction by instruction, for the few inner loops that need a processor's vectors: what JavaScript does
 * to single bytes, these do to sixteen. Names and numbers are those of the specification (core 2.0, chapter 5).
 */

import type { PageMemory } from "../../runtime/page-memory.ts";

export type Code = readonly number[];

export function code(...parts: readonly Code[]): Code {
  return parts.flat();
}

export const I32 = 0x7f;
export const V128 = 0x7b;
export const LANES = 16;
export const PAGE_BYTES: number = 64 * 1024;

const VOID = 0x40;
export const BLOCK: Code = [0x02, VOID];
export const LOOP: Code = [0x03, VOID];
export const END: Code = [0x0b];
/** Out of so many blocks, or to the beginning of a loop. */
export const branch = (depth: number): Code => [0x0c, depth];
export const branchIf = (depth: number): Code => [0x0d, depth];
export const get = (local: number): Code => [0x20, ...unsigned(local)];
export const set = (local: number): Code => [0x21, ...unsigned(local)];
export const tee = (local: number): Code => [0x22, ...unsigned(local)];
export const i32 = (value: number): Code => [0x41, ...signed(value)];
export const I32_IS_ZERO: Code = [0x45];
export const I32_LESS: Code = [0x49];
export const I32_ADD: Code = [0x6a];
export const I32_SUB: Code = [0x6b];
export const I32_XOR: Code = [0x73];
export const loadInt = (offset: number): Code => [0x28, 0x00, ...unsigned(offset)];
export const storeInt = (offset: number): Code => [0x36, 0x00, ...unsigned(offset)];
/** The first four bytes of a vector. */
export const FIRST_INT: Code = [0xfd, 0x1b, 0];
export const load = (offset: number): Code => [0xfd, 0x00, 0x00, ...unsigned(offset)];
export const store = (offset: number): Code => [0xfd, 0x0b, 0x00, ...unsigned(offset)];
export const constant = (bytes: readonly number[]): Code => [0xfd, 0x0c, ...bytes];
export const splat = (byte: number): Code => constant(Array<number>(LANES).fill(byte));
/** Lanes of two vectors: from 0 to 15 of the first, from 16 to 31 of the second. */
export const shuffle = (...lanes: readonly number[]): Code => [0xfd, 0x0d, ...lanes];
/** Each byte of the second vector is replaced by the lane of the first that it names. */
export const SWIZZLE: Code = [0xfd, 0x0e];
export const V128_NOT: Code = [0xfd, 0x4d];
export const V128_AND: Code = [0xfd, 0x4e];
export const V128_XOR: Code = [0xfd, 0x51];
export const I8X16_SHIFT_RIGHT: Code = [0xfd, 0x6d];
export const I16X8_SHIFT_RIGHT: Code = [0xfd, 0x8d, 0x01];

/** What every module begins with. */
export const MODULE: Code = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

export function section(id: number, content: Code): Code {
  return [id, ...sized(content)];
}

/** With its length in front. */
export function sized(content: Code): Code {
  return [...unsigned(content.length), ...content];
}

export function text(name: string): Code {
  return sized(Array.from(name, (character) => character.charCodeAt(0)));
}

/** LEB128. */
export function unsigned(value: number): Code {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return [...bytes, rest];
    bytes.push((rest & 0x7f) | 0x80);
  }
}

function signed(value: number): Code {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7) {
    if (rest >= -0x40 && rest < 0x40) return [...bytes, rest & 0x7f];
    bytes.push((rest & 0x7f) | 0x80);
  }
}

const MEMORY_MODULE = "env";
const MEMORY_NAME = "memory";
const PAGES_MAX = 65_536;
/** Content of section 2: a shared memory from outside, whatever its size. */
const IMPORTED_MEMORY: Code = code(
  [1],
  text(MEMORY_MODULE),
  text(MEMORY_NAME),
  [0x02, 0x03],
  unsigned(1),
  unsigned(PAGES_MAX),
);

/** A module that works on a shared memory, and exports one function of three integers; `body`: its locals and instructions. */
export function moduleOnSharedMemory(name: string, body: Code): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(
    code(
      MODULE,
      section(1, [1, 0x60, 3, I32, I32, I32, 0]),
      section(2, IMPORTED_MEMORY),
      section(3, [1, 0]),
      section(7, code([1], text(name), [0, 0])),
      section(10, code([1], sized(body))),
    ),
  );
}

/** WebAssembly as far as it is used here; neither the language's types nor those of Node.js 20 name it. */
interface WebAssemblyApi {
  validate(bytes: Uint8Array): boolean;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports?: object) => { readonly exports: object };
}

const api = (globalThis as { readonly WebAssembly?: WebAssemblyApi }).WebAssembly;

/** What the module exports. Undefined where WebAssembly, or its vector instructions, are missing. */
export function instantiate<Exports extends object>(
  bytes: Uint8Array,
  memory?: PageMemory,
): Exports | undefined {
  if (api?.validate(bytes) !== true) return undefined;
  const imports = { [MEMORY_MODULE]: { [MEMORY_NAME]: memory } };
  return new api.Instance(new api.Module(bytes), imports).exports as Exports;
}
