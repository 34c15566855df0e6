/**
 * Whole clusters of the real node under every fault at once (`docs/simulation.md`). The corpus holds every seed that ever
 * failed; the sweep takes the same further ones on every machine, and every deliberate bug must be found.
 */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { ALGORITHMS, DEFAULT_ALGORITHM } from "../../src/consensus/algorithms.ts";
import type { Algorithm } from "../../src/consensus/algorithms.ts";
import { mutantsOf } from "../../src/simulation/mutants.ts";
import { reportFailure } from "../../src/simulation/report.ts";
import { scoreMutant } from "../../src/simulation/score.ts";
import { simulate } from "../../src/simulation/simulation.ts";

/** Always the same seeds, so that a red run tells of a change in the code; `quorate simulate` searches new ones. */
const FIRST_SEED = 1_000_000;
const SWEEP_SEEDS = Number(process.env["QUORATE_SWEEP_SEEDS"] ?? 250);

interface Failed {
  readonly seed: number;
  /** Under which it failed. Default "raft". */
  readonly consensus?: Algorithm;
  readonly found: string;
}

const corpus = JSON.parse(
  readFileSync(resolve(import.meta.dirname, "corpus.json"), "utf8"),
) as readonly Failed[];

/** Nothing, or what a person needs to see the failure again. */
function failureOf(consensus: Algorithm, seed: number): string | undefined {
  const result = simulate(seed, { consensus });
  return result.violation === undefined ? undefined : reportFailure(result, { consensus });
}

test.each(corpus)("seed $seed stays mended: $found", ({ seed, consensus = DEFAULT_ALGORITHM }) => {
  expect(failureOf(consensus, seed)).toBeUndefined();
});

test.each(ALGORITHMS)(
  `%s: none of ${SWEEP_SEEDS} seeds breaks a promise`,
  (algorithm) => {
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SWEEP_SEEDS; seed++) {
      expect(failureOf(algorithm, seed)).toBeUndefined();
    }
  },
  SWEEP_SEEDS * 2_000,
);

test.each(ALGORITHMS.flatMap((algorithm) => mutantsOf(algorithm).map((mutant) => ({ algorithm, mutant }))))(
  "the deliberate bug $mutant of $algorithm is found within its seeds",
  ({ algorithm, mutant }) => {
    const { foundAfter, seedsTried } = scoreMutant(algorithm, mutant);
    console.log(`${algorithm}, ${mutant}: seed ${foundAfter ?? "none"} of ${seedsTried}`);
    expect(foundAfter).toBeDefined();
  },
  300_000,
);
