/**
 * cluster: a node. It joins the one replicated group of this cluster, exchanges greetings with its peers, routes frames to
 * the room they belong to, and is what the servers of `engine/protocol` talk to (`LocalNode`).
 *
 * A node is built from a `World`, so that the simulator runs this same code.
 */
import type { Algorithm } from "../../consensus/algorithms.ts";
import type { Consensus, ConsensusStatus, Membership, Role, Standing } from "../../consensus/consensus.ts";
import type { MembershipGoal } from "../../consensus/membership.ts";
import { members } from "../../consensus/membership.ts";
import { isVoter } from "../../consensus/quorum.ts";
import type { Bytes } from "../../runtime/bytes.ts";
import { ERRORS, isQuorateError, QuorateError } from "../../runtime/errors.ts";
import type { Clock, NodeId, Timer, World } from "../../runtime/world.ts";
import type { MessageCodec } from "../group/replica.ts";
import { Replica } from "../group/replica.ts";
import type { StateMachine } from "../group/state-machine.ts";
import type { ReplicaStorage } from "../group/storage.ts";
import type { Reply } from "../keyspace/reply.ts";
import { ReplyError } from "../keyspace/reply.ts";
import { Founding } from "./founding.ts";
import type { Greeting, PeerFrameKind, Refused } from "./frames.ts";
import {
  decodeGreeting,
  decodeJson,
  directoryTagOf,
  encodeGreeting,
  encodeJson,
  frameHeader,
  readFrame,
} from "./frames.ts";
import type { LocalNode, MemberView, NodeStatus } from "./local-node.ts";
import type { MemberOrder, MemberOutcome } from "./member-changes.ts";
import { MemberChanges } from "./member-changes.ts";
import { MemberOrders } from "./member-orders.ts";
import type { PeerDirectories } from "./peer-directories.ts";
import { forgetfulPeerDirectories } from "./peer-directories.ts";
import type { KnownPeer } from "./peers.ts";
import { isLater, Peers } from "./peers.ts";
import { Publisher } from "./publisher.ts";

export interface ClusterNodeOptions<Command, Machine extends StateMachine<Command, Reply>, Message> {
  readonly id: NodeId;
  readonly clusterId: string;
  /** Identity of the data directory (or of this process, without one): hexadecimal, 12 digits or more. */
  readonly directory: string;
  readonly world: Omit<World, "disk">;
  /** What log time follows; a test may push it. Default: the world's clock. */
  readonly timeSource?: Clock;
  readonly algorithm: Algorithm;
  readonly durability: NodeStatus["durability"];
  readonly consensus: Consensus<Message>;
  readonly codec: MessageCodec<Message>;
  readonly storage: ReplicaStorage;
  readonly machine: Machine;
  readonly recovered: { readonly index: number; readonly content: Iterable<Bytes> } | undefined;
  /** What is remembered of the peers' directories. Default: nothing, beyond this process. */
  readonly peerDirectories?: PeerDirectories;
  /** Where peers reach this node, "host:port": told to those who may admit it. Default: what the members say. */
  readonly peerAddress?: string;
  /**
   * For a newcomer that is a founder if all founders are newcomers; called when that is found, before it takes part: what it
   * keeps must say so. Default: it waits to be admitted.
   */
  readonly onFounded?: () => void;
  readonly tuning: ReplicaTuning;
  /** Deliberate bug for the simulator. */
  readonly forgetSessionsInSnapshot?: boolean;
}

export interface ReplicaTuning {
  readonly heartbeatIntervalMs: number;
  readonly entryMaxBytes: number;
  readonly requestTimeoutMs: number;
  readonly congestedBytes: number;
  readonly snapshotEveryBytes: number;
  readonly snapshotTrailingBytes: number;
}

export const DEFAULT_REPLICA_TUNING: ReplicaTuning = {
  heartbeatIntervalMs: 50,
  entryMaxBytes: 1024 * 1024,
  requestTimeoutMs: 5_000,
  congestedBytes: 32 * 1024 * 1024,
  snapshotEveryBytes: 64 * 1024 * 1024,
  snapshotTrailingBytes: 8 * 1024 * 1024,
};

/** Where this node's own servers listen, once they do. */
export interface Advertised {
  readonly resp?: string;
  readonly http?: string;
  readonly pid?: number;
  readonly dataDir?: string;
}

