/**
 * The algorithms that keep the log, by the names that `--consensus` takes. Everything outside this room names one only as a
 * value of `Algorithm`, and reaches it through its row.
 */
import type { Algorithm } from "./algorithm-names.ts";
import type { Consensus, ConsensusOptions, Recovered } from "./consensus.ts";
import type { ConsensusMessage, Protocol } from "./protocol.ts";
import { RAFT } from "./raft/protocol.ts";

export { ALGORITHMS, DEFAULT_ALGORITHM, isAlgorithm } from "./algorithm-names.ts";
export type { Algorithm } from "./algorithm-names.ts";

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
