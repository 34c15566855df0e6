/** Members of a cluster whose nodes host two groups: orders are given to a node, as operators do, and hold in both groups. */
import { expect, test } from "vitest";
import { ALGORITHMS } from "../consensus/algorithms.ts";
import type { Algorithm } from "../consensus/algorithms.ts";
import type { Membership } from "../consensus/consensus.ts";
import type { MemberAction } from "../engine/cluster/member-changes.ts";
import { SeededRandom } from "../runtime/simulated/random.ts";
import type { NodeId } from "../runtime/world.ts";
import { SimulatedCluster } from "./cluster.ts";
import { Invariants } from "./invariants/invariants.ts";
import { seedsFrom, takeEach } from "./seeds.testing.ts";
import { drawSwarm } from "./swarm.ts";
import { TallyGroup } from "./tally-group.testing.ts";

/** Each with a network, disks, sizes and delays of its own. */
const SEEDS = seedsFrom(1, 20);
const BOUND_MS = 120_000;

const haveVotes = ({ voters }: Membership, ...ids: NodeId[]): boolean =>
  voters.toSorted().join() === ids.join();

class Trial {
  readonly cluster: SimulatedCluster;
  readonly tally: TallyGroup;

  constructor(seed: number, algorithm: Algorithm) {
    const random = SeededRandom.fromSeed(seed);
    const swarm = { ...drawSwarm(random.split("swarm"), { nodes: 3 }), decaying: 0 };
    const disk = { ...swarm.disk, writeError: 0, misdirect: 0 };
    // An order is one frame, and so is its outcome: no connection loses them without breaking, or repeats them.
    const network = { ...swarm.network, loss: 0, duplicate: 0 };
    let tally: TallyGroup | undefined;
    this.cluster = new SimulatedCluster(
      seed,
      algorithm,
      { ...swarm, disk, network },
      undefined,
      "disk",
      (...parts) => [(tally = new TallyGroup(new Invariants(...parts)))],
    );
    this.tally = tally as unknown as TallyGroup;
    this.cluster.start();
    this.tally.start(this.cluster, random);
  }

  runUntil(what: () => string, holds: () => boolean): void {
    const { scheduler } = this.cluster.world;
    const endMs = scheduler.nowMs + BOUND_MS;
    while (!holds()) {
      if (this.cluster.violation !== undefined) expect.fail(this.cluster.violation);
      if (!scheduler.stepUntil(endMs)) expect.fail(`waited for ${what()}`);
    }
  }

  /**
   * Gives the order, again where it met an election or had an unknown outcome, until it is reported done: then every group has
   * the members that it leads to. After an unknown outcome a refusal may be the only word that there is nothing left to do.
   */
  order(action: MemberAction, node: NodeId, holds: (membership: Membership) => boolean): void {
    let outcome = "none";
    let told = "";
    let wasUnknown = false;
    const hold = (): boolean =>
      this.ledMemberships().every((membership) => membership !== undefined && holds(membership));
    const give = (): void => {
      const asked = this.cluster.nodes.find((id) => id !== node && this.cluster.nodeOf(id) !== undefined);
      let answered = false;
      const again = (): void => {
        if (!answered) this.cluster.world.scheduler.after(200, give);
        answered = true;
      };
      // The asked process may end and never answer.
      this.cluster.world.scheduler.after(40_000, () => {
        wasUnknown ||= !answered;
        again();
      });
      this.cluster.command(asked, ({ cluster }) => {
        cluster.order({ action, node }, (given) => {
          outcome = wasUnknown && hold() ? "held" : given.outcome;
          told = given.message;
          wasUnknown ||= given.outcome === "unknown";
          if (outcome === "done" || outcome === "held") answered = true;
          else again();
        });
      });
    };
    give();
    this.runUntil(
      () => `${action} ${node}: ${told}`,
      () => outcome === "done" || outcome === "held",
    );
    expect(this.memberships().every(holds), `${action} ${node}: ${told}`).toBe(true);
  }

