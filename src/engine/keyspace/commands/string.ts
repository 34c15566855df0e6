/** Strings: set, get and their variants with conditions and expiry. */
import type { CommandSpec } from "../command.ts";
import { EVENT } from "../events.ts";
import type { Execution } from "../execution.ts";
import { OK, SYNTAX_ERROR, wrongArguments, type Reply } from "../reply.ts";
import { deadlineArgument, expireOrDelete, persistKey, type ExpiryUnit } from "./deadline.ts";
import { ALL_KEYS, KEYS_WITH_VALUES, ONE_KEY } from "./key-positions.ts";

const EXPIRY_UNITS: ReadonlyMap<string, ExpiryUnit> = new Map([
  ["ex", "seconds"],
  ["px", "milliseconds"],
  ["exat", "unix-seconds"],
  ["pxat", "unix-milliseconds"],
]);

interface Options {
  condition: "nx" | "xx" | undefined;
  get: boolean;
  keepExpiry: boolean;
  persist: boolean;
  unit: ExpiryUnit | undefined;
  amount: string;
}

/** The words after the value of SET or the key of GETEX. A repeated unit is taken, and the last amount counts. */
function optionsOf(args: readonly string[], command: "set" | "getex"): Options {
  const options: Options = {
    condition: undefined,
    get: false,
    keepExpiry: false,
    persist: false,
    unit: undefined,
    amount: "",
  };
  const setting = command === "set";
  for (let i = setting ? 3 : 2; i < args.length; i++) {
    const word = args[i]!.toLowerCase();
    const expiry = EXPIRY_UNITS.get(word);
    const { unit } = options;
    const kept = options.keepExpiry || options.persist;
    if (setting && (word === "nx" || word === "xx") && (options.condition ?? word) === word) {
      options.condition = word;
    } else if (setting && word === "get") options.get = true;
    else if (setting && word === "keepttl" && unit === undefined) options.keepExpiry = true;
    else if (!setting && word === "persist" && unit === undefined) options.persist = true;
    else if (expiry !== undefined && (unit ?? expiry) === expiry && !kept && i + 1 < args.length) {
      options.unit = expiry;
      options.amount = args[++i]!;
    } else throw SYNTAX_ERROR;
  }
  return options;
}

function set(context: Execution, args: readonly string[]): Reply {
  const { database } = context;
  const key = args[1]!;
  const value = args[2]!;
  if (args.length === 3) {
    store(context, key, value);
    return OK;
  }
  const { condition, get, keepExpiry, unit, amount } = optionsOf(args, "set");
  const expireAtMs = unit === undefined ? undefined : deadlineArgument(amount, unit, context.nowMs, "set");
  const old = get ? (database.readString(key) ?? null) : null;
  if (condition !== undefined && database.exists(key) !== (condition === "xx")) return old;
  store(context, key, value, expireAtMs, keepExpiry);
  return get ? old : OK;
}

const KEEPING_EXPIRY = { keepExpiry: true } as const;

function store(
  context: Execution,
  key: string,
  value: string,
  expireAtMs?: number,
  keepExpiry = false,
): void {
  const { database } = context;
  if (expireAtMs === undefined) {
    database.set(key, value, keepExpiry ? KEEPING_EXPIRY : undefined);
    return database.notify(EVENT.string, "set", key);
  }
  database.set(key, value, { expireAtMs });
  database.notify(EVENT.string, "set", key);
  database.notify(EVENT.generic, "expire", key);
  // It was due at once, and is gone; in Redis a moment later.
  if (expireAtMs <= context.nowMs) database.notify(EVENT.expired, "expired", key);
}

function setWithExpiry(unit: ExpiryUnit, name: string) {
  return (context: Execution, args: readonly string[]): Reply => {
    store(context, args[1]!, args[3]!, deadlineArgument(args[2]!, unit, context.nowMs, name));
    return OK;
  };
}

function setIfAbsent(context: Execution, args: readonly string[]): Reply {
  if (context.database.exists(args[1]!)) return 0;
  store(context, args[1]!, args[2]!);
  return 1;
}

function get(context: Execution, args: readonly string[]): Reply {
  return context.database.readString(args[1]!) ?? null;
}

function getAndSet(context: Execution, args: readonly string[]): Reply {
  const old = context.database.readString(args[1]!) ?? null;
  store(context, args[1]!, args[2]!);
  return old;
}

function getAndDelete(context: Execution, args: readonly string[]): Reply {
  const old = context.database.readString(args[1]!);
  if (old === undefined) return null;
  context.database.delete(args[1]!);
  context.database.notify(EVENT.generic, "del", args[1]!);
  return old;
}

