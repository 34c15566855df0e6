/**
 * The one command table's row: name, arity, flags, keys, handler and documentation.
 *
 * It answers COMMAND, COMMAND DOCS and the help, tells the pipeline whether a command reads or writes, and tells the
 * router its keys. Commands of the data model carry `execute` (deterministic, here); commands of a connection (HELLO,
 * CLIENT, SUBSCRIBE…) are rows of the same table whose handlers live in `engine/protocol`.
 */
import type { Execution } from "./execution.ts";
import type { Reply } from "./reply.ts";

/** Redis's own flag names, as COMMAND INFO prints them (https://redis.io/docs/latest/commands/command/). */
export type CommandFlag =
  | "write"
  | "readonly"
  | "denyoom"
  | "admin"
  | "pubsub"
  | "noscript"
  | "blocking"
  | "loading"
  | "no_async_loading"
  | "stale"
  | "fast"
  | "no_auth"
  | "no_multi"
  | "skip_monitor"
  | "no_mandatory_keys"
  | "movablekeys"
  | "allow_busy";

export type CommandGroup =
  | "string"
  | "hash"
  | "list"
  | "set"
  | "sorted-set"
  | "generic"
  | "transactions"
  | "scripting"
  | "pubsub"
  | "connection"
  | "server"
  | "cluster";

/** Where the keys are: Redis's (first, last, step); `last` negative counts from the end. first 0: no keys. */
export interface KeyPositions {
  readonly first: number;
  readonly last: number;
  readonly step: number;
}

export interface CommandDocs {
  readonly summary: string;
  readonly group: CommandGroup;
  /** The Redis version whose behaviour is implemented, when the command first appeared. */
  readonly since: string;
  readonly complexity: string;
  /** The usage after the name, such as "key [NX | XX] [GET]". */
  readonly usage: string;
}

export interface CommandSpec {
  /** Lower case; a subcommand's full name is "client|list". */
  readonly name: string;
  /** As Redis counts: the name included; negative: at least so many. */
  readonly arity: number;
  readonly flags: readonly CommandFlag[];
  readonly keys: KeyPositions;
  /** For commands whose keys are not at fixed positions (EVAL, ZUNIONSTORE…): indices into args. */
  readonly findKeys?: (args: readonly string[]) => readonly number[];
  readonly docs: CommandDocs;
  /**
   * Of a command that runs others: false when these arguments tell, by this replica's state, that this call writes no keys, as
   * a script with the flag no-writes. Default: as the flags say.
   */
  readonly mayWrite?: (args: readonly string[]) => boolean;
  /** args[0] is the name as the client sent it. Deterministic. May throw ReplyError. Absent: a connection's command. */
  readonly execute?: (context: Execution, args: readonly string[]) => Reply;
  readonly subcommands?: readonly CommandSpec[];
}
