/**
 * cluster: a node. It joins the one replicated group of this cluster, exchanges greetings with its peers, routes frames to
 * the room they belong to, and is what the servers of `engine/protocol` talk to (`LocalNode`).
 *
 * A node is built from a `World`, so that the simulator runs this same code.
 */
import type { Consensus, ConsensusStatus, Membership, Role } from "../../consensus/consensus.ts";
import type { Bytes } from "../../runtime/bytes.ts";
import { bytesFromUtf8 } from "../../runtime/bytes.ts";
import { ERRORS, isQuorateError, QuorateError } from "../../runtime/errors.ts";
import type { Clock, NodeId, Timer, World } from "../../runtime/world.ts";
import type { MessageCodec } from "../group/replica.ts";
import { Replica } from "../group/replica.ts";
import type { StateMachine } from "../group/state-machine.ts";
import type { ReplicaStorage } from "../group/storage.ts";
import type { Reply } from "../keyspace/reply.ts";
import { ReplyError } from "../keyspace/reply.ts";
import type { Greeting, PeerFrameKind } from "./frames.ts";
import { decodeGreeting, directoryTagOf, encodeGreeting, frameHeader, readFrame } from "./frames.ts";
import type { LocalNode, MemberView, NodeStatus } from "./local-node.ts";
import type { PeerDirectories } from "./peer-directories.ts";
import { forgetfulPeerDirectories } from "./peer-directories.ts";
import { Publisher } from "./publisher.ts";

