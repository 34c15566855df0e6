/**
 * PUBLISH across the cluster: at most once, to the subscribers of every node that can be reached, outside the log.
 *
 * The publisher's reply counts the receivers on all nodes that answered within the deadline.
 */
import type { Bytes } from "../../runtime/bytes.ts";
import type { Clock, NodeId, Timer } from "../../runtime/world.ts";
import { ByteReader } from "../../wire/byte-reader.ts";
import { ByteWriter } from "../../wire/byte-writer.ts";

const ANSWER_MS = 200;
/** Publications that wait for answers; beyond, the reply counts only this node's subscribers. */
const WAITING_MAX = 10_000;

interface Publication {
  readonly awaited: Set<NodeId>;
  receivers: number;
  readonly done: (receivers: number) => void;
  readonly timer: Timer;
}

export class Publisher {
  private readonly clock: Clock;
  private readonly send: (to: NodeId, kind: "publish" | "published", content: Bytes) => void;
  private readonly waiting = new Map<number, Publication>();
  private nextId = 1;
  /** Delivers to this node's subscribers. */
  deliver: (channel: string, message: string) => number = () => 0;

  constructor(clock: Clock, send: (to: NodeId, kind: "publish" | "published", content: Bytes) => void) {
    this.clock = clock;
    this.send = send;
  }

  publish(
    channel: string,
    message: string,
    livePeers: readonly NodeId[],
    done: (receivers: number) => void,
  ): void {
    const receivers = this.deliver(channel, message);
    const expectAnswers = livePeers.length > 0 && this.waiting.size < WAITING_MAX;
    const id = expectAnswers ? this.nextId++ : 0;
    const content = new ByteWriter(channel.length + message.length + 16)
      .uint53(id)
      .string(channel)
      .string(message);
    const bytes = content.take();
    for (const peer of livePeers) this.send(peer, "publish", bytes);
    if (!expectAnswers) return done(receivers);
    const timer = this.clock.setTimer(ANSWER_MS, () => this.finish(id));
    this.waiting.set(id, { awaited: new Set(livePeers), receivers, done, timer });
  }

  /** A peer published: deliver here and tell it how many received it. */
  onPublish(from: NodeId, content: Bytes): void {
    const reader = new ByteReader(content);
    const id = reader.uint53();
    const receivers = this.deliver(reader.string(), reader.string());
    if (id > 0) this.send(from, "published", new ByteWriter(16).uint53(id).uint53(receivers).take());
  }

  onPublished(from: NodeId, content: Bytes): void {
    const reader = new ByteReader(content);
    const id = reader.uint53();
    const publication = this.waiting.get(id);
    if (publication === undefined || !publication.awaited.delete(from)) return;
    publication.receivers += reader.uint53();
    if (publication.awaited.size === 0) this.finish(id);
  }

  stop(): void {
    for (const id of this.waiting.keys()) this.finish(id);
  }

  private finish(id: number): void {
    const publication = this.waiting.get(id);
    if (publication === undefined) return;
    this.waiting.delete(id);
    publication.timer.cancel();
    publication.done(publication.receivers);
  }
}
