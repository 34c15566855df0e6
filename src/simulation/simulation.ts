/**
 * simulation: whole clusters of the real node code under every fault at once, judged from outside.
 *
 * A run has two phases. In the first everything fails at random while clients work; invariants are checked after every step,
 * and at the end the clients' history is checked for linearizability. In the second a random majority is healed and what
 * fails outside it fails for good; the majority must then make progress, agree, and answer within a bound. A run is a
 * function of its seed: it is found again by `quorate simulate --seed N`. Rooms inside: `swarm` draws what a seed means,
 * `cluster` runs the nodes, `faults` and `clients` act on them, `invariants` watch, `linearizability` judges, and `mutants`
 * are the bugs that prove that all of this would find one. `files/` is a world of its own: clusters that serve files.
 */
import { DEFAULT_ALGORITHM } from "../consensus/algorithms.ts";
import type { Algorithm } from "../consensus/algorithms.ts";
import { sameMembership } from "../consensus/membership.ts";
import { QuorateError } from "../runtime/errors.ts";
import { SeededRandom } from "../runtime/simulated/random.ts";
import type { NodeId } from "../runtime/world.ts";
import { DATA_COMMANDS } from "../engine/keyspace/commands/index.ts";
import { Clients } from "./clients.ts";
import { SimulatedCluster } from "./cluster.ts";
import { Faults } from "./faults.ts";
import { checkLinearizability } from "./linearizability.ts";
import type { Verdict } from "./linearizability.ts";
import { Invariants } from "./invariants/invariants.ts";
import { MUTANTS } from "./mutants.ts";
import type { Mutant } from "./mutants.ts";
import type { SimulatedGroup, StorageKind } from "./node-program.ts";
import { storeModel } from "./store-model.ts";
import { drawSwarm } from "./swarm.ts";
import type { Swarm, SwarmLimits } from "./swarm.ts";
import { Workload } from "./workload.ts";

/** A group that the nodes host beside the keyspace, with clients and a judge of its own. */
export interface Companion extends SimulatedGroup {
  /** Its clients begin. */
  start(cluster: SimulatedCluster, random: SeededRandom): void;
  /** No new requests. */
  stop(): void;
  /** Asks a node for something that goes through the log, until it is answered. */
  probe(cluster: SimulatedCluster, node: NodeId, done: () => void): void;
  /** What is wrong at nodes that have applied all there is, or undefined. */
  judge(nodes: readonly NodeId[]): string | undefined;
}

export interface SimulationOptions extends SwarmLimits {
  /** Made for the run, which watches it with these invariants. Default: the keyspace is alone. */
  readonly companion?: ((invariants: Invariants) => Companion) | undefined;
  /** Default "raft", as for every seed from before there was a choice. */
  readonly consensus?: Algorithm | undefined;
  readonly mutant?: Mutant | undefined;
  /** Default "disk": the real write-ahead log on a simulated disk. */
  readonly storage?: StorageKind | undefined;
  /** Configurations that the judge may search for each part of the history. Default 50,000. */
  readonly maxConfigurations?: number | undefined;
  /** Called for every line of the trace. */
  readonly onTrace?: ((timeMs: number, actor: string, what: string) => void) | undefined;
}

export interface SimulationResult {
  readonly seed: number;
  readonly algorithm: Algorithm;
  /** What went wrong first; undefined: nothing. */
  readonly violation: string | undefined;
  readonly phase: "safety" | "liveness" | "history" | "done";
  readonly steps: number;
  readonly virtualMs: number;
  readonly traceHash: string;
  readonly swarm: Swarm;
  readonly operations: { readonly answered: number; readonly refused: number; readonly unknown: number };
  readonly elections: number;
  readonly committed: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly fatal: Readonly<Record<string, number>>;
  /** Disks taken out of service because they lost the unsealed end of their log to damage. */
  readonly unseenDamage: number;
  /** Reads of disks that gave the bytes of another place. */
  readonly misdirectedReads: number;
  readonly verdict: Verdict | undefined;
  /** The clients' history was too much for the judge's bound: nothing is known about it. */
  readonly undecided: boolean;
}

