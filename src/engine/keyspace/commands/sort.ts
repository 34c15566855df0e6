/** SORT: the elements of a list, set or sorted set in order, by themselves or by what other keys hold. */
import { ListValue } from "../collections/list-value.ts";
import type { CommandSpec } from "../command.ts";
import type { Database } from "../database.ts";
import type { Execution } from "../execution.ts";
import { indexArgument, parseDouble } from "../numbers.ts";
import { ReplyError, SYNTAX_ERROR, WRONG_TYPE, type Reply } from "../reply.ts";
import { commandRows, GROW_MANY_KEYS, READ_MANY_KEYS } from "./rows.ts";
import { storeResult } from "./storing.ts";

const NOT_NUMBERS: ReplyError = new ReplyError("ERR One or more scores can't be converted into double");

interface SortOptions {
  descending: boolean;
  alphabetic: boolean;
  /** BY, or undefined: by the elements themselves. */
  by: string | undefined;
  /** A BY without a star: the order stays as it is, whatever another BY says. */
  keepsOrder: boolean;
  readonly get: string[];
  start: number;
  count: number;
  store: string | undefined;
}

interface Weighed {
  readonly element: string;
  readonly score: number;
  /** For ALPHA BY: what the element is compared by. */
  readonly text: string | undefined;
}

function optionsOf(args: readonly string[], mayStore: boolean): SortOptions {
  const options: SortOptions = {
    descending: false,
    alphabetic: false,
    by: undefined,
    keepsOrder: false,
    get: [],
    start: 0,
    count: -1,
    store: undefined,
  };
  for (let i = 2; i < args.length; i++) {
    const word = args[i]!.toLowerCase();
    const left = args.length - 1 - i;
    if (word === "asc") options.descending = false;
    else if (word === "desc") options.descending = true;
    else if (word === "alpha") options.alphabetic = true;
    else if (word === "limit" && left >= 2) {
      options.start = Math.max(0, indexArgument(args[++i]!));
      options.count = indexArgument(args[++i]!);
    } else if (word === "store" && left >= 1 && mayStore) options.store = args[++i]!;
    else if (word === "by" && left >= 1) {
      options.by = args[++i]!;
      options.keepsOrder ||= !options.by.includes("*");
    } else if (word === "get" && left >= 1) options.get.push(args[++i]!);
    else throw SYNTAX_ERROR;
  }
  return options;
}

/** What a pattern names for an element: "#" itself; "prefix*suffix" a string; "prefix*suffix->field" a field of a hash. */
function lookUp(database: Database, pattern: string, element: string): string | undefined {
  if (pattern === "#") return element;
  const star = pattern.indexOf("*");
  if (star < 0) return undefined;
  const arrow = pattern.indexOf("->", star + 1);
  const hasField = arrow >= 0 && arrow + 2 < pattern.length;
  const key = pattern.slice(0, star) + element + pattern.slice(star + 1, hasField ? arrow : pattern.length);
  const value = database.read(key);
  if (value === undefined) return undefined;
  if (!hasField) return typeof value === "string" ? value : undefined;
  if (typeof value === "string" || value.type !== "hash") return undefined;
  return database.readCollection(key, "hash")?.get(pattern.slice(arrow + 2));
}

/** The elements in the order in which they are kept; `descending` turns that of lists and sorted sets round. */
function elementsOf(database: Database, key: string, descending: boolean): readonly string[] {
  const value = database.read(key);
  if (value === undefined) return [];
  if (typeof value === "string") throw WRONG_TYPE;
  switch (value.type) {
    case "list": {
      const elements = database.readCollection(key, "list")!.slice(0, value.size);
      return descending ? elements.toReversed() : elements;
    }
    case "set":
      return database.readCollection(key, "set")!.members;
    case "zset": {
      const ranked = database.readCollection(key, "zset")!;
      const first = descending ? value.size - 1 : 0;
      return ranked.range(first, value.size, descending).map(({ member }) => member);
    }
    case "hash":
      throw WRONG_TYPE;
  }
}

