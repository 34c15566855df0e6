/** What a person reads about a run. */
import { DEFAULT_ALGORITHM } from "../consensus/algorithms.ts";
import type { SimulationOptions, SimulationResult } from "./simulation.ts";

/**
 * The command that runs a seed again; undefined: it ran with what the command line has no words for (a companion, or faults that
 * were given), so that the same seed there is another world.
 */
export function replayCommand(
  seed: number,
  { consensus = DEFAULT_ALGORITHM, nodes, mutant, storage, companion, faults }: SimulationOptions,
): string | undefined {
  if (companion !== undefined || faults !== undefined) return undefined;
  const flags = [
    ` --consensus ${consensus}`,
    nodes === undefined ? "" : ` --nodes ${nodes}`,
    mutant === undefined ? "" : ` --mutant ${mutant}`,
    storage === undefined ? "" : ` --storage ${storage}`,
  ];
  return `quorate simulate --seed ${seed}${flags.join("")}`;
}

/** One line on a run. */
export function reportRun(result: SimulationResult): string {
  const {
    seed,
    algorithm,
    swarm,
    steps,
    virtualMs,
    operations,
    elections,
    committed,
    verdict,
    faults,
    unseenDamage,
    misdirectedReads,
    traceHash,
  } = result;
  const struck = Object.entries(faults).map(([kind, count]) => `${count} ${kind}`);
  return [
    `seed ${seed}: ${algorithm}, ${swarm.nodes} nodes, ${steps} steps in ${(virtualMs / 1000).toFixed(1)} virtual seconds`,
    `${operations.answered} answered, ${operations.refused} refused, ${operations.unknown} unknown`,
    `${elections} elections, ${committed} entries, ${verdict === undefined ? "not judged" : verdict.outcome}`,
    `faults: ${struck.length === 0 ? "none" : struck.join(", ")}`,
    ...(misdirectedReads === 0 ? [] : [`${misdirectedReads} misdirected reads`]),
    ...(unseenDamage === 0 ? [] : [`${unseenDamage} disks out of service by damage that does not show`]),
    `trace ${traceHash}`,
  ].join("; ");
}

/**
 * What broke, in which world, and how to see it again. `replay`: the command that does, where `quorate simulate` cannot.
 */
export function reportFailure(result: SimulationResult, options: SimulationOptions, replay?: string): string {
  const command = replayCommand(result.seed, options);
  const again =
    command === undefined
      ? (replay ?? `seed ${result.seed} in the test that ran it: \`quorate simulate\` has no such world`)
      : `${command}    (with every event: --trace)`;
  return [
    "",
    `FAILED in phase ${result.phase}: ${result.violation}`,
    "",
    `The world of this seed: ${JSON.stringify(result.swarm)}`,
    `Again: ${again}`,
  ].join("\n");
}

/** What comes of many seeds. */
export class SearchTally {
  steps = 0;
  answered = 0;
  judged = 0;
  /** Histories that the judge gave up on at its bound: nothing is known about them. */
  undecided = 0;

  add(result: SimulationResult): void {
    this.steps += result.steps;
    this.answered += result.operations.answered;
    if (result.verdict !== undefined) this.judged += 1;
    if (result.undecided) this.undecided += 1;
  }

  /** Of a search that broke nothing. */
  describe(): string {
    const histories = `${this.undecided} of ${this.judged} histories undecided`;
    return `${this.steps} events, ${this.answered} answers checked, ${histories}, nothing found`;
  }
}
