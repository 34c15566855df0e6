/** The real clock: the machine's monotonic and wall time, Node.js timers, and one shared end of turn. */
import { performance } from "node:perf_hooks";
import type { Clock, Timer } from "../world.ts";

/** The longest delay that setTimeout takes; above it would fire at once. */
const TIMEOUT_MAX_MS = 2 ** 31 - 1;
/** How often callbacks of a turn's end may schedule further ones before the rest waits for the next turn. */
const ROUNDS_MAX = 4;
/** The last moment of a millisecond, in steps that today's date leaves to a double. */
const LATEST_FRACTION = 1 - 2 ** -10;

/** The clock of this machine. Several may exist; each has an end of turn of its own. */
export function createClock(): Clock {
  return {
    monotonicMs: () => performance.now(),
    wallMs: createWallClock(),
    setTimer,
    endOfTurn: createEndOfTurn(),
  };
}

/**
 * Date.now() in finer steps, by the monotonic clock: the latest moment that every reading so far allows. Whoever goes by it is
 * not behind another who has read Date.now() on this machine, as one who took its whole milliseconds as they are would be.
 */
function createWallClock(): () => number {
  let originMs = -Infinity;
  return () => {
    const monotonicMs = performance.now();
    const wholeMs = Date.now();
    const wallMs = originMs + monotonicMs;
    if (wallMs >= wholeMs && wallMs < wholeMs + 1) return wallMs;
    // The first reading, a jump, or a millisecond that began later than was thought.
    originMs = wholeMs + LATEST_FRACTION - monotonicMs;
    return wholeMs + LATEST_FRACTION;
  };
}

/**
 * setTimeout counts in whole milliseconds of the event loop's own time and may fire a little early; a caller that compares
 * the clock with its deadline must not find that it was woken too soon, so an early timer is armed again.
 */
function setTimer(delayMs: number, callback: () => void): Timer {
  const dueMs = performance.now() + delayMs;
  let timeout: NodeJS.Timeout;
  const arm = (): void => {
    const leftMs = Math.ceil(dueMs - performance.now());
    timeout = setTimeout(fire, Math.min(Math.max(leftMs, 0), TIMEOUT_MAX_MS));
  };
  const fire = (): void => {
    if (performance.now() < dueMs) arm();
    else callback();
  };
  arm();
  return { cancel: () => clearTimeout(timeout) };
}

/**
 * All callbacks of one turn share one setImmediate, which runs after the sockets that were ready have been read. What a
 * callback schedules runs in the same turn, after those already waiting: a node that steps its log at the end of the turn
 * and a network that then flushes what was sent do not wait for another turn.
 */
function createEndOfTurn(): (callback: () => void) => void {
  let waiting: (() => void)[] = [];
  let scheduled = false;

  const run = (): void => {
    try {
      for (let round = 0; round < ROUNDS_MAX && waiting.length > 0; round++) {
        const callbacks = waiting;
        waiting = [];
        runAll(callbacks);
      }
    } finally {
      scheduled = waiting.length > 0;
      if (scheduled) setImmediate(run);
    }
  };
  // A callback that throws must not take the others of its turn with it: they keep their place for the next one.
  const runAll = (callbacks: (() => void)[]): void => {
    let done = 0;
    try {
      for (const callback of callbacks) {
        done++;
        callback();
      }
    } finally {
      if (done < callbacks.length) waiting = [...callbacks.slice(done), ...waiting];
    }
  };
  return (callback) => {
    waiting.push(callback);
    if (scheduled) return;
    scheduled = true;
    setImmediate(run);
  };
}
