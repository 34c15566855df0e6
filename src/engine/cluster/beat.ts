/**
 * One timer for what all groups of a node do at the same interval. So they act in the same turn of the event loop, and what
 * they send to a peer then, heartbeats above all, leaves in one write to its socket.
 */
import type { Clock, Timer } from "../../runtime/world.ts";

interface Works {
  readonly all: Set<() => void>;
  timer: Timer;
}

export class Beat {
  private readonly clock: Clock;
  private readonly works = new Map<number, Works>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Calls `work` at every interval, from one interval on at the latest, until it is cancelled. */
  every(intervalMs: number, work: () => void): Timer {
    let works = this.works.get(intervalMs);
    if (works === undefined) {
      works = { all: new Set(), timer: this.clock.setTimer(intervalMs, () => this.strike(intervalMs)) };
      this.works.set(intervalMs, works);
    }
    const { all } = works;
    all.add(work);
    return {
      cancel: () => {
        all.delete(work);
        if (all.size > 0 || this.works.get(intervalMs)?.all !== all) return;
        this.works.get(intervalMs)?.timer.cancel();
        this.works.delete(intervalMs);
      },
    };
  }

  private strike(intervalMs: number): void {
    const works = this.works.get(intervalMs);
    if (works === undefined) return;
    works.timer = this.clock.setTimer(intervalMs, () => this.strike(intervalMs));
    for (const work of works.all) work();
  }
}