const GREETING_MS = 500;

export class ClusterNode<Command, Machine extends StateMachine<Command, Reply>, Message> implements LocalNode<
  Command,
  Machine
> {
  readonly id: NodeId;
  readonly clusterId: string;
  readonly machine: Machine;
  private readonly options: ClusterNodeOptions<Command, Machine, Message>;
  private readonly replica: Replica<Command, Reply, Message>;
  private readonly publisher: Publisher;
  private readonly peers: Peers;
  private readonly directoryTag: number;
  private readonly changes: MemberChanges;
  private readonly orders: MemberOrders;
  /** Only while this node is blank: a newcomer that may turn out to be a founder. */
  private founding: Founding | undefined;
  /** The directories of the founders, when this node found itself among them. */
  private founders: readonly string[] | undefined;
  private newcomer: boolean;
  private readonly foundedAlone: boolean;
  private removed = false;
  private readonly roleListeners: ((role: Role, leader: NodeId | undefined) => void)[] = [];
  private advertised: Advertised = {};
  private greetingTimer: Timer | undefined;
  private stopped = false;

  constructor(options: ClusterNodeOptions<Command, Machine, Message>) {
    this.options = options;
    this.id = options.id;
    this.clusterId = options.clusterId;
    this.machine = options.machine;
    this.directoryTag = directoryTagOf(options.directory);
    const status = options.consensus.status(options.world.clock.monotonicMs());
    this.newcomer = status.newcomer ?? false;
    const { voters } = status.membership;
    this.foundedAlone = !this.newcomer && voters.length === 1 && voters[0] === options.id;
    // Who founded a cluster alone has nobody to ask whether it went on without it.
    if (this.newcomer && options.onFounded !== undefined && voters.length > 1) {
      this.founding = new Founding(options.id, options.directory, voters);
    }
    this.peers = new Peers({
      clock: options.world.clock,
      directories: options.peerDirectories ?? forgetfulPeerDirectories(),
      registered: (id) => this.replica.directoryOf(id),
      standing: () => this.standing(),
    });
    this.changes = new MemberChanges({
      self: options.id,
      clock: options.world.clock,
      status: () => this.replica.status(),
      greetingOf: (id) => this.peers.greetingOf(id),
      isLive: (id) => this.peers.isLive(id),
      change: (goal, done) => this.replica.changeMembership(goal, done),
    });
    const routes = {
      self: options.id,
      clock: options.world.clock,
      leader: () => this.replica.status().leader,
      handOver: () => this.replica.transferLeadership(),
      isRemoved: (id: NodeId) => this.isRemoved(id),
      send: (to: NodeId, kind: PeerFrameKind, content: Bytes) => this.transmit(to, kind, [content]),
    };
    this.orders = new MemberOrders(routes, this.changes);
    this.publisher = new Publisher(options.world.clock, (to, kind, content) =>
      this.transmit(to, kind, [content]),
    );
    this.replica = new Replica({
      id: options.id,
      directory: options.directory,
      clock: options.world.clock,
      timeSource: options.timeSource ?? options.world.clock,
      random: options.world.random,
      logger: options.world.logger,
      consensus: options.consensus,
      codec: options.codec,
      storage: options.storage,
      machine: options.machine,
      recovered: options.recovered,
      ...options.tuning,
      forgetSessionsInSnapshot: options.forgetSessionsInSnapshot ?? false,
      transmit: (to, kind, parts) => this.transmit(to, kind, parts),
      onMembership: (membership) => this.onMembership(membership),
      onRole: (role, term, leader) => this.onRole(role, term, leader),
      fatal: (error) => options.world.fatal(error),
    });
  }

  start(advertised: Advertised): void {
    const { network } = this.options.world;
    this.advertised = advertised;
    network.onFrame((from, frame) => this.onFrame(from, frame));
    network.onLink((peer, up) => this.onLink(peer, up));
    this.onMembership(this.replica.status().membership);
    this.replica.start();
    this.greet();
  }

  /** Changes what peers are told about where this node's servers listen. */
  advertise(advertised: Advertised): void {
    this.advertised = { ...this.advertised, ...advertised };
    this.sendGreeting();
  }

  write(command: Command, encoded: Bytes, done: (reply: Reply) => void): void {
    const outside = this.isOutside();
    if (outside !== undefined) return done(new ReplyError(`CLUSTERDOWN ${outside}`));
    this.replica.propose(command, encoded, (reply, error) => {
      done(error === undefined ? (reply as Reply) : replyErrorOf(error));
    });
  }

  barrier(done: (error: ReplyError | undefined) => void): void {
    const outside = this.isOutside();
    if (outside !== undefined) return done(new ReplyError(`CLUSTERDOWN ${outside}`));
    this.replica.barrier((error) => done(error === undefined ? undefined : replyErrorOf(error)));
  }

  /** Why this node can serve nobody, however long one waits; a newcomer that needs no operator does not say so. */
  private isOutside(): string | undefined {
    if (!this.newcomer) return this.removed ? REMOVED : undefined;
    return this.founding === undefined ? WAITS : undefined;
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

  publish(channel: string, message: string, done: (receivers: number) => void): void {
    this.publisher.publish(channel, message, this.peers.linked(), done);
  }

  /** A message that a script or a transaction published: every replica delivers it to its own subscribers at apply. */
  deliver(channel: string, message: string): void {
    this.publisher.deliver(channel, message);
  }

  onPublish(deliver: (channel: string, message: string) => number): void {
    this.publisher.deliver = deliver;
  }

  /** Calls back whenever this node's role or its view of the leader changes. */
  onRoleChange(listener: (role: Role, leader: NodeId | undefined) => void): void {
    this.roleListeners.push(listener);
  }

  transferLeadership(to?: NodeId): void {
    this.replica.transferLeadership(to);
  }

  changeMembership(next: MembershipGoal, done: (refused: string | undefined) => void): void {
    this.replica.changeMembership(next, done);
  }

  /** What an operator orders, at any node: carried out by the leader. `done` is called once, within half a minute or so. */
  order(order: MemberOrder, done: (outcome: MemberOutcome) => void): void {
    if (this.newcomer) return done({ outcome: "refused", message: "this node is no member: ask another" });
    if (order.action === "add" && this.foundedAlone && this.options.durability === "memory") {
      // Its next life would begin a cluster of its own again, beside the one that it had taken others into.
      return done({
        outcome: "refused",
        message: "a node in memory mode that was started alone stays alone",
      });
    }
    this.orders.give(order, done);
  }

  status(): NodeStatus {
    const consensus = this.replica.status();
    return {
      consensus,
      algorithm: this.options.algorithm,
      appliedIndex: this.replica.appliedIndex,
      durability: this.options.durability,
      digest: this.machine.digest(),
      diskBytes: this.options.storage.diskBytes(),
      refusing:
        this.replica.refusal()?.message ??
        (this.newcomer ? WAITS : this.isOutside()) ??
        (consensus.leader === undefined ? "no leader: no majority can be reached" : undefined),
    };
  }

  members(): readonly MemberView[] {
    const { membership } = this.replica.status();
    return members(membership)
      .sort()
      .map((id) => this.view(id, membership));
  }

  strangers(): readonly MemberView[] {
    const { membership } = this.replica.status();
    const ids = this.peers.strangers();
    if (membership.addresses[this.id] === undefined) ids.push(this.id);
    return ids.sort().map((id) => this.view(id, membership));
  }

  private view(id: NodeId, membership: Membership): MemberView {
    const greeting = id === this.id ? this.ownGreeting() : this.peers.greetingOf(id);
    return {
      id,
      peer: membership.addresses[id] ?? greeting?.peer ?? "",
      resp: greeting?.resp,
      http: greeting?.http,
      pid: greeting?.pid,
      dataDir: greeting?.dataDir,
      role: id === this.id || this.peers.isLive(id) ? (greeting?.role ?? "unreachable") : "unreachable",
      appliedIndex: greeting?.appliedIndex,
      commitIndex: greeting?.commitIndex,
      diskBytes: greeting?.diskBytes,
      recovering: greeting?.recovering ?? false,
      voter: isVoter(membership, id),
      newcomer: greeting?.newcomer ?? false,
      directory: greeting?.directory,
    };
  }

  /** Answers what waits with an error, ends all timers and leaves the network. */
  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.greetingTimer?.cancel();
    this.publisher.stop();
    this.orders.stop();
    this.replica.stop();
    this.options.world.network.close();
  }

  private transmit(to: NodeId, kind: PeerFrameKind, parts: readonly Uint8Array[]): void {
    const sent = this.newcomer ? NEWCOMER_KINDS[kind] : kind;
    if (sent === undefined) return;
    this.options.world.network.send(to, [frameHeader(sent, this.directoryTag), ...parts]);
  }

  private onFrame(from: NodeId, frame: Bytes): void {
    if (this.stopped) return;
    try {
      const { kind, directoryTag, content } = readFrame(frame);
      const peer = this.peers.of(from);
      const accepted =
        kind === "greeting"
          ? this.onGreeting(from, directoryTag, decodeGreeting(content), peer)
          : // Of what a newcomer sends nothing counts, unless the members mean this life of it.
            kind === "visitor"
            ? this.peers.isNamed(from, directoryTag)
            : this.isKnown(from, directoryTag, peer);
      if (!accepted) return;
      peer.heardMs = this.options.world.clock.monotonicMs();
      this.route(from, kind, content, peer);
    } catch (error) {
      if (!isQuorateError(error) || error.code !== "PROTOCOL") throw error;
      this.options.world.logger.log("warn", "malformed frame", { from, reason: error.message });
    }
  }

  private route(from: NodeId, kind: PeerFrameKind, content: Bytes, peer: KnownPeer): void {
    switch (kind) {
      case "consensus":
      case "batch":
        return this.replica.receive(from, kind, content);
      case "visitor":
        return this.replica.receive(from, "consensus", content);
      case "greeting":
        return this.lookAfter(from, peer);
      case "order":
        return this.orders.onOrder(from, content);
      case "outcome":
        return this.orders.onOutcome(from, content);
      case "publish":
        return this.publisher.onPublish(from, content);
      case "published":
        return this.publisher.onPublished(from, content);
      case "refused":
        return this.onRefused(from, decodeJson(content) as Refused);
    }
  }

  /** A newcomer is heard for what it is; anybody else must be who the members mean. */
  private onGreeting(from: NodeId, directoryTag: number, greeting: Greeting, peer: KnownPeer): boolean {
    const before = peer.greeting;
    peer.greeting = greeting;
    if (greeting.newcomer !== true && !this.isKnown(from, directoryTag, peer)) {
      peer.greeting = before;
      return false;
    }
    this.founding?.heard(from, greeting);
    return true;
  }

  /** What a greeting may give reason to do. */
  private lookAfter(from: NodeId, { greeting }: KnownPeer): void {
    if (this.founding !== undefined) this.foundIfAllAreBlank(this.founding);
    const status = this.replica.status();
    // Without disks a member's next life is nothing that an operator should have to look after.
    if (this.options.durability !== "memory" || status.role !== "leader" || this.changes.underWay) return;
    const { membership } = status;
    const lost = greeting?.newcomer === true && membership.identities?.[from] !== greeting.directory;
    const isLearner = membership.learners.includes(from);
    if (!isLearner && !(lost && isVoter(membership, from))) return;
    this.changes.carryOut({ action: lost ? "replace" : "add", node: from }, ({ outcome, message }) => {
      this.options.world.logger.log("info", "member replaced", {
        outcome,
        message,
      });
    });
  }

  private foundIfAllAreBlank(founding: Founding): void {
    if (!this.newcomer) return;
    const founders = founding.founders((id) => this.peers.isLive(id));
    if (founders === undefined) return;
    this.options.onFounded?.();
    this.founders = founders;
    this.founding = undefined;
    this.newcomer = false;
    this.replica.found();
    this.sendGreeting();
  }

  /**
   * A founder without a past, as it believes, to whom somebody says that there was one: it has lost its directory, and has no
   * place here. A newcomer knows that; and one that the log names is refused only by those who do not know that yet, or who
   * know of a later life.
   */
  private onRefused(from: NodeId, { reason, standing }: Refused): void {
    const own = this.standing();
    if (this.newcomer || (own.named && !isLater(standing, own))) return;
    const message = `${from} refused this node: ${reason}`;
    this.options.world.fatal(new QuorateError("DATA_DIRECTORY_FOREIGN", message));
  }

  /** A peer with another data directory than the members mean: it must not vote or acknowledge, and is told why. */
  private isKnown(from: NodeId, directoryTag: number, peer: KnownPeer): boolean {
    const { clock, logger } = this.options.world;
    try {
      if (this.peers.listensTo(from, directoryTag, peer)) return true;
    } catch (error) {
      this.options.world.fatal(error as Error);
    }
    const nowMs = clock.monotonicMs();
    if (nowMs - peer.refusedLoggedMs < 1_000) return false;
    peer.refusedLoggedMs = nowMs;
    logger.log("error", "refused a node with another data directory", { node: from });
    const refused: Refused = { reason: lostDirectory(from), standing: this.standing() };
    this.transmit(from, "refused", [encodeJson(refused)]);
    return false;
  }

  private isRemoved(id: NodeId): boolean {
    const { commitIndex } = this.replica.status();
    return !members(this.options.consensus.membershipAt(commitIndex)).includes(id);
  }

  private standing(): Standing {
    return this.replica.status().standing ?? { term: 0, index: 0, named: false };
  }

  private onLink(id: NodeId, up: boolean): void {
    if (this.stopped) return;
    this.peers.of(id).linkUp = up;
    if (up) return this.transmit(id, "greeting", [encodeGreeting(this.ownGreeting())]);
    this.orders.linkLost(id);
    this.replica.suspect(id);
  }

  private onMembership(membership: Membership): void {
    const addresses = Object.entries(membership.addresses).filter(([id]) => id !== this.id);
    this.options.world.network.setPeers(new Map(addresses));
    this.peers.membersChanged(membership);
    this.removed = membership.addresses[this.id] === undefined;
    if (!this.newcomer || this.replica.status().newcomer === true) return;
    // The log names this node: what it sends from here on counts.
    this.newcomer = false;
    this.founding = undefined;
    this.options.world.logger.log("info", "admitted", { node: this.id });
  }

  private onRole(role: Role, term: number, leader: NodeId | undefined): void {
    this.options.world.logger.log("info", "role", { node: this.id, role, term, leader });
    this.sendGreeting();
    for (const listener of this.roleListeners) listener(role, leader);
  }

  private greet(): void {
    this.sendGreeting();
    this.greetingTimer = this.options.world.clock.setTimer(GREETING_MS, () => this.greet());
  }

  private sendGreeting(): void {
    if (this.stopped) return;
    const greeting = encodeGreeting(this.ownGreeting());
    for (const id of Object.keys(this.replica.status().membership.addresses)) {
      if (id !== this.id) this.transmit(id, "greeting", [greeting]);
    }
  }

  private ownGreeting(): Greeting {
    const status = this.replica.status();
    return {
      resp: this.advertised.resp,
      http: this.advertised.http,
      pid: this.advertised.pid,
      dataDir: this.advertised.dataDir,
      role: shownRole(status),
      appliedIndex: this.replica.appliedIndex,
      commitIndex: status.commitIndex,
      diskBytes: this.options.storage.diskBytes(),
      recovering: status.recovering !== undefined,
      directory: this.options.directory,
      peer: this.options.peerAddress,
      newcomer: this.newcomer,
      blank: this.founding !== undefined,
      ...(this.founders === undefined ? {} : { founders: this.founders }),
      standing: status.standing,
    };
  }
}

/** What a newcomer sends, and as what: nothing that could be taken for its last life's. */
const NEWCOMER_KINDS: Readonly<Partial<Record<PeerFrameKind, PeerFrameKind>>> = {
  greeting: "greeting",
  consensus: "visitor",
};

const WAITS = "this node is a newcomer, and waits to be admitted (quorate members)";

const REMOVED = "this node was removed from the cluster";

function lostDirectory(id: NodeId): string {
  return (
    `the cluster knows ${id} by another data directory; a node that lost its disk is started with --join, ` +
    `and then: quorate members replace ${id}`
  );
}

function shownRole(status: ConsensusStatus): Greeting["role"] {
  return status.role === "precandidate" ? "candidate" : status.role;
}

function replyErrorOf(error: QuorateError): ReplyError {
  return new ReplyError(`${ERRORS[error.code].resp} ${error.message}`);
}
