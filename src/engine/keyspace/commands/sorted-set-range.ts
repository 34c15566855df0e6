/** ZRANGE and its family: by rank, score or bytes, in both directions, read, stored or removed. */
import { SortedSetValue, type ScoredMember } from "../collections/sorted-set-value.ts";
import type { Execution } from "../execution.ts";
import { indexArgument } from "../numbers.ts";
import { DoubleReply, PairsReply, ReplyError, SYNTAX_ERROR, type Reply } from "../reply.ts";
import { rankRange } from "./rank-range.ts";
import { lexSpan, ranksOf, scoreSpan, type Span } from "./sorted-set-span.ts";
import { storeResult } from "./storing.ts";

const LIMIT_BY_RANK: ReplyError = new ReplyError(
  "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
);
const SCORES_BY_LEX: ReplyError = new ReplyError(
  "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
);

type Order = "rank" | "score" | "lex";
type Ranks = (zset: SortedSetValue) => { readonly from: number; readonly to: number };

interface Options {
  order: Order;
  reverse: boolean;
  withScores: boolean;
  offset: number;
  /** Negative: no limit. */
  limit: number;
}

/** What a command's name already says; what it leaves open is asked for by options. */
interface Preset {
  readonly order?: Order;
  readonly reverse?: boolean;
  readonly store?: boolean;
}

function readOptions(args: readonly string[], start: number, preset: Preset): Options {
  const { order = "rank", reverse = false } = preset;
  const options: Options = { order, reverse, withScores: false, offset: 0, limit: -1 };
  // As in Redis: once, and not where the command's name says it already.
  const mayOrder = (): boolean => preset.order === undefined && options.order === "rank";
  for (let at = start; at < args.length; at++) {
    const word = args[at]!.toLowerCase();
    if (word === "withscores" && preset.store !== true) options.withScores = true;
    else if (word === "limit" && at + 2 < args.length) {
      options.offset = indexArgument(args[++at]!);
      options.limit = indexArgument(args[++at]!);
    } else if (word === "rev" && preset.reverse === undefined && !options.reverse) options.reverse = true;
    else if (word === "bylex" && mayOrder()) options.order = "lex";
    else if (word === "byscore" && mayOrder()) options.order = "score";
    else throw SYNTAX_ERROR;
  }
  if (options.order === "rank") {
    if (options.limit !== -1) throw LIMIT_BY_RANK;
    // Redis lets "LIMIT offset -1" pass here, and ignores it.
    options.offset = 0;
  }
  if (options.withScores && options.order === "lex") throw SCORES_BY_LEX;
  return options;
}

/** The selection that the two ends describe; with `swapped` the greater comes first (by score and bytes only). */
function ranksArgument(order: Order, first: string, second: string, swapped: boolean): Ranks {
  if (order === "rank") {
    const start = indexArgument(first);
    const stop = indexArgument(second);
    return (zset) => rankRange(start, stop, zset.size);
  }
  const [min, max] = swapped ? [second, first] : [first, second];
  const span: Span = order === "score" ? scoreSpan(min, max) : lexSpan(min, max);
  return (zset) => ranksOf(zset, span);
}

function select(zset: SortedSetValue, ranks: Ranks, options: Options): ScoredMember[] {
  const { order, reverse, offset, limit } = options;
  if (offset < 0) return [];
  const { from, to } = ranks(zset);
  const available = to - from - offset;
  const count = limit < 0 ? available : Math.min(limit, available);
  if (!reverse) return zset.range(from + offset, count, false);
  // Ranks count from the greatest when a range by rank is reversed; a span stays where it is and is walked backwards.
  const last = order === "rank" ? zset.size - 1 - from : to - 1;
  return zset.range(last - offset, count, true);
}

export function entriesReply(entries: readonly ScoredMember[], withScores: boolean): Reply {
  if (!withScores) return entries.map((entry) => entry.member);
  const items: Reply[] = [];
  for (const { member, score } of entries) items.push(member, new DoubleReply(score));
  return new PairsReply(items);
}

export function range(preset: Preset) {
  return (context: Execution, args: readonly string[]): Reply => {
    const options = readOptions(args, 4, preset);
    const ranks = ranksArgument(options.order, args[2]!, args[3]!, options.reverse);
    const zset = context.database.readCollection(args[1]!, "zset");
    return zset === undefined ? [] : entriesReply(select(zset, ranks, options), options.withScores);
  };
}

export function rangeAndStore(context: Execution, args: readonly string[]): Reply {
  const options = readOptions(args, 5, { store: true });
  const ranks = ranksArgument(options.order, args[3]!, args[4]!, options.reverse);
  const zset = context.database.readCollection(args[2]!, "zset");
  const result = new SortedSetValue();
  if (zset !== undefined)
    for (const { member, score } of select(zset, ranks, options)) result.set(member, score);
  return storeResult(context.database, args[1]!, result, "zrangestore");
}

export function count(order: Order) {
  return (context: Execution, args: readonly string[]): Reply => {
    const ranks = ranksArgument(order, args[2]!, args[3]!, false);
    const zset = context.database.readCollection(args[1]!, "zset");
    if (zset === undefined) return 0;
    const { from, to } = ranks(zset);
    return to - from;
  };
}

export function removeRange(order: Order, event: string) {
  return (context: Execution, args: readonly string[]): Reply => {
    const ranks = ranksArgument(order, args[2]!, args[3]!, false);
    const zset = context.database.modify(args[1]!, "zset");
    if (zset === undefined) return 0;
    const { from, to } = ranks(zset);
    for (const { member } of zset.range(from, to - from, false)) zset.delete(member);
    if (to > from) context.database.changed(args[1]!, event);
    return to - from;
  };
}
