/** One client: its socket, its state, the bytes that wait to leave, and when it may be read from. */
import type { Socket } from "node:net";
import type { Bytes } from "../../../runtime/bytes.ts";
import { RequestParser } from "../../../wire/resp/request-parser.ts";
import type { WatchedKey } from "../../keyspace/keyspace-command.ts";
import type { Reply } from "../../keyspace/reply.ts";
import type { ServerContext } from "./context.ts";
import { PAUSED_OUTPUT } from "./pause-reasons.ts";
import { Pipeline } from "./pipeline.ts";
import type { RespVersion } from "./reply-encoder.ts";
import { encodeReply } from "./reply-encoder.ts";
import type { Transaction } from "./transaction-queue.ts";
import type { Flushable } from "./turn.ts";

/** Replies gathered beyond this leave before the turn ends. */
const GATHER_MAX_BYTES = 1 << 20;
/** A client that does not take its replies is not read from while this much waits for it. */
const OUTPUT_HIGH_BYTES = 1 << 20;
/** How long a connection that is being closed may take to accept its last bytes. */
const CLOSING_MS = 5000;

export interface SubscriptionSets {
  readonly channels: Set<string>;
  readonly patterns: Set<string>;
  readonly shards: Set<string>;
}

export class Connection implements Flushable {
  readonly id: number;
  readonly server: ServerContext;
  readonly socket: Socket;
  readonly parser: RequestParser;
  readonly pipeline: Pipeline;
  readonly remoteAddress: string;
  readonly localAddress: string;
  readonly createdMs: number = Date.now();

  database = 0;
  version: RespVersion = 2;
  name = "";
  libraryName = "";
  libraryVersion = "";
  authenticated: boolean;
  replyMode: "on" | "off" | "skip-next" | "skip" = "on";
  noEvict = false;
  /** READONLY was sent. */
  readOnly = false;
  /** It asked who holds which slot, so it understands MOVED. */
  clusterAware = false;
  monitoring = false;
  transaction: Transaction | undefined;
  /** By "database:key". */
  readonly watched: Map<string, WatchedKey> = new Map();
  /** What its watched keys, and its subscriptions, take (`kept-names.ts`). */
  watchedBytes = 0;
  subscribedBytes = 0;
  lastCommand = "NULL";
  lastCommandMs: number = Date.now();
  commandCount = 0;

  /** Most connections never subscribe, and every command asks whether this one has. */
  private sets: SubscriptionSets | undefined;
  private out = "";
  private flushing = false;
  private pausedFor = 0;
  private closing = false;
  private inputEnded = false;
  private closingSinceMs = 0;
  /** Since when too much waits for a subscriber. */
  private slowSinceMs = 0;

