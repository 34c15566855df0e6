/**
 * The `cmsgpack` table: MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md) as Redis's scripts know it
 * (lua-cmsgpack 0.4: which numbers become integers, what is an array, nesting cut to nil).
 */
import type { LuaState } from "./lua-exports.ts";
import { TYPE_BOOLEAN, TYPE_NIL, TYPE_NUMBER, TYPE_STRING, TYPE_TABLE } from "./lua-exports.ts";
import type { LuaFunction, LuaMachine } from "./lua-machine.ts";
import { optionalInteger, toInteger } from "./string-library.ts";

/** Tables nested deeper are packed as nil, so that a circle ends. */
const MAX_NESTING = 16;
const PLAIN_BYTES_SHIFT = 3;
const EOF = "Missing bytes in input.";
const BAD_FORMAT = "Bad data format in input.";

class Packer {
  private view = new DataView(new ArrayBuffer(512));
  length = 0;

  get bytes(): Uint8Array {
    return new Uint8Array(this.view.buffer, 0, this.length);
  }

  private reserve(count: number): DataView {
    if (this.length + count > this.view.byteLength) {
      const larger = new Uint8Array(Math.max(this.view.byteLength * 2, this.length + count));
      larger.set(this.bytes);
      this.view = new DataView(larger.buffer);
    }
    this.length += count;
    return this.view;
  }

  byte(value: number): void {
    this.reserve(1).setUint8(this.length - 1, value);
  }

  sized(bytes: 1 | 2 | 4, tag: number, value: number): void {
    this.byte(tag);
    const view = this.reserve(bytes);
    const at = this.length - bytes;
    if (bytes === 1) view.setUint8(at, value);
    else if (bytes === 2) view.setUint16(at, value);
    else view.setUint32(at, value >>> 0);
  }

  long(tag: number, value: bigint): void {
    this.byte(tag);
    this.reserve(8).setBigUint64(this.length - 8, BigInt.asUintN(64, value));
  }

  /** An integer when it is one of 64 bits. */
  number(value: number): void {
    if (Number.isInteger(value) && value >= -(2 ** 63) && value < 2 ** 63) this.integer(value);
    else this.float(value);
  }

  private float(value: number): void {
    // Four bytes where they lose nothing.
    if (Object.is(Math.fround(value), value) && !Number.isNaN(value)) {
      this.byte(0xca);
      this.reserve(4).setFloat32(this.length - 4, value);
      return;
    }
    this.byte(0xcb);
    if (Number.isNaN(value)) this.reserve(8).setBigUint64(this.length - 8, 0xfff8_0000_0000_0000n);
    else this.reserve(8).setFloat64(this.length - 8, value);
  }

  private integer(value: number): void {
    if (value >= 0) {
      if (value <= 0x7f) this.byte(value);
      else if (value <= 0xff) this.sized(1, 0xcc, value);
      else if (value <= 0xffff) this.sized(2, 0xcd, value);
      else if (value <= 0xffff_ffff) this.sized(4, 0xce, value);
      else this.long(0xcf, BigInt(value));
    } else if (value >= -32) this.byte(value & 0xff);
    else if (value >= -128) this.sized(1, 0xd0, value & 0xff);
    else if (value >= -32_768) this.sized(2, 0xd1, value & 0xffff);
    else if (value >= -2_147_483_648) this.sized(4, 0xd2, value);
    else this.long(0xd3, BigInt(value));
  }

  /** The head of a string, array or map. */
  head(length: number, fixed: number, fixedMost: number, tag8: number | undefined, tag16: number): void {
    if (length <= fixedMost) this.byte(fixed | length);
    else if (tag8 !== undefined && length <= 0xff) this.sized(1, tag8, length);
    else if (length <= 0xffff) this.sized(2, tag16, length);
    else this.sized(4, tag16 + 1, length);
  }

  raw(from: Uint8Array, at: number, length: number): void {
    this.reserve(length);
    new Uint8Array(this.view.buffer).set(from.subarray(at, at + length), this.length - length);
  }
}

