/**
 * What must always hold, looked at after every step of every node, from outside and with a view of all nodes at once.
 *
 * The observer stands between a node and its parts: it sees what the core is told and says, when the log calls a write
 * durable, what a restart recovers, and what the state machine is given. It only looks; the first broken invariant is kept.
 *
 * `leaderships.ts`
 *   one leader        at most one leader a term (Raft section 5.2, Election Safety)
 *   one lease         while a leader's lease holds, nobody leads a later term (thesis section 6.4.1)
 * `committed-log.ts`
 *   complete leaders  a leader holds every entry that was committed in an earlier term (Leader Completeness)
 *   one value         an entry that any node takes for committed is the same at every node, for ever (State Machine Safety)
 *   same members      the membership at an index is the same at every node that has committed so far
 *   durable first     an entry is committed only while a majority says that it is on its disk
 *   own term          a leader takes entries for committed only through one of its own term (section 5.4.2; not where
 *                     every leader carries entries on under its own term, see `Protocol.entriesKeepTerm`)
 * `durability.ts`
 *   durable is kept   what a log called durable is recovered after any crash, unless its disk may decay
 *   durable promises  a vote and an acknowledgement leave a node only when what they promise is on its disk
 *   one decree        in a log of slots, what a majority accepted in one ballot is never followed by another (`decrees.ts`)
 * `applied-states.ts`
 *   equal states      replicas that applied the same prefix have the same digest
 *   one application   every command is applied at one place of the log, and replicas apply in order, each place once
 *   log time          never goes back, and is the same everywhere
 * `observed-consensus.ts`
 *   current reads     a confirmed read sees everything that any node took for committed before it was asked
 *   monotone          term, commit and applied index of one process never go back
 */
import type { Consensus, Index, Recovered } from "../../consensus/consensus.ts";
import type { ConsensusMessage, Protocol } from "../../consensus/protocol.ts";
import type { MessageCodec } from "../../engine/group/replica-options.ts";
import type { ReplicaStorage } from "../../engine/group/storage.ts";
import type { KeyspaceMachine } from "../../engine/keyspace/machine.ts";
import type { Scheduler } from "../../runtime/simulated/scheduler.ts";
import type { Clock, Logger, NodeId } from "../../runtime/world.ts";
import { AppliedStates } from "./applied-states.ts";
import { CommittedLog } from "./committed-log.ts";
import { Durability } from "./durability.ts";
import { Leaderships } from "./leaderships.ts";
import { ObservedConsensus } from "./observed-consensus.ts";

export class Invariants {
  /** The first broken one, for a person. */
  violation: string | undefined;
  /**
   * When a process began to lead that had heard no entry in its life: it takes log time from its wall clock, which may be
   * wrong (`engine/group/log-clock.ts`). Virtual milliseconds.
   */
  readonly timeJumps: number[] = [];
  private readonly scheduler: Scheduler;
  private readonly leaderships: Leaderships;
  private readonly durability: Durability;
  private readonly committedLog: CommittedLog;
  private readonly appliedStates: AppliedStates;

  /** `voters`: undefined when they may change. */
  constructor(scheduler: Scheduler, protocol: Protocol, voters?: readonly NodeId[]) {
    const fail = (what: string): void => this.fail(what);
    this.scheduler = scheduler;
    this.leaderships = new Leaderships(fail);
    this.durability = new Durability(fail, protocol, voters);
    this.committedLog = new CommittedLog(fail, protocol, this.durability);
    this.appliedStates = new AppliedStates(fail);
  }

  /** The highest index that any node took for committed. */
  get highestCommitted(): Index {
    return this.committedLog.highestIndex;
  }

  get elections(): number {
    return this.leaderships.elections;
  }

  fail(what: string): void {
    this.violation ??= `step ${this.scheduler.steps}, ${this.now().toFixed(3)} ms: ${what}`;
  }

  /**
   * Whether a disk that decays lost what it had acknowledged and shows no sign of it: the damage hit the very end of the log
   * in the moment before its seal, and looks like a torn write (docs/storage.md says so). Such a disk is out of service.
   */
  lostUnseen(node: NodeId, recovered: Recovered): boolean {
    return this.durability.lost(node, recovered) !== undefined;
  }

  /** A process has read its disk. `decayed`: the disk may have lost what it called durable. */
  recovered(node: NodeId, recovered: Recovered, decayed: boolean): void {
    this.durability.recovered(node, recovered, decayed);
  }

  /** The node lost its data directory: its next one never promised anything. */
  forget(node: NodeId): void {
    this.durability.forget(node);
  }

  /** The process is gone, and its lease with it. */
  ended(node: NodeId): void {
    this.leaderships.ended(node);
  }

  observeStorage(node: NodeId, storage: ReplicaStorage): ReplicaStorage {
    return this.durability.observeStorage(node, storage);
  }

  observeLogger(node: NodeId, logger: Logger): Logger {
    return this.appliedStates.observeLogger(node, logger);
  }

  observeConsensus<Message>(
    node: NodeId,
    core: Consensus<Message>,
    machine: Pick<KeyspaceMachine, "digest">,
    clock: Clock,
  ): Consensus<Message> {
    const { leaderships, committedLog, appliedStates } = this;
    leaderships.began(node, () => (core.leaseHolds(clock.monotonicMs()) ? core.status(0).term : undefined));
    return new ObservedConsensus(node, core, machine, {
      leaderships,
      committedLog,
      appliedStates,
      ledUnheard: () => this.timeJumps.push(this.now()),
      fail: (what) => this.fail(what),
    });
  }

  /** Watches what leaves a node: its promises must be on its disk by then. */
  observedCodec(node: NodeId): MessageCodec<ConsensusMessage> {
    return this.durability.observedCodec(node);
  }

  /** Watches what the machine is given. `unique`: true for a command that clients issue once in the whole run. */
  observeMachine(node: NodeId, machine: KeyspaceMachine, unique: (text: string) => boolean): void {
    this.appliedStates.observeMachine(node, machine, unique);
  }

  private now(): number {
    return this.scheduler.nowMs;
  }
}
