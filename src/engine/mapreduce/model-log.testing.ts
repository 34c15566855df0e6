/**
 * The replicated log of jobs as a model: it keeps its promises and no others. Commands are lost, or carried out without an
 * answer; leaders change, and old ones do not know it yet; replicas lag behind and catch up by snapshot. What the real log
 * adds is tried with it in `src/simulation`.
 */
import type { Bytes } from "../../runtime/bytes.ts";
import { copyBytes } from "../../runtime/bytes.ts";
import { QuorateError } from "../../runtime/errors.ts";
import type { SeededRandom } from "../../runtime/simulated/random.ts";
import type { SimulatedWorld } from "../../runtime/simulated/world.ts";
import type { NodeId, World } from "../../runtime/world.ts";
import type { JobsLog } from "./doors.ts";
import type { JobsKeeper } from "./jobs-cluster.testing.ts";
import type { JobsMachine } from "./jobs/machine.ts";
import { createJobs } from "./jobs/machine.ts";
import type { JobsReply } from "./jobs/replies.ts";
import type { HistorySettings } from "./jobs/state.ts";

export interface LogFaults {
  /** Probability that a command gets no answer, carried out or not. */
  readonly unknown: number;
  /** Mean time until a committed command reaches a replica. */
  readonly lagMs: number;
  /** Mean time between two changes of the leader for no reason; 0: none. */
  readonly changeMs: number;
}

type Done = (reply: JobsReply | undefined, error: QuorateError | undefined) => void;

interface Entry {
  readonly bytes: Bytes;
  readonly timeMs: number;
  /** Whose node's life waits for the reply. */
  readonly by: Attachment | undefined;
  readonly done: Done;
}

/** One life of one node's replica. */
interface Attachment {
  readonly node: NodeId;
  readonly machine: JobsMachine;
  applied: number;
  pumping: boolean;
  leads: number | undefined;
  dead: boolean;
}

const TICK_MS = 50;
const ELECTION_MS = 400;
const REQUEST_TIMEOUT_MS = 3_000;
const SNAPSHOT_EVERY = 15;
/** A replica that is so far behind gets a snapshot. */
const SNAPSHOT_LAG = 25;

export class ModelLog implements JobsKeeper {
  /** What every replica comes to hold. */
  readonly reference: JobsMachine;
  term = 0;
  leader: NodeId | undefined;
  private readonly world: SimulatedWorld;
  private readonly random: SeededRandom;
  private readonly nodes: readonly NodeId[];
  private readonly faults: LogFaults;
  private readonly entries: Entry[] = [];
  private snapshot: { readonly index: number; readonly chunks: readonly Bytes[] } | undefined;
  private readonly attachments = new Map<NodeId, Attachment>();
  private leaderlessMs = 0;
  private calm = false;

  constructor(
    world: SimulatedWorld,
    nodes: readonly NodeId[],
    faults: LogFaults,
    history: Partial<HistorySettings> = {},
  ) {
    this.world = world;
    this.nodes = nodes;
    this.faults = faults;
    this.random = world.random.split("model log");
    this.reference = createJobs(history);
    this.tick();
  }

  /** From now on nothing goes wrong. */
  heal(): void {
    this.calm = true;
  }

  host(id: NodeId, world: World, machine: JobsMachine, hosted: Parameters<JobsKeeper["host"]>[3]): void {
    hosted(this.attach(id, machine), world.network);
  }

  /** The way into the log for one life of a node, whose machine is then kept up to date. */
  private attach(node: NodeId, machine: JobsMachine): JobsLog {
    const before = this.attachments.get(node);
    if (before !== undefined) before.dead = true;
    // A process that starts again leads nothing.
    if (this.leader === node) this.leader = undefined;
    const attachment: Attachment = {
      node,
      machine,
      applied: 0,
      pumping: false,
      leads: undefined,
      dead: false,
    };
    this.attachments.set(node, attachment);
    const { snapshot } = this;
    if (snapshot !== undefined && this.random.chance(0.7)) {
      machine.restore(snapshot.chunks.map(copyBytes));
      attachment.applied = snapshot.index;
    }
    return {
      propose: (_command, encoded, done) => this.propose(attachment, copyBytes(encoded), done),
      barrier: (done) => this.barrier(attachment, done),
      leadingTerm: () => attachment.leads,
      logTimeMs: () => this.timeMs(),
    };
  }

  private timeMs(): number {
    return 1_790_000_000_000 + this.world.scheduler.nowMs;
  }

  private isUp(node: NodeId): boolean {
    const machine = this.world.machine(node);
    return machine.running && !machine.paused && this.attachments.get(node)?.dead === false;
  }

  private reaches(from: NodeId, to: NodeId): boolean {
    if (from === to) return true;
    const { network } = this.world;
    return !network.isBlocked(from, to) && !network.isBlocked(to, from);
  }

  private hasMajority(node: NodeId): boolean {
    const reached = this.nodes.filter((other) => this.isUp(other) && this.reaches(node, other));
    return reached.length * 2 > this.nodes.length;
  }

  private canLead(node: NodeId): boolean {
    return this.isUp(node) && this.hasMajority(node);
  }

  /** Whether what a node puts in is committed now. */
  private isOpen(node: NodeId): boolean {
    const { leader } = this;
    return leader !== undefined && this.canLead(leader) && this.isUp(node) && this.reaches(node, leader);
  }

  private tick(): void {
    this.world.scheduler.after(TICK_MS, () => {
      this.tick();
      this.elect();
      for (const attachment of this.attachments.values()) this.pump(attachment);
    });
  }

