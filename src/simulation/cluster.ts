/** The simulated cluster: machines, the processes on them, and the supervisor that starts them again. */
import { protocolOf } from "../consensus/algorithms.ts";
import type { Algorithm } from "../consensus/algorithms.ts";
import type { Membership } from "../consensus/consensus.ts";
import type { Protocol } from "../consensus/protocol.ts";
import { isQuorateError, QuorateError } from "../runtime/errors.ts";
import type { Scheduler } from "../runtime/simulated/scheduler.ts";
import { SimulatedWorld } from "../runtime/simulated/world.ts";
import type { NodeId } from "../runtime/world.ts";
import type { Life } from "./clients.ts";
import { Invariants } from "./invariants/invariants.ts";
import { mutateWorld } from "./mutants.ts";
import type { Mutant } from "./mutants.ts";
import { openStorage, startNode } from "./node-program.ts";
import type {
  OpenedStorage,
  SimulatedGroup,
  SimulatedNode,
  StorageKind,
  StorageModels,
} from "./node-program.ts";
import type { Swarm } from "./swarm.ts";

interface RunningNode {
  readonly life: Life;
  readonly node: SimulatedNode;
  readonly onEnd: (() => void)[];
}

export class SimulatedCluster {
  readonly world: SimulatedWorld;
  readonly algorithm: Algorithm;
  readonly swarm: Swarm;
  readonly invariants: Invariants;
  readonly nodes: readonly NodeId[];
  readonly founding: Membership;
  /** Disks that may decay. */
  readonly decaying: readonly NodeId[];
  /** Why processes ended by themselves, and how often. */
  readonly fatal: Map<string, number> = new Map();
  private readonly mutant: Mutant | undefined;
  private readonly storageKind: StorageKind;
  private readonly models: StorageModels;
  private readonly furtherGroups: readonly SimulatedGroup[];
  private readonly running = new Map<NodeId, RunningNode>();
  /** How many data directories a node has had before. */
  private readonly lostDirectories = new Map<NodeId, number>();
  /** Disks that lost what they had acknowledged and could not tell. */
  unseenDamage = 0;
  /** Machines that stay off. */
  private readonly retired = new Set<NodeId>();
  private restartMs: number;
  /** The process that ended last had read its disk and was at work. */
  private endedRunning = false;

  constructor(
    seed: number,
    algorithm: Algorithm,
    swarm: Swarm,
    mutant: Mutant | undefined,
    storageKind: StorageKind,
    furtherGroups: (scheduler: Scheduler, protocol: Protocol) => readonly SimulatedGroup[] = () => [],
  ) {
    this.algorithm = algorithm;
    this.swarm = swarm;
    this.mutant = mutant;
    this.storageKind = storageKind;
    this.restartMs = swarm.restartMs;
    this.nodes = Array.from({ length: swarm.nodes }, (_, at) => `n${at + 1}`);
    this.world = new SimulatedWorld(seed, swarm.network, {
      onFatal: (node, error) => this.onFatal(node, error),
      onUncaught: (node, error) => this.onUncaught(node, error),
      onEnd: (node) => this.onEnd(node),
    });
    this.furtherGroups = furtherGroups(this.world.scheduler, protocolOf(algorithm));
    const voters = this.nodes.slice(0, swarm.nodes - swarm.learners);
    const fixed = swarm.faults.membershipChange === undefined ? voters : undefined;
    this.invariants = new Invariants(this.world.scheduler, protocolOf(algorithm), fixed);
    this.founding = {
      voters,
      outgoing: [],
      learners: this.nodes.slice(voters.length),
      addresses: Object.fromEntries(this.nodes.map((node) => [node, `${node}:16379`])),
    };
    this.decaying = this.world.random.split("decaying").shuffle(voters).slice(0, swarm.decaying);
    this.models = new Map();
    for (const node of this.nodes) this.addMachine(node);
  }

  start(): void {
    for (const node of this.nodes) this.boot(node);
  }

  lifeOf(node: NodeId): Life | undefined {
    return this.running.get(node)?.life;
  }

  /** The node of the running process, to look at. */
  nodeOf(node: NodeId): SimulatedNode | undefined {
    return this.running.get(node)?.node;
  }

  /** Who thinks that it leads, with the highest term. */
  leader(): NodeId | undefined {
    let leader: NodeId | undefined;
    let highest = -1;
    for (const [id, { node }] of this.running) {
      const { role, term } = node.status().consensus;
      if (role === "leader" && term > highest) [leader, highest] = [id, term];
    }
    return leader;
  }

  /** Does something in the running process of a node, as an operator's request would. */
  command(node: NodeId | undefined, act: (running: SimulatedNode) => void): void {
    if (node === undefined) return;
    const running = this.running.get(node);
    if (running !== undefined) this.world.machine(node).input(() => act(running.node));
  }

  /** The machine fails for good. */
  retire(node: NodeId): void {
    this.retired.add(node);
    this.world.machine(node).losePower();
  }

