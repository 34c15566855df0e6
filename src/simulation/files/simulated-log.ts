/**
 * A replicated log for a simulated world that is simple enough to be right, and stands where consensus would be. What may happen to a command there may happen here: it waits for a leader with a majority, is
 * applied late, or its answer is lost.
 */
import type { Bytes } from "../../runtime/bytes.ts";
import { QuorateError } from "../../runtime/errors.ts";
import type { SimulatedWorld } from "../../runtime/simulated/world.ts";
import { WORLD_BEGINS_MS } from "../../runtime/simulated/world.ts";
import type { Clock, Network, NodeId, World } from "../../runtime/world.ts";
import { createNamespace } from "../../engine/files/namespace/machine.ts";
import type { NamespaceMachine } from "../../engine/files/namespace/machine.ts";
import type { NamespaceReply } from "../../engine/files/namespace/replies.ts";
import type { NamespaceKeeper } from "./files-cluster.ts";
import type { NamespaceGroup } from "../../engine/files/node/namespace-log.ts";

type Proposed = (reply: NamespaceReply | undefined, error: QuorateError | undefined) => void;

const UPKEEP_MS = 100;
const REQUEST_TIMEOUT_MS = 5_000;

interface Entry {
  readonly bytes: Bytes;
  readonly timeMs: number;
}

/** What one life of one node is to the log. */
interface Life {
  readonly id: NodeId;
  readonly clock: Clock;
  readonly machine: NamespaceMachine;
  readonly waiting: Map<number, (reply: NamespaceReply) => void>;
  readonly barriers: { readonly index: number; readonly done: (error: QuorateError | undefined) => void }[];
  applied: number;
  isApplying: boolean;
}

export class SimulatedLog implements NamespaceKeeper {
  leader: NodeId;
  term = 1;
  /** Probability that an answer is lost: the command is applied, and its outcome unknown to the one who gave it. */
  lostAnswers = 0;
  readonly entries: Entry[] = [];
  private readonly world: SimulatedWorld;
  private readonly ids: readonly NodeId[];
  private readonly lives = new Map<NodeId, Life>();

  constructor(world: SimulatedWorld, ids: readonly NodeId[]) {
    this.world = world;
    this.ids = ids;
    this.leader = ids[0] as NodeId;
  }

  lead(id: NodeId): void {
    this.leader = id;
    this.term++;
  }

  machine(id: NodeId): NamespaceMachine {
    return (this.lives.get(id) as Life).machine;
  }

  host(id: NodeId, world: World, hosted: (group: NamespaceGroup, network: Network) => void): void {
    hosted(this.join(id, world.clock), world.network);
  }

  /** A new life of a node: it has nothing, and applies all. */
  join(id: NodeId, clock: Clock): NamespaceGroup {
    const life: Life = {
      id,
      clock,
      machine: createNamespace(),
      waiting: new Map(),
      barriers: [],
      applied: 0,
      isApplying: false,
    };
    this.lives.set(id, life);
    this.apply(life);
    const upkeep = (): void => {
      if (this.leader === id && this.hasQuorum(id) && this.lives.get(id) === life) {
        const command = life.machine.upkeep(this.timeMs);
        if (command !== undefined) this.append(command);
      }
      clock.setTimer(UPKEEP_MS, upkeep);
    };
    clock.setTimer(UPKEEP_MS, upkeep);
    return {
      machine: life.machine,
      propose: (_, encoded, done) => this.propose(life, encoded, done),
      barrier: (done) => this.barrier(life, done),
      readStillValid: () => true,
      leading: () => (this.leader === id ? this.term : undefined),
      leader: () => this.leader,
      members: () => this.ids,
    };
  }

  /** All replicas that run are where the log is, and agree. */
  get settled(): boolean {
    return [...this.lives.values()].every(
      ({ id, applied }) => !this.world.machine(id).running || applied === this.entries.length,
    );
  }

  private get timeMs(): number {
    return Math.floor(WORLD_BEGINS_MS + this.world.scheduler.nowMs);
  }

  private hasQuorum(from: NodeId): boolean {
    const { network } = this.world;
    const reached = this.ids.filter(
      (id) =>
        this.world.machine(id).running &&
        !this.world.machine(id).paused &&
        (id === from || (!network.isBlocked(from, id) && !network.isBlocked(id, from))),
    );
    return reached.length * 2 > this.ids.length;
  }

  private canReachLeader(from: NodeId): boolean {
    const { network } = this.world;
    const isNear = from === this.leader || !network.isBlocked(from, this.leader);
    return isNear && this.hasQuorum(this.leader) && this.hasQuorum(from);
  }

  private append(bytes: Bytes): number {
    this.entries.push({ bytes, timeMs: this.timeMs });
    for (const life of this.lives.values()) this.apply(life);
    return this.entries.length;
  }

  /** In order, each when its node comes to it. */
  private apply(life: Life): void {
    if (life.isApplying || life.applied === this.entries.length) return;
    life.isApplying = true;
    life.clock.setTimer(this.world.random.exponential(1), () => {
      life.isApplying = false;
      const entry = this.entries[life.applied] as Entry;
      const reply = life.machine.apply(life.machine.decode(entry.bytes), { timeMs: entry.timeMs });
      life.applied++;
      life.waiting.get(life.applied)?.(reply);
      life.waiting.delete(life.applied);
      for (const barrier of life.barriers.filter(({ index }) => index <= life.applied)) {
        life.barriers.splice(life.barriers.indexOf(barrier), 1);
        barrier.done(undefined);
      }
      this.apply(life);
    });
  }

  private propose(life: Life, encoded: Bytes, done: Proposed): void {
    let isOver = false;
    const finish: Proposed = (reply, error) => {
      if (isOver) return;
      isOver = true;
      deadline.cancel();
      done(reply, error);
    };
    let isSent = false;
    const deadline = life.clock.setTimer(REQUEST_TIMEOUT_MS, () => {
      finish(undefined, new QuorateError(isSent ? "OUTCOME_UNKNOWN" : "NO_QUORUM", "no majority in time"));
    });
    const send = (): void => {
      if (isOver || !this.world.machine(life.id).running) return;
      if (!this.canReachLeader(life.id)) {
        life.clock.setTimer(50, send);
        return;
      }
      isSent = true;
      const index = this.append(encoded);
      const isLost = this.world.random.chance(this.lostAnswers);
      life.waiting.set(index, (reply) => {
        if (isLost) finish(undefined, new QuorateError("OUTCOME_UNKNOWN", "the answer was lost"));
        else finish(reply, undefined);
      });
    };
    life.clock.setTimer(this.world.random.exponential(0.5), send);
  }

  private barrier(life: Life, done: (error: QuorateError | undefined) => void): void {
    const endMs = life.clock.monotonicMs() + REQUEST_TIMEOUT_MS;
    const ask = (): void => {
      if (this.canReachLeader(life.id)) {
        const index = this.entries.length;
        if (life.applied >= index) done(undefined);
        else life.barriers.push({ index, done });
      } else if (life.clock.monotonicMs() > endMs) {
        done(new QuorateError("NO_QUORUM", "no majority in time"));
      } else {
        life.clock.setTimer(50, ask);
      }
    };
    life.clock.setTimer(this.world.random.exponential(0.5), ask);
  }
}
