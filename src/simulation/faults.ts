/**
 * Who pulls which lever when: each kind of fault comes by itself, at random moments, until it is told to stop.
 */
import type { NodeId } from "../runtime/world.ts";
import type { DiskOptions } from "../runtime/simulated/disk.ts";
import type { SeededRandom } from "../runtime/simulated/random.ts";
import type { SimulatedWorld } from "../runtime/simulated/world.ts";
import type { FaultIntervals } from "./swarm.ts";

export interface FaultTargets {
  readonly world: SimulatedWorld;
  readonly nodes: readonly NodeId[];
  /** Disks that may decay. */
  readonly decaying: readonly NodeId[];
  /** What a disk is like between its faults. */
  readonly disk: DiskOptions;
  readonly leader: () => NodeId | undefined;
  /** Asks the leader to hand over to `to`. */
  readonly transfer: (to: NodeId) => void;
  /** Asks the leader to change the voters to these; the others learn. */
  readonly changeMembership: (voters: readonly NodeId[]) => void;
}

type Fault = (random: SeededRandom, targets: FaultTargets) => void;

export class Faults {
  /** How often each kind struck. */
  readonly struck: Partial<Record<keyof FaultIntervals, number>> = {};
  private readonly random: SeededRandom;
  private readonly targets: FaultTargets;
  private stopped = false;

  constructor(random: SeededRandom, targets: FaultTargets) {
    this.random = random;
    this.targets = targets;
  }

  start(intervals: FaultIntervals): void {
    for (const kind of Object.keys(intervals) as (keyof FaultIntervals)[]) {
      const meanMs = intervals[kind];
      if (meanMs !== undefined) this.next(kind, meanMs, this.random.split(kind));
    }
  }

  stop(): void {
    this.stopped = true;
  }

  private next(kind: keyof FaultIntervals, meanMs: number, random: SeededRandom): void {
    const { world } = this.targets;
    world.scheduler.after(random.exponential(meanMs), () => {
      if (this.stopped) return;
      this.struck[kind] = (this.struck[kind] ?? 0) + 1;
      world.trace.record(world.scheduler.nowMs, "faults", kind, 0);
      FAULTS[kind](random, this.targets);
      this.next(kind, meanMs, random);
    });
  }
}

