/**
 * Blocks that are on their way to nodes: what they may take of a disk that is told as free, until a heartbeat tells of it.
 * Without that, all that is begun within one heartbeat would go to the same node, fit or not.
 */
import type { NodeId } from "../../../runtime/world.ts";
import type { BlockNode } from "./locations.ts";

/** One block that is being written. */
export interface ScheduledBlock {
  /** It goes on, or also, on this node. */
  add(node: NodeId): void;
  /** No more is written. So many bytes are on each node, which its next heartbeat knows of. Once; later calls do nothing. */
  end(bytesOnEach: number): void;
}

export class ScheduledBlocks {
  /** Of blocks that are being written: at most so many bytes come. What is there already counts too, as in HDFS. */
  private readonly open = new Map<NodeId, number>();
  /** Written since the node's last heartbeat. */
  private readonly ended = new Map<NodeId, number>();

  /** At most so many bytes go to each of these; a node may come several times, as with the shards of a group. */
  begin(nodes: readonly NodeId[], bytesOnEach: number): ScheduledBlock {
    const taken: NodeId[] = [];
    let isOver = false;
    const add = (node: NodeId): void => {
      if (isOver) return;
      taken.push(node);
      change(this.open, node, bytesOnEach);
    };
    for (const node of nodes) add(node);
    return {
      add,
      end: (writtenOnEach) => {
        if (isOver) return;
        isOver = true;
        for (const node of taken) {
          change(this.open, node, -bytesOnEach);
          change(this.ended, node, writtenOnEach);
        }
      },
    };
  }

  /** A heartbeat came, which is later than all that was acknowledged to this writer's side. */
  measured(node: NodeId): void {
    this.ended.delete(node);
  }

  /** Nodes with the room that is left to them beside all of it; below 0 where more was scheduled than there is. */
  withRoom(nodes: readonly BlockNode[]): readonly BlockNode[] {
    return nodes.map((node) => {
      const scheduled = (this.open.get(node.id) ?? 0) + (this.ended.get(node.id) ?? 0);
      return scheduled === 0 ? node : { ...node, freeBytes: node.freeBytes - scheduled };
    });
  }
}

function change(bytes: Map<NodeId, number>, node: NodeId, by: number): void {
  const now = (bytes.get(node) ?? 0) + by;
  if (now > 0) bytes.set(node, now);
  else bytes.delete(node);
}
