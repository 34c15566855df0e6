/**
 * The receiving side of pipelines: a node that takes packets for its replica, hands them on to the next node before it writes
 * them, and acknowledges what is written here and behind. A stream ends at the first thing that goes wrong, with the name of
 * the node to blame; what was written stays, for whoever goes on.
 *
 * Blame: a node that is slow itself says so before those who wait for it give up, because each waits a second longer for every
 * node that is behind it.
 */
import { viewBytes } from "../../../runtime/bytes.ts";
import type { QuorateError } from "../../../runtime/errors.ts";
import type { NodeId, Timer } from "../../../runtime/world.ts";
import type { BlockLink, FrameOf } from "./block-link.ts";
import { failureOf } from "./block-link.ts";
import type { BlockStore, ReplicaWriter } from "./block-store.ts";
import { release, retain } from "./buffer-pool.ts";
import type { StreamFailure, StreamId } from "./protocol.ts";
import { PIPELINE_EARLY_BYTES, STREAM_SILENCE_MS } from "./protocol.ts";

/** Pipelines through one node at a time. */
export const PIPELINES_MAX = 64;
/** A writer that gives no sign for so long is gone. */
const UPSTREAM_SILENCE_MS = 30_000;
const CHECK_MS = 250;
/** Nodes of one pipeline. */
const PIPELINE_NODES_MAX = 64;

interface Taken {
  /** As it came, until it is given to the replica. */
  packet: FrameOf<"packet"> | undefined;
  readonly sequence: number;
  /** When it was given to the replica. */
  sinceMs: number;
  isDone: boolean;
}

interface Pipeline {
  readonly from: NodeId;
  readonly stream: StreamId;
  readonly next: { readonly node: NodeId; readonly stream: StreamId; isOpen: boolean } | undefined;
  /** Nodes behind this one. */
  readonly behind: number;
  writer: ReplicaWriter | undefined;
  isOpened: boolean;
  expected: number;
  /** What was taken and is not done, in order; until the replica is there, all of it waits. */
  readonly taken: Taken[];
  /** Bytes that wait so. */
  earlyBytes: number;
  /** Highest sequence that is through, here and behind; 0: none. */
  here: number;
  below: number;
  acknowledged: number;
  /** When it was asked for; when something came from upstream, and from behind or began to be due there. */
  readonly openedMs: number;
  heardMs: number;
  belowMs: number;
  lastSequence: number | undefined;
}

export class PipelineNode {
  private readonly link: BlockLink;
  private readonly store: BlockStore;
  private readonly pipelines = new Map<string, Pipeline>();
  /** By the number under which the next node knows it. */
  private readonly byNext = new Map<StreamId, Pipeline>();
  private timer: Timer | undefined;

  constructor(link: BlockLink, store: BlockStore) {
    this.link = link;
    this.store = store;
    link.on("open", (from, frame) => this.open(from, frame));
    link.on("opened", (from, frame) => this.onOpened(from, frame));
    link.on("packet", (from, frame) => this.onPacket(from, frame));
    link.on("ack", (from, frame) => this.onAck(from, frame));
    link.on("close", (from, { stream, answer }) => {
      const pipeline = answer ? undefined : this.pipelines.get(keyOf(from, stream));
      if (pipeline !== undefined) this.end(pipeline);
    });
    link.onDown((peer) => this.onDown(peer));
  }

  /** Pipelines under way. */
  get size(): number {
    return this.pipelines.size;
  }

  close(): void {
    this.timer?.cancel();
    for (const pipeline of this.pipelines.values()) {
      this.fail(pipeline, this.link.failure("SHUTTING_DOWN", "the node is stopping"));
    }
  }

