/** What a keyspace is given by the node that it runs on. Nothing of it may reach the state, which all replicas share. */
import type { CollectionReaders } from "./collection-readers.ts";
import type { CommandSpec } from "./command.ts";
import type { ScriptEngine } from "./section.ts";

export interface KeyspaceOptions {
  /** Every command, those of the connection included. */
  readonly commands: readonly CommandSpec[];
  /** EVAL and its kin. Default: none. */
  readonly scripts?: ScriptEngine;
  /** Who delivers a published message to this node's subscribers. Default: nobody. */
  readonly publish?: (channel: string, message: string) => void;
  /**
   * Where the log ended when this process began: what the entries up to there publish, an earlier life has delivered. Default 0.
   */
  readonly deliveredUpTo?: number;
  /** Told of an entry of the log that is no command, and so changed nothing. Default: nobody. */
  readonly complain?: (problem: string) => void;
  /** Monotonic milliseconds, to measure what scripts call; nothing of them reaches the state. Default: no time passes. */
  readonly stopwatchMs?: () => number;
  /** Default: those of `collection-readers.ts`. */
  readonly collections?: CollectionReaders;
  /** 32 bits that clients must not know, for the tables of keys; nothing of them reaches the state. Default 0: for tests. */
  readonly hashSecret?: number;
}