export function msgpackFunctions(m: LuaMachine): Record<string, LuaFunction> {
  const { lua } = m;

  /** The number of elements when the keys of the table on top are 1 to that number, else -1. */
  function arrayLength(L: LuaState): number {
    let count = 0;
    let last = 0;
    lua.lua_pushnil(L);
    while (lua.lua_next(L, -2) !== 0) {
      m.charge(1);
      lua.lua_settop(L, -2);
      const key = lua.lua_type(L, -1) === TYPE_NUMBER ? lua.lua_tonumber(L, -1) : 0;
      if (!(key > 0 && Number.isInteger(key))) {
        lua.lua_settop(L, -2);
        return -1;
      }
      count++;
      last = Math.max(last, key);
    }
    return last === count ? count : -1;
  }

  /** Packs and takes the value on top. */
  function pack(L: LuaState, out: Packer, level: number): void {
    m.charge(2);
    let type = lua.lua_type(L, -1);
    if (type === TYPE_TABLE && level === MAX_NESTING) type = TYPE_NIL;
    switch (type) {
      case TYPE_STRING: {
        const at = m.checkBytes(L, -1);
        const length = m.lastLength;
        m.charge(length >> PLAIN_BYTES_SHIFT);
        out.head(length, 0xa0, 31, 0xd9, 0xda);
        out.raw(m.bytes, at, length);
        break;
      }
      case TYPE_BOOLEAN:
        out.byte(lua.lua_toboolean(L, -1) !== 0 ? 0xc3 : 0xc2);
        break;
      case TYPE_NUMBER:
        out.number(lua.lua_tonumber(L, -1));
        break;
      case TYPE_TABLE:
        packTable(L, out, level + 1);
        break;
      default:
        out.byte(0xc0);
    }
    lua.lua_settop(L, -2);
    if (out.length > m.limits.memoryBytes) m.outOfMemory();
  }

  function packTable(L: LuaState, out: Packer, level: number): void {
    if (lua.lua_checkstack(L, 4) === 0) m.fail(L, "in function mp_encode_lua_table");
    const length = arrayLength(L);
    if (length >= 0) {
      out.head(length, 0x90, 15, undefined, 0xdc);
      for (let position = 1; position <= length; position++) {
        lua.lua_rawgeti(L, -1, position);
        pack(L, out, level);
      }
      return;
    }
    let count = 0;
    lua.lua_pushnil(L);
    while (lua.lua_next(L, -2) !== 0) {
      lua.lua_settop(L, -2);
      count++;
    }
    out.head(count, 0x80, 15, undefined, 0xde);
    lua.lua_pushnil(L);
    while (lua.lua_next(L, -2) !== 0) {
      lua.lua_pushvalue(L, -2);
      pack(L, out, level);
      pack(L, out, level);
    }
  }

  /** Unpacks values from argument 1 and pushes them: all, or `limit` from byte `offset` on after the offset of the next. */
  function unpack(L: LuaState, limit: number, offset: number): number {
    const at = m.checkBytes(L, 1);
    const length = m.lastLength;
    const decodeAll = limit === 0 && offset === 0;
    if (limit < 0 || offset < 0)
      m.fail(L, `Invalid request to unpack with offset of ${offset} and limit of ${length}.`);
    if (offset > length) m.fail(L, `Start offset ${offset} greater than input length ${length}.`);
    const reader = new Unpacker(m, L, at + offset, at + length);
    let count = 0;
    if (!decodeAll) lua.lua_pushnumber(L, 0);
    const offsetAt = lua.lua_gettop(L);
    while (reader.at < reader.end && (decodeAll || count < limit)) {
      if (lua.lua_checkstack(L, 4) === 0) m.fail(L, "in function mp_unpack_full");
      reader.value();
      count++;
    }
    if (!decodeAll) {
      // -1: nothing is left.
      lua.lua_pushnumber(L, reader.at === reader.end ? -1 : reader.at - at);
      lua.lua_replace(L, offsetAt);
      count++;
    }
    return count;
  }

  return {
    pack: (L) => {
      const count = lua.lua_gettop(L);
      if (count === 0) m.argumentError(L, 0, "MessagePack pack needs input.");
      if (lua.lua_checkstack(L, count) === 0)
        m.argumentError(L, 0, "Too many arguments for MessagePack pack.");
      const out = new Packer();
      for (let index = 1; index <= count; index++) {
        lua.lua_pushvalue(L, index);
        pack(L, out, 0);
      }
      m.pushBytes(L, out.bytes, out.length);
      return 1;
    },
    unpack: (L) => unpack(L, 0, 0),
    unpack_one: (L) => {
      const offset = optionalInteger(m, L, 2, 0);
      return unpack(L, 1, offset);
    },
    unpack_limit: (L) => {
      const limit = toInteger(lua.luaL_checknumber(L, 2));
      const offset = optionalInteger(m, L, 3, 0);
      return unpack(L, limit, offset);
    },
  };
}

