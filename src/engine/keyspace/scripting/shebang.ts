/** The first line of a script or library: "#!lua flags=no-writes" and "#!lua name=mylib". Error wording is Redis 7.0's. */
import { ReplyError } from "../reply.ts";
import { SCRIPT_FLAGS } from "./lua-engine.ts";
import type { ScriptFlag } from "./lua-engine.ts";

export interface ScriptHeader {
  /** Undefined without a shebang line: then a script may do what scripts before Redis 7.0 could. */
  readonly flags: readonly ScriptFlag[] | undefined;
  readonly sourceStart: number;
}

/** Throws ReplyError. */
export function readScriptHeader(body: string): ScriptHeader {
  if (!body.startsWith("#!")) return { flags: undefined, sourceStart: 0 };
  const end = body.indexOf("\n");
  if (end === -1) throw new ReplyError("ERR Invalid script shebang");
  const [engine = "", ...options] = wordsOf(body.slice(0, end));
  if (engine !== "#!lua") throw new ReplyError(`ERR Unexpected engine in script shebang: ${engine}`);
  const flags: ScriptFlag[] = [];
  for (const option of options) {
    if (!option.startsWith("flags=")) throw new ReplyError(`ERR Unknown lua shebang option: ${option}`);
    for (const word of option.slice("flags=".length).split(",")) {
      if (word === "") continue;
      const flag = SCRIPT_FLAGS.find((name) => name === word);
      if (flag === undefined) throw new ReplyError(`ERR Unexpected flag in script shebang: ${word}`);
      flags.push(flag);
    }
  }
  return { flags, sourceStart: end };
}

export interface LibraryHeader {
  readonly name: string;
  readonly sourceStart: number;
}

const NAME = /^[A-Za-z0-9_]+$/;
export const NAME_ERROR =
  "ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character long";

/** Throws ReplyError. */
export function readLibraryHeader(body: string): LibraryHeader {
  if (!body.startsWith("#!")) throw new ReplyError("ERR Missing library metadata");
  const end = body.indexOf("\n");
  if (end === -1) throw new ReplyError("ERR Invalid library metadata");
  const line = body.slice(2, end);
  const words = wordsOf(line).map(unquoted);
  // As in Redis, the engine stands right behind the mark: a space there is the empty name.
  const [engine = "", ...options] = /^[ \t\r]/.test(line) ? ["", ...words] : words;
  let name: string | undefined;
  for (const option of options) {
    if (!option.toLowerCase().startsWith("name=")) {
      throw new ReplyError(`ERR Invalid metadata value given: ${option}`);
    }
    if (name !== undefined) {
      throw new ReplyError("ERR Invalid metadata value, name argument was given multiple times");
    }
    name = option.slice("name=".length);
  }
  if (name === undefined) throw new ReplyError("ERR Library name was not given");
  if (!NAME.test(name)) throw new ReplyError(NAME_ERROR);
  if (engine.toLowerCase() !== "lua") throw new ReplyError(`ERR Engine '${engine}' not found`);
  return { name, sourceStart: end };
}

function wordsOf(line: string): readonly string[] {
  return line.split(/[ \t\r]+/).filter((word) => word !== "");
}

/** `name="foo"` is name=foo. */
function unquoted(word: string): string {
  return word.replace(/^([^"']*)(["'])(.*)\2$/, "$1$3");
}
