/**
 * The sending side of a pipeline: one block, written to several nodes at once, that survives the loss of all but one of them.
 *
 * Packets are kept until they are acknowledged by all. When a node fails, the others go on from what all have acknowledged,
 * under a new stamp; a node may be added, which first fetches what is there. Nothing is sent under the new stamp before the
 * log knows it: what is acknowledged from then on is looked for on replicas with that stamp only. The packets of a new block
 * follow its `open` without waiting for the answer: that would be one pause in each block.
 */
import type { Bytes } from "../../../runtime/bytes.ts";
import { concatBytes, NO_BYTES } from "../../../runtime/bytes.ts";
import { QuorateError } from "../../../runtime/errors.ts";
import type { NodeId, Timer } from "../../../runtime/world.ts";
import type { WrittenBlock } from "../namespace/commands.ts";
import type { BlockId, GenerationStamp } from "../namespace/model.ts";
import type { BlockLink, FrameOf } from "./block-link.ts";
import type { Outcome, ReplicaDurability } from "./block-store.ts";
import type { BlockWriter } from "./block-writer.ts";
import { ChunkChecksums } from "./chunk-checksums.ts";
import { release, retain } from "./buffer-pool.ts";
import type { StreamFailure, StreamId } from "./protocol.ts";
import {
  PACKET_BYTES,
  PACKET_MIN_BYTES,
  PACKET_MAX_BYTES,
  PIPELINE_EARLY_BYTES,
  PIPELINE_WINDOW_BYTES,
  STREAM_SILENCE_MS,
} from "./protocol.ts";

/** What the writer needs of the namespace when a node fails. */
export interface PipelineAuthority {
  /** The log's command `nextStamp`. */
  nextStamp(done: Outcome<GenerationStamp>): void;
  /** The log's command `updatePipeline`. */
  updatePipeline(block: WrittenBlock, nodes: readonly NodeId[], done: Outcome): void;
  /** A node for one more replica, none of these. */
  replacement(present: readonly NodeId[], exclude: ReadonlySet<NodeId>): NodeId | undefined;
}

export interface PipelineOptions {
  readonly block: BlockId;
  readonly stamp: GenerationStamp;
  readonly nodes: readonly NodeId[];
  /** Replicas that there should be: below half of it, a lost node is replaced at once. */
  readonly replication: number;
  /** Of the replicas that are there; 0 begins them. */
  readonly length: number;
  /** The checksum of the last chunk of these, when it is not full. */
  readonly tailSum: number;
  readonly durability: ReplicaDurability;
  readonly authority: PipelineAuthority;
  /** The log knows the stamp. False: it is told (`updatePipeline`) when all nodes are ready, before any byte. Default true. */
  readonly stampIsTold?: boolean;
  /** Bytes that may be without an acknowledgement. Default 8 MiB. */
  readonly windowBytes?: number;
}

interface Packet {
  readonly offset: number;
  readonly content: Bytes;
  readonly checksums: Bytes;
  sync: boolean;
  readonly last: boolean;
  readonly done: Outcome<WrittenBlock>[];
  sequence: number;
}

/** A sign of life of a writer that has nothing to say. */
const IDLE_MS = 2_000;
const CHECK_MS = 250;
/** Rounds of recovery for one block. */
const RECOVERIES_MAX = 12;
/** Fetching a block may take so long, as long as signs of it come. */
const FETCH_SILENCE_MS = 2 * STREAM_SILENCE_MS;

export class PipelineWriter implements BlockWriter {
  private readonly link: BlockLink;
  private readonly options: PipelineOptions;
  private readonly checksums: ChunkChecksums;
  private readonly subscriptions: readonly (() => void)[];
  private nodes: readonly NodeId[];
  private readonly excluded = new Set<NodeId>();
  /** The last node that was left, when its disk is full: what was acknowledged can be read there, under the stamp so far. */
  private full: NodeId | undefined;
  private stamp: GenerationStamp;
  private stream: StreamId | undefined;
  private state: "opening" | "streaming" | "recovering" | "telling" | "ended" = "opening";
  private pending: Bytes[] = [];
  private pendingBytes = 0;
  /** Not acknowledged, in order; of these, so many were sent on the stream. */
  private packets: Packet[] = [];
  private sent = 0;
  private packetBytes = 0;
  /** All nodes have said that their replicas are there. */
  private isOpened = false;
  private packed: number;
  private acknowledged: number;
  private nextSequence = 1;
  private recoveries = 0;
  private room: (() => void)[] = [];
  private dueMs: number;
  private spokeMs: number;
  private fetching:
    | { stream: StreamId; node: NodeId; done: (fetched: boolean) => void; heardMs: number }
    | undefined;
  private ended: QuorateError | undefined;
  private timer: Timer | undefined;

