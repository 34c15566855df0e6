/**
 * Which nodes a block goes to: pure, so that its rules can be tested as a table.
 *
 * The first replica goes to the writer's own node when that keeps blocks, else to the best node; the second to another rack,
 * the third to the second's rack but another node, the rest anywhere, at most ceil(replicas / racks) + 1 to a rack. "Best" is
 * the better of two drawn at random, by load (writers and readers against the mean) and then by free space: good on average,
 * and many writers at once do not all fall on the same node. A node is eligible when it is live, in service, not excluded, and
 * has room: for five more blocks where one is written, or fewer where that leaves too few (`node/targets.ts`), for the one that
 * is copied where it is. With fewer eligible nodes than replicas, all are taken: the block begins under-replicated and the leader
 * repairs it when more nodes are there.
 */
import type { NodeId } from "../../../runtime/world.ts";
import type { BlockNode } from "./locations.ts";

export interface PlacementRequest {
  readonly replicas: number;
  /** What a node must have free to be chosen: `roomToWrite`, `roomToCopy`. */
  readonly roomBytes: number;
  /** Where the bytes come from; undefined: from outside. */
  readonly writer: NodeId | undefined;
  readonly exclude: ReadonlySet<NodeId>;
  /** Nodes that hold a replica already: they count for the rules, and are not chosen. */
  readonly present: readonly NodeId[];
}

/** In pipeline order: near ones first. Empty: no node is eligible. `random` gives [0, 1). */
export type ChoosePlacement = (
  nodes: readonly BlockNode[],
  request: PlacementRequest,
  random: () => number,
) => readonly NodeId[];
