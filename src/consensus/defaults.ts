/** The options of a consensus core that have a default. */
import type { ConsensusOptions } from "./consensus.ts";

/** All but who this node is, who else there is, and where chance comes from. */
export const DEFAULT_CONSENSUS_OPTIONS: Omit<ConsensusOptions, "id" | "membership" | "random" | "mutant"> = {
  heartbeatIntervalMs: 50,
  electionTimeoutMinMs: 250,
  electionTimeoutMaxMs: 2000,
  appendWindow: 3,
  appendMaxBytes: 1024 * 1024,
  uncommittedMaxBytes: 64 * 1024 * 1024,
  snapshotChunkBytes: 1024 * 1024,
  readMode: "barrier",
  clockDriftMax: 0.01,
};
