/** Parts of strings: APPEND, STRLEN, SETRANGE, GETRANGE, SUBSTR. */
import type { CommandSpec } from "../command.ts";
import { EVENT } from "../events.ts";
import type { Execution } from "../execution.ts";
import { indexArgument } from "../numbers.ts";
import { ReplyError, type Reply } from "../reply.ts";
import { ONE_KEY } from "./key-positions.ts";

/** Redis allows 512 MiB (proto-max-bulk-len); V8's longest string is 24 characters shorter. */
const GREATEST_LENGTH = 512 * 1024 * 1024 - 24;

const TOO_LONG: ReplyError = new ReplyError("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
const OFFSET_OUT_OF_RANGE: ReplyError = new ReplyError("ERR offset is out of range");

function append({ database }: Execution, args: readonly string[]): Reply {
  const old = database.readString(args[1]!);
  const added = args[2]!;
  if ((old?.length ?? 0) + added.length > GREATEST_LENGTH) throw TOO_LONG;
  const value = (old ?? "") + added;
  database.set(args[1]!, value, { keepExpiry: true });
  database.notify(EVENT.string, "append", args[1]!);
  return value.length;
}

function setRange({ database }: Execution, args: readonly string[]): Reply {
  const offset = indexArgument(args[2]!);
  if (offset < 0) throw OFFSET_OUT_OF_RANGE;
  const part = args[3]!;
  const old = database.readString(args[1]!);
  if (part.length === 0) return old?.length ?? 0;
  if (offset + part.length > GREATEST_LENGTH) throw TOO_LONG;
  const head = (old ?? "").slice(0, offset).padEnd(offset, "\0");
  const value = head + part + (old ?? "").slice(offset + part.length);
  database.set(args[1]!, value, { keepExpiry: true });
  database.notify(EVENT.string, "setrange", args[1]!);
  return value.length;
}

function getRange({ database }: Execution, args: readonly string[]): Reply {
  let start = indexArgument(args[2]!);
  let end = indexArgument(args[3]!);
  const value = database.readString(args[1]!) ?? "";
  if (start < 0 && end < 0 && start > end) return "";
  if (start < 0) start = Math.max(0, value.length + start);
  if (end < 0) end = Math.max(0, value.length + end);
  end = Math.min(end, value.length - 1);
  return start > end ? "" : value.slice(start, end + 1);
}

const docs = { group: "string", complexity: "O(length)" } as const;

export const STRING_RANGE_COMMANDS: readonly CommandSpec[] = [
  {
    name: "append",
    arity: 3,
    flags: ["write", "denyoom", "fast"],
    keys: ONE_KEY,
    docs: { ...docs, summary: "Adds to the end of a string", since: "2.0.0", usage: "key value" },
    execute: append,
  },
  {
    name: "strlen",
    arity: 2,
    flags: ["readonly", "fast"],
    keys: ONE_KEY,
    docs: {
      ...docs,
      summary: "Length of a string in bytes",
      since: "2.2.0",
      complexity: "O(1)",
      usage: "key",
    },
    execute: ({ database }, args) => database.readString(args[1]!)?.length ?? 0,
  },
  {
    name: "setrange",
    arity: 4,
    flags: ["write", "denyoom"],
    keys: ONE_KEY,
    docs: {
      ...docs,
      summary: "Overwrites part of a string, padding with zero bytes",
      since: "2.2.0",
      usage: "key offset value",
    },
    execute: setRange,
  },
  {
    name: "getrange",
    arity: 4,
    flags: ["readonly"],
    keys: ONE_KEY,
    docs: {
      ...docs,
      summary: "Part of a string, both ends included",
      since: "2.4.0",
      usage: "key start end",
    },
    execute: getRange,
  },
  {
    name: "substr",
    arity: 4,
    flags: ["readonly"],
    keys: ONE_KEY,
    docs: { ...docs, summary: "The old name of GETRANGE", since: "1.0.0", usage: "key start end" },
    execute: getRange,
  },
];
