/** Renames: Hadoop's, POSIX's, and many at once. */
import type { Access } from "../access.ts";
import { WRITE } from "../access.ts";
import type { Expectation } from "../commands.ts";
import type { Directory, Inode } from "../inode.ts";
import { addTotals, noTotals } from "../inode.ts";
import { PUBLISH_MOVES_MAX } from "../model.ts";
import { isWithin, pathOf } from "../path.ts";
import { Refusal } from "../replies.ts";
import type { Resolved } from "../resolve.ts";
import { creatable, directoriesOf, existing, missing, nodeOf, refuseSnapshot, resolve } from "../resolve.ts";
import type { NamespaceState } from "../state.ts";
import { checkRemovable, checkTakenOut } from "./directories.ts";
import { checkEntries, makeParents } from "./making.ts";
import type { Operations } from "./operation.ts";
import { accessOf } from "./operation.ts";

export const RENAME_OPERATIONS: Operations<"rename" | "renameTo" | "publish"> = {
  rename(state, { caller, from, to }) {
    const access = accessOf(state, caller);
    const source = resolve(state.root, from, access, false);
    refuseSnapshot(source);
    const node = nodeOf(source);
    if (node === undefined || source.names.length === 0) return false;
    checkTakenOut(source, node, access);
    let target = resolve(state.root, to, access);
    refuseSnapshot(target);
    if (isSame(source, target)) return true;
    if (nodeOf(target)?.kind === "directory") {
      const inside = [...target.names, source.names.at(-1)!];
      target = resolve(state.root, pathOf(inside), access, false);
      if (isSame(source, target)) return true;
    }
    const parent = target.nodes[target.names.length - 1];
    if (parent?.kind === "directory") {
      access.check(parent, WRITE, target.names, target.names.length - 1);
    }
    if (nodeOf(target) !== undefined || parent?.kind !== "directory") return false;
    if (isWithin(target.names, source.names)) return false;
    move(state, source, node, target, access);
    return true;
  },

  renameTo(state, { caller, from, to, overwrite }) {
    renameTo(state, accessOf(state, caller), from, to, overwrite);
  },

  publish(state, { caller, expected, moves, overwrite, createParents }) {
    if (moves.length > PUBLISH_MOVES_MAX || expected.length > PUBLISH_MOVES_MAX) {
      throw new Refusal(
        "ARGUMENT_INVALID",
        `more than ${PUBLISH_MOVES_MAX} moves or expectations in one publish`,
      );
    }
    const access = accessOf(state, caller);
    for (const each of expected) checkExpected(state, access, each);
    state.atomically(() => {
      for (const { from, to } of moves) {
        const target = resolve(state.root, to, access, false);
        const replaced = nodeOf(target);
        if (replaced?.kind === "file" && state.leases.get(replaced.id) !== undefined) {
          throw new Refusal("BEING_WRITTEN", `${pathOf(target.names)} is being written`);
        }
        if (replaced?.kind === "directory" && state.hasDraftBelow(target.names)) {
          throw new Refusal("BEING_WRITTEN", `a file in ${pathOf(target.names)} is being written`);
        }
        if (createParents) makeDirectories(state, access, to);
        renameTo(state, access, from, to, overwrite);
      }
    });
  },
};

export function renameTo(
  state: NamespaceState,
  access: Access,
  from: string,
  to: string,
  overwrite: boolean,
): void {
  const source = resolve(state.root, from, access, false);
  refuseSnapshot(source);
  const node = existing(source);
  if (source.names.length === 0) {
    throw new Refusal("FILE_OPERATION_REFUSED", "rename source cannot be the root");
  }
  const target = resolve(state.root, to, access, false);
  refuseSnapshot(target);
  if (target.names.length === 0) {
    throw new Refusal("FILE_OPERATION_REFUSED", "rename destination cannot be the root");
  }
  if (isSame(source, target)) {
    throw new Refusal("PATH_EXISTS", `The source ${from} and destination ${to} are the same`);
  }
  if (isWithin(target.names, source.names)) {
    const text = `Rename destination ${to} is a directory or file under source ${from}`;
    throw new Refusal("FILE_OPERATION_REFUSED", text);
  }
  const replaced = nodeOf(target);
  if (replaced !== undefined) checkReplaceable(node, replaced, target, overwrite);
  else if (target.nodes.length < target.names.length) throw missing(target.names.slice(0, -1));
  move(state, source, node, target, access);
}

