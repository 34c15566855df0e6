/** Moves blocks from full nodes to empty ones: pure. A move is a replica more on one node; the excess one then goes. */
import type { NodeId } from "../../../runtime/world.ts";
import type { BlockId } from "../namespace/model.ts";
import { roomToCopy } from "./choose-placement.ts";
import type { BlockNode } from "./locations.ts";

export interface Movable {
  readonly block: BlockId;
  readonly length: number;
  /** Nodes that hold it. */
  readonly holders: readonly NodeId[];
  /** Of these only one is moved in one plan. Default: alone. */
  readonly group?: BlockId;
}

export interface Move {
  readonly block: BlockId;
  readonly length: number;
  readonly from: NodeId;
  readonly to: NodeId;
}

export interface BalanceOptions {
  /** Points that a node's use may differ from the mean, in [0, 1]. Default 0.1, as in HDFS. */
  readonly threshold?: number;
  /** Bytes of one plan, at most. */
  readonly maxBytes: number;
}

/**
 * Moves that bring every node's share of used space closer to the mean, fullest to emptiest first; empty when all are within
 * the threshold. No move puts two replicas on one node, takes a block from a rack that alone holds it, or leads past the mean, or to
 * where it does not fit.
 */
export function planBalance(
  nodes: readonly BlockNode[],
  blocksOf: (node: NodeId) => Iterable<Movable>,
  { threshold = 0.1, maxBytes }: BalanceOptions,
): readonly Move[] {
  const members = nodes.filter(
    ({ live, standing, usedBytes, freeBytes }) =>
      live && standing === "inService" && usedBytes + freeBytes > 0,
  );
  const used = new Map(members.map(({ id, usedBytes }) => [id, usedBytes]));
  const size = new Map(members.map(({ id, usedBytes, freeBytes }) => [id, usedBytes + freeBytes]));
  const rack = new Map(nodes.map((node) => [node.id, node.rack]));
  const share = (id: NodeId): number => (used.get(id) ?? 0) / (size.get(id) ?? 1);
  const mean = sum(used.values()) / Math.max(1, sum(size.values()));
  const moves: Move[] = [];
  const moved = new Set<BlockId>();
  let left = maxBytes;
  const fullest = members.map(({ id }) => id).toSorted((a, b) => share(b) - share(a));
  for (const from of fullest) {
    if (share(from) <= mean + threshold && !hasEmpty(fullest, share, mean - threshold)) continue;
    if (share(from) <= mean) break;
    for (const { block, length, holders, group = block } of blocksOf(from)) {
      if (share(from) <= mean || left < length) break;
      if (moved.has(group) || length === 0) continue;
      const to = fullest
        .filter((id) => !holders.includes(id) && keepsRacks(holders, from, id, rack))
        .toSorted((a, b) => share(a) - share(b))
        .find(
          (id) =>
            share(id) < mean &&
            ((used.get(id) ?? 0) + length) / (size.get(id) ?? 1) <= mean + threshold &&
            (used.get(id) ?? 0) + roomToCopy(length) <= (size.get(id) ?? 0),
        );
      const isUseful = to !== undefined && (share(from) > mean + threshold || share(to) < mean - threshold);
      if (!isUseful) continue;
      moves.push({ block, length, from, to });
      moved.add(group);
      left -= length;
      used.set(from, (used.get(from) ?? 0) - length);
      used.set(to, (used.get(to) ?? 0) + length);
    }
  }
  return moves;
}

function hasEmpty(ids: readonly NodeId[], share: (id: NodeId) => number, below: number): boolean {
  return ids.some((id) => share(id) < below);
}

/** The block is on no fewer racks afterwards. */
function keepsRacks(
  holders: readonly NodeId[],
  from: NodeId,
  to: NodeId,
  rack: ReadonlyMap<NodeId, string>,
): boolean {
  const before = new Set(holders.map((id) => rack.get(id)));
  const after = new Set([...holders.filter((id) => id !== from), to].map((id) => rack.get(id)));
  return after.size >= before.size;
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
