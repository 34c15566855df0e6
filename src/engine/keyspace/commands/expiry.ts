/** Expiry of any key: EXPIRE, TTL and their kin. */
import type { CommandSpec } from "../command.ts";
import type { Execution } from "../execution.ts";
import { echoed, ReplyError, type Reply } from "../reply.ts";
import { anyDeadlineArgument, expireOrDelete, persistKey, type ExpiryUnit } from "./deadline.ts";
import { ONE_KEY } from "./key-positions.ts";

const NX_NOT_ALONE: ReplyError = new ReplyError(
  "ERR NX and XX, GT or LT options at the same time are not compatible",
);
const GT_WITH_LT: ReplyError = new ReplyError("ERR GT and LT options at the same time are not compatible");

const ABSENT = -2;
const NO_EXPIRY = -1;

function conditionsOf(args: readonly string[]): ReadonlySet<string> {
  const conditions = new Set<string>();
  for (const word of args.slice(3)) {
    const condition = word.toLowerCase();
    if (!["nx", "xx", "gt", "lt"].includes(condition))
      throw new ReplyError(`ERR Unsupported option ${echoed(word)}`);
    conditions.add(condition);
  }
  if (conditions.has("nx") && conditions.size > 1) throw NX_NOT_ALONE;
  if (conditions.has("gt") && conditions.has("lt")) throw GT_WITH_LT;
  return conditions;
}

/** No expiry counts as an infinite one. */
function allows(conditions: ReadonlySet<string>, current: number | undefined, next: number): boolean {
  if (conditions.has("nx") && current !== undefined) return false;
  if (conditions.has("xx") && current === undefined) return false;
  if (conditions.has("gt") && next <= (current ?? Infinity)) return false;
  return !(conditions.has("lt") && next >= (current ?? Infinity));
}

function expire(name: string, unit: ExpiryUnit) {
  return (context: Execution, args: readonly string[]): Reply => {
    const { database, nowMs } = context;
    const key = args[1]!;
    const conditions = args.length > 3 ? conditionsOf(args) : undefined;
    const deadline = anyDeadlineArgument(args[2]!, unit, nowMs, name);
    if (!database.exists(key)) return 0;
    if (conditions !== undefined && !allows(conditions, database.expiryOf(key), deadline)) return 0;
    expireOrDelete(context, key, deadline);
    return 1;
  };
}

/** Answers the deadline, or what is left until then, in the unit. */
function expiry(unit: ExpiryUnit) {
  return ({ database, nowMs }: Execution, args: readonly string[]): Reply => {
    const deadline = database.expiryOf(args[1]!);
    if (deadline === undefined) return database.exists(args[1]!) ? NO_EXPIRY : ABSENT;
    const milliseconds = unit.startsWith("unix") ? deadline : Math.max(0, deadline - Math.floor(nowMs));
    return unit.endsWith("milliseconds") ? milliseconds : Math.floor((milliseconds + 500) / 1000);
  };
}

function persist({ database }: Execution, args: readonly string[]): Reply {
  return persistKey(database, args[1]!) ? 1 : 0;
}

const docs = { group: "generic", complexity: "O(1)" } as const;
const setting = { arity: -3, flags: ["write", "fast"], keys: ONE_KEY } as const;
const asking = { arity: 2, flags: ["readonly", "fast"], keys: ONE_KEY } as const;
const CONDITIONS = "[NX | XX | GT | LT]";

export const EXPIRY_COMMANDS: readonly CommandSpec[] = [
  {
    ...setting,
    name: "expire",
    docs: {
      ...docs,
      summary: "Lets a key expire after seconds",
      since: "1.0.0",
      usage: `key seconds ${CONDITIONS}`,
    },
    execute: expire("expire", "seconds"),
  },
  {
    ...setting,
    name: "pexpire",
    docs: {
      ...docs,
      summary: "Lets a key expire after milliseconds",
      since: "2.6.0",
      usage: `key milliseconds ${CONDITIONS}`,
    },
    execute: expire("pexpire", "milliseconds"),
  },
  {
    ...setting,
    name: "expireat",
    docs: {
      ...docs,
      summary: "Lets a key expire at a time in Unix seconds",
      since: "1.2.0",
      usage: `key unix-time-seconds ${CONDITIONS}`,
    },
    execute: expire("expireat", "unix-seconds"),
  },
  {
    ...setting,
    name: "pexpireat",
    docs: {
      ...docs,
      summary: "Lets a key expire at a time in Unix milliseconds",
      since: "2.6.0",
      usage: `key unix-time-milliseconds ${CONDITIONS}`,
    },
    execute: expire("pexpireat", "unix-milliseconds"),
  },
  {
    ...asking,
    name: "ttl",
    docs: { ...docs, summary: "Seconds until a key expires", since: "1.0.0", usage: "key" },
    execute: expiry("seconds"),
  },
  {
    ...asking,
    name: "pttl",
    docs: { ...docs, summary: "Milliseconds until a key expires", since: "2.6.0", usage: "key" },
    execute: expiry("milliseconds"),
  },
  {
    ...asking,
    name: "expiretime",
    docs: { ...docs, summary: "When a key expires, in Unix seconds", since: "7.0.0", usage: "key" },
    execute: expiry("unix-seconds"),
  },
  {
    ...asking,
    name: "pexpiretime",
    docs: { ...docs, summary: "When a key expires, in Unix milliseconds", since: "7.0.0", usage: "key" },
    execute: expiry("unix-milliseconds"),
  },
  {
    name: "persist",
    arity: 2,
    flags: ["write", "fast"],
    keys: ONE_KEY,
    docs: { ...docs, summary: "Takes the expiry off a key", since: "2.2.0", usage: "key" },
    execute: persist,
  },
];
