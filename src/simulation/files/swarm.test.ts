import { expect, test } from "vitest";
import { ALGORITHMS } from "../../consensus/algorithms.ts";
import { ConsensusLog } from "./consensus-log.ts";
import type { FilesSwarmResult } from "./swarm.ts";
import { FilesSwarm } from "./swarm.ts";

/** A failure names its seed. */
async function run(swarm: FilesSwarm, seed: number): Promise<FilesSwarmResult> {
  return swarm.run().catch((cause: unknown) => {
    throw new Error(`seed ${seed}: ${(cause as Error).message}`, { cause });
  });
}

const SEEDS = Number(process.env["QUORATE_SEEDS"] ?? 8);
const FIRST = Number(process.env["QUORATE_FIRST_SEED"] ?? 1);

test(
  "whatever fails, a file is one of what it may be, and in the end whole on as many nodes as it should",
  { timeout: 240_000 },
  async () => {
    let operations = 0;
    let reads = 0;
    for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
      const result = await run(
        new FilesSwarm(seed, { steps: 40, clients: 3, resting: seed % 2 === 0 }),
        seed,
      );
      operations += result.operations;
      reads += result.reads;
    }
    expect(operations).toBeGreaterThan(20 * SEEDS);
    expect(reads).toBeGreaterThan(10 * SEEDS);
  },
);

test(
  "whatever fails, a coded file is one of what it may be, and in the end all of its shards are there",
  { timeout: 240_000 },
  async () => {
    let operations = 0;
    let reads = 0;
    for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
      const result = await run(
        new FilesSwarm(seed, { steps: 40, clients: 3, coded: true, resting: seed % 2 === 0 }),
        seed,
      );
      operations += result.operations;
      reads += result.reads;
    }
    expect(operations).toBeGreaterThan(20 * SEEDS);
    expect(reads).toBeGreaterThan(10 * SEEDS);
  },
);

test.each(ALGORITHMS)(
  "over a namespace that %s replicates, with logs that are cut and snapshots that are sent, it is the same",
  { timeout: 240_000 },
  async (algorithm) => {
    let operations = 0;
    let installed = 0;
    for (let seed = FIRST; seed < FIRST + SEEDS / 2; seed++) {
      const logs: ConsensusLog[] = [];
      const swarm = new FilesSwarm(seed, {
        steps: 40,
        clients: 3,
        decays: false,
        keeper: (world, ids) => {
          const log = new ConsensusLog(algorithm, world, ids);
          logs.push(log);
          return log;
        },
      });
      operations += (await run(swarm, seed)).operations;
      expect(swarm.cluster.ended, `seed ${seed}`).toEqual([]);
      for (const log of logs) installed += log.installed;
    }
    expect(operations).toBeGreaterThan(10 * SEEDS);
    expect(installed).toBeGreaterThan(SEEDS / 2);
  },
);
