/** The soft state of `locations.ts`, in memory. */
import type { NodeId } from "../../../runtime/world.ts";
import type { BlockId, GenerationStamp } from "../namespace/model.ts";
import type { Replica } from "./block-store.ts";
import type { BlockNode, Locations, ReplicaLocation } from "./locations.ts";
import { DEAD_AFTER_MS, isUnfinished, STALE_AFTER_MS } from "./locations.ts";
import type { BlockReport, Heartbeat } from "./protocol.ts";
import { ReportedReplicas } from "./reported-replicas.ts";

/** Of a node that was not heard yet. */
const NO_LIFE = -1;

interface Reporting {
  readonly id: NodeId;
  last: Heartbeat | undefined;
  heardMs: number;
  life: number;
  /** Number of the last report; undefined: a full one is awaited. */
  sequence: number | undefined;
  /** A full report that is not complete: what it said so far, and the part that must come next. */
  incoming: ReportedReplicas | undefined;
  nextPart: number;
  replicas: ReportedReplicas;
}

export interface LocationObserver {
  /** What is known of a block's replicas has changed. */
  changed(block: BlockId): void;
  /** The node's process is another one: what it was told before is forgotten. */
  restarted(node: NodeId): void;
}

export class LocationTable implements Locations {
  private readonly clock: () => number;
  private readonly address: (node: NodeId) => string | undefined;
  private readonly observer: LocationObserver;
  private readonly standing: (node: NodeId) => BlockNode["standing"] | undefined;
  private readonly isAway: (node: NodeId) => boolean;
  private readonly reporting = new Map<NodeId, Reporting>();
  /** Replicas that readers complained of, by block: stamps under which they are not believed. */
  private readonly complaints = new Map<BlockId, Map<NodeId, GenerationStamp>>();

  /**
   * `clock`: monotonic milliseconds. `address`: where a node's HTTP server is. `standing`: what the log says, which counts also
   * while the node is silent; undefined: as it said itself. `isAway`: the link to it broke, and is not up again.
   */
  constructor(
    clock: () => number,
    address: (node: NodeId) => string | undefined,
    observer: LocationObserver = {
      changed: () => undefined,
      restarted: () => undefined,
    },
    standing: (node: NodeId) => BlockNode["standing"] | undefined = () => undefined,
    isAway: (node: NodeId) => boolean = () => false,
  ) {
    this.clock = clock;
    this.address = address;
    this.observer = observer;
    this.standing = standing;
    this.isAway = isAway;
  }

  onHeartbeat(from: NodeId, heartbeat: Heartbeat, nowMs: number): boolean {
    const node = this.nodeOf(from);
    node.last = heartbeat;
    node.heardMs = nowMs;
    this.meet(node, heartbeat.life);
    return node.sequence !== undefined && heartbeat.reported <= node.sequence;
  }

  onReport(from: NodeId, report: BlockReport, nowMs: number): boolean {
    const node = this.nodeOf(from);
    node.heardMs = nowMs;
    this.meet(node, report.life);
    return report.full === undefined ? this.apply(node, report) : this.collect(node, report, report.full);
  }

  onDamage(block: BlockId, node: NodeId, stamp: GenerationStamp): void {
    const replica = this.reporting.get(node)?.replicas.get(block);
    if (replica === undefined || replica.stamp > stamp) return;
    let complaints = this.complaints.get(block);
    if (complaints === undefined) this.complaints.set(block, (complaints = new Map()));
    complaints.set(node, stamp);
    this.observer.changed(block);
  }

  /** The node is no member any more: what it holds does not count. */
  forget(id: NodeId): void {
    const node = this.reporting.get(id);
    if (node === undefined) return;
    this.reporting.delete(id);
    for (const block of node.replicas.ids()) this.changed(node, block);
  }

  /** The number of the process that was heard last; undefined: none was. */
  lifeOf(node: NodeId): number | undefined {
    const life = this.reporting.get(node)?.life;
    return life === NO_LIFE ? undefined : life;
  }

  /** Replicas that a node holds. */
  replicasOf(node: NodeId): number {
    return this.reporting.get(node)?.replicas.size ?? 0;
  }

  private forgetDamage(block: BlockId, node: NodeId): void {
    const complaints = this.complaints.get(block);
    complaints?.delete(node);
    if (complaints?.size === 0) this.complaints.delete(block);
  }

  nodes(): readonly BlockNode[] {
    const nowMs = this.clock();
    return [...this.reporting.values()].flatMap((node) => {
      const view = this.view(node, nowMs);
      return view === undefined ? [] : [view];
    });
  }

