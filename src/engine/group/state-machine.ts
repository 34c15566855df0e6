/**
 * The contract between a replicated log and what it replicates: anything deterministic.
 *
 * Every replica applies the same commands in the same order with the same `AppliedAt`, so every replica reaches the same
 * state and gives the same replies. The replica that a client is connected to answers from its own apply; no reply ever
 * crosses the network.
 */
import type { Bytes } from "../../runtime/bytes.ts";

/** What a command may know of time and chance: stamped by the leader, in the log, equal on every replica. */
export interface AppliedAt {
  /** Index of the log entry. */
  readonly index: number;
  /** Position of the command inside its entry. */
  readonly position: number;
  /** Log time, Unix milliseconds; never goes backwards, also over a change of leader. */
  readonly timeMs: number;
  /** 32 bits for seeding whatever the command draws at random. */
  readonly seed: number;
}

/** The state was replaced by another one before all of its cut was read: there is no more of it. */
export class CutEnded extends Error {}

/**
 * A consistent cut of the state, read in slices while commands go on being applied.
 * `next` gives about `maxBytes` at a time and undefined at the end; `close` may come early. A replica's throws CutEnded.
 */
export interface SnapshotCut {
  next(maxBytes: number): Bytes | undefined;
  close(): void;
}

export interface StateMachine<Command, Reply> {
  /**
   * The command that `bytes` of the log encode. Malformed ones are a command that changes nothing, on every replica alike.
   * Throws only for what a newer program wrote: the node that cannot follow ends.
   */
  decode(bytes: Bytes): Command;
  /**
   * Commands that will be applied next, one behind the other: a machine may have the memory that they need brought near while
   * it looks at all of them, instead of waiting for each piece in turn. Changes nothing. Default: it does not look.
   */
  foresee?(commands: readonly Command[]): void;
  /** Never throws and never awaits: what is wrong with a command is its reply. */
  apply(command: Command, at: AppliedAt): Reply;
  /** At most one cut is open at a time. */
  snapshot(): SnapshotCut;
  /** Replaces the whole state. */
  restore(chunks: Iterable<Bytes>): void;
  /** A cheap digest of the state, kept up to date as it changes; equal on all replicas that applied the same prefix. */
  digest(): number;
  /**
   * Asked at the leader about every 100 ms and before each entry is sealed: an encoded command that should go first (keys
   * that are due, keys to evict), or undefined. `nowMs` is the log time that the next entry would get.
   */
  upkeep(nowMs: number): Bytes | undefined;
}
