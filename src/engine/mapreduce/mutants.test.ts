import { expect, test } from "vitest";
import { MUTANTS } from "./mutants.testing.ts";
import { runSwarm } from "./swarm.testing.ts";

/** Much more than a job takes, and less than a job that never ends costs. */
const BOUND_MS = 300_000;

test.each(Object.entries(MUTANTS))(
  "%s is found",
  { timeout: 600_000 },
  (_name, { foundWithin, known, planted }) => {
    const seeds = [known, ...Array.from({ length: foundWithin }, (_, seed) => seed)];
    const found = seeds.find(
      (seed) => runSwarm(seed, { planted, boundMs: BOUND_MS }).violation !== undefined,
    );
    expect(found).toBeDefined();
    expect(
      runSwarm(found!, { boundMs: BOUND_MS }).violation,
      "what was found is the mistake",
    ).toBeUndefined();
  },
);
