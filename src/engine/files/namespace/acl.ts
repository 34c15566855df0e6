/**
 * Changes of access control lists, as HDFS makes them (its AclTransformation): the whole list, with what the mode says, is
 * laid out, changed, completed with a mask, checked, and split again into mode and list.
 *
 * An inode keeps of its access list the named entries and, if there are any, the entry of the owning group; the middle bits
 * of its mode are then the mask.
 */
import type { Extras, Inode } from "./inode.ts";
import type { AclEntry } from "./model.ts";
import { Refusal } from "./replies.ts";

/** Entries of one scope. */
const MAX_ENTRIES = 32;
const TYPES: readonly AclEntry["type"][] = ["user", "group", "mask", "other"];

export interface NewAcl {
  readonly mode: number;
  readonly accessAcl: readonly AclEntry[] | undefined;
  readonly defaultAcl: readonly AclEntry[] | undefined;
}

export type AclChange = "replace" | "modify" | "remove" | "removeDefault" | "removeAll";

/** Throws Refusal ACL_INVALID. */
export function changeAcl(node: Inode, change: AclChange, entries: readonly AclEntry[]): NewAcl {
  if (node.kind !== "directory" && entries.some(({ isDefault }) => isDefault)) {
    invalid("only directories may have a default ACL");
  }
  checkUnique(entries);
  const access = wholeAccess(node);
  const defaults = [...(node.extras?.defaultAcl ?? [])];
  switch (change) {
    case "removeAll":
      return { mode: withoutMask(node), accessAcl: undefined, defaultAcl: undefined };
    case "removeDefault":
      return { mode: node.mode, accessAcl: node.extras?.accessAcl, defaultAcl: undefined };
    case "replace":
      return replaced(node, access, defaults, entries);
    case "modify":
    case "remove": {
      const merge = change === "modify" ? merged : without;
      const ofAccess = entries.filter(({ isDefault }) => !isDefault);
      const ofDefault = entries.filter(({ isDefault }) => isDefault);
      const newDefaults = ofDefault.length === 0 ? defaults : merge(defaults, ofDefault);
      return built(
        node,
        ofAccess.length === 0 ? access : masked(merge(access, ofAccess), ofAccess, change),
        completedDefaults(newDefaults, access, ofDefault, change),
      );
    }
  }
}

/** What a new inode gets of the default list of the directory that it is made in. */
export function inheritedAcl(parent: Inode, mode: number, isDirectory: boolean): NewAcl {
  const defaults = parent.extras?.defaultAcl;
  if (defaults === undefined) return { mode, accessAcl: undefined, defaultAcl: undefined };
  const access = defaults.map((entry) => ({ ...entry, isDefault: false }));
  const owner = permissionIn(access, "user") & (mode >> 6) & 7;
  const hasMask = access.some(({ type }) => type === "mask");
  const middle = permissionIn(access, hasMask ? "mask" : "group") & (mode >> 3) & 7;
  const other = permissionIn(access, "other") & mode & 7;
  return {
    mode: (mode & ~0o777) | (owner << 6) | (middle << 3) | other,
    accessAcl: kept(access),
    defaultAcl: isDirectory ? defaults : undefined,
  };
}

export function withAcl(extras: Extras | undefined, acl: NewAcl): Extras | undefined {
  const { accessAcl: _a, defaultAcl: _d, ...rest } = extras ?? {};
  const next: Extras = {
    ...rest,
    ...(acl.accessAcl === undefined ? {} : { accessAcl: acl.accessAcl }),
    ...(acl.defaultAcl === undefined ? {} : { defaultAcl: acl.defaultAcl }),
  };
  return Object.keys(next).length === 0 ? undefined : next;
}

/** The list with what the mode says. */
function wholeAccess(node: Inode): AclEntry[] {
  const { mode } = node;
  const list = node.extras?.accessAcl;
  const middle = (mode >> 3) & 7;
  const base = [entry("user", (mode >> 6) & 7), entry("other", mode & 7)];
  if (list === undefined) return sorted([...base, entry("group", middle)]);
  return sorted([...base, ...list, entry("mask", middle)]);
}

function entry(type: AclEntry["type"], permission: number, isDefault = false): AclEntry {
  return { isDefault, type, name: "", permission };
}

function replaced(
  node: Inode,
  access: readonly AclEntry[],
  defaults: readonly AclEntry[],
  entries: readonly AclEntry[],
): NewAcl {
  const ofAccess = entries.filter(({ isDefault }) => !isDefault);
  const ofDefault = entries.filter(({ isDefault }) => isDefault);
  // A scope of which nothing is given stays.
  const newAccess = ofAccess.length === 0 ? access : masked(sorted(ofAccess), ofAccess, "replace");
  const newDefaults = ofDefault.length === 0 ? defaults : sorted(ofDefault);
  return built(node, newAccess, completedDefaults(newDefaults, newAccess, ofDefault, "replace"));
}

