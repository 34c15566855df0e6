/** Lists by place and by value: reading, replacing, inserting, removing. */
import type { ListValue } from "../collections/list-value.ts";
import type { Execution } from "../execution.ts";
import { indexArgument, INT64_MIN, integerArgument } from "../numbers.ts";
import { INDEX_OUT_OF_RANGE, NO_SUCH_KEY, OK, ReplyError, SYNTAX_ERROR, type Reply } from "../reply.ts";
import { positiveArgument } from "./argument.ts";
import { rankRange } from "./rank-range.ts";

const RANK_ZERO: ReplyError = new ReplyError(
  "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... " +
    "or use negative to start from the end of the list",
);
const NEGATIVE_COUNT: ReplyError = new ReplyError("ERR COUNT can't be negative");
const NEGATIVE_MAXLEN: ReplyError = new ReplyError("ERR MAXLEN can't be negative");

export function read(context: Execution, args: readonly string[]): ListValue | undefined {
  return context.database.readCollection(args[1]!, "list");
}

export function elementAt(context: Execution, args: readonly string[]): Reply {
  const list = read(context, args);
  if (list === undefined) return null;
  const index = indexArgument(args[2]!);
  const place = index < 0 ? list.size + index : index;
  return place < 0 ? null : (list.at(place) ?? null);
}

export function setElement(context: Execution, args: readonly string[]): Reply {
  const list = context.database.modify(args[1]!, "list");
  if (list === undefined) throw NO_SUCH_KEY;
  const index = indexArgument(args[2]!);
  const place = index < 0 ? list.size + index : index;
  if (place < 0 || place >= list.size) throw INDEX_OUT_OF_RANGE;
  list.replace(place, args[3]!);
  context.database.changed(args[1]!, "lset");
  return OK;
}

export function range(context: Execution, args: readonly string[]): Reply {
  const start = indexArgument(args[2]!);
  const stop = indexArgument(args[3]!);
  const list = read(context, args);
  if (list === undefined) return [];
  const { from, to } = rankRange(start, stop, list.size);
  return list.slice(from, to);
}

export function trim(context: Execution, args: readonly string[]): Reply {
  const start = indexArgument(args[2]!);
  const stop = indexArgument(args[3]!);
  const list = context.database.modify(args[1]!, "list");
  if (list === undefined) return OK;
  const { from, to } = rankRange(start, stop, list.size);
  list.trim(from, to);
  context.database.changed(args[1]!, "ltrim");
  return OK;
}

export function insert(context: Execution, args: readonly string[]): Reply {
  const side = args[2]!.toLowerCase();
  if (side !== "before" && side !== "after") throw SYNTAX_ERROR;
  const list = context.database.modify(args[1]!, "list");
  if (list === undefined) return 0;
  const pivot = matches(list, args[3]!, 1, 1, 0)[0];
  if (pivot === undefined) return -1;
  list.insert(side === "before" ? pivot : pivot + 1, args[4]!);
  context.database.changed(args[1]!, "linsert");
  return list.size;
}

export function remove(context: Execution, args: readonly string[]): Reply {
  const count = indexArgument(args[2]!);
  const list = context.database.modify(args[1]!, "list");
  if (list === undefined) return 0;
  const found = matches(list, args[3]!, count < 0 ? -1 : 1, Math.abs(count), 0);
  if (found.length === 0) return 0;
  list.removeAll(count < 0 ? found.toReversed() : found);
  context.database.changed(args[1]!, "lrem");
  return found.length;
}

export function positions(context: Execution, args: readonly string[]): Reply {
  let rank = 1;
  let count: number | undefined;
  let greatestComparisons = 0;
  for (let at = 3; at < args.length; at += 2) {
    const option = args[at]!.toLowerCase();
    const value = args[at + 1];
    if (value === undefined) throw SYNTAX_ERROR;
    if (option === "rank") {
      const wanted = integerArgument(value);
      if (wanted === 0) throw RANK_ZERO;
      // Redis 7.0 negates it, and the least of all integers stays what it is: below every count of matches.
      rank = wanted === INT64_MIN ? -1 : Number(wanted);
    } else if (option === "count") {
      count = positiveArgument(value, NEGATIVE_COUNT);
    } else if (option === "maxlen") {
      greatestComparisons = positiveArgument(value, NEGATIVE_MAXLEN);
    } else {
      throw SYNTAX_ERROR;
    }
  }
  const list = read(context, args);
  if (list === undefined) return count === undefined ? null : [];
  const found = matches(list, args[2]!, rank, count ?? 1, greatestComparisons);
  return count === undefined ? (found[0] ?? null) : found;
}

/**
 * Where an element is found, in the order of the search: from the first match by `rank` (1: the first from the head, -1 from
 * the tail), at most `count` places and `comparisons` looks, 0 of either meaning no limit.
 */
function matches(
  list: ListValue,
  element: string,
  rank: number,
  count: number,
  comparisons: number,
): number[] {
  const found: number[] = [];
  const looks = comparisons === 0 ? list.size : Math.min(comparisons, list.size);
  let toSkip = Math.abs(rank) - 1;
  for (let look = 0; look < looks; look++) {
    const index = rank > 0 ? look : list.size - 1 - look;
    if (list.at(index) !== element) continue;
    if (toSkip > 0) toSkip -= 1;
    else if (found.push(index) === count) break;
  }
  return found;
}
