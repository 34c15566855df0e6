/** A simulated cluster in which nothing fails by chance, and writers whose waiting is measured: the ground of experiments. */
import type { Algorithm } from "../consensus/algorithms.ts";
import { QuorateError } from "../runtime/errors.ts";
import { SeededRandom } from "../runtime/simulated/random.ts";
import type { SimulatedWorld } from "../runtime/simulated/world.ts";
import type { NodeId } from "../runtime/world.ts";
import { Clients } from "./clients.ts";
import { SimulatedCluster } from "./cluster.ts";
import type { Swarm } from "./swarm.ts";
import { Workload } from "./workload.ts";

const LEADER_BOUND_MS = 10_000;
/** After an error a writer tries again, as a real client does. */
const RETRY_MS = 5;

interface Acknowledged {
  readonly sentMs: number;
  readonly endMs: number;
}

export class QuietCluster {
  readonly cluster: SimulatedCluster;
  readonly world: SimulatedWorld;
  private readonly random: SeededRandom;
  private readonly clients: Clients;
  private readonly acknowledged: Acknowledged[] = [];
  private writes = 0;

  constructor(seed: number, algorithm: Algorithm, swarm: Swarm) {
    const random = SeededRandom.fromSeed(seed);
    this.random = random.split("pauses");
    const cluster = new SimulatedCluster(seed, algorithm, swarm, undefined, "disk");
    this.cluster = cluster;
    this.world = cluster.world;
    this.clients = new Clients({
      world: cluster.world,
      nodes: cluster.nodes,
      random: random.split("clients"),
      workload: new Workload(random.split("workload"), swarm.workload, () => true),
      count: 0,
      thinkMs: 0,
      wander: 0,
      requestTimeoutMs: swarm.tuning.requestTimeoutMs,
      readWithoutBarrier: false,
      lifeOf: (node) => cluster.lifeOf(node),
      onSilence: (node, what) => cluster.invariants.fail(`${node} fell silent: ${what}`),
    });
    cluster.start();
  }

  get nowMs(): number {
    return this.world.scheduler.nowMs;
  }

  others(node: NodeId): readonly NodeId[] {
    return this.cluster.nodes.filter((each) => each !== node);
  }

  /** Runs until a leader has put a first write into the log. */
  lead(): NodeId {
    let answered = false;
    const [first = ""] = this.cluster.nodes;
    const ask = (): void =>
      this.clients.ask(first, { command: ["SET", "first", "1"] }, (ok) => {
        if (ok) answered = true;
        else this.world.scheduler.after(RETRY_MS, ask);
      });
    ask();
    const led = this.runUntil(LEADER_BOUND_MS, () => answered && this.cluster.leader() !== undefined);
    const leader = this.cluster.leader();
    if (!led || leader === undefined) throw new QuorateError("INVARIANT", "a quiet cluster has no leader");
    return leader;
  }

  /** So many clients, spread over these nodes, write from now on: each the next as soon as the last was acknowledged. */
  write(nodes: readonly NodeId[], clients: number): void {
    for (let at = 0; at < clients; at++) this.writeOn(nodes[at % nodes.length] as NodeId);
  }

  /** From now on whoever leads stands still now and then, as a process does that gets no processor. Means, exponential. */
  pauseLeaders(everyMs: number, forMs: number): void {
    const { scheduler } = this.world;
    const again = (): void => {
      scheduler.after(this.random.exponential(everyMs), () => {
        const leader = this.cluster.leader();
        if (leader === undefined) return again();
        const machine = this.world.machine(leader);
        machine.pause();
        scheduler.after(this.random.exponential(forMs), () => {
          machine.resume();
          again();
        });
      });
    };
    again();
  }

  /** When the first write was acknowledged that was sent after this moment. */
  acknowledgedSince(sentMs: number): number | undefined {
    return this.acknowledged.find((each) => each.sentMs > sentMs)?.endMs;
  }

  /** How long each write took that was sent after this moment. */
  latenciesSince(sentMs: number): readonly number[] {
    return this.acknowledged.filter((each) => each.sentMs >= sentMs).map((each) => each.endMs - each.sentMs);
  }

  runFor(durationMs: number): void {
    this.runUntil(durationMs, () => false);
  }

  /** Runs virtual time until it holds: true; or until the bound: false. Throws INVARIANT when a promise was broken. */
  runUntil(boundMs: number, holds: () => boolean): boolean {
    const { scheduler } = this.world;
    const endMs = scheduler.nowMs + boundMs;
    for (;;) {
      const { violation } = this.cluster.invariants;
      if (violation !== undefined) throw new QuorateError("INVARIANT", violation);
      if (holds()) return true;
      if (scheduler.stepUntil(endMs)) continue;
      scheduler.runUntil(endMs);
      return false;
    }
  }

  private writeOn(node: NodeId): void {
    const sentMs = this.nowMs;
    this.clients.ask(node, { command: ["SET", `key ${this.writes++ % 1000}`, "x".repeat(64)] }, (ok) => {
      if (ok) this.acknowledged.push({ sentMs, endMs: this.nowMs });
      this.world.scheduler.after(ok ? 0 : RETRY_MS, () => this.writeOn(node));
    });
  }
}
