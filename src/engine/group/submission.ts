/**
 * How this node's batches get to the leader, and with that into the log.
 *
 * A process opens a session by registering in the log, and sends its numbered batches under it to whoever leads: each when
 * it is closed, and all that wait, in order, when the leader changes, when the log lacks an earlier one, or when none was
 * applied for a while. That costs a repeated message at worst, for the session table applies each once (`session-table.ts`).
 * Another process of this node's name displaces the session; what waits then goes on under a new one, with new numbers.
 */
import type { Bytes } from "../../runtime/bytes.ts";
import type { NodeId } from "../../runtime/world.ts";
import type { Batch } from "./batch.ts";
import { encodeBatch, encodeRegistration } from "./batch.ts";
import type { Done, PendingBatch } from "./proposals.ts";
import { Proposals } from "./proposals.ts";
import type { ReplicaOptions } from "./replica-options.ts";
import type { Session } from "./session-table.ts";

export type SubmissionOptions = Pick<
  ReplicaOptions<never, never, never>,
  | "id"
  | "directory"
  | "clock"
  | "random"
  | "logger"
  | "requestTimeoutMs"
  | "congestedBytes"
  | "transmit"
  | "queuedBytes"
>;

/** Batches without progress, and a registration without an answer, are sent again after this long. */
const RESEND_MS = 500;
/** So much always waits for a link: what the node's other groups say in the same turn. */
const CHATTER_BYTES = 64 * 1024;

export class Submission<Command, Reply> {
  private readonly options: SubmissionOptions;
  private readonly takeIn: (batch: Batch) => void;
  private readonly proposals = new Proposals<Command, Reply>();
  private readonly drainCallbacks: (() => void)[] = [];
  private leader: NodeId | undefined;
  /** The session of this process, once its registration was applied. */
  private session: number | undefined;
  /** Tells this process's registration from that of any other of its name. */
  private nonce: number;
  private registeringSinceMs: number | undefined;
  private lastProgressMs = 0;
  /** Since when nothing was sent again for the link's sake. */
  private heldUpSinceMs: number | undefined;
  private resendNow = false;

  /** `takeIn` gives a batch to this node's own intake, when it leads. */
  constructor(options: SubmissionOptions, takeIn: (batch: Batch) => void) {
    this.options = options;
    this.takeIn = takeIn;
    this.nonce = this.drawNonce();
  }

  /** Adds a command to the open batch. `done` is called once: with the reply of this node's apply, or with an error. */
  propose(command: Command, encoded: Bytes, done: Done<Reply>): void {
    if (!this.proposals.hasRoom(encoded.length)) this.closeBatch();
    const full = this.proposals.add(command, encoded, done, this.now());
    if (full) this.closeBatch();
  }

  /** Of the commands in the open batch. */
  get openBytes(): number {
    return this.proposals.openBytes;
  }

  /** Nobody here waits for a command to be applied. */
  get idle(): boolean {
    return this.proposals.waitingBytes === 0 && this.drainCallbacks.length === 0;
  }

  /** The open batch, if it holds anything, leaves for the leader; without one or a session it waits. */
  closeBatch(): void {
    const batch = this.proposals.close();
    if (batch !== undefined) this.submit(batch);
  }

  /** True while too many bytes wait to be applied: nobody should give more. */
  congested(): boolean {
    return this.proposals.waitingBytes > this.options.congestedBytes;
  }

  /** Calls back once when half of the limit is free. */
  onDrain(callback: () => void): void {
    this.drainCallbacks.push(callback);
  }

  /** Calls those back that wait for it, if there is room now. */
  tellDrained(): void {
    if (this.drainCallbacks.length === 0) return;
    if (this.proposals.waitingBytes * 2 > this.options.congestedBytes) return;
    for (const callback of this.drainCallbacks.splice(0)) callback();
  }

  /** Another leader, or another term of the same one: what earlier ones had taken in may be lost. */
  follow(leader: NodeId | undefined): void {
    this.leader = leader;
    if (leader !== undefined) this.submitAll();
  }

  /** A batch of this node's name is being applied: gives what its clients wait for, undefined when none of them does. */
  applied(session: number, seq: number): PendingBatch<Command, Reply> | undefined {
    if (session !== this.session) return undefined;
    const batch = this.proposals.applied(seq);
    if (batch !== undefined) this.lastProgressMs = this.now();
    return batch;
  }

  /** A batch of the session was refused at apply, because an earlier one is missing. */
  refusedForGap(session: number): void {
    if (session === this.session) this.resendNow = true;
  }

  /** A registration of this node's name was applied; `session`: what the session table holds for it now. */
  registered(session: Session | undefined): void {
    this.adopt(session, false);
  }

  /** A snapshot has replaced the replicated state; `session`: what its session table holds for this node. */
  restored(session: Session | undefined): void {
    this.adopt(session, true);
  }

  /** Gives up what is too old, and sends again what was lost: to be called many times a second. */
  sweep(): void {
    const nowMs = this.now();
    this.proposals.expire(nowMs - this.options.requestTimeoutMs);
    const oldest = this.proposals.waiting()[0];
    if (this.session === undefined) {
      if (this.registeringSinceMs === undefined || nowMs - this.registeringSinceMs > RESEND_MS)
        this.register();
    } else if (oldest !== undefined) {
      if (this.isHeldUp(nowMs)) this.lastProgressMs = nowMs;
      const idleMs = nowMs - Math.max(oldest.createdMs, this.lastProgressMs);
      if (this.resendNow || idleMs > RESEND_MS) this.submitAll();
    }
    this.resendNow = false;
  }

  /** Answers everything that waits with an error. */
  failAll(code: "SHUTTING_DOWN" | "DIVERGED"): void {
    this.proposals.failAll(code);
  }

  private now(): number {
    return this.options.clock.monotonicMs();
  }

  private submitAll(): void {
    this.lastProgressMs = this.now();
    this.heldUpSinceMs = undefined;
    if (this.session === undefined) return this.register();
    for (const batch of this.proposals.waiting()) this.submit(batch);
  }

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
    this.send(this.leader, record);
  }

  private register(): void {
    if (this.leader === undefined) return;
    this.registeringSinceMs = this.now();
    const { id, directory } = this.options;
    const body = encodeRegistration({ nonce: this.nonce, directory });
    this.send(this.leader, { kind: "register", node: id, session: 0, abandonedFrom: 0, seq: 0, body });
  }

  private send(leader: NodeId, batch: Batch): void {
    if (leader === this.options.id) this.takeIn(batch);
    else this.options.transmit(leader, "batch", [encodeBatch(batch)]);
  }

  /** `unseen`: what came between the last applied entry and this was not applied here, but is in a snapshot. */
  private adopt(session: Session | undefined, unseen: boolean): void {
    const own = session?.nonce === this.nonce ? session : undefined;
    if (own !== undefined) this.proposals.dropThrough(own.lastSeq, "REPLY_LOST");
    if (own?.id === this.session) return;
    // The session ended inside the snapshot: which of its batches were applied before that, nobody knows any more.
    if (unseen && this.session !== undefined) this.proposals.dropSent();
    this.session = own?.id;
    this.registeringSinceMs = undefined;
    if (own === undefined) {
      this.options.logger.log("warn", "session displaced", { node: this.options.id });
      this.nonce = this.drawNonce();
      return this.register();
    }
    this.proposals.renumber();
    this.submitAll();
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
