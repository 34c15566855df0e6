/**
 * simulation/files: clusters that serve files, under every fault at once, judged by what their clients know.
 *
 * The nodes are the real ones (`engine/files`), on simulated disks and links; what they do with promises comes between the events
 * of the world. The namespace is kept by a log that is simple enough to be right (`simulated-log`), so that a search spends its time
 * on blocks, or by consensus and write-ahead log as production has them (`consensus-log`). A run is a function of its seed: it is
 * found again by `quorate simulate --files --seed N`. `files-cluster` runs the nodes, `swarm` has the clients, `faults` strike,
 * `healed` judges what is left.
 */
import type { Algorithm } from "../../consensus/algorithms.ts";
import { ALGORITHMS } from "../../consensus/algorithms.ts";
import { QuorateError } from "../../runtime/errors.ts";
import { SeededRandom } from "../../runtime/simulated/random.ts";
import { ConsensusLog } from "./consensus-log.ts";
import type { FilesSwarmResult } from "./swarm.ts";
import { FilesSwarm } from "./swarm.ts";

export interface FilesSimulationOptions {
  /** Keeps the namespace. Default: drawn by the seed, or the simple log. */
  readonly consensus?: Algorithm | undefined;
  /** Called for every line of the trace. */
  readonly onTrace?: ((timeMs: number, actor: string, what: string) => void) | undefined;
}

export interface FilesMix {
  readonly log: Algorithm | "simple";
  readonly coded: boolean;
  readonly resting: boolean;
  readonly decays: boolean;
  readonly clients: number;
  readonly steps: number;
}

export interface FilesSimulationResult extends FilesSwarmResult {
  readonly seed: number;
  readonly mix: FilesMix;
  /** What is not as it must be; undefined: nothing. */
  readonly violation: string | undefined;
  readonly steps: number;
  readonly virtualMs: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly traceHash: string;
}

/** Runs one seed to its end or its first violation. Never rejects for what a run finds. */
export async function simulateFiles(
  seed: number,
  options: FilesSimulationOptions = {},
): Promise<FilesSimulationResult> {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new QuorateError("USAGE", "a seed is a whole number from 0 to 2^53");
  }
  const mix = mixOf(seed, options.consensus);
  const { log, ...swarmOptions } = mix;
  const swarm = new FilesSwarm(seed, {
    ...swarmOptions,
    ...(log === "simple" ? {} : { keeper: (world, ids) => new ConsensusLog(log, world, ids) }),
  });
  const { world, ended } = swarm.cluster;
  if (options.onTrace !== undefined) world.trace.listen(options.onTrace);
  let violation: string | undefined;
  try {
    await swarm.run();
    if (ended.length > 0) violation = `processes ended themselves: ${ended.join("; ")}`;
  } catch (error) {
    violation = error instanceof Error ? error.message : String(error);
  }
  return {
    seed,
    mix,
    violation,
    steps: world.scheduler.steps,
    virtualMs: world.scheduler.nowMs,
    ...swarm.counts,
    faults: swarm.faults.struck,
    traceHash: world.trace.hash(),
  };
}

/** What a seed means. `consensus`: the log that is asked for. */
export function mixOf(seed: number, consensus?: Algorithm): FilesMix {
  const random = SeededRandom.fromSeed(seed).split("files");
  const drawn = random.pick(["simple", "simple", ...ALGORITHMS] as const);
  const log = consensus ?? drawn;
  return {
    log,
    coded: random.chance(0.5),
    resting: random.chance(0.5),
    // What rots of a log is the other simulation's: here its node would end, and be missed.
    decays: random.chance(0.75) && log === "simple",
    clients: random.integer(1, 4),
    steps: random.integer(20, 60),
  };
}