  constructor(link: BlockLink, options: PipelineOptions) {
    this.link = link;
    this.options = options;
    this.checksums = new ChunkChecksums(options.length, options.tailSum);
    this.nodes = options.nodes;
    this.stamp = options.stamp;
    this.packed = options.length;
    this.acknowledged = options.length;
    this.dueMs = this.spokeMs = link.clock.monotonicMs();
    this.subscriptions = [
      link.on("opened", (from, frame) => this.onOpened(from, frame)),
      link.on("ack", (from, frame) => this.onAck(from, frame)),
      link.on("held", (from, frame) => this.onHeld(from, frame)),
      link.onDown((peer) => this.onDown(peer)),
    ];
    this.open();
    this.watch();
  }

  /** What the pipeline has acknowledged, of all nodes that are in it now. */
  get written(): WrittenBlock {
    return { id: this.options.block, stamp: this.stamp, length: this.acknowledged };
  }

  get pipeline(): readonly NodeId[] {
    return this.nodes;
  }

  /** Nodes that failed it so far. */
  get lostNodes(): ReadonlySet<NodeId> {
    return this.excluded;
  }

  /** Why it takes no more bytes. */
  get failure(): QuorateError | undefined {
    return this.ended;
  }

  /** Bytes put in so far, in the block. */
  get length(): number {
    return this.packed + this.pendingBytes;
  }

  write(bytes: Bytes, room: () => void): void {
    if (this.ended !== undefined) return room();
    if (bytes.length > 0) {
      retain(bytes);
      this.pending.push(bytes);
      this.pendingBytes += bytes.length;
    }
    this.room.push(room);
    this.pack(false);
    this.giveRoom();
  }

  /** All so far is durable on all nodes of the pipeline. */
  sync(done: Outcome<WrittenBlock>): void {
    if (this.ended !== undefined) return done(this.ended);
    this.pack(true);
    this.add(NO_BYTES, { sync: true, last: false }, done);
  }

  /** As `sync`, and the replicas are finished. */
  finish(done: Outcome<WrittenBlock>): void {
    if (this.ended !== undefined) return done(this.ended);
    this.pack(true);
    this.add(NO_BYTES, { sync: true, last: true }, done);
  }

  /** Stops. The replicas stay as they are. */
  abort(): void {
    this.endWith(new QuorateError("SHUTTING_DOWN", "the writer gave up"));
  }

  private pack(all: boolean): void {
    const isEnough = (): boolean =>
      this.pendingBytes >= (this.packets.length === 0 ? PACKET_MIN_BYTES : PACKET_BYTES);
    while (isEnough() || (all && this.pendingBytes > 0)) {
      const parts: Bytes[] = [];
      let size = 0;
      while (size < PACKET_BYTES && this.pending.length > 0) {
        const first = this.pending.shift() as Bytes;
        const taken = first.subarray(0, PACKET_MAX_BYTES - size);
        if (taken.length < first.length) {
          // Once for each of its parts.
          retain(first);
          this.pending.unshift(first.subarray(taken.length));
        }
        parts.push(taken);
        size += taken.length;
      }
      this.pendingBytes -= size;
      this.add(parts.length === 1 ? (parts[0] as Bytes) : joined(parts), { sync: false, last: false });
    }
  }

  private add(
    content: Bytes,
    { sync, last }: { readonly sync: boolean; readonly last: boolean },
    done?: Outcome<WrittenBlock>,
  ): void {
    const checksums = content.length === 0 ? NO_BYTES : this.checksums.of(content);
    this.checksums.advance(content, checksums);
    const packet = {
      offset: this.packed,
      content,
      checksums,
      sync,
      last,
      done: done === undefined ? [] : [done],
      sequence: 0,
    };
    this.packed += content.length;
    this.packetBytes += content.length;
    if (this.packets.length === 0) this.dueMs = this.link.clock.monotonicMs();
    this.packets.push(packet);
    if (this.state === "streaming") this.sendPackets();
  }

