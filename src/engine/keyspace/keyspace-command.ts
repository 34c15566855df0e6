/** What the log carries for the keyspace: a client's command, a transaction, and the keyspace's own upkeep. */
import type { Bytes } from "../../runtime/bytes.ts";

/** One command of a client and the database that it had selected. args[0] is the name. */
export interface Call {
  readonly database: number;
  /** Each argument is a string of its own, not a slice of a larger one: what is stored would keep the whole alive. */
  readonly args: readonly string[];
}

/** A key under WATCH: what was known of it when WATCH was answered. */
export interface WatchedKey {
  readonly database: number;
  readonly key: string;
  readonly wasPresent: boolean;
  /** That of the whole keyspace, then. */
  readonly revision: number;
}

/** A key and the version of its last change. */
export interface KeyVersion {
  readonly database: number;
  readonly key: string;
  /** 0: absent. */
  readonly version: number;
}

/** A key that the leader chose to evict; skipped when it changed meanwhile. */
export type Victim = KeyVersion;

export type KeyspaceCommand =
  | ({ readonly type: "call" } & Call)
  /** Commands that a client sent one behind the other, each on its own: no transaction. The reply is an array of theirs. */
  | { readonly type: "calls"; readonly database: number; readonly list: readonly (readonly string[])[] }
  | { readonly type: "exec"; readonly watched: readonly WatchedKey[]; readonly calls: readonly Call[] }
  /** A transaction in the log of an earlier version, which compared the versions of watched keys: it ends as it ended then. */
  | {
      readonly type: "exec-by-version";
      readonly watched: readonly KeyVersion[];
      readonly calls: readonly Call[];
    }
  /** Removes up to `limit` keys that are due. */
  | { readonly type: "expire"; readonly limit: number }
  | { readonly type: "evict"; readonly victims: readonly Victim[] }
  /** CONFIG SET of replicated settings: all of them, or none and an error. */
  | { readonly type: "configure"; readonly settings: readonly (readonly [name: string, value: string])[] }
  /** Bytes of the log that are no command. No node proposes it; changes nothing, and its reply is an error. */
  | { readonly type: "malformed"; readonly bytes: Bytes; readonly problem: string };