  /** Of each group, as the node knows it that leads it, once there is one and no change is half done. */
  private memberships(): readonly Membership[] {
    this.runUntil(
      () => "leaders",
      () => this.ledMemberships().every((membership) => membership !== undefined),
    );
    return this.ledMemberships().flatMap((membership) => membership ?? []);
  }

  private ledMemberships(): readonly (Membership | undefined)[] {
    const states = this.cluster.nodes.flatMap((id) => this.cluster.nodeOf(id)?.status() ?? []);
    const groups = states.flatMap(({ consensus, furtherGroups = [] }) => [
      { group: 0, consensus },
      ...furtherGroups.map((each) => ({ group: each.id, consensus: each.consensus })),
    ]);
    return [0, 1].map((group) => {
      const leaders = groups.filter((each) => each.group === group && each.consensus.role === "leader");
      leaders.sort((left, right) => right.consensus.term - left.consensus.term);
      const led = leaders[0]?.consensus;
      const isSettled =
        led?.membership.outgoing.length === 0 && (led.standing?.index ?? 0) <= led.commitIndex;
      return isSettled ? led.membership : undefined;
    });
  }

  /** Both groups answer at the node. */
  serves(node: NodeId): void {
    let tallied = false;
    let confirmed = false;
    this.tally.probe(this.cluster, node, () => (tallied = true));
    const ask = (): void => {
      if (confirmed) return;
      this.cluster.command(node, (running) =>
        running.barrier((error) => (confirmed ||= error === undefined)),
      );
      // It may not run just now.
      this.cluster.world.scheduler.after(500, ask);
    };
    ask();
    this.runUntil(
      () => `${node} to serve both groups`,
      () => tallied && confirmed,
    );
  }

  end(nodes: readonly NodeId[]): void {
    this.tally.stop();
    const applied = (): Set<number | undefined> =>
      new Set(nodes.map((id) => this.tally.tallyOf(id)?.tokens.length));
    const { scheduler } = this.cluster.world;
    scheduler.runUntil(scheduler.nowMs + 10_000);
    this.runUntil(
      () => "all to have applied the same",
      () => applied().size === 1,
    );
    expect(this.tally.judge(nodes)).toBeUndefined();
    expect(this.tally.acknowledged.size).toBeGreaterThan(10);
  }
}

test.each(ALGORITHMS)(
  "%s: a node that lost its directory votes in both groups again when its replacement is reported done",
  (algorithm) => {
    takeEach(SEEDS, "several-groups-members.test.ts", `${algorithm}: a node that lost`, (seed) => {
      const trial = new Trial(seed, algorithm);
      trial.serves("n3");
      trial.cluster.loseDirectory("n3");
      trial.order("replace", "n3", (membership) => {
        return haveVotes(membership, "n1", "n2", "n3") && membership.identities?.["n3"] === "0000000003d1";
      });
      // With one node gone for good the other two are the majority of each group, the replaced one among them.
      trial.cluster.retire("n1");
      trial.serves("n3");
      trial.serves("n2");
      trial.end(["n2", "n3"]);
    });
  },
  300_000,
);

test.each(ALGORITHMS)(
  "%s: a node that is removed is in no group any more, and one that is added is a voter in both",
  (algorithm) => {
    takeEach(SEEDS, "several-groups-members.test.ts", `${algorithm}: a node that is removed`, (seed) => {
      const trial = new Trial(seed, algorithm);
      trial.serves("n2");
      trial.order("remove", "n1", (membership) => {
        return haveVotes(membership, "n2", "n3") && membership.addresses["n1"] === undefined;
      });
      trial.serves("n2");
      trial.cluster.loseDirectory("n1");
      trial.order("add", "n1", (membership) => haveVotes(membership, "n1", "n2", "n3"));
      trial.cluster.retire("n2");
      trial.serves("n1");
      trial.end(["n1", "n3"]);
    });
  },
  300_000,
);
