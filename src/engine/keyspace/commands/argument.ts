/** Integer arguments with bounds, and the errors that Redis answers for them (`getRangeLongFromObjectOrReply`). */
import { INT64_MAX, parseInteger } from "../numbers.ts";
import { NOT_AN_INTEGER, OUT_OF_RANGE, ReplyError, SYNTAX_ERROR } from "../reply.ts";

const INT32_MIN = -(2 ** 31);
const INT32_MAX = 2 ** 31 - 1;
const NOT_AN_INT: ReplyError = new ReplyError(
  `ERR value is out of range, value must between ${INT32_MIN} and ${INT32_MAX}`,
);
const NOT_POSITIVE: ReplyError = new ReplyError("ERR value is out of range, must be positive");
const NOT_NEGATABLE: ReplyError = new ReplyError(
  `ERR value is out of range, value must between -${INT64_MAX} and ${INT64_MAX}`,
);

/**
 * An integer of at least `minimum`. Beyond 2^53 it is the nearest double: these are counts and positions. Throws `wrong`
 * for a smaller one and for what is no integer.
 */
export function atLeastArgument(text: string, minimum: number, wrong: ReplyError): number {
  const value = parseInteger(text);
  if (value === undefined || value < minimum) throw wrong;
  return Number(value);
}

/** A database's number, within a C int, or what Redis answers to another text: `wrong`, if given. */
export function databaseNumber(text: string, wrong?: ReplyError): number | ReplyError {
  const index = parseInteger(text);
  if (index === undefined) return wrong ?? NOT_AN_INTEGER;
  if (index < INT32_MIN || index > INT32_MAX) return wrong ?? NOT_AN_INT;
  return Number(index);
}

/** 0 or more. Throws Redis's "must be positive". */
export function positiveArgument(text: string, wrong: ReplyError = NOT_POSITIVE): number {
  return atLeastArgument(text, 0, wrong);
}

/** Any integer whose negation is one too: all but the least. Throws NOT_AN_INTEGER or the bounds. */
export function negatableArgument(text: string): number {
  const value = parseInteger(text);
  if (value === undefined) throw NOT_AN_INTEGER;
  if (value < -INT64_MAX) throw NOT_NEGATABLE;
  return Number(value);
}

/** The signed count of HRANDFIELD and ZRANDMEMBER and whether `word` follows it, which asks for pairs. */
export function countArguments(
  args: readonly string[],
  word: string,
): { readonly count: number; readonly paired: boolean } {
  const count = negatableArgument(args[2]!);
  const exact = BigInt(parseInteger(args[2]!) ?? 0);
  const paired = args.length > 3;
  if (args.length > 4 || (paired && args[3]!.toLowerCase() !== word)) throw SYNTAX_ERROR;
  if (paired && (exact > INT64_MAX / 2n || exact < -(INT64_MAX / 2n))) throw OUT_OF_RANGE;
  return { count, paired };
}
