/** A clock that a test can push forward or set wrong: what commands see of time follows it, timers do not. */
import type { Clock } from "../world.ts";

export interface AdjustableClock extends Clock {
  /** Time passes: the monotonic and the wall clock move forward by `ms` at once. Never negative. */
  advance(ms: number): void;
  /** The wall clock is set wrong by `ms`, either way; the monotonic clock does not notice. */
  skew(ms: number): void;
}

export function createAdjustableClock(clock: Clock): AdjustableClock {
  let advancedMs = 0;
  let skewedMs = 0;
  return {
    monotonicMs: () => clock.monotonicMs() + advancedMs,
    wallMs: () => clock.wallMs() + advancedMs + skewedMs,
    setTimer: (delayMs, callback) => clock.setTimer(delayMs, callback),
    endOfTurn: (callback) => clock.endOfTurn(callback),
    advance(ms) {
      if (!(ms >= 0)) throw new RangeError(`a clock can only advance: ${ms} ms`);
      advancedMs += ms;
    },
    skew(ms) {
      skewedMs += ms;
    },
  };
}
