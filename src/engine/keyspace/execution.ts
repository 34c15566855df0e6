/** What a command sees while it executes: its database, log time, seeded chance, and the effects that leave the keyspace. */
import type { CommandSpec } from "./command.ts";
import type { Database } from "./database.ts";
import type { Keyspace } from "./keyspace.ts";
import type { Reply } from "./reply.ts";

export interface Execution {
  readonly keyspace: Keyspace;
  /** The selected database. */
  readonly database: Database;
  readonly databaseIndex: number;
  /** Log time (a write) or the reader's estimate of it (a read), Unix milliseconds. */
  readonly nowMs: number;
  /** A uniform number in [0, 1), seeded by the log entry: equal on every replica. */
  random(): number;
  /** Delivered to this node's subscribers after the command was applied; every replica delivers to its own. */
  publish(channel: string, message: string): void;
  /** True inside EVAL, EVALSHA, FCALL or EXEC. */
  readonly nested: boolean;
  /** True in a query on the local replica: commands that write are refused. */
  readonly reading: boolean;
  /** True once this execution (or what it runs inside) has changed a key. */
  readonly changed: boolean;
  /**
   * Runs another command inside this one, as redis.call does: lookup, arity, OOM check, execute. What goes wrong is
   * returned as a ReplyError, never thrown. A database selected inside stays selected for later calls of this execution.
   */
  call(args: readonly string[]): Reply;
  /** Notes that a script called this, where `call` was not needed for its reply. */
  noteCall(spec: CommandSpec, args: readonly string[]): void;
  /** Notes that a script called this, and may not. */
  noteRejected(spec: CommandSpec): void;
  /** Runs `body`; when it throws, everything that it changed is taken back before the error goes on. Not nested. */
  atomically<T>(body: () => T): T;
  /** Evicts if memory has run out and the policy allows it; false when what needs memory must be refused. */
  makeRoom(): boolean;
  /** Runs `body`, whose commands may take memory beyond the limit: what the flag allow-oom of a script says. Not nested. */
  beyondMemory<T>(body: () => T): T;
  /** Selects a database for the rest of this execution; false when the index is out of range. */
  select(index: number): boolean;
}
