/**
 * group: one replicated log at work on one node.
 *
 * The replica drives a consensus core: it steps every input of an event-loop turn, then carries out the effects (one
 * write to the log, one message per peer), applies what was chosen and answers this node's clients. Commands of clients
 * become numbered batches (`proposals.ts`) that go to the leader's intake, are sealed into entries (`sealer.ts`),
 * and are applied in the same order on every replica (`applier.ts`). Reads wait for a barrier (`barriers.ts`).
 */
import type { Consensus, Effect, Index, Membership, Role, Term } from "../../consensus/consensus.ts";
import type { MembershipGoal } from "../../consensus/membership.ts";
import type { Bytes } from "../../runtime/bytes.ts";
import { QuorateError } from "../../runtime/errors.ts";
import type { Clock, Logger, NodeId, Random, Timer } from "../../runtime/world.ts";
import { ByteReader } from "../../wire/byte-reader.ts";
import { Applier } from "./applier.ts";
import type { BarrierDone } from "./barriers.ts";
import { Barriers } from "./barriers.ts";
import type { Batch } from "./batch.ts";
import { decodeBatch, encodeBatch, encodeRegistration, sealedTimeMs } from "./batch.ts";
import { LogClock } from "./log-clock.ts";
import { Outbox } from "./outbox.ts";
import type { Done, PendingBatch } from "./proposals.ts";
import { Proposals } from "./proposals.ts";
import { Sealer } from "./sealer.ts";
import { Snapshots } from "./snapshots.ts";
import type { StateMachine } from "./state-machine.ts";
import type { ReplicaStorage } from "./storage.ts";

/** The two kinds of frames that replicas of a group exchange. */
export type FrameKind = "consensus" | "batch";

export interface MessageCodec<Message> {
  encode(message: Message): readonly Uint8Array[];
  decode(bytes: Bytes): Message;
  /** The message of a `sendChunk` effect with its bytes in place. */
  withChunk(message: Message, chunk: Bytes): Message;
}

export interface ReplicaOptions<Command, Reply, Message> {
  readonly id: NodeId;
  /** Identity of the data directory: registered in the log, so that a wiped disk is recognised. */
  readonly directory: string;
  readonly clock: Clock;
  /** What log time follows; a test may push it. Default: `clock`. */
  readonly timeSource?: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly consensus: Consensus<Message>;
  readonly codec: MessageCodec<Message>;
  readonly storage: ReplicaStorage;
  readonly machine: StateMachine<Command, Reply>;
  /** The newest durable snapshot, to start from. */
  readonly recovered: { readonly index: Index; readonly content: Iterable<Bytes> } | undefined;
  readonly heartbeatIntervalMs: number;
  /** Bytes of batches in one entry. */
  readonly entryMaxBytes: number;
  /** The largest command, encoded. */
  readonly commandMaxBytes: number;
  /** Commands and reads get an error after this long. */
  readonly requestTimeoutMs: number;
  /** Waiting bytes above which `congested` asks the servers to stop reading. */
  readonly congestedBytes: number;
  readonly snapshotEveryBytes: number;
  readonly snapshotTrailingBytes: number;
  readonly forgetSessionsInSnapshot?: boolean;
  /** Calls back at every interval until it is cancelled. */
  every(intervalMs: number, work: () => void): Timer;
  transmit(to: NodeId, kind: FrameKind, parts: readonly Uint8Array[]): void;
  /** Bytes that wait to be sent to a peer. */
  queuedBytes(to: NodeId): number;
  onMembership(membership: Membership): void;
  onRole(role: Role, term: Term, leader: NodeId | undefined): void;
  /** The digest of the state after an entry, chosen alike on every replica, about once a second. */
  onDigest(index: Index, digest: number): void;
  fatal(error: Error): never;
}

/** How often unanswered work is looked at. */
const SWEEP_MS = 50;
/** Batches and barriers without progress for this long are sent again. */
const RETRY_MS = 500;
/** So much always waits for a link: what the node's other groups say in the same turn. */
const CHATTER_BYTES = 64 * 1024;