function checkReplaceable(node: Inode, replaced: Inode, target: Resolved, overwrite: boolean): void {
  const path = pathOf(target.names);
  if ((node.kind === "directory") !== (replaced.kind === "directory")) {
    const text = `Source and destination must both be directories, or both be none: ${path}`;
    throw new Refusal("FILE_OPERATION_REFUSED", text);
  }
  if (!overwrite) throw new Refusal("PATH_EXISTS", `rename destination ${path} already exists`);
  if (replaced.kind === "directory" && replaced.childCount > 0) {
    throw new Refusal("DIRECTORY_NOT_EMPTY", `rename destination directory is not empty: ${path}`);
  }
}

/** Everything else was checked: permissions, snapshots, room; then the move. */
function move(state: NamespaceState, source: Resolved, node: Inode, target: Resolved, access: Access): void {
  checkRemovable(state, source, node, access);
  const replaced = nodeOf(target);
  if (replaced !== undefined) checkRemovable(state, target, replaced, access);
  const parent = target.nodes[target.names.length - 1] as Directory;
  access.check(parent, WRITE, target.names, target.names.length - 1);
  if (target.nodes.length === target.names.length) {
    creatable(state.root, pathOf(target.names), access, false);
  }
  checkNesting(state, source.names, target.names);
  const delta = noTotals();
  addTotals(delta, node, 1);
  if (replaced !== undefined) addTotals(delta, replaced, -1);
  const common = commonDepth(source.names, target.names);
  const directories = directoriesOf(target);
  // What is above both has it already; what is counted there must not be counted again.
  const below = directories.map((each, at) => (at <= common ? undefined : each));
  for (const [at, each] of below.entries()) {
    if (each !== undefined) state.checkQuotaOf(each, target.names.slice(0, at), delta);
  }
  if (replaced === undefined) checkEntries(state, parent, target.names, target.names.length - 1);
  if (replaced !== undefined) state.discard(target.names, state.detach(target.names));
  const moved = state.detach(source.names);
  // Its digest holds; only its place is another.
  state.attachAsIs(target.names.slice(0, -1), target.names.at(-1)!, moved);
  state.moved(source.names, target.names);
}

/** Directories that allow snapshots do not come to lie in one another. */
function checkNesting(state: NamespaceState, from: readonly string[], to: readonly string[]): void {
  const moved = [...state.snapshottable.values()].find((at) => isWithin(at, from));
  if (moved === undefined) return;
  const around = [...state.snapshottable.values()].find(
    (at) => at.length < to.length && isWithin(to, at) && !isWithin(at, from),
  );
  if (around === undefined) return;
  const text = `${pathOf(moved)} is snapshottable and cannot be moved below ${pathOf(around)}, which is too`;
  throw new Refusal("SNAPSHOT_REFUSED", text);
}

/** How many names the two have in common at the start, among their directories. */
function commonDepth(left: readonly string[], right: readonly string[]): number {
  let depth = 0;
  while (depth < left.length - 1 && depth < right.length - 1 && left[depth] === right[depth]) depth++;
  return depth;
}

function isSame(left: Resolved, right: Resolved): boolean {
  return left.names.length === right.names.length && isWithin(left.names, right.names);
}

function checkExpected(state: NamespaceState, access: Access, { path, id, revision }: Expectation): void {
  const node = nodeOf(resolve(state.root, path, access, false));
  if (id === undefined ? node === undefined : node?.id === id) {
    if (revision === undefined || node === undefined || node.revision === revision) return;
  }
  const what = node === undefined ? "is not there" : `is inode ${node.id} at revision ${node.revision}`;
  throw new Refusal("CHANGED_MEANWHILE", `${path} ${what}, which is not what was expected`);
}

/** The parents of a path, as far as they are missing. */
export function makeDirectories(state: NamespaceState, access: Access, path: string): void {
  const { names } = resolve(state.root, path, access, false);
  if (names.length < 2) return;
  const found = creatable(state.root, pathOf(names), access, true);
  if (found.nodes.length >= names.length) return;
  const count = names.length - found.nodes.length;
  state.checkQuota(directoriesOf(found), names, { directories: count });
  checkEntries(state, directoriesOf(found).at(-1)!, names, found.nodes.length - 1);
  makeParents(state, found, access);
}
