/** Inodes as those outside see them. */
import { erasurePolicy } from "./erasure-policy.ts";
import type { Inode } from "./inode.ts";
import type { FileStatus } from "./model.ts";
import { pathOf } from "./path.ts";
import type { NamespaceState } from "./state.ts";

/** `inherited`: the erasure coding policy of the directories above, which one without its own has. */
export function statusOf(
  state: NamespaceState,
  node: Inode,
  names: readonly string[],
  inSnapshot = false,
  inherited?: string,
): FileStatus {
  const { extras } = node;
  const coding = node.kind === "directory" ? (extras?.erasureCoding ?? inherited) : extras?.erasureCoding;
  return {
    type: node.kind,
    path: pathOf(names),
    id: node.id,
    revision: node.revision,
    owner: node.owner,
    group: node.group,
    mode: node.mode,
    modifiedMs: node.modifiedMs,
    accessedMs: node.accessedMs,
    length: node.kind === "file" ? node.length : node.kind === "link" ? node.target.length : 0,
    replication: node.kind === "file" ? node.replication : 0,
    blockSize: node.kind === "file" ? node.blockSize : 0,
    childCount: node.kind === "directory" ? node.childCount : 0,
    open: node.kind === "file" && !inSnapshot && state.leases.get(node.id) !== undefined,
    hasAcl: extras?.accessAcl !== undefined || extras?.defaultAcl !== undefined,
    snapshottable: extras?.snapshots !== undefined,
    target: node.kind === "link" ? node.target : undefined,
    storagePolicy: extras?.storagePolicy,
    erasureCoding: erasurePolicy(coding)?.name,
  };
}
