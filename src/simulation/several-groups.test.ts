import { expect, test } from "vitest";
import { ALGORITHMS } from "../consensus/algorithms.ts";
import type { Algorithm } from "../consensus/algorithms.ts";
import { DEFAULT_REPLICA_TUNING } from "../engine/cluster/hosted-group.ts";
import { encodeCommand } from "../engine/keyspace/command-codec.ts";
import type { KeyspaceCommand } from "../engine/keyspace/keyspace-command.ts";
import { ReplyError } from "../engine/keyspace/reply.ts";
import { CALM_DISK } from "../runtime/simulated/disk.ts";
import { CALM_NETWORK } from "../runtime/simulated/network.ts";
import { SeededRandom } from "../runtime/simulated/random.ts";
import { SimulatedCluster } from "./cluster.ts";
import { Invariants } from "./invariants/invariants.ts";
import { seedsFrom, takeEach } from "./seeds.testing.ts";
import { simulate } from "./simulation.ts";
import type { Swarm } from "./swarm.ts";
import { drawSwarm } from "./swarm.ts";
import { TallyGroup } from "./tally-group.testing.ts";

/** Every fault that the swarm knows, in turn: from kills and torn writes to partitions and changes of members. */
const SEEDS = seedsFrom(1, 16);

test.each(ALGORITHMS)(
  "%s: two groups on the same nodes keep their promises under every fault, and both go on when it is over",
  (consensus) => {
    let acknowledged = 0;
    const faults = new Set<string>();
    takeEach(SEEDS, "several-groups.test.ts", `${consensus}: two groups`, (seed) => {
      let tally: TallyGroup | undefined;
      const companion = (...given: ConstructorParameters<typeof TallyGroup>): TallyGroup =>
        (tally = new TallyGroup(...given));
      const result = simulate(seed, { consensus, companion });
      expect(result.violation).toBeUndefined();
      expect(result.phase).toBe("done");
      expect(result.undecided, "the judge gave the history up").toBe(false);
      acknowledged += tally?.acknowledged.size ?? 0;
      for (const kind of Object.keys(result.faults)) faults.add(kind);
    });
    // One seed alone has few of them.
    if (SEEDS.length < 16) return;
    expect(acknowledged).toBeGreaterThan(SEEDS.length * 20);
    for (const kind of ["kill", "powerLoss", "partition", "membershipChange", "decay"])
      expect(faults).toContain(kind);
  },
  600_000,
);

/** A cluster of three in which nothing fails, with small segments; and one token of the tally at the very beginning of the log. */
function quietTally(consensus: Algorithm): { cluster: SimulatedCluster; tally: TallyGroup; until: Until } {
  const swarm: Swarm = {
    ...drawSwarm(SeededRandom.fromSeed(1).split("swarm"), { nodes: 3 }),
    network: CALM_NETWORK,
    disk: CALM_DISK,
    segmentBytes: SEGMENT_BYTES,
    tuning: { ...DEFAULT_REPLICA_TUNING, snapshotEveryBytes: SEGMENT_BYTES, snapshotTrailingBytes: 1_000 },
  };
  const made: { tally?: TallyGroup } = {};
  const cluster = new SimulatedCluster(1, consensus, swarm, undefined, "disk", (...parts) => [
    (made.tally = new TallyGroup(new Invariants(...parts))),
  ]);
  const tally = made.tally as TallyGroup;
  cluster.start();
  const until: Until = (what, holds) => {
    const { scheduler } = cluster.world;
    const endMs = scheduler.nowMs + 60_000;
    while (!holds()) {
      if (cluster.violation !== undefined) expect.fail(cluster.violation);
      if (!scheduler.stepUntil(endMs)) expect.fail(`waited for ${what}`);
    }
  };
  return { cluster, tally, until };
}

type Until = (what: string, holds: () => boolean) => void;
const SEGMENT_BYTES = 32 * 1024;

test.each(ALGORITHMS)(
  "%s: a group in which nothing happens does not keep what the keyspace has written to the log since",
  (consensus) => {
    const { cluster, tally, until } = quietTally(consensus);
    let counted = false;
    tally.probe(cluster, "n1", () => (counted = true));
    until("the token", () => counted);
    let written = 0;
    let most = 0;
    const write = (): void => {
      cluster.command("n1", (node) => {
        const call: KeyspaceCommand = { type: "call", database: 0, args: ["SET", "key", "x".repeat(1_000)] };
        node.write(call, encodeCommand(call), (reply) => {
          if (!(reply instanceof ReplyError)) written += 1;
          most = Math.max(most, ...cluster.nodes.map((id) => cluster.nodeOf(id)?.status().diskBytes ?? 0));
          cluster.world.scheduler.after(5, write);
        });
      });
    };
    write();
    // Thirty times a segment.
    until("a thousand writes", () => written >= 1_000);
    expect(most).toBeLessThan(12 * SEGMENT_BYTES);
    for (const id of cluster.nodes) cluster.world.machine(id).losePower();
    until("the token again", () =>
      cluster.nodes.every((id) => tally.tallyOf(id)?.tokens.length === 1 && cluster.lifeOf(id) !== undefined),
    );
    expect(tally.judge(cluster.nodes)).toBeUndefined();
  },
  60_000,
);
