/**
 * The consensus core of one process, with the observer around it: what the core is told and says goes through unchanged, and is
 * reported to those who compare it with all other nodes. What one process may not take back is checked here.
 */
import type {
  Consensus,
  ConsensusStatus,
  Effect,
  Entry,
  Index,
  Input,
  Membership,
  Role,
  Term,
} from "../../consensus/consensus.ts";
import type { NodeId } from "../../runtime/world.ts";
import type { AppliedStates } from "./applied-states.ts";
import type { CommittedLog } from "./committed-log.ts";
import type { Leaderships } from "./leaderships.ts";

export interface Observers {
  readonly leaderships: Leaderships;
  readonly committedLog: CommittedLog;
  readonly appliedStates: AppliedStates;
  /** A process that has heard no entry in its life begins to lead. */
  readonly ledUnheard: () => void;
  readonly fail: (what: string) => void;
}

export class ObservedConsensus<Message> implements Consensus<Message> {
  private readonly node: NodeId;
  private readonly core: Consensus<Message>;
  private readonly machine: { digest(): number };
  private readonly observers: Observers;
  private commitIndex: Index = 0;
  private appliedIndex: Index = 0;
  private term: Term = 0;
  private role: Role = "follower";
  private heardEntry = false;
  private leading = false;
  /** By read: what was committed anywhere when it was asked. */
  private readonly asked = new Map<number, Index>();

  constructor(node: NodeId, core: Consensus<Message>, machine: { digest(): number }, observers: Observers) {
    this.node = node;
    this.core = core;
    this.machine = machine;
    this.observers = observers;
  }

  step(input: Input<Message>, nowMs: number): void {
    if (input.type === "applied") this.onApplied(input.index);
    if (input.type === "read") this.asked.set(input.id, this.observers.committedLog.highestIndex);
    this.core.step(input, nowMs);
    if (this.leading) this.observers.leaderships.checkLease(this.node);
  }

  drain(): readonly Effect<Message>[] {
    const effects = this.core.drain();
    for (const effect of effects) this.look(effect);
    this.leading = this.core.status(0).role === "leader";
    return effects;
  }

  status(nowMs: number): ConsensusStatus {
    return this.core.status(nowMs);
  }

  accepts(bytes: number): boolean {
    return this.core.accepts(bytes);
  }

  leaseHolds(nowMs: number): boolean {
    return this.core.leaseHolds(nowMs);
  }

  entry(index: Index): Entry | undefined {
    return this.core.entry(index);
  }

  membershipAt(index: Index): Membership {
    return this.core.membershipAt(index);
  }

  private look(effect: Effect<Message>): void {
    switch (effect.type) {
      case "role":
        return this.onRole(effect.role, effect.term);
      case "write": {
        // What a candidate stores is of earlier leaders, and tells nothing of the present.
        const isLive = this.role !== "candidate" && this.role !== "precandidate";
        const { entries = [] } = effect.write;
        this.heardEntry ||= isLive && entries.some((entry) => entry.kind === "command");
        return;
      }
      case "commit":
        return this.onCommit(effect.upTo);
      case "read":
        return this.onRead(effect.id, effect.index);
      case "readFailed":
        return void this.asked.delete(effect.id);
      default:
        return;
    }
  }

  private onRole(role: Role, term: Term): void {
    const { node, core } = this;
    const { leaderships, committedLog, ledUnheard, fail } = this.observers;
    if (term < this.term) fail(`${node} went from term ${this.term} back to ${term}`);
    this.term = term;
    this.role = role;
    this.leading = false; // Until the next turn: what it learned as a follower may be told in this one.
    if (role !== "leader") return;
    if (leaderships.leads(node, term)) committedLog.checkComplete(node, term, core);
    if (!this.heardEntry) ledUnheard();
  }

  private onCommit(upTo: Index): void {
    const { node, core, commitIndex } = this;
    const { committedLog, fail } = this.observers;
    if (upTo < commitIndex) fail(`commit of ${node} went from ${commitIndex} to ${upTo}`);
    for (let index = commitIndex + 1; index <= upTo; index++) committedLog.committed(node, index, core);
    if (this.leading) committedLog.checkOwnTerm(node, upTo, core);
    this.commitIndex = Math.max(commitIndex, upTo);
  }

  private onRead(id: number, index: Index): void {
    const least = this.asked.get(id) ?? 0;
    this.asked.delete(id);
    if (index >= least) return;
    this.observers.fail(`${this.node} confirmed a read at ${index}, asked when ${least} was committed`);
  }

  private onApplied(index: Index): void {
    const { node, appliedIndex, observers } = this;
    if (index < appliedIndex) observers.fail(`applied of ${node} went from ${appliedIndex} to ${index}`);
    this.appliedIndex = index;
    observers.appliedStates.applied(node, index, this.machine.digest());
  }
}
