/**
 * Replicas that nodes were told to make and have not reported: each counts as on its way for a while, so none is ordered twice.
 * One that failed rests for a while: a copy whose sources cannot be reached fails at once, and so would the next.
 */
import type { NodeId } from "../../../runtime/world.ts";
import type { BlockId } from "../namespace/model.ts";
import { roomToCopy } from "./choose-placement.ts";
import type { BlockNode } from "./locations.ts";

/** Copies to one node that are ordered and not yet reported. */
const COPIES_PER_NODE = 4;
/** A copy that was ordered counts for so long, and for the time that its bytes take. */
const PATIENCE_MS = 15_000;
/** A node is not told again for so long to make what it could not make, nor another replica in its place. */
const REST_MS = 3_000;

const NOBODY: ReadonlySet<NodeId> = new Set();

/** What a replica takes: where it is made, and where it is made of. */
export interface CopyBytes {
  readonly length: number;
  readonly readBytes: number;
}

interface OrderedCopy {
  /** It counts until then. */
  readonly untilMs: number;
  readonly roomBytes: number;
}

/** A copy that failed. */
interface RestingCopy {
  readonly id: BlockId;
  readonly node: NodeId;
  readonly untilMs: number;
}

export class OrderedCopies {
  private readonly bandwidth: number;
  /** They keep their places among those of their nodes. */
  private resting: RestingCopy[] = [];
  /** By the replica's number and its node. */
  private readonly copies = new Map<BlockId, Map<NodeId, OrderedCopy>>();

  /** Bytes a second of one copy. */
  constructor(bandwidth: number) {
    this.bandwidth = bandwidth;
  }

  /** Of so many bytes, for which so many are read. */
  add(id: BlockId, to: NodeId, { length, readBytes }: CopyBytes, nowMs: number): void {
    const untilMs = nowMs + PATIENCE_MS + (2000 * COPIES_PER_NODE * readBytes) / this.bandwidth;
    let targets = this.copies.get(id);
    if (targets === undefined) this.copies.set(id, (targets = new Map<NodeId, OrderedCopy>()));
    targets.set(to, { untilMs, roomBytes: roomToCopy(length) });
  }

  /** Nodes with the room that they have beside what was ordered of them. A copy that is half there counts whole. */
  withRoom(nodes: Iterable<BlockNode>): readonly BlockNode[] {
    const taken = new Map<NodeId, number>();
    for (const targets of this.copies.values()) {
      for (const [node, { roomBytes }] of targets) taken.set(node, (taken.get(node) ?? 0) + roomBytes);
    }
    return Array.from(nodes, (node) => ({ ...node, freeBytes: node.freeBytes - (taken.get(node.id) ?? 0) }));
  }

  /** Who makes it, without those that have made it. */
  pending(id: BlockId, isMade: (node: NodeId) => boolean): ReadonlySet<NodeId> {
    const targets = this.copies.get(id);
    if (targets === undefined) return NOBODY;
    for (const node of targets.keys()) if (isMade(node)) targets.delete(node);
    return new Set(targets.keys());
  }

  /** How many of each. */
  *counts(): Iterable<readonly [id: BlockId, copies: number]> {
    for (const [id, { size }] of this.copies) yield [id, size];
  }

  /** Nodes that make as many as they may, or failed at so many just now. */
  busy(): readonly NodeId[] {
    const counts = new Map<NodeId, number>();
    const count = (node: NodeId): unknown => counts.set(node, (counts.get(node) ?? 0) + 1);
    for (const targets of this.copies.values()) for (const node of targets.keys()) count(node);
    for (const { node } of this.resting) count(node);
    return [...counts].flatMap(([node, count]) => (count >= COPIES_PER_NODE ? [node] : []));
  }

  /** Nodes that failed at it just now. */
  failedAt(id: BlockId): readonly NodeId[] {
    return this.resting.flatMap((copy) => (copy.id === id ? [copy.node] : []));
  }

  /** The node could not make it. False: it was not waited for. */
  fail(id: BlockId, node: NodeId, nowMs: number): boolean {
    if (!this.drop(id, node)) return false;
    this.resting.push({ id, node, untilMs: nowMs + REST_MS });
    return true;
  }

  /** Nothing that the node was told before will come; gives the numbers of which something was waited for. */
  dropNode(node: NodeId): readonly BlockId[] {
    this.resting = this.resting.filter((copy) => copy.node !== node);
    return [...this.copies.keys()].filter((id) => this.drop(id, node));
  }

  /** Forgets those that did not come; gives the numbers of which none is on its way any more. */
  forget(nowMs: number): readonly BlockId[] {
    this.resting = this.resting.filter(({ untilMs }) => nowMs <= untilMs);
    const over: BlockId[] = [];
    for (const [id, targets] of this.copies) {
      for (const [node, { untilMs }] of targets) if (nowMs > untilMs) targets.delete(node);
      if (targets.size > 0) continue;
      this.copies.delete(id);
      over.push(id);
    }
    return over;
  }

  clear(): void {
    this.copies.clear();
    this.resting = [];
  }

  /** It will not come. False: it was not waited for. */
  private drop(id: BlockId, node: NodeId): boolean {
    const targets = this.copies.get(id);
    if (targets?.delete(node) !== true) return false;
    if (targets.size === 0) this.copies.delete(id);
    return true;
  }
}
