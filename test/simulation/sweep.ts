/** Seeds and what comes of them, for the tests of this folder: one file for each algorithm, so that they run side by side. */
import { expect, test } from "vitest";
import type { Algorithm } from "../../src/consensus/algorithms.ts";
import { replayCommand, reportFailure, reportRun } from "../../src/simulation/report.ts";
import { simulate } from "../../src/simulation/simulation.ts";
import type { SimulationOptions } from "../../src/simulation/simulation.ts";

/** Always the same seeds, so that a red run tells of a change in the code; `quorate simulate` searches new ones. */
const FIRST_SEED = 1_000_000;
const SWEEP_SEEDS = Number(process.env["QUORATE_SWEEP_SEEDS"] ?? 250);

/** Nothing, or what a person needs to see the failure again. A history that could not be judged is a failure too. */
export function failureOf(
  consensus: Algorithm,
  seed: number,
  limits: Pick<SimulationOptions, "maxConfigurations"> = {},
): string | undefined {
  const result = simulate(seed, { consensus, ...limits });
  if (result.violation !== undefined) return reportFailure(result, { consensus });
  if (!result.undecided) return undefined;
  const searched = result.verdict?.configurations ?? 0;
  return [
    reportRun(result),
    `The judge gave the history up after ${searched} configurations: nothing is known about it.`,
    `Again: ${replayCommand(seed, { consensus })}`,
  ].join("\n");
}

export function sweep(algorithm: Algorithm): void {
  test(
    `${algorithm}: none of ${SWEEP_SEEDS} seeds breaks a promise`,
    () => {
      for (let seed = FIRST_SEED; seed < FIRST_SEED + SWEEP_SEEDS; seed++) {
        expect(failureOf(algorithm, seed)).toBeUndefined();
      }
    },
    SWEEP_SEEDS * 2_000,
  );
}
