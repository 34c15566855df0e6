/** What a group sees of the open log. */
import type { DurableWrite, Index } from "../../../consensus/consensus.ts";
import type { QuorateError } from "../../../runtime/errors.ts";
import type { GroupId } from "./frame.ts";

export interface WriteAheadLog {
  /**
   * Stores one durable write. `done` is called when it, and everything appended before it, is durable (`everysec`: is
   * written; `memory`: at the end of the turn); never, when the log failed or was closed. A failing disk is fatal.
   * Raises INVARIANT for a write of a gigabyte or more.
   */
  append(group: GroupId, write: DurableWrite, done: () => void): void;
  /** Sends what was appended on its way now; otherwise that happens at the end of the event-loop turn. */
  flush(): void;
  /** Entries of the group below this index are not needed any more. */
  compact(group: GroupId, belowIndex: Index): void;
  /**
   * DISK_FULL while no space can be had for the next segment: the caller should take no new commands. What was appended
   * waits; small writes that fit into the current segment still go through; the log goes on by itself when space is freed.
   */
  refusing(): QuorateError | undefined;
  /** DISK_FULL while something that was appended waits for space. */
  stalled(): QuorateError | undefined;
  stats(): LogStats;
  /** Writes what waits, seals the log and closes its files. A log without space drops what waits: nobody was told. */
  close(done: () => void): void;
}

export interface LogStats {
  readonly fsyncs: number;
  readonly frames: number;
  readonly bytesWritten: number;
  /** How long the last durable write took. */
  readonly lastFsyncMs: number;
  /** Bytes that were appended and are not yet written. */
  readonly queueBytes: number;
  readonly segments: number;
  /** Bytes that the log's files take, preallocated space included. */
  readonly diskBytes: number;
  /** The groups whose uncompacted entries keep the oldest segment: they should take a snapshot. */
  readonly pinnedBy: readonly GroupId[];
}
