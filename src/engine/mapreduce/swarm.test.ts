import { expect, test } from "vitest";
import { ALGORITHMS } from "../../consensus/algorithms.ts";
import { ConsensusJobs } from "./consensus-jobs.testing.ts";
import { runSwarm } from "./swarm.testing.ts";

const SEEDS = Number(process.env["QUORATE_JOB_SEEDS"] ?? 60);
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
    if (SEEDS >= 60) expect(states.get("succeeded")).toBeGreaterThan(SEEDS);
  },
);

test.each(ALGORITHMS)(
  "it is the same over a log that %s replicates, that is cut, and of which snapshots are sent",
  { timeout: 600_000 },
  (algorithm) => {
    let installed = 0;
    let succeeded = 0;
    const failures: string[] = [];
    for (let seed = FIRST; seed < FIRST + Math.ceil(SEEDS / 15); seed++) {
      const logs: ConsensusJobs[] = [];
      const result = runSwarm(seed, {
        keeper(world, ids) {
          logs.push(new ConsensusJobs(algorithm, world, ids));
          return logs[0]!;
        },
      });
      if (result.violation !== undefined) failures.push(`seed ${seed}: ${result.violation}`);
      succeeded += result.states.filter((state) => state === "succeeded").length;
      installed += logs[0]!.installed;
    }
    expect(failures).toEqual([]);
    if (SEEDS >= 60) expect([succeeded > 3, installed > 3]).toEqual([true, true]);
  },
);

test("the same seed twice is the same run", () => {
  expect(runSwarm(3).traceHash).toBe(runSwarm(3).traceHash);
});
