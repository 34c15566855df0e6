/** Log time over the loss of leaders, whichever algorithm keeps the log: measured, in virtual time, against the truth. */
import { expect, test } from "vitest";
import { ALGORITHMS } from "../consensus/algorithms.ts";
import type { NodeId } from "../runtime/world.ts";
import { QUIET } from "./experiments.ts";
import { QuietCluster } from "./quiet-cluster.ts";

const SEEDS = 12;
/** A stamp is as old as its way from the leader was long, and a leader leans towards its wall clock. */
const TOLERANCE_MS = 10;

function logTimeAt(quiet: QuietCluster, node: NodeId): number {
  return quiet.cluster.nodeOf(node)?.logTimeMs() ?? Number.NaN;
}

test.each(ALGORITHMS)("%s: a fail-over neither gains log time nor loses any", (algorithm) => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const network = { ...QUIET.network, breakNotice: 0 };
    const quiet = new QuietCluster(seed, algorithm, { ...QUIET, network });
    const leader = quiet.lead();
    // Something is always under way when the leader falls.
    quiet.write(quiet.others(leader), 4);
    quiet.runFor(500);
    const before = logTimeAt(quiet, leader) - quiet.nowMs;
    quiet.cluster.retire(leader);
    const led = quiet.runUntil(20_000, () => {
      const next = quiet.cluster.leader();
      return next !== undefined && next !== leader;
    });
    expect(led).toBe(true);
    quiet.runFor(50);
    const after = logTimeAt(quiet, quiet.cluster.leader() ?? leader) - quiet.nowMs;
    expect(Math.abs(after - before), `seed ${seed}`).toBeLessThan(TOLERANCE_MS);
  }
});

test.each(ALGORITHMS)(
  "%s: time goes on while the whole cluster is down, by a leader's wall clock",
  (algorithm) => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const quiet = new QuietCluster(seed, algorithm, { ...QUIET, restartMs: 2_000, wallErrorMs: 0 });
      const leader = quiet.lead();
      quiet.write(quiet.others(leader), 4);
      quiet.runFor(500);
      const before = logTimeAt(quiet, leader) - quiet.nowMs;
      for (const node of quiet.cluster.nodes) quiet.world.machine(node).losePower();
      expect(quiet.runUntil(60_000, () => quiet.cluster.leader() !== undefined)).toBe(true);
      quiet.runFor(50);
      const after = logTimeAt(quiet, quiet.cluster.leader() ?? leader) - quiet.nowMs;
      expect(Math.abs(after - before), `seed ${seed}`).toBeLessThan(TOLERANCE_MS);
    }
  },
);