/** Reads values from linear memory onto the Lua stack. */
class Unpacker {
  readonly end: number;
  at: number;
  private readonly m: LuaMachine;
  private readonly L: LuaState;
  private readonly view: DataView;
  private depth = 0;

  constructor(m: LuaMachine, L: LuaState, at: number, end: number) {
    this.m = m;
    this.L = L;
    this.at = at;
    this.end = end;
    this.view = new DataView(m.bytes.buffer);
  }

  /** Takes `count` bytes and gives where they begin. */
  private take(count: number): number {
    if (this.end - this.at < count) this.m.fail(this.L, EOF);
    const from = this.at;
    this.at += count;
    return from;
  }

  value(): void {
    const { m, L, view } = this;
    const { lua } = m;
    m.charge(2);
    const tag = view.getUint8(this.take(1));
    if (tag < 0x80) lua.lua_pushnumber(L, tag);
    else if (tag < 0x90) this.map(tag & 0xf);
    else if (tag < 0xa0) this.array(tag & 0xf);
    else if (tag < 0xc0) this.text(tag & 0x1f);
    else if (tag >= 0xe0) lua.lua_pushnumber(L, tag - 256);
    else this.tagged(tag);
  }

  private tagged(tag: number): void {
    const { m, L, view } = this;
    const { lua } = m;
    switch (tag) {
      case 0xc0:
        return lua.lua_pushnil(L);
      case 0xc2:
        return lua.lua_pushboolean(L, 0);
      case 0xc3:
        return lua.lua_pushboolean(L, 1);
      case 0xca:
        return lua.lua_pushnumber(L, view.getFloat32(this.take(4)));
      case 0xcb:
        return lua.lua_pushnumber(L, view.getFloat64(this.take(8)));
      case 0xcc:
        return lua.lua_pushnumber(L, view.getUint8(this.take(1)));
      case 0xcd:
        return lua.lua_pushnumber(L, view.getUint16(this.take(2)));
      case 0xce:
        return lua.lua_pushnumber(L, view.getUint32(this.take(4)));
      // Redis's build reads unsigned 64-bit integers as signed.
      case 0xcf:
        return lua.lua_pushnumber(L, Number(view.getBigInt64(this.take(8))));
      case 0xd0:
        return lua.lua_pushnumber(L, view.getInt8(this.take(1)));
      case 0xd1:
        return lua.lua_pushnumber(L, view.getInt16(this.take(2)));
      case 0xd2:
        return lua.lua_pushnumber(L, view.getInt32(this.take(4)));
      case 0xd3:
        return lua.lua_pushnumber(L, Number(view.getBigInt64(this.take(8))));
      case 0xd9:
        return this.text(view.getUint8(this.take(1)));
      case 0xda:
        return this.text(view.getUint16(this.take(2)));
      case 0xdb:
        return this.text(view.getUint32(this.take(4)));
      case 0xdc:
        return this.array(view.getUint16(this.take(2)));
      case 0xdd:
        return this.array(view.getUint32(this.take(4)));
      case 0xde:
        return this.map(view.getUint16(this.take(2)));
      case 0xdf:
        return this.map(view.getUint32(this.take(4)));
      default:
        return m.fail(L, BAD_FORMAT);
    }
  }

  private text(length: number): void {
    const at = this.take(length);
    this.m.lua.lua_pushlstring(this.L, at, length);
  }

  private descend(): void {
    // The Lua stack is the bound in Redis; JavaScript's must not be met first.
    if (++this.depth > MAX_UNPACK_DEPTH || this.m.lua.lua_checkstack(this.L, 4) === 0) {
      this.m.fail(this.L, "in function mp_decode_to_lua_type");
    }
  }

  private array(length: number): void {
    this.descend();
    this.m.lua.lua_createtable(this.L, 0, 0);
    for (let position = 1; position <= length; position++) {
      this.value();
      this.m.lua.lua_rawseti(this.L, -2, position);
    }
    this.depth--;
  }

  private map(length: number): void {
    const { m, L } = this;
    const { lua } = m;
    this.descend();
    lua.lua_createtable(L, 0, 0);
    for (let i = 0; i < length; i++) {
      this.value();
      this.value();
      lua.lua_settable(L, -3);
    }
    this.depth--;
  }
}

/** Nesting of what is unpacked: far below what any machine's stack holds. */
const MAX_UNPACK_DEPTH = 500;