  private open(from: NodeId, frame: FrameOf<"open">): void {
    const { stream, block, stamp, mode, length, durability, rest } = frame;
    const key = keyOf(from, stream);
    if (this.pipelines.has(key)) return;
    if (this.pipelines.size >= PIPELINES_MAX || rest.length > PIPELINE_NODES_MAX) {
      const failure = this.link.failure("OVERLOADED", `${PIPELINES_MAX} blocks are being written here`);
      return this.link.send(from, { type: "opened", stream, failure });
    }
    const nowMs = this.link.clock.monotonicMs();
    const [node, ...behind] = rest;
    const next = node === undefined ? undefined : { node, stream: this.link.newStream(), isOpen: false };
    const pipeline: Pipeline = {
      from,
      stream,
      next,
      behind: rest.length,
      writer: undefined,
      isOpened: false,
      expected: 1,
      taken: [],
      earlyBytes: 0,
      here: 0,
      below: next === undefined ? Infinity : 0,
      acknowledged: 0,
      openedMs: nowMs,
      heardMs: nowMs,
      belowMs: nowMs,
      lastSequence: undefined,
    };
    this.pipelines.set(key, pipeline);
    if (next !== undefined) {
      this.byNext.set(next.stream, pipeline);
      this.link.send(next.node, { ...frame, stream: next.stream, rest: behind });
    }
    this.watch();
    const ready = (error: QuorateError | undefined, writer?: ReplicaWriter): void => {
      if (this.pipelines.get(key) !== pipeline) return writer?.release();
      if (writer === undefined) return this.fail(pipeline, failureOf(error as Error, this.link.self));
      pipeline.writer = writer;
      this.tellOpened(pipeline);
      for (const early of pipeline.taken.slice()) this.put(pipeline, writer, early);
    };
    if (mode === "create") this.store.create(block, stamp, durability, ready);
    else this.store.reopen(block, stamp, length, durability, ready);
  }

  private onOpened(from: NodeId, { stream, failure }: FrameOf<"opened">): void {
    const pipeline = this.byNext.get(stream);
    if (pipeline?.next === undefined || pipeline.next.node !== from || pipeline.next.isOpen) return;
    if (failure !== undefined) return this.fail(pipeline, failure);
    pipeline.next.isOpen = true;
    pipeline.belowMs = this.link.clock.monotonicMs();
    this.tellOpened(pipeline);
  }

  private tellOpened(pipeline: Pipeline): void {
    const { from, stream, next, writer } = pipeline;
    if (writer === undefined || next?.isOpen === false || pipeline.isOpened) return;
    pipeline.isOpened = true;
    this.link.send(from, { type: "opened", stream, failure: undefined });
  }

  private onPacket(from: NodeId, frame: FrameOf<"packet">): void {
    const pipeline = this.pipelines.get(keyOf(from, frame.stream));
    if (pipeline === undefined) return;
    const { writer, next } = pipeline;
    const { sequence, content } = frame;
    if (sequence < pipeline.expected) return;
    const nowMs = this.link.clock.monotonicMs();
    pipeline.heardMs = nowMs;
    if (sequence !== pipeline.expected || pipeline.lastSequence !== undefined) {
      return this.refuse(pipeline, `a packet before ${sequence} is missing`);
    }
    pipeline.expected++;
    if (next !== undefined) {
      if (pipeline.below === sequence - 1) pipeline.belowMs = nowMs;
      this.link.send(next.node, { ...frame, stream: next.stream });
    }
    if (frame.last) pipeline.lastSequence = sequence;
    retain(content);
    const taken: Taken = { packet: frame, sequence, sinceMs: nowMs, isDone: false };
    pipeline.taken.push(taken);
    if (writer !== undefined) return this.put(pipeline, writer, taken);
    pipeline.earlyBytes += content.length;
    if (pipeline.earlyBytes > PIPELINE_EARLY_BYTES)
      this.refuse(pipeline, "too much came before the replica was there");
  }

  /** Into the replica, which is there. */
  private put(pipeline: Pipeline, writer: ReplicaWriter, taken: Taken): void {
    const { packet, sequence } = taken;
    taken.packet = undefined;
    taken.sinceMs = this.link.clock.monotonicMs();
    // None: the pipeline has ended meanwhile.
    if (packet === undefined) return;
    const { offset, content, checksums, last, sync } = packet;
    if (writer.length !== offset) {
      release(content);
      return this.refuse(pipeline, `byte ${writer.length} is missing before packet ${sequence}`);
    }
    const done = (error: QuorateError | undefined): void => {
      if (error !== undefined) return this.fail(pipeline, failureOf(error, this.link.self));
      taken.isDone = true;
      this.advance(pipeline);
    };
    const isWhole = !last && !sync;
    const written = (error: QuorateError | undefined): void => {
      release(content);
      if (error !== undefined || isWhole) done(error);
    };
    writer.write(asBytes(content), asBytes(checksums), written, pipeline.from === this.link.self);
    // Asked for at once: what comes later must not be waited for.
    if (last) writer.finish(done);
    else if (sync) writer.sync(done);
  }

