/** Union, intersection and difference of sorted sets, in which a set counts as one whose scores are all 1. */
import { MAX_MEMBERS, TOO_MANY_MEMBERS } from "../collections/member-table.ts";
import { precedes } from "../collections/score-tree.ts";
import { SortedSetValue } from "../collections/sorted-set-value.ts";
import type { Execution } from "../execution.ts";
import { indexArgument, parseDouble } from "../numbers.ts";
import { ReplyError, SYNTAX_ERROR, WRONG_TYPE, type Reply } from "../reply.ts";
import { positiveArgument } from "./argument.ts";
import { NEGATIVE_LIMIT } from "./set-algebra.ts";
import { entriesReply } from "./sorted-set-range.ts";
import { orderedAfter, storeResult } from "./storing.ts";

const NOT_A_WEIGHT: ReplyError = new ReplyError("ERR weight value is not a float");

export type Operation = "union" | "intersection" | "difference";
type Aggregate = (sum: number, score: number) => number;

const AGGREGATES: ReadonlyMap<string, Aggregate> = new Map([
  // Infinity minus infinity is agreed to be 0.
  ["sum", (sum: number, score: number) => (Number.isNaN(sum + score) ? 0 : sum + score)],
  ["min", (sum: number, score: number) => (score < sum ? score : sum)],
  ["max", (sum: number, score: number) => (score > sum ? score : sum)],
]);

interface Source {
  readonly size: number;
  readonly members: readonly string[];
  readonly scoreOf: (member: string) => number | undefined;
  weight: number;
}

interface Request {
  readonly sources: Source[];
  aggregate: Aggregate;
  withScores: boolean;
  /** 0: none. */
  limit: number;
}

const EMPTY: Omit<Source, "weight"> = { size: 0, members: [], scoreOf: () => undefined };

function sourceAt(context: Execution, key: string): Source {
  const value = context.database.read(key);
  if (value === undefined) return { ...EMPTY, weight: 1 };
  if (value instanceof SortedSetValue) {
    return { size: value.size, members: value.members, scoreOf: (m) => value.scoreOf(m), weight: 1 };
  }
  if (typeof value === "string" || value.type !== "set") throw WRONG_TYPE;
  const set = context.database.readCollection(key, "set")!;
  return { size: set.size, members: set.members, scoreOf: (m) => (set.has(m) ? 1 : undefined), weight: 1 };
}

/** Reads "numkeys key… options" from `start` on; which options there are depends on the command. */
function readRequest(
  context: Execution,
  args: readonly string[],
  start: number,
  name: string,
  allowed: { readonly weights?: boolean; readonly scores?: boolean; readonly limit?: boolean },
): Request {
  const numkeys = indexArgument(args[start]!);
  if (numkeys < 1) throw new ReplyError(`ERR at least 1 input key is needed for '${name}' command`);
  if (numkeys > args.length - start - 1) throw SYNTAX_ERROR;
  const keys = args.slice(start + 1, start + 1 + numkeys);
  const sources = keys.map((key) => sourceAt(context, key));
  const request: Request = { sources, aggregate: AGGREGATES.get("sum")!, withScores: false, limit: 0 };
  for (let at = start + 1 + numkeys; at < args.length; at++) {
    const option = args[at]!.toLowerCase();
    const left = args.length - at - 1;
    if (option === "weights" && allowed.weights === true && left >= numkeys) {
      for (const source of sources) source.weight = weightArgument(args[++at]!);
    } else if (option === "aggregate" && allowed.weights === true && left >= 1) {
      const aggregate = AGGREGATES.get(args[++at]!.toLowerCase());
      if (aggregate === undefined) throw SYNTAX_ERROR;
      request.aggregate = aggregate;
    } else if (option === "withscores" && allowed.scores === true) {
      request.withScores = true;
    } else if (option === "limit" && allowed.limit === true && left >= 1) {
      request.limit = positiveArgument(args[++at]!, NEGATIVE_LIMIT);
    } else {
      throw SYNTAX_ERROR;
    }
  }
  return request;
}

function weightArgument(text: string): number {
  const weight = parseDouble(text);
  if (weight === undefined) throw NOT_A_WEIGHT;
  return weight;
}

function compute(operation: Operation, { sources, aggregate }: Request): Map<string, number> {
  if (operation === "difference") return subtract(sources);
  // Sums of doubles depend on their order; Redis's is from the smallest source to the largest.
  const ascending = sources.toSorted((a, b) => a.size - b.size);
  return operation === "union" ? unite(ascending, aggregate) : intersect(ascending, aggregate);
}

function weighted(source: Source, score: number): number {
  const product = source.weight * score;
  return Number.isNaN(product) ? 0 : product;
}

function unite(sources: readonly Source[], aggregate: Aggregate): Map<string, number> {
  const result = new Map<string, number>();
  for (const source of sources) {
    for (const member of source.members) {
      const score = weighted(source, source.scoreOf(member)!);
      const sum = result.get(member);
      result.set(member, sum === undefined ? score : aggregate(sum, score));
      if (result.size > MAX_MEMBERS) throw TOO_MANY_MEMBERS;
    }
  }
  return result;
}

function intersect([smallest, ...others]: readonly Source[], aggregate: Aggregate): Map<string, number> {
  const result = new Map<string, number>();
  if (smallest === undefined) return result;
  members: for (const member of smallest.members) {
    let sum = weighted(smallest, smallest.scoreOf(member)!);
    for (const other of others) {
      const score = other.scoreOf(member);
      if (score === undefined) continue members;
      sum = aggregate(sum, score * other.weight);
    }
    result.set(member, sum);
  }
  return result;
}

function subtract([first, ...others]: readonly Source[]): Map<string, number> {
  const result = new Map<string, number>();
  for (const member of first?.members ?? []) {
    if (others.some((other) => other.scoreOf(member) !== undefined)) continue;
    result.set(member, first!.scoreOf(member)!);
  }
  return result;
}

export function combine(operation: Operation, name: string) {
  const weights = operation !== "difference";
  return (context: Execution, args: readonly string[]): Reply => {
    const request = readRequest(context, args, 1, name, { weights, scores: true });
    const entries = Array.from(compute(operation, request), ([member, score]) => ({ member, score }));
    entries.sort((a, b) => (precedes(a.score, a.member, b.score, b.member) ? -1 : 1));
    return entriesReply(entries, request.withScores);
  };
}

export function combineAndStore(operation: Operation, name: string) {
  const weights = operation !== "difference";
  return (context: Execution, args: readonly string[]): Reply => {
    const request = readRequest(context, args, 2, name, { weights });
    const scores = compute(operation, request);
    const present = context.database.peek(args[1]!);
    const members = orderedAfter(present, [...scores.keys()], (member) => scores.has(member));
    const result = SortedSetValue.fromScores(new Map(members.map((member) => [member, scores.get(member)!])));
    return storeResult(context.database, args[1]!, result, name);
  };
}

export function countIntersection(context: Execution, args: readonly string[]): Reply {
  const { sources, limit } = readRequest(context, args, 1, "zintercard", { limit: true });
  const [smallest, ...others] = sources.toSorted((a, b) => a.size - b.size);
  let count = 0;
  for (const member of smallest?.members ?? []) {
    if (others.every((other) => other.scoreOf(member) !== undefined)) count += 1;
    if (count === limit && limit > 0) break;
  }
  return count;
}
