import { expect, test } from "vitest";
import { SearchTally } from "./report.ts";
import { simulate } from "./simulation.ts";

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
