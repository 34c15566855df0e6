/**
 * The simulated network: directed links between machines, each with its own delay and its own faults.
 *
 * A frame may be lost, delayed, overtaken, repeated, and may even arrive at a later life of the process it was sent to; it
 * is never changed. Its bytes are gathered at delivery, not at sending: a sender that writes into a buffer it has handed
 * over spoils the frame here as it would in a socket's queue.
 */
import { crc32 } from "node:zlib";
import { concatBytes } from "../bytes.ts";
import type { Bytes } from "../bytes.ts";
import type { Network, NodeId } from "../world.ts";
import type { SimulatedProcess } from "./process.ts";
import type { SeededRandom } from "./random.ts";
import type { Scheduler } from "./scheduler.ts";
import type { Trace } from "./trace.ts";

export interface NetworkOptions {
  /** Shortest one-way delay. Default 0.1. */
  delayMinMs: number;
  /** Mean of the exponential delay on top. Default 0.3. */
  delayMeanMs: number;
  /** Probability that a frame is lost. */
  loss: number;
  /** Probability that a frame arrives twice (the copy with a delay of its own, up to a second). */
  duplicate: number;
  /** Probability that a frame is overtaken by others; 0 keeps each link in order. */
  reorder: number;
  /** Bytes that a link carries in a millisecond. Default 100,000 (100 MB/s). */
  bytesPerMs: number;
  /** Bytes in flight on a link beyond which frames are dropped. Default 64 MiB. */
  queueMaxBytes: number;
  /** Probability that a process is told of a broken link at all. Default 1. */
  breakNotice: number;
  /** Mean delay of such a notice. Default 1. */
  noticeDelayMs: number;
  /** Probability, per frame, that its link seems to break for no reason. */
  falseBreak: number;
}

export const CALM_NETWORK: NetworkOptions = {
  delayMinMs: 0.1,
  delayMeanMs: 0.3,
  loss: 0,
  duplicate: 0,
  reorder: 0,
  bytesPerMs: 100_000,
  queueMaxBytes: 64 * 1024 * 1024,
  breakNotice: 1,
  noticeDelayMs: 1,
  falseBreak: 0,
};

/** What a blocked link does with frames: forgets them, or holds them until it is open again. */
export type Blockade = "drop" | "hold";

interface Link {
  readonly from: NodeId;
  readonly to: NodeId;
  blockade: Blockade | undefined;
  /** Multiplies the delay. */
  slowness: number;
  queuedBytes: number;
  /** The link is busy until then. */
  freeAtMs: number;
  /** Latest delivery so far: what keeps a link in order. */
  lastDeliveryMs: number;
  held: (() => void)[];
}

interface Endpoint {
  readonly process: SimulatedProcess;
  readonly peers: Set<NodeId>;
  /** Peers that the process was told are linked. */
  readonly linked: Set<NodeId>;
  /** When the last notice about a peer is due: notices are late but never out of order. */
  readonly noticeDueMs: Map<NodeId, number>;
  closed: boolean;
  receive: ((from: NodeId, frame: Bytes) => void) | undefined;
  changeLink: ((peer: NodeId, up: boolean) => void) | undefined;
}

export class SimulatedNetwork {
  /** Faults; may be changed at any time. */
  readonly options: NetworkOptions;
  framesDelivered = 0;
  private readonly scheduler: Scheduler;
  private readonly random: SeededRandom;
  private readonly trace: Trace;
  private readonly links = new Map<NodeId, Map<NodeId, Link>>();
  private readonly endpoints = new Map<NodeId, Endpoint>();

  constructor(
    scheduler: Scheduler,
    random: SeededRandom,
    trace: Trace,
    options: Partial<NetworkOptions> = {},
  ) {
    this.scheduler = scheduler;
    this.random = random;
    this.trace = trace;
    this.options = { ...CALM_NETWORK, ...options };
  }

