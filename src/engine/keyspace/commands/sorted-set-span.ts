/** Ranges of a sorted set by score ("(1", "inf") and by bytes ("[a", "(b", "-", "+"). */
import type { SortedSetValue } from "../collections/sorted-set-value.ts";
import { readDouble } from "../numbers.ts";
import { ReplyError } from "../reply.ts";

const NOT_A_SCORE_RANGE: ReplyError = new ReplyError("ERR min or max is not a float");
const NOT_A_LEX_RANGE: ReplyError = new ReplyError("ERR min or max not valid string range item");

type Condition = (score: number, member: string) => boolean;

/** A stretch of the order, as two conditions of which each holds for a prefix of it. */
export interface Span {
  /** Holds for the entries before the stretch. */
  readonly before: Condition;
  /** Holds for those and for the entries of the stretch. */
  readonly upToEnd: Condition;
}

/** The ranks of a span: from `from` to before `to`; equal when it is empty. */
export function ranksOf(zset: SortedSetValue, span: Span): { readonly from: number; readonly to: number } {
  const from = zset.countWhile(span.before);
  return { from, to: Math.max(from, zset.countWhile(span.upToEnd)) };
}

/** Throws "min or max is not a float". */
export function scoreSpan(minText: string, maxText: string): Span {
  const min = scoreBound(minText);
  const max = scoreBound(maxText);
  return {
    before: min.exclusive ? (score) => score <= min.score : (score) => score < min.score,
    upToEnd: max.exclusive ? (score) => score < max.score : (score) => score <= max.score,
  };
}

/** Throws "min or max not valid string range item". Of use only where all scores are equal. */
export function lexSpan(minText: string, maxText: string): Span {
  const min = lexBound(minText);
  const max = lexBound(maxText);
  return { before: (_, member) => min(member, false), upToEnd: (_, member) => max(member, true) };
}

/**
 * A bound as `zslParseRange` reads it, which is laxer than a score: leading space, an empty number (0), an end at a NUL
 * byte, and what a double cannot hold are all accepted.
 */
function scoreBound(text: string): { readonly score: number; readonly exclusive: boolean } {
  const exclusive = text.startsWith("(");
  const number = (exclusive ? text.slice(1) : text).split("\0", 1)[0] ?? "";
  const score = number === "" ? 0 : readDouble(number.replace(/^[ \t-\r]+/, ""));
  if (score === undefined) throw NOT_A_SCORE_RANGE;
  return { score, exclusive };
}

/** Whether a member lies before the bound; a member equal to an inclusive bound does when `last` (it ends a span). */
function lexBound(text: string): (member: string, last: boolean) => boolean {
  if (text === "-" || text === "+") return () => text === "+";
  const kind = text.charAt(0);
  const bound = text.slice(1);
  if (kind === "[") return (member, last) => member < bound || (last && member === bound);
  if (kind === "(") return (member, last) => member < bound || (!last && member === bound);
  throw NOT_A_LEX_RANGE;
}