export class Replica<Command, Reply, Message> {
  private readonly options: ReplicaOptions<Command, Reply, Message>;
  private readonly proposals = new Proposals<Command, Reply>();
  private readonly logClock: LogClock;
  private readonly outbox: Outbox<Message>;
  private readonly sealer: Sealer;
  private readonly barriers: Barriers;
  private readonly applier: Applier<Command, Reply>;
  private readonly snapshots: Snapshots<Command, Reply, Message>;
  private readonly timers = new Set<Timer>();
  private readonly drainCallbacks: (() => void)[] = [];
  private readonly membershipCallbacks = new Map<number, (refused: string | undefined) => void>();
  private commitIndex: Index = 0;
  private role: Role = "follower";
  private term: Term = 0;
  private leader: NodeId | undefined;
  private pumpScheduled = false;
  private stopped = false;
  private quarantined = false;
  private lastProgressMs = 0;
  /** Since when nothing was sent again for the link's sake. */
  private heldUpSinceMs: number | undefined;
  private resendNow = false;
  private nextChangeId = 1;
  private session: number | undefined;
  private registeringSinceMs: number | undefined;

  constructor(options: ReplicaOptions<Command, Reply, Message>) {
    this.options = options;
    this.logClock = new LogClock(options.timeSource ?? options.clock);
    this.outbox = new Outbox((to, message) => this.transmit(to, message));
    this.sealer = new Sealer({
      id: options.id,
      clock: options.clock,
      logClock: this.logClock,
      entryMaxBytes: options.entryMaxBytes,
      applied: (node, session) => this.appliedSeq(node, session),
      upkeep: (nowMs) => options.machine.upkeep(nowMs),
      accepts: (bytes) => options.consensus.accepts(bytes),
      propose: (payload, awaitedBy) =>
        options.consensus.step({ type: "propose", payload, awaitedBy }, this.now()),
      announce: () => options.consensus.step({ type: "announceCommit" }, this.now()),
      wake: () => this.schedulePump(),
    });
    this.barriers = new Barriers((id) => options.consensus.step({ type: "read", id }, this.now()));
    this.applier = new Applier({
      self: options.id,
      machine: options.machine,
      proposals: this.proposals,
      clock: options.clock,
      forgetSessionsInSnapshot: options.forgetSessionsInSnapshot ?? false,
      events: {
        gap: (node, session) => this.onGap(node, session),
        registered: (node) => {
          if (node === options.id) this.onRegistered();
        },
        compared: (index, digest) => options.onDigest(index, digest),
      },
    });
    this.applier.ownNonce = this.drawNonce();
    this.snapshots = new Snapshots(
      {
        consensus: options.consensus,
        applier: this.applier,
        storage: options.storage,
        logger: options.logger,
        everyBytes: options.snapshotEveryBytes,
        trailingBytes: options.snapshotTrailingBytes,
        nowMs: () => this.now(),
        sendChunk: (to, message, chunk) => this.transmit(to, options.codec.withChunk(message, chunk)),
        pump: () => this.schedulePump(),
        restored: () => this.onRegistered(),
        fatal: (error) => options.fatal(error),
      },
      options.recovered?.index ?? 0,
    );
    if (options.recovered !== undefined) {
      this.applier.restore(options.recovered.index, options.recovered.content);
      this.logClock.recover(this.applier.timeMs);
      this.commitIndex = options.recovered.index;
    }
  }

  start(): void {
    this.every(this.options.heartbeatIntervalMs / 2, () => {
      // What has arrived by now is read before the core hears that time has passed: a late tick must not outrun the
      // messages of a live leader that wait in the socket.
      this.options.clock.endOfTurn(() => {
        if (this.stopped) return;
        this.options.consensus.step({ type: "tick" }, this.now());
        this.schedulePump();
      });
    });
    this.every(SWEEP_MS, () => this.sweep());
    this.schedulePump();
  }

  /** Puts a command into the log. `done` is called once: with the reply of this node's apply, or with an error. */
  propose(command: Command, encoded: Bytes, done: Done<Reply>): void {
    if (this.stopped) return done(undefined, new QuorateError("SHUTTING_DOWN", "this node is stopping"));
    const refusal = this.refusal() ?? this.tooLarge(encoded.length);
    if (refusal !== undefined) return done(undefined, refusal);
    if (!this.proposals.hasRoom(encoded.length)) this.closeBatch();
    const full = this.proposals.add(command, encoded, done, this.now());
    if (full) this.closeBatch();
    this.schedulePump();
  }

  /**
   * Why this node takes no commands now: its disk is full. A follower could still send them to the leader, and never learn what
   * became of them, because it applies only what it has stored.
   */
  refusal(): QuorateError | undefined {
    return this.options.storage.refusing();
  }

