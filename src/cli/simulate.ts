/** `quorate simulate`: runs simulated clusters until something breaks, or one seed again to see how it breaks. */
import { readFileSync } from "node:fs";
import { QuorateError } from "../runtime/errors.ts";
import { checkHistory, parseHistory } from "../simulation/history.ts";
import { MUTANT_NAMES } from "../simulation/mutants.ts";
import { reportFailure, reportRun } from "../simulation/report.ts";
import { formatScore, scoreMutant } from "../simulation/score.ts";
import { simulate } from "../simulation/simulation.ts";
import type { SimulationOptions } from "../simulation/simulation.ts";
import type { Call, RunVerb } from "./verb.ts";

/** Exit code 0: nothing was found; 1: a seed failed, a mutant survived, or a history is not linearizable. */
export const simulateCommand: RunVerb = async (call) => {
  const file = call.text("check");
  if (file !== undefined) return checkFile(file);
  if (call.has("mutants")) return scoreAll(call.integer("seeds", { min: 1, max: 1e9 }));
  const options = optionsOf(call);
  const seed = call.integer("seed", { min: 0, max: Number.MAX_SAFE_INTEGER });
  if (seed !== undefined && !call.has("minutes")) return runOne(seed, options);
  const minutes = call.integer("minutes", { min: 1, max: 1e6 }) ?? 1;
  return runMany(seed ?? Math.floor(Math.random() * 2 ** 32), minutes, options);
};

function optionsOf(call: Call): SimulationOptions {
  const mutant = call.choice("mutant", MUTANT_NAMES);
  const onTrace = (timeMs: number, actor: string, what: string): void =>
    print(`${timeMs.toFixed(3).padStart(12)} ${actor.padEnd(6)} ${what}`);
  return {
    nodes: call.integer("nodes", { min: 1, max: 7 }),
    storage: call.choice("storage", ["disk", "model"]),
    mutant,
    ...(call.has("trace") ? { onTrace } : {}),
  };
}

function runOne(seed: number, options: SimulationOptions): number {
  const result = simulate(seed, options);
  print(reportRun(result));
  if (result.violation === undefined) return 0;
  print(reportFailure(result, options));
  return 1;
}

function runMany(first: number, minutes: number, options: SimulationOptions): number {
  const endMs = performance.now() + minutes * 60_000;
  let steps = 0;
  let answered = 0;
  let seed = first;
  for (; performance.now() < endMs; seed++) {
    const result = simulate(seed, options);
    steps += result.steps;
    answered += result.operations.answered;
    if (result.violation === undefined) continue;
    print(reportRun(result));
    print(reportFailure(result, options));
    return 1;
  }
  print(
    `${seed - first} seeds from ${first} on: ${steps} events, ${answered} answers checked, nothing found`,
  );
  return 0;
}

function scoreAll(seeds: number | undefined): number {
  const scores = MUTANT_NAMES.map((mutant) => {
    const score = scoreMutant(mutant, seeds);
    process.stderr.write(`${formatScore([score])}\n`);
    return score;
  });
  const found = scores.filter((score) => score.foundAfter !== undefined).length;
  print(`${found} of ${scores.length} mutants found`);
  return found === scores.length ? 0 : 1;
}

function checkFile(file: string): number {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new QuorateError("USAGE", `${file} cannot be read`, { cause });
  }
  const verdict = checkHistory(parseHistory(text));
  print(verdict.violation?.report ?? `${verdict.operations} operations: ${verdict.outcome}`);
  return verdict.outcome === "linearizable" ? 0 : 1;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
