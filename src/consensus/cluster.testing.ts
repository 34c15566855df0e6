/**
 * A tiny cluster under faults, for the property tests of the core alone: virtual time, a network that loses, delays,
 * repeats and overtakes, disks that forget what was not durable, crashes, pauses, partitions, changes of members.
 * Everything is drawn from one seed. The invariants are checked as things happen; a violation throws.
 */
import { bytesFromLatin1, concatBytes, type Bytes } from "../runtime/bytes.ts";
import type {
  Consensus,
  ConsensusOptions,
  DurableWrite,
  Effect,
  Membership,
  Recovered,
  SnapshotMeta,
  Standing,
} from "./consensus.ts";
import { protocolOf, type Algorithm } from "./algorithms.ts";
import { DEFAULT_CONSENSUS_OPTIONS } from "./defaults.ts";
import { describeMembership } from "./describe.testing.ts";
import { decodeMembership } from "./membership.ts";
import type { ConsensusMessage, Protocol } from "./protocol.ts";
import { emptyDisk, floorOf, isNewcomer, lastOf, reaches, storeWrite, type Disk } from "./disk.testing.ts";
import { EventQueue } from "./event-queue.testing.ts";
import { digestWith, Laws, readDigest, require, valueOf, type Subject } from "./laws.testing.ts";
import { randomFrom, type Faults } from "./swarm.testing.ts";

interface Node extends Subject {
  /** Which life of each founder it heard first. */
  readonly heard: Map<string, string>;
  core: Consensus<ConsensusMessage> | undefined;
  life: number;
  pausedUntil: number;
  skew: number;
  /** Under way to the disk, in order; `keepFrom`: with the write what is before goes. */
  writes: { id: number; write: DurableWrite; keepFrom?: number }[];
  durableId: number;
  waiting: { to: string; message: ConsensusMessage; after: number }[];
  applied: number;
  digest: number;
  /** Of a snapshot: pieces are stored one after the other, the last of those under way at `storedAt`. */
  receiving: { index: number; chunks: Bytes[]; storedAt: number };
  reads: Map<number, number>;
}

export interface ClusterOptions {
  readonly algorithm: Algorithm;
  readonly seed: number;
  readonly members: number;
  readonly spare: number;
  readonly faults: Faults;
  readonly consensus?: Partial<ConsensusOptions>;
}

export class Cluster {
  readonly nodes = new Map<string, Node>();
  now = 0;
  chosen: { term: number; value: number; digest: number; committedIn: number; members: string }[] = [];
  readonly random: () => number;
  readsAnswered = 0;
  changes = 0;
  /** How often a node lost what was durable, and how often it had it back. */
  losses = 0;
  recoveries = 0;
  installs = 0;
  /** How often a node forgot everything. */
  forgotten = 0;
  private readonly options: ClusterOptions;
  private readonly protocol: Protocol;
  private readonly leaders = new Map<number, string>();
  private readonly laws: Laws;
  private readonly queue = new EventQueue();
  private order = 0;
  private readId = 0;
  private commandId = 0;
  private blocked: (from: string, to: string) => boolean = () => false;
  /** A partition may keep what is sent across it until this time, as a connection does, instead of losing it. */
  private heldUntil = 0;
  private faultsOn = true;

  constructor(options: ClusterOptions) {
    this.options = options;
    this.protocol = protocolOf(options.algorithm);
    this.laws = new Laws(this.protocol, this.nodes, options.members);
    this.random = randomFrom(options.seed);
    const ids = Array.from({ length: options.members + options.spare }, (_, i) => `n${i + 1}`);
    for (const id of ids) {
      const disk = emptyDisk(id);
      const skew = 1 + (this.random() - 0.5) * DEFAULT_CONSENSUS_OPTIONS.clockDriftMax;
      this.nodes.set(id, {
        id,
        disk,
        heard: new Map(),
        skew,
        core: undefined,
        life: 0,
        pausedUntil: 0,
        writes: [],
        durableId: 0,
        waiting: [],
        applied: 0,
        digest: 0,
        receiving: { index: 0, chunks: [], storedAt: 0 },
        reads: new Map(),
        membership: this.founding(),
      });
    }
    for (const node of this.nodes.values()) this.start(node);
    this.at(20, () => this.work());
  }

