/**
 * The functions of Lua's string library that cannot be the C ones: those whose work the instruction count does not see
 * (find, match, gmatch, gsub, rep), and those that in a 32-bit build would read an integer of 64 bits wrongly (sub, byte,
 * format, rep). Reference manual, section 5.4; error wording is Lua's.
 */
import type { LuaState } from "./lua-exports.ts";
import { TYPE_FUNCTION, TYPE_NUMBER, TYPE_STRING, TYPE_TABLE, upvalue } from "./lua-exports.ts";
import type { LuaFunction, LuaMachine } from "./lua-machine.ts";
import { CAPTURE_POSITION, findPlain, Matcher } from "./pattern.ts";
import type { MatchHost } from "./pattern.ts";

const CARET = 0x5e;
const PERCENT = 0x25;
/** What makes a search a search for a pattern. */
const SPECIALS: ReadonlySet<number> = new Set(Array.from("^$*+?.([%-", (char) => char.charCodeAt(0)));
/** The largest Lua string that can be asked for; the arena ends before. */
const MAX_STRING_BYTES = 0x7fff_ffff;
const MAX_RESULTS = 7998;

/** A double as C converts it to a 64-bit integer on x86-64, which is where Redis's scripts were tried. */
export function toInteger(value: number): number {
  if (!(value > -9_223_372_036_854_775_808 && value < 9_223_372_036_854_775_808))
    return -9_223_372_036_854_775_808;
  return Math.trunc(value) + 0;
}

/** An argument that is an integer, with Lua's error when it is no number. */
export function checkInteger(m: LuaMachine, L: LuaState, index: number): number {
  return toInteger(m.lua.luaL_checknumber(L, index));
}

export function optionalInteger(m: LuaMachine, L: LuaState, index: number, otherwise: number): number {
  return m.lua.lua_type(L, index) <= 0 ? otherwise : checkInteger(m, L, index);
}

/** A position as given: negative counts from the end. */
function relative(position: number, length: number): number {
  const from = position < 0 ? position + length + 1 : position;
  return from >= 0 ? from : 0;
}

/** A growing run of bytes for a result. */
class Sink {
  bytes: Uint8Array = new Uint8Array(256);
  length = 0;

  add(from: Uint8Array, start: number, end: number): void {
    const length = end - start;
    this.reserve(length);
    if (length < 32) for (let i = 0; i < length; i++) this.bytes[this.length + i] = from[start + i]!;
    else this.bytes.set(from.subarray(start, end), this.length);
    this.length += length;
  }

  private reserve(length: number): void {
    if (this.length + length <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.length + length));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }
}

