/**
 * keyspace: the Redis data model as a deterministic state machine. This file is its door; see `command.ts` for the table.
 */
import type { Database } from "./database.ts";

export interface Keyspace {
  readonly databases: readonly Database[];
}
