/** Room for a new entry: the parents that are missing, quotas, the limit of a directory. */
import type { Access } from "../access.ts";
import type { Directory, Inode, Totals } from "../inode.ts";
import { pathOf } from "../path.ts";
import { Refusal } from "../replies.ts";
import type { Resolved } from "../resolve.ts";
import { directoriesOf } from "../resolve.ts";
import type { NamespaceState } from "../state.ts";

/** Checks what `make` is about to do: missing parents and one more entry that amounts to `totals`. */
export function checkRoom(state: NamespaceState, found: Resolved, totals: Partial<Totals>): void {
  const { names } = found;
  const there = directoriesOf(found);
  const missing = names.length - there.length;
  const { files = 0, directories = 0, links = 0, space = 0 } = totals;
  state.checkQuota(there, names, { files, directories: directories + missing, links, space });
  checkEntries(state, there.at(-1)!, names, there.length - 1);
}

/** `names` leads to the parent; of it, the first `depth`. */
export function checkEntries(
  state: NamespaceState,
  parent: Directory,
  names: readonly string[],
  depth: number,
): void {
  const { maxDirectoryEntries } = state.settings;
  if (parent.childCount < maxDirectoryEntries) return;
  const text = `The directory item limit of ${pathOf(names, depth)} is exceeded: limit=${maxDirectoryEntries}`;
  throw new Refusal("FILE_OPERATION_REFUSED", `${text} items=${parent.childCount}`);
}

/** Makes the parents that are missing, and gives the directory that the entry will be in. */
export function makeParents(state: NamespaceState, found: Resolved, access: Access): Directory {
  const { names } = found;
  let parent = directoriesOf(found).at(-1)!;
  for (let depth = directoriesOf(found).length; depth < names.length; depth++) {
    // Who may make the entry must be able to reach it.
    const like = state.newInode(parent, access, 0o755 | 0o300, undefined, true);
    const directory = state.newDirectory(like);
    state.attach(names.slice(0, depth - 1), names[depth - 1]!, directory);
    parent = directory;
  }
  return parent;
}

/** Puts a new inode at the end of the path. */
export function put(state: NamespaceState, found: Resolved, node: Inode): void {
  state.attach(found.names.slice(0, -1), found.names.at(-1)!, node);
}