  private elect(): void {
    const { leader, faults } = this;
    const holds = leader !== undefined && this.canLead(leader);
    const whim = !this.calm && faults.changeMs > 0 && this.random.chance(TICK_MS / faults.changeMs);
    this.leaderlessMs = holds ? 0 : this.leaderlessMs + TICK_MS;
    if (holds && !whim) return;
    if (!holds && this.leaderlessMs < ELECTION_MS) return;
    const able = this.nodes.filter((node) => this.canLead(node));
    if (able.length === 0) return;
    const next = this.random.pick(able);
    this.term++;
    this.leader = next;
    this.leaderlessMs = 0;
    const { term } = this;
    this.world.trace.record(this.world.scheduler.nowMs, next, "leads", term);
    this.later(next, 20, (attachment) => {
      if (this.term === term) attachment.leads = term;
    });
    for (const node of this.nodes) if (node !== next) this.stepDown(node, term);
  }

  /** A node that led learns that it does not: when it hears of it, or after a while in which it hears nothing. */
  private stepDown(node: NodeId, term: number): void {
    const hears = this.leader !== undefined && this.reaches(node, this.leader);
    this.later(node, hears ? 100 : 1_500, (attachment) => {
      if (attachment.leads !== undefined && attachment.leads < term) attachment.leads = undefined;
    });
  }

  /** In the node's own process, about so much later: not while it is paused, and not in another life. */
  private later(node: NodeId, meanMs: number, run: (attachment: Attachment) => void): void {
    const attachment = this.attachments.get(node);
    if (attachment === undefined) return;
    this.world.scheduler.after(this.random.exponential(meanMs), () => {
      if (attachment.dead) return;
      this.world.machine(node).input(() => {
        if (!attachment.dead) run(attachment);
      });
    });
  }

  private propose(by: Attachment, bytes: Bytes, done: Done): void {
    const { scheduler } = this.world;
    const beganMs = scheduler.nowMs;
    const unknown = !this.calm && this.random.chance(this.faults.unknown);
    const answer = (error: QuorateError): void => this.later(by.node, 1, () => done(undefined, error));
    const attempt = (): void => {
      if (by.dead) return;
      if (this.isOpen(by.node)) {
        if (!unknown) return this.append(bytes, by, done);
        if (this.random.chance(0.5)) {
          // It may also take effect much later.
          scheduler.after(this.random.pick([0, 500, 8_000]) * this.random.float(), () =>
            this.append(bytes, undefined, () => undefined),
          );
        }
        return void scheduler.after(REQUEST_TIMEOUT_MS, () =>
          answer(new QuorateError("OUTCOME_UNKNOWN", "no answer in time")),
        );
      }
      if (scheduler.nowMs - beganMs > REQUEST_TIMEOUT_MS)
        return answer(new QuorateError("NO_QUORUM", "no majority in time"));
      scheduler.after(TICK_MS, attempt);
    };
    scheduler.after(this.random.exponential(1), attempt);
  }

  private append(bytes: Bytes, by: Attachment | undefined, done: Done): void {
    const timeMs = this.timeMs();
    this.entries.push({ bytes, timeMs, by, done });
    this.reference.apply(this.reference.decode(bytes), { timeMs });
    if (this.entries.length % SNAPSHOT_EVERY === 0) {
      const cut = this.reference.snapshot();
      const chunks: Bytes[] = [];
      for (let chunk = cut.next(4096); chunk !== undefined; chunk = cut.next(4096))
        chunks.push(copyBytes(chunk));
      this.snapshot = { index: this.entries.length, chunks };
    }
    for (const attachment of this.attachments.values()) this.pump(attachment);
  }

  private pump(attachment: Attachment): void {
    if (attachment.pumping || attachment.dead || attachment.applied === this.entries.length) return;
    const { leader } = this;
    if (leader === undefined || !this.reaches(attachment.node, leader)) return;
    attachment.pumping = true;
    const lagMs = this.calm ? 2 : this.faults.lagMs;
    this.world.scheduler.after(this.random.exponential(lagMs), () => {
      attachment.pumping = false;
      if (attachment.dead) return;
      this.world.machine(attachment.node).input(() => this.apply(attachment));
    });
  }

  private apply(attachment: Attachment): void {
    if (attachment.dead) return;
    const { machine } = attachment;
    const { snapshot } = this;
    if (snapshot !== undefined && snapshot.index - attachment.applied > SNAPSHOT_LAG) {
      const skipped = this.entries.slice(attachment.applied, snapshot.index);
      machine.restore(snapshot.chunks.map(copyBytes));
      attachment.applied = snapshot.index;
      for (const { by, done } of skipped)
        if (by === attachment) done(undefined, new QuorateError("REPLY_LOST", "caught up by snapshot"));
    }
    while (attachment.applied < this.entries.length && !attachment.dead) {
      const { bytes, timeMs, by, done } = this.entries[attachment.applied++]!;
      const reply = machine.apply(machine.decode(bytes), { timeMs });
      if (by === attachment) done(reply, undefined);
    }
  }

  private barrier(attachment: Attachment, done: (error: QuorateError | undefined) => void): void {
    const { scheduler } = this.world;
    const beganMs = scheduler.nowMs;
    let wanted: number | undefined;
    const look = (): void => {
      if (attachment.dead) return;
      if (wanted === undefined && this.isOpen(attachment.node)) wanted = this.entries.length;
      if (wanted !== undefined && attachment.applied >= wanted)
        return this.later(attachment.node, 0.1, () => done(undefined));
      if (scheduler.nowMs - beganMs > REQUEST_TIMEOUT_MS) {
        const late = new QuorateError("NO_QUORUM", "no barrier in time");
        return this.later(attachment.node, 0.1, () => done(late));
      }
      scheduler.after(5, look);
    };
    scheduler.after(this.random.exponential(0.5), look);
  }
}
