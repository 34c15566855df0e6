/** Integer arguments with bounds, and the errors that Redis answers for them (`getRangeLongFromObjectOrReply`). */
import { MAX_MEMBERS } from "../collections/member-table.ts";
import { INT64_MAX, parseInteger } from "../numbers.ts";
import { NOT_AN_INTEGER, ReplyError } from "../reply.ts";

const NOT_POSITIVE: ReplyError = new ReplyError("ERR value is out of range, must be positive");
const NOT_NEGATABLE: ReplyError = new ReplyError(
  `ERR value is out of range, value must between -${INT64_MAX} and ${INT64_MAX}`,
);

const OUT_OF_RANGE: ReplyError = new ReplyError("ERR value is out of range");

/**
 * An integer of at least `minimum`. Beyond 2^53 it is the nearest double: these are counts and positions. Throws `wrong`
 * for a smaller one and for what is no integer.
 */
export function atLeastArgument(text: string, minimum: number, wrong: ReplyError): number {
  const value = parseInteger(text);
  if (value === undefined || value < minimum) throw wrong;
  return Number(value);
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

/**
 * How many random elements are asked for, negative: with repetition. Of these a reply holds at most as many as a
 * collection can; Redis would try to send any number.
 */
export function countArgument(text: string): number {
  const count = negatableArgument(text);
  if (count < -MAX_MEMBERS || count > Number(INT64_MAX) / 2) throw OUT_OF_RANGE;
  return count;
}
