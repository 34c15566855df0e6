/** The `bit` table: Mike Pall's BitOp (https://bitop.luajit.org/api.html), which works on signed 32-bit numbers. */
import type { LuaState } from "./lua-exports.ts";
import type { LuaFunction, LuaMachine } from "./lua-machine.ts";

/** Adding this leaves the low 32 bits of a double's integer part in its lower word, rounded to even. */
const MAGIC = 6_755_399_441_055_744;

export function bitFunctions(m: LuaMachine): Record<string, LuaFunction> {
  const { lua } = m;
  const words = new Int32Array(2);
  const double = new Float64Array(words.buffer);

  function argument(L: LuaState, index: number): number {
    double[0] = lua.luaL_checknumber(L, index) + MAGIC;
    return words[0]!;
  }

  function result(L: LuaState, value: number): number {
    lua.lua_pushnumber(L, value | 0);
    return 1;
  }

  const folding =
    (combine: (left: number, right: number) => number): LuaFunction =>
    (L) => {
      let value = argument(L, 1);
      for (let index = 2; index <= lua.lua_gettop(L); index++) value = combine(value, argument(L, index));
      return result(L, value);
    };
  const shifting =
    (shift: (value: number, count: number) => number): LuaFunction =>
    (L) =>
      result(L, shift(argument(L, 1), argument(L, 2) & 31));

  return {
    tobit: (L) => result(L, argument(L, 1)),
    bnot: (L) => result(L, ~argument(L, 1)),
    band: folding((left, right) => left & right),
    bor: folding((left, right) => left | right),
    bxor: folding((left, right) => left ^ right),
    lshift: shifting((value, count) => value << count),
    rshift: shifting((value, count) => value >>> count),
    arshift: shifting((value, count) => value >> count),
    rol: shifting((value, count) => (value << count) | (value >>> (32 - count))),
    ror: shifting((value, count) => (value >>> count) | (value << (32 - count))),
    bswap: (L) => {
      const value = argument(L, 1);
      const swapped = (value >>> 24) | ((value >> 8) & 0xff00) | ((value & 0xff00) << 8) | (value << 24);
      return result(L, swapped);
    },
    tohex: (L) => {
      const value = argument(L, 1) >>> 0;
      let digits = lua.lua_type(L, 2) < 0 ? 8 : argument(L, 2);
      const upper = digits < 0;
      if (upper) digits = digits === -2_147_483_648 ? 8 : -digits;
      const text = value
        .toString(16)
        .padStart(8, "0")
        .slice(8 - Math.min(digits, 8));
      m.push(L, upper ? text.toUpperCase() : text);
      return 1;
    },
  };
}
