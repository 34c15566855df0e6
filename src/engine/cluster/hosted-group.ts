/**
 * One replicated group as this node hosts it: its replica, with a consensus core, a share of the disk and a state machine of
 * its own, and whom it listens to. A node hosts the keyspace, group 0, and perhaps others; all of them share its peers.
 */
import type { Algorithm } from "../../consensus/algorithms.ts";
import type {
  Consensus,
  ConsensusStatus,
  Index,
  Membership,
  Role,
  Standing,
} from "../../consensus/consensus.ts";
import type { MembershipGoal } from "../../consensus/membership.ts";
import type { Bytes } from "../../runtime/bytes.ts";
import { QuorateError } from "../../runtime/errors.ts";
import type { Clock, NodeId, World } from "../../runtime/world.ts";
import type { FrameKind, MessageCodec, ReplicaTuning } from "../group/replica-options.ts";
import { Replica } from "../group/replica.ts";
import type { SaveDone, SnapshotStatus } from "../group/snapshots.ts";
import type { StateMachine } from "../group/state-machine.ts";
import type { ReplicaStorage } from "../group/storage.ts";
import type { GroupId } from "../group/write-ahead-log/frame.ts";
import type { Beat } from "./beat.ts";
import { ComparedState } from "./compared-state.ts";
import { Directories } from "./directories.ts";
import type { Greeting, GroupRow } from "./frames.ts";
import type { GroupStatus } from "./local-node.ts";
import type { PeerDirectories } from "./peer-directories.ts";

/** The group of the keyspace: it decides who is a member of the node's other groups. */
export const KEYSPACE_GROUP = 0;

export const DEFAULT_REPLICA_TUNING: ReplicaTuning = {
  heartbeatIntervalMs: 50,
  entryMaxBytes: 1024 * 1024,
  // One entry holds at least a whole command, is one frame on a peer's link and one value in the write-ahead log. Larger
  // ones hold up the event loop, and with it heartbeats, for too long (docs/redis-protocol.md, Limits).
  commandMaxBytes: 16 * 1024 * 1024,
  requestTimeoutMs: 5_000,
  congestedBytes: 32 * 1024 * 1024,
  snapshotEveryBytes: 64 * 1024 * 1024,
  snapshotTrailingBytes: 8 * 1024 * 1024,
};

/**
 * A shared log that is longer than so many of a group's snapshots are apart is not kept for that group's sake. A busy group is
 * done with its part long before: that reaches back one snapshot, the entries that it keeps behind it, and to the next file.
 */
const LOG_SNAPSHOTS_MAX = 8;

export interface GroupOptions<Command, Reply, Machine extends StateMachine<Command, Reply>, Message> {
  /** The same at every node of the cluster. */
  readonly id: GroupId;
  /** What people call it: a word or two. */
  readonly name: string;
  readonly algorithm: Algorithm;
  readonly consensus: Consensus<Message>;
  readonly codec: MessageCodec<Message>;
  readonly storage: ReplicaStorage;
  readonly machine: Machine;
  readonly recovered: { readonly index: Index; readonly content: Iterable<Bytes> } | undefined;
  readonly tuning: ReplicaTuning;
  /** Deliberate bug for the simulator. */
  readonly forgetSessionsInSnapshot?: boolean;
}

/** What a group needs of the node that hosts it. */
export interface GroupHost {
  readonly id: NodeId;
  readonly directory: string;
  readonly world: Omit<World, "disk">;
  readonly timeSource: Clock;
  readonly peerDirectories: PeerDirectories;
  /** What all groups do at the same interval they do in the same turn. */
  readonly beat: Beat;
  transmit(group: AnyGroup, to: NodeId, kind: FrameKind, parts: readonly Uint8Array[]): void;
  onMembership(group: AnyGroup, membership: Membership): void;
  onRole(group: AnyGroup, role: Role, term: number, leader: NodeId | undefined): void;
  /** Why this node can serve nobody, however long one waits; or undefined. */
  outside(): string | undefined;
  /** Why this node serves nobody at present, being no member; or undefined. */
  absent(): string | undefined;
}

