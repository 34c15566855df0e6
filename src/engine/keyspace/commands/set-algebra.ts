/** Intersection, union and difference of sets; an absent key is an empty set. */
import { SetValue } from "../collections/set-value.ts";
import type { Execution } from "../execution.ts";
import { ReplyError, SetReply, SYNTAX_ERROR, type Reply } from "../reply.ts";
import { atLeastArgument, positiveArgument } from "./argument.ts";
import { NUMKEYS_NOT_POSITIVE } from "./list-ends.ts";
import { orderedAfter, storeResult } from "./storing.ts";

const TOO_MANY_KEYS: ReplyError = new ReplyError("ERR Number of keys can't be greater than number of args");
export const NEGATIVE_LIMIT: ReplyError = new ReplyError("ERR LIMIT can't be negative");

type Sets = readonly (SetValue | undefined)[];
/** Visits the members of the result; the visitor answers false to end. */
type Operation = (sets: Sets, visit: (member: string) => boolean) => void;

export const intersection: Operation = (sets, visit) => {
  const ascending = sets.filter((set) => set !== undefined).sort((a, b) => a.size - b.size);
  const [smallest, ...others] = ascending;
  if (smallest === undefined || ascending.length < sets.length) return;
  for (const member of smallest.members) {
    if (others.every((set) => set.has(member)) && !visit(member)) return;
  }
};

export const union: Operation = (sets, visit) => {
  for (const set of sets) for (const member of set?.members ?? []) if (!visit(member)) return;
};

export const difference: Operation = ([first, ...others], visit) => {
  for (const member of first?.members ?? []) {
    if (!others.some((set) => set?.has(member) === true) && !visit(member)) return;
  }
};

function setsAt(context: Execution, keys: readonly string[]): Sets {
  return keys.map((key) => context.database.readCollection(key, "set"));
}

function resultOf(operation: Operation, sets: Sets): SetValue {
  const result = new SetValue();
  operation(sets, (member) => (result.add(member), true));
  return result;
}

export function combine(operation: Operation) {
  return (context: Execution, args: readonly string[]): Reply =>
    new SetReply(resultOf(operation, setsAt(context, args.slice(1))).members);
}

export function combineAndStore(operation: Operation, event: string) {
  return (context: Execution, args: readonly string[]): Reply => {
    const { database } = context;
    const found = resultOf(operation, setsAt(context, args.slice(2)));
    const result = new SetValue();
    const members = orderedAfter(database.peek(args[1]!), found.members, (member) => found.has(member));
    for (const member of members) result.add(member);
    return storeResult(database, args[1]!, result, event);
  };
}

export function countIntersection(context: Execution, args: readonly string[]): Reply {
  const numkeys = atLeastArgument(args[1]!, 1, NUMKEYS_NOT_POSITIVE);
  if (numkeys > args.length - 2) throw TOO_MANY_KEYS;
  let limit = 0;
  for (let at = 2 + numkeys; at < args.length; at += 2) {
    if (args[at]!.toLowerCase() !== "limit" || at + 1 === args.length) throw SYNTAX_ERROR;
    limit = positiveArgument(args[at + 1]!, NEGATIVE_LIMIT);
  }
  let count = 0;
  intersection(setsAt(context, args.slice(2, 2 + numkeys)), () => ++count !== limit);
  return count;
}
