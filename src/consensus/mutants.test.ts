/**
 * The tests are tested: each deliberate bug must be found within its stated number of seeds. A search that would not find a
 * planted bug proves nothing by finding none.
 */
import { describe, expect, test } from "vitest";
import { ALGORITHMS, type Algorithm } from "./algorithms.ts";
import type { ConsensusOptions } from "./consensus.ts";
import type { ConsensusMutant, PaxosMutant } from "./mutants.ts";
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

type SharedMutant =
  | "count-learner-in-quorum"
  | "reuse-read-id"
  | "lease-starts-at-reply"
  | "accept-snapshot-behind-commit"
  | "ignore-floor"
  | "newcomer-votes"
  | "keep-progress-of-replaced";
type RaftMutant = Exclude<ConsensusMutant, SharedMutant | PaxosMutant>;
type Searches<Mutant extends string> = Readonly<Record<Mutant, Search>>;

const SHARED: Searches<SharedMutant> = {
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
    seeds: 40,
    faults: { crash: 0.05, rot: 0, forget: 0.9, change: 0 },
    atRest: (cluster) => (cluster.newcomers() > 0 ? "a newcomer never caught up" : undefined),
  },
  "accept-snapshot-behind-commit": {
    seeds: 60,
    faults: { compact: 0.05, duplicate: 0.2, loss: 0.1, crash: 0.05, aim: 0 },
    consensus: { snapshotChunkBytes: 64 },
  },
};

const RAFT: Searches<RaftMutant> = {
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
};

const PAXOS: Searches<PaxosMutant> = {
  "promise-before-disk": { seeds: 5, faults: {} },
  "accept-below-promise": { seeds: 10, faults: {} },
  // Leaders are cut off with values that a minority accepted, again and again.
  "take-lower-ballot": {
    seeds: 30,
    faults: { aim: 0.8, partition: 0.06, hold: 0, crash: 0.02, pause: 0, change: 0, forget: 0, delayMs: 3 },
  },
  "apply-over-hole": { seeds: 5, faults: { loss: 0.2 } },
  // A leader is cut off while a slot of it is lost and the one behind it is accepted.
  "skip-noop": {
    seeds: 40,
    faults: {
      loss: 0.25,
      aim: 1,
      appendMaxBytes: 1,
      partition: 0.15,
      delayMs: 10,
      diskMs: 1,
      hold: 0,
      change: 0,
      forget: 0,
      rot: 0,
      compact: 0,
      crash: 0,
      pause: 0,
      transfer: 0,
    },
  },
  "forget-promise-in-snapshot": { seeds: 10, faults: { compact: 0.05, loss: 0.2, partition: 0.04 } },
  // Leaders and members change while a follower gives its state machine a snapshot.
  "forget-members-behind-snapshot": {
    seeds: 60,
    faults: {
      restoreMs: 1500,
      compact: 0.03,
      change: 0.1,
      transfer: 0.05,
      loss: 0.1,
      partition: 0.05,
      crash: 0.01,
      aim: 0,
      delayMs: 3,
      diskMs: 2,
      hold: 0,
      pause: 0,
      rot: 0,
      forget: 0,
    },
  },
  "count-stale-accept": { seeds: 10, faults: { aim: 0.8 } },
};

const SEARCHES: Readonly<Record<Algorithm, Readonly<Record<string, Search>>>> = {
  raft: { ...SHARED, ...RAFT },
  paxos: {
    ...SHARED,
    ...PAXOS,
    // An election finds what was chosen also in the log of a candidate that lacks it: it takes longer to go wrong.
    "newcomer-votes": { ...SHARED["newcomer-votes"], seeds: 60 },
    "keep-progress-of-replaced": { ...SHARED["keep-progress-of-replaced"], seeds: 60 },
  },
};

/** The seed that finds the bug, and how it shows. */
function hunt(
  algorithm: Algorithm,
  mutant: ConsensusMutant | undefined,
  search: Search,
): { seed: number; found: string } | undefined {
  for (let seed = 1; seed <= search.seeds; seed += 1) {
    const consensus: Partial<ConsensusOptions> = { ...search.consensus, ...(mutant && { mutant }) };
    const faults = { ...swarm(seed), ...search.faults };
    const cluster = new Cluster({
      algorithm,
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

describe.each(ALGORITHMS)("%s", (algorithm) => {
  for (const [mutant, search] of Object.entries(SEARCHES[algorithm])) {
    test(`the search finds "${mutant}" within ${search.seeds} seeds, and nothing without it`, () => {
      const caught = hunt(algorithm, mutant as ConsensusMutant, search);
      if (process.env["CONSENSUS_SHOW"] !== undefined) console.log(algorithm, mutant, caught);
      expect(caught).toBeDefined();
      const seeds = Math.min(search.seeds, 40);
      expect(hunt(algorithm, undefined, { ...search, seeds })).toBeUndefined();
    });
  }
});