export function stringFunctions(
  m: LuaMachine,
  originals: { readonly format: LuaFunction },
): Record<string, LuaFunction> {
  const { lua } = m;

  /** Where the match runs: Lua errors carry the position of the caller of `L`. */
  const hostOf = (L: LuaState): MatchHost => ({
    bytes: m.bytes,
    fail: (message) => m.fail(L, message),
    charge: (steps) => m.charge(steps),
  });

  /** A pattern ends at its first zero byte (Lua 5.1 reads it as a C string). */
  function patternLength(pattern: number, length: number): number {
    for (let i = 0; i < length; i++) if (m.bytes[pattern + i] === 0) return i;
    return length;
  }

  function pushCapture(L: LuaState, match: Matcher, index: number, start: number, end: number): void {
    if (index >= match.level) {
      if (index !== 0) m.fail(L, "invalid capture index");
      lua.lua_pushlstring(L, start, end - start);
      return;
    }
    const length = match.captureLength[index]!;
    const from = match.captureStart[index]!;
    if (length === CAPTURE_POSITION) lua.lua_pushnumber(L, from - match.subject + 1);
    else if (length < 0) m.fail(L, "unfinished capture");
    else lua.lua_pushlstring(L, from, length);
  }

  /** Pushes all captures, the whole match when there are none and `whole`. */
  function pushCaptures(L: LuaState, match: Matcher, start: number, end: number, whole: boolean): number {
    const count = match.level === 0 && whole ? 1 : match.level;
    lua.lua_checkstack(L, count);
    for (let i = 0; i < count; i++) pushCapture(L, match, i, start, end);
    return count;
  }

  function search(L: LuaState, finding: boolean): number {
    const subject = m.checkBytes(L, 1);
    const subjectLength = m.lastLength;
    const pattern = m.checkBytes(L, 2);
    const fullLength = m.lastLength;
    const first = Math.min(
      Math.max(relative(optionalInteger(m, L, 3, 1), subjectLength) - 1, 0),
      subjectLength,
    );
    const length = patternLength(pattern, fullLength);
    const subjectEnd = subject + subjectLength;
    if (finding && (lua.lua_toboolean(L, 4) !== 0 || !hasSpecials(m.bytes, pattern, length))) {
      const found = findPlain(hostOf(L), subject + first, subjectEnd, pattern, fullLength);
      if (found === -1) return pushNil(L);
      lua.lua_pushnumber(L, found - subject + 1);
      lua.lua_pushnumber(L, found - subject + fullLength);
      return 2;
    }
    const anchored = length > 0 && m.bytes[pattern] === CARET;
    const match = new Matcher(hostOf(L), subject, subjectLength, pattern, length);
    const from = anchored ? pattern + 1 : pattern;
    for (let s = subject + first; s <= subjectEnd; s++) {
      const end = match.start(s, from);
      if (end !== -1) {
        if (!finding) return pushCaptures(L, match, s, end, true);
        lua.lua_pushnumber(L, s - subject + 1);
        lua.lua_pushnumber(L, end - subject);
        return pushCaptures(L, match, s, end, false) + 2;
      }
      if (anchored) break;
    }
    return pushNil(L);
  }

  function pushNil(L: LuaState): number {
    lua.lua_pushnil(L);
    return 1;
  }

  const find: LuaFunction = (L) => search(L, true);
  const match: LuaFunction = (L) => search(L, false);

  /** The iterator of gmatch: upvalues are subject, pattern and where to go on. */
  const gmatchNext: LuaFunction = (L) => {
    const subject = m.checkBytes(L, upvalue(1));
    const subjectLength = m.lastLength;
    const pattern = m.checkBytes(L, upvalue(2));
    const length = patternLength(pattern, m.lastLength);
    const matcher = new Matcher(hostOf(L), subject, subjectLength, pattern, length);
    for (let s = subject + lua.lua_tonumber(L, upvalue(3)); s <= subject + subjectLength; s++) {
      const end = matcher.start(s, pattern);
      if (end === -1) continue;
      lua.lua_pushnumber(L, end - subject + (end === s ? 1 : 0));
      lua.lua_replace(L, upvalue(3));
      return pushCaptures(L, matcher, s, end, true);
    }
    return 0;
  };

  const gmatch: LuaFunction = (L) => {
    m.checkBytes(L, 1);
    m.checkBytes(L, 2);
    lua.lua_settop(L, 2);
    lua.lua_pushnumber(L, 0);
    m.pushFunction(L, gmatchNext, 3);
    return 1;
  };

  /** Appends what replaces the match [start, end) to the sink. */
  function addReplacement(
    L: LuaState,
    sink: Sink,
    matcher: Matcher,
    kind: number,
    start: number,
    end: number,
  ): void {
    if (kind === TYPE_STRING || kind === TYPE_NUMBER) {
      addTemplate(L, sink, matcher, start, end);
      return;
    }
    if (kind === TYPE_TABLE) {
      pushCapture(L, matcher, 0, start, end);
      lua.lua_gettable(L, 3);
    } else {
      lua.lua_pushvalue(L, 3);
      lua.lua_call(L, pushCaptures(L, matcher, start, end, true), 1);
    }
    if (lua.lua_toboolean(L, -1) === 0) sink.add(m.bytes, start, end);
    else if (lua.lua_isstring(L, -1) === 0) {
      m.fail(L, `invalid replacement value (a ${typeName(lua.lua_type(L, -1))})`);
    } else addTop(L, sink);
    lua.lua_settop(L, -2);
  }

  function addTop(L: LuaState, sink: Sink): void {
    const at = m.checkBytes(L, -1);
    sink.add(m.bytes, at, at + m.lastLength);
  }

  function addTemplate(L: LuaState, sink: Sink, matcher: Matcher, start: number, end: number): void {
    const template = m.checkBytes(L, 3);
    const templateEnd = template + m.lastLength;
    for (let at = template; at < templateEnd; at++) {
      if (m.bytes[at] !== PERCENT) {
        sink.add(m.bytes, at, at + 1);
        continue;
      }
      at++;
      // A template that ends in % copies the zero byte after it, as Lua 5.1 does.
      const char = m.bytes[at]!;
      if (char < 48 || char > 57) sink.add(m.bytes, at, at + 1);
      else if (char === 48) sink.add(m.bytes, start, end);
      else {
        pushCapture(L, matcher, char - 49, start, end);
        addTop(L, sink);
        lua.lua_settop(L, -2);
      }
    }
  }

  const gsub: LuaFunction = (L) => {
    const subject = m.checkBytes(L, 1);
    const subjectLength = m.lastLength;
    const pattern = m.checkBytes(L, 2);
    const length = patternLength(pattern, m.lastLength);
    const kind = lua.lua_type(L, 3);
    const limit = optionalInteger(m, L, 4, subjectLength + 1);
    if (kind !== TYPE_NUMBER && kind !== TYPE_STRING && kind !== TYPE_FUNCTION && kind !== TYPE_TABLE) {
      m.argumentError(L, 3, "string/function/table expected");
    }
    const anchored = length > 0 && m.bytes[pattern] === CARET;
    const matcher = new Matcher(hostOf(L), subject, subjectLength, pattern, length);
    const subjectEnd = subject + subjectLength;
    const sink = new Sink();
    let s = subject;
    let count = 0;
    while (count < limit) {
      const end = matcher.start(s, anchored ? pattern + 1 : pattern);
      if (end !== -1) {
        count++;
        const before = sink.length;
        addReplacement(L, sink, matcher, kind, s, end);
        m.charge(4 + ((sink.length - before) >> 3));
        if (sink.length > m.limits.memoryBytes) m.outOfMemory();
      }
      if (end !== -1 && end > s) s = end;
      else if (s < subjectEnd) sink.add(m.bytes, s, ++s);
      else break;
      if (anchored) break;
    }
    sink.add(m.bytes, s, subjectEnd);
    m.pushBytes(L, sink.bytes, sink.length);
    lua.lua_pushnumber(L, count);
    return 2;
  };

  const sub: LuaFunction = (L) => {
    const at = m.checkBytes(L, 1);
    const length = m.lastLength;
    const start = Math.max(relative(checkInteger(m, L, 2), length), 1);
    const end = Math.min(relative(optionalInteger(m, L, 3, -1), length), length);
    lua.lua_pushlstring(L, at + start - 1, start <= end ? end - start + 1 : 0);
    return 1;
  };

  const byte: LuaFunction = (L) => {
    const at = m.checkBytes(L, 1);
    const length = m.lastLength;
    const start = relative(optionalInteger(m, L, 2, 1), length);
    const end = Math.min(relative(optionalInteger(m, L, 3, start), length), length);
    const first = Math.max(start, 1);
    if (first > end) return 0;
    const count = end - first + 1;
    if (count > MAX_RESULTS || lua.lua_checkstack(L, count) === 0) m.fail(L, "string slice too long");
    for (let i = 0; i < count; i++) lua.lua_pushnumber(L, m.bytes[at + first - 1 + i]!);
    return count;
  };

  const rep: LuaFunction = (L) => {
    const at = m.checkBytes(L, 1);
    const length = m.lastLength;
    // The count is a C int.
    const count = checkInteger(m, L, 2) | 0;
    const total = length * Math.max(count, 0);
    if (total > MAX_STRING_BYTES || total > m.limits.memoryBytes) m.outOfMemory();
    m.charge(total >> 4);
    if (total === 0) {
      m.push(L, "");
      return 1;
    }
    m.pushFilled(L, total, (to) => {
      m.bytes.copyWithin(to, at, at + length);
      for (let filled = length; filled < total; filled *= 2) {
        m.bytes.copyWithin(to + filled, to, to + Math.min(filled, total - filled));
      }
    });
    return 1;
  };

  const format: LuaFunction = (L) => {
    const at = m.checkBytes(L, 1);
    const text = m.read(at, m.lastLength);
    // Only integers differ in a 32-bit build, and only those that do not fit.
    if (/%[-+ #0]*\d*(?:\.\d*)?[diouxX]/.test(text)) widenIntegers(m, L, text);
    return originals.format(L);
  };

  return { find, match, gmatch, gsub, sub, byte, rep, format, gfind: gmatch, "": gmatchNext };
}

function hasSpecials(bytes: Uint8Array, pattern: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (SPECIALS.has(bytes[pattern + i]!)) return true;
  return false;
}

export function typeName(type: number): string {
  return (
    ["no value", "nil", "boolean", "userdata", "number", "string", "table", "function", "userdata", "thread"][
      type + 1
    ] ?? "userdata"
  );
}

const CONVERSION = /%([-+ #0]*)(\d*)(?:\.(\d*))?(.)/gs;

/** Replaces each integer conversion whose argument a 32-bit build would cut by %s and the text it should give. */
function widenIntegers(m: LuaMachine, L: LuaState, format: string): void {
  let argument = 1;
  let changed = false;
  const widened = format.replaceAll(
    CONVERSION,
    (whole, flags: string, width: string, precision: string | undefined, kind: string) => {
      if (kind === "%") return whole;
      argument++;
      // Wrong formats and arguments get their error from the C function.
      if (!"diouxX".includes(kind) || flags.length > 5 || width.length > 2 || (precision?.length ?? 0) > 2)
        return whole;
      if (m.lua.lua_isnumber(L, argument) === 0) return whole;
      const value = toInteger(m.lua.lua_tonumber(L, argument));
      const signed = kind === "d" || kind === "i";
      if (signed ? Math.abs(value) < 2 ** 31 : value >= 0 && value < 2 ** 32) return whole;
      m.push(L, formatInteger(BigInt(value), kind, flags, Number(width || 0), precision));
      m.lua.lua_replace(L, argument);
      changed = true;
      return "%s";
    },
  );
  if (!changed) return;
  m.push(L, widened);
  m.lua.lua_replace(L, 1);
}

/** C's printf for one 64-bit integer. */
function formatInteger(
  value: bigint,
  kind: string,
  flags: string,
  width: number,
  precision: string | undefined,
): string {
  let digits: string;
  let sign = "";
  if (kind === "d" || kind === "i") {
    digits = (value < 0n ? -value : value).toString();
    if (value < 0n) sign = "-";
    else if (flags.includes("+")) sign = "+";
    else if (flags.includes(" ")) sign = " ";
  } else {
    const radix = kind === "o" ? 8 : kind === "u" ? 10 : 16;
    digits = BigInt.asUintN(64, value).toString(radix);
    if (flags.includes("#")) sign = kind === "o" ? "0" : radix === 16 ? "0x" : "";
  }
  if (precision !== undefined) digits = digits.padStart(Number(precision || 0), "0");
  else if (flags.includes("0") && !flags.includes("-")) digits = digits.padStart(width - sign.length, "0");
  const text = kind === "X" ? (sign + digits).toUpperCase() : sign + digits;
  return flags.includes("-") ? text.padEnd(width) : text.padStart(width);
}
