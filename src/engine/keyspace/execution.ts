/** What a command sees while it executes: its database, log time, seeded chance, and the effects that leave the keyspace. */
import type { Database } from "./database.ts";
import type { Keyspace } from "./keyspace.ts";

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
}