/** The way into a group's log, for whoever serves its machine to clients. */
export interface GroupDoor<Command, Reply> {
  /** The largest command that the log takes, in its form in the log. */
  readonly commandMaxBytes: number;
  /**
   * Puts a command into the log; `encoded` is its form there, and is copied. `done` is called once, within the request timeout:
   * with the reply of this node's own apply, or with NO_QUORUM, OUTCOME_UNKNOWN, REPLY_LOST, TOO_LARGE, DISK_FULL, DIVERGED or
   * SHUTTING_DOWN. Commands of one node are applied in the order of the calls.
   */
  propose(
    command: Command,
    encoded: Bytes,
    done: (reply: Reply | undefined, error: QuorateError | undefined) => void,
  ): void;
  /**
   * Calls back when a read of the machine is linearizable with respect to this call; or with NO_QUORUM, DISK_FULL, DIVERGED or
   * SHUTTING_DOWN. All calls of a turn share a round.
   */
  barrier(done: (error: QuorateError | undefined) => void): void;
  /** With lease reads: false when the lease ended between the barrier and now, and the read must be made again. */
  readStillValid(): boolean;
  /** This node's estimate of the group's log time, Unix milliseconds: never ahead of the leader's. */
  logTimeMs(): number;
  /** True while too many bytes wait for the log: ask again when `onDrain` calls back. */
  congested(): boolean;
  onDrain(callback: () => void): void;
  /** The term in which this node leads the group, as far as it knows; undefined: it does not. */
  leadingTerm(): number | undefined;
  status(): GroupStatus;
}

/** A group of whatever machine, as the node sees it. */
export type AnyGroup = Omit<
  HostedGroup<never, unknown, StateMachine<never, unknown>, never>,
  "machine" | "replica" | "propose"
>;

export class HostedGroup<
  Command,
  Reply,
  Machine extends StateMachine<Command, Reply>,
  Message,
