/**
 * keyspace: the Redis data model as a deterministic state machine.
 *
 * Sixteen numbered databases, a table of commands, and a machine that applies commands from the replicated log
 * (`machine.ts`) and answers queries from the local replica. Time and chance come with the log entry; expiry and eviction
 * are events of the log; nothing here reads a clock, waits, or does I/O. This file is the door: what commands, scripts and
 * the servers see. `createKeyspace` in `machine.ts` builds one.
 */
import type { CommandTable } from "./command-table.ts";
import type { Database } from "./database.ts";
import type { Reply } from "./reply.ts";
import type { KeyspaceSettings } from "./settings.ts";

export const DATABASE_COUNT = 16;

export interface Keyspace {
  readonly databases: readonly Database[];
  readonly commands: CommandTable;
  /** Replicated settings: memory limit and what to do at it. */
  readonly settings: Readonly<KeyspaceSettings>;
  /** Sets all of these, or none and says why. */
  configure(settings: readonly (readonly [name: string, value: string])[]): Reply;
  /** Exchanges the content of two databases. */
  swapDatabases(first: number, second: number): void;
  /** Figures for INFO; those named local differ between replicas. */
  statistics(): KeyspaceStatistics;
}

export interface KeyspaceStatistics {
  /** Deterministic estimate of the memory that keys and values take. */
  readonly usedBytes: number;
  /** Local, since this process started. */
  readonly expiredKeys: number;
  /** Local, since this process started. */
  readonly evictedKeys: number;
  /** Local, since this process started. */
  readonly hits: number;
  /** Local, since this process started. */
  readonly misses: number;
}