  /** The network as one life of a process on machine `id` sees it. */
  attach(id: NodeId, process: SimulatedProcess): Network {
    const endpoint: Endpoint = {
      process,
      peers: new Set(),
      linked: new Set(),
      noticeDueMs: new Map(),
      closed: false,
      receive: undefined,
      changeLink: undefined,
    };
    this.endpoints.set(id, endpoint);
    return {
      send: (to, parts) => {
        if (process.alive && !endpoint.closed && endpoint.peers.has(to)) this.send(id, to, parts);
      },
      onFrame(receive) {
        endpoint.receive = receive;
      },
      onLink(change) {
        endpoint.changeLink = change;
      },
      onArriving: () => undefined,
      queuedBytes: (to) => this.link(id, to).queuedBytes,
      setPeers: (peers) => {
        endpoint.peers.clear();
        for (const peer of peers.keys()) if (peer !== id) endpoint.peers.add(peer);
        for (const peer of endpoint.linked) if (!endpoint.peers.has(peer)) endpoint.linked.delete(peer);
        this.reviewLinks(id);
      },
      close: () => {
        endpoint.closed = true;
        this.reviewLinks(id);
      },
    };
  }

  /** The process on machine `id` started or ended. */
  reviewLinks(id: NodeId): void {
    for (const other of this.endpoints.keys()) {
      if (other === id) continue;
      this.notice(id, other);
      this.notice(other, id);
    }
  }

  /** Blocks one direction. */
  block(from: NodeId, to: NodeId, blockade: Blockade): void {
    this.link(from, to).blockade = blockade;
    this.notice(from, to);
    this.notice(to, from);
  }

  /** Opens one direction; held frames go on. */
  open(from: NodeId, to: NodeId): void {
    const link = this.link(from, to);
    link.blockade = undefined;
    const { held } = link;
    link.held = [];
    for (const frame of held) this.scheduler.after(this.random.float(), frame);
    this.notice(from, to);
    this.notice(to, from);
  }

  isBlocked(from: NodeId, to: NodeId): boolean {
    return this.link(from, to).blockade !== undefined;
  }

  /** Multiplies the delay of one direction; 1 is normal. */
  slow(from: NodeId, to: NodeId, slowness: number): void {
    this.link(from, to).slowness = slowness;
  }

  /** Cuts `side` off from all others, in both directions or (one way) only what leaves it or only what reaches it. */
  partition(
    side: readonly NodeId[],
    blockade: Blockade = "drop",
    directions: "both" | "outgoing" | "incoming" = "both",
  ): void {
    for (const inside of side) {
      for (const outside of this.endpoints.keys()) {
        if (side.includes(outside)) continue;
        if (directions !== "incoming") this.block(inside, outside, blockade);
        if (directions !== "outgoing") this.block(outside, inside, blockade);
      }
    }
  }

  /** Opens every link and makes it normally fast. */
  heal(): void {
    for (const links of this.links.values()) {
      for (const link of links.values()) {
        link.slowness = 1;
        // New frames need not queue behind what a slow link still carries.
        link.lastDeliveryMs = this.scheduler.nowMs;
        link.freeAtMs = this.scheduler.nowMs;
        if (link.blockade !== undefined) this.open(link.from, link.to);
      }
    }
  }

  private send(from: NodeId, to: NodeId, parts: readonly Uint8Array[]): void {
    const { options, random, scheduler } = this;
    const link = this.link(from, to);
    let size = 0;
    for (const part of parts) size += part.length;
    if (random.chance(options.falseBreak)) this.breakLink(from, to);
    // A frame that is larger than the whole queue still goes out when nothing waits before it.
    const full = link.queuedBytes > 0 && link.queuedBytes + size > options.queueMaxBytes;
    if (full || random.chance(options.loss)) return;
    const leavesMs = Math.max(scheduler.nowMs, link.freeAtMs) + size / options.bytesPerMs;
    link.freeAtMs = leavesMs;
    const arrivesMs =
      leavesMs + (options.delayMinMs + random.exponential(options.delayMeanMs)) * link.slowness;
    const inOrderMs = random.chance(options.reorder) ? arrivesMs : Math.max(arrivesMs, link.lastDeliveryMs);
    link.lastDeliveryMs = Math.max(link.lastDeliveryMs, inOrderMs);
    link.queuedBytes += size;
    scheduler.at(inOrderMs, () => {
      link.queuedBytes -= size;
      this.arrive(link, parts);
    });
    if (random.chance(options.duplicate)) {
      scheduler.at(inOrderMs + random.float() ** 3 * 1000, () => this.arrive(link, parts));
    }
  }

