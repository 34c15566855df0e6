/** The leases of nodes that are gone, many at a time. */
import { expect, test } from "vitest";
import type { Clock } from "../../../runtime/world.ts";
import type { BlockNode } from "../blocks/locations.ts";
import { DEAD_AFTER_MS } from "../blocks/locations.ts";
import type { OpenFile } from "../namespace/model.ts";
import type { GoneWritersOptions } from "./gone-writers.ts";
import { GoneWriters, holderName } from "./gone-writers.ts";

test("holders whose end comes to nothing keep none of the others waiting", () => {
  let nowMs = 0;
  let look: () => void = () => undefined;
  const clock: Clock = {
    monotonicMs: () => nowMs,
    wallMs: () => nowMs,
    setTimer(delayMs, callback) {
      look = () => {
        nowMs += delayMs;
        callback();
      };
      return { cancel: () => undefined };
    },
    endOfTurn: (callback) => callback(),
  };
  // As many as one command ends, and more, stay open whatever is said; the last one can be ended.
  const holders = Array.from({ length: 250 }, (_, at) => holderName("gone", 7, at));
  const asked = new Set<string>();
  const log: GoneWritersOptions["log"] = {
    group: { leading: () => 1 },
    machine: {
      openFiles: () => holders.map((holder) => ({ holder }) as OpenFile),
    },
    tell(command, done) {
      if (command.type !== "endLeases") throw new Error(command.type);
      expect(command.holders.length).toBeLessThanOrEqual(100);
      for (const holder of command.holders) asked.add(holder);
      done(undefined, 0 as never);
    },
  };
  const node = { id: "gone", live: false, silentMs: 60_000 } as BlockNode;
  const writers = new GoneWriters({
    clock,
    log,
    locations: { lifeOf: () => 7, nodes: () => [node] },
    paused: () => false,
  });
  while (nowMs < DEAD_AFTER_MS) look();
  expect(asked.size).toBe(0);
  for (let looks = 0; looks < 3; looks++) look();
  expect(asked.size).toBe(holders.length);
  writers.close();
});
