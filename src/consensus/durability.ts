/**
 * What is on the disk and what only on its way: the core's half of the rule that a vote or an acknowledgement waits for
 * the disk.
 *
 * All changes of a turn go into one write. Its id exists as soon as the first change is made, so that messages of the same
 * turn can name it; its content is fixed when the turn is drained.
 */
import { assert } from "../runtime/errors.ts";
import type { Index, SnapshotMeta } from "./consensus.ts";

interface PendingWrite {
  readonly id: number;
  lastIndex: Index;
}

export class Durability {
  /** The log up to here is on the disk. */
  stableIndex: Index;
  /** Of the open write; 0: no entries changed. */
  firstChanged: Index = 0;
  lastChanged: Index = 0;
  ballotChanged = false;
  snapshot: SnapshotMeta | undefined;
  /** The log reaches its floor with the open write. */
  floorReached = false;
  /** Since when the disk owes an answer; undefined while it owes none. */
  waitingSinceMs: number | undefined;
  private lastId = 0;
  private open = false;
  private readonly pending: PendingWrite[] = [];

  constructor(stableIndex: Index) {
    this.stableIndex = stableIndex;
  }

  /** Notes a change; true when it is the first one of its write. */
  change(): boolean {
    if (this.open) return false;
    this.open = true;
    this.lastId += 1;
    return true;
  }

  get isOpen(): boolean {
    return this.open;
  }

  /** The id of the newest write, open or issued. */
  get newestId(): number {
    return this.lastId;
  }

  /** The write that must be durable before a message may vouch for the present state; 0 when all is on the disk. */
  get after(): number {
    return this.open || this.pending.length > 0 ? this.lastId : 0;
  }

  /** The slots from `from` to `to` changed. */
  entriesChanged(from: Index, to: Index): void {
    this.firstChanged = this.firstChanged === 0 ? from : Math.min(this.firstChanged, from);
    this.lastChanged = Math.max(this.lastChanged, to);
  }

  /** No entries are left to write. */
  entriesGone(): void {
    this.firstChanged = 0;
    this.lastChanged = 0;
  }

  /** The open write leaves; once it is durable, the log up to `lastIndex` is. */
  seal(lastIndex: Index, nowMs: number): void {
    assert(this.open, "no write to seal");
    this.pending.push({ id: this.lastId, lastIndex });
    this.waitingSinceMs ??= nowMs;
    this.open = false;
    this.entriesGone();
    this.ballotChanged = false;
    this.snapshot = undefined;
    this.floorReached = false;
  }

  /**
   * `index` and what follows left the log. A write that is still under way may hold the removed entries: when it ends, it
   * must not vouch for those that took their place (same index, other content).
   */
  truncated(index: Index): void {
    this.stableIndex = Math.min(this.stableIndex, index - 1);
    for (const write of this.pending) write.lastIndex = Math.min(write.lastIndex, index - 1);
  }

  /** The write `id`, and all before it, are on the disk. */
  durable(id: number, nowMs: number): void {
    assert(id <= this.lastId && !(this.open && id === this.lastId), `write ${id} was never issued`);
    let done = 0;
    for (const write of this.pending) {
      if (write.id > id) break;
      this.stableIndex = Math.max(this.stableIndex, write.lastIndex);
      done += 1;
    }
    if (done === 0) return;
    this.pending.splice(0, done);
    this.waitingSinceMs = this.pending.length > 0 ? nowMs : undefined;
  }
}