> implements GroupDoor<Command, Reply> {
  readonly id: GroupId;
  readonly name: string;
  readonly machine: Machine;
  readonly commandMaxBytes: number;
  readonly replica: Replica<Command, Reply, Message>;
  readonly directories: Directories;
  /** Whether the peers hold the same state. */
  readonly state: ComparedState;
  /** The group's members mean another life of this node, or none: what it sends has no weight. */
  newcomer: boolean;
  private ledTerm: number | undefined;
  private readonly options: GroupOptions<Command, Reply, Machine, Message>;
  private readonly host: GroupHost;

  /** `slot`: the place among the groups that the node hosts. */
  constructor(host: GroupHost, slot: number, options: GroupOptions<Command, Reply, Machine, Message>) {
    this.options = options;
    this.host = host;
    this.id = options.id;
    this.name = options.name;
    this.commandMaxBytes = options.tuning.commandMaxBytes;
    this.machine = options.machine;
    const { world } = host;
    this.newcomer = options.consensus.status(world.clock.monotonicMs()).newcomer ?? false;
    this.directories = new Directories({
      group: options.id,
      slot,
      directories: host.peerDirectories,
      registered: (id) => this.replica.directoryOf(id),
      standing: () => this.standing(),
    });
    this.state = new ComparedState({
      node: host.id,
      group: options.id,
      name: options.id === KEYSPACE_GROUP ? undefined : options.name,
      logger: world.logger,
      current: () => [this.replica.appliedIndex, this.machine.digest()],
      onOutvoted: () => this.replica.quarantine(),
    });
    this.replica = new Replica({
      id: host.id,
      directory: host.directory,
      clock: world.clock,
      timeSource: host.timeSource,
      random: world.random,
      logger: world.logger,
      consensus: options.consensus,
      codec: options.codec,
      storage: options.storage,
      machine: options.machine,
      recovered: options.recovered,
      ...options.tuning,
      forgetSessionsInSnapshot: options.forgetSessionsInSnapshot ?? false,
      every: (intervalMs, work) => host.beat.every(intervalMs, work),
      transmit: (to, kind, parts) => host.transmit(this, to, kind, parts),
      queuedBytes: (to) => world.network.queuedBytes(to),
      onMembership: (membership) => this.onMembership(membership),
      onRole: (role, term, leader) => this.onRole(role, term, leader),
      onDigest: (index, digest) => this.state.note([index, digest]),
      fatal: (error) => world.fatal(error),
    });
  }

  start(): void {
    this.onMembership(this.consensus().membership);
    this.replica.start();
  }

  stop(): void {
    this.replica.stop();
  }

  propose(
    command: Command,
    encoded: Bytes,
    done: (reply: Reply | undefined, error: QuorateError | undefined) => void,
  ): void {
    const refused = this.servesNobody();
    if (refused !== undefined) return done(undefined, refused);
    this.replica.propose(command, encoded, done);
  }

  barrier(done: (error: QuorateError | undefined) => void): void {
    const refused = this.servesNobody();
    if (refused !== undefined) return done(refused);
    this.replica.barrier(done);
  }

  readStillValid(): boolean {
    return this.replica.readStillValid();
  }

  logTimeMs(): number {
    return this.replica.logTimeMs();
  }

  congested(): boolean {
    return this.replica.congested();
  }

  onDrain(callback: () => void): void {
    this.replica.onDrain(callback);
  }

  leadingTerm(): number | undefined {
    return this.ledTerm;
  }

  /** A frame of a peer's replica. Throws QuorateError PROTOCOL when it is malformed. */
  receive(from: NodeId, kind: FrameKind, content: Bytes): void {
    this.replica.receive(from, kind, content);
  }

  /** Bytes of a frame that is not whole yet came from a peer: it lives. */
  arriving(peer: NodeId): void {
    this.replica.arriving(peer);
  }

  suspect(peer: NodeId): void {
    this.replica.suspect(peer);
  }

  /** All founders are without a past: this newcomer is one of them. */
  found(): void {
    if (!this.newcomer) return;
    this.newcomer = false;
    this.replica.found();
  }

  transferLeadership(to?: NodeId): void {
    this.replica.transferLeadership(to);
  }

  changeMembership(goal: MembershipGoal, done: (refused: string | undefined) => void): void {
    this.replica.changeMembership(goal, done);
  }

  /** The members of which no earlier ones can be in force any more; undefined when no majority answers in time. */
  settledMembership(done: (membership: Membership | undefined) => void): void {
    this.replica.barrier((error) => {
      done(error === undefined ? this.membershipAt(this.replica.appliedIndex) : undefined);
    });
  }

  /** True when it is committed, as far as this node knows, that the node is no member. */
  isRemoved(id: NodeId): boolean {
    const { commitIndex } = this.consensus();
    const { voters, outgoing, learners } = this.membershipAt(commitIndex);
    return !voters.includes(id) && !outgoing.includes(id) && !learners.includes(id);
  }

  consensus(): ConsensusStatus {
    return this.replica.status();
  }

  standing(): Standing {
    return this.consensus().standing ?? { term: 0, index: 0, named: false };
  }

  get appliedIndex(): Index {
    return this.replica.appliedIndex;
  }

  status(): GroupStatus {
    const consensus = this.consensus();
    return {
      id: this.id,
      name: this.name,
      consensus,
      algorithm: this.options.algorithm,
      appliedIndex: this.replica.appliedIndex,
      digest: this.machine.digest(),
      diverged: this.state.diverged,
      refusing:
        this.refusing() ??
        this.host.absent() ??
        (consensus.leader === undefined ? "no leader: no majority can be reached" : undefined),
    };
  }

  row(): GroupRow {
    const consensus = this.consensus();
    const { term, commitIndex, recovering, standing } = consensus;
    return {
      id: this.id,
      role: shownRole(consensus),
      term,
      appliedIndex: this.replica.appliedIndex,
      commitIndex,
      digest: this.machine.digest(),
      recovering: recovering !== undefined,
      standing,
      refusing: this.refusing(),
      digests: this.state.points(),
      diverged: this.state.diverged,
    };
  }

  /** What a peer says of itself in this group. */
  heard(from: NodeId, greeting: Greeting): void {
    this.state.heard(from, greeting);
  }

  /** About twice a second. */
  compareStates(): void {
    if (!this.newcomer) this.state.compare(this.consensus().membership.voters);
  }

  diskBytes(): number {
    return this.options.storage.diskBytes();
  }

  /** A group in which little happens must not keep all that the others have written to the shared log since. */
  releaseLog(): void {
    const { storage, tuning } = this.options;
    if (storage.pinnedBytes() > tuning.snapshotEveryBytes * LOG_SNAPSHOTS_MAX) this.replica.releaseLog();
  }

  saveSnapshot(done: SaveDone): void {
    this.replica.saveSnapshot(done);
  }

  snapshotStatus(): SnapshotStatus {
    return this.replica.snapshotStatus();
  }

  private servesNobody(): QuorateError | undefined {
    const { outvoted } = this.state;
    if (outvoted !== undefined) return new QuorateError("DIVERGED", outvoted);
    const outside = this.host.outside();
    return outside === undefined ? undefined : new QuorateError("NO_QUORUM", outside);
  }

  /** Why no writes are taken for a reason of this node's own. */
  private refusing(): string | undefined {
    return this.state.outvoted ?? this.replica.refusal()?.message;
  }

  private onRole(role: Role, term: number, leader: NodeId | undefined): void {
    this.ledTerm = role === "leader" ? term : undefined;
    this.host.onRole(this, role, term, leader);
  }

  private membershipAt(index: Index): Membership {
    return this.options.consensus.membershipAt(index);
  }

  private onMembership(membership: Membership): void {
    this.directories.membership = membership;
    this.state.membersChanged(membership);
    const admitted = this.newcomer && this.consensus().newcomer !== true;
    // The log names this node: what it sends from here on counts.
    if (admitted) this.newcomer = false;
    this.host.onMembership(this, membership);
    if (admitted) this.host.world.logger.log("info", "admitted", { node: this.host.id, group: this.id });
  }
}

export function shownRole(status: ConsensusStatus): GroupRow["role"] {
  return status.role === "precandidate" ? "candidate" : status.role;
}