  founding(): Membership {
    const voters = Array.from({ length: this.options.members }, (_, i) => `n${i + 1}`);
    return {
      voters,
      outgoing: [],
      learners: [],
      addresses: Object.fromEntries(voters.map((id) => [id, id])),
    };
  }

  /** Runs until the virtual time has passed, or `done`. */
  run(untilMs: number, done: () => boolean = () => false): void {
    while (!done()) {
      const next = this.queue.popUntil(untilMs);
      if (next === undefined) {
        this.now = untilMs;
        return;
      }
      this.now = next.at;
      next.run();
    }
  }

  leader(): Node | undefined {
    let best: Node | undefined;
    let term = -1;
    for (const node of this.nodes.values()) {
      const status = node.core?.status(this.now);
      if (status?.role === "leader" && status.term > term) [best, term] = [node, status.term];
    }
    return best;
  }

  /** Ends all faults: every node runs and every link works. */
  heal(): void {
    this.faultsOn = false;
    this.blocked = () => false;
    for (const node of this.nodes.values()) if (node.core === undefined) this.start(node);
  }

  private at(delayMs: number, run: () => void): void {
    this.queue.push({ at: this.now + delayMs, order: (this.order += 1), run });
  }

  private chance(probability: number): boolean {
    return this.faultsOn && this.random() < probability;
  }

