/** Lists at their ends: pushing, popping and moving. */
import { ListValue } from "../collections/list-value.ts";
import { EVENT } from "../events.ts";
import type { Execution } from "../execution.ts";
import { NULL_ARRAY, ReplyError, SYNTAX_ERROR, wrongArguments, type Reply } from "../reply.ts";
import { atLeastArgument, positiveArgument } from "./argument.ts";
import { openToAdd } from "./storing.ts";

export type ListEnd = "left" | "right";

const PUSHED = { left: "lpush", right: "rpush" } as const;
const POPPED = { left: "lpop", right: "rpop" } as const;

export const NUMKEYS_NOT_POSITIVE: ReplyError = new ReplyError("ERR numkeys should be greater than 0");
export const COUNT_NOT_POSITIVE: ReplyError = new ReplyError("ERR count should be greater than 0");

function pushAt(list: ListValue, end: ListEnd, element: string): void {
  if (end === "left") list.pushHead(element);
  else list.pushTail(element);
}

function popAt(list: ListValue, end: ListEnd): string {
  return (end === "left" ? list.popHead() : list.popTail())!;
}

function popMany(context: Execution, key: string, list: ListValue, end: ListEnd, count: number): string[] {
  const popped: string[] = [];
  for (let left = Math.min(count, list.size); left > 0; left--) popped.push(popAt(list, end));
  if (popped.length > 0) context.database.changed(key, POPPED[end]);
  return popped;
}

function endArgument(text: string | undefined): ListEnd {
  const end = text?.toLowerCase();
  if (end !== "left" && end !== "right") throw SYNTAX_ERROR;
  return end;
}

export function push(end: ListEnd) {
  return (context: Execution, args: readonly string[]): Reply => {
    const { collection, store } = openToAdd(context.database, args[1]!, "list", 0, () => new ListValue());
    for (let at = 2; at < args.length; at++) pushAt(collection, end, args[at]!);
    store(PUSHED[end]);
    return collection.size;
  };
}

export function pushIfPresent(end: ListEnd) {
  return (context: Execution, args: readonly string[]): Reply => {
    const list = context.database.modify(args[1]!, "list");
    if (list === undefined) return 0;
    for (let at = 2; at < args.length; at++) pushAt(list, end, args[at]!);
    context.database.changed(args[1]!, PUSHED[end]);
    return list.size;
  };
}

export function pop(end: ListEnd, name: string) {
  return (context: Execution, args: readonly string[]): Reply => {
    if (args.length > 3) throw wrongArguments(name);
    const key = args[1]!;
    const count = args.length === 3 ? positiveArgument(args[2]!) : undefined;
    const list = context.database.modify(key, "list");
    if (list === undefined) return count === undefined ? null : NULL_ARRAY;
    if (count !== undefined) return popMany(context, key, list, end, count);
    const element = popAt(list, end);
    context.database.changed(key, POPPED[end]);
    return element;
  };
}

function moveElement(context: Execution, source: string, target: string, from: ListEnd, to: ListEnd): Reply {
  const { database } = context;
  const list = database.modify(source, "list");
  if (list === undefined) return null;
  if (source === target) {
    const element = popAt(list, from);
    pushAt(list, to, element);
    database.notify(EVENT.list, PUSHED[to], source);
    database.changed(source, POPPED[from]);
    return element;
  }
  const { collection, store } = openToAdd(database, target, "list", 0, () => new ListValue());
  const element = popAt(list, from);
  pushAt(collection, to, element);
  store(PUSHED[to]);
  database.changed(source, POPPED[from]);
  return element;
}

export function move(context: Execution, args: readonly string[]): Reply {
  const from = endArgument(args[3]);
  const to = endArgument(args[4]);
  return moveElement(context, args[1]!, args[2]!, from, to);
}

export function popPush(context: Execution, args: readonly string[]): Reply {
  return moveElement(context, args[1]!, args[2]!, "right", "left");
}

/** What LMPOP and ZMPOP are told: numkeys key… where [COUNT count]. `places` are the two words that `where` may be. */
export function popManyArguments<T extends string>(
  args: readonly string[],
  places: readonly T[],
): { readonly keys: readonly string[]; readonly where: T; readonly count: number } {
  const whereAt = 2 + atLeastArgument(args[1]!, 1, NUMKEYS_NOT_POSITIVE);
  const word = args[whereAt]?.toLowerCase();
  const where = places.find((place) => place === word);
  if (where === undefined) throw SYNTAX_ERROR;
  return { keys: args.slice(2, whereAt), where, count: countOption(args, whereAt + 1) };
}

/** The rest of the arguments: nothing, or one COUNT with a positive number. */
function countOption(args: readonly string[], start: number): number {
  if (args.length === start) return 1;
  if (args.length === start + 1 || args[start]!.toLowerCase() !== "count") throw SYNTAX_ERROR;
  const count = atLeastArgument(args[start + 1]!, 1, COUNT_NOT_POSITIVE);
  if (args.length > start + 2) throw SYNTAX_ERROR;
  return count;
}

export function popFirstPresent(context: Execution, args: readonly string[]): Reply {
  const { keys, where: end, count } = popManyArguments<ListEnd>(args, ["left", "right"]);
  for (const key of keys) {
    const list = context.database.modify(key, "list");
    if (list !== undefined) return [key, popMany(context, key, list, end, count)];
  }
  return NULL_ARRAY;
}
