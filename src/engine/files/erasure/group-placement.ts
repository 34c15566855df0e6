/**
 * Which nodes the shards of a block group go to: pure, so that its rules can be tested as a table.
 *
 * Shards are spread over as many nodes as there are, then over as many racks. Where there are fewer nodes than shards a node
 * takes several, but never more than the group can lose: so from three nodes on, with RS-6-3 as with RS-3-2, the loss of any
 * one of them loses nothing. (HDFS puts one shard on a node, and leaves out parity where there are too few.) Among nodes that
 * are as good, the better of two drawn at random is taken, as for replicas (`blocks/placement.ts`).
 */
import type { NodeId } from "../../../runtime/world.ts";
import { isEligible } from "../blocks/choose-placement.ts";
import type { BlockNode } from "../blocks/locations.ts";
import type { StripeGeometry } from "../namespace/erasure-policy.ts";

export interface GroupPlacementRequest {
  readonly geometry: StripeGeometry;
  /** Shards that need a node. */
  readonly count: number;
  /** What a node must have free to be chosen for one: `roomToWrite`, `roomToCopy`. */
  readonly roomBytes: number;
  readonly exclude: ReadonlySet<NodeId>;
  /** The nodes of the others of the group: one entry for each. */
  readonly placed: readonly NodeId[];
}

/** Nodes for as many of the shards as there is place for. `random` gives [0, 1). */
export function chooseGroupPlacement(
  nodes: readonly BlockNode[],
  { geometry, count, roomBytes, exclude, placed }: GroupPlacementRequest,
  random: () => number,
): readonly NodeId[] {
  const eligible = nodes.filter((node) => isEligible(node, roomBytes) && !exclude.has(node.id));
  const onNode = new Map<NodeId, number>();
  const onRack = new Map<string, number>();
  const rackOf = new Map(nodes.map(({ id, rack }) => [id, rack]));
  const put = (id: NodeId): void => {
    const rack = rackOf.get(id) ?? "";
    onNode.set(id, (onNode.get(id) ?? 0) + 1);
    onRack.set(rack, (onRack.get(rack) ?? 0) + 1);
  };
  for (const id of placed) put(id);
  const chosen: NodeId[] = [];
  while (chosen.length < count) {
    const open = eligible.filter(({ id }) => (onNode.get(id) ?? 0) < geometry.parityUnits);
    const emptiest = leastBy(open, ({ id }) => onNode.get(id) ?? 0);
    const spread = leastBy(emptiest, ({ rack }) => onRack.get(rack) ?? 0);
    if (spread.length === 0) break;
    const draw = (): BlockNode => spread[Math.floor(random() * spread.length)]!;
    const next = better(draw(), draw());
    chosen.push(next.id);
    put(next.id);
  }
  return chosen;
}

function leastBy(nodes: readonly BlockNode[], count: (node: BlockNode) => number): readonly BlockNode[] {
  const least = Math.min(...nodes.map(count));
  return nodes.filter((node) => count(node) === least);
}

function better(left: BlockNode, right: BlockNode): BlockNode {
  const byLoad = left.writers + left.readers - (right.writers + right.readers);
  if (byLoad !== 0) return byLoad < 0 ? left : right;
  return left.freeBytes >= right.freeBytes ? left : right;
}
