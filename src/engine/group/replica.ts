/**
 * group: one replicated log at work on one node.
 *
 * The replica drives a consensus core: it steps every input of an event-loop turn, then carries out the effects (one
 * write to the log, one message per peer), applies what was chosen and answers this node's clients. Commands of clients
 * become numbered batches (`proposals.ts`) that are brought to the leader (`submission.ts`), sealed into entries there
 * (`sealer.ts`), and applied in the same order on every replica (`applier.ts`). Reads wait for a barrier (`barriers.ts`).
 */
import type { Consensus, Effect, Index, Input, Role, Term } from "../../consensus/consensus.ts";
import type { MembershipGoal } from "../../consensus/membership.ts";
import type { Bytes } from "../../runtime/bytes.ts";
import { QuorateError } from "../../runtime/errors.ts";
import type { NodeId, Timer } from "../../runtime/world.ts";
import { ByteReader } from "../../wire/byte-reader.ts";
import { Applier } from "./applier.ts";
import type { BarrierDone } from "./barriers.ts";
import { Barriers } from "./barriers.ts";
import { decodeBatch, sealedTimeMs } from "./batch.ts";
import { LogClock } from "./log-clock.ts";
import { Outbox } from "./outbox.ts";
import type { Done } from "./proposals.ts";
import type { FrameKind, ReplicaOptions } from "./replica-options.ts";
import { Sealer } from "./sealer.ts";
import type { SaveDone, SnapshotStatus } from "./snapshots.ts";
import { Snapshots } from "./snapshots.ts";
import { Submission } from "./submission.ts";

/** How often unanswered work is looked at. */
const SWEEP_MS = 50;
/** A barrier that was not confirmed for this long is asked for again. */
const RETRY_MS = 500;

export class Replica<Command, Reply, Message> {
  private readonly options: ReplicaOptions<Command, Reply, Message>;
  private readonly logClock: LogClock;
  private readonly outbox: Outbox<Message>;
  private readonly sealer: Sealer;
  private readonly submission: Submission<Command, Reply>;
  private readonly barriers: Barriers;
  private readonly applier: Applier<Command, Reply>;
  private readonly snapshots: Snapshots<Command, Reply, Message>;
  private readonly timers: Timer[] = [];
  private readonly membershipCallbacks = new Map<number, (refused: string | undefined) => void>();
  private commitIndex: Index = 0;
  private role: Role = "follower";
  private term: Term = 0;
  private leader: NodeId | undefined;
  private pumpScheduled = false;
  /** What was chosen is applied in this turn, whatever is on its way to the disk. */
  private applyDue = false;
  private stopped = false;
  private quarantined = false;
  private nextChangeId = 1;

