/** Finding keys: SCAN, KEYS, RANDOMKEY, DBSIZE. */
import type { CommandSpec } from "../command.ts";
import type { Execution } from "../execution.ts";
import { matchesGlob } from "../glob.ts";
import { indexArgument } from "../numbers.ts";
import { SYNTAX_ERROR, type Reply } from "../reply.ts";
import { typeOf } from "../value.ts";
import { cursorArgument } from "./collection-scan.ts";
import { NO_KEYS } from "./key-positions.ts";

const DEFAULT_COUNT = 10;
interface ScanOptions {
  readonly count: number;
  /** Undefined: everything matches. */
  readonly pattern: string | undefined;
  /** In lower case. */
  readonly type: string | undefined;
}

function scanOptions(args: readonly string[]): ScanOptions {
  let count = DEFAULT_COUNT;
  let pattern: string | undefined;
  let type: string | undefined;
  for (let i = 2; i < args.length; i += 2) {
    const word = args[i]!.toLowerCase();
    const value = args[i + 1];
    if (value === undefined) throw SYNTAX_ERROR;
    if (word === "count") {
      count = indexArgument(value);
      if (count < 1) throw SYNTAX_ERROR;
    } else if (word === "match") pattern = value === "*" ? undefined : value;
    else if (word === "type") type = value.toLowerCase();
    else throw SYNTAX_ERROR;
  }
  return { count, pattern, type };
}

function scan({ database }: Execution, args: readonly string[]): Reply {
  const start = Number(cursorArgument(args[1]!));
  const { count, pattern, type } = scanOptions(args);
  const { cursor, keys } = database.scan(start, count);
  if (pattern === undefined && type === undefined) return [String(cursor), keys];
  const wanted = keys.filter(
    (key) =>
      (pattern === undefined || matchesGlob(pattern, key)) &&
      (type === undefined || typeOf(database.peek(key)!) === type),
  );
  return [String(cursor), wanted];
}

function keys({ database }: Execution, args: readonly string[]): Reply {
  const pattern = args[1]!;
  const found: string[] = [];
  for (const key of database.keys()) if (pattern === "*" || matchesGlob(pattern, key)) found.push(key);
  return found;
}

const docs = { group: "generic", since: "1.0.0", complexity: "O(1)" } as const;

export const SCAN_COMMANDS: readonly CommandSpec[] = [
  {
    name: "scan",
    arity: -2,
    flags: ["readonly"],
    keys: NO_KEYS,
    docs: {
      ...docs,
      summary: "Goes through the keys in steps",
      since: "2.8.0",
      complexity: "O(count) a step",
      usage: "cursor [MATCH pattern] [COUNT count] [TYPE type]",
    },
    execute: scan,
  },
  {
    name: "keys",
    arity: 2,
    flags: ["readonly"],
    keys: NO_KEYS,
    docs: { ...docs, summary: "All keys that match a pattern", complexity: "O(keys)", usage: "pattern" },
    execute: keys,
  },
  {
    name: "randomkey",
    arity: 1,
    flags: ["readonly"],
    keys: NO_KEYS,
    docs: { ...docs, summary: "A key chosen at random", usage: "" },
    execute: (context) => context.database.randomKey(() => context.random()) ?? null,
  },
  {
    name: "dbsize",
    arity: 1,
    flags: ["readonly", "fast"],
    keys: NO_KEYS,
    docs: { ...docs, group: "server", summary: "Number of keys of the database", usage: "" },
    execute: ({ database }) => database.size,
  },
];
