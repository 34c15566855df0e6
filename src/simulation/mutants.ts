/**
 * Deliberate bugs. Each is a mistake that real systems have made; a simulator that does not find it would not find the next
 * one either. `simulate --mutant NAME` plants one; the score over all of them is published in docs/simulation.md.
 */
import type { Algorithm } from "../consensus/algorithms.ts";
import type { ConsensusMutant } from "../consensus/mutants.ts";
import type { Disk, World } from "../runtime/world.ts";
import type { FaultIntervals } from "./swarm.ts";

export type Mutant =
  // The searches of the cores alone find the others, with losses aimed at them (consensus/mutants.test.ts).
  | Exclude<
      ConsensusMutant,
      | "ignore-floor"
      | "newcomer-votes"
      | "keep-progress-of-replaced"
      | "skip-noop"
      | "forget-members-behind-snapshot"
    >
  | "forget-sessions-in-snapshot"
  | "skip-directory-fsync"
  | "skip-fsync"
  | "read-without-barrier";

export interface MutantDescription {
  /** Seeds within which the sweep must find it; see docs/simulation.md for how many it took. */
  readonly foundWithin: number;
  /**
   * Where finding it takes many seeds: one of those within, that found it. The tests try it before all others, which they take
   * only when a change of the code has made it a seed like any other.
   */
  readonly foundBy?: Readonly<Partial<Record<Algorithm, number>>>;
  /** Those whose core can make the mistake. Default: all, it is made around the core. */
  readonly algorithms?: readonly Algorithm[];
  /** The number of nodes on which it can strike, when it takes a certain one. Default drawn. */
  readonly nodes?: number;
  /** The faults that provoke it, where it takes certain ones. Default drawn. */
  readonly faults?: FaultIntervals;
  /** What goes wrong, in a sentence. */
  readonly mistake: string;
  /** Who made it. */
  readonly known: string;
}