  private pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.random() * list.length)]!;
  }

  private start(node: Node): void {
    const { disk } = node;
    const recovered: Recovered = {
      term: disk.term,
      votedFor: disk.votedFor,
      snapshot: disk.snapshot?.meta,
      entries: [...disk.entries],
      floor: disk.floor,
      ...(disk.chosen > 0 ? { chosen: disk.chosen } : {}),
    };
    const options: ConsensusOptions = {
      ...DEFAULT_CONSENSUS_OPTIONS,
      snapshotChunkBytes: 8,
      appendMaxBytes: this.options.faults.appendMaxBytes,
      ...this.options.consensus,
      id: node.id,
      membership: this.founding(),
      identity: disk.identity,
      newcomer: disk.identity !== node.id,
      random: this.random,
    };
    node.life += 1;
    node.writes = [];
    node.durableId = 0;
    node.waiting = [];
    node.reads.clear();
    node.receiving = { index: 0, chunks: [], storedAt: this.now };
    node.applied = disk.snapshot?.meta.index ?? 0;
    node.digest = disk.snapshot === undefined ? 0 : readDigest(disk.snapshot.bytes);
    node.core = this.protocol.create(options, recovered, this.clock(node));
    this.collect(node);
    this.tick(node, node.life);
  }

  private clock(node: Node): number {
    return this.now * node.skew;
  }

  private tick(node: Node, life: number): void {
    if (node.life !== life || node.core === undefined) return;
    if (node.pausedUntil <= this.now) this.step(node, (core, now) => core.step({ type: "tick" }, now));
    this.at(Math.max(25, node.pausedUntil - this.now) * (0.9 + this.random() * 0.2), () =>
      this.tick(node, life),
    );
  }

  private step(node: Node, input: (core: Consensus<ConsensusMessage>, now: number) => void): void {
    if (node.core === undefined) return;
    input(node.core, this.clock(node));
    this.collect(node);
  }

  private collect(node: Node): void {
    // A drain concludes what is committed before it appends the next membership.
    if (node.core !== undefined) node.membership = node.core.status(this.now).membership;
    for (const effect of node.core?.drain() ?? []) this.carryOut(node, effect);
  }

  private crash(node: Node): void {
    // Of the writes under way some reached the disk, in order.
    const kept = Math.floor(this.random() * (node.writes.length + 1));
    for (const written of node.writes.slice(0, kept)) this.store(node, written);
    node.core = undefined;
    node.life += 1;
    if (this.chance(this.options.faults.rot)) this.rot(node);
    if (this.chance(this.options.faults.forget)) this.forget(node);
    const suspects = [...this.nodes.values()].filter(
      (other) => other.core !== undefined && this.random() < 0.5,
    );
    for (const other of suspects) {
      this.at(this.random() * 5, () =>
        this.step(other, (core, now) => core.step({ type: "suspect", peer: node.id }, now)),
      );
    }
    this.at(this.random() * 800, () => {
      if (node.core === undefined) this.start(node);
    });
  }

  /**
   * Damage to what was durable; what was acknowledged is known by name. One node at a time, and only where the others are a
   * majority: what no disk holds any more nobody can bring back, and the survivors rightly wait for ever.
   */
  private rot(node: Node): void {
    const { disk } = node;
    if (disk.identity !== node.id || !this.canSpare(node)) return;
    const last = lastOf(disk);
    if (last.index === 0) return;
    if (disk.floor === undefined) this.losses += 1;
    disk.floor = floorOf(disk.floor, last, disk.term, this.protocol.entriesKeepTerm);
    const base = disk.snapshot?.meta.index ?? 0;
    const from = base + 1 + Math.floor(this.random() * (last.index - base));
    disk.entries = disk.entries.filter((entry) => entry.index < from);
    if (disk.snapshot === undefined || this.random() < 0.5) return;
    disk.entries = [];
    disk.snapshot = undefined;
    disk.old.clear();
  }

  private canSpare(node: Node): boolean {
    const others = [...this.nodes.values()].filter((other) => other !== node);
    const isFew = ({ voters, outgoing }: Membership): boolean =>
      voters.length < 3 || (outgoing.length > 0 && outgoing.length < 3);
    const few = [node, ...others].some(
      ({ membership, disk }) => isFew(membership) || this.accepted(disk).some(isFew),
    );
    return !few && !others.some(({ disk }) => disk.floor !== undefined || isNewcomer(disk));
  }

  /** In Multi-Paxos a membership that was accepted, and not overtaken by what is chosen, is in force for whoever finds it. */
  private accepted({ entries, chosen }: Disk): Membership[] {
    if (this.protocol.entriesKeepTerm) return [];
    const found = entries.filter(({ kind, index }) => kind === "membership" && index > chosen);
    return found.map(({ payload }) => decodeMembership(payload));
  }

  /** Everything is gone, as when a process kept nothing or its disk was replaced. */
  private forget(node: Node): void {
    if (node.disk.floor !== undefined || !this.canSpare(node)) return;
    const forgot = isNewcomer(node.disk) ? node.disk.forgot : lastOf(node.disk);
    node.disk = { ...emptyDisk(`${node.disk.identity}'`), forgot };
    node.heard.clear();
    this.forgotten += 1;
  }

  newcomers(): number {
    const waits = ({ core, disk }: Node): boolean =>
      core === undefined ? isNewcomer(disk) : core.status(this.now).newcomer === true;
    return [...this.nodes.values()].filter(waits).length;
  }

  /** What the driver of a leader does: the last life of a newcomer's name loses its vote, then the new one is taken in. */
  private admit(leader: Node, newcomer: Node): void {
    const { voters, learners, outgoing, addresses } = leader.core!.status(this.now).membership;
    const { id } = newcomer;
    if (outgoing.length > 0) return;
    const without = { voters: voters.filter((each) => each !== id), learners };
    const goal = voters.includes(id)
      ? { voters: without.voters, learners: [...learners, id] }
      : { voters: [...voters, id], learners: learners.filter((each) => each !== id) };
    const identities = voters.includes(id) ? {} : { [id]: newcomer.disk.identity };
    const input = {
      type: "changeMembership",
      id: (this.order += 1),
      ...goal,
      addresses: { ...addresses, [id]: id },
      identities,
    } as const;
    this.step(leader, (core, now) => core.step(input, now));
  }

  private carryOut(node: Node, effect: Effect<ConsensusMessage>): void {
    switch (effect.type) {
      case "write":
        return this.write(node, effect.id, effect.write);
      case "send":
        node.waiting.push(effect);
        return this.release(node);
      case "commit":
        return this.apply(node, effect.upTo);
      case "read": {
        const atLeast = node.reads.get(effect.id);
        require(atLeast !== undefined, "a read was answered twice or never asked");
        node.reads.delete(effect.id);
        this.readsAnswered += 1;
        const valid = !effect.lease || node.core!.leaseHolds(this.clock(node));
        require(!valid || effect.index >= atLeast!, `stale read: ${effect.index} after ${atLeast}`);
        return;
      }
      case "readFailed":
        require(node.reads.delete(effect.id), "a read failed twice");
        return;
      case "role":
        if (effect.role === "leader") this.elected(node, effect.term);
        return;
      case "membership":
        return;
      case "membershipChange":
        if (effect.refused === undefined) this.changes += 1;
        return;
      case "sendChunk": {
        const { disk } = node;
        const bytes =
          disk.snapshot?.meta.index === effect.snapshot.index
            ? disk.snapshot.bytes
            : disk.old.get(effect.snapshot.index);
        if (bytes === undefined) return;
        const chunk = bytes.subarray(effect.offset, effect.offset + effect.length);
        return this.transmit(node, effect.to, this.protocol.withChunk(effect.message, chunk));
      }
      case "storeChunk":
        return this.receive(node, effect.snapshot, effect.offset, effect.chunk);
      case "install":
        return this.install(node, effect.snapshot);
    }
  }

  private receive(node: Node, { index }: SnapshotMeta, offset: number, chunk: Bytes): void {
    const { life, receiving } = node;
    receiving.storedAt = Math.max(receiving.storedAt, this.now + this.random() * this.options.faults.diskMs);
    this.at(receiving.storedAt - this.now, () => {
      if (node.life !== life) return;
      if (offset === 0) Object.assign(receiving, { index, chunks: [] });
      const stored = concatBytes(receiving.chunks).length;
      const valid = receiving.index === index && stored === offset && !this.chance(0.05);
      if (valid) receiving.chunks.push(chunk);
      const end = offset + chunk.length;
      this.step(node, (core, now) =>
        core.step({ type: "chunkStored", snapshotIndex: index, offset: end, valid }, now),
      );
    });
  }

  private install(node: Node, meta: SnapshotMeta): void {
    const { life } = node;
    this.installs += 1;
    this.at(this.random() * this.options.faults.restoreMs, () => {
      if (node.life !== life) return;
      const bytes = concatBytes(node.receiving.chunks);
      require(bytes.length === meta.sizeBytes, "a snapshot was put together wrongly");
      require(meta.index >= node.applied, `snapshot of ${meta.index} takes back ${node.applied}`);
      require(this.chosen[meta.index - 1]?.digest === readDigest(bytes), "a snapshot of another state");
      node.disk.snapshot = { meta, bytes };
      node.applied = meta.index;
      node.digest = readDigest(bytes);
      this.step(node, (core, now) => core.step({ type: "installed", snapshot: meta }, now));
    });
  }

  private write(node: Node, id: number, write: DurableWrite): void {
    const { life } = node;
    node.writes.push({ id, write });
    const stall = this.chance(0.01) ? 40 : 1;
    this.at(this.random() * this.options.faults.diskMs * stall, () => {
      if (node.life !== life) return;
      while (node.writes.length > 0 && node.writes[0]!.id <= id)
        this.recoveries += this.store(node, node.writes.shift()!);
      if (id <= node.durableId) return;
      node.durableId = id;
      this.step(node, (core, now) => core.step({ type: "durable", writeId: id }, now));
      this.release(node);
    });
  }

  private store(node: Node, { write, keepFrom = 0 }: Node["writes"][number]): number {
    const { faults } = this.options;
    this.laws.stored(node, write, faults.change === 0 && faults.forget === 0);
    const reached = storeWrite(node.disk, write);
    compactDisk(node.disk, keepFrom);
    return reached;
  }

  private release(node: Node): void {
    const ready = node.waiting.filter((each) => each.after <= node.durableId);
    if (ready.length === 0) return;
    node.waiting = node.waiting.filter((each) => each.after > node.durableId);
    for (const { to, message } of ready) {
      this.laws.vouched(node, message);
      this.transmit(node, to, message);
    }
  }

  private transmit(node: Node, to: string, message: ConsensusMessage): void {
    const { faults } = this.options;
    const { newcomer = false, standing } = node.core?.status(this.now) ?? {};
    const sender: Sender = { id: node.id, identity: node.disk.identity, newcomer, standing };
    if (this.chance(faults.loss)) return;
    const copies = this.chance(faults.duplicate) ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      const slow = this.chance(0.03) ? 30 : 1;
      this.at(0.1 + this.random() * faults.delayMs * slow, () => this.deliver(sender, to, message));
    }
  }

  private deliver(sender: Sender, to: string, message: ConsensusMessage): void {
    const node = this.nodes.get(to);
    if (node?.core === undefined) return;
    const from = sender.id;
    if (this.blocked(from, to)) {
      if (this.heldUntil > this.now) {
        this.at(this.heldUntil - this.now + this.random() * 40, () => this.deliver(sender, to, message));
      }
      return;
    }
    if (node.pausedUntil > this.now) {
      this.at(node.pausedUntil - this.now + 0.01 + this.random(), () => this.deliver(sender, to, message));
      return;
    }
    if (!this.listensTo(node, sender, message)) return;
    this.step(node, (core, now) => core.step({ type: "message", from, message }, now));
  }

  /**
   * What a driver sees to: nobody listens to a life of a name that its members do not mean. Votes pass: that a newcomer gives
   * none, the core must see to alone.
   */
  private listensTo(node: Node, sender: Sender, { type }: ConsensusMessage): boolean {
    const { id, identity, newcomer } = sender;
    if (newcomer && ["voteReply", "preVoteReply", "promise", "refusal"].includes(type)) return true;
    const { membership, standing } = node.core!.status(this.now);
    const meant = membership.identities?.[id];
    if (meant === identity) return true;
    if (newcomer) return false;
    // It knows of its being named what this node does not know yet.
    if (sender.standing?.named === true && !reaches(standing!, sender.standing)) return true;
    if (meant !== undefined) return false;
    if (!node.heard.has(id)) node.heard.set(id, identity);
    return node.heard.get(id) === identity;
  }

  private elected(node: Node, term: number): void {
    if (this.chance(this.options.faults.aim)) {
      // The hardest moment: a new leader whose first appends are on their way.
      const { life } = node;
      this.at(this.random() < 0.5 ? 0 : this.random() * 5 * this.options.faults.delayMs, () => {
        if (this.random() < 0.5) this.partition(node);
        else if (node.life === life) this.crash(node);
      });
    }
    const other = this.leaders.get(term);
    require(other === undefined || other === node.id, `two leaders in term ${term}`);
    this.leaders.set(term, node.id);
    const core = node.core!;
    const { firstIndex } = core.status(this.now);
    this.chosen.forEach((entry, at) => {
      if (entry.committedIn >= term || at + 1 < firstIndex) return;
      const held = core.entry(at + 1);
      const same = this.protocol.entriesKeepTerm
        ? held?.term === entry.term
        : held !== undefined && valueOf(held) === entry.value;
      require(same, `the leader of term ${term} lacks committed entry ${at + 1}`);
    });
  }

  private apply(node: Node, upTo: number): void {
    const core = node.core!;
    const { role, term } = core.status(this.now);
    if (role === "leader" && core.entry(upTo) !== undefined)
      this.laws.committed(node, core.entry(upTo)!, this.chosen[upTo - 1] !== undefined);
    for (let index = node.applied + 1; index <= upTo; index += 1) {
      const entry = core.entry(index);
      require(entry !== undefined, `committed entry ${index} is gone`);
      const digest = digestWith(node.digest, entry!, this.protocol.entriesKeepTerm);
      const known = this.chosen[index - 1];
      const value = valueOf(entry!);
      const members = describeMembership(core.membershipAt(index));
      if (known === undefined)
        this.chosen[index - 1] = { term: entry!.term, value, digest, committedIn: term, members };
      else require(known.digest === digest, `two values were committed at ${index}`);
      const same = known === undefined || known.members === members;
      require(same, `${node.id} has members ${members} at ${index}, not ${known?.members}`);
      node.digest = digest;
      node.applied = index;
    }
    core.step({ type: "applied", index: node.applied }, this.clock(node));
  }

  /** What clients and operators do, and what befalls machines; calls itself again. */
  private work(): void {
    const { faults } = this.options;
    const nodes = [...this.nodes.values()];
    for (const node of nodes) {
      if (node.core === undefined || node.pausedUntil > this.now) continue;
      if (node.core.accepts(16) && this.random() < 0.7) this.propose(node);
      if (this.random() < 0.5) this.read(node);
      if (this.chance(faults.compact)) this.compact(node);
    }
    const running = nodes.filter((node) => node.core !== undefined);
    const leaders = nodes.filter((node) => node.core?.status(this.now).role === "leader");
    const aimed = leaders.length > 0 && this.chance(faults.aim);
    const victim = this.pick(aimed ? leaders : nodes);
    if (this.chance(faults.crash) && victim.core !== undefined) this.crash(victim);
    if (this.chance(faults.pause)) this.pause(victim);
    if (this.chance(faults.partition)) this.partition(aimed ? victim : undefined);
    if (this.chance(faults.transfer) && running.length > 0) {
      this.step(this.pick(running), (core, now) => core.step({ type: "transfer" }, now));
    }
    const leader = this.leader();
    if (this.chance(faults.change) && leader !== undefined && this.newcomers() === 0) this.change(leader);
    const newcomer = nodes.find((node) => node.core?.status(this.now).newcomer === true);
    if (newcomer !== undefined && leader !== undefined && this.random() < 0.3) this.admit(leader, newcomer);
    this.at(5 + this.random() * 20, () => this.work());
  }

  propose(node: Node): void {
    const payload = bytesFromLatin1(`c${(this.commandId += 1)}`);
    this.step(node, (core, now) => core.step({ type: "propose", payload }, now));
  }

  read(node: Node): void {
    const id = (this.readId += 1);
    node.reads.set(id, this.chosen.length);
    this.step(node, (core, now) => core.step({ type: "read", id }, now));
  }

  private compact(node: Node): void {
    const core = node.core!;
    const index = node.applied;
    if (index <= (node.disk.snapshot?.meta.index ?? 0)) return;
    const bytes = bytesFromLatin1(
      `${node.digest}`.padEnd(20, " ") + "x".repeat(Math.floor(this.random() * 20)),
    );
    const { term } = core.entry(index)!;
    const meta = { index, term, membership: core.membershipAt(index), sizeBytes: bytes.length };
    const { disk } = node;
    if (disk.snapshot !== undefined) disk.old.set(disk.snapshot.meta.index, disk.snapshot.bytes);
    disk.snapshot = { meta, bytes };
    const keepFrom = Math.max(1, index - Math.floor(this.random() * 10));
    this.step(node, (c, now) => c.step({ type: "compact", snapshot: meta, keepFrom }, now));
    const { firstIndex, snapshotsInUse } = core.status(this.now);
    const last = node.writes.at(-1);
    if (last === undefined) compactDisk(disk, firstIndex);
    else last.keepFrom = firstIndex;
    for (const old of disk.old.keys()) if (!snapshotsInUse.includes(old)) disk.old.delete(old);
  }

  /** What came meanwhile waits in its sockets, messages and reads of clients alike. */
  private pause(node: Node): void {
    const lastsMs = this.random() * 900;
    node.pausedUntil = this.now + lastsMs;
    for (let reads = 0; reads < 3; reads += 1) {
      this.at(lastsMs + 0.01 + this.random(), () => {
        if (node.core !== undefined && node.pausedUntil <= this.now) this.read(node);
      });
    }
  }

  private partition(aimed: Node | undefined): void {
    const ids = [...this.nodes.keys()];
    const side = new Set(ids.filter(() => this.random() < 0.5));
    if (this.random() < 0.5) side.clear();
    const lone = aimed?.id ?? this.pick(ids);
    if (side.size === 0 && this.random() < 0.7) side.add(lone);
    const oneWay = this.random() < 0.3;
    const blocked = (from: string, to: string): boolean =>
      side.has(from) !== side.has(to) && (!oneWay || side.has(from));
    this.blocked = blocked;
    const lastsMs = 100 + this.random() * (this.random() < 0.5 ? 500 : 1500);
    this.heldUntil = this.random() < this.options.faults.hold ? this.now + lastsMs : 0;
    this.at(lastsMs, () => {
      if (this.blocked === blocked) this.blocked = () => false;
    });
  }

  private change(leader: Node): void {
    const ids = [...this.nodes.keys()].sort(() => this.random() - 0.5);
    const count = 1 + Math.floor(this.random() * ids.length);
    const voters = ids.slice(0, Math.max(count, 2));
    const learners = ids.slice(voters.length).filter(() => this.random() < 0.4);
    const addresses = Object.fromEntries(ids.map((id) => [id, id]));
    const { membership } = leader.core!.status(this.now);
    const strangers = [...voters, ...learners].filter((id) => membership.addresses[id] === undefined);
    const identities = Object.fromEntries(strangers.map((id) => [id, this.nodes.get(id)!.disk.identity]));
    const goal = { voters, learners, addresses, identities };
    const input = { type: "changeMembership", id: (this.order += 1), ...goal } as const;
    this.step(leader, (core, now) => core.step(input, now));
  }
}

function compactDisk(disk: Disk, before: number): void {
  disk.entries = disk.entries.filter(({ index }) => index >= before);
}

interface Sender {
  readonly id: string;
  readonly identity: string;
  readonly newcomer: boolean;
  readonly standing: Standing | undefined;
}
