/** Reads JSON from linear memory onto the Lua stack, with lua-cjson's leniencies (inf, nan, hexadecimal) and its errors. */
import type { LuaState } from "./lua-exports.ts";
import type { LuaMachine } from "./lua-machine.ts";

type Token =
  | { readonly kind: "T_STRING"; readonly text: string; readonly index: number }
  | { readonly kind: "T_NUMBER"; readonly value: number; readonly index: number }
  | { readonly kind: "T_BOOLEAN"; readonly value: boolean; readonly index: number }
  | { readonly kind: "T_ERROR"; readonly message: string; readonly index: number }
  | {
      readonly kind:
        | "T_NULL"
        | "T_OBJ_BEGIN"
        | "T_OBJ_END"
        | "T_ARR_BEGIN"
        | "T_ARR_END"
        | "T_COLON"
        | "T_COMMA"
        | "T_END";
      readonly index: number;
    };

const PUNCTUATION = {
  "{": "T_OBJ_BEGIN",
  "}": "T_OBJ_END",
  "[": "T_ARR_BEGIN",
  "]": "T_ARR_END",
  ":": "T_COLON",
  ",": "T_COMMA",
  "\0": "T_END",
} as const;

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  t: "\t",
  n: "\n",
  f: "\f",
  r: "\r",
};

/** What strtod takes from the start of a text; sticky. */
const NUMBER =
  /[+-]?(?:0[xX](?:[\da-fA-F]+\.?[\da-fA-F]*|\.[\da-fA-F]+)(?:[pP][+-]?\d+)?|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|inf(?:inity)?|nan)/iy;
