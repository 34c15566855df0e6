/** What a person reads about a run with files. */
import type { FilesSimulationOptions, FilesSimulationResult } from "./simulation.ts";

/** The command that runs a seed again. */
export function replayCommand(seed: number, { consensus }: FilesSimulationOptions): string {
  return `quorate simulate --files --seed ${seed}${consensus === undefined ? "" : ` --consensus ${consensus}`}`;
}

/** One line on a run. */
export function reportRun(result: FilesSimulationResult): string {
  const { seed, mix, steps, virtualMs, operations, failures, reads, faults, traceHash } = result;
  const struck = Object.entries(faults).map(([kind, count]) => `${count} ${kind}`);
  const log = mix.log === "simple" ? "a simple log" : mix.log;
  return [
    `seed ${seed}: ${mix.coded ? "coded" : "replicated"} files over ${log}, ${steps} steps in ${(virtualMs / 1000).toFixed(1)} virtual seconds`,
    `${operations} changes, ${failures} of them unknown, ${reads} reads`,
    `faults: ${struck.length === 0 ? "none" : struck.join(", ")}`,
    `trace ${traceHash}`,
  ].join("; ");
}

/** What broke, in which world, and how to see it again. */
export function reportFailure(result: FilesSimulationResult, options: FilesSimulationOptions): string {
  return [
    "",
    `FAILED: ${result.violation}`,
    "",
    `The world of this seed: ${JSON.stringify(result.mix)}`,
    `Again: ${replayCommand(result.seed, options)}    (with every event: --trace)`,
  ].join("\n");
}
