/** Hashes: fields with values under one key. */
import { HashValue } from "../collections/hash-value.ts";
import type { CommandSpec } from "../command.ts";
import type { Execution } from "../execution.ts";
import { addLongDoubles, formatLongDouble, parseLongDouble } from "../long-double.ts";
import { addIntegers, integerArgument, parseInteger } from "../numbers.ts";
import { MapReply, NOT_A_FLOAT, OK, PairsReply, ReplyError, wrongArguments, type Reply } from "../reply.ts";
import { countArguments } from "./argument.ts";
import { scanCollection } from "./collection-scan.ts";
import { randomPosition, randomPositions } from "./random-positions.ts";
import { commandRows, GROW_FAST, READ, READ_FAST, WRITE_FAST } from "./rows.ts";
import { openToAdd, type Opened } from "./storing.ts";

const NOT_INTEGER_VALUE: ReplyError = new ReplyError("ERR hash value is not an integer");
const NOT_FLOAT_VALUE: ReplyError = new ReplyError("ERR hash value is not a float");
const OVERFLOW: ReplyError = new ReplyError("ERR increment or decrement would overflow");
const INFINITE_INCREMENT: ReplyError = new ReplyError("ERR value is NaN or Infinity");
const NOT_FINITE: ReplyError = new ReplyError("ERR increment would produce NaN or Infinity");

function read(context: Execution, args: readonly string[]): HashValue | undefined {
  return context.database.readCollection(args[1]!, "hash");
}

function open(context: Execution, key: string, fields: number): Opened<"hash"> {
  return openToAdd(context.database, key, "hash", fields, () => new HashValue());
}

function setFields(context: Execution, args: readonly string[], name: string): number {
  if (args.length % 2 === 1) throw wrongArguments(name);
  const { collection: hash, store } = open(context, args[1]!, (args.length - 2) / 2);
  let created = 0;
  for (let at = 2; at < args.length; at += 2) if (hash.set(args[at]!, args[at + 1]!)) created += 1;
  store("hset");
  return created;
}

function setIfAbsent(context: Execution, args: readonly string[]): Reply {
  const { collection: hash, store } = open(context, args[1]!, 1);
  if (hash.has(args[2]!)) return 0;
  hash.set(args[2]!, args[3]!);
  store("hset");
  return 1;
}

function getMany(context: Execution, args: readonly string[]): Reply {
  const hash = read(context, args);
  return args.slice(2).map((field) => hash?.get(field) ?? null);
}

function remove(context: Execution, args: readonly string[]): Reply {
  const hash = context.database.modify(args[1]!, "hash");
  let removed = 0;
  for (let at = 2; at < args.length; at++) if (hash?.delete(args[at]!) === true) removed += 1;
  if (removed > 0) context.database.changed(args[1]!, "hdel");
  return removed;
}

function increment(context: Execution, args: readonly string[]): Reply {
  const amount = integerArgument(args[3]!);
  const { collection: hash, store } = open(context, args[1]!, 1);
  const value = parseInteger(hash.get(args[2]!) ?? "0");
  if (value === undefined) throw NOT_INTEGER_VALUE;
  const sum = addIntegers(value, amount);
  if (sum === undefined) throw OVERFLOW;
  hash.set(args[2]!, String(sum));
  store("hincrby");
  return sum;
}

function incrementByFloat(context: Execution, args: readonly string[]): Reply {
  const amount = parseLongDouble(args[3]!);
  if (amount === undefined) throw NOT_A_FLOAT;
  if (amount === "infinite") throw INFINITE_INCREMENT;
  const { collection: hash, store } = open(context, args[1]!, 1);
  const value = parseLongDouble(hash.get(args[2]!) ?? "0");
  if (value === undefined) throw NOT_FLOAT_VALUE;
  if (value === "infinite") throw NOT_FINITE;
  const sum = addLongDoubles(value, amount);
  if (sum === undefined) throw NOT_FINITE;
  const text = formatLongDouble(sum);
  hash.set(args[2]!, text);
  store("hincrbyfloat");
  return text;
}

/** Fields and values in turn. */
function entries(hash: HashValue, positions: Iterable<number>): string[] {
  const items: string[] = [];
  for (const position of positions) items.push(hash.fields[position]!, hash.values[position]!);
  return items;
}

function getAll(context: Execution, args: readonly string[]): Reply {
  const hash = read(context, args);
  return new MapReply(hash === undefined ? [] : entries(hash, hash.fields.keys()));
}

function randomFields(context: Execution, args: readonly string[]): Reply {
  if (args.length === 2) {
    const hash = read(context, args);
    return hash === undefined ? null : hash.fields[randomPosition(hash.size, context)]!;
  }
  const { count, paired: withValues } = countArguments(args, "withvalues");
  const hash = read(context, args);
  if (hash === undefined) return [];
  const positions = randomPositions(hash.size, count, context);
  if (withValues) return new PairsReply(entries(hash, positions));
  return positions.map((position) => hash.fields[position]!);
}