export const MUTANTS: Readonly<Record<Mutant, MutantDescription>> = {
  "vote-before-fsync": {
    foundWithin: 100,
    algorithms: ["raft"],
    mistake: "A vote leaves before term and vote are on the disk; after a crash the node votes again.",
    known: "several small Raft libraries keep term and vote in memory",
  },
  "ignore-last-log-term": {
    foundWithin: 400,
    algorithms: ["raft"],
    mistake: "A candidate's log counts as up to date by its length alone.",
    known: "skiff, lib/states/base.js",
  },
  "commit-old-term-by-counting": {
    foundWithin: 100,
    algorithms: ["raft"],
    mistake: "A leader counts replicas of an entry of an earlier term as a commit (Raft section 5.4.2).",
    known: "figure 8 of the Raft paper",
  },
  "truncate-without-conflict": {
    foundWithin: 100,
    algorithms: ["raft"],
    mistake: "An append that was delayed cuts off entries that came after it and agree.",
    known: "openraft, before 9540c904",
  },
  "count-learner-in-quorum": {
    foundWithin: 100,
    algorithms: ["raft", "paxos"],
    mistake: "A learner's acknowledgement counts towards the majority.",
    known: "a membership change's usual mistake",
  },
  "reuse-read-id": {
    foundWithin: 100,
    algorithms: ["raft", "paxos"],
    mistake: "A read barrier's id is used again, and a late answer to the first confirms the second.",
    known: "etcd #20418",
  },
  "lease-starts-at-reply": {
    foundWithin: 400,
    foundBy: { raft: 164 },
    algorithms: ["raft", "paxos"],
    mistake: "The leader's lease runs from the arrival of a reply instead of the sending of the heartbeat.",
    known: "openraft, docs/data/leader-lease.md, warns of it",
  },
  "accept-snapshot-behind-commit": {
    foundWithin: 400,
    algorithms: ["raft"],
    mistake: "A snapshot that is older than what is applied replaces it.",
    known: "raft implementations that trust the sender's index",
  },
  "promise-before-disk": {
    foundWithin: 100,
    algorithms: ["paxos"],
    mistake: "A promise leaves before it is on the disk; after a crash the node promises again.",
    known: "phxpaxos with iSyncInterval; acceptors that keep the promise in memory",
  },
  "accept-below-promise": {
    foundWithin: 100,
    foundBy: { paxos: 12 },
    algorithms: ["paxos"],
    faults: { deposedLeader: 500, slowLink: 300 },
    mistake: "An acceptor takes a value of a lower ballot than it promised.",
    known: "the rule that single-decree Paxos rests on (Paxos Made Simple, P1a)",
  },
  "take-lower-ballot": {
    foundWithin: 100,
    algorithms: ["paxos"],
    faults: { fallingLeaders: 700 },
    mistake: "Of two values that were accepted in a slot, a new leader takes that of the lower ballot.",
    known: "proposers that take the first value that a promise reports (Paxos Made Simple, P2c)",
  },
  "apply-over-hole": {
    foundWithin: 100,
    algorithms: ["paxos"],
    mistake: "An acceptor acknowledges, and applies, slots behind one that it does not have.",
    known: "pipelined Paxos without a contiguous prefix",
  },
  "forget-promise-in-snapshot": {
    foundWithin: 400,
    foundBy: { paxos: 176 },
    algorithms: ["paxos"],
    mistake: "An installed snapshot takes the promised ballot back to its own.",
    known: "checkpoints that hold state and no promise",
  },
  "count-stale-accept": {
    foundWithin: 100,
    algorithms: ["paxos"],
    mistake: "A leader counts acknowledgements of an earlier ballot.",
    known: "acknowledgements that do not name their ballot",
  },
  "forget-sessions-in-snapshot": {
    foundWithin: 100,
    mistake:
      "A snapshot leaves out which batches were applied; after it is installed, a retry applies twice.",
    known: "the classic omission of client sessions",
  },
  "skip-directory-fsync": {
    foundWithin: 100,
    mistake: "New file names are not made durable; a power failure takes whole segments away.",
    known: "many storage engines (Pillai and others, OSDI 2014)",
  },
  "skip-fsync": {
    foundWithin: 50,
    mistake: "Writes are acknowledged from the page cache.",
    known: "phxpaxos with iSyncInterval",
  },
  "read-without-barrier": {
    foundWithin: 50,
    mistake: "Reads are answered from the local replica without asking whether it is current.",
    known: "etcd #741, redisraft",
  },
};

export const MUTANT_NAMES: readonly Mutant[] = Object.keys(MUTANTS) as Mutant[];

/** The deliberate bugs that can be planted in a cluster of this algorithm. */
export function mutantsOf(algorithm: Algorithm): readonly Mutant[] {
  return MUTANT_NAMES.filter((name) => MUTANTS[name].algorithms?.includes(algorithm) ?? true);
}

/** The mutant as the consensus core knows it, if it is one of the core's. */
export function consensusMutant(mutant: Mutant | undefined): ConsensusMutant | undefined {
  return mutant === undefined || MUTANTS[mutant].algorithms === undefined
    ? undefined
    : (mutant as ConsensusMutant);
}

/** The world as a node with this mutant uses it: a disk whose syncs are left out. */
export function mutateWorld(world: World, mutant: Mutant | undefined): World {
  const { disk } = world;
  if (mutant !== "skip-fsync") return world;
  const weaken = (open: Disk["open"]): Disk["open"] => {
    return (name, done) =>
      open(name, (error, file) => {
        if (file === undefined) return done(error);
        done(error, {
          read: (position, length, read) => file.read(position, length, read),
          write: (position, chunks, _mode, written) => file.write(position, chunks, "cached", written),
          sync: (synced) => void world.clock.setTimer(0, () => synced(undefined)),
          truncate: (sizeBytes, truncated) => file.truncate(sizeBytes, truncated),
          close: () => file.close(),
        });
      });
  };
  const create: Disk["create"] = (name, sizeBytes, done) =>
    weaken((_, opened) => disk.create(name, sizeBytes, opened))(name, done);
  return { ...world, disk: { ...disk, open: weaken((name, done) => disk.open(name, done)), create } };
}
