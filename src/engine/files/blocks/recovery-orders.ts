/** Blocks whose writers are gone, or that are being cut: the leader has each brought to one length by one of the nodes that hold it. */
import type { NodeId, Random } from "../../../runtime/world.ts";
import type { GroupUpkeep } from "../erasure/group-upkeep.ts";
import { isGroup } from "../erasure/group-upkeep.ts";
import type { BlockId, GenerationStamp, OpenFile } from "../namespace/model.ts";
import type { NamespaceQueries } from "../namespace/queries.ts";
import type { BlockLink, FrameOf } from "./block-link.ts";
import type { BlockNode, Locations } from "./locations.ts";

/** An attempt of which nothing was heard for so long is ordered again. */
const PATIENCE_MS = 12_000;

export interface RecoveryOrdersOptions {
  readonly namespace: Pick<NamespaceQueries, "block" | "openFiles">;
  readonly locations: Pick<Locations, "all">;
  readonly groups: GroupUpkeep;
  readonly random: Random;
}

type Nodes = ReadonlyMap<NodeId, BlockNode>;
type Recovering = OpenFile & { readonly recovery: NonNullable<OpenFile["recovery"]> };

export class RecoveryOrders {
  private readonly link: BlockLink;
  private readonly options: RecoveryOrdersOptions;
  /** Those that were ordered: under which stamp, and until when they are waited for. */
  private readonly ordered = new Map<
    BlockId,
    { readonly stamp: GenerationStamp; readonly untilMs: number }
  >();

  constructor(link: BlockLink, options: RecoveryOrdersOptions) {
    this.link = link;
    this.options = options;
  }

  clear(): void {
    this.ordered.clear();
  }

  /** Orders what is wanted and not under way. */
  order(term: number, nowMs: number, nodes: Nodes): void {
    const wanted = new Set<BlockId>();
    for (const file of this.options.namespace.openFiles()) {
      const { recovery } = file;
      if (recovery === undefined) continue;
      const { block, stamp } = recovery;
      wanted.add(block.id);
      const ordered = this.ordered.get(block.id);
      if (ordered?.stamp === stamp && nowMs < ordered.untilMs) continue;
      this.ordered.set(block.id, { stamp, untilMs: nowMs + PATIENCE_MS });
      const [order, holders] = this.orderFor(term, { ...file, recovery }, nodes);
      const leader = holders[Math.floor(this.options.random.float() * holders.length)];
      if (leader !== undefined) this.link.send(leader, order);
    }
    for (const block of this.ordered.keys()) if (!wanted.has(block)) this.ordered.delete(block);
  }

  /** And the nodes of which one is to lead it. One that is gone would be waited for until the attempt is over: it is left out. */
  private orderFor(
    term: number,
    { id: file, recovery, pipeline }: Recovering,
    nodes: Nodes,
  ): readonly [FrameOf<"recover"> | FrameOf<"recoverGroup">, readonly NodeId[]] {
    const { namespace, locations, groups } = this.options;
    const { block, stamp: recoveryStamp, truncateTo } = recovery;
    // What is copied is ended first.
    const copyTo = truncateTo === undefined ? undefined : recovery.copyTo;
    const { id, stamp, length } = block;
    const common = { term, file, block: id, stamp, recoveryStamp } as const;
    const group = namespace.block(id);
    if (group !== undefined && isGroup(group)) {
      const shards = groups.writtenShards(group, pipeline, nodes);
      const frame = { type: "recoverGroup", ...common, geometry: group.coding, shards } as const;
      return [frame, shards.map(({ node }) => node)];
    }
    const holders = locations.all(id).map(({ node }) => node);
    const live = [...new Set([...pipeline, ...holders])].filter((node) => nodes.get(node)?.live === true);
    return [{ type: "recover", ...common, length, truncateTo, copyTo, nodes: live }, live];
  }
}