/** Runs one seed to its end or its first violation. Never throws for what a run finds. */
export function simulate(seed: number, options: SimulationOptions = {}): SimulationResult {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new QuorateError("USAGE", "a seed is a whole number from 0 to 2^53");
  }
  return new Run(seed, options).result();
}

/** How long the healed majority has to make progress: several of the longest election timeouts, and catching up. */
const PROGRESS_BOUND_MS = 60_000;

const CONFIGURATIONS_MAX = 50_000;

class Run {
  private readonly seed: number;
  private readonly algorithm: Algorithm;
  private readonly random: SeededRandom;
  private readonly cluster: SimulatedCluster;
  private readonly clients: Clients;
  private readonly faults: Faults;
  private phase: SimulationResult["phase"] = "safety";
  private verdict: Verdict | undefined;
  private readonly maxConfigurations: number;
  private readonly companion: Companion | undefined;
  /** Whom the second phase heals. */
  private core: readonly NodeId[] = [];
  /** As far as the outcome of changes is known. */
  private voters: readonly NodeId[];
  /** What each change of membership whose outcome is not known makes of them. */
  private readonly changesAsked = new Set<readonly NodeId[]>();
  private readonly changesUnderWay = new Set<readonly NodeId[]>();

  constructor(seed: number, options: SimulationOptions) {
    this.seed = seed;
    this.algorithm = options.consensus ?? DEFAULT_ALGORITHM;
    this.random = SeededRandom.fromSeed(seed);
    this.maxConfigurations = options.maxConfigurations ?? CONFIGURATIONS_MAX;
    const { mutant } = options;
    const faults = options.faults ?? (mutant && MUTANTS[mutant].faults);
    const swarm = drawSwarm(this.random.split("swarm"), { ...options, faults });
    let companion: Companion | undefined;
    const storage = options.storage ?? "disk";
    const cluster = new SimulatedCluster(
      seed,
      this.algorithm,
      swarm,
      mutant,
      storage,
      (scheduler, protocol) => {
        companion = options.companion?.(new Invariants(scheduler, protocol));
        return companion === undefined ? [] : [companion];
      },
    );
    this.companion = companion;
    this.cluster = cluster;
    this.voters = cluster.founding.voters;
    const { world, nodes, decaying } = cluster;
    if (options.onTrace !== undefined) world.trace.listen(options.onTrace);
    const known = new Set(DATA_COMMANDS.map((command) => command.name));
    this.clients = new Clients({
      world,
      nodes,
      random: this.random.split("clients"),
      workload: new Workload(this.random.split("workload"), swarm.workload, (name) => known.has(name)),
      count: swarm.workload.clients,
      thinkMs: swarm.workload.thinkMs,
      wander: swarm.workload.wander,
      requestTimeoutMs: swarm.tuning.requestTimeoutMs,
      readWithoutBarrier: mutant === "read-without-barrier",
      lifeOf: (node) => cluster.lifeOf(node),
      onSilence: (node, what) => cluster.invariants.fail(`${node} fell silent: ${what}`),
    });
    this.faults = new Faults(this.random.split("faults"), {
      world,
      nodes,
      decaying,
      disk: swarm.disk,
      leader: () => cluster.leader(),
      transfer: (to) => cluster.command(cluster.leader(), (node) => node.transferLeadership(to)),
      changeMembership: (voters) => this.changeMembership(voters),
    });
  }

  result(): SimulationResult {
    const { cluster, clients, faults } = this;
    const { world, swarm, invariants } = cluster;
    this.allFaultsAtOnce();
    if (cluster.violation === undefined) this.healMajority();
    if (cluster.violation === undefined) this.judgeHistory();
    if (cluster.violation === undefined) this.phase = "done";
    return {
      seed: this.seed,
      algorithm: this.algorithm,
      violation: cluster.violation,
      phase: this.phase,
      steps: world.scheduler.steps,
      virtualMs: world.scheduler.nowMs,
      traceHash: world.trace.hash(),
      swarm,
      operations: clients.counts,
      elections: invariants.elections,
      committed: invariants.highestCommitted,
      faults: faults.struck,
      fatal: Object.fromEntries(cluster.fatal),
      unseenDamage: cluster.unseenDamage,
      misdirectedReads: cluster.misdirectedReads,
      verdict: this.verdict,
      undecided: this.verdict?.outcome === "undecided",
    };
  }