  private tooLarge(bytes: number): QuorateError | undefined {
    const { commandMaxBytes } = this.options;
    if (bytes <= commandMaxBytes) return undefined;
    return new QuorateError("TOO_LARGE", `the command is larger than the limit of ${commandMaxBytes} bytes`);
  }

  /** Calls back when a read of the machine is linearizable with respect to this call. */
  barrier(done: BarrierDone): void {
    if (this.stopped) return done(new QuorateError("SHUTTING_DOWN", "this node is stopping"));
    this.barriers.add(done, this.now());
    this.schedulePump();
  }

  /** False when the lease that the barrier rested on has ended since. */
  readStillValid(): boolean {
    return !this.barriers.byLease || this.options.consensus.leaseHolds(this.now());
  }

  /** A frame of a peer's replica of this group. Throws QuorateError PROTOCOL when it is malformed. */
  receive(from: NodeId, kind: FrameKind, frame: Bytes): void {
    if (this.stopped) return;
    if (kind === "consensus") {
      const message = this.options.codec.decode(frame);
      this.options.consensus.step({ type: "message", from, message }, this.now());
    } else if (this.role === "leader") {
      this.sealer.add(decodeBatch(new ByteReader(frame)), frame);
    }
    this.schedulePump();
  }

  /** The link to a peer broke: it may be dead. */
  suspect(peer: NodeId): void {
    this.options.consensus.step({ type: "suspect", peer }, this.now());
    this.schedulePump();
  }

  /** Bytes of a frame that is not whole yet came from a peer: it lives. */
  arriving(peer: NodeId): void {
    if (this.stopped) return;
    this.options.consensus.step({ type: "arriving", peer }, this.now());
  }

  /** Asks the core to hand leadership over; look at `status` for the outcome. */
  transferLeadership(to?: NodeId): void {
    this.options.consensus.step(
      to === undefined ? { type: "transfer" } : { type: "transfer", to },
      this.now(),
    );
    this.schedulePump();
  }

  /** All founders are without a past: this newcomer is one of them. */
  found(): void {
    this.options.consensus.step({ type: "found" }, this.now());
    this.schedulePump();
  }

  changeMembership(next: MembershipGoal, done: (refused: string | undefined) => void): void {
    const id = this.nextChangeId++;
    this.membershipCallbacks.set(id, done);
    this.options.consensus.step({ type: "changeMembership", id, ...next }, this.now());
    this.schedulePump();
  }

  logTimeMs(): number {
    return this.logClock.estimateMs();
  }

  congested(): boolean {
    return this.proposals.waitingBytes > this.options.congestedBytes;
  }

  /** Calls back once when `congested` is over. */
  onDrain(callback: () => void): void {
    this.drainCallbacks.push(callback);
  }

  get appliedIndex(): Index {
    return this.applier.appliedIndex;
  }

  /** The directory that a node registered in the log, or undefined. */
  directoryOf(node: NodeId): string | undefined {
    return this.applier.sessions.get(node)?.directory;
  }

  status(): ReturnType<Consensus<Message>["status"]> {
    return this.options.consensus.status(this.now());
  }

  /**
   * The state of this replica is wrong, its log is not: it goes on storing and voting, so that the others keep their majority, and
   * applies; but it answers nobody, takes no snapshot, which would outlive it and might be sent on, and leads only until another
   * can.
   */
  quarantine(): void {
    this.quarantined = true;
    this.proposals.failAll("DIVERGED");
    this.barriers.failAll(new QuorateError("DIVERGED", "the state of this node differs from a majority's"));
    if (this.role === "leader") this.transferLeadership();
  }

  /** Takes a snapshot and gives up the log before it, however short that is: it keeps a shared log from being cut. */
  releaseLog(): void {
    if (!this.stopped && !this.quarantined) this.snapshots.release();
  }

