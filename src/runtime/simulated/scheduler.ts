/**
 * Virtual time: a queue of events, run one at a time in the order of their time and, at one time, of their making.
 *
 * Nothing waits: an hour of a cluster's life passes as fast as its events can be computed.
 */
import type { Timer } from "../world.ts";

class Event implements Timer {
  readonly timeMs: number;
  readonly sequence: number;
  /** Undefined once it ran or was cancelled; it then leaves the heap when its turn comes. */
  run: (() => void) | undefined;

  constructor(timeMs: number, sequence: number, run: () => void) {
    this.timeMs = timeMs;
    this.sequence = sequence;
    this.run = run;
  }

  cancel(): void {
    this.run = undefined;
  }
}

export class Scheduler {
  private readonly heap: Event[] = [];
  private sequence = 0;
  private timeMs = 0;
  /** Events run so far. */
  steps = 0;

  /** Virtual milliseconds since the beginning of the world: the truth that no machine's clock shows exactly. */
  get nowMs(): number {
    return this.timeMs;
  }

  /** Events waiting, cancelled ones included. */
  get pending(): number {
    return this.heap.length;
  }

  after(delayMs: number, run: () => void): Timer {
    return this.at(this.timeMs + Math.max(0, delayMs), run);
  }

  at(timeMs: number, run: () => void): Timer {
    const event = new Event(Math.max(timeMs, this.timeMs), this.sequence++, run);
    this.push(event);
    return event;
  }

  /** Runs the next event; false when there is none. */
  step(): boolean {
    return this.stepUntil(Infinity);
  }

  /** Runs everything that is due up to `timeMs`, and sets the time to it. */
  runUntil(timeMs: number): void {
    while (this.stepUntil(timeMs));
    this.timeMs = Math.max(this.timeMs, timeMs);
  }

  /** Runs the next event that is due up to `timeMs`; false when there is none. */
  stepUntil(timeMs: number): boolean {
    for (;;) {
      const first = this.heap[0];
      if (first === undefined || first.timeMs > timeMs) return false;
      this.pop();
      const { run } = first;
      if (run === undefined) continue;
      first.run = undefined;
      this.timeMs = first.timeMs;
      this.steps++;
      run();
      return true;
    }
  }

  private push(event: Event): void {
    const { heap } = this;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = heap[parentAt] as Event;
      if (!isBefore(event, parent)) break;
      heap[at] = parent;
      at = parentAt;
    }
    heap[at] = event;
  }

  private pop(): Event | undefined {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || first === last) return first;
    let at = 0;
    for (;;) {
      let childAt = 2 * at + 1;
      let child = heap[childAt];
      if (child === undefined) break;
      const sibling = heap[childAt + 1];
      if (sibling !== undefined && isBefore(sibling, child)) {
        child = sibling;
        childAt++;
      }
      if (!isBefore(child, last)) break;
      heap[at] = child;
      at = childAt;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(left: Event, right: Event): boolean {
  return left.timeMs < right.timeMs || (left.timeMs === right.timeMs && left.sequence < right.sequence);
}
