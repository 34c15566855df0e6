/** HSCAN, SSCAN and ZSCAN: one walk for three types; `collections/member-table.ts` says why it misses nothing. */
import { scanStep } from "../collections/member-table.ts";
import { matchesGlob } from "../glob.ts";
import { indexArgument } from "../numbers.ts";
import { ReplyError, SYNTAX_ERROR, type Reply } from "../reply.ts";

const INVALID_CURSOR: ReplyError = new ReplyError("ERR invalid cursor");
const CURSOR_FORM = /^(?:[+-]?\d{1,40})?$/;
const UINT64_MAX = 0xffff_ffff_ffff_ffffn;
const DEFAULT_COUNT = 10;

interface Scanned {
  readonly size: number;
  /** Position to member or field. */
  readonly members: readonly string[];
  /** True when Redis would answer the whole of it in one step, as clients of small collections count on. */
  readonly small: boolean;
}

/** An unsigned 64-bit number as strtoul reads it: an empty text is 0, a negative one wraps. Throws "invalid cursor". */
export function cursorArgument(text: string): bigint {
  if (!CURSOR_FORM.test(text)) throw INVALID_CURSOR;
  const value = BigInt(text.startsWith("+") ? text.slice(1) : text);
  if (value > UINT64_MAX || value < -UINT64_MAX) throw INVALID_CURSOR;
  return BigInt.asUintN(64, value);
}

/** `append` adds the elements that the reply shows for a position. */
export function scanCollection(
  args: readonly string[],
  find: (key: string) => Scanned | undefined,
  append: (reply: Reply[], position: number) => void,
): Reply {
  const cursor = cursorArgument(args[2]!);
  const collection = find(args[1]!);
  // An absent key answers before the options are looked at, as in Redis.
  if (collection === undefined) return ["0", []];
  const { pattern, count } = scanOptions(args);
  const { members, size, small } = collection;
  const { from, to } = small ? { from: 0, to: size } : scanStep(size, cursor, count);
  const found: Reply[] = [];
  for (let position = from; position < to; position++) {
    if (pattern === undefined || matchesGlob(pattern, members[position]!)) append(found, position);
  }
  return [String(from), found];
}

function scanOptions(args: readonly string[]): { pattern: string | undefined; count: number } {
  let pattern: string | undefined;
  let count = DEFAULT_COUNT;
  for (let at = 3; at < args.length; at += 2) {
    const option = args[at]!.toLowerCase();
    const value = args[at + 1];
    if (value === undefined) throw SYNTAX_ERROR;
    if (option === "count") {
      count = indexArgument(value);
      if (count < 1) throw SYNTAX_ERROR;
    } else if (option === "match") {
      pattern = value === "*" ? undefined : value;
    } else {
      throw SYNTAX_ERROR;
    }
  }
  return { pattern, count };
}
