/** What the databases share while a command runs: the time it may know, whether it may change anything, and the revision. */

import type { UndoLog } from "./undo-log.ts";
import { ValueAudit } from "./value-audit.ts";

/** Thrown by a read that meets a key which is due by the reader's clock but not yet by the log. */
export const TICK_NEEDED: unique symbol = Symbol("tick needed");

/** One unit of the access clock, in milliseconds: 32 bits of it wrap after two years. */
export const ACCESS_UNIT_MS = 16;

export class Moment {
  /** Log time (a write) or the reader's estimate of it (a read), Unix milliseconds. */
  nowMs = 0;
  /** Time of the last applied entry: a key whose deadline it has reached is gone for good. */
  logMs = 0;
  /** True during a query on the local replica, which must change nothing. */
  reading = false;
  /** Counts changes of keys; a key's version is the revision of its last change. Equal on every replica. */
  revision = 0;
  /** What collections held at sampled changes; part of the state. */
  readonly audit: ValueAudit = new ValueAudit();
  /** While set, every change records what takes it back: a script runs that may yet be stopped. */
  undo: UndoLog | undefined = undefined;
  /** `nowMs` in units of the access clock, 32 bits. */
  accessUnits = 0;

  startWrite(timeMs: number): void {
    this.nowMs = this.logMs = Math.max(timeMs, this.logMs);
    this.reading = false;
    this.accessUnits = Math.floor(this.nowMs / ACCESS_UNIT_MS) >>> 0;
  }

  startRead(nowMs: number): void {
    this.nowMs = Math.max(nowMs, this.logMs);
    this.reading = true;
    this.accessUnits = Math.floor(this.nowMs / ACCESS_UNIT_MS) >>> 0;
  }
}
