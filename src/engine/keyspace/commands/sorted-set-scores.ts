/** Sorted sets by member: setting, adding to and reading scores, ranks, removal, random members, scanning. */
import { SortedSetValue } from "../collections/sorted-set-value.ts";
import type { Execution } from "../execution.ts";
import { doubleArgument, formatDouble } from "../numbers.ts";
import { DoubleReply, ReplyError, SYNTAX_ERROR, type Reply } from "../reply.ts";
import { countArguments } from "./argument.ts";
import { scanCollection } from "./collection-scan.ts";
import { randomPosition, randomPositions } from "./random-positions.ts";
import { entriesReply } from "./sorted-set-range.ts";
import { openToAdd, type Opened } from "./storing.ts";

const NX_WITH_XX: ReplyError = new ReplyError("ERR XX and NX options at the same time are not compatible");
const GT_LT_NX: ReplyError = new ReplyError(
  "ERR GT, LT, and/or NX options at the same time are not compatible",
);
const ONE_INCREMENT: ReplyError = new ReplyError("ERR INCR option supports a single increment-element pair");
const NOT_A_NUMBER: ReplyError = new ReplyError("ERR resulting score is not a number (NaN)");

type AddOption = "nx" | "xx" | "gt" | "lt" | "ch" | "incr";
const ADD_OPTIONS: ReadonlySet<string> = new Set<AddOption>(["nx", "xx", "gt", "lt", "ch", "incr"]);
const INCREMENT_ONLY: ReadonlySet<string> = new Set<AddOption>(["incr"]);

export function read(context: Execution, args: readonly string[]): SortedSetValue | undefined {
  return context.database.readCollection(args[1]!, "zset");
}

function open(context: Execution, key: string, additions: number): Opened<"zset"> {
  return openToAdd(context.database, key, "zset", additions, () => new SortedSetValue());
}

/** The options before the pairs, and where the pairs start. */
function addOptions(
  args: readonly string[],
  preset: ReadonlySet<string>,
): { readonly options: ReadonlySet<string>; readonly start: number } {
  let start = 2;
  let options = preset;
  for (; start < args.length; start++) {
    const word = args[start]!.toLowerCase();
    if (!ADD_OPTIONS.has(word)) break;
    options = new Set(options).add(word);
  }
  return { options, start };
}

function checkOptions(options: ReadonlySet<string>, pairs: number): void {
  const nx = options.has("nx");
  const gt = options.has("gt");
  const lt = options.has("lt");
  if (nx && options.has("xx")) throw NX_WITH_XX;
  if ((gt && nx) || (lt && nx) || (gt && lt)) throw GT_LT_NX;
  if (options.has("incr") && pairs > 1) throw ONE_INCREMENT;
}

/** The score that the member gets, or undefined when an option leaves it as it is. Throws when the sum is not a number. */
function newScore(
  current: number | undefined,
  given: number,
  options: ReadonlySet<string>,
): number | undefined {
  if (current === undefined) return options.has("xx") ? undefined : given;
  if (options.has("nx")) return undefined;
  const score = options.has("incr") ? current + given : given;
  if (Number.isNaN(score)) throw NOT_A_NUMBER;
  if (options.has("lt") && score >= current) return undefined;
  if (options.has("gt") && score <= current) return undefined;
  return score;
}

function addPairs(context: Execution, args: readonly string[], preset: ReadonlySet<string>): Reply {
  const { options, start } = addOptions(args, preset);
  const pairs = (args.length - start) / 2;
  if (pairs === 0 || !Number.isInteger(pairs)) throw SYNTAX_ERROR;
  if (options.size > 0) checkOptions(options, pairs);
  const scores: number[] = [];
  for (let at = start; at < args.length; at += 2) scores.push(doubleArgument(args[at]!));
  const { collection: zset, store } = open(context, args[1]!, pairs);
  let added = 0;
  let updated = 0;
  let last: number | undefined;
  for (let pair = 0; pair < pairs; pair++) {
    const member = args[start + 2 * pair + 1]!;
    const current = zset.scoreOf(member);
    last = newScore(current, scores[pair]!, options);
    // Equal scores change nothing, -0 for 0 included.
    if (last === undefined || last === current) continue;
    zset.set(member, last);
    if (current === undefined) added += 1;
    else updated += 1;
  }
  if (added + updated > 0) store(options.has("incr") ? "zincr" : "zadd");
  if (options.has("incr")) return last === undefined ? null : new DoubleReply(last);
  return options.has("ch") ? added + updated : added;
}

const NO_OPTIONS: ReadonlySet<string> = new Set();

export function add(context: Execution, args: readonly string[]): Reply {
  return addPairs(context, args, NO_OPTIONS);
}

export function increment(context: Execution, args: readonly string[]): Reply {
  return addPairs(context, args, INCREMENT_ONLY);
}

export function remove(context: Execution, args: readonly string[]): Reply {
  const zset = context.database.modify(args[1]!, "zset");
  let removed = 0;
  for (let at = 2; at < args.length; at++) if (zset?.delete(args[at]!) === true) removed += 1;
  if (removed > 0) context.database.changed(args[1]!, "zrem");
  return removed;
}

function scoreReply(score: number | undefined): Reply {
  return score === undefined ? null : new DoubleReply(score);
}

export function score(context: Execution, args: readonly string[]): Reply {
  return scoreReply(read(context, args)?.scoreOf(args[2]!));
}

export function scores(context: Execution, args: readonly string[]): Reply {
  const zset = read(context, args);
  return args.slice(2).map((member) => scoreReply(zset?.scoreOf(member)));
}

export function rank(context: Execution, args: readonly string[]): Reply {
  return read(context, args)?.rankOf(args[2]!) ?? null;
}

export function reverseRank(context: Execution, args: readonly string[]): Reply {
  const zset = read(context, args);
  const fromLowest = zset?.rankOf(args[2]!);
  return zset === undefined || fromLowest === undefined ? null : zset.size - 1 - fromLowest;
}

export function randomMembers(context: Execution, args: readonly string[]): Reply {
  if (args.length === 2) {
    const zset = read(context, args);
    return zset === undefined ? null : zset.members[randomPosition(zset.size, context)]!;
  }
  const { count, paired: withScores } = countArguments(args, "withscores");
  const zset = read(context, args);
  if (zset === undefined) return [];
  const chosen = randomPositions(zset.size, count, context).map((position) => {
    const member = zset.members[position]!;
    return { member, score: zset.scoreOf(member)! };
  });
  return entriesReply(chosen, withScores);
}

/** ZSCAN's own form: a small sorted set shows whole scores as the integers that Redis stores there, 1e17 with all its digits. */
function scannedScore(score: number, small: boolean): string {
  const stored = small && Number.isInteger(score) && Math.abs(score) <= 2 ** 62;
  return stored ? String(BigInt(score)) : formatDouble(score);
}

export function scan(context: Execution, args: readonly string[]): Reply {
  let zset: SortedSetValue | undefined;
  return scanCollection(
    args,
    () => {
      zset = read(context, args);
      return zset && { size: zset.size, members: zset.members, small: zset.encoding() === "listpack" };
    },
    (reply, position) => {
      const member = zset!.members[position]!;
      reply.push(member, scannedScore(zset!.scoreOf(member)!, zset!.encoding() === "listpack"));
    },
  );
}
