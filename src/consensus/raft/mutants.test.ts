/**
 * The tests are tested: each deliberate bug must be found within its stated number of seeds. A search that would not find a
 * planted bug proves nothing by finding none.
 */
import { expect, test } from "vitest";
import type { ConsensusMutant, ConsensusOptions, PaxosMutant } from "../consensus.ts";
import { Cluster } from "./cluster.testing.ts";
import { swarm, type Faults } from "./swarm.testing.ts";

interface Search {
  /** The most seeds that it may need. */
  readonly seeds: number;
  /** Drawn from the seed, but for what provokes this bug. */
  readonly faults: Partial<Faults>;
  readonly consensus?: Partial<ConsensusOptions>;
  /** How the bug shows once all faults ended, if nothing else does. */
  readonly atRest?: (cluster: Cluster) => string | undefined;
}

const SEARCHES: Readonly<Record<Exclude<ConsensusMutant, PaxosMutant>, Search>> = {
  "vote-before-fsync": { seeds: 5, faults: {} },
  // Leaders are cut off with entries of their own, again and again.
  "ignore-last-log-term": {
    seeds: 60,
    faults: { aim: 0.8, partition: 0.06, hold: 0, crash: 0, pause: 0, change: 0, compact: 0, delayMs: 3 },
  },
  // Figure 8 of the paper: leaders fall in the middle of catching others up, one entry at a time.
  "commit-old-term-by-counting": {
    seeds: 60,
    faults: { aim: 0.8, appendMaxBytes: 1, compact: 0, change: 0, pause: 0, transfer: 0 },
  },
  "truncate-without-conflict": { seeds: 5, faults: { duplicate: 0.2 } },
  "count-learner-in-quorum": { seeds: 10, faults: { change: 0.05 } },
  "reuse-read-id": { seeds: 30, faults: { partition: 0.03 } },
  "lease-starts-at-reply": {
    seeds: 100,
    // A leader that was paused wakes to old answers, and to reads.
    faults: { aim: 0.7, pause: 0.03, crash: 0, partition: 0, delayMs: 20, compact: 0, change: 0 },
    consensus: { readMode: "lease" },
  },
  // Leaders commit with what others lose soon after, and die.
  "ignore-floor": { seeds: 30, faults: { crash: 0.05, rot: 0.9, aim: 0.7, change: 0 } },
  // The same with everything gone: the next life knows not even that it voted.
  "newcomer-votes": { seeds: 30, faults: { crash: 0.05, rot: 0, forget: 0.9, aim: 0.7, change: 0 } },
  "keep-progress-of-replaced": {
    seeds: 10,
    faults: { crash: 0.05, rot: 0, forget: 0.9, change: 0 },
    atRest: (cluster) => (cluster.newcomers() > 0 ? "a newcomer never caught up" : undefined),
  },
  "accept-snapshot-behind-commit": {
    seeds: 60,
    faults: { compact: 0.05, duplicate: 0.2, loss: 0.1, crash: 0.05, aim: 0 },
    consensus: { snapshotChunkBytes: 64 },
  },
};

/** The seed that finds the bug, and how it shows. */
function hunt(
  mutant: ConsensusMutant | undefined,
  search: Search,
): { seed: number; found: string } | undefined {
  for (let seed = 1; seed <= search.seeds; seed += 1) {
    const consensus: Partial<ConsensusOptions> = { ...search.consensus, ...(mutant && { mutant }) };
    const faults = { ...swarm(seed), ...search.faults };
    const cluster = new Cluster({
      seed,
      members: 3 + (seed % 3),
      spare: faults.change > 0 ? 2 : 0,
      faults,
      consensus,
    });
    try {
      cluster.run(8000);
      if (search.atRest === undefined) continue;
      cluster.heal();
      cluster.run(30_000, () => search.atRest?.(cluster) === undefined);
      const found = search.atRest(cluster);
      if (found !== undefined) return { seed, found };
    } catch (error) {
      return { seed, found: String(error) };
    }
  }
  return undefined;
}

for (const [mutant, search] of Object.entries(SEARCHES) as [ConsensusMutant, Search][]) {
  test(`the search finds "${mutant}" within ${search.seeds} seeds, and nothing without it`, () => {
    const caught = hunt(mutant, search);
    if (process.env["RAFT_SHOW"] !== undefined) console.log(mutant, caught);
    expect(caught).toBeDefined();
    expect(hunt(undefined, { ...search, seeds: Math.min(search.seeds, 40) })).toBeUndefined();
  });
}
