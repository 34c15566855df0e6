/** The mutation score: how many seeds it takes to find each deliberate bug. */
import type { Algorithm } from "../consensus/algorithms.ts";
import { MUTANTS } from "./mutants.ts";
import type { Mutant } from "./mutants.ts";
import { simulate } from "./simulation.ts";
import type { SimulationResult } from "./simulation.ts";

export interface MutantScore {
  readonly algorithm: Algorithm;
  readonly mutant: Mutant;
  /** The number of seeds that it took, from seed 1 on; undefined: not found. */
  readonly foundAfter: number | undefined;
  readonly seedsTried: number;
  /** Of these, those whose history could not be judged within the bound: the bug may have hidden in them. */
  readonly undecided: number;
  readonly violation: string | undefined;
}

/**
 * A seed that finds the mutant, if any of those within which it must be found does: what `scoreMutant` says too, but for which is
 * the first. The known seed is tried before all others.
 */
export function findMutant(
  algorithm: Algorithm,
  mutant: Mutant,
): { readonly foundBy: number | undefined; readonly seedsTried: number; readonly undecided: number } {
  const { foundWithin, foundBy: known } = MUTANTS[mutant];
  const seed = known?.[algorithm];
  if (seed !== undefined && seed <= foundWithin && run(algorithm, mutant, seed).violation !== undefined) {
    return { foundBy: seed, seedsTried: 1, undecided: 0 };
  }
  const { foundAfter, seedsTried, undecided } = scoreMutant(algorithm, mutant);
  return { foundBy: foundAfter, seedsTried: seedsTried + (seed === undefined ? 0 : 1), undecided };
}

/** Tries seeds 1, 2, 3… until the mutant is found. `seedsMax`: default as many as the mutant is allowed. */
export function scoreMutant(
  algorithm: Algorithm,
  mutant: Mutant,
  seedsMax: number = MUTANTS[mutant].foundWithin,
): MutantScore {
  let undecided = 0;
  for (let seed = 1; seed <= seedsMax; seed++) {
    const { violation, undecided: isUndecided } = run(algorithm, mutant, seed);
    if (violation !== undefined)
      return { algorithm, mutant, foundAfter: seed, seedsTried: seed, undecided, violation };
    if (isUndecided) undecided += 1;
  }
  return {
    algorithm,
    mutant,
    foundAfter: undefined,
    seedsTried: seedsMax,
    undecided,
    violation: undefined,
  };
}

function run(algorithm: Algorithm, mutant: Mutant, seed: number): SimulationResult {
  const { nodes } = MUTANTS[mutant];
  return simulate(seed, { consensus: algorithm, mutant, nodes });
}

/** Rows of the table in docs/simulation.md. */
export function formatScore(scores: readonly MutantScore[]): string {
  return scores
    .map(({ algorithm, mutant, foundAfter, seedsTried, undecided, violation }) => {
      const unjudged = undecided === 0 ? "" : ` (${undecided} undecided)`;
      const found = foundAfter === undefined ? `not found in ${seedsTried}${unjudged}` : `${foundAfter}`;
      const first =
        violation
          ?.split("\n")[0]
          ?.replace(/^step \d+, [\d.]+ ms: /, "")
          .slice(0, 90) ?? "";
      return `| ${algorithm} | ${mutant} | ${found} | ${MUTANTS[mutant].foundWithin} | ${first} |`;
    })
    .join("\n");
}