function scoreOf(text: string | undefined): number {
  if (text === undefined || text === "") return 0;
  const score = parseDouble(text);
  if (score === undefined) throw NOT_NUMBERS;
  return score;
}

function compareTexts(left: string, right: string): number {
  return left === right ? 0 : left < right ? -1 : 1;
}

/** Equal scores fall back on the elements; of missing texts, which come first, all are equal. */
function compare(left: Weighed, right: Weighed, options: SortOptions): number {
  if (!options.alphabetic) return left.score - right.score || compareTexts(left.element, right.element);
  if (options.by === undefined) return compareTexts(left.element, right.element);
  if (left.text === undefined || right.text === undefined) {
    return Number(left.text !== undefined) - Number(right.text !== undefined);
  }
  return compareTexts(left.text, right.text);
}

function inOrder(database: Database, elements: readonly string[], options: SortOptions): string[] {
  const { by, alphabetic, descending } = options;
  const weighed = elements.map((element): Weighed => {
    const text = by === undefined ? element : lookUp(database, by, element);
    return { element, score: alphabetic ? 0 : scoreOf(text), text };
  });
  const sorted = weighed.toSorted((left, right) =>
    descending ? -compare(left, right, options) : compare(left, right, options),
  );
  return sorted.map(({ element }) => element);
}

function sort(mayStore: boolean) {
  return (context: Execution, args: readonly string[]): Reply => {
    const { database } = context;
    const options = optionsOf(args, mayStore);
    const key = args[1]!;
    const elements = elementsOf(database, key, options.keepsOrder && options.descending);
    // As in Redis: where the result stays, the order of a set must not depend on how the set is kept.
    if (options.keepsOrder && (options.store !== undefined || context.nested) && isSetAt(database, key)) {
      options.keepsOrder = false;
      options.by = undefined;
      options.alphabetic = true;
    }
    const ordered = options.keepsOrder ? elements : inOrder(database, elements, options);
    const end = options.count < 0 ? ordered.length : options.start + options.count;
    const wanted = ordered.slice(options.start, end);
    const { get, store } = options;
    const found: readonly (string | null)[] =
      get.length === 0
        ? wanted
        : wanted.flatMap((element) => get.map((pattern) => lookUp(database, pattern, element) ?? null));
    if (store === undefined) return found;
    return storeResult(database, store, new ListValue(found.map((element) => element ?? "")), "sortstore");
  };
}

function isSetAt(database: Database, key: string): boolean {
  const value = database.read(key);
  return value !== undefined && typeof value !== "string" && value.type === "set";
}

/** The key itself, and that of the last STORE. */
function sortKeys(args: readonly string[]): readonly number[] {
  const keys = [1];
  for (let i = 2; i < args.length; i++) {
    const word = args[i]!.toLowerCase();
    if (word === "limit") i += 2;
    else if (word === "get" || word === "by") i++;
    else if (word === "store" && i + 1 < args.length) keys[1] = ++i;
  }
  return keys;
}

const row = {
  arity: -2,
  complexity: "O(elements * log(elements))",
} as const;
const USAGE = "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA]";

export const SORT_COMMANDS: readonly CommandSpec[] = commandRows("generic", [
  {
    ...row,
    name: "sort",
    flags: GROW_MANY_KEYS,
    findKeys: sortKeys,
    since: "1.0.0",
    usage: `${USAGE} [STORE destination]`,
    summary: "Sorts a list, set or sorted set, and may store the result",
    execute: sort(true),
  },
  {
    ...row,
    name: "sort_ro",
    flags: READ_MANY_KEYS,
    since: "7.0.0",
    usage: USAGE,
    summary: "Sorts a list, set or sorted set without storing",
    execute: sort(false),
  },
]);
