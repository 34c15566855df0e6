/**
 * When to believe that a peer is gone: after about three times the usual gap between its messages, within bounds.
 *
 * A fixed timeout must be chosen for the slowest network; this one follows the network it finds. The gap is an
 * exponentially weighted moving average; a sample counts for at least one heartbeat, so that a burst does not shorten it.
 */
const GAPS_UNTIL_SUSPECT = 3;
const NEWEST_SAMPLE_WEIGHT = 0.2;

export class FailureDetector {
  private readonly heartbeatMs: number;
  private readonly minMs: number;
  private readonly maxMs: number;
  private usualGapMs: number;
  /** When the peer was last heard. */
  heardMs: number;
  /** Where the wait counts from: `heardMs`, or later if this node itself was away. */
  private waitFromMs: number;

  constructor(heartbeatMs: number, minMs: number, maxMs: number, nowMs: number) {
    this.heartbeatMs = heartbeatMs;
    this.minMs = minMs;
    this.maxMs = maxMs;
    this.usualGapMs = heartbeatMs;
    this.heardMs = nowMs;
    this.waitFromMs = nowMs;
  }

  heard(nowMs: number): void {
    const sampleMs = Math.min(Math.max(nowMs - this.waitFromMs, this.heartbeatMs), this.maxMs);
    this.usualGapMs += (sampleMs - this.usualGapMs) * NEWEST_SAMPLE_WEIGHT;
    this.heardMs = nowMs;
    this.waitFromMs = nowMs;
  }

  /** Forgets the past: another peer is watched from now on. */
  reset(nowMs: number): void {
    this.usualGapMs = this.heartbeatMs;
    this.heardMs = nowMs;
    this.waitFromMs = nowMs;
  }

  /** This node was not looking: what the peer sent meanwhile is still unread, so the wait starts again. */
  restartWait(nowMs: number): void {
    this.waitFromMs = nowMs;
  }

  waitedMs(nowMs: number): number {
    return nowMs - this.waitFromMs;
  }

  /** How long a silence means that the peer is gone; callers add jitter. */
  timeoutMs(): number {
    return Math.min(Math.max(this.usualGapMs * GAPS_UNTIL_SUSPECT, this.minMs), this.maxMs);
  }
}

/**
 * Tells a late local tick from a silent peer. A process that was paused, or whose event loop was blocked, sees a long
 * silence that is its own: messages wait unread in its sockets.
 */
export class TickGauge {
  private lastMs: number;
  private usualGapMs: number;
  private readonly lateMs: number;

  /** `lateMs`: a tick is never called late below this gap. */
  constructor(expectedGapMs: number, lateMs: number, nowMs: number) {
    this.usualGapMs = expectedGapMs;
    this.lateMs = lateMs;
    this.lastMs = nowMs;
  }

  /** Notes a tick, and says whether it came much later than ticks usually do. */
  tick(nowMs: number): boolean {
    const gapMs = nowMs - this.lastMs;
    const late = gapMs > Math.max(4 * this.usualGapMs, this.lateMs);
    // Bounded, so that one long pause does not hide the next; a machine that is always slow becomes usual after a few.
    const sampleMs = Math.min(gapMs, 4 * this.usualGapMs);
    this.usualGapMs += (sampleMs - this.usualGapMs) * NEWEST_SAMPLE_WEIGHT;
    this.lastMs = nowMs;
    return late;
  }
}
