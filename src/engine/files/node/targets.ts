/** Nodes for the blocks of one writer: chosen by the rules of `placement.ts`, and why there are none. */
import type { NodeId, Random } from "../../../runtime/world.ts";
import { QuorateError } from "../../../runtime/errors.ts";
import { choosePlacement, roomToCopy, roomToWrite } from "../blocks/choose-placement.ts";
import type { BlockNode, Locations } from "../blocks/locations.ts";
import { isReachable } from "../blocks/locations.ts";
import type { ScheduledBlock } from "../blocks/scheduled-blocks.ts";
import { ScheduledBlocks } from "../blocks/scheduled-blocks.ts";
import { chooseGroupPlacement } from "../erasure/group-placement.ts";
import type { ErasurePolicy } from "../namespace/erasure-policy.ts";
import { unitsOf } from "../namespace/erasure-policy.ts";

export interface TargetRequest {
  readonly replicas: number;
  readonly blockSize: number;
  readonly exclude: ReadonlySet<NodeId>;
  readonly present?: readonly NodeId[];
  /** Where the bytes come from. */
  readonly writer?: NodeId;
}

export interface ShardRequest {
  readonly coding: ErasurePolicy;
  /** Bytes of one shard, at most. */
  readonly shardBytes: number;
  readonly exclude: ReadonlySet<NodeId>;
}

/** One of the views of the nodes by which it is chosen, and what must be free there. */
interface Tier {
  readonly nodes: readonly BlockNode[];
  readonly roomBytes: number;
}

export class Targets {
  private readonly locations: Pick<Locations, "nodes">;
  private readonly random: Random;
  private readonly scheduled = new ScheduledBlocks();

  constructor(locations: Pick<Locations, "nodes">, random: Random) {
    this.locations = locations;
    this.random = random;
  }

  /**
   * To be told of every block that begins, or goes on behind what is there of it, on nodes that were chosen: it counts there when
   * the next ones are.
   */
  schedule(nodes: readonly NodeId[], bytesOnEach: number, presentBytes = 0): ScheduledBlock {
    return this.scheduled.begin(nodes, bytesOnEach, presentBytes);
  }

  /** A heartbeat of this node came. */
  measured(node: NodeId): void {
    this.scheduled.measured(node);
  }

  /** In the order of the pipeline; empty: no node can take one. */
  choose({ replicas, blockSize, exclude, present = [], writer }: TargetRequest): readonly NodeId[] {
    const chosen: NodeId[] = [];
    for (const { nodes, roomBytes } of this.tiers(blockSize)) {
      const request = {
        replicas: replicas - chosen.length,
        roomBytes,
        writer,
        exclude,
        present: [...present, ...chosen],
      };
      chosen.push(...choosePlacement(nodes, request, () => this.random.float()));
      if (chosen.length >= replicas) break;
    }
    return chosen;
  }

  /** Why `choose` finds none. */
  refusal({ blockSize, exclude }: TargetRequest): QuorateError {
    const why = this.whyNone(exclude, roomToCopy(blockSize));
    return new QuorateError("NO_TARGETS", `no node can take a block of ${blockSize} bytes: ${why}`);
  }

  /** For the shards of a block group, in their order; fewer where there are too few nodes. */
  chooseShards({ coding, shardBytes, exclude }: ShardRequest): readonly NodeId[] {
    // As many nodes as can be: that a loss takes few shards counts for more than room beside what is scheduled.
    let widest: readonly NodeId[] = [];
    for (const { nodes, roomBytes } of this.tiers(shardBytes)) {
      const request = { geometry: coding, count: unitsOf(coding), roomBytes, exclude, placed: [] };
      const chosen = chooseGroupPlacement(nodes, request, () => this.random.float());
      if (new Set(chosen).size > new Set(widest).size) widest = chosen;
    }
    return widest;
  }

  /** Why `chooseShards` finds only so many. */
  shardRefusal({ coding, exclude, shardBytes }: ShardRequest, found: number): QuorateError {
    const { name, dataUnits, parityUnits } = coding;
    const rule = `a node takes at most ${parityUnits} of the ${unitsOf(coding)} shards of a group`;
    const text = `${name} needs places for ${dataUnits} shards and there are ${found}: ${rule}`;
    return new QuorateError("NO_TARGETS", `${text}; ${this.whyNone(exclude, roomToCopy(shardBytes))}`);
  }

  /**
   * Best first. What is scheduled is an upper bound, the size of a block too: most files end before. So where nodes would
   * have too little room beside it, those that have some count, and then those that have it by their own word; at last nodes that cannot
   * be reached just now.
   */
  private tiers(blockBytes: number): readonly Tier[] {
    const told = this.locations.nodes();
    const left = this.scheduled.withRoom(told);
    // Its link may be up again when the block begins; else it fails at once, and the others go on. Too few nodes would stay too few.
    const hoped = told.map((node) => ({ ...node, away: false }));
    return [
      { nodes: left, roomBytes: roomToWrite(blockBytes) },
      { nodes: left, roomBytes: roomToCopy(blockBytes) },
      { nodes: told, roomBytes: roomToCopy(blockBytes) },
      { nodes: hoped, roomBytes: roomToCopy(blockBytes) },
    ];
  }

  private whyNone(exclude: ReadonlySet<NodeId>, roomBytes: number): string {
    const reasons = this.locations.nodes().map((node) => `${node.id} ${whyNot(node, exclude, roomBytes)}`);
    return reasons.length === 0 ? "no node has reported yet" : reasons.join(", ");
  }
}

function whyNot(node: BlockNode, exclude: ReadonlySet<NodeId>, roomBytes: number): string {
  if (!node.live || node.stale) return "is silent";
  if (!isReachable(node)) return "cannot be reached";
  if (node.standing !== "inService") return "is on its way out";
  // Of one that also failed before this is why, or says more.
  const isExcluded = exclude.has(node.id) && node.freeBytes >= roomBytes;
  return isExcluded ? "failed before, or is not wanted" : `has ${node.freeBytes} bytes free`;
}
