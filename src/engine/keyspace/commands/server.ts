/** Whole databases and the time: FLUSHDB, FLUSHALL, SWAPDB, TIME. */
import type { CommandSpec } from "../command.ts";
import type { Execution } from "../execution.ts";
import { OK, ReplyError, SYNTAX_ERROR, type Reply } from "../reply.ts";
import { databaseNumber } from "./argument.ts";
import { NO_KEYS } from "./key-positions.ts";

/** ASYNC and SYNC are both taken: either way the cost does not depend on the number of keys. */
function checkMode(args: readonly string[]): void {
  const mode = args[1]?.toLowerCase();
  if (args.length > 2 || (mode !== undefined && mode !== "sync" && mode !== "async")) throw SYNTAX_ERROR;
}

function flushDatabase({ database }: Execution, args: readonly string[]): Reply {
  checkMode(args);
  database.flush();
  return OK;
}

function flushAll({ keyspace }: Execution, args: readonly string[]): Reply {
  checkMode(args);
  for (const database of keyspace.databases) database.flush();
  return OK;
}

function swapDatabases({ keyspace }: Execution, args: readonly string[]): Reply {
  const first = databaseNumber(args[1]!, new ReplyError("ERR invalid first DB index"));
  if (first instanceof ReplyError) return first;
  const second = databaseNumber(args[2]!, new ReplyError("ERR invalid second DB index"));
  if (second instanceof ReplyError) return second;
  if (keyspace.databases[first] === undefined || keyspace.databases[second] === undefined) {
    return new ReplyError("ERR DB index is out of range");
  }
  keyspace.swapDatabases(first, second);
  return OK;
}

/** Log time: in a script or transaction it stands still, and it is the same on every replica. */
function time({ nowMs }: Execution): Reply {
  const seconds = Math.floor(nowMs / 1000);
  return [String(seconds), String(Math.floor((nowMs - seconds * 1000) * 1000))];
}

const docs = { group: "server", since: "1.0.0", complexity: "O(1)" } as const;
const flushing = { arity: -1, flags: ["write"], keys: NO_KEYS } as const;

export const SERVER_COMMANDS: readonly CommandSpec[] = [
  {
    ...flushing,
    name: "flushdb",
    docs: { ...docs, summary: "Removes every key of the database", usage: "[ASYNC | SYNC]" },
    execute: flushDatabase,
  },
  {
    ...flushing,
    name: "flushall",
    docs: { ...docs, summary: "Removes every key of every database", usage: "[ASYNC | SYNC]" },
    execute: flushAll,
  },
  {
    name: "swapdb",
    arity: 3,
    flags: ["write", "fast"],
    keys: NO_KEYS,
    docs: { ...docs, summary: "Exchanges two databases", since: "4.0.0", usage: "index1 index2" },
    execute: swapDatabases,
  },
  {
    name: "time",
    arity: 1,
    flags: ["loading", "stale", "fast"],
    keys: NO_KEYS,
    docs: {
      ...docs,
      summary: "The cluster's time: Unix seconds and microseconds",
      since: "2.6.0",
      usage: "",
    },
    execute: time,
  },
];