  /** Answers everything that waits with an error and ends all timers. */
  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    for (const timer of this.timers) timer.cancel();
    this.sealer.stop();
    this.timers.clear();
    this.proposals.failAll("SHUTTING_DOWN");
    this.barriers.failAll(new QuorateError("SHUTTING_DOWN", "this node is stopping"));
    for (const callback of this.drainCallbacks.splice(0)) callback();
  }

  private now(): number {
    return this.options.clock.monotonicMs();
  }

  private every(intervalMs: number, work: () => void): void {
    this.timers.add(this.options.every(intervalMs, work));
  }

  private schedulePump(): void {
    if (this.pumpScheduled || this.stopped) return;
    this.pumpScheduled = true;
    this.options.clock.endOfTurn(() => {
      this.pumpScheduled = false;
      if (!this.stopped) this.pump();
    });
  }

  /** One turn: everything that has gathered goes out, everything that was chosen is applied. */
  private pump(): void {
    this.closeBatch();
    this.barriers.start(this.now());
    // Sealed before the core draws its conclusions: a commit of this turn travels with the next entry.
    this.sealer.seal();
    this.carryOut();
    const more = this.apply();
    this.barriers.release(this.applier.appliedIndex);
    if (!more) this.failHeldUpReads();
    this.carryOut();
    if (!this.quarantined) this.snapshots.maybeTake();
    if (this.drainCallbacks.length > 0 && this.proposals.waitingBytes * 2 <= this.options.congestedBytes) {
      for (const callback of this.drainCallbacks.splice(0)) callback();
    }
    if (more || this.sealer.ready) this.schedulePump();
  }

  /** Without space, what others committed does not come here: reads that need it are refused at once, the others go on. */
  private failHeldUpReads(): void {
    const full = this.options.storage.stalled();
    if (full === undefined) return;
    const message = `this node's disk is full, and it cannot follow the log: ask another (${full.message})`;
    this.barriers.failUnapplied(this.applier.appliedIndex, new QuorateError("DISK_FULL", message));
  }

  /** Applies a slice of what was chosen; true when more is left. */
  private apply(): boolean {
    const before = this.applier.appliedIndex;
    const oldest = this.proposals.waiting()[0];
    let more = false;
    try {
      more = this.applier.run(this.commitIndex, (index) => {
        const entry = this.options.consensus.entry(index);
        if (entry !== undefined) this.snapshots.applied(entry);
        if (entry?.kind === "membership") {
          // The one in force, for an entry may name one that came too late to take effect.
          this.applier.sessions.keepOnly(this.options.consensus.membershipAt(index).identities ?? {});
        }
        return entry;
      });
    } catch (error) {
      // A state machine that throws has no defined state any more, and would differ from its peers.
      this.options.fatal(new QuorateError("INVARIANT", "applying the log failed", { cause: error }));
    }
    if (this.proposals.waiting()[0] !== oldest) this.lastProgressMs = this.now();
    if (this.applier.appliedIndex !== before) {
      this.options.consensus.step({ type: "applied", index: this.applier.appliedIndex }, this.now());
    }
    return more;
  }

  private carryOut(): void {
    for (;;) {
      const effects = this.options.consensus.drain();
      if (effects.length === 0) return;
      for (const effect of effects) this.perform(effect);
    }
  }

  private perform(effect: Effect<Message>): void {
    switch (effect.type) {
      case "write":
        return this.write(effect);
      case "send":
        return this.outbox.send(effect);
      case "commit":
        this.commitIndex = effect.upTo;
        return this.sealer.committed(effect.upTo);
      case "read":
        return this.barriers.confirmed(effect.id, effect.index, effect.lease);
      case "readFailed":
        return this.barriers.failed(effect.id);
      case "role":
        return this.onRole(effect);
      case "membership":
        return this.options.onMembership(effect.membership);
      case "membershipChange": {
        const done = this.membershipCallbacks.get(effect.id);
        this.membershipCallbacks.delete(effect.id);
        return done?.(effect.refused);
      }
      case "sendChunk":
        return this.snapshots.sendChunk(effect);
      case "storeChunk":
        return this.snapshots.storeChunk(effect);
      case "install":
        return this.snapshots.install(effect.snapshot);
    }
  }

  private write(effect: Extract<Effect<Message>, { type: "write" }>): void {
    this.sealer.writing(effect.write.entries?.at(-1)?.index);
    // Only what a leader sends is fresh: a candidate stores what it found of earlier leaders.
    if (this.role === "follower" || this.role === "learner") {
      for (const entry of effect.write.entries ?? []) {
        if (entry.kind === "command") this.logClock.observe(sealedTimeMs(entry.payload));
      }
    }
    this.options.storage.append(effect.write, () => {
      if (this.stopped) return;
      if (effect.write.floor === "reached") this.options.logger.log("info", "recovered from peers", {});
      this.sealer.written();
      this.options.consensus.step({ type: "durable", writeId: effect.id }, this.now());
      this.outbox.durable(effect.id);
      this.schedulePump();
    });
  }

  private transmit(to: NodeId, message: Message): void {
    this.options.transmit(to, "consensus", this.options.codec.encode(message));
  }

  private closeBatch(): void {
    const batch = this.proposals.close();
    if (batch !== undefined) this.submit(batch);
  }

  /** Sends one of this node's batches towards the log; without a leader or a session it waits. */
  private submit(batch: PendingBatch<Command, Reply>): void {
    if (this.session === undefined || this.leader === undefined) return;
    const record: Batch = {
      kind: "commands",
      node: this.options.id,
      session: this.session,
      abandonedFrom: batch.abandonedFrom,
      seq: batch.seq,
      body: batch.body,
    };
    batch.sent = true;
    this.toLeader(record);
  }

  private toLeader(batch: Batch): void {
    if (this.role === "leader") this.sealer.add(batch, undefined);
    else if (this.leader !== undefined) this.options.transmit(this.leader, "batch", [encodeBatch(batch)]);
  }

  private submitAll(): void {
    this.lastProgressMs = this.now();
    this.heldUpSinceMs = undefined;
    if (this.session === undefined) return this.register();
    for (const batch of this.proposals.waiting()) this.submit(batch);
  }

  private register(): void {
    if (this.leader === undefined) return;
    this.registeringSinceMs = this.now();
    const body = encodeRegistration({ nonce: this.applier.ownNonce, directory: this.options.directory });
    this.toLeader({ kind: "register", node: this.options.id, session: 0, abandonedFrom: 0, seq: 0, body });
  }

  private onRole({ role, term, leader, found = 0 }: Extract<Effect<Message>, { type: "role" }>): void {
    const changed = leader !== this.leader || term !== this.term;
    this.role = role;
    this.term = term;
    this.leader = leader;
    if (changed) {
      this.sealer.restart(role === "leader");
      this.logClock.leaderChanged(term);
      if (role === "leader") {
        const { consensus } = this.options;
        const newestMs = this.applier.newestTimeMs(this.status().lastIndex, (index) =>
          consensus.entry(index),
        );
        this.logClock.lead(newestMs, found);
      }
      if (leader !== undefined) this.submitAll();
    }
    this.options.onRole(role, term, leader);
    if (this.quarantined && role === "leader") this.transferLeadership();
  }

  private appliedSeq(node: NodeId, session: number): number {
    const known = this.applier.sessions.get(node);
    return known?.id === session ? known.lastSeq : 0;
  }

  private onGap(node: NodeId, session: number): void {
    this.sealer.forget(node, session);
    if (node === this.options.id && session === this.session) this.resendNow = true;
  }

  private onRegistered(): void {
    const session = this.applier.ownSession;
    if (session === this.session) return;
    this.session = session;
    this.registeringSinceMs = undefined;
    if (session === undefined) {
      this.options.logger.log("warn", "session displaced", { node: this.options.id });
      this.applier.ownNonce = this.drawNonce();
      return this.register();
    }
    this.proposals.renumber();
    this.submitAll();
  }

  /** Looks after everything that waits: nothing waits for ever. */
  private sweep(): void {
    const nowMs = this.now();
    this.proposals.expire(nowMs - this.options.requestTimeoutMs);
    this.barriers.expire(nowMs - RETRY_MS, nowMs - this.options.requestTimeoutMs);
    const oldest = this.proposals.waiting()[0];
    if (this.session === undefined) {
      if (this.registeringSinceMs === undefined || nowMs - this.registeringSinceMs > RETRY_MS)
        this.register();
    } else if (oldest !== undefined) {
      if (this.isHeldUp(nowMs)) this.lastProgressMs = nowMs;
      const idleMs = nowMs - Math.max(oldest.createdMs, this.lastProgressMs);
      if (this.resendNow || idleMs > RETRY_MS) this.submitAll();
    }
    this.resendNow = false;
    this.schedulePump();
  }

  /**
   * What still waits for the link is not lost, and sent again it would wait behind itself. But it need not be a batch that waits
   * there: another group may keep the link busy for as long as it likes, so this is believed no longer than a request may take.
   */
  private isHeldUp(nowMs: number): boolean {
    if (this.leader === undefined || this.options.queuedBytes(this.leader) <= CHATTER_BYTES) {
      this.heldUpSinceMs = undefined;
      return false;
    }
    this.heldUpSinceMs ??= nowMs;
    return nowMs - this.heldUpSinceMs < this.options.requestTimeoutMs;
  }

  private drawNonce(): number {
    return (this.options.random.next32() & 0x1f_ffff) * 0x1_0000_0000 + this.options.random.next32();
  }
}
