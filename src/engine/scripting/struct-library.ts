/** The `struct` table: packing into binary strings by a format (Roberto Ierusalimschy's struct library, as in Redis). */
import type { LuaState } from "./lua-exports.ts";
import type { LuaFunction, LuaMachine } from "./lua-machine.ts";
import { optionalInteger, toInteger } from "./string-library.ts";

/** The largest size of an integer, and the native sizes of a 64-bit machine. */
const MAX_INTEGER_BYTES = 32;
const LONG_BYTES = 8;
const INT_BYTES = 4;
const MAX_ALIGNMENT = 8;
const INT_MAX = 0x7fff_ffff;

interface Option {
  readonly kind: string;
  readonly size: number;
}

/** Walks a format: sizes, alignment and byte order. */
class Format {
  little = true;
  private alignment = 1;
  private at = 0;
  private readonly text: string;
  private readonly m: LuaMachine;
  private readonly L: LuaState;

  constructor(m: LuaMachine, L: LuaState) {
    this.m = m;
    this.L = L;
    this.text = m.checkString(L, 1).replace(/\0.*/s, "");
  }

  next(): Option | undefined {
    const kind = this.text[this.at++];
    if (kind === undefined) return undefined;
    return { kind, size: this.sizeOf(kind) };
  }

  /** Bytes of padding before an option of `size` at `length`. */
  padding(length: number, { kind, size }: Option): number {
    if (size === 0 || kind === "c") return 0;
    const unit = Math.min(size, this.alignment);
    return unit > 1 ? (unit - (length & (unit - 1))) & (unit - 1) : 0;
  }

  /** The options that hold no value. */
  control(kind: string): void {
    if (kind === ">") this.little = false;
    else if (kind === "<") this.little = true;
    else if (kind === "!") {
      const alignment = this.number(MAX_ALIGNMENT);
      if (!isPowerOfTwo(alignment)) this.m.fail(this.L, `alignment ${alignment} is not a power of 2`);
      this.alignment = alignment;
    }
  }

  private sizeOf(kind: string): number {
    switch (kind) {
      case "B":
      case "b":
      case "x":
        return 1;
      case "H":
      case "h":
        return 2;
      case "L":
      case "l":
      case "T":
      case "d":
        return LONG_BYTES;
      case "f":
        return 4;
      case "c":
        return this.number(1);
      case "s":
      case " ":
      case "<":
      case ">":
      case "!":
        return 0;
      case "i":
      case "I": {
        const size = this.number(INT_BYTES);
        if (size > MAX_INTEGER_BYTES) {
          this.m.fail(this.L, `integral size ${size} is larger than limit of ${MAX_INTEGER_BYTES}`);
        }
        return size;
      }
      default:
        return this.m.argumentError(this.L, 1, `invalid format option '${kind}'`);
    }
  }

  private number(otherwise: number): number {
    const digits = /^\d+/.exec(this.text.slice(this.at))?.[0];
    if (digits === undefined) return otherwise;
    this.at += digits.length;
    if (Number(digits) > INT_MAX) this.m.fail(this.L, "integral size overflow");
    return Number(digits);
  }
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && (value & (value - 1)) === 0;
}