  private allFaultsAtOnce(): void {
    const { cluster, clients, faults } = this;
    cluster.start();
    clients.start();
    this.companion?.start(cluster, this.random.split("companion"));
    faults.start(cluster.swarm.faults);
    this.runFor(cluster.swarm.phaseOneMs, () => false);
  }

  private healMajority(): void {
    const { cluster, clients } = this;
    this.phase = "liveness";
    this.faults.stop();
    const core = this.chooseCore();
    this.core = core;
    const { world } = cluster;
    world.trace.record(world.scheduler.nowMs, "faults", "healed", core.length, () => core.join());
    world.network.heal();
    Object.assign(world.network.options, {
      loss: 0,
      reorder: 0,
      duplicate: 0,
      falseBreak: 0,
      breakNotice: 1,
    });
    const outside = cluster.nodes.filter((node) => !core.includes(node));
    for (const node of outside) {
      if (this.random.chance(0.5)) cluster.retire(node);
      else world.network.partition([node]);
    }
    for (const node of core) {
      const machine = world.machine(node);
      machine.disk.heal();
      machine.resume();
    }
    cluster.hurry();
    // Clients work on for a while; then each node of the core must answer, and all of them must agree.
    this.runFor(2_000, () => false);
    clients.stop();
    this.companion?.stop();
    const answered = new Set<NodeId>();
    for (const node of core) {
      this.probe(node, () => {
        if (this.companion === undefined) answered.add(node);
        else this.companion.probe(cluster, node, () => answered.add(node));
      });
    }
    // A damaged disk may turn out to be beyond repair only now.
    const healthy = (): readonly NodeId[] => core.filter((node) => !cluster.isRetired(node));
    const recovered = this.runFor(
      PROGRESS_BOUND_MS,
      () => healthy().every((node) => answered.has(node)) && this.agree(healthy()),
    );
    if (!recovered) this.failProgress(core, answered);
    // What was under way gets its answers.
    this.runFor(cluster.swarm.tuning.requestTimeoutMs * 1.2 + 3_000, () => false);
  }

  /** Writes through a node until it answers. */
  private probe(node: NodeId, done: () => void): void {
    this.clients.ask(node, { command: ["INCR", "probe"] }, (answered) => {
      if (answered) done();
      else this.cluster.world.scheduler.after(100, () => this.probe(node, done));
    });
  }

  private agree(core: readonly NodeId[]): boolean {
    const states = core.map((node) => this.cluster.nodeOf(node)?.status());
    const indexes = new Set(states.map((state) => state?.appliedIndex));
    if (indexes.size !== 1 || indexes.has(undefined)) return false;
    return states.every(
      (state) =>
        state?.furtherGroups?.every((group, at) => {
          const first = states[0]?.furtherGroups?.[at]?.appliedIndex;
          const { membership } = group.consensus;
          return group.appliedIndex === first && sameMembership(membership, state.consensus.membership);
        }) ?? true,
    );
  }

  private failProgress(core: readonly NodeId[], answered: ReadonlySet<NodeId>): void {
    const states = core.map((id) => {
      const node = this.cluster.nodeOf(id);
      if (node === undefined) return `${id} does not run`;
      const { consensus, appliedIndex } = node.status();
      const { role, term, leader, commitIndex, lastIndex } = consensus;
      const answers = answered.has(id) ? "answers" : "does not answer";
      const further = (node.status().furtherGroups ?? []).map((group) => {
        const { membership: of, ...state } = group.consensus;
        const where = `applied ${group.appliedIndex}, commit ${state.commitIndex}, voters ${of.voters.join()}`;
        return `; group ${group.id}: ${state.role} in term ${state.term} under ${state.leader}, ${where}`;
      });
      return `${id} ${answers}: ${role} in term ${term} under ${leader}, applied ${appliedIndex}, commit ${commitIndex}, last ${lastIndex}${further.join("")}`;
    });
    this.cluster.invariants.fail(
      `no progress within ${PROGRESS_BOUND_MS} ms after the majority ${core.join()} was healed:\n  ${states.join("\n  ")}`,
    );
  }