const FAULTS: Readonly<Record<keyof FaultIntervals, Fault>> = {
  kill: (random, { world, nodes }) => world.machine(random.pick(nodes)).kill(),

  powerLoss: (random, { world, nodes }) => world.machine(random.pick(nodes)).losePower(),

  powerLossOfAll: (_, { world, nodes }) => {
    for (const node of nodes) world.machine(node).losePower();
  },

  pause: (random, { world, nodes }) => {
    const machine = world.machine(random.pick(nodes));
    if (!machine.running || machine.paused) return;
    machine.pause();
    world.scheduler.after(random.pick([20, 300, 1000, 5000]) * random.float(), () => machine.resume());
  },

  partition: (random, { world, nodes }) => {
    const side = random.shuffle(nodes).slice(0, random.integer(1, Math.max(1, nodes.length - 1)));
    const blockade = random.chance(0.7) ? "drop" : "hold";
    world.network.partition(side, blockade, random.pick(["both", "both", "outgoing", "incoming"]));
    world.scheduler.after(random.exponential(random.pick([200, 1000, 3000])), () => world.network.heal());
  },

  cutLeaderOff: (random, { world, leader }) => {
    const node = leader();
    if (node === undefined) return;
    world.network.partition(
      [node],
      random.chance(0.7) ? "drop" : "hold",
      random.pick(["both", "outgoing", "incoming"]),
    );
    world.scheduler.after(random.exponential(1500), () => world.network.heal());
  },

  slowLink: (random, { world, nodes }) => {
    const [from, to] = random.shuffle(nodes);
    if (from === undefined || to === undefined) return;
    world.network.slow(from, to, random.pick([10, 100, 1000]));
    world.scheduler.after(random.exponential(1000), () => world.network.slow(from, to, 1));
  },

  dateJump: (random, { world, nodes }) => {
    world.machine(random.pick(nodes)).wallOffsetMs +=
      random.between(-1, 1) * random.pick([100, 10_000, 86_400_000]);
  },

  diskStall: (random, { world, nodes, disk }) => {
    const { options } = world.machine(random.pick(nodes)).disk;
    options.latencyMs = random.pick([50, 500]);
    world.scheduler.after(random.exponential(1000), () => (options.latencyMs = disk.latencyMs));
  },

  diskFull: (random, { world, nodes }) => {
    const { disk } = world.machine(random.pick(nodes));
    disk.options.capacityBytes = disk.usedBytes() + random.integer(0, 4096);
    world.scheduler.after(random.exponential(2000), () => (disk.options.capacityBytes = Infinity));
  },

  decay: (random, { world, decaying }) => {
    if (decaying.length > 0)
      world.machine(random.pick(decaying)).disk.decay(random.pick(["rot", "unreadable"]));
  },

  transfer: (random, { nodes, transfer }) => transfer(random.pick(nodes)),

  membershipChange: (random, { nodes, changeMembership }) => {
    changeMembership(random.shuffle(nodes).slice(0, random.integer(1, nodes.length)));
  },

  // Figure 8 of the Raft paper and its kin: a leader goes on alone for a while, and comes back when its successor falls.
  deposedLeader: (random, { world, leader }) => {
    const deposed = leader();
    if (deposed === undefined) return;
    world.network.partition([deposed], random.chance(0.7) ? "drop" : "hold");
    world.scheduler.after(random.between(300, 2500), () => {
      const successor = leader();
      world.network.heal();
      if (successor === undefined || successor === deposed) return;
      const machine = world.machine(successor);
      if (random.chance(0.6)) return random.chance(0.5) ? machine.kill() : machine.losePower();
      if (!machine.running || machine.paused) return;
      machine.pause();
      world.scheduler.after(random.between(300, 2500), () => machine.resume());
    });
  },

  // One leader after the other falls with values that only a few have accepted, and that nobody may know to be chosen: whoever
  // leads next must find them, and of two in one slot take the right one.
  fallingLeaders: (random, { world, nodes, leader }) => {
    const { network, scheduler } = world;
    const first = leader();
    if (first === undefined) return;
    // What is under way arrives and is answered; what that makes chosen nobody hears.
    const fall = (next: NodeId): void => {
      for (const node of nodes) if (node !== next) network.block(next, node, "drop");
      scheduler.after(random.between(5, 60), () => {
        world.machine(next).kill();
        network.heal();
      });
    };
    const watch = (untilMs: number): void => {
      const next = leader();
      if (next !== undefined && next !== first) scheduler.after(random.exponential(20), () => fall(next));
      else if (scheduler.nowMs < untilMs) scheduler.after(2, () => watch(untilMs));
      else network.heal();
    };
    network.partition([first]);
    watch(scheduler.nowMs + 4000);
  },

  // What a lease must survive: the followers' answers come late, when they may have elected somebody else.
  lateAnswers: (random, { world, nodes, leader }) => {
    const late = leader();
    if (late === undefined) return;
    const { network, scheduler } = world;
    const others = nodes.filter((node) => node !== late);
    for (const node of others) network.block(node, late, "hold");
    const cutMs = random.between(5, 150);
    const answersMs = cutMs + random.between(50, 500);
    scheduler.after(cutMs, () => {
      for (const node of others) network.block(late, node, "drop");
    });
    scheduler.after(answersMs, () => {
      for (const node of others) network.open(node, late);
    });
    // What was held has come; what is sent from now on does not.
    scheduler.after(answersMs + 2, () => {
      for (const node of others) network.block(node, late, "drop");
    });
    scheduler.after(answersMs + random.between(300, 1500), () => network.heal());
  },
};
