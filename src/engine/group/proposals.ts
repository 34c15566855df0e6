/**
 * The commands of this node's clients on their way through the log.
 *
 * Commands gather into numbered batches. A batch stays here until this node has applied it, and is sent again, in order,
 * whenever the leader changes or nothing moves; the session table makes that harmless. A command that is too old is
 * answered with an error that says whether it may have been carried out, and its batch becomes an empty one, so that the
 * numbers behind it are not blocked.
 */
import type { Bytes } from "../../runtime/bytes.ts";
import { NO_BYTES } from "../../runtime/bytes.ts";
import { assert, QuorateError } from "../../runtime/errors.ts";
import { ByteWriter } from "../../wire/byte-writer.ts";

/** Exactly one of the two is given. */
export type Done<Reply> = (reply: Reply | undefined, error: QuorateError | undefined) => void;

export interface PendingBatch<Command, Reply> {
  readonly seq: number;
  abandonedFrom: number;
  body: Bytes;
  commands: Command[];
  dones: Done<Reply>[];
  readonly createdMs: number;
  /** True once it left for a leader's log: from then on its outcome may be unknown. */
  sent: boolean;
}

const BATCH_MAX_BYTES = 256 * 1024;
const BATCH_MAX_COMMANDS = 2048;

export class Proposals<Command, Reply> {
  /** Waiting to be applied, by ascending seq. */
  private pending: PendingBatch<Command, Reply>[] = [];
  private writer = new ByteWriter(4096);
  private commands: Command[] = [];
  private dones: Done<Reply>[] = [];
  private openedMs = 0;
  private nextSeq = 1;
  private abandonedFrom: number | undefined;
  /** Bytes of commands that wait to be applied. */
  waitingBytes = 0;

  /** Of the commands in the open batch. */
  get openBytes(): number {
    return this.writer.size;
  }

  /** False when a command of so many bytes should begin a batch of its own: a batch is small, or a single command. */
  hasRoom(bytes: number): boolean {
    return this.commands.length === 0 || this.writer.size + bytes <= BATCH_MAX_BYTES;
  }

  /** Adds a command to the open batch, copying its bytes; true when the batch is now full and should be closed. */
  add(command: Command, encoded: Bytes, done: Done<Reply>, nowMs: number): boolean {
    if (this.commands.length === 0) this.openedMs = nowMs;
    this.writer.bytes(encoded);
    this.commands.push(command);
    this.dones.push(done);
    this.waitingBytes += encoded.length;
    return this.writer.size >= BATCH_MAX_BYTES || this.commands.length >= BATCH_MAX_COMMANDS;
  }

  /** Closes the open batch, if it holds anything, and returns it. */
  close(): PendingBatch<Command, Reply> | undefined {
    if (this.commands.length === 0) return undefined;
    const seq = this.nextSeq++;
    const batch: PendingBatch<Command, Reply> = {
      seq,
      abandonedFrom: this.takeAbandoned(seq),
      body: this.writer.take(),
      commands: this.commands,
      dones: this.dones,
      createdMs: this.openedMs,
      sent: false,
    };
    this.commands = [];
    this.dones = [];
    this.pending.push(batch);
    return batch;
  }

  /** All batches that wait, in order: what a new leader must be sent. */
  waiting(): readonly PendingBatch<Command, Reply>[] {
    return this.pending;
  }

  /** This node has applied the batch: it is removed and returned, unless it was given up before. */
  applied(seq: number): PendingBatch<Command, Reply> | undefined {
    const batch = this.pending[0];
    if (batch === undefined || batch.seq > seq) return undefined;
    assert(batch.seq === seq, "a batch was applied before an earlier one of its session");
    this.pending.shift();
    this.waitingBytes -= batch.body.length - 4 * batch.commands.length;
    return batch;
  }

  /** A snapshot that holds everything up to `seq` replaced this node's state: the replies are lost. */
  dropThrough(seq: number, code: "REPLY_LOST" | "OUTCOME_UNKNOWN"): void {
    while (this.pending[0] !== undefined && this.pending[0].seq <= seq) {
      const batch = this.pending.shift();
      if (batch !== undefined) this.fail(batch, code);
    }
  }

  /** Gives up every batch that may have been applied: sent again under another session, it would be applied twice. */
  dropSent(): void {
    const sent = this.pending.filter((batch) => batch.sent);
    this.pending = this.pending.filter((batch) => !batch.sent);
    for (const batch of sent) this.fail(batch, "OUTCOME_UNKNOWN");
  }

  /** Numbers the waiting batches anew for a new session: the old session's copies can no longer be applied. */
  renumber(): void {
    this.nextSeq = 1;
    this.abandonedFrom = undefined;
    this.pending = this.pending.filter((batch) => batch.commands.length > 0);
    this.pending = this.pending.map((batch) => {
      const seq = this.nextSeq++;
      return { ...batch, seq, abandonedFrom: seq };
    });
  }

  /** Gives up what is older than the request timeout. */
  expire(createdBeforeMs: number): void {
    for (const batch of this.pending) {
      if (batch.createdMs >= createdBeforeMs) break;
      if (batch.commands.length > 0) this.fail(batch, batch.sent ? "OUTCOME_UNKNOWN" : "NO_QUORUM");
    }
    this.collapseAbandoned();
  }

  failAll(code: "SHUTTING_DOWN" | "DIVERGED"): void {
    this.close();
    for (const batch of this.pending) this.fail(batch, batch.sent ? "OUTCOME_UNKNOWN" : code);
    this.pending = [];
  }

  /** Runs of empty batches at the front shrink into one mark on the next batch, so that giving up costs no memory. */
  private collapseAbandoned(): void {
    let from: number | undefined;
    const kept: PendingBatch<Command, Reply>[] = [];
    for (const batch of this.pending) {
      if (batch.commands.length === 0) {
        from = Math.min(from ?? batch.abandonedFrom, batch.abandonedFrom);
        continue;
      }
      if (from !== undefined) batch.abandonedFrom = Math.min(batch.abandonedFrom, from);
      from = undefined;
      kept.push(batch);
    }
    if (from !== undefined) this.abandonedFrom = from;
    this.pending = kept;
  }

  private takeAbandoned(seq: number): number {
    const from = this.abandonedFrom ?? seq;
    this.abandonedFrom = undefined;
    return from;
  }

  private fail(batch: PendingBatch<Command, Reply>, code: keyof typeof FAILURE): void {
    const dones = batch.dones;
    this.waitingBytes -= batch.body.length - 4 * batch.commands.length;
    batch.body = NO_BYTES;
    batch.commands = [];
    batch.dones = [];
    const error = new QuorateError(code, FAILURE[code]);
    for (const done of dones) done(undefined, error);
  }
}

const FAILURE = {
  REPLY_LOST: "the command was carried out, but its reply was lost while this node caught up",
  OUTCOME_UNKNOWN: "no majority confirmed the command in time; it may or may not be carried out",
  NO_QUORUM: "no leader with a majority was found in time; the command was not carried out",
  DIVERGED: "the state of this node differs from a majority's; the command was not carried out",
  SHUTTING_DOWN: "this node is stopping; the command was not carried out",
} as const;
