/** OBJECT: how a value is kept and how recently it was used. */
import { subcommandHelp } from "../command-replies.ts";
import type { CommandSpec } from "../command.ts";
import type { Execution } from "../execution.ts";
import { parseInteger } from "../numbers.ts";
import { ReplyError, type Reply } from "../reply.ts";
import type { Value } from "../value.ts";
import { NO_KEYS } from "./key-positions.ts";

const EMBEDDED_LENGTH = 44;
/** What Redis answers for the small integers that it shares. */
const SHARED_COUNT = 0x7fff_ffff;
const SHARED_INTEGERS = 10_000;

const SWITCH_NOTE =
  "Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.";
const NOT_LFU: ReplyError = new ReplyError(
  `ERR An LFU maxmemory policy is not selected, access frequency not tracked. ${SWITCH_NOTE}`,
);
const IS_LFU: ReplyError = new ReplyError(
  `ERR An LFU maxmemory policy is selected, idle time not tracked. ${SWITCH_NOTE}`,
);
/** Each replica knows only the reads it served itself: a script that branched on that would diverge. */
const LOCAL_KNOWLEDGE: ReplyError = new ReplyError(
  "ERR access times are known to single nodes, not to the log: not available in scripts and transactions",
);

function encodingOf(value: Value): string {
  if (typeof value !== "string") return value.encoding();
  if (parseInteger(value) !== undefined) return "int";
  return value.length <= EMBEDDED_LENGTH ? "embstr" : "raw";
}

function encoding({ database }: Execution, args: readonly string[]): Reply {
  const value = database.peek(args[2]!);
  return value === undefined ? null : encodingOf(value);
}

function referenceCount({ database }: Execution, args: readonly string[]): Reply {
  const value = database.peek(args[2]!);
  if (value === undefined) return null;
  const integer = typeof value === "string" ? parseInteger(value) : undefined;
  return integer !== undefined && integer >= 0 && integer < SHARED_INTEGERS ? SHARED_COUNT : 1;
}

function idleTime(context: Execution, args: readonly string[]): Reply {
  if (context.nested) throw LOCAL_KNOWLEDGE;
  if (!context.database.exists(args[2]!)) return null;
  if (context.keyspace.settings.policy.endsWith("lfu")) throw IS_LFU;
  return Math.floor(context.database.idleMs(args[2]!) / 1000);
}

function frequency(context: Execution, args: readonly string[]): Reply {
  if (context.nested) throw LOCAL_KNOWLEDGE;
  if (!context.database.exists(args[2]!)) return null;
  if (!context.keyspace.settings.policy.endsWith("lfu")) throw NOT_LFU;
  return context.database.frequency(args[2]!);
}

const docs = { group: "generic", since: "2.2.3", complexity: "O(1)" } as const;
const aboutKey = { arity: 3, flags: ["readonly"], keys: { first: 2, last: 2, step: 1 } } as const;

const SUBCOMMANDS: readonly CommandSpec[] = [
  {
    ...aboutKey,
    name: "object|encoding",
    docs: { ...docs, summary: "How the value is kept in memory", usage: "key" },
    execute: encoding,
  },
  {
    ...aboutKey,
    name: "object|refcount",
    docs: { ...docs, summary: "How many references the value has", usage: "key" },
    execute: referenceCount,
  },
  {
    ...aboutKey,
    name: "object|idletime",
    docs: { ...docs, summary: "Seconds since the value was last used on this node", usage: "key" },
    execute: idleTime,
  },
  {
    ...aboutKey,
    name: "object|freq",
    docs: {
      ...docs,
      summary: "How often the value is used on this node, 0 to 255",
      since: "4.0.0",
      usage: "key",
    },
    execute: frequency,
  },
  {
    name: "object|help",
    arity: 2,
    flags: ["readonly", "loading", "stale"],
    keys: NO_KEYS,
    docs: { ...docs, summary: "Lists the subcommands", since: "6.2.0", usage: "" },
    execute: () => subcommandHelp(OBJECT_COMMAND),
  },
];

const OBJECT_COMMAND: CommandSpec = {
  name: "object",
  arity: -2,
  flags: [],
  keys: NO_KEYS,
  docs: { ...docs, summary: "Tells how values are kept", usage: "" },
  subcommands: SUBCOMMANDS,
};

export const OBJECT_COMMANDS: readonly CommandSpec[] = [OBJECT_COMMAND];
