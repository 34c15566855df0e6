/**
 * cluster: a node. It is one of the members of a cluster and hosts replicated groups with them, all over one log on the disk
 * and one network of peers: the keyspace, and perhaps others (`hosted-group.ts`). This file is the members' side: greetings,
 * directories, orders, founding, and the way of every frame to where it belongs. What the servers of `engine/protocol` talk
 * to is the keyspace's view of it (`keyspace-node.ts`).
 *
 * The keyspace's group decides who is a member, and which life of a name is meant; the others repeat it
 * (`repeated-members.ts`). A node is built from a `World`, so that the simulator runs this same code.
 */
import type { Membership, Role } from "../../consensus/consensus.ts";
import { isVoter } from "../../consensus/quorum.ts";
import type { Bytes } from "../../runtime/bytes.ts";
import { assert } from "../../runtime/errors.ts";
import type { Clock, NodeId, Timer, World } from "../../runtime/world.ts";
import type { FrameKind } from "../group/replica-options.ts";
import type { StateMachine } from "../group/state-machine.ts";
import { Beat } from "./beat.ts";
import { Founding } from "./founding.ts";
import type { Greeting, PeerFrameKind } from "./frames.ts";
import { directoryTagOf, encodeGreeting, encodeJson, frameHeader } from "./frames.ts";
import type { AnyGroup, GroupHost, GroupOptions } from "./hosted-group.ts";
import { HostedGroup, KEYSPACE_GROUP } from "./hosted-group.ts";
import type { FilesStatus, GroupBarrier, MemberView, NodeStatus } from "./local-node.ts";
import type { MemberOrder, MemberOutcome } from "./member-changes.ts";
import { MemberChanges } from "./member-changes.ts";
import { MemberOrders } from "./member-orders.ts";
import type { Advertised } from "./member-views.ts";
import { viewsOf } from "./member-views.ts";
import type { PeerDirectories } from "./peer-directories.ts";
import { forgetfulPeerDirectories } from "./peer-directories.ts";
import type { KnownPeer } from "./peers.ts";
import { Peers } from "./peers.ts";
import { Publisher } from "./publisher.ts";
import { Reception } from "./reception.ts";
import { haveAllFollowed, RepeatedMembers } from "./repeated-members.ts";

export interface ClusterNodeOptions {
  readonly id: NodeId;
  readonly clusterId: string;
  /** Identity of the data directory (or of this process, without one): hexadecimal, 12 digits or more. */
  readonly directory: string;
  readonly world: Omit<World, "disk">;
  /** What log time follows; a test may push it. Default: the world's clock. */
  readonly timeSource?: Clock;
  readonly durability: NodeStatus["durability"];
  /** What is remembered of the peers' directories. Default: nothing, beyond this process. */
  readonly peerDirectories?: PeerDirectories;
  /** Where peers reach this node, "host:port": told to those who may admit it. Default: what the members say. */
  readonly peerAddress?: string;
  /**
   * For a newcomer that is a founder if all founders are newcomers; called when that is found, before it takes part: what it
   * keeps must say so. Default: it waits to be admitted.
   */
  readonly onFounded?: () => void;
}

const GREETING_MS = 500;

export class ClusterNode {
  readonly id: NodeId;
  readonly clusterId: string;
  private readonly options: ClusterNodeOptions;
  private readonly host: GroupHost;
  /** The keyspace's first. */
  private readonly groups: AnyGroup[] = [];
  private readonly repeated: RepeatedMembers[] = [];
  private readonly publisher: Publisher;
  private readonly peers: Peers;
  private readonly directoryTag: number;
  private readonly changes: MemberChanges;
  private readonly orders: MemberOrders;
  private readonly reception: Reception;
  /** Only while this node is blank: a newcomer that may turn out to be a founder. */
  private founding: Founding | undefined;
  /** The directories of the founders, when this node found itself among them. */
  private founders: readonly string[] | undefined;
  private foundedAlone = false;
  private removed = false;
  private readonly changeListeners: (() => void)[] = [];
  private advertised: Advertised = {};
  private greetingTimer: Timer | undefined;
  private started = false;
  private filesStatus: (() => FilesStatus) | undefined;
  private stopped = false;

