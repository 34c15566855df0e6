/** `quorate simulate`: runs simulated clusters until something breaks, or one seed again to see how it breaks. */
import { readFileSync } from "node:fs";
import { ALGORITHMS, DEFAULT_ALGORITHM } from "../consensus/algorithm-names.ts";
import type { Algorithm } from "../consensus/algorithm-names.ts";
import { QuorateError } from "../runtime/errors.ts";
import { checkHistory, parseHistory } from "../simulation/history.ts";
import { EXPERIMENTS, runExperiment } from "../simulation/experiments.ts";
import type { Experiment } from "../simulation/experiments.ts";
import { MUTANT_NAMES, mutantsOf } from "../simulation/mutants.ts";
import { reportFailure, reportRun, SearchTally } from "../simulation/report.ts";
import { formatScore, scoreMutant } from "../simulation/score.ts";
import { simulate } from "../simulation/simulation.ts";
import type { SimulationOptions } from "../simulation/simulation.ts";
import { simulateFilesCommand } from "./simulate-files.ts";
import { formatTable } from "./style.ts";
import type { Call, RunVerb } from "./verb.ts";

const EXPERIMENT_SEEDS = 20;

/** Exit code 0: nothing was found; 1: a seed failed, a mutant survived, or a history is not linearizable. */
export const simulateCommand: RunVerb = async (call) => {
  if (call.has("files")) return simulateFilesCommand(call);
  const file = call.text("check");
  if (file !== undefined) return checkFile(file);
  const algorithms = algorithmsOf(call);
  const experiment = call.choice("experiment", EXPERIMENTS);
  if (experiment !== undefined) {
    const seeds = call.integer("seeds", { min: 1, max: 1e6 }) ?? EXPERIMENT_SEEDS;
    return measure(experiment, algorithms, seeds, call.has("json"));
  }
  if (call.has("mutants")) return scoreAll(algorithms, call.integer("seeds", { min: 1, max: 1e9 }));
  const options = optionsOf(call);
  const seed = call.integer("seed", { min: 0, max: Number.MAX_SAFE_INTEGER });
  const seeds = call.integer("seeds", { min: 1, max: 1e9 });
  if (seed !== undefined && seeds === undefined && !call.has("minutes")) {
    const consensus = algorithms.includes(DEFAULT_ALGORITHM) ? DEFAULT_ALGORITHM : algorithms[0];
    return runOne(seed, { ...options, consensus });
  }
  const minutes = call.integer("minutes", { min: 1, max: 1e6 }) ?? (seeds === undefined ? 1 : Infinity);
  const first = seed ?? Math.floor(Math.random() * 2 ** 32);
  return runMany({ first, seeds: seeds ?? Infinity, minutes }, options, algorithms);
};

/** All that the planted bug can be planted in, unless one is chosen. */
function algorithmsOf(call: Call): readonly Algorithm[] {
  const asked = call.choice("consensus", ALGORITHMS);
  const mutant = call.choice("mutant", MUTANT_NAMES);
  const among = asked === undefined ? ALGORITHMS : [asked];
  if (mutant === undefined) return among;
  const found = among.filter((algorithm) => mutantsOf(algorithm).includes(mutant));
  if (found.length === 0) throw new QuorateError("USAGE", `--mutant ${mutant} is no bug of ${among.join()}`);
  return found;
}

function optionsOf(call: Call): SimulationOptions {
  const onTrace = (timeMs: number, actor: string, what: string): void =>
    print(`${timeMs.toFixed(3).padStart(12)} ${actor.padEnd(6)} ${what}`);
  return {
    nodes: call.integer("nodes", { min: 1, max: 7 }),
    storage: call.choice("storage", ["disk", "model"]),
    mutant: call.choice("mutant", MUTANT_NAMES),
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

/** Every seed with each of the algorithms: the same faults, the same load, the same judges. */
function runMany(
  { first, seeds, minutes }: { first: number; seeds: number; minutes: number },
  given: SimulationOptions,
  algorithms: readonly Algorithm[],
): number {
  const endMs = performance.now() + minutes * 60_000;
  const tally = new SearchTally();
  let seed = first;
  for (; seed < first + seeds && performance.now() < endMs; seed++) {
    for (const consensus of algorithms) {
      const options = { ...given, consensus };
      const result = simulate(seed, options);
      tally.add(result);
      if (result.violation === undefined) continue;
      print(reportRun(result));
      print(reportFailure(result, options));
      return 1;
    }
  }
  print(`${algorithms.join(", ")}: ${seed - first} seeds from ${first} on: ${tally.describe()}`);
  return 0;
}

/** The same on every machine: time is virtual. */
function measure(
  experiment: Experiment,
  algorithms: readonly Algorithm[],
  seeds: number,
  json: boolean,
): number {
  for (const algorithm of algorithms) {
    const readings = runExperiment(experiment, algorithm, seeds);
    if (json) print(JSON.stringify({ experiment, algorithm, readings }));
    else {
      const rows = readings.map((each) => [
        `${algorithm}: ${each.setting}`,
        each.quantity,
        `median ${each.median.toFixed(1)}`,
        `p90 ${each.p90.toFixed(1)}`,
        `most ${each.most.toFixed(1)}`,
        each.unfinished === 0 ? "" : `${each.unfinished} of ${each.seeds} seeds not within the bound`,
      ]);
      print(formatTable(rows));
    }
  }
  return 0;
}

function scoreAll(algorithms: readonly Algorithm[], seeds: number | undefined): number {
  const scores = algorithms.flatMap((algorithm) =>
    mutantsOf(algorithm).map((mutant) => {
      const score = scoreMutant(algorithm, mutant, seeds);
      process.stderr.write(`${formatScore([score])}\n`);
      return score;
    }),
  );
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