  /** The machine gets an empty disk: what comes back under the name waits to be taken in. */
  loseDirectory(node: NodeId): void {
    const machine = this.world.machine(node);
    machine.kill();
    machine.disk.replace();
    this.lostDirectories.set(node, (this.lostDirectories.get(node) ?? 0) + 1);
    for (const { invariants } of this.observed()) invariants.forget(node);
  }

  /** What was broken first, in any group. Asked after every step. */
  get violation(): string | undefined {
    if (this.invariants.violation !== undefined) return this.invariants.violation;
    for (const { invariants } of this.furtherGroups) {
      if (invariants.violation !== undefined) return invariants.violation;
    }
    return undefined;
  }

  get misdirectedReads(): number {
    let reads = 0;
    for (const node of this.nodes) reads += this.world.machine(node).disk.misdirectedReads;
    return reads;
  }

  /** Whether the machine failed for good. */
  isRetired(node: NodeId): boolean {
    return this.retired.has(node);
  }

  /** From now on, processes that ended start again soon. */
  hurry(): void {
    this.restartMs = 50;
    for (const node of this.nodes) if (!this.retired.has(node)) this.restartLater(node);
  }

  private addMachine(node: NodeId): void {
    const { swarm, world } = this;
    const random = world.random.split(`machine options/${node}`);
    world.addMachine(node, {
      clock: {
        rate: 1 + random.between(-1, 1) * swarm.clockDrift,
        timerLatenessMs: swarm.timerLatenessMs,
      },
      wallOffsetMs: random.between(-1, 1) * swarm.wallErrorMs,
      disk: swarm.disk,
      mayDecay: this.decaying.includes(node),
    });
  }

  private boot(id: NodeId): void {
    const machine = this.world.machine(id);
    if (machine.running || this.retired.has(id)) return;
    machine.start((given) => {
      const world = mutateWorld(given, this.mutant);
      const { algorithm, swarm, mutant, invariants, founding } = this;
      const { furtherGroups } = this;
      const lives = this.lostDirectories.get(id) ?? 0;
      const directory = `${id.slice(1)}d${lives}`.padStart(12, "0");
      const own = { id, world, algorithm, founding, directory, newcomer: lives > 0, furtherGroups };
      const asked = { ...own, swarm, mutant, invariants, decayed: machine.disk.decays > 0 };
      openStorage(this.storageKind, asked, this.models, this.world.random, (opened) => {
        // Reading it may have been what went wrong.
        const decayed = machine.disk.decays > 0;
        if (decayed && this.hasLostUnseen(id, opened)) {
          this.unseenDamage++;
          this.world.scheduler.after(0, () => this.retire(id));
          return;
        }
        const node = startNode({ ...asked, decayed }, opened);
        const onEnd: (() => void)[] = [];
        const life: Life = { node: id, door: node, onEnd: (callback) => void onEnd.push(callback) };
        this.running.set(id, { life, node, onEnd });
      });
    });
  }

  private onEnd(node: NodeId): void {
    const ended = this.running.get(node);
    this.running.delete(node);
    for (const { invariants } of this.observed()) invariants.ended(node);
    this.endedRunning = ended !== undefined;
    for (const callback of ended?.onEnd ?? []) callback();
    this.restartLater(node);
  }

  private observed(): readonly { readonly invariants: Invariants }[] {
    return [this, ...this.furtherGroups];
  }

  private hasLostUnseen(node: NodeId, opened: OpenedStorage): boolean {
    const found = [opened, ...opened.furtherGroups];
    return this.observed().some(({ invariants }, at) => {
      const recovered = found[at]?.recovered;
      return recovered !== undefined && invariants.lostUnseen(node, recovered);
    });
  }

  private restartLater(node: NodeId): void {
    const delayMs = this.world.random
      .split(`restart/${node}/${this.world.scheduler.steps}`)
      .exponential(this.restartMs);
    this.world.scheduler.after(delayMs, () => this.boot(node));
  }

  private onFatal(node: NodeId, error: Error): void {
    const code = error instanceof QuorateError ? error.code : error.message;
    this.fatal.set(code, (this.fatal.get(code) ?? 0) + 1);
    const cause = error.cause instanceof Error ? `: ${error.cause.stack ?? error.cause.message}` : "";
    if (code === "INVARIANT")
      this.invariants.fail(`${node} stopped on an invariant: ${error.message}${cause}`);
    const lossy = this.world.machine(node).disk.decays > 0;
    // What it found at its start is beyond repair: it must not come back under its name.
    if (code === "DATA_CORRUPT" && lossy && !this.endedRunning) this.retired.add(node);
    if (code === "DATA_CORRUPT" && !lossy)
      this.invariants.fail(`${node} found its disk corrupt: ${error.message}`);
  }

  private onUncaught(node: NodeId, error: unknown): void {
    // What was whole when it was verified reads as damaged when it is used: the process ends, and starts again.
    const isCorrupt = isQuorateError(error) && error.code === "DATA_CORRUPT";
    if (isCorrupt && this.world.machine(node).disk.decays > 0) {
      this.fatal.set(error.code, (this.fatal.get(error.code) ?? 0) + 1);
      return;
    }
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.invariants.fail(`an error left ${node}: ${text}`);
  }
}