  constructor(options: ClusterNodeOptions) {
    const { id, world } = options;
    this.options = options;
    this.id = id;
    this.clusterId = options.clusterId;
    this.directoryTag = directoryTagOf(options.directory);
    this.host = {
      id,
      directory: options.directory,
      world,
      timeSource: options.timeSource ?? world.clock,
      peerDirectories: options.peerDirectories ?? forgetfulPeerDirectories(),
      beat: new Beat(world.clock),
      transmit: (group, to, kind, parts) => this.transmitOf(group, to, kind, parts),
      onMembership: (group, membership) => this.onMembership(group, membership),
      onRole: (group, role, term, leader) => this.onRole(group, role, term, leader),
      outside: () => this.outside(),
      absent: () => (this.newcomer ? WAITS : this.outside()),
    };
    this.peers = new Peers(world.clock);
    this.changes = new MemberChanges({
      self: id,
      clock: world.clock,
      status: () => this.keyspace.consensus(),
      greetingOf: (peer) => this.peers.greetingOf(peer),
      isLive: (peer) => this.peers.isLive(peer),
      change: (goal, done) => this.keyspace.changeMembership(goal, done),
      hasFurtherGroups: () => this.groups.length > 1,
      haveFollowed: (done) => haveAllFollowed(this.groups, done),
      noteProgress: () => this.noteProgress(),
    });
    const send = (to: NodeId, kind: PeerFrameKind, content: Bytes): void =>
      this.transmit(to, kind, [content]);
    this.orders = new MemberOrders(
      {
        self: id,
        clock: world.clock,
        leader: () => this.keyspace.consensus().leader,
        handOver: () => this.keyspace.transferLeadership(),
        isRemoved: (peer) => this.groups.every((group) => group.isRemoved(peer)),
        send,
      },
      this.changes,
    );
    this.publisher = new Publisher(world.clock, send);
    const { groups, peers, orders, publisher } = this;
    this.reception = new Reception({
      world,
      groups,
      peers,
      orders,
      publisher,
      greeted: (from, greeting) => this.greeted(from, greeting),
      lookAfter: (peer) => this.lookAfter(peer),
      refuse: (to, refused) => this.transmit(to, "refused", [encodeJson(refused)]),
    });
  }

  /** Takes in a group, before `start`; the keyspace's is the first. Its number is the same at every node. */
  hostGroup<Command, Reply, Machine extends StateMachine<Command, Reply>, Message>(
    options: GroupOptions<Command, Reply, Machine, Message>,
  ): HostedGroup<Command, Reply, Machine, Message> {
    assert(!this.started, "a group came after the node had started");
    assert((this.groups.length === 0) === (options.id === KEYSPACE_GROUP), "the keyspace is the first group");
    assert(!this.groups.some(({ id }) => id === options.id), `group ${options.id} is there already`);
    const group = new HostedGroup(this.host, this.groups.length, options);
    this.groups.push(group);
    if (options.id === KEYSPACE_GROUP) this.beginAs(group);
    else this.repeated.push(new RepeatedMembers(this.options.world, this.keyspace, group));
    return group;
  }

  start(advertised: Advertised): void {
    const { network } = this.options.world;
    this.started = true;
    this.advertised = advertised;
    network.onFrame((from, frame) => {
      if (!this.stopped) this.reception.receive(from, frame);
    });
    network.onLink((peer, up) => this.onLink(peer, up));
    network.onArriving((peer) => {
      for (const group of this.groups) group.arriving(peer);
    });
    for (const group of this.groups) group.start();
    for (const repeated of this.repeated) repeated.start();
    this.greet();
  }

