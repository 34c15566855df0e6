/** Changes of access control lists in the in-memory file system: POSIX.1e as HDFS has it. */
import type { CommandOf } from "../namespace/commands.ts";
import type { AclEntry } from "../namespace/model.ts";
import type { Inode } from "./tree.testing.ts";
import { refuse } from "./tree.testing.ts";

const same = (left: AclEntry, right: AclEntry): boolean =>
  left.isDefault === right.isDefault && left.type === right.type && left.name === right.name;

export function changeAcl(node: Inode, { change, entries }: CommandOf<"setAcl">): void {
  if (entries.some(({ isDefault }) => isDefault) && node.type !== "directory")
    refuse("ACL_INVALID", "Invalid ACL: only directories may have a default ACL.");
  const now = wholeAcl(node);
  switch (change) {
    case "replace":
      return setWhole(node, entries, true);
    case "modify": {
      const kept = now.filter((entry) => !entries.some((other) => same(entry, other)));
      const masked = entries.some(({ type, isDefault }) => type === "mask" && !isDefault);
      return setWhole(node, [...kept.filter(({ type }) => masked || type !== "mask"), ...entries], false);
    }
    case "remove":
      return setWhole(
        node,
        now.filter((entry) => entry.type !== "mask" && !entries.some((other) => same(entry, other))),
        false,
      );
    case "removeDefault":
      return setWhole(
        node,
        now.filter(({ isDefault }) => !isDefault),
        false,
      );
    case "removeAll":
      return setWhole(
        node,
        now.filter(({ isDefault, name, type }) => !isDefault && name === "" && type !== "mask"),
        false,
      );
  }
}

/** Every entry, those that the mode says too. */
function wholeAcl(node: Inode): readonly AclEntry[] {
  const access = node.acl.filter(({ isDefault }) => !isDefault);
  const group = access.find(({ type, name }) => type === "group" && name === "");
  const entry = (type: AclEntry["type"], permission: number): AclEntry => ({
    isDefault: false,
    type,
    name: "",
    permission: permission & 7,
  });
  return [
    entry("user", node.mode >> 6),
    group ?? entry("group", node.mode >> 3),
    ...(access.length === 0 ? [] : [entry("mask", node.mode >> 3)]),
    entry("other", node.mode),
    ...access.filter((each) => each !== group),
    ...node.acl.filter(({ isDefault }) => isDefault),
  ];
}

function setWhole(node: Inode, entries: readonly AclEntry[], complete: boolean): void {
  const access = entries.filter(({ isDefault }) => !isDefault);
  const plain = (type: AclEntry["type"]): number | undefined =>
    access.find((entry) => entry.type === type && entry.name === "")?.permission;
  const [user, group, other] = [plain("user"), plain("group"), plain("other")];
  if (user === undefined || group === undefined || other === undefined) {
    const why = complete ? "the user, group and other entries are required" : "they cannot be removed";
    return refuse("ACL_INVALID", `Invalid ACL: ${why}.`);
  }
  const named = access.filter(({ name }) => name !== "");
  const union = [group, ...named.map(({ permission }) => permission)].reduce((sum, each) => sum | each, 0);
  const isExtended = named.length > 0 || plain("mask") !== undefined;
  const middle = isExtended ? (plain("mask") ?? union) : group;
  const defaults = entries.filter(({ isDefault }) => isDefault);
  node.mode = (node.mode & 0o1000) | (user << 6) | (middle << 3) | other;
  const kept = access.filter(({ type, name }) => name !== "" || (isExtended && type === "group"));
  node.acl = [...kept.toSorted(byTypeAndName), ...defaults];
}

function byTypeAndName(left: AclEntry, right: AclEntry): number {
  if (left.type !== right.type) return left.type === "user" ? -1 : 1;
  return left.name < right.name ? -1 : 1;
}