function getAndExpire(context: Execution, args: readonly string[]): Reply {
  const { persist, unit, amount } = optionsOf(args, "getex");
  const { database } = context;
  const key = args[1]!;
  const value = database.readString(key);
  if (value === undefined) return null;
  if (unit !== undefined) {
    expireOrDelete(context, key, deadlineArgument(amount, unit, context.nowMs, "getex"));
  } else if (persist) persistKey(database, key);
  return value;
}

function getMany(context: Execution, args: readonly string[]): Reply {
  const values: (string | null)[] = [];
  for (let i = 1; i < args.length; i++) {
    const value = context.database.read(args[i]!);
    values.push(typeof value === "string" ? value : null);
  }
  return values;
}

function setMany(context: Execution, args: readonly string[]): Reply {
  if (args.length % 2 === 0) throw wrongArguments("mset");
  for (let i = 1; i < args.length; i += 2) store(context, args[i]!, args[i + 1]!);
  return OK;
}

function setManyIfAbsent(context: Execution, args: readonly string[]): Reply {
  if (args.length % 2 === 0) throw wrongArguments("msetnx");
  for (let i = 1; i < args.length; i += 2) if (context.database.exists(args[i]!)) return 0;
  setMany(context, args);
  return 1;
}

const EXPIRY_USAGE = "EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds";
const docs = { group: "string", since: "1.0.0", complexity: "O(1)" } as const;

export const STRING_COMMANDS: readonly CommandSpec[] = [
  {
    name: "set",
    arity: -3,
    flags: ["write", "denyoom"],
    keys: ONE_KEY,
    docs: {
      ...docs,
      summary: "Stores a string, whatever was there before",
      usage: `key value [NX | XX] [GET] [${EXPIRY_USAGE} | KEEPTTL]`,
    },
    execute: set,
  },
  {
    name: "setnx",
    arity: 3,
    flags: ["write", "denyoom", "fast"],
    keys: ONE_KEY,
    docs: { ...docs, summary: "Stores a string if the key is absent", usage: "key value" },
    execute: setIfAbsent,
  },
  {
    name: "setex",
    arity: 4,
    flags: ["write", "denyoom"],
    keys: ONE_KEY,
    docs: { ...docs, summary: "Stores a string that expires", since: "2.0.0", usage: "key seconds value" },
    execute: setWithExpiry("seconds", "setex"),
  },
  {
    name: "psetex",
    arity: 4,
    flags: ["write", "denyoom"],
    keys: ONE_KEY,
    docs: {
      ...docs,
      summary: "Stores a string that expires",
      since: "2.6.0",
      usage: "key milliseconds value",
    },
    execute: setWithExpiry("milliseconds", "psetex"),
  },
  {
    name: "get",
    arity: 2,
    flags: ["readonly", "fast"],
    keys: ONE_KEY,
    docs: { ...docs, summary: "Reads a string", usage: "key" },
    execute: get,
  },
  {
    name: "getset",
    arity: 3,
    flags: ["write", "denyoom", "fast"],
    keys: ONE_KEY,
    docs: { ...docs, summary: "Stores a string and answers the one before", usage: "key value" },
    execute: getAndSet,
  },
  {
    name: "getdel",
    arity: 2,
    flags: ["write", "fast"],
    keys: ONE_KEY,
    docs: { ...docs, summary: "Reads a string and removes its key", since: "6.2.0", usage: "key" },
    execute: getAndDelete,
  },
  {
    name: "getex",
    arity: -2,
    flags: ["write", "fast"],
    keys: ONE_KEY,
    docs: {
      ...docs,
      summary: "Reads a string and changes its expiry",
      since: "6.2.0",
      usage: `key [${EXPIRY_USAGE} | PERSIST]`,
    },
    execute: getAndExpire,
  },
  {
    name: "mget",
    arity: -2,
    flags: ["readonly", "fast"],
    keys: ALL_KEYS,
    docs: { ...docs, summary: "Reads several strings", complexity: "O(keys)", usage: "key [key ...]" },
    execute: getMany,
  },
  {
    name: "mset",
    arity: -3,
    flags: ["write", "denyoom"],
    keys: KEYS_WITH_VALUES,
    docs: {
      ...docs,
      summary: "Stores several strings at once",
      since: "1.0.1",
      complexity: "O(keys)",
      usage: "key value [key value ...]",
    },
    execute: setMany,
  },
  {
    name: "msetnx",
    arity: -3,
    flags: ["write", "denyoom"],
    keys: KEYS_WITH_VALUES,
    docs: {
      ...docs,
      summary: "Stores several strings if none of the keys is there",
      since: "1.0.1",
      complexity: "O(keys)",
      usage: "key value [key value ...]",
    },
    execute: setManyIfAbsent,
  },
];
