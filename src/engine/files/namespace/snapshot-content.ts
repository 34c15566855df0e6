/**
 * What only snapshots hold of a subtree, because it was removed or replaced since: what HDFS counts as deleted. Each snapshot is
 * walked beside the next one, the last beside the present, as `difference.ts` does it: what two of them share is not looked at,
 * and what is gone amounts to what its own totals say. What was only renamed, or changed, is there still.
 */
import { lookUp } from "./chunk.ts";
import { pairs } from "./difference.ts";
import type { Directory, DirectorySnapshot, Inode, Totals } from "./inode.ts";
import { addTotals, noTotals } from "./inode.ts";
import { isWithin } from "./path.ts";
import type { Resolved } from "./resolve.ts";
import { existing } from "./resolve.ts";
import type { NamespaceState } from "./state.ts";

export function snapshotContent(state: NamespaceState, found: Resolved): Totals {
  const sum = noTotals();
  const node = existing(found);
  if (node.kind !== "directory" || found.inSnapshot) return sum;
  const { names, nodes } = found;
  // Directories with snapshots do not nest: those below, or the one that it is in, itself perhaps.
  const depth = nodes.findIndex((each) => snapshotsIn(each).length > 0);
  if (depth >= 0 && depth <= names.length) {
    const past = snapshotsIn(nodes[depth]!).map(({ root }) => below(root, names.slice(depth)));
    addGone(sum, past, node);
    return sum;
  }
  for (const at of state.snapshottable.values()) {
    if (!isWithin(at, names)) continue;
    const directory = state.nodeAt(at);
    if (directory.kind !== "directory") continue;
    addGone(
      sum,
      snapshotsIn(directory).map(({ root }) => root),
      directory,
    );
  }
  return sum;
}

function snapshotsIn(node: Inode): readonly DirectorySnapshot[] {
  return node.extras?.snapshots ?? [];
}

function below(root: Directory, names: readonly string[]): Inode | undefined {
  let node: Inode | undefined = root;
  for (const name of names) node = node?.kind === "directory" ? lookUp(node.chunks, name) : undefined;
  return node;
}

function addGone(sum: Totals, past: readonly (Inode | undefined)[], now: Directory): void {
  const versions = [...past.filter((node) => node?.kind === "directory" && node.id === now.id), now];
  for (const [at, before] of versions.entries()) {
    const after = versions[at + 1];
    if (after === undefined) return;
    const gone = new Map<number, Inode>();
    const come = new Map<number, Inode>();
    compare(before as Directory, after as Directory, gone, come);
    for (const [id, node] of gone) if (!come.has(id)) addTotals(sum, node, 1);
  }
}

/** `gone`, `come`: by number, what is under a name in one of them and not in the other. */
function compare(
  before: Directory,
  after: Directory,
  gone: Map<number, Inode>,
  come: Map<number, Inode>,
): void {
  if (before === after) return;
  for (const [, left, right] of pairs(before.chunks, after.chunks)) {
    if (left?.id === right?.id) {
      if (left?.kind === "directory" && right?.kind === "directory") compare(left, right, gone, come);
      continue;
    }
    if (left !== undefined) leave(left, gone, come);
    if (right !== undefined) arrive(right, gone, come);
  }
}

function leave(node: Inode, gone: Map<number, Inode>, come: Map<number, Inode>): void {
  gone.set(node.id, node);
  const other = come.get(node.id);
  if (node.kind === "directory" && other?.kind === "directory") compare(node, other, gone, come);
}

function arrive(node: Inode, gone: Map<number, Inode>, come: Map<number, Inode>): void {
  come.set(node.id, node);
  const other = gone.get(node.id);
  if (node.kind === "directory" && other?.kind === "directory") compare(other, node, gone, come);
}