  private refuse(pipeline: Pipeline, why: string): void {
    this.fail(pipeline, this.link.failure("REPLICA_UNUSABLE", why));
  }

  private onAck(from: NodeId, { stream, sequence, failure }: FrameOf<"ack">): void {
    const pipeline = this.byNext.get(stream);
    if (pipeline === undefined || pipeline.next?.node !== from) return;
    if (failure !== undefined) return this.fail(pipeline, failure);
    if (sequence <= pipeline.below || sequence >= pipeline.expected) return;
    pipeline.below = sequence;
    pipeline.belowMs = this.link.clock.monotonicMs();
    this.advance(pipeline);
  }

  private advance(pipeline: Pipeline): void {
    const { taken, from, stream } = pipeline;
    while (taken[0]?.isDone === true) pipeline.here = taken.shift()?.sequence ?? pipeline.here;
    const through = Math.min(pipeline.here, pipeline.below);
    if (through <= pipeline.acknowledged) return;
    if (this.pipelines.get(keyOf(from, stream)) !== pipeline) return;
    pipeline.acknowledged = through;
    this.link.send(from, { type: "ack", stream, sequence: through, failure: undefined });
    if (through === pipeline.lastSequence) this.forget(pipeline);
  }

  private fail(pipeline: Pipeline, failure: StreamFailure): void {
    const { from, stream, isOpened } = pipeline;
    if (this.pipelines.get(keyOf(from, stream)) !== pipeline) return;
    if (isOpened) this.link.send(from, { type: "ack", stream, sequence: pipeline.acknowledged, failure });
    else this.link.send(from, { type: "opened", stream, failure });
    this.end(pipeline);
  }

  /** It is over, here and behind; the replica stays as it is. */
  private end(pipeline: Pipeline): void {
    this.forget(pipeline);
    // A replica that is still being made holds on to the pipeline, for as long as its disk hangs.
    for (const taken of pipeline.taken.splice(0)) {
      if (taken.packet !== undefined) release(taken.packet.content);
      taken.packet = undefined;
    }
    pipeline.writer?.release();
    const { next } = pipeline;
    if (next !== undefined) {
      this.link.send(next.node, { type: "close", stream: next.stream, answer: false, failure: undefined });
    }
  }

  private forget({ from, stream, next }: Pipeline): void {
    this.pipelines.delete(keyOf(from, stream));
    if (next !== undefined) this.byNext.delete(next.stream);
  }

  private onDown(peer: NodeId): void {
    for (const pipeline of this.pipelines.values()) {
      if (pipeline.from === peer) this.end(pipeline);
      else if (pipeline.next?.node === peer) {
        this.fail(pipeline, this.link.failure("REPLICA_UNUSABLE", `the link to ${peer} broke`, peer));
      }
    }
  }

  private watch(): void {
    if (this.timer !== undefined || this.pipelines.size === 0) return;
    this.timer = this.link.clock.setTimer(CHECK_MS, () => {
      this.timer = undefined;
      const nowMs = this.link.clock.monotonicMs();
      for (const pipeline of this.pipelines.values()) this.check(pipeline, nowMs);
      this.watch();
    });
  }

  private check(pipeline: Pipeline, nowMs: number): void {
    const { next, taken, writer, openedMs, heardMs } = pipeline;
    if (nowMs - heardMs > UPSTREAM_SILENCE_MS) return this.end(pipeline);
    // The disk has its time for the replica, and again for what is written to it.
    const sinceMs = writer === undefined ? openedMs : (taken[0]?.sinceMs ?? nowMs);
    if (nowMs - sinceMs > STREAM_SILENCE_MS) {
      return this.fail(pipeline, this.link.failure("REPLICA_UNUSABLE", "the disk takes too long"));
    }
    if (next === undefined) return;
    const isDue = !next.isOpen || pipeline.below < pipeline.expected - 1;
    if (isDue && nowMs - pipeline.belowMs > STREAM_SILENCE_MS + 1000 * pipeline.behind) {
      this.fail(pipeline, this.link.failure("REPLICA_UNUSABLE", `${next.node} is silent`, next.node));
    }
  }
}

function keyOf(from: NodeId, stream: StreamId): string {
  return `${stream}/${from}`;
}

function asBytes(array: Uint8Array): ReturnType<typeof viewBytes> {
  return Buffer.isBuffer(array)
    ? (array as ReturnType<typeof viewBytes>)
    : viewBytes(array as Uint8Array<ArrayBuffer>);
}
