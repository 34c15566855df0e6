/** Nodes for the blocks of one writer: chosen by the rules of `placement.ts`, and why there are none. */
import type { NodeId, Random } from "../../../runtime/world.ts";
import { QuorateError } from "../../../runtime/errors.ts";
import { choosePlacement, roomToWrite } from "../blocks/choose-placement.ts";
import type { BlockNode, Locations } from "../blocks/locations.ts";
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

export class Targets {
  private readonly locations: Pick<Locations, "nodes">;
  private readonly random: Random;

  constructor(locations: Pick<Locations, "nodes">, random: Random) {
    this.locations = locations;
    this.random = random;
  }

  /** In the order of the pipeline; empty: no node can take one. */
  choose({ replicas, blockSize, exclude, present = [], writer }: TargetRequest): readonly NodeId[] {
    const request = { replicas, roomBytes: roomToWrite(blockSize), writer, exclude, present };
    return choosePlacement(this.locations.nodes(), request, () => this.random.float());
  }

  /** Why `choose` finds none. */
  refusal({ blockSize, exclude }: TargetRequest): QuorateError {
    const why = this.whyNone(exclude);
    return new QuorateError("NO_TARGETS", `no node can take a block of ${blockSize} bytes: ${why}`);
  }

  /** For the shards of a block group, in their order; fewer where there are too few nodes. */
  chooseShards({ coding, shardBytes, exclude }: ShardRequest): readonly NodeId[] {
    const roomBytes = roomToWrite(shardBytes);
    const request = { geometry: coding, count: unitsOf(coding), roomBytes, exclude, placed: [] };
    return chooseGroupPlacement(this.locations.nodes(), request, () => this.random.float());
  }

  /** Why `chooseShards` finds only so many. */
  shardRefusal({ coding, exclude }: ShardRequest, found: number): QuorateError {
    const { name, dataUnits, parityUnits } = coding;
    const rule = `a node takes at most ${parityUnits} of the ${unitsOf(coding)} shards of a group`;
    const text = `${name} needs places for ${dataUnits} shards and there are ${found}: ${rule}`;
    return new QuorateError("NO_TARGETS", `${text}; ${this.whyNone(exclude)}`);
  }

  private whyNone(exclude: ReadonlySet<NodeId>): string {
    const reasons = this.locations.nodes().map((node) => `${node.id} ${whyNot(node, exclude)}`);
    return reasons.length === 0 ? "no node has reported yet" : reasons.join(", ");
  }
}

function whyNot(node: BlockNode, exclude: ReadonlySet<NodeId>): string {
  if (!node.live || node.stale) return "is silent";
  if (node.standing !== "inService") return "is on its way out";
  if (exclude.has(node.id)) return "failed before, or is not wanted";
  return `has ${node.freeBytes} bytes free`;
}
