/**
 * Whole clusters of the real node under every fault at once (`docs/simulation.md`). The corpus holds every seed that ever
 * failed; the sweep draws new ones, so that each run of the tests searches a little further.
 */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import type { Mutant } from "../../src/simulation/mutants.ts";
import { reportFailure } from "../../src/simulation/report.ts";
import { scoreMutant } from "../../src/simulation/score.ts";
import { simulate } from "../../src/simulation/simulation.ts";

const SWEEP_SECONDS = Number(process.env["QUORATE_SWEEP_SECONDS"] ?? 60);

interface Failed {
  readonly seed: number;
  readonly found: string;
}

const corpus = JSON.parse(
  readFileSync(resolve(import.meta.dirname, "corpus.json"), "utf8"),
) as readonly Failed[];

/** Nothing, or what a person needs to see the failure again. */
function failureOf(seed: number): string | undefined {
  const result = simulate(seed, {});
  return result.violation === undefined ? undefined : reportFailure(result, {});
}

test.each(corpus)("seed $seed stays mended: $found", ({ seed }) => {
  expect(failureOf(seed)).toBeUndefined();
});

test(
  `no seed of ${SWEEP_SECONDS} seconds' worth breaks a promise`,
  () => {
    const endMs = performance.now() + SWEEP_SECONDS * 1000;
    const first = Math.floor(Date.now() / 1000);
    let seed = first;
    for (; performance.now() < endMs; seed++) expect(failureOf(seed)).toBeUndefined();
    console.log(`simulated ${seed - first} seeds from ${first} on`);
  },
  SWEEP_SECONDS * 1000 + 60_000,
);

const CAUGHT: readonly Mutant[] = ["skip-fsync", "read-without-barrier", "forget-sessions-in-snapshot"];

test.each(CAUGHT)("the deliberate bug %s is found within its seeds", (mutant) => {
  expect(scoreMutant(mutant).foundAfter).toBeDefined();
});