  private arrive(link: Link, parts: readonly Uint8Array[]): void {
    if (link.blockade === "hold" && link.held.length < 10_000) link.held.push(() => this.arrive(link, parts));
    if (link.blockade !== undefined) return;
    const endpoint = this.endpoints.get(link.to);
    if (endpoint === undefined || !endpoint.process.alive || endpoint.closed) return;
    const frame = concatBytes(parts);
    this.framesDelivered++;
    this.trace.record(
      this.scheduler.nowMs,
      link.to,
      "frame",
      crc32(frame),
      () => `from ${link.from}, ${frame.length} bytes`,
    );
    endpoint.process.deliver("input", () => {
      if (!endpoint.closed) endpoint.receive?.(link.from, frame);
    });
  }

  /** What a TCP connection's end would look like to both ends: a break, and soon a new connection. */
  private breakLink(from: NodeId, to: NodeId): void {
    for (const [observer, peer] of [
      [from, to],
      [to, from],
    ] as const) {
      const endpoint = this.endpoints.get(observer);
      if (endpoint === undefined || !endpoint.linked.delete(peer)) continue;
      this.tell(endpoint, observer, peer, false);
      this.scheduler.after(this.random.exponential(20), () => this.notice(observer, peer));
    }
  }

  /** Tells `observer` what became of its link to `peer`: a new link always, a broken one perhaps. */
  private notice(observer: NodeId, peer: NodeId): void {
    const endpoint = this.endpoints.get(observer);
    const other = this.endpoints.get(peer);
    if (endpoint === undefined || other === undefined || !endpoint.peers.has(peer)) return;
    const up =
      other.process.alive &&
      !other.closed &&
      other.peers.has(observer) &&
      this.link(observer, peer).blockade === undefined &&
      this.link(peer, observer).blockade === undefined;
    if (up === endpoint.linked.has(peer)) return;
    if (up) endpoint.linked.add(peer);
    else endpoint.linked.delete(peer);
    if (up || this.random.chance(this.options.breakNotice)) this.tell(endpoint, observer, peer, up);
  }

  private tell(endpoint: Endpoint, observer: NodeId, peer: NodeId, up: boolean): void {
    const delayMs = this.random.exponential(this.options.noticeDelayMs);
    const dueMs = Math.max(this.scheduler.nowMs + delayMs, endpoint.noticeDueMs.get(peer) ?? 0);
    endpoint.noticeDueMs.set(peer, dueMs);
    this.scheduler.at(dueMs, () => {
      if (!endpoint.process.alive || endpoint.closed) return;
      this.trace.record(this.scheduler.nowMs, observer, up ? "link up" : "link down", 0, () => peer);
      endpoint.process.deliver("input", () => endpoint.changeLink?.(peer, up));
    });
  }

  private link(from: NodeId, to: NodeId): Link {
    let links = this.links.get(from);
    if (links === undefined) this.links.set(from, (links = new Map<NodeId, Link>()));
    let link = links.get(to);
    if (link === undefined) {
      link = {
        from,
        to,
        blockade: undefined,
        slowness: 1,
        queuedBytes: 0,
        freeAtMs: 0,
        lastDeliveryMs: 0,
        held: [],
      };
      links.set(to, link);
    }
    return link;
  }
}