  readable(block: BlockId, stamp: GenerationStamp, reader: NodeId | undefined): readonly ReplicaLocation[] {
    const nowMs = this.clock();
    const readerRack = reader === undefined ? undefined : this.reporting.get(reader)?.last?.rack;
    // One that a reader complained of may be good, and is tried when no other is left: what it gives is verified anyway.
    const rank = ({ node, state }: ReplicaLocation): number => {
      const known = this.reporting.get(node);
      const distance = node === reader ? 0 : known?.last?.rack === readerRack ? 1 : 2;
      const isStale = nowMs - (known?.heardMs ?? 0) > STALE_AFTER_MS || this.isAway(node);
      const isAccused = state === "corrupt";
      // Of a closed block it ends somewhere in the middle; of one that is being written all are so.
      const ends = isUnfinished({ state }) ? 1e10 : 0;
      return (
        (isAccused ? 1e12 : 0) + ends + (isStale ? 1e9 : 0) + distance * 1e6 + (known?.last?.readers ?? 0)
      );
    };
    return this.all(block)
      .filter(({ node, stamp: held }) => held >= stamp && this.isLive(node, nowMs))
      .filter(({ node }) => this.reporting.get(node)?.replicas.get(block)?.state !== "corrupt")
      .sort((left, right) => rank(left) - rank(right));
  }

  all(block: BlockId): readonly ReplicaLocation[] {
    // Each node is asked: a list of holders for each of a million blocks would take as much memory as their names.
    const found: ReplicaLocation[] = [];
    for (const { id: node, replicas } of this.reporting.values()) {
      const replica = replicas.get(block);
      if (replica === undefined) continue;
      const isAccused = (this.complaints.get(block)?.get(node) ?? -1) >= replica.stamp;
      const { stamp, length } = replica;
      found.push({ node, stamp, length, state: isAccused ? "corrupt" : replica.state });
    }
    return found;
  }

  /** All that the node holds is known: before, a block without replicas may only be unreported. */
  hasReported(node: NodeId): boolean {
    return this.reporting.get(node)?.sequence !== undefined;
  }

  blocksOf(node: NodeId): Iterable<BlockId> {
    return this.reporting.get(node)?.replicas.ids() ?? [];
  }

  /** All blocks of which a replica was reported, each once for every node that did. */
  *blocks(): Iterable<BlockId> {
    for (const { replicas } of this.reporting.values()) yield* replicas.ids();
  }

  private isLive(node: NodeId, nowMs: number): boolean {
    return nowMs - (this.reporting.get(node)?.heardMs ?? -Infinity) < DEAD_AFTER_MS;
  }

  private view({ id, last, heardMs }: Reporting, nowMs: number): BlockNode | undefined {
    if (last === undefined) return undefined;
    const { rack, term, capacityBytes, usedBytes, freeBytes, writers, readers } = last;
    return {
      id,
      http: this.address(id),
      rack,
      standing: this.standing(id) ?? last.standing,
      term,
      live: nowMs - heardMs < DEAD_AFTER_MS,
      stale: nowMs - heardMs >= STALE_AFTER_MS,
      away: this.isAway(id),
      silentMs: nowMs - heardMs,
      capacityBytes,
      usedBytes,
      freeBytes,
      writers,
      readers,
    };
  }

  private nodeOf(id: NodeId): Reporting {
    let node = this.reporting.get(id);
    if (node === undefined) {
      node = {
        id,
        last: undefined,
        heardMs: -Infinity,
        life: NO_LIFE,
        sequence: undefined,
        incoming: undefined,
        nextPart: 0,
        replicas: new ReportedReplicas(),
      };
      this.reporting.set(id, node);
    }
    return node;
  }

  private meet(node: Reporting, life: number): void {
    if (node.life === life) return;
    const isRestart = node.life !== NO_LIFE;
    node.life = life;
    // What it had may be there still: it is believed until the full report says otherwise.
    node.sequence = undefined;
    node.incoming = undefined;
    if (isRestart) this.observer.restarted(node.id);
  }

  private apply(node: Reporting, { sequence, replicas, removed }: BlockReport): boolean {
    if (node.sequence === undefined) return false;
    if (sequence <= node.sequence) return true;
    if (sequence > node.sequence + 1) {
      node.sequence = undefined;
      return false;
    }
    node.sequence = sequence;
    for (const replica of replicas) this.put(node, replica);
    for (const block of removed) this.remove(node, block);
    return true;
  }

  private collect(
    node: Reporting,
    { sequence, replicas }: BlockReport,
    full: { readonly part: number; readonly last: boolean },
  ): boolean {
    if (full.part === 0) {
      node.incoming = new ReportedReplicas();
      node.nextPart = 0;
    }
    const { incoming, replicas: before } = node;
    if (incoming === undefined || full.part !== node.nextPart) return false;
    node.nextPart++;
    for (const replica of replicas) incoming.put(replica);
    if (!full.last) return true;
    node.incoming = undefined;
    node.sequence = sequence;
    node.replicas = incoming;
    for (const block of incoming.ids()) this.changed(node, block);
    for (const block of before.ids()) if (!incoming.has(block)) this.changed(node, block);
    return true;
  }

  private put(node: Reporting, replica: Replica): void {
    node.replicas.put(replica);
    this.changed(node, replica.id);
  }

  private remove(node: Reporting, block: BlockId): void {
    node.replicas.remove(block);
    this.changed(node, block);
  }

  private changed(node: Reporting, block: BlockId): void {
    // The node itself says so after it was told of the complaint: it has looked.
    this.forgetDamage(block, node.id);
    this.observer.changed(block);
  }
}
