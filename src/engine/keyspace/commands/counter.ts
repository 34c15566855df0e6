/** Strings as numbers: INCR and its kin. */
import type { CommandFlag, CommandSpec } from "../command.ts";
import { EVENT } from "../events.ts";
import type { Execution } from "../execution.ts";
import { addLongDoubles, formatLongDouble, parseLongDouble } from "../long-double.ts";
import { addIntegers, integerArgument, INT64_MIN, parseInteger, type Integer } from "../numbers.ts";
import { NOT_A_FLOAT, NOT_AN_INTEGER, ReplyError } from "../reply.ts";
import { ONE_KEY } from "./key-positions.ts";

const OVERFLOW: ReplyError = new ReplyError("ERR increment or decrement would overflow");
const DECREMENT_OVERFLOW: ReplyError = new ReplyError("ERR decrement would overflow");
const NOT_FINITE: ReplyError = new ReplyError("ERR increment would produce NaN or Infinity");

function add(context: Execution, key: string, increment: Integer): Integer {
  const text = context.database.readString(key);
  const value = text === undefined ? 0 : parseInteger(text);
  if (value === undefined) throw NOT_AN_INTEGER;
  const sum = addIntegers(value, increment);
  if (sum === undefined) throw OVERFLOW;
  context.database.set(key, String(sum), { keepExpiry: true });
  context.database.notify(EVENT.string, "incrby", key);
  return sum;
}

function decrementBy(context: Execution, args: readonly string[]): Integer {
  const decrement = integerArgument(args[2]!);
  if (decrement === INT64_MIN) throw DECREMENT_OVERFLOW;
  return add(context, args[1]!, -decrement);
}

function incrementByFloat(context: Execution, args: readonly string[]): string {
  const text = context.database.readString(args[1]!);
  const value = parseLongDouble(text ?? "0");
  const increment = parseLongDouble(args[2]!);
  if (value === undefined || increment === undefined) throw NOT_A_FLOAT;
  if (value === "infinite" || increment === "infinite") throw NOT_FINITE;
  const sum = addLongDoubles(value, increment);
  if (sum === undefined) throw NOT_FINITE;
  const result = formatLongDouble(sum);
  context.database.set(args[1]!, result, { keepExpiry: true });
  context.database.notify(EVENT.string, "incrbyfloat", args[1]!);
  return result;
}

const WRITES: readonly CommandFlag[] = ["write", "denyoom", "fast"];
const shared = { flags: WRITES, keys: ONE_KEY } as const;
const docs = { group: "string", complexity: "O(1)" } as const;

export const COUNTER_COMMANDS: readonly CommandSpec[] = [
  {
    ...shared,
    name: "incr",
    arity: 2,
    docs: {
      ...docs,
      summary: "Adds one to a whole number; absent counts as 0",
      since: "1.0.0",
      usage: "key",
    },
    execute: (context, args) => add(context, args[1]!, 1),
  },
  {
    ...shared,
    name: "decr",
    arity: 2,
    docs: {
      ...docs,
      summary: "Takes one from a whole number; absent counts as 0",
      since: "1.0.0",
      usage: "key",
    },
    execute: (context, args) => add(context, args[1]!, -1),
  },
  {
    ...shared,
    name: "incrby",
    arity: 3,
    docs: { ...docs, summary: "Adds to a whole number", since: "1.0.0", usage: "key increment" },
    execute: (context, args) => add(context, args[1]!, integerArgument(args[2]!)),
  },
  {
    ...shared,
    name: "decrby",
    arity: 3,
    docs: { ...docs, summary: "Takes from a whole number", since: "1.0.0", usage: "key decrement" },
    execute: decrementBy,
  },
  {
    ...shared,
    name: "incrbyfloat",
    arity: 3,
    docs: { ...docs, summary: "Adds to a number with a fraction", since: "2.6.0", usage: "key increment" },
    execute: incrementByFloat,
  },
];
