/** Giving away what a node leads before it stops, so that the others need not find out by a timeout. */
import type { Clock } from "../../runtime/world.ts";

/** A successor that has to fetch more of the log than it can in this time is not waited for. */
export const HAND_OVER_TIMEOUT_MS = 2000;

/** What of a node it takes. */
export interface Leading {
  /** Asks others to lead what the node leads; what it returns tells whether that is still awaited. */
  handOver(): () => boolean;
  /** Calls back whenever that may have changed. */
  onChange(listener: () => void): void;
}

/** Resolves when others lead all that this node led, nobody is left who could, or two seconds are over. */
export function handOverLeadership(node: Leading, clock: Clock): Promise<void> {
  const isAwaited = node.handOver();
  if (!isAwaited()) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = clock.setTimer(HAND_OVER_TIMEOUT_MS, resolve);
    node.onChange(() => {
      if (isAwaited()) return;
      timer.cancel();
      resolve();
    });
  });
}
