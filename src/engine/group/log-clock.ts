/**
 * Log time: the one clock that commands see, stamped by the leader and equal on every replica.
 *
 * It never goes backwards and advances with the leader's *monotonic* clock. Every node keeps, from the entries that reach
 * it while they are fresh, the offset between log time and its own monotonic clock; the offset is never ahead of the
 * leader's (a stamp is older when it arrives), so a new leader goes on where the old one stopped and a fail-over may
 * lengthen a lease or an expiry, never shorten it, whatever the wall clocks say. For that, an offset must be measured on the
 * leader that gave the latest deadlines: a leader that knows log time only late would otherwise be followed by one that
 * knows it better, and what it promised would end early. Only a node that heard no live entry since its process began (the
 * whole cluster was down) takes its wall clock. A leader leans towards its wall clock by at most one part in two thousand,
 * so that EXPIREAT stays true over months.
 */
import type { Term } from "../../consensus/consensus.ts";
import type { Clock } from "../../runtime/world.ts";

const SLEW = 0.0005;
/** How much faster than the leader's this node's monotonic clock may run, as a fraction. */
const DRIFT_MAX = 0.01;

export class LogClock {
  private readonly clock: Clock;
  private lastStampMs = 0;
  /** log time minus monotonic time; undefined until a live stamp was seen. */
  private offsetMs: number | undefined;
  private observedAtMs = 0;
  private term: Term = 0;
  /** Of the leader, this node or another, on which log time was measured; 0: on none since this process began. */
  private measuredTerm: Term = 0;
  /** The offset was measured on an earlier leader. */
  private leaderIsNew = false;
  /** Undefined before the first stamp of this leadership. */
  private slewedAtMs: number | undefined;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** A stamp that was read from the disk or a snapshot: a lower bound, no measure of the present. */
  recover(stampMs: number): void {
    this.lastStampMs = Math.max(this.lastStampMs, stampMs);
  }

  /**
   * Another node leads, or this one does: from now on, the stamps of this leadership are the measure. Of earlier ones only what is
   * applied (`appliedMs`: the newest of those) stays for certain: stamps whose entries are lost were no promise to anybody.
   */
  leaderChanged(term: Term, appliedMs: number): void {
    this.term = term;
    this.lastStampMs = appliedMs;
    this.leaderIsNew = true;
    this.slewedAtMs = undefined;
  }

  /**
   * This node leads, after `leaderChanged`: its stamps continue from `newestMs`, the newest in its log, applied or not. If it
   * holds commands of a later leader than it heard (`foundTerm`, 0: none), that one's deadlines were not measured here: how old
   * its newest stamp is nobody knows, and it counts as new.
   */
  lead(newestMs: number, foundTerm: Term): void {
    this.recover(newestMs);
    if (this.measuredTerm > 0 && foundTerm > this.measuredTerm) this.observe(newestMs);
    this.measuredTerm = this.term;
  }

  /**
   * A stamp of an entry that has just arrived from the leader. The one that was least late is the best measure; it ages, in
   * case this node's clock is the faster one.
   */
  observe(stampMs: number): void {
    this.recover(stampMs);
    const nowMs = this.clock.monotonicMs();
    const offset = stampMs - nowMs;
    if (this.offsetMs === undefined || this.leaderIsNew) this.offsetMs = offset;
    else this.offsetMs = Math.max(offset, this.offsetMs - (nowMs - this.observedAtMs) * DRIFT_MAX);
    this.observedAtMs = nowMs;
    this.leaderIsNew = false;
    this.measuredTerm = this.term;
  }

  /** The stamp for the next entry (at the leader). */
  stamp(): number {
    const nowMs = this.clock.monotonicMs();
    if (this.offsetMs === undefined) {
      this.offsetMs = Math.max(this.clock.wallMs(), this.lastStampMs) - nowMs;
    } else {
      this.slew(nowMs);
      // A later stamp than it measured (from its disk, a snapshot, an election) is at most as old as now. Log time that stood
      // still until the measure caught up would be overtaken by those that measure it, and what it promised would end early.
      this.offsetMs = Math.max(this.offsetMs, this.lastStampMs - nowMs);
    }
    this.slewedAtMs = nowMs;
    this.lastStampMs = Math.max(this.lastStampMs, Math.floor(nowMs + this.offsetMs));
    return this.lastStampMs;
  }

  /** This node's estimate of the log time, never ahead of what the leader would stamp. */
  estimateMs(): number {
    if (this.offsetMs === undefined) return this.lastStampMs;
    return Math.max(this.lastStampMs, Math.floor(this.clock.monotonicMs() + this.offsetMs));
  }

  private slew(nowMs: number): void {
    const offset = this.offsetMs ?? 0;
    const behindMs = this.clock.wallMs() - (nowMs + offset);
    const limitMs = Math.max(0, nowMs - (this.slewedAtMs ?? nowMs)) * SLEW;
    this.offsetMs = offset + Math.max(-limitMs, Math.min(limitMs, behindMs));
  }
}
