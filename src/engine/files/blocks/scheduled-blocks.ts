/**
 * Blocks that are on their way to nodes: what they may take of a disk that is told as free, until heartbeats tell of it.
 * Without that, all that is begun within one heartbeat would go to the same node, fit or not.
 *
 * What has ended counts for two heartbeats. The first may have been measured before: acknowledgements of a pipeline come by way of
 * its first node, and overtake what the others sent here themselves. It may so count twice for a second, which does no harm.
 * Heartbeats that are later still are believed too early: then a disk that fills up is found out by who writes to it.
 */
import type { NodeId } from "../../../runtime/world.ts";
import type { BlockNode } from "./locations.ts";

/** One block that is being written. */
export interface ScheduledBlock {
  /** It goes on, or also, on this node, which had nothing of it. */
  add(node: NodeId): void;
  /** No more is written: so many bytes are on each node. Once; later calls do nothing. */
  end(bytesOnEach: number): void;
}

export class ScheduledBlocks {
  /** Of blocks that are being written: at most so many bytes come. What has come since it began counts on, as in HDFS. */
  private readonly open = new Map<NodeId, number>();
  /** What ended since the node's last heartbeat. */
  private readonly ended = new Map<NodeId, number>();
  /** What ended between the last two, and the last one may not know of. */
  private readonly endedBefore = new Map<NodeId, number>();

  /**
   * At most so many bytes are on each of these in the end, of which these have the first `presentBytes` now (default 0). A node
   * may come several times, as with the shards of a group.
   */
  begin(nodes: readonly NodeId[], bytesOnEach: number, presentBytes = 0): ScheduledBlock {
    const taken: { readonly node: NodeId; readonly present: number }[] = [];
    let isOver = false;
    const take = (node: NodeId, present: number): void => {
      if (isOver) return;
      taken.push({ node, present });
      change(this.open, node, bytesOnEach - present);
    };
    for (const node of nodes) take(node, presentBytes);
    return {
      add: (node) => take(node, 0),
      end: (writtenOnEach) => {
        if (isOver) return;
        isOver = true;
        for (const { node, present } of taken) {
          change(this.open, node, present - bytesOnEach);
          change(this.ended, node, Math.max(0, writtenOnEach - present));
        }
      },
    };
  }

  /** A heartbeat of this node came. */
  measured(node: NodeId): void {
    this.endedBefore.delete(node);
    change(this.endedBefore, node, this.ended.get(node) ?? 0);
    this.ended.delete(node);
  }

  /** Nodes with the room that is left to them beside all of it; below 0 where more was scheduled than there is. */
  withRoom(nodes: readonly BlockNode[]): readonly BlockNode[] {
    return nodes.map((node) => {
      const of = (bytes: ReadonlyMap<NodeId, number>): number => bytes.get(node.id) ?? 0;
      const scheduled = of(this.open) + of(this.ended) + of(this.endedBefore);
      return scheduled === 0 ? node : { ...node, freeBytes: node.freeBytes - scheduled };
    });
  }
}

function change(bytes: Map<NodeId, number>, node: NodeId, by: number): void {
  const now = (bytes.get(node) ?? 0) + by;
  if (now > 0) bytes.set(node, now);
  else bytes.delete(node);
}
