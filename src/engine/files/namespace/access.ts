/** Who may do what: HDFS's permission model (HdfsPermissionsGuide): nine bits, sticky bit, access control lists, superuser. */
import type { AclEntry, Caller, NamespaceSettings } from "./model.ts";
import type { Directory, Inode } from "./inode.ts";
import { pathOf } from "./path.ts";
import { Refusal } from "./replies.ts";

export const READ = 4;
export const WRITE = 2;
export const EXECUTE = 1;
export const STICKY = 0o1000;

/** What one caller may do, by the settings of the moment. */
export class Access {
  readonly caller: Caller;
  /** No permission is looked at. */
  readonly all: boolean;
  /** As `all`, and what is only for the superuser too. */
  readonly superuser: boolean;

  constructor(caller: Caller, settings: NamespaceSettings) {
    this.caller = caller;
    this.superuser = caller.user === settings.superuser || caller.groups.includes(settings.supergroup);
    this.all = this.superuser || !settings.permissions;
  }

  allows(node: Inode, permission: number): boolean {
    return this.all || (permission & ~this.permissionOf(node)) === 0;
  }

  /** `names` leads to the inode; of it, the first `depth`. */
  check(node: Inode, permission: number, names: readonly string[], depth: number): void {
    if (!this.allows(node, permission)) throw this.denied(node, permission, pathOf(names, depth));
  }

  checkOwner(node: Inode, names: readonly string[]): void {
    if (this.all || node.owner === this.caller.user) return;
    const text = `Permission denied. user=${this.caller.user} is not the owner of inode=${pathOf(names)}`;
    throw new Refusal("ACCESS_DENIED", text);
  }

  checkSuperuser(what: string): void {
    if (this.superuser) return;
    const text = `Access denied for user ${this.caller.user}. Superuser privilege is required to ${what}`;
    throw new Refusal("ACCESS_DENIED", text);
  }

  /** In a sticky directory only the owner of an entry, or of the directory, takes it out. */
  checkSticky(parent: Directory, node: Inode, names: readonly string[]): void {
    const { user } = this.caller;
    if (this.all || (parent.mode & STICKY) === 0 || parent.owner === user || node.owner === user) return;
    const above = pathOf(names, names.length - 1);
    const where = `path="${pathOf(names)}":${shownRights(node)}, parent="${above}":${shownRights(parent)}`;
    throw new Refusal("ACCESS_DENIED", `Permission denied by sticky bit: user=${user}, ${where}`);
  }

  private permissionOf(node: Inode): number {
    const { user, groups } = this.caller;
    if (user === node.owner) return (node.mode >> 6) & 7;
    const acl = node.extras?.accessAcl;
    const middle = (node.mode >> 3) & 7;
    if (acl === undefined) return groups.includes(node.group) ? middle : node.mode & 7;
    // With a list, the middle bits are its mask.
    const named = acl.find((entry) => entry.type === "user" && entry.name === user);
    if (named !== undefined) return named.permission & middle;
    let matched = false;
    let granted = 0;
    for (const { type, name, permission } of acl) {
      if (type !== "group" || !groups.includes(name === "" ? node.group : name)) continue;
      matched = true;
      granted |= permission & middle;
    }
    return matched ? granted : node.mode & 7;
  }

  private denied(node: Inode, permission: number, path: string): Refusal {
    const wanted = [
      [READ, "READ"],
      [WRITE, "WRITE"],
      [EXECUTE, "EXECUTE"],
    ] as const;
    const access = wanted.filter(([bit]) => (permission & bit) !== 0).map(([, word]) => word);
    const list = node.extras?.accessAcl === undefined ? "" : "+";
    const inode = `inode="${path}":${shownRights(node)}${list}`;
    const text = `Permission denied: user=${this.caller.user}, access=${access.join("_")}, ${inode}`;
    return new Refusal("ACCESS_DENIED", text);
  }
}

/** As a denial shows them. */
function shownRights({ owner, group, kind, mode }: Inode): string {
  return `${owner}:${group}:${kind === "directory" ? "d" : "-"}${symbols(mode)}`;
}

function symbols(mode: number): string {
  const letters = "rwxrwxrwx";
  let text = "";
  for (let at = 0; at < 9; at++) text += (mode & (0o400 >> at)) === 0 ? "-" : letters[at];
  return (mode & STICKY) === 0 ? text : `${text.slice(0, 8)}${(mode & 1) === 0 ? "T" : "t"}`;
}

/** The entries that a status shows: those that the mode does not say. */
export function shownAcl(node: Inode): readonly AclEntry[] {
  return [...(node.extras?.accessAcl ?? []), ...(node.extras?.defaultAcl ?? [])];
}
