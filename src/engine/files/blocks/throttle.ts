/** Lets bytes pass no faster than at a rate, counted from its making. */
import type { Clock, Timer } from "../../../runtime/world.ts";

export class Throttle {
  private readonly clock: Clock;
  private readonly bandwidth: number;
  private readonly beganMs: number;
  private readonly waiting = new Set<Timer>();
  private passed = 0;
  private closed = false;

  /** `bandwidth`: bytes a second; Infinity: as fast as it goes. */
  constructor(clock: Clock, bandwidth: number) {
    this.clock = clock;
    this.bandwidth = bandwidth;
    this.beganMs = clock.monotonicMs();
  }

  took(bytes: number): void {
    this.passed += bytes;
  }

  /** At once, or when the bytes that were taken so far may have passed; never, when it is closed before. */
  whenDue(run: () => void): void {
    if (this.closed) return;
    const dueInMs = this.beganMs + (this.passed / this.bandwidth) * 1000 - this.clock.monotonicMs();
    if (dueInMs <= 0) return run();
    const timer = this.clock.setTimer(dueInMs, () => {
      this.waiting.delete(timer);
      run();
    });
    this.waiting.add(timer);
  }

  close(): void {
    this.closed = true;
    for (const timer of this.waiting) timer.cancel();
    this.waiting.clear();
  }
}