function scan(context: Execution, args: readonly string[]): Reply {
  let hash: HashValue | undefined;
  return scanCollection(
    args,
    () => {
      hash = read(context, args);
      return hash && { size: hash.size, members: hash.fields, small: hash.encoding() === "listpack" };
    },
    (reply, position) => reply.push(hash!.fields[position]!, hash!.values[position]!),
  );
}

export const HASH_COMMANDS: readonly CommandSpec[] = commandRows("hash", [
  {
    name: "hset",
    arity: -4,
    flags: GROW_FAST,
    since: "2.0.0",
    complexity: "O(fields given)",
    usage: "key field value [field value ...]",
    summary: "Sets fields of a hash and counts the new ones",
    execute: (context, args) => setFields(context, args, "hset"),
  },
  {
    name: "hmset",
    arity: -4,
    flags: GROW_FAST,
    since: "2.0.0",
    complexity: "O(fields given)",
    usage: "key field value [field value ...]",
    summary: "Sets fields of a hash",
    execute: (context, args) => (setFields(context, args, "hmset"), OK),
  },
  {
    name: "hsetnx",
    arity: 4,
    flags: GROW_FAST,
    since: "2.0.0",
    complexity: "O(1)",
    usage: "key field value",
    summary: "Sets a field of a hash if it is absent",
    execute: setIfAbsent,
  },
  {
    name: "hget",
    arity: 3,
    flags: READ_FAST,
    since: "2.0.0",
    complexity: "O(1)",
    usage: "key field",
    summary: "Reads a field of a hash",
    execute: (context, args) => read(context, args)?.get(args[2]!) ?? null,
  },
  {
    name: "hmget",
    arity: -3,
    flags: READ_FAST,
    since: "2.0.0",
    complexity: "O(fields given)",
    usage: "key field [field ...]",
    summary: "Reads several fields of a hash",
    execute: getMany,
  },
  {
    name: "hgetall",
    arity: 2,
    flags: READ,
    since: "2.0.0",
    complexity: "O(size)",
    usage: "key",
    summary: "Reads a whole hash",
    execute: getAll,
  },
  {
    name: "hkeys",
    arity: 2,
    flags: READ,
    since: "2.0.0",
    complexity: "O(size)",
    usage: "key",
    summary: "Reads the names of a hash's fields",
    execute: (context, args) => [...(read(context, args)?.fields ?? [])],
  },
  {
    name: "hvals",
    arity: 2,
    flags: READ,
    since: "2.0.0",
    complexity: "O(size)",
    usage: "key",
    summary: "Reads the values of a hash's fields",
    execute: (context, args) => [...(read(context, args)?.values ?? [])],
  },
  {
    name: "hlen",
    arity: 2,
    flags: READ_FAST,
    since: "2.0.0",
    complexity: "O(1)",
    usage: "key",
    summary: "Counts the fields of a hash",
    execute: (context, args) => read(context, args)?.size ?? 0,
  },
  {
    name: "hexists",
    arity: 3,
    flags: READ_FAST,
    since: "2.0.0",
    complexity: "O(1)",
    usage: "key field",
    summary: "Tells whether a hash has a field",
    execute: (context, args) => (read(context, args)?.has(args[2]!) === true ? 1 : 0),
  },
  {
    name: "hstrlen",
    arity: 3,
    flags: READ_FAST,
    since: "3.2.0",
    complexity: "O(1)",
    usage: "key field",
    summary: "Tells the length in bytes of a hash field's value",
    execute: (context, args) => read(context, args)?.get(args[2]!)?.length ?? 0,
  },
  {
    name: "hdel",
    arity: -3,
    flags: WRITE_FAST,
    since: "2.0.0",
    complexity: "O(fields given)",
    usage: "key field [field ...]",
    summary: "Removes fields from a hash",
    execute: remove,
  },
  {
    name: "hincrby",
    arity: 4,
    flags: GROW_FAST,
    since: "2.0.0",
    complexity: "O(1)",
    usage: "key field increment",
    summary: "Adds to the whole number in a hash's field",
    execute: increment,
  },
  {
    name: "hincrbyfloat",
    arity: 4,
    flags: GROW_FAST,
    since: "2.6.0",
    complexity: "O(1)",
    usage: "key field increment",
    summary: "Adds to the number with a fraction in a hash's field",
    execute: incrementByFloat,
  },
  {
    name: "hrandfield",
    arity: -2,
    flags: READ,
    since: "6.2.0",
    complexity: "O(fields returned)",
    usage: "key [count [WITHVALUES]]",
    summary: "Picks random fields of a hash",
    execute: randomFields,
  },
  {
    name: "hscan",
    arity: -3,
    flags: READ,
    since: "2.8.0",
    complexity: "O(1) a call, O(size) for the whole hash",
    usage: "key cursor [MATCH pattern] [COUNT count]",
    summary: "Reads the next part of a hash",
    execute: scan,
  },
]);
