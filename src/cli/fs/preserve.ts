/** What goes along with a file that is copied: `-p` of `put`, `get` and `cp`. */
import type { AclEntry } from "../../client/files/attributes.ts";
import type { FileStats } from "../../client/files/file-stats.ts";
import type { Files } from "../../client/files/files.ts";
import type { Shell } from "./shell.ts";

/** `what`: Hadoop's letters for times, owner, permissions, access control list (and permissions), extended attributes. */
export async function preserve(
  { local, signal }: Shell,
  { from, to }: { readonly from: Files; readonly to: Files },
  what: string,
  source: FileStats,
  target: string,
): Promise<void> {
  if (what.includes("x")) {
    for (const [name, value] of await from.attributes(source.path, undefined, { signal }))
      await to.setAttribute(target, name, value, { signal });
  }
  if (what.includes("p") || what.includes("a")) await to.chmod(target, source.mode, { signal });
  if (what.includes("a") && source.hasAcl) {
    const { mode, entries } = await from.acl(source.path, { signal });
    await to.changeAcl(target, { type: "replace", entries: wholeAcl(mode, entries) }, { signal });
  }
  if (what.includes("t")) await to.utimes(target, source.atimeMs, source.mtimeMs, { signal });
  // Of this machine's files only root gives one away.
  if (what.includes("o") && to !== local) await to.chown(target, source.owner, source.group, { signal });
}

/** With what the mode says: with a list, its middle bits are the mask. */
function wholeAcl(mode: number, entries: readonly AclEntry[]): readonly AclEntry[] {
  const said = (type: AclEntry["type"], permission: number): AclEntry => ({
    isDefault: false,
    type,
    name: "",
    permission,
  });
  const [owner, mask, others] = [(mode >> 6) & 7, (mode >> 3) & 7, mode & 7];
  return [said("user", owner), ...entries, said("mask", mask), said("other", others)];
}
