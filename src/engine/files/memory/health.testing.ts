/** How the blocks of files in memory are: none is ever damaged, but a file has only as many replicas as there are live nodes. */
import type { BlockNode } from "../blocks/locations.ts";
import type { BlockHealth, FilesReport, PathHealth, SafeModeStatus } from "../file-system.ts";
import type { Caller } from "../namespace/model.ts";
import type { Inode, Tree } from "./tree.testing.ts";
import { sortedNames } from "./tree.testing.ts";

export function blocksOf({
  content,
  blockSize,
}: Inode): readonly { readonly start: number; readonly size: number }[] {
  const blocks: { start: number; size: number }[] = [];
  for (let start = 0; start < content.length; start += blockSize) {
    blocks.push({ start, size: Math.min(blockSize, content.length - start) });
  }
  return blocks;
}

export function* healthOf(
  tree: Tree,
  nodes: readonly BlockNode[],
  { node, path }: { readonly node: Inode; readonly path: string },
  caller: Caller,
): Generator<PathHealth> {
  yield { status: tree.status(node, path), blocks: blockHealth(tree, nodes, node) };
  if (node.type !== "directory") return;
  tree.allow(node, caller, 5, path);
  for (const name of sortedNames(node)) {
    const child = node.children.get(name) as Inode;
    yield* healthOf(tree, nodes, { node: child, path: `${path === "/" ? "" : path}/${name}` }, caller);
  }
}

function blockHealth(tree: Tree, nodes: readonly BlockNode[], node: Inode): readonly BlockHealth[] {
  if (node.type !== "file" || node.content.length <= tree.settings.inlineMaxBytes) return [];
  const holders = nodes.filter(({ live }) => live).slice(0, node.replication);
  const isLess = holders.length < node.replication;
  return blocksOf(node).map(({ start, size }) => ({
    block: node.id * 1000 + start / node.blockSize,
    stamp: 1001,
    length: size,
    replicas: holders.map((holder) => ({
      node: holder.id,
      rack: holder.rack,
      standing: standingOf(tree, holder),
      state: "good",
    })),
    wanted: node.replication,
    making: [],
    problem: holders.length === 0 ? "missing" : isLess ? "under-replicated" : "none",
    explanation: isLess ? "No other node can take one." : "It is as it should be.",
  }));
}

function standingOf({ settings }: Tree, { id, standing }: BlockNode): BlockNode["standing"] {
  if (settings.decommissioning.includes(id)) return "decommissioning";
  return settings.inMaintenance.includes(id) ? "inMaintenance" : standing;
}

export function reportOf(tree: Tree, all: readonly BlockNode[], safeMode: SafeModeStatus): FilesReport {
  const counts = { total: 0, missing: 0, underReplicated: 0, overReplicated: 0, corrupt: 0, misplaced: 0 };
  const { superuser } = tree.settings;
  for (const { blocks } of healthOf(
    tree,
    all,
    { node: tree.root, path: "/" },
    { user: superuser, groups: [] },
  )) {
    for (const { problem } of blocks) {
      counts.total++;
      if (problem === "missing") counts.missing++;
      if (problem === "under-replicated") counts.underReplicated++;
    }
  }
  const nodes = all.map((node) => {
    const standing = standingOf(tree, node);
    return { node: { ...node, standing }, replicas: 0, remaining: 0, explanation: undefined } as const;
  });
  return { blocks: { ...counts, open: 0 }, nodes, unheard: [], safeMode };
}