  constructor(id: number, socket: Socket, server: ServerContext) {
    this.id = id;
    this.socket = socket;
    this.server = server;
    this.parser = new RequestParser(server.settings.requestLimits());
    this.authenticated = server.settings.password === "";
    this.parser.limits.restricted = !this.authenticated;
    this.pipeline = new Pipeline(this);
    this.remoteAddress = addressText(socket.remoteAddress, socket.remotePort);
    this.localAddress = addressText(socket.localAddress, socket.localPort);
    socket.on("drain", () => this.onDrained());
    socket.on("end", () => this.onInputEnd());
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.onClosed());
  }

  get open(): boolean {
    return !this.closing && !this.socket.destroyed;
  }

  /** In RESP2 a subscribed connection may do little else. */
  get subscribed(): boolean {
    return this.sets !== undefined && (this.subscriptionCount > 0 || this.sets.shards.size > 0);
  }

  get subscriptions(): SubscriptionSets {
    return (this.sets ??= { channels: new Set(), patterns: new Set(), shards: new Set() });
  }

  get subscriptionCount(): number {
    return this.sets === undefined ? 0 : this.sets.channels.size + this.sets.patterns.size;
  }

  /** Bytes of replies that have not left the process. */
  get outputBytes(): number {
    return this.out.length + this.socket.writableLength;
  }

  /** Appends encoded replies to what leaves at the end of the turn, or before others are answered. */
  send(text: string): void {
    if (!this.gather(text) || this.flushing) return;
    this.flushing = true;
    this.server.turn.flushReply(this);
  }

  /** A message that no command asked for (pub/sub, MONITOR): sent whatever CLIENT REPLY says. */
  push(reply: Reply): void {
    this.pushText(encodeReply(reply, this.version));
  }

  pushText(text: string): void {
    if (this.gather(text)) this.flushLater();
    this.limitSubscriberOutput();
  }

  /** Everything was answered: the moment to end, if an end was asked for. */
  settled(): void {
    if (this.closing || this.inputEnded) this.flushLater();
  }

  flush(): void {
    this.flushing = false;
    this.writeOut();
    this.finishIfDone();
  }

  /** Stops reading for one more reason; bytes already here are left in the parser. */
  pause(reason: number): void {
    if (this.pausedFor === 0) this.socket.pause();
    this.pausedFor |= reason;
  }

  /** One reason less; goes on with what is here and then with the socket. */
  resume(reason: number): void {
    if ((this.pausedFor & reason) === 0) return;
    this.pausedFor &= ~reason;
    this.pipeline.run();
    if (this.pausedFor !== 0 || !this.open) return;
    this.socket.resume();
    this.settled();
  }

  isPaused(reasons: number): boolean {
    return (this.pausedFor & reasons) !== 0;
  }

  /** No more commands; the connection ends when the replies that are due have left. */
  closeAfterReplies(): void {
    if (this.closing) return;
    this.closing = true;
    this.closingSinceMs = Date.now();
    this.flushLater();
  }

  destroy(): void {
    this.closing = true;
    this.socket.destroy();
  }

  /** Called about once a second: ends what has waited too long. */
  sweep(nowMs: number): void {
    if (this.closing && !this.pipeline.busy && nowMs - this.closingSinceMs > CLOSING_MS)
      return this.destroy();
    this.limitSubscriberOutput();
    const { idleTimeoutMs } = this.server.settings;
    const mayIdle = this.subscribed || this.monitoring;
    if (idleTimeoutMs > 0 && !mayIdle && !this.pipeline.busy && nowMs - this.lastCommandMs > idleTimeoutMs) {
      this.destroy();
    }
  }

  /** `chunk` up to `length` has arrived; the caller will write over it. */
  received(chunk: Buffer, length: number): void {
    const { statistics, settings, turn } = this.server;
    statistics.inputBytes += length;
    statistics.reads += 1;
    this.lastCommandMs = Date.now();
    if (this.closing) return;
    turn.reading = true;
    try {
      // A Buffer is what `Bytes` describes.
      this.parser.push(chunk as unknown as Bytes, length);
      this.pipeline.run();
      this.parser.letGo();
    } finally {
      turn.reading = false;
    }
    if (this.parser.bufferedBytes > settings.queryBufferMaxBytes) {
      this.server.logger.log("warn", "resp.query-buffer-limit", { client: this.remoteAddress });
      this.destroy();
    }
  }

  /** Appends to what will be written; false when there is nothing to write, or nobody to read it. */
  private gather(text: string): boolean {
    if (text === "" || this.socket.destroyed) return false;
    // Never joined beyond the bound: two long replies together could be longer than a string can be.
    if (this.out.length + text.length > GATHER_MAX_BYTES) this.writeOut();
    this.out += text;
    return true;
  }

  private flushLater(): void {
    if (this.flushing) return;
    this.flushing = true;
    this.server.turn.flushLater(this);
  }

  private onDrained(): void {
    this.slowSinceMs = 0;
    this.resume(PAUSED_OUTPUT);
    this.pipeline.outputDrained();
  }

  /** The client sends no more (it may have only half closed): what it sent is still answered. */
  private onInputEnd(): void {
    this.inputEnded = true;
    this.finishIfDone();
  }

  private finishIfDone(): void {
    if (this.pipeline.busy || this.out !== "") return;
    // After a half close, commands may still be in the parser while the client takes the replies before them.
    if (this.closing || (this.inputEnded && this.pausedFor === 0)) {
      this.closing = true;
      if (this.closingSinceMs === 0) this.closingSinceMs = Date.now();
      if (!this.socket.destroyed && !this.socket.writableEnded) this.socket.end(() => this.socket.destroy());
    }
  }

  private onClosed(): void {
    this.closing = true;
    this.out = "";
    this.pipeline.abandon();
    this.server.pubsub.leave(this);
    this.server.monitors.delete(this);
    this.server.clients.delete(this.id);
  }

  private writeOut(): void {
    const text = this.out;
    if (text === "" || this.socket.destroyed || this.socket.writableEnded) {
      this.out = "";
      return;
    }
    this.out = "";
    this.server.statistics.outputBytes += text.length;
    this.server.statistics.writes += 1;
    this.socket.write(text, "latin1");
    if (this.socket.writableLength > OUTPUT_HIGH_BYTES) this.pause(PAUSED_OUTPUT);
  }

  /** Redis's client-output-buffer-limit for class pubsub: a reader that cannot keep up is let go. */
  private limitSubscriberOutput(): void {
    const waiting = this.outputBytes;
    const { hardBytes, softBytes, softMs } = this.server.settings.subscriberOutput;
    if (waiting < softBytes || softBytes === 0) this.slowSinceMs = 0;
    if (!this.subscribed && !this.monitoring) return;
    const overSoft = softBytes > 0 && waiting > softBytes;
    if (overSoft && this.slowSinceMs === 0) this.slowSinceMs = Date.now();
    const tooLong = overSoft && Date.now() - this.slowSinceMs > softMs;
    if ((hardBytes > 0 && waiting > hardBytes) || tooLong) {
      this.server.statistics.outputLimitDisconnections += 1;
      this.server.logger.log("warn", "resp.output-limit", {
        client: this.remoteAddress,
        waitingBytes: waiting,
      });
      this.destroy();
    }
  }
}

function addressText(address: string | undefined, port: number | undefined): string {
  if (address === undefined) return "?:0";
  const plain = address.startsWith("::ffff:") ? address.slice(7) : address;
  return plain.includes(":") ? `[${plain}]:${port}` : `${plain}:${port}`;
}