  constructor(options: ReplicaOptions<Command, Reply, Message>) {
    this.options = options;
    this.logClock = new LogClock(options.timeSource ?? options.clock);
    this.outbox = new Outbox((to, message) => this.transmit(to, message));
    this.sealer = new Sealer({
      id: options.id,
      clock: options.clock,
      logClock: this.logClock,
      entryMaxBytes: options.entryMaxBytes,
      applied: (node, session) => this.applier.sessions.lastSeq(node, session),
      upkeep: (nowMs) => options.machine.upkeep(nowMs),
      accepts: (bytes) => options.consensus.accepts(bytes),
      propose: (payload, awaitedBy) =>
        options.consensus.step({ type: "propose", payload, awaitedBy }, this.now()),
      announce: () => options.consensus.step({ type: "announce" }, this.now()),
      wake: () => this.schedulePump(),
    });
    this.submission = new Submission(options, (batch) => this.sealer.add(batch, undefined));
    this.barriers = new Barriers((id) => options.consensus.step({ type: "read", id }, this.now()));
    this.applier = new Applier({
      self: options.id,
      machine: options.machine,
      submission: this.submission,
      clock: options.clock,
      forgetSessionsInSnapshot: options.forgetSessionsInSnapshot ?? false,
      events: {
        gap: (node, session) => {
          this.sealer.forget(node, session);
          if (node === options.id) this.submission.refusedForGap(session);
        },
        compared: (index, digest) => options.onDigest(index, digest),
      },
    });
    this.snapshots = new Snapshots(
      {
        consensus: options.consensus,
        applier: this.applier,
        storage: options.storage,
        logger: options.logger,
        everyBytes: options.snapshotEveryBytes,
        trailingBytes: options.snapshotTrailingBytes,
        nowMs: () => this.now(),
        wallMs: () => options.clock.wallMs(),
        sendChunk: (to, message, chunk) => this.transmit(to, options.codec.withChunk(message, chunk)),
        pump: () => this.schedulePump(),
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
    const { clock, heartbeatIntervalMs } = this.options;
    const tick = (): void => {
      if (!this.stopped) this.step({ type: "tick" });
    };
    // What has arrived by now is read before the core hears that time has passed: a late tick must not outrun the
    // messages of a live leader that wait in the socket.
    this.timers.push(this.options.every(heartbeatIntervalMs / 2, () => clock.endOfTurn(tick)));
    this.timers.push(this.options.every(SWEEP_MS, () => this.sweep()));
    this.schedulePump();
  }

  /** Puts a command into the log. `done` is called once: with the reply of this node's apply, or with an error. */
  propose(command: Command, encoded: Bytes, done: Done<Reply>): void {
    if (this.stopped) return done(undefined, new QuorateError("SHUTTING_DOWN", "this node is stopping"));
    const refusal = this.refusal() ?? this.tooLarge(encoded.length);
    if (refusal !== undefined) return done(undefined, refusal);
    this.submission.propose(command, encoded, done);
    if (!this.sealer.holdsBack(this.submission.openBytes)) this.schedulePump();
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
    const { codec } = this.options;
    if (kind === "consensus") return this.step({ type: "message", from, message: codec.decode(frame) });
    if (this.role === "leader") this.sealer.add(decodeBatch(new ByteReader(frame)), frame);
    this.schedulePump();
  }

  /** The link to a peer broke: it may be dead. */
  suspect(peer: NodeId): void {
    this.step({ type: "suspect", peer });
  }

  /** Bytes of a frame that is not whole yet came from a peer: it lives. */
  arriving(peer: NodeId): void {
    if (!this.stopped) this.options.consensus.step({ type: "arriving", peer }, this.now());
  }

  /** Asks the core to hand leadership over; look at `status` for the outcome. */
  transferLeadership(to?: NodeId): void {
    this.step(to === undefined ? { type: "transfer" } : { type: "transfer", to });
  }

  /** All founders are without a past: this newcomer is one of them. */
  found(): void {
    this.step({ type: "found" });
  }

  changeMembership(next: MembershipGoal, done: (refused: string | undefined) => void): void {
    const id = this.nextChangeId++;
    this.membershipCallbacks.set(id, done);
    this.step({ type: "changeMembership", id, ...next });
  }

  logTimeMs(): number {
    return this.logClock.estimateMs();
  }

  /** True while too many bytes of commands wait for the log: the servers stop reading. */
  congested(): boolean {
    return this.submission.congested();
  }

  /** Calls back once when `congested` is over. */
  onDrain(callback: () => void): void {
    this.submission.onDrain(callback);
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
    this.submission.failAll("DIVERGED");
    this.barriers.failAll(diverged());
    if (this.role === "leader") this.transferLeadership();
  }

  /** Takes a snapshot and gives up the log before it, however short that is: it keeps a shared log from being cut. */
  releaseLog(): void {
    if (!this.stopped && !this.quarantined) this.snapshots.release();
  }

  /**
   * Asks for a snapshot, which is taken at the end of the turn, between entries. `done` comes when it, or a later one, is durable;
   * with DIVERGED, DISK_FULL or SHUTTING_DOWN when there is none. None may be under way.
   */
  saveSnapshot(done: SaveDone): void {
    if (this.stopped) return done(new QuorateError("SHUTTING_DOWN", "this node is stopping"));
    if (this.quarantined) return done(diverged());
    this.snapshots.save(done);
    this.schedulePump();
  }

  snapshotStatus(): SnapshotStatus {
    return this.snapshots.status;
  }

  /** Answers everything that waits with an error and ends all timers. */
  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    for (const timer of this.timers.splice(0)) timer.cancel();
    this.sealer.stop();
    this.submission.failAll("SHUTTING_DOWN");
    const stopping = new QuorateError("SHUTTING_DOWN", "this node is stopping");
    this.barriers.failAll(stopping);
    this.snapshots.refuse(stopping);
    this.submission.tellDrained();
  }

  private now(): number {
    return this.options.clock.monotonicMs();
  }

  /** Tells the core; what it says to that is carried out at the end of the turn. */
  private step(input: Input<Message>): void {
    this.options.consensus.step(input, this.now());
    this.schedulePump();
  }

  private schedulePump(): void {
    if (this.pumpScheduled || this.stopped) return;
    this.pumpScheduled = true;
    this.options.clock.endOfTurn(() => {
      this.pumpScheduled = false;
      if (!this.stopped) this.pump();
    });
  }

  /** One turn: everything that has gathered goes out; then, or where nobody waits a little later, what was chosen is applied. */
  private pump(): void {
    this.submission.closeBatch();
    this.barriers.start(this.now());
    // Sealed before the core draws its conclusions: a commit of this turn travels with the next entry.
    this.sealer.seal();
    this.carryOut();
    if (this.mayApplyLater()) return;
    this.applyDue = false;
    // What was written and sent leaves before anything is applied: the disk and the other nodes work meanwhile.
    this.options.clock.endOfTurn(() => {
      if (!this.stopped) this.applyChosen();
    });
  }

  /**
   * Where no client waits for it, what was chosen is applied when the write that is under way has been acknowledged, or by the
   * next sweep: the leader's clients wait for that acknowledgement, and the thread that writes for a processor to run on. What
   * applying tells others than who asked (subscribers of this node) comes so much later.
   */
  private mayApplyLater(): boolean {
    if (this.applyDue || !this.sealer.isWriting || this.role === "leader") return false;
    return this.submission.idle && this.barriers.idle;
  }

  private applyChosen(): void {
    const more = this.apply();
    this.barriers.release(this.applier.appliedIndex);
    if (!more) this.failHeldUpReads();
    this.carryOut();
    if (this.quarantined) this.snapshots.refuse(diverged());
    else this.snapshots.maybeTake();
    this.submission.tellDrained();
    if (more) this.applyDue = true;
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
    if (this.applier.appliedIndex !== before) {
      this.options.consensus.step({ type: "applied", index: this.applier.appliedIndex }, this.now());
    }
    return more;
  }

  private carryOut(): void {
    for (;;) {
      const effects = this.options.consensus.drain();
      if (effects.length === 0) return;
      // Messages stand in line before the write: to others and back is the longer way.
      for (const effect of effects) if (effect.type === "send") this.outbox.send(effect);
      for (const effect of effects) this.perform(effect);
    }
  }

  private perform(effect: Effect<Message>): void {
    switch (effect.type) {
      case "write":
        return this.write(effect);
      case "send":
        return; // It stands in line already.
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
      this.applyDue = true;
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

  private onRole({ role, term, leader, found = 0 }: Extract<Effect<Message>, { type: "role" }>): void {
    const changed = leader !== this.leader || term !== this.term;
    this.role = role;
    this.term = term;
    this.leader = leader;
    if (changed) {
      this.sealer.restart(role === "leader");
      this.logClock.leaderChanged(term, this.applier.timeMs);
      if (role === "leader") {
        const { consensus } = this.options;
        const newestMs = this.applier.newestTimeMs(this.status().lastIndex, (index) =>
          consensus.entry(index),
        );
        this.logClock.lead(newestMs, found);
      }
      this.submission.follow(leader);
    }
    this.options.onRole(role, term, leader);
    if (this.quarantined && role === "leader") this.transferLeadership();
  }

  /** Looks after everything that waits: nothing waits for ever. */
  private sweep(): void {
    const nowMs = this.now();
    this.submission.sweep();
    this.barriers.expire(nowMs - RETRY_MS, nowMs - this.options.requestTimeoutMs);
    this.applyDue = true;
    this.schedulePump();
  }
}

function diverged(): QuorateError {
  return new QuorateError("DIVERGED", "the state of this node differs from a majority's");
}
