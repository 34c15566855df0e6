/**
 * Whole clusters of the real node under every fault at once (`docs/simulation.md`). The corpus holds every seed that ever
 * failed; the sweeps beside take the same further ones on every machine, and every deliberate bug must be found.
 */
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { ALGORITHMS, DEFAULT_ALGORITHM } from "../../src/consensus/algorithms.ts";
import type { Algorithm } from "../../src/consensus/algorithms.ts";
import { mutantsOf } from "../../src/simulation/mutants.ts";
import { findMutant } from "../../src/simulation/score.ts";
import { failureOf } from "./sweep.ts";

interface Failed {
  readonly seed: number;
  /** Under which it failed. Default "raft". */
  readonly consensus?: Algorithm;
  readonly found: string;
}

const corpus = JSON.parse(
  readFileSync(resolve(import.meta.dirname, "corpus.json"), "utf8"),
) as readonly Failed[];

test.each(corpus)("seed $seed stays mended: $found", ({ seed, consensus = DEFAULT_ALGORITHM }) => {
  expect(failureOf(consensus, seed)).toBeUndefined();
});

test("a history that the judge gives up on fails its seed", () => {
  expect(failureOf("raft", 1, { maxConfigurations: 10 })).toMatch(
    /seed 1\b.*\bundecided[^]*gave the history up[^]*Again: quorate simulate --seed 1 --consensus raft/,
  );
});

test.each(ALGORITHMS)("%s has a sweep of its own", (algorithm) => {
  expect(existsSync(resolve(import.meta.dirname, `${algorithm}.test.ts`))).toBe(true);
});

test.each(ALGORITHMS.flatMap((algorithm) => mutantsOf(algorithm).map((mutant) => ({ algorithm, mutant }))))(
  "the deliberate bug $mutant of $algorithm is found within its seeds",
  ({ algorithm, mutant }) => {
    const { foundBy, seedsTried, undecided } = findMutant(algorithm, mutant);
    console.log(`${algorithm}, ${mutant}: seed ${foundBy ?? "none"}, ${seedsTried} tried`);
    expect(foundBy).toBeDefined();
    expect(undecided, "histories that the judge gave up on").toBe(0);
  },
  300_000,
);