  /** All that were not sent; before the pipeline is known to be open, no more than its nodes keep for a replica to come. */
  private sendPackets(): void {
    for (;;) {
      const packet = this.packets[this.sent];
      if (packet === undefined) return;
      if (!this.isOpened && packet.offset + packet.content.length > PIPELINE_EARLY_BYTES) return;
      this.sent++;
      this.sendPacket(packet);
    }
  }

  private sendPacket(packet: Packet): void {
    const [first] = this.nodes;
    if (first === undefined || this.stream === undefined) return;
    packet.sequence = this.nextSequence++;
    this.spokeMs = this.link.clock.monotonicMs();
    const { sequence, offset, sync, last, checksums, content } = packet;
    const { stream } = this;
    this.link.send(first, { type: "packet", stream, sequence, offset, sync, last, checksums, content });
  }

  private giveRoom(): void {
    const window = this.options.windowBytes ?? PIPELINE_WINDOW_BYTES;
    while (this.packetBytes < window && this.room.length > 0) this.room.shift()?.();
  }

  private open(): void {
    const [first, ...rest] = this.nodes;
    if (first === undefined) return this.endWith(noNodes(this.options.block));
    const { block, durability } = this.options;
    this.stream = this.link.newStream();
    this.nextSequence = 1;
    this.isOpened = false;
    this.dueMs = this.link.clock.monotonicMs();
    const { stream, stamp, acknowledged: length } = this;
    const mode = length === 0 ? "create" : "goOn";
    this.link.send(first, { type: "open", stream, block, stamp, mode, length, durability, rest });
    // A new block's stamp is in the log: its first bytes need not wait until its files are there.
    if (this.state === "opening" && mode === "create") this.goOn();
  }

  private onOpened(from: NodeId, { stream, failure }: FrameOf<"opened">): void {
    if (stream !== this.stream || from !== this.nodes[0] || this.isOpened) return;
    if (failure !== undefined) return this.recover(failure);
    this.isOpened = true;
    this.dueMs = this.link.clock.monotonicMs();
    if (this.state === "streaming") return this.sendPackets();
    if (this.state === "opening" && this.options.stampIsTold !== false) return this.goOn();
    this.state = "telling";
    this.options.authority.updatePipeline(this.written, this.nodes, (error) => {
      if (this.state !== "telling" || this.stream !== stream) return;
      if (error !== undefined) this.endWith(error);
      else this.goOn();
    });
  }

  private goOn(): void {
    this.state = "streaming";
    this.dueMs = this.link.clock.monotonicMs();
    this.sent = 0;
    this.sendPackets();
  }

  private onAck(from: NodeId, { stream, sequence, failure }: FrameOf<"ack">): void {
    if (stream !== this.stream || from !== this.nodes[0] || this.state !== "streaming") return;
    const nowMs = this.link.clock.monotonicMs();
    const done: Packet[] = [];
    for (;;) {
      const first = this.packets[0];
      if (first === undefined || this.sent === 0 || first.sequence > sequence) break;
      this.packets.shift();
      this.sent--;
      this.packetBytes -= first.content.length;
      this.acknowledged = first.offset + first.content.length;
      release(first.content);
      this.dueMs = nowMs;
      done.push(first);
    }
    if (done.at(-1)?.last === true) this.endWith(undefined);
    for (const packet of done) for (const each of packet.done) each(undefined, this.written);
    if (this.packets.length === 0 && this.ended === undefined) this.pack(false);
    if (failure !== undefined) this.recover(failure);
    this.giveRoom();
  }

  private onDown(peer: NodeId): void {
    if (this.fetching?.node === peer) return this.fetched(false);
    if (peer !== this.nodes[0] || this.fetching !== undefined || this.state === "ended") return;
    this.recover(this.link.failure("REPLICA_UNUSABLE", `the link to ${peer} broke`, peer));
  }

  /** Goes on without the node to blame. */
  private recover(failure: StreamFailure): void {
    if (this.state === "ended") return;
    const { block, authority } = this.options;
    this.leaveStream();
    this.state = "recovering";
    const blamed = this.nodes.includes(failure.node) ? failure.node : this.nodes[0];
    if (blamed !== undefined) this.excluded.add(blamed);
    this.nodes = this.nodes.filter((node) => node !== blamed);
    const isFull = this.nodes.length === 0 && failure.code === "DISK_FULL";
    this.full = isFull ? blamed : undefined;
    const isLost = this.nodes.length === 0 && this.acknowledged > 0 && this.full === undefined;
    if (++this.recoveries > RECOVERIES_MAX || isLost) {
      return this.endWith(noNodes(block, failure));
    }
    const round = this.recoveries;
    authority.nextStamp((error, stamp) => {
      if (this.state !== "recovering" || this.recoveries !== round) return;
      if (stamp === undefined) return this.endWith(error ?? noNodes(block, failure));
      this.replace(() => {
        if (this.state !== "recovering" || this.recoveries !== round) return;
        if (this.nodes.length === 0) return this.endWith(noNodes(block, failure));
        this.stamp = stamp;
        this.open();
      });
    });
  }

