/**
 * Whoever sums up a subtree must be allowed to list every directory in it, as in HDFS. The sums themselves are kept up to date
 * and cost nothing; to ask about each directory would. So each counts those in it that not everybody may list, and a subtree
 * without any is not looked at; one with some is looked at in slices, because a directory may have a million entries.
 */
import type { Access } from "./access.ts";
import { EXECUTE, READ } from "./access.ts";
import { entriesOf, lookUp } from "./chunk.ts";
import type { Directory } from "./inode.ts";

/** How many entries may still be looked at. */
interface Budget {
  left: number;
}

/**
 * Throws ACCESS_DENIED for the first directory that the caller may not list. Gives the names, below `directory`, of the entry
 * to go on behind when the budget is used up, else undefined. `behind`: what was given before; empty: begins. The tree may
 * have changed meanwhile: what came before the place is not looked at again.
 */
export function checkListable(
  directory: Directory,
  names: readonly string[],
  access: Access,
  behind: readonly string[],
  budget: Budget,
): readonly string[] | undefined {
  if (access.all || directory.restricted === 0) return undefined;
  const [reached, ...deeper] = behind;
  if (reached === undefined) access.check(directory, READ | EXECUTE, names, names.length);
  else if (deeper.length > 0) {
    const child = lookUp(directory.chunks, reached);
    const more =
      child?.kind === "directory"
        ? checkListable(child, [...names, reached], access, deeper, budget)
        : undefined;
    if (more !== undefined) return [reached, ...more];
  }
  for (const [name, child] of entriesOf(directory.chunks, reached ?? "")) {
    if (child.kind === "directory") {
      const more = checkListable(child, [...names, name], access, [], budget);
      if (more !== undefined) return [name, ...more];
    }
    if (--budget.left <= 0) return [name];
  }
  return undefined;
}