  /** Changes what peers are told about where this node's servers listen. */
  advertise(advertised: Advertised): void {
    this.advertised = { ...this.advertised, ...advertised };
    this.sendGreeting();
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

  /** Calls back whenever this node's role in a group, its view of a leader or its link to a peer changes. */
  onChange(listener: () => void): void {
    this.changeListeners.push(listener);
  }

  /**
   * Asks for another leader of every group that this node leads. What it returns tells whether one is still awaited: not when all
   * are known to have one, nor when no other voter is in sight.
   */
  handOver(): () => boolean {
    const led = this.groups.filter((group) => group.consensus().role === "leader");
    for (const group of led) group.transferLeadership();
    return () =>
      led.some((group) => {
        const { leader, membership } = group.consensus();
        if (leader !== undefined && leader !== this.id) return false;
        return this.peers.linked().some((id) => isVoter(membership, id) && this.peers.isLive(id));
      });
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

  furtherBarriers(): readonly GroupBarrier[] {
    return this.groups.slice(1);
  }

  status(): NodeStatus {
    const [keyspace = this.keyspace.status(), ...furtherGroups] = this.groups.map((group) => group.status());
    return {
      ...keyspace,
      durability: this.options.durability,
      diskBytes: this.diskBytes(),
      ...(furtherGroups.length === 0 ? {} : { furtherGroups }),
      ...(this.filesStatus === undefined ? {} : { files: this.filesStatus() }),
    };
  }

  /** The node serves files: how they are is part of its status. */
  showFiles(status: () => FilesStatus): void {
    this.filesStatus = status;
  }

  /** "host:port" of a member's HTTP server. Undefined: it has none, or was not heard yet, or is no member. */
  httpOf(id: NodeId): string | undefined {
    if (this.keyspace.consensus().membership.addresses[id] === undefined) return undefined;
    return (id === this.id ? this.advertised : this.peers.greetingOf(id))?.http;
  }

  /** A peer said last that it takes no changes of its keys, or of another group, for a reason of its own: its disk is full. */
  isRefusing(peer: NodeId): boolean {
    const greeting = this.peers.greetingOf(peer);
    const groups = greeting?.groups ?? [];
    return greeting?.refusing !== undefined || groups.some(({ refusing }) => refusing !== undefined);
  }

  members(): readonly MemberView[] {
    return viewsOf(this.keyspace.consensus().membership, this.peers, this.id, this.ownGreeting()).members;
  }

  strangers(): readonly MemberView[] {
    return viewsOf(this.keyspace.consensus().membership, this.peers, this.id, this.ownGreeting()).strangers;
  }

  /** Answers what waits with an error, ends all timers and leaves the network. */
  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.greetingTimer?.cancel();
    this.publisher.stop();
    this.orders.stop();
    for (const repeated of this.repeated) repeated.stop();
    for (const group of this.groups) group.stop();
    this.options.world.network.close();
  }

  private get keyspace(): AnyGroup {
    return this.groups[0]!;
  }

  private get newcomer(): boolean {
    return this.keyspace.newcomer;
  }

  private beginAs(keyspace: AnyGroup): void {
    const { id, directory, onFounded } = this.options;
    const { voters } = keyspace.consensus().membership;
    this.foundedAlone = !keyspace.newcomer && voters.length === 1 && voters[0] === id;
    // Who founded a cluster alone has nobody to ask whether it went on without it.
    if (keyspace.newcomer && onFounded !== undefined && voters.length > 1) {
      this.founding = new Founding(id, directory, voters);
    }
  }

  /** Why this node can serve nobody, however long one waits; a newcomer that needs no operator does not say so. */
  private outside(): string | undefined {
    if (!this.newcomer) return this.removed ? REMOVED : undefined;
    return this.founding === undefined ? WAITS : undefined;
  }

  /** What is the node's own, not a group's. */
  private transmit(to: NodeId, kind: PeerFrameKind, parts: readonly Uint8Array[]): void {
    if (this.newcomer && kind !== "greeting") return;
    this.options.world.network.send(to, [frameHeader(kind, this.directoryTag), ...parts]);
  }

  /** A newcomer sends nothing that could be taken for its last life's. */
  private transmitOf(group: AnyGroup, to: NodeId, kind: FrameKind, parts: readonly Uint8Array[]): void {
    if (group.newcomer && kind !== "consensus") return;
    const sent = group.newcomer ? "visitor" : kind;
    this.options.world.network.send(to, [frameHeader(sent, this.directoryTag, group.id), ...parts]);
  }

  private greeted(from: NodeId, greeting: Greeting): void {
    this.founding?.heard(from, greeting);
    for (const group of this.groups) group.heard(from, greeting);
  }

  /** What a greeting may give reason to do. */
  private lookAfter({ id: from, greeting }: KnownPeer): void {
    if (this.founding !== undefined) this.foundIfAllAreBlank(this.founding);
    const status = this.keyspace.consensus();
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
    for (const group of this.groups) group.found();
    this.sendGreeting();
  }

  private onLink(id: NodeId, up: boolean): void {
    if (this.stopped) return;
    this.peers.of(id).linkUp = up;
    if (up) return this.transmit(id, "greeting", [encodeGreeting(this.ownGreeting())]);
    this.orders.linkLost(id);
    for (const group of this.groups) group.suspect(id);
    this.changed();
  }

  private changed(): void {
    for (const listener of this.changeListeners) listener();
  }

  /** Whoever is a member of any group is a peer: the keyspace may have let go of a node that another group still knows. */
  private onMembership(group: AnyGroup, { addresses }: Membership): void {
    const all = addressesOf(this.groups.map(({ directories }) => directories.membership));
    this.peers.membersChanged(new Set(all.keys()));
    all.delete(this.id);
    this.options.world.network.setPeers(all);
    if (group.id !== KEYSPACE_GROUP) return;
    this.removed = addresses[this.id] === undefined;
    if (!group.newcomer) this.founding = undefined;
  }

  private onRole(group: AnyGroup, role: Role, term: number, leader: NodeId | undefined): void {
    const which = group.id === KEYSPACE_GROUP ? {} : { group: group.id };
    this.options.world.logger.log("info", "role", { node: this.id, role, term, leader, ...which });
    this.sendGreeting();
    this.changed();
  }

  private greet(): void {
    // Where there is one group only, nobody else's entries are in the log.
    if (this.groups.length > 1) for (const group of this.groups) group.releaseLog();
    for (const group of this.groups) group.compareStates();
    this.sendGreeting();
    this.greetingTimer = this.options.world.clock.setTimer(GREETING_MS, () => this.greet());
  }

  private sendGreeting(): void {
    if (this.stopped) return;
    const greeting = encodeGreeting(this.ownGreeting());
    for (const id of addressesOf(this.groups.map((group) => group.consensus().membership)).keys()) {
      if (id !== this.id) this.transmit(id, "greeting", [greeting]);
    }
  }

  private ownGreeting(): Greeting {
    const [, ...further] = this.groups;
    const keyspace = this.keyspace.row();
    const { resp, http, pid, dataDir } = this.advertised;
    return {
      resp,
      http,
      pid,
      dataDir,
      role: keyspace.role,
      appliedIndex: keyspace.appliedIndex,
      commitIndex: keyspace.commitIndex,
      diskBytes: this.diskBytes(),
      recovering: keyspace.recovering,
      refusing: keyspace.refusing,
      digests: keyspace.digests ?? [],
      diverged: keyspace.diverged,
      directory: this.options.directory,
      peer: this.options.peerAddress,
      newcomer: this.newcomer,
      blank: this.founding !== undefined,
      ...(this.founders === undefined ? {} : { founders: this.founders }),
      standing: keyspace.standing,
      ...(further.length === 0 ? {} : { groups: further.map((group) => group.row()) }),
    };
  }

  private diskBytes(): number {
    return this.groups.reduce((bytes, group) => bytes + group.diskBytes(), 0);
  }

  /** What every group beside the keyspace has applied here by now: whether a peer has that, by its last greeting. */
  private noteProgress(): (peer: NodeId) => boolean {
    const noted = this.groups.slice(1).map(({ id, appliedIndex }) => ({ id, appliedIndex }));
    return (peer) => {
      const rows = this.peers.greetingOf(peer)?.groups ?? [];
      const applied = (id: number): number => rows.find((row) => row.id === id)?.appliedIndex ?? 0;
      return noted.every(({ id, appliedIndex }) => applied(id) >= appliedIndex);
    };
  }
}

/** Of all that are named; where the memberships differ, the first, which is the keyspace's, counts. */
function addressesOf(memberships: readonly Membership[]): Map<NodeId, string> {
  const addresses = new Map<NodeId, string>();
  for (const membership of memberships) {
    for (const [id, address] of Object.entries(membership.addresses)) {
      if (!addresses.has(id)) addresses.set(id, address);
    }
  }
  return addresses;
}

const WAITS = "this node is a newcomer, and waits to be admitted (quorate members)";

const REMOVED = "this node was removed from the cluster";