  /** Adds a node when too few are left; one that cannot fetch what is there is not taken. */
  private replace(done: () => void): void {
    const { replication, authority, block } = this.options;
    const { nodes } = this;
    if (nodes.length > Math.floor(replication / 2) || nodes.length >= replication) return done();
    const node = authority.replacement(nodes, this.excluded);
    if (node === undefined) return done();
    const add = (fetched: boolean): void => {
      if (fetched) this.nodes = [...nodes, node];
      else this.excluded.add(node);
      if (fetched && this.nodes.length > Math.floor(replication / 2)) done();
      else this.replace(done);
    };
    if (this.acknowledged === 0) return add(true);
    const stream = this.link.newStream();
    this.fetching = { stream, node, done: add, heardMs: this.link.clock.monotonicMs() };
    const { stamp, acknowledged: length, full } = this;
    const from = full === undefined ? nodes : [...nodes, full];
    this.link.send(node, { type: "fetch", stream, block, stamp, length, from });
  }

  private onHeld(from: NodeId, { stream, replica, failure }: FrameOf<"held">): void {
    const { fetching } = this;
    if (fetching === undefined || fetching.stream !== stream || fetching.node !== from) return;
    fetching.heardMs = this.link.clock.monotonicMs();
    if (replica !== undefined || failure !== undefined) this.fetched(failure === undefined);
  }

  private fetched(isThere: boolean): void {
    const { fetching } = this;
    this.fetching = undefined;
    fetching?.done(isThere);
  }

  private watch(): void {
    this.timer = this.link.clock.setTimer(CHECK_MS, () => {
      this.check(this.link.clock.monotonicMs());
      if (this.state !== "ended") this.watch();
    });
  }

  private check(nowMs: number): void {
    if (this.fetching !== undefined) {
      if (nowMs - this.fetching.heardMs > FETCH_SILENCE_MS) this.fetched(false);
      return;
    }
    const [first] = this.nodes;
    if (first === undefined || this.stream === undefined || this.state === "telling") return;
    if (this.state === "streaming" && this.isOpened && this.packets.length === 0) {
      if (nowMs - this.spokeMs > IDLE_MS) this.add(NO_BYTES, { sync: false, last: false });
      return;
    }
    // Those behind give up before: they know better who is to blame.
    if (nowMs - this.dueMs > STREAM_SILENCE_MS + 1000 * (this.nodes.length + 1)) {
      this.recover(this.link.failure("REPLICA_UNUSABLE", `${first} is silent`, first));
    }
  }

  private leaveStream(): void {
    const [first] = this.nodes;
    if (this.stream !== undefined && first !== undefined) {
      this.link.send(first, { type: "close", stream: this.stream, answer: false, failure: undefined });
    }
    this.stream = undefined;
  }

  private endWith(failure: QuorateError | undefined): void {
    if (this.state === "ended") return;
    if (failure !== undefined) this.leaveStream();
    this.state = "ended";
    this.stream = undefined;
    this.timer?.cancel();
    for (const cancel of this.subscriptions) cancel();
    const { packets, room, pending } = this;
    this.ended = failure ?? new QuorateError("REPLICA_UNUSABLE", "the block is finished");
    this.packets = [];
    this.room = [];
    this.pending = [];
    for (const bytes of pending) release(bytes);
    for (const { content } of packets) release(content);
    for (const { done } of packets) for (const each of done) each(this.ended);
    for (const each of room) each();
  }
}

/** In memory of its own. */
function joined(parts: readonly Bytes[]): Bytes {
  const bytes = concatBytes(parts);
  for (const part of parts) release(part);
  return bytes;
}

function noNodes(block: BlockId, failure?: StreamFailure): QuorateError {
  const why = failure === undefined ? "" : `: ${failure.node}: ${failure.message}`;
  return new QuorateError("NO_TARGETS", `no node is left that can write block ${block}${why}`);
}
