/** Directories and links are made; anything is removed. */
import type { Access } from "../access.ts";
import { EXECUTE, READ, STICKY, WRITE } from "../access.ts";
import { entriesOf } from "../chunk.ts";
import type { Directory, Inode } from "../inode.ts";
import { LinkNode } from "../inode.ts";
import { PATH_MAX_LENGTH } from "../model.ts";
import { isWithin, pathOf } from "../path.ts";
import { Refusal } from "../replies.ts";
import type { Resolved } from "../resolve.ts";
import { creatable, nodeOf, refuseSnapshot, resolve } from "../resolve.ts";
import type { NamespaceState } from "../state.ts";
import { statusOf } from "../status.ts";
import { checkRoom, makeParents, put } from "./making.ts";
import type { Operations } from "./operation.ts";
import { accessOf } from "./operation.ts";

export const DIRECTORY_OPERATIONS: Operations<"mkdir" | "symlink" | "delete"> = {
  mkdir(state, { caller, path, mode, unmaskedMode, createParents }) {
    const access = accessOf(state, caller);
    const there = nodeOf(resolve(state.root, path, access));
    if (there?.kind === "directory") return false;
    if (there !== undefined) throw new Refusal("PATH_EXISTS", `Path is not a directory: ${path}`);
    const found = creatable(state.root, path, access, createParents);
    checkRoom(state, found, { directories: 1 });
    const parent = makeParents(state, found, access);
    const like = state.newInode(parent, access, mode & 0o1777, unmaskedMode, true);
    put(state, found, state.newDirectory(like));
    return true;
  },

  symlink(state, { caller, path, target, createParents }) {
    const access = accessOf(state, caller);
    if (target === "" || target.length > PATH_MAX_LENGTH) {
      throw new Refusal("PATH_INVALID", "a link must lead somewhere");
    }
    const there = resolve(state.root, path, access, false);
    if (nodeOf(there) !== undefined) throw new Refusal("PATH_EXISTS", `${path} already exists`);
    const found = creatable(state.root, path, access, createParents);
    checkRoom(state, found, { links: 1 });
    const parent = makeParents(state, found, access);
    const like = state.newInode(parent, access, 0o777, undefined, false);
    const link = new LinkNode(state.counters.nextFileId++, state.tree.epoch, like, target);
    put(state, found, link);
    return statusOf(state, link, found.names);
  },

  delete(state, { caller, path, recursive }) {
    const access = accessOf(state, caller);
    const found = resolve(state.root, path, access, false);
    refuseSnapshot(found);
    const node = nodeOf(found);
    if (node === undefined) return false;
    checkTakenOut(found, node, access);
    if (node.kind === "directory" && node.childCount > 0 && !recursive) {
      throw new Refusal("DIRECTORY_NOT_EMPTY", `${pathOf(found.names)} is non empty: Directory is not empty`);
    }
    checkRemovable(state, found, node, access);
    if (node.kind === "directory") checkBelow(node, found.names, access);
    state.discard(found.names, state.detach(found.names));
    return true;
  },
};

/** The entry may be taken out of its directory: by permission, and because no snapshot hangs on it. */
export function checkRemovable(state: NamespaceState, found: Resolved, node: Inode, access: Access): void {
  checkTakenOut(found, node, access);
  if (node.kind === "directory") checkNoSnapshots(state, found.names);
}

/** The caller may take the entry out of its directory. Asked first: who may not, learns nothing of what is inside. */
export function checkTakenOut({ names, nodes }: Resolved, node: Inode, access: Access): void {
  if (names.length === 0) throw new Refusal("FILE_OPERATION_REFUSED", "the root directory cannot be removed");
  const parent = nodes[names.length - 1] as Directory;
  // In the order of HDFS, whose words say which of the two it was.
  access.checkSticky(parent, node, names);
  access.check(parent, WRITE, names, names.length - 1);
}

/** A directory with snapshots stays where it is: what they hold is reached through it. */
export function checkNoSnapshots(state: NamespaceState, names: readonly string[]): void {
  for (const at of state.snapshottable.values()) {
    if (!isWithin(at, names)) continue;
    const directory = state.nodeAt(at);
    if ((directory.extras?.snapshots?.length ?? 0) === 0) continue;
    const text = `The directory ${pathOf(names)} cannot be deleted or moved since ${pathOf(at)} is snapshottable`;
    throw new Refusal("SNAPSHOT_REFUSED", `${text} and already has snapshots`);
  }
}

/** Whoever removes a directory with everything in it could have removed each by itself. */
function checkBelow(directory: Directory, names: readonly string[], access: Access): void {
  if (access.all || directory.childCount === 0) return;
  access.check(directory, READ | WRITE | EXECUTE, names, names.length);
  const isSticky = (directory.mode & STICKY) !== 0 && directory.owner !== access.caller.user;
  if (directory.directories === 1 && !isSticky) return;
  for (const [name, node] of entriesOf(directory.chunks)) {
    if (isSticky) access.checkSticky(directory, node, [...names, name]);
    if (node.kind === "directory") checkBelow(node, [...names, name], access);
  }
}
