/** Keys as a whole, whatever they hold: delete, rename, copy, move. */
import type { CommandSpec } from "../command.ts";
import type { Database } from "../database.ts";
import { EVENT } from "../events.ts";
import type { Execution } from "../execution.ts";
import { NO_SUCH_KEY, OK, ReplyError, Status, SYNTAX_ERROR, type Reply } from "../reply.ts";
import { typeOf } from "../value.ts";
import { databaseNumber } from "./argument.ts";
import { ALL_KEYS, ONE_KEY, TWO_KEYS } from "./key-positions.ts";

const SAME_OBJECT: ReplyError = new ReplyError("ERR source and destination objects are the same");
const NO_SUCH_DATABASE: ReplyError = new ReplyError("ERR DB index is out of range");

function countKeys(args: readonly string[], counts: (key: string) => boolean): number {
  let count = 0;
  for (let i = 1; i < args.length; i++) if (counts(args[i]!)) count++;
  return count;
}

function deleteKeys({ database }: Execution, args: readonly string[]): Reply {
  return countKeys(args, (key) => {
    if (!database.delete(key)) return false;
    database.notify(EVENT.generic, "del", key);
    return true;
  });
}

function databaseArgument({ keyspace }: Execution, text: string): Database {
  const index = databaseNumber(text);
  if (index instanceof ReplyError) throw index;
  const database = keyspace.databases[index];
  if (database === undefined) throw NO_SUCH_DATABASE;
  return database;
}

/** Puts what `key` holds, with its expiry, under another key or into another database; `key` stays. */
function put(source: Database, key: string, target: Database, newKey: string, clone: boolean): void {
  const value = source.peek(key)!;
  const expireAtMs = source.expiryOf(key);
  const stored = clone && typeof value !== "string" ? value.clone() : value;
  if (!clone) source.delete(key);
  if (expireAtMs === undefined) target.set(newKey, stored);
  else target.set(newKey, stored, { expireAtMs });
}

function rename({ database }: Execution, args: readonly string[]): Reply {
  const [, from = "", to = ""] = args;
  if (!database.exists(from)) throw NO_SUCH_KEY;
  if (from === to) return OK;
  // As in Redis, where the key that is there goes first.
  if (database.versionOf(to) !== 0) database.notify(EVENT.created, "new", to);
  put(database, from, database, to, false);
  database.notify(EVENT.generic, "rename_from", from);
  database.notify(EVENT.generic, "rename_to", to);
  return OK;
}

function renameIfAbsent(context: Execution, args: readonly string[]): Reply {
  const { database } = context;
  if (!database.exists(args[1]!)) throw NO_SUCH_KEY;
  if (database.exists(args[2]!)) return 0;
  rename(context, args);
  return 1;
}

function copy(context: Execution, args: readonly string[]): Reply {
  const [, from = "", to = ""] = args;
  let target = context.database;
  let replace = false;
  for (let i = 3; i < args.length; i++) {
    const word = args[i]!.toLowerCase();
    if (word === "replace") replace = true;
    else if (word === "db" && i + 1 < args.length) target = databaseArgument(context, args[++i]!);
    else throw SYNTAX_ERROR;
  }
  if (target === context.database && from === to) throw SAME_OBJECT;
  if (!context.database.exists(from)) return 0;
  if (target.exists(to)) {
    if (!replace) return 0;
    target.delete(to);
  }
  put(context.database, from, target, to, true);
  target.notify(EVENT.generic, "copy_to", to);
  return 1;
}

function move(context: Execution, args: readonly string[]): Reply {
  const key = args[1]!;
  const target = databaseArgument(context, args[2]!);
  if (target === context.database) throw SAME_OBJECT;
  if (!context.database.exists(key) || target.exists(key)) return 0;
  put(context.database, key, target, key, false);
  context.database.notify(EVENT.generic, "move_from", key);
  target.notify(EVENT.generic, "move_to", key);
  return 1;
}

function type({ database }: Execution, args: readonly string[]): Reply {
  const value = database.peek(args[1]!);
  return new Status(value === undefined ? "none" : typeOf(value));
}

const docs = { group: "generic", since: "1.0.0", complexity: "O(1)" } as const;
const many = { arity: -2, keys: ALL_KEYS } as const;
const manyDocs = { ...docs, complexity: "O(keys)", usage: "key [key ...]" } as const;

export const KEY_COMMANDS: readonly CommandSpec[] = [
  {
    ...many,
    name: "del",
    flags: ["write"],
    docs: { ...manyDocs, summary: "Removes keys" },
    execute: deleteKeys,
  },
  {
    ...many,
    name: "unlink",
    flags: ["write", "fast"],
    docs: { ...manyDocs, summary: "Removes keys; their memory is freed later", since: "4.0.0" },
    execute: deleteKeys,
  },
  {
    ...many,
    name: "exists",
    flags: ["readonly", "fast"],
    docs: { ...manyDocs, summary: "Counts how many of the named keys are there" },
    execute: ({ database }, args) => countKeys(args, (key) => database.exists(key)),
  },
  {
    ...many,
    name: "touch",
    flags: ["readonly", "fast"],
    docs: { ...manyDocs, summary: "Counts keys as used just now", since: "3.2.1" },
    execute: ({ database }, args) => countKeys(args, (key) => database.touch(key)),
  },
  {
    name: "type",
    arity: 2,
    flags: ["readonly", "fast"],
    keys: ONE_KEY,
    docs: { ...docs, summary: "What kind of value a key holds", usage: "key" },
    execute: type,
  },
  {
    name: "rename",
    arity: 3,
    flags: ["write"],
    keys: TWO_KEYS,
    docs: { ...docs, summary: "Renames a key, replacing what had the new name", usage: "key newkey" },
    execute: rename,
  },
  {
    name: "renamenx",
    arity: 3,
    flags: ["write", "fast"],
    keys: TWO_KEYS,
    docs: { ...docs, summary: "Renames a key unless the new name is taken", usage: "key newkey" },
    execute: renameIfAbsent,
  },
  {
    name: "copy",
    arity: -3,
    flags: ["write", "denyoom"],
    keys: TWO_KEYS,
    docs: {
      ...docs,
      summary: "Copies a value to another key",
      since: "6.2.0",
      complexity: "O(elements)",
      usage: "source destination [DB destination-db] [REPLACE]",
    },
    execute: copy,
  },
  {
    name: "move",
    arity: 3,
    flags: ["write", "fast"],
    keys: ONE_KEY,
    docs: { ...docs, summary: "Moves a key to another database", usage: "key db" },
    execute: move,
  },
];
