/**
 * Blocks that would be better placed if another node could take a part of them. Nothing about such a block changes when that node
 * comes: it holds nothing of it. So the leader notes it, and looks again when a node takes replicas that took none before. Only
 * block groups are noted, of which a million take 20 MiB; replicas are too close together only for want of a rack.
 */
import type { NodeId } from "../../../runtime/world.ts";
import type { BlockId } from "../namespace/model.ts";
import { isEligible } from "./choose-placement.ts";
import type { BlockNode } from "./locations.ts";

export class CrowdedBlocks {
  private readonly ids = new Set<BlockId>();
  /** What took replicas when it was looked last; undefined: it was not yet. */
  private before: { readonly nodes: ReadonlySet<NodeId>; readonly racks: ReadonlySet<string> } | undefined;

  note(id: BlockId, isCrowded: boolean): void {
    if (isCrowded) this.ids.add(id);
    else this.ids.delete(id);
  }

  clear(): void {
    this.ids.clear();
    this.before = undefined;
  }

  /**
   * What is to be looked at again since the last call: those that were noted when a node came, `all` when a rack did, for then
   * any block may be on too few of them; undefined: nothing. The first call only remembers who is there.
   */
  onNodes(known: Iterable<BlockNode>, all: () => Iterator<BlockId>): Iterator<BlockId> | undefined {
    const { before } = this;
    const there = [...known].filter(({ live, standing }) => live && standing === "inService");
    const nodes = new Set(there.filter((node) => isEligible(node, 0)).map(({ id }) => id));
    const racks = new Set(there.map(({ rack }) => rack));
    this.before = { nodes, racks };
    if (before === undefined) return undefined;
    if ([...racks].some((rack) => !before.racks.has(rack))) return all();
    return [...nodes].some((node) => !before.nodes.has(node)) ? this.ids.values() : undefined;
  }
}
