/** The part of `blocks/block-upkeep.ts` that is about block groups: what their shards are looked at, made and recovered by. */
import type { NodeId, Random } from "../../../runtime/world.ts";
import type { FrameOf } from "../blocks/block-link.ts";
import { roomToCopy } from "../blocks/choose-placement.ts";
import type { BlockNode, Locations } from "../blocks/locations.ts";
import type { CopyBytes } from "../blocks/ordered-copies.ts";
import type { ShardPlace } from "../blocks/protocol.ts";
import type { ErasurePolicy } from "../namespace/erasure-policy.ts";
import { shardLength, shardNumbers, unitOf } from "../namespace/erasure-policy.ts";
import type { BlockId, OpenFile } from "../namespace/model.ts";
import type { StoredBlock } from "../namespace/queries.ts";
import { chooseGroupPlacement } from "./group-placement.ts";
import type { GroupRepairPlan } from "./group-repair-plan.ts";
import { planGroupRepair } from "./group-repair-plan.ts";

export type BlockGroup = StoredBlock & { readonly coding: ErasurePolicy };
type Nodes = ReadonlyMap<NodeId, BlockNode>;

export interface GroupUpkeepOptions {
  readonly locations: Pick<Locations, "all">;
  readonly random: Random;
  /** Nodes that were told to make a replica of this number, and have not reported it yet. */
  readonly pending: (id: BlockId) => ReadonlySet<NodeId>;
  /** Nodes that were told to make as many as they may. */
  readonly busy: () => Iterable<NodeId>;
  /** Nodes that were told to make a replica of this number and failed at it just now. */
  readonly failedAt: (id: BlockId) => Iterable<NodeId>;
  /** Nodes with the room that they have beside what they were told to make. */
  readonly withRoom: (nodes: Iterable<BlockNode>) => readonly BlockNode[];
  /** Tells a node to make a replica. */
  readonly order: (to: NodeId, id: BlockId, bytes: CopyBytes, frame: ShardOrder) => void;
}

export type ShardOrder =
  | Omit<FrameOf<"replicate">, "term" | "bandwidth">
  | Omit<FrameOf<"rebuild">, "term" | "bandwidth">;

export function isGroup(block: StoredBlock): block is BlockGroup {
  return block.coding !== undefined;
}

export function isGroupPlan(plan: object): plan is GroupRepairPlan {
  return "make" in plan;
}

/** What is there of a block or, for a shard's number, should be: its length in bytes. */
export function replicaLength(block: StoredBlock, id: BlockId): number {
  return isGroup(block) ? shardLength(block.coding, block.length, unitOf(id)) : block.length;
}

export class GroupUpkeep {
  private readonly options: GroupUpkeepOptions;

  constructor(options: GroupUpkeepOptions) {
    this.options = options;
  }

  /** `isLeading` false: what others make is seen by what is being written. */
  plan(block: BlockGroup, nodes: Nodes, isLeading: boolean): GroupRepairPlan {
    const { locations, pending } = this.options;
    const numbers = shardNumbers(block.coding, block.id);
    const shards = numbers.map((id) => locations.all(id));
    const making = numbers.map((id, unit) => {
      const written = isLeading ? [] : (shards[unit] ?? []).filter(({ state }) => state === "writing");
      return new Set([...pending(id), ...written.map(({ node }) => node)]);
    });
    return planGroupRepair({ block, shards, nodes, pending: making });
  }

  /** Orders what the plan wants made; false: for some of it there is no node now. */
  make(block: BlockGroup, plan: GroupRepairPlan, nodes: Nodes): boolean {
    const { coding, id: group, stamp, length: groupLength } = block;
    const { locations, random, busy, failedAt, withRoom, order } = this.options;
    const placed = [...plan.present];
    const without = new Set([...busy(), ...plan.avoid]);
    let isEnough = true;
    for (const { unit, copyFrom } of plan.make) {
      const id = group + unit;
      const length = shardLength(coding, groupLength, unit);
      const ask = (more: readonly NodeId[]): NodeId | undefined => {
        const exclude = new Set([...without, ...failedAt(id), ...more]);
        const request = { geometry: coding, count: 1, roomBytes: roomToCopy(length), exclude, placed };
        return chooseGroupPlacement(withRoom(nodes.values()), request, () => random.float())[0];
      };
      // A node that holds a bad one may take a good one in its place, when no other is there.
      const holders = locations.all(id).map(({ node }) => node);
      const target = ask(holders) ?? ask(plan.readable[unit] ?? []);
      if (target === undefined) {
        isEnough = false;
        continue;
      }
      placed.push(target);
      // What a writer left behind on the target is in the way of a copy, not of a shard that is made anew.
      if (copyFrom.length > 0 && !holders.includes(target)) {
        order(
          target,
          id,
          { length, readBytes: length },
          { type: "replicate", block: id, stamp, length, from: copyFrom },
        );
        continue;
      }
      const { dataUnits, parityUnits, cellBytes } = coding;
      const geometry = { dataUnits, parityUnits, cellBytes };
      const rebuild = { block: group, stamp, geometry, groupLength, unit, from: plan.readable } as const;
      order(target, id, { length, readBytes: length * dataUnits }, { type: "rebuild", ...rebuild });
    }
    return isEnough;
  }

  /** All nodes that hold any shard. */
  holders(block: BlockGroup): readonly NodeId[] {
    const numbers = shardNumbers(block.coding, block.id);
    const all = numbers.flatMap((id) => this.options.locations.all(id));
    return [...new Set(all.map(({ node }) => node))];
  }

  /** Where shards of a group that was being written may be, on nodes that are there. */
  writtenShards(block: BlockGroup, pipeline: OpenFile["pipeline"], nodes: Nodes): readonly ShardPlace[] {
    const places = new Map<string, ShardPlace>();
    const add = (unit: number, node: NodeId): void => {
      if (nodes.get(node)?.live === true) places.set(`${unit}/${node}`, { unit, node });
    };
    for (const [unit, node] of pipeline.entries()) add(unit, node);
    for (const [unit, id] of shardNumbers(block.coding, block.id).entries()) {
      for (const { node } of this.options.locations.all(id)) add(unit, node);
    }
    return [...places.values()];
  }
}