export function structFunctions(m: LuaMachine): Record<string, LuaFunction> {
  const { lua } = m;

  function packInteger(value: number, size: number, little: boolean): number[] {
    let rest = BigInt.asUintN(64, BigInt(value < 2 ** 63 ? toInteger(value) : Math.min(value, 2 ** 64)));
    const bytes: number[] = [];
    for (let i = 0; i < size; i++) {
      bytes.push(Number(rest & 0xffn));
      rest >>= 8n;
    }
    return little ? bytes : bytes.reverse();
  }

  function packFloat(value: number, size: number, little: boolean): number[] {
    const view = new DataView(new ArrayBuffer(size));
    if (size === 4) view.setFloat32(0, value, little);
    else view.setFloat64(0, value, little);
    return Array.from(new Uint8Array(view.buffer));
  }

  const pack: LuaFunction = (L) => {
    const format = new Format(m, L);
    const out: string[] = [];
    // Redis's library marks the end of the arguments: what is missing first is reported as nil.
    lua.lua_pushnil(L);
    let argument = 2;
    let total = 0;
    const add = (text: string): void => {
      out.push(text);
      m.charge(1 + (text.length >> 4));
      if (total > m.limits.memoryBytes) m.outOfMemory();
    };
    for (let option = format.next(); option !== undefined; option = format.next()) {
      const padding = format.padding(total, option);
      if (padding > 0) add("\0".repeat(padding));
      total += padding;
      let { size } = option;
      switch (option.kind) {
        case "f":
        case "d":
          add(String.fromCharCode(...packFloat(lua.luaL_checknumber(L, argument++), size, format.little)));
          break;
        case "x":
          add("\0");
          break;
        case "c":
        case "s": {
          const text = m.checkString(L, argument++);
          if (size === 0) size = text.length;
          if (text.length < size) m.argumentError(L, argument, "string too short");
          add(text.slice(0, size));
          if (option.kind === "s") {
            add("\0");
            size++;
          }
          break;
        }
        case " ":
        case "<":
        case ">":
        case "!":
          format.control(option.kind);
          break;
        default:
          add(String.fromCharCode(...packInteger(lua.luaL_checknumber(L, argument++), size, format.little)));
      }
      total += size;
    }
    m.push(L, out.join(""));
    return 1;
  };

  function readInteger(at: number, size: number, little: boolean, signed: boolean): number {
    let value = 0n;
    for (let i = 0; i < Math.min(size, LONG_BYTES); i++) {
      const byte = m.bytes[little ? at + i : at + size - 1 - i]!;
      value |= BigInt(byte) << BigInt(8 * i);
    }
    return Number(signed ? BigInt.asIntN(Math.min(size, LONG_BYTES) * 8, value) : value);
  }

  const unpack: LuaFunction = (L) => {
    const format = new Format(m, L);
    const data = m.checkBytes(L, 2);
    const length = m.lastLength;
    let position = optionalInteger(m, L, 3, 1);
    if (position <= 0) m.argumentError(L, 3, "offset must be 1 or greater");
    position--;
    const view = new DataView(m.bytes.buffer);
    let count = 0;
    for (let option = format.next(); option !== undefined; option = format.next()) {
      let { size } = option;
      m.charge(1 + (size >> 4));
      position += format.padding(position, option);
      if (size > length || position > length - size) m.argumentError(L, 2, "data string too short");
      if (lua.lua_checkstack(L, 2) === 0) m.fail(L, "stack overflow (too many results)");
      const at = data + position;
      switch (option.kind) {
        case "x":
          break;
        case "f":
          lua.lua_pushnumber(L, view.getFloat32(at, format.little));
          count++;
          break;
        case "d":
          lua.lua_pushnumber(L, view.getFloat64(at, format.little));
          count++;
          break;
        case "c":
          if (size === 0) {
            if (count === 0 || lua.lua_isnumber(L, -1) === 0) m.fail(L, "format 'c0' needs a previous size");
            size = toInteger(lua.lua_tonumber(L, -1));
            lua.lua_settop(L, -2);
            count--;
            if (size < 0 || size > length || position > length - size) {
              m.argumentError(L, 2, "data string too short");
            }
          }
          lua.lua_pushlstring(L, at, size);
          count++;
          break;
        case "s": {
          const end = m.bytes.subarray(at, data + length).indexOf(0);
          if (end === -1) m.fail(L, "unfinished string in data");
          size = end + 1;
          m.charge(size >> 4);
          lua.lua_pushlstring(L, at, end);
          count++;
          break;
        }
        case " ":
        case "<":
        case ">":
        case "!":
          format.control(option.kind);
          break;
        default:
          lua.lua_pushnumber(L, readInteger(at, size, format.little, option.kind >= "a"));
          count++;
      }
      position += size;
    }
    lua.lua_pushnumber(L, position + 1);
    return count + 1;
  };

  const size: LuaFunction = (L) => {
    const format = new Format(m, L);
    let position = 0;
    for (let option = format.next(); option !== undefined; option = format.next()) {
      position += format.padding(position, option);
      if (option.kind === "s") m.argumentError(L, 1, "option 's' has no fixed size");
      else if (option.kind === "c" && option.size === 0)
        m.argumentError(L, 1, "option 'c0' has no fixed size");
      if (" <>!".includes(option.kind)) format.control(option.kind);
      position += option.size;
    }
    lua.lua_pushnumber(L, position);
    return 1;
  };

  return { pack, unpack, size };
}