export interface ClusterNodeOptions<Command, Machine extends StateMachine<Command, Reply>, Message> {
  readonly id: NodeId;
  readonly clusterId: string;
  /** Identity of the data directory (or of this process, without one): hexadecimal, 12 digits or more. */
  readonly directory: string;
  readonly world: Omit<World, "disk">;
  /** What log time follows; a test may push it. Default: the world's clock. */
  readonly timeSource?: Clock;
  readonly algorithm: "raft" | "paxos";
  readonly durability: NodeStatus["durability"];
  readonly consensus: Consensus<Message>;
  readonly codec: MessageCodec<Message>;
  readonly storage: ReplicaStorage;
  readonly machine: Machine;
  readonly recovered: { readonly index: number; readonly content: Iterable<Bytes> } | undefined;
  /** What is remembered of the peers' directories. Default: nothing, beyond this process. */
  readonly peerDirectories?: PeerDirectories;
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

interface KnownPeer {
  greeting: Greeting | undefined;
  heardMs: number;
  linkUp: boolean;
  refusedLoggedMs: number;
  /** Of the last frame that was accepted: the directory's tag, and what the log said of it. */
  directoryTag: number | undefined;
  registered: string | undefined;
}

const GREETING_MS = 500;
/** A peer that was not heard for so long is shown as unreachable. */
const SILENT_MS = 2_000;

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
  private readonly peers = new Map<NodeId, KnownPeer>();
  private readonly directoryTag: number;
  private readonly peerDirectories: PeerDirectories;
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
    this.peerDirectories = options.peerDirectories ?? forgetfulPeerDirectories();
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
    this.replica.propose(command, encoded, (reply, error) => {
      done(error === undefined ? (reply as Reply) : replyErrorOf(error));
    });
  }

  barrier(done: (error: ReplyError | undefined) => void): void {
    this.replica.barrier((error) => done(error === undefined ? undefined : replyErrorOf(error)));
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
    const live = [...this.peers].filter(([, peer]) => peer.linkUp).map(([id]) => id);
    this.publisher.publish(channel, message, live, done);
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

  changeMembership(
    next: Pick<Membership, "voters" | "learners" | "addresses">,
    done: (refused: string | undefined) => void,
  ): void {
    this.replica.changeMembership(next, done);
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
        (consensus.leader === undefined ? "no leader: no majority can be reached" : undefined),
    };
  }

  members(): readonly MemberView[] {
    const { membership } = this.replica.status();
    const ids = new Set([...membership.voters, ...membership.outgoing, ...membership.learners]);
    return [...ids].sort().map((id) => {
      const greeting = id === this.id ? this.ownGreeting() : this.peers.get(id)?.greeting;
      return {
        id,
        peer: membership.addresses[id] ?? "",
        resp: greeting?.resp,
        http: greeting?.http,
        pid: greeting?.pid,
        dataDir: greeting?.dataDir,
        role: id === this.id || this.isLive(id) ? (greeting?.role ?? "unreachable") : "unreachable",
        appliedIndex: greeting?.appliedIndex,
        commitIndex: greeting?.commitIndex,
        diskBytes: greeting?.diskBytes,
        recovering: greeting?.recovering ?? false,
      };
    });
  }

  /** Answers what waits with an error, ends all timers and leaves the network. */
  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.greetingTimer?.cancel();
    this.publisher.stop();
    this.replica.stop();
    this.options.world.network.close();
  }

  private transmit(to: NodeId, kind: PeerFrameKind, parts: readonly Uint8Array[]): void {
    this.options.world.network.send(to, [frameHeader(kind, this.directoryTag), ...parts]);
  }

  private onFrame(from: NodeId, frame: Bytes): void {
    if (this.stopped) return;
    try {
      const { kind, directoryTag, content } = readFrame(frame);
      const peer = this.peer(from);
      if (!this.knowsDirectory(from, directoryTag, peer)) return;
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
      case "greeting":
        peer.greeting = decodeGreeting(content);
        return;
      case "publish":
        return this.publisher.onPublish(from, content);
      case "published":
        return this.publisher.onPublished(from, content);
      case "refused":
        return void this.options.world.fatal(
          new QuorateError(
            "DATA_DIRECTORY_FOREIGN",
            `${from} refused this node: ${content.toString("utf8")}`,
          ),
        );
    }
  }

  /**
   * A peer with another data directory than the one it had has lost its disk: it must not vote or acknowledge. The log knows
   * which one it had; until this node has applied that, what it heard first counts.
   */
  private knowsDirectory(from: NodeId, directoryTag: number, peer: KnownPeer): boolean {
    const registered = this.replica.directoryOf(from);
    if (peer.directoryTag === directoryTag && peer.registered === registered) return true;
    const remembered = this.peerDirectories.tagOf(from);
    const known = registered === undefined ? remembered : directoryTagOf(registered);
    if (known === undefined || known === directoryTag) {
      if (remembered !== directoryTag) this.rememberDirectory(from, directoryTag);
      peer.directoryTag = directoryTag;
      peer.registered = registered;
      return true;
    }
    const nowMs = this.options.world.clock.monotonicMs();
    if (nowMs - peer.refusedLoggedMs < 1_000) return false;
    peer.refusedLoggedMs = nowMs;
    this.options.world.logger.log("error", "refused a node with another data directory", { node: from });
    const reason = `the cluster knows ${from} by another data directory; a node that lost its disk must not rejoin under its old name`;
    this.transmit(from, "refused", [bytesFromUtf8(reason)]);
    return false;
  }

  /** Strangers are not noted: their number has no bound. */
  private rememberDirectory(peer: NodeId, directoryTag: number): void {
    if (this.replica.status().membership.addresses[peer] === undefined) return;
    try {
      this.peerDirectories.remember(peer, directoryTag);
    } catch (error) {
      this.options.world.fatal(error as Error);
    }
  }

  private onLink(id: NodeId, up: boolean): void {
    if (this.stopped) return;
    this.peer(id).linkUp = up;
    if (up) this.transmit(id, "greeting", [encodeGreeting(this.ownGreeting())]);
    else this.replica.suspect(id);
  }

  private onMembership(membership: Membership): void {
    const addresses = Object.entries(membership.addresses).filter(([id]) => id !== this.id);
    this.options.world.network.setPeers(new Map(addresses));
    const known = new Set(Object.keys(membership.addresses));
    for (const id of this.peers.keys()) if (!known.has(id)) this.peers.delete(id);
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
    };
  }

  private peer(id: NodeId): KnownPeer {
    let peer = this.peers.get(id);
    if (peer === undefined) {
      peer = {
        greeting: undefined,
        heardMs: 0,
        linkUp: false,
        refusedLoggedMs: -1_000,
        directoryTag: undefined,
        registered: undefined,
      };
      this.peers.set(id, peer);
    }
    return peer;
  }

  private isLive(id: NodeId): boolean {
    const peer = this.peers.get(id);
    return peer !== undefined && this.options.world.clock.monotonicMs() - peer.heardMs < SILENT_MS;
  }
}

function shownRole(status: ConsensusStatus): Greeting["role"] {
  return status.role === "precandidate" ? "candidate" : status.role;
}

function replyErrorOf(error: QuorateError): ReplyError {
  return new ReplyError(`${ERRORS[error.code].resp} ${error.message}`);
}