/** A number that is none in JSON: a plus, a leading zero, hexadecimal, inf, nan. */
const INVALID_NUMBER = /\+|-?(?:0[xX\d]|inf|nan)/iy;
const PLAIN = /[^"\\\0]*/y;
const CHARGE_SHIFT = 3;

export class JsonReader {
  private readonly m: LuaMachine;
  private readonly L: LuaState;
  private readonly text: string;
  private readonly maxDepth: number;
  private readonly lenient: boolean;
  private at = 0;
  private depth = 0;

  constructor(m: LuaMachine, L: LuaState, at: number, length: number, maxDepth: number, lenient: boolean) {
    this.m = m;
    this.L = L;
    this.text = m.read(at, length);
    this.maxDepth = maxDepth;
    this.lenient = lenient;
    m.charge(length >> CHARGE_SHIFT);
  }

  /** Leaves the document's value on the stack. */
  readDocument(): void {
    if (this.text.length >= 2 && (this.text[0] === "\0" || this.text[1] === "\0")) {
      this.m.fail(this.L, "JSON parser does not support UTF-16 or UTF-32");
    }
    this.readValue(this.next());
    const end = this.next();
    if (end.kind !== "T_END") this.refuse("the end", end);
  }

  private refuse(expected: string, found: Token): never {
    const what = found.kind === "T_ERROR" ? found.message : found.kind;
    return this.m.fail(this.L, `Expected ${expected} but found ${what} at character ${found.index + 1}`);
  }

  private readValue(token: Token): void {
    const { m, L } = this;
    const { lua } = m;
    m.charge(2);
    switch (token.kind) {
      case "T_STRING":
        m.push(L, token.text);
        break;
      case "T_NUMBER":
        lua.lua_pushnumber(L, token.value);
        break;
      case "T_BOOLEAN":
        lua.lua_pushboolean(L, token.value ? 1 : 0);
        break;
      case "T_NULL":
        lua.lua_pushlightuserdata(L, 0);
        break;
      case "T_OBJ_BEGIN":
        this.readObject(token);
        break;
      case "T_ARR_BEGIN":
        this.readArray(token);
        break;
      case "T_ERROR":
      case "T_OBJ_END":
      case "T_ARR_END":
      case "T_COLON":
      case "T_COMMA":
      case "T_END":
        this.refuse("value", token);
    }
  }

  /** `token` opens an array or object. */
  private descend(token: Token): void {
    this.depth++;
    if (this.depth <= this.maxDepth && this.m.lua.lua_checkstack(this.L, 3) !== 0) return;
    this.m.fail(
      this.L,
      `Found too many nested data structures (${this.depth}) at character ${token.index + 1}`,
    );
  }

  private readObject(open: Token): void {
    const { m, L } = this;
    this.descend(open);
    m.lua.lua_createtable(L, 0, 0);
    let token = this.next();
    if (token.kind === "T_OBJ_END") {
      this.depth--;
      return;
    }
    for (;;) {
      if (token.kind !== "T_STRING") this.refuse("object key string", token);
      m.push(L, token.text);
      token = this.next();
      if (token.kind !== "T_COLON") this.refuse("colon", token);
      this.readValue(this.next());
      m.lua.lua_rawset(L, -3);
      token = this.next();
      if (token.kind === "T_OBJ_END") {
        this.depth--;
        return;
      }
      if (token.kind !== "T_COMMA") this.refuse("comma or object end", token);
      token = this.next();
    }
  }

  private readArray(open: Token): void {
    const { m, L } = this;
    this.descend(open);
    m.lua.lua_createtable(L, 0, 0);
    let token = this.next();
    if (token.kind === "T_ARR_END") {
      this.depth--;
      return;
    }
    for (let position = 1; ; position++) {
      this.readValue(token);
      m.lua.lua_rawseti(L, -2, position);
      token = this.next();
      if (token.kind === "T_ARR_END") {
        this.depth--;
        return;
      }
      if (token.kind !== "T_COMMA") this.refuse("comma or array end", token);
      token = this.next();
    }
  }

  private next(): Token {
    const { text } = this;
    while (this.at < text.length && " \t\n\r".includes(text[this.at]!)) this.at++;
    const index = this.at;
    const char = index < text.length ? text[index]! : "\0";
    const mark = PUNCTUATION[char as keyof typeof PUNCTUATION];
    if (mark !== undefined) {
      if (mark !== "T_END") this.at++;
      // A zero byte before the end is no end.
      else if (index < text.length) return { kind: "T_ERROR", message: "invalid token", index };
      return { kind: mark, index };
    }
    if (char === '"') return this.readString(index);
    if (char === "-" || (char >= "0" && char <= "9")) {
      if (!this.lenient && this.isInvalidNumber())
        return { kind: "T_ERROR", message: "invalid number", index };
      return this.readNumber(index);
    }
    if (text.startsWith("true", index)) return this.word(4, { kind: "T_BOOLEAN", value: true, index });
    if (text.startsWith("false", index)) return this.word(5, { kind: "T_BOOLEAN", value: false, index });
    if (text.startsWith("null", index)) return this.word(4, { kind: "T_NULL", index });
    if (this.lenient && this.isInvalidNumber()) return this.readNumber(index);
    return { kind: "T_ERROR", message: "invalid token", index };
  }

  private word(length: number, token: Token): Token {
    this.at += length;
    return token;
  }

  private isInvalidNumber(): boolean {
    INVALID_NUMBER.lastIndex = this.at;
    return INVALID_NUMBER.test(this.text);
  }

  private readNumber(index: number): Token {
    NUMBER.lastIndex = index;
    const match = NUMBER.exec(this.text);
    if (match === null) return { kind: "T_ERROR", message: "invalid number", index };
    this.at += match[0].length;
    return { kind: "T_NUMBER", value: parseNumber(match[0].toLowerCase()), index };
  }

  private readString(index: number): Token {
    const { text } = this;
    let value = "";
    this.at = index + 1;
    for (;;) {
      PLAIN.lastIndex = this.at;
      const plain = PLAIN.exec(text)![0];
      value += plain;
      this.at += plain.length;
      const char = text[this.at];
      if (char === '"') {
        this.at++;
        return { kind: "T_STRING", text: value, index };
      }
      if (char === undefined) return { kind: "T_ERROR", message: "unexpected end of string", index: this.at };
      if (char === "\0") {
        value += char;
        this.at++;
        continue;
      }
      const escape = text[this.at + 1] ?? "";
      if (escape === "u") {
        const decoded = this.readUnicode();
        if (decoded === undefined) {
          return { kind: "T_ERROR", message: "invalid unicode escape code", index: this.at };
        }
        value += decoded;
        continue;
      }
      const replaced = ESCAPES[escape];
      if (replaced === undefined) return { kind: "T_ERROR", message: "invalid escape code", index: this.at };
      value += replaced;
      this.at += 2;
    }
  }

  /** A \uXXXX escape (two for a surrogate pair) at the current place, as UTF-8 bytes. */
  private readUnicode(): string | undefined {
    let code = this.hexAt(this.at + 2);
    if (code === undefined) return undefined;
    let length = 6;
    if ((code & 0xf800) === 0xd800) {
      // A high surrogate must be followed by a low one.
      if ((code & 0x400) !== 0 || !this.text.startsWith("\\u", this.at + 6)) return undefined;
      const low = this.hexAt(this.at + 8);
      if (low === undefined || (low & 0xfc00) !== 0xdc00) return undefined;
      code = 0x1_0000 + ((code & 0x3ff) << 10) + (low & 0x3ff);
      length = 12;
    }
    this.at += length;
    return utf8(code);
  }

  private hexAt(at: number): number | undefined {
    const digits = this.text.slice(at, at + 4);
    return /^[\da-fA-F]{4}$/.test(digits) ? Number.parseInt(digits, 16) : undefined;
  }
}

function utf8(code: number): string {
  if (code < 0x80) return String.fromCharCode(code);
  if (code < 0x800) return String.fromCharCode(0xc0 | (code >> 6), 0x80 | (code & 0x3f));
  if (code < 0x1_0000) {
    return String.fromCharCode(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f));
  }
  return String.fromCharCode(
    0xf0 | (code >> 18),
    0x80 | ((code >> 12) & 0x3f),
    0x80 | ((code >> 6) & 0x3f),
    0x80 | (code & 0x3f),
  );
}

/** A matched, lower-case number. */
function parseNumber(text: string): number {
  const negative = text.startsWith("-");
  const body = text.replace(/^[+-]/, "");
  let value: number;
  if (body.startsWith("inf")) value = Infinity;
  else if (body === "nan") value = NaN;
  else if (body.startsWith("0x")) value = parseHexadecimal(body.slice(2));
  else value = Number(body);
  return negative ? -value : value;
}

function parseHexadecimal(text: string): number {
  const [mantissa = "", exponent = "0"] = text.split("p");
  const [whole = "", fraction = ""] = mantissa.split(".");
  let value = 0;
  for (const digit of whole + fraction) value = value * 16 + Number.parseInt(digit, 16);
  return value * 2 ** (Number(exponent) - 4 * fraction.length);
}
