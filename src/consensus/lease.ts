/**
 * The leader lease: for a while after a quorum answered a heartbeat, no other leader can exist, because each of those
 * voters refuses to vote for `electionTimeoutMinMs` after it heard its leader (thesis section 6.4.1).
 */
export class Lease {
  private readonly durationMs: number;
  private untilMs = Number.NEGATIVE_INFINITY;
  private revoked = false;

  /** The two machines' monotonic clocks may run apart by `clockDriftMax`: the lease ends that much earlier here. */
  constructor(electionTimeoutMinMs: number, clockDriftMax: number) {
    this.durationMs = electionTimeoutMinMs * (1 - clockDriftMax);
  }

  /** A quorum answered the round that left at `sentMs`. A voter counts from when it heard, which is never earlier. */
  extend(sentMs: number): void {
    this.untilMs = Math.max(this.untilMs, sentMs + this.durationMs);
  }

  /**
   * For the rest of this leadership. Once a follower was told to campaign at once, voters will not wait for the lease, and
   * that message may still be under way long after the transfer was given up.
   */
  revoke(): void {
    this.revoked = true;
  }

  holds(nowMs: number): boolean {
    return !this.revoked && nowMs < this.untilMs;
  }
}