  /** A majority of the voters whose disks kept everything, perhaps with others. */
  private chooseCore(): readonly NodeId[] {
    const { cluster } = this;
    const { voters, learners } = cluster.founding;
    if (cluster.swarm.faults.membershipChange !== undefined) return this.chooseCoreAmongChanges();
    const random = this.random.split("core");
    const sound = random.shuffle(voters.filter((node) => !cluster.decaying.includes(node)));
    const majority = Math.floor(voters.length / 2) + 1;
    const core = sound.slice(0, random.integer(majority, sound.length));
    // Others may heal as well, and must then keep up: also those whose damaged logs their peers have to mend.
    const others = [...learners, ...voters.filter((node) => cluster.decaying.includes(node))];
    for (const node of others) if (!cluster.isRetired(node) && random.chance(0.5)) core.push(node);
    return core.sort();
  }

  /** A majority of the voters, and of all that they may become by changes that are under way; perhaps with others. */
  private chooseCoreAmongChanges(): readonly NodeId[] {
    const { nodes } = this.cluster;
    // A second group follows the first one's members, nobody knows how soon.
    if (this.companion !== undefined) return nodes;
    const sets = [this.voters, ...this.changesAsked, ...this.changesUnderWay];
    const random = this.random.split("core");
    const shuffled = random.shuffle([...nodes]);
    const holdsMajorities = (core: readonly NodeId[]): boolean =>
      sets.every((voters) => 2 * voters.filter((id) => core.includes(id)).length > voters.length);
    let size = 1;
    while (!holdsMajorities(shuffled.slice(0, size))) size++;
    return shuffled.slice(0, random.integer(size, nodes.length)).sort();
  }

  private changeMembership(voters: readonly NodeId[]): void {
    const { cluster, changesAsked, changesUnderWay } = this;
    const leader = cluster.leader();
    if (leader === undefined) return;
    changesAsked.add(voters);
    const learners = cluster.nodes.filter((node) => !voters.includes(node));
    cluster.command(leader, (node) => {
      changesAsked.delete(voters);
      changesUnderWay.add(voters);
      const before = new Set(changesUnderWay);
      let atOnce = true;
      node.changeMembership({ voters, learners, addresses: cluster.founding.addresses }, (refused) => {
        if (refused === undefined) {
          // What a leader before this one began, and did not end, never happens now.
          for (const each of before) changesUnderWay.delete(each);
          this.voters = voters;
        } else if (atOnce) changesUnderWay.delete(voters);
      });
      atOnce = false;
    });
  }

  private judgeHistory(): void {
    this.phase = "history";
    this.verdict = checkLinearizability(
      storeModel({ timeJumps: this.cluster.invariants.timeJumps }),
      this.clients.finish(),
      { maxConfigurations: this.maxConfigurations },
    );
    if (this.verdict.violation !== undefined) this.cluster.invariants.fail(this.verdict.violation.report);
    const wrong = this.companion?.judge(this.core.filter((node) => this.cluster.lifeOf(node) !== undefined));
    if (wrong !== undefined) this.companion?.invariants.fail(wrong);
  }

  /** Runs virtual time until `until` holds, a violation, or the end; true when `until` held. */
  private runFor(durationMs: number, until: () => boolean): boolean {
    const { scheduler } = this.cluster.world;
    const endMs = scheduler.nowMs + durationMs;
    while (this.cluster.violation === undefined) {
      if (until()) return true;
      if (!scheduler.stepUntil(endMs)) {
        scheduler.runUntil(endMs);
        return false;
      }
    }
    return false;
  }
}
