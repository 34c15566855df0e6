/** The commands of a connection whose replies have not left, in order; each is counted when it is answered. */
import { OUT_OF_MEMORY, ReplyError } from "../../keyspace/reply.ts";
import type { Connection } from "./connection.ts";
import { PAUSED_PENDING } from "./pause-reasons.ts";
import { encodeReply } from "./reply-encoder.ts";
import type { Outcome, Request } from "./request.ts";
import { MixedReplies, NO_REPLY, SeveralReplies } from "./request.ts";

/** A connection's own commands in flight, and their bytes, before its socket is left unread. */
const PENDING_MAX = 16_384;
const PENDING_MAX_BYTES = 64 << 20;
/** Replies are joined up to here before they go to the connection. */
const JOIN_MAX_BYTES = 64 << 10;
/** Places of answered commands before the list begins anew; emptied each time, it would be allocated for each command. */
const ANSWERED_MIN = 64;
const ANSWERED_MAX = 1024;

const NOT_ENCODABLE = new ReplyError("ERR internal error: the reply of this command cannot be written");
const TOO_LONG = new ReplyError("ERR the reply is longer than a string can be");

export class ReplyQueue {
  private readonly connection: Connection;
  /** Oldest unanswered at `head`; undefined before it. */
  private slots: (Request | undefined)[] = [];
  private head = 0;
  private pendingBytes = 0;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  /** Commands that wait for their reply, or for the replies before it. */
  get pending(): number {
    return this.slots.length - this.head;
  }

  get full(): boolean {
    return this.pending >= PENDING_MAX || this.pendingBytes >= PENDING_MAX_BYTES;
  }

  add(request: Request): void {
    this.slots.push(request);
    this.pendingBytes += request.sizeBytes;
  }

  clear(): void {
    this.slots = [];
    this.head = 0;
    this.pendingBytes = 0;
  }

  /** Answers a command; its reply leaves when those before it have left. */
  settle(request: Request, outcome: Outcome): void {
    this.answer(request, outcome);
    if (this.slots[this.head] === request) this.drain();
  }

  /** As `settle`, for the first of `requests`, which came one behind the other: one for each outcome. */
  settleAll(requests: readonly Request[], outcomes: readonly Outcome[]): void {
    for (let at = 0; at < outcomes.length; at += 1) this.answer(requests[at]!, outcomes[at]!);
    if (outcomes.length > 0 && this.slots[this.head] === requests[0]) this.drain();
  }

  private answer(request: Request, outcome: Outcome): void {
    const { server } = this.connection;
    const { statistics } = request.route;
    const microseconds = (server.turn.nowMs() - request.arrivedMs) * 1000;
    statistics.microseconds += microseconds;
    // Refused where it was applied, but as in Redis not carried out.
    const rejected = outcome === OUT_OF_MEMORY;
    // CONFIG RESETSTAT may have come since it was counted.
    if (rejected) statistics.calls = Math.max(0, statistics.calls - 1);
    else if (request.counted) statistics.latencies.record(microseconds);
    if (outcome instanceof ReplyError) {
      if (rejected) statistics.rejected += 1;
      else statistics.failed += 1;
      server.errors.count(outcome);
    }
    // What names no command has no time of arrival.
    if (request.arrivedMs > 0 && microseconds >= server.slowLog.thresholdMicroseconds) {
      server.slowLog.add(this.connection, request, microseconds);
    }
    // CLIENT REPLY OFF or not, who subscribes is told, as of the messages that follow.
    const told = outcome instanceof SeveralReplies;
    request.text = request.silent && !told ? "" : this.encode(request, outcome);
  }

  private encode(request: Request, outcome: Outcome): string {
    if (outcome === NO_REPLY) return "";
    const { version } = request;
    try {
      if (outcome instanceof MixedReplies) {
        const { replies, versions } = outcome;
        return `*${replies.length}\r\n${replies.map((reply, at) => encodeReply(reply, versions[at]!)).join("")}`;
      }
      if (!(outcome instanceof SeveralReplies)) return encodeReply(outcome, version);
      let text = "";
      for (const reply of outcome.replies) text += encodeReply(reply, version);
      return text;
    } catch (error) {
      // V8's strings end at 512 MiB. Anything else is a defect of one command, and no reason to stop the node.
      if (error instanceof RangeError) return encodeReply(TOO_LONG, version);
      const command = request.route.spec.name;
      this.connection.server.logger.log("error", "resp.reply-not-encodable", {
        command,
        error: String(error),
      });
      return encodeReply(NOT_ENCODABLE, version);
    }
  }

  /** Sends the replies that are next in order. */
  private drain(): void {
    const { connection, slots } = this;
    let text = "";
    let head = this.head;
    while (head < slots.length) {
      const slot = slots[head]!;
      if (slot.text === undefined) break;
      if (text.length + slot.text.length > JOIN_MAX_BYTES) {
        connection.send(text);
        text = "";
      }
      text += slot.text;
      this.pendingBytes -= slot.sizeBytes;
      slots[head] = undefined;
      head += 1;
    }
    if (head === slots.length && head >= ANSWERED_MIN) {
      slots.length = 0;
      head = 0;
    } else if (head >= ANSWERED_MAX) {
      slots.splice(0, head);
      head = 0;
    }
    this.head = head;
    connection.send(text);
    if (this.pending === 0) connection.settled();
    if (this.pending * 2 < PENDING_MAX && this.pendingBytes * 2 < PENDING_MAX_BYTES) {
      connection.resume(PAUSED_PENDING);
    }
  }
}