function merged(list: readonly AclEntry[], changes: readonly AclEntry[]): AclEntry[] {
  return sorted([...list.filter((each) => !changes.some((change) => isSame(each, change))), ...changes]);
}

function without(list: readonly AclEntry[], removed: readonly AclEntry[]): AclEntry[] {
  return list.filter((each) => !removed.some((one) => isSame(each, one)));
}

function isSame(left: AclEntry, right: AclEntry): boolean {
  return left.isDefault === right.isDefault && left.type === right.type && left.name === right.name;
}

/** A list with named entries has a mask: the one that was given, or the union of what it limits. */
function masked(list: AclEntry[], given: readonly AclEntry[], change: AclChange): AclEntry[] {
  const isDefault = list[0]?.isDefault ?? false;
  if (!list.some(({ name }) => name !== "")) return list.filter(({ type }) => type !== "mask");
  const isGiven = change !== "remove" && given.some(({ type }) => type === "mask");
  if (isGiven) return list;
  const limited = list.filter(({ type, name }) => type === "group" || (type === "user" && name !== ""));
  const union = limited.reduce((bits, { permission }) => bits | permission, 0);
  return sorted([...list.filter(({ type }) => type !== "mask"), entry("mask", union, isDefault)]);
}

/** A default list that is there is whole: what it lacks comes from the access list. */
function completedDefaults(
  list: readonly AclEntry[],
  access: readonly AclEntry[],
  given: readonly AclEntry[],
  change: AclChange,
): AclEntry[] | undefined {
  if (list.length === 0) return undefined;
  if (given.length === 0) return [...list];
  const whole = [...list];
  for (const type of ["user", "group", "other"] as const) {
    if (!whole.some((each) => each.type === type && each.name === "")) {
      whole.push(entry(type, permissionIn(access, type), true));
    }
  }
  return masked(sorted(whole), given, change);
}

function built(node: Inode, access: readonly AclEntry[], defaults: readonly AclEntry[] | undefined): NewAcl {
  for (const type of ["user", "group", "other"] as const) {
    if (!access.some((each) => each.type === type && each.name === "")) {
      invalid("the user, group and other entries are required");
    }
  }
  if (access.length > MAX_ENTRIES || (defaults?.length ?? 0) > MAX_ENTRIES) {
    invalid(`more than ${MAX_ENTRIES} entries`);
  }
  const extended = access.some(({ name }) => name !== "");
  const middle = permissionIn(access, extended ? "mask" : "group");
  const bits = (permissionIn(access, "user") << 6) | (middle << 3) | permissionIn(access, "other");
  return { mode: (node.mode & ~0o777) | bits, accessAcl: kept(access), defaultAcl: defaults };
}

/** Of a whole list, what an inode keeps beside its mode. */
function kept(access: readonly AclEntry[]): readonly AclEntry[] | undefined {
  if (!access.some(({ name }) => name !== "")) return undefined;
  return access.filter(({ type, name }) => name !== "" || type === "group");
}

function withoutMask(node: Inode): number {
  const list = node.extras?.accessAcl;
  if (list === undefined) return node.mode;
  return (node.mode & ~0o070) | (permissionIn(list, "group") << 3);
}

function permissionIn(list: readonly AclEntry[], type: AclEntry["type"]): number {
  return list.find((each) => each.type === type && each.name === "")?.permission ?? 0;
}

/** By kind, then the unnamed one first, then by name: the same list is always laid out in the same way. */
function sorted(list: readonly AclEntry[]): AclEntry[] {
  return [...list].sort((left, right) => {
    const byType = TYPES.indexOf(left.type) - TYPES.indexOf(right.type);
    if (byType !== 0) return byType;
    return left.name < right.name ? -1 : left.name > right.name ? 1 : 0;
  });
}

function checkUnique(entries: readonly AclEntry[]): void {
  if (entries.length > 2 * MAX_ENTRIES) invalid(`more than ${MAX_ENTRIES} entries`);
  for (const [at, each] of entries.entries()) {
    if (!Number.isInteger(each.permission) || each.permission < 0 || each.permission > 7) {
      invalid(`not a permission: ${each.permission}`);
    }
    if (each.name !== "" && (each.type === "mask" || each.type === "other")) {
      invalid(`${each.type} takes no name`);
    }
    if (entries.some((other, place) => place < at && isSame(each, other))) {
      invalid(`two entries for ${each.type} '${each.name}'`);
    }
  }
}

function invalid(why: string): never {
  throw new Refusal("ACL_INVALID", `Invalid ACL: ${why}.`);
}
