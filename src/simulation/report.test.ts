import { expect, test } from "vitest";
import type { Invariants } from "./invariants/invariants.ts";
import { replayCommand, reportFailure, SearchTally } from "./report.ts";
import { replayTest, takeEach } from "./seeds.testing.ts";
import { simulate } from "./simulation.ts";
import { TallyGroup } from "./tally-group.testing.ts";

test("a history that the judge gave up on is counted, and told of with what was found", () => {
  const tally = new SearchTally();
  const judged = simulate(1, { nodes: 3 });
  const givenUp = simulate(1, { nodes: 3, maxConfigurations: 10 });
  expect([judged.undecided, givenUp.undecided]).toEqual([false, true]);
  expect(givenUp.traceHash).toBe(judged.traceHash);
  for (const result of [judged, givenUp]) tally.add(result);
  expect(tally).toMatchObject({ judged: 2, undecided: 1, steps: 2 * judged.steps });
  expect(tally.describe()).toContain("1 of 2 histories undecided, nothing found");
});

test("a failure names the command that runs the same world again, and no other", () => {
  expect(replayCommand(7, {})).toBe("quorate simulate --seed 7 --consensus raft");
  const all = { consensus: "paxos", nodes: 5, mutant: "skip-fsync", storage: "model" } as const;
  expect(replayCommand(7, all)).toBe(
    "quorate simulate --seed 7 --consensus paxos --nodes 5 --mutant skip-fsync --storage model",
  );
  const companion = (given: Invariants): TallyGroup => new TallyGroup(given);
  expect(replayCommand(7, { companion })).toBeUndefined();
  expect(replayCommand(7, { faults: { kill: 500 } })).toBeUndefined();
});

test("a failure in a world that the command line does not have says where the seed is taken", () => {
  const options = { nodes: 3, faults: {} };
  const result = { ...simulate(7, options), violation: "lost" };
  expect(reportFailure(result, options)).toMatch(/Again: seed 7 in the test that ran it/);
  const command = replayTest("some.test.ts", "raft: two groups", 7);
  expect(reportFailure(result, options, command)).toMatch(
    /Again: QUORATE_GROUP_SEEDS=7 npx vitest run src\/simulation\/some\.test\.ts -t "raft: two groups"$/,
  );
});

test("what a seed throws says which it was, and how to take it alone", () => {
  const take = (seed: number): void => {
    if (seed === 3) expect.fail("lost");
  };
  expect(() => takeEach([1, 2, 3, 4], "some.test.ts", "raft", take)).toThrow(
    'seed 3: lost\nAgain: QUORATE_GROUP_SEEDS=3 npx vitest run src/simulation/some.test.ts -t "raft"',
  );
});
