/** `quorate simulate --files`: simulated clusters that serve files, until something breaks, or one seed again to see how it breaks. */
import { ALGORITHMS } from "../consensus/algorithm-names.ts";
import { QuorateError } from "../runtime/errors.ts";
import { replayCommand, reportFailure, reportRun } from "../simulation/files/report.ts";
import type { FilesSimulationOptions, FilesSimulationResult } from "../simulation/files/simulation.ts";
import { simulateFiles } from "../simulation/files/simulation.ts";
import type { Call } from "./verb.ts";

/** Of the verb's flags, those that are about something else. */
const OTHERS = ["nodes", "storage", "mutant", "mutants", "experiment", "json", "check"];

/** Exit code 0: nothing was found; 1: a seed failed. */
export async function simulateFilesCommand(call: Call): Promise<number> {
  const stray = OTHERS.find((flag) => call.has(flag));
  if (stray !== undefined) throw new QuorateError("USAGE", `--${stray} does not go together with --files`);
  const options: FilesSimulationOptions = {
    consensus: call.choice("consensus", ALGORITHMS),
    ...(call.has("trace") ? { onTrace: printEvent } : {}),
  };
  const seed = call.integer("seed", { min: 0, max: Number.MAX_SAFE_INTEGER });
  const seeds = call.integer("seeds", { min: 1, max: 1e9 });
  const minutes = call.integer("minutes", { min: 1, max: 1e6 });
  if (seed !== undefined && seeds === undefined && minutes === undefined) {
    return (await runs(seed, options, true)) === undefined ? 1 : 0;
  }
  const first = seed ?? Math.floor(Math.random() * 2 ** 32);
  const endMs = performance.now() + (minutes ?? (seeds === undefined ? 1 : Infinity)) * 60_000;
  const sum = { steps: 0, operations: 0, reads: 0 };
  let next = first;
  for (; next < first + (seeds ?? Infinity) && performance.now() < endMs; next++) {
    const result = await runs(next, options, false);
    if (result === undefined) return 1;
    sum.steps += result.steps;
    sum.operations += result.operations;
    sum.reads += result.reads;
  }
  const { steps, operations, reads } = sum;
  print(
    `files: ${next - first} seeds from ${first} on: ${steps} events, ${operations} changes, ${reads} reads checked, nothing found`,
  );
  return 0;
}

/** Runs one seed; undefined: it failed, and that was printed. */
async function runs(
  seed: number,
  options: FilesSimulationOptions,
  isTold: boolean,
): Promise<FilesSimulationResult | undefined> {
  // What a node neither awaits nor catches would end this process without a word of the seed.
  const escaped = (reason: unknown): never => {
    print(
      `\nFAILED: nobody caught ${reason instanceof Error ? (reason.stack ?? reason.message) : String(reason)}`,
    );
    print(`\nAgain: ${replayCommand(seed, options)}    (with every event: --trace)`);
    process.exit(1);
  };
  process.on("unhandledRejection", escaped);
  const result = await simulateFiles(seed, options);
  process.off("unhandledRejection", escaped);
  if (isTold || result.violation !== undefined) print(reportRun(result));
  if (result.violation === undefined) return result;
  print(reportFailure(result, options));
  return undefined;
}

function printEvent(timeMs: number, actor: string, what: string): void {
  print(`${timeMs.toFixed(3).padStart(12)} ${actor.padEnd(6)} ${what}`);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
