/**
 * The algorithms that keep the log, by the names that `--consensus` takes. Everything outside this room names one only as a
 * value of `Algorithm`, and reaches it through its row.
 */
import type { Consensus, ConsensusOptions, Recovered } from "./consensus.ts";
import type { ConsensusMessage, Protocol } from "./protocol.ts";
import { RAFT } from "./raft/protocol.ts";

/** A new one is appended here and to `PROTOCOLS`; tests and benchmarks that must hold for all then run for it too. */
export const ALGORITHMS = ["raft"] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

export const DEFAULT_ALGORITHM: Algorithm = "raft";

const PROTOCOLS: Readonly<Record<Algorithm, Protocol>> = { raft: RAFT };

export function protocolOf(algorithm: Algorithm): Protocol {
  return PROTOCOLS[algorithm];
}

/** A node of this algorithm that goes on from what its disk held (`Protocol.create`). */
export function createConsensus(
  algorithm: Algorithm,
  options: ConsensusOptions,
  recovered: Recovered,
  nowMs: number,
): Consensus<ConsensusMessage> {
  return protocolOf(algorithm).create(options, recovered, nowMs);
}

export function isAlgorithm(name: string): name is Algorithm {
  return (ALGORITHMS as readonly string[]).includes(name);
}
