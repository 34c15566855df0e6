import { expect, test } from "vitest";
import { runSwarm } from "./swarm.testing.ts";

const SEEDS = Number(process.env["QUORATE_JOB_SEEDS"] ?? 100);
const FIRST = Number(process.env["QUORATE_JOB_SEED"] ?? 0);

test(
  "every job ends with the output of a run without failures, or with a reason and nothing",
  { timeout: 600_000 },
  () => {
    const states = new Map<string, number>();
    const failures: string[] = [];
    for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
      const result = runSwarm(seed);
      for (const state of result.states) states.set(state, (states.get(state) ?? 0) + 1);
      if (result.violation !== undefined) failures.push(`seed ${seed}: ${result.violation}`);
    }
    expect(failures).toEqual([]);
    // A run in which nothing ends well would hold all of that too.
    if (SEEDS >= 100) expect(states.get("succeeded")).toBeGreaterThan(SEEDS);
  },
);

test("the same seed twice is the same run", () => {
  expect(runSwarm(3).traceHash).toBe(runSwarm(3).traceHash);
});
