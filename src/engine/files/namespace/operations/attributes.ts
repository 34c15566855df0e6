/** Attributes of inodes: mode, owner, times, replication, quotas, access lists, extended attributes, policies. */
import { binaryStringFromUtf8 } from "../../../../runtime/bytes.ts";
import type { Access } from "../access.ts";
import { STICKY, WRITE } from "../access.ts";
import { changeAcl, withAcl } from "../acl.ts";
import { ERASURE_POLICIES, erasurePolicy, REPLICATION_POLICY } from "../erasure-policy.ts";
import type { Extras, Inode } from "../inode.ts";
import { pathOf, shown } from "../path.ts";
import { Refusal } from "../replies.ts";
import type { Resolved } from "../resolve.ts";
import { changeable, directoriesOf, existing } from "../resolve.ts";
import type { NamespaceState } from "../state.ts";
import type { Operations } from "./operation.ts";
import { accessOf } from "./operation.ts";

const QUOTA_MAX = Number.MAX_SAFE_INTEGER;

export const ATTRIBUTE_OPERATIONS: Operations<
  | "setMode"
  | "setOwner"
  | "setTimes"
  | "setReplication"
  | "setQuota"
  | "setAcl"
  | "setAttribute"
  | "removeAttribute"
  | "setPolicy"
> = {
  setMode(state, { caller, path, mode }) {
    const access = accessOf(state, caller);
    const found = changeable(state.root, path, access);
    access.checkOwner(existing(found), found.names);
    const isDirectory = existing(found).kind === "directory";
    change(state, found, (node) => (node.mode = mode & (isDirectory ? 0o777 | STICKY : 0o777)));
  },

  setOwner(state, { caller, path, owner, group }) {
    const access = accessOf(state, caller);
    const found = changeable(state.root, path, access);
    const node = existing(found);
    access.checkOwner(node, found.names);
    if (!access.all) {
      if (owner !== undefined && owner !== caller.user) {
        const text = `User ${caller.user} is not a super user (non-super user cannot change owner).`;
        throw new Refusal("ACCESS_DENIED", text);
      }
      if (group !== undefined && group !== node.group && !caller.groups.includes(group)) {
        throw new Refusal("ACCESS_DENIED", `User ${caller.user} does not belong to ${shown(group)}`);
      }
    }
    for (const name of [owner, group]) {
      if (name !== undefined && (name === "" || name.length > 255)) {
        throw new Refusal("ARGUMENT_INVALID", "an owner or group must have from 1 to 255 characters");
      }
    }
    change(state, found, (changed) => {
      if (owner !== undefined) changed.owner = owner;
      if (group !== undefined) changed.group = group;
    });
  },

  setTimes(state, { caller, path, modifiedMs, accessedMs }) {
    const access = accessOf(state, caller);
    const found = changeable(state.root, path, access);
    access.check(existing(found), WRITE, found.names, found.names.length);
    for (const time of [modifiedMs, accessedMs]) {
      if (time !== undefined && !(Number.isSafeInteger(time) && time >= 0)) {
        throw new Refusal("ARGUMENT_INVALID", "a time must be a whole number of milliseconds since 1970");
      }
    }
    change(state, found, (node) => {
      if (modifiedMs !== undefined) node.modifiedMs = modifiedMs;
      if (accessedMs !== undefined) node.accessedMs = accessedMs;
    });
  },

  setReplication(state, { caller, path, replication }) {
    const access = accessOf(state, caller);
    const found = changeable(state.root, path, access);
    const node = existing(found);
    access.check(node, WRITE, found.names, found.names.length);
    checkReplication(state, replication);
    // As in HDFS, a coded file stays as it is.
    if (node.kind !== "file" || node.coding !== undefined) return false;
    const more = (node.length + node.reserved) * (replication - node.replication);
    state.checkQuota(directoriesOf(found), found.names, { space: more });
    change(state, found, (file) => {
      if (file.kind === "file") file.replication = replication;
    });
    for (const segment of node.segments) {
      if (typeof segment !== "string") state.blocks.change(segment, { replication });
    }
    const block = state.leases.get(node.id);
    if (block?.aside === true && block.block !== undefined) state.blocks.change(block.block, { replication });
    return true;
  },

  setQuota(state, { caller, path, names, space }) {
    const access = accessOf(state, caller);
    access.checkSuperuser("set a quota");
    const found = changeable(state.root, path, access);
    if (existing(found).kind !== "directory") {
      throw new Refusal("PARENT_NOT_DIRECTORY", `${pathOf(found.names)} is not a directory`);
    }
    for (const quota of [names, space]) {
      if (quota === undefined || quota === -1) continue;
      if (!Number.isInteger(quota) || quota < 1 || quota > QUOTA_MAX) {
        throw new Refusal("ARGUMENT_INVALID", `a quota must be a whole number of at least 1, or -1 for none`);
      }
    }
    change(state, found, (node) => {
      const { nameQuota, spaceQuota, ...rest } = node.extras ?? {};
      const newNames = names === undefined ? nameQuota : names === -1 ? undefined : names;
      const newSpace = space === undefined ? spaceQuota : space === -1 ? undefined : space;
      node.extras = tidy({
        ...rest,
        ...(newNames === undefined ? {} : { nameQuota: newNames }),
        ...(newSpace === undefined ? {} : { spaceQuota: newSpace }),
      });
    });
  },

  setAcl(state, { caller, path, change: kind, entries }) {
    const access = accessOf(state, caller);
    const found = changeable(state.root, path, access);
    access.checkOwner(existing(found), found.names);
    const acl = changeAcl(existing(found), kind, entries);
    change(state, found, (node) => {
      node.mode = acl.mode;
      node.extras = withAcl(node.extras, acl);
    });
  },

  setAttribute(state, { caller, path, name, value, mode }) {
    const access = accessOf(state, caller);
    const found = changeable(state.root, path, access);
    const node = existing(found);
    checkAttributeName(access, node, found, name, true);
    const attributes = node.extras?.attributes;
    const exists = attributes?.has(binaryName(name)) === true;
    if (exists && mode === "create") {
      throw new Refusal(
        "ATTRIBUTE_REFUSED",
        `XAttr: ${shown(name)} already exists. The REPLACE flag must be specified.`,
      );
    }
    if (!exists && mode === "replace") {
      throw new Refusal(
        "ATTRIBUTE_REFUSED",
        `XAttr: ${shown(name)} does not exist. The CREATE flag must be specified.`,
      );
    }
    const { maxAttributes, maxAttributeBytes } = state.settings;
    if (!exists && (attributes?.size ?? 0) >= maxAttributes) {
      const text = `Cannot add additional XAttr to inode, would exceed limit of ${maxAttributes}`;
      throw new Refusal("ATTRIBUTE_REFUSED", text);
    }
    if (binaryName(name).length + value.length > maxAttributeBytes) {
      const text = `The XAttr is too big. The maximum combined size of the name and value is ${maxAttributeBytes}`;
      throw new Refusal("ATTRIBUTE_REFUSED", text);
    }
    change(state, found, (changed) => {
      const next = new Map(changed.extras?.attributes);
      next.set(binaryName(name), value);
      changed.extras = { ...changed.extras, attributes: next };
    });
  },

  removeAttribute(state, { caller, path, name }) {
    const access = accessOf(state, caller);
    const found = changeable(state.root, path, access);
    const node = existing(found);
    checkAttributeName(access, node, found, name, true);
    if (node.extras?.attributes?.has(binaryName(name)) !== true) {
      throw new Refusal(
        "ATTRIBUTE_REFUSED",
        `No matching attributes found for remove operation: ${shown(name)}`,
      );
    }
    change(state, found, (changed) => {
      const { attributes, ...rest } = changed.extras ?? {};
      const next = new Map(attributes);
      next.delete(binaryName(name));
      changed.extras = tidy(next.size === 0 ? rest : { ...rest, attributes: next });
    });
  },

  setPolicy(state, { caller, path, policy, value }) {
    const access = accessOf(state, caller);
    const found = changeable(state.root, path, access);
    const node = existing(found);
    access.check(node, WRITE, found.names, found.names.length);
    if (policy === "erasureCoding") checkErasureCoding(node, found, value);
    if (value !== undefined && (value === "" || value.length > 100)) {
      throw new Refusal("ARGUMENT_INVALID", "the name of a policy must have from 1 to 100 characters");
    }
    change(state, found, (changed) => {
      const { storagePolicy, erasureCoding, ...rest } = changed.extras ?? {};
      const storage = policy === "storage" ? value : storagePolicy;
      const coding = policy === "erasureCoding" ? value : erasureCoding;
      changed.extras = tidy({
        ...rest,
        ...(storage === undefined ? {} : { storagePolicy: storage }),
        ...(coding === undefined ? {} : { erasureCoding: coding }),
      });
    });
  },
};

function checkErasureCoding(node: Inode, found: Resolved, value: string | undefined): void {
  if (node.kind !== "directory") {
    const path = pathOf(found.names);
    const text =
      value === undefined
        ? `Cannot unset an erasure coding policy on a file ${path}`
        : `Attempt to set an erasure coding policy for a file ${path}`;
    throw new Refusal("FILE_OPERATION_REFUSED", text);
  }
  if (value === undefined && node.extras?.erasureCoding === undefined) {
    const text = `No erasure coding policy explicitly set on ${pathOf(found.names)}`;
    throw new Refusal("FILE_OPERATION_REFUSED", text);
  }
  if (value === undefined || value === REPLICATION_POLICY || erasurePolicy(value) !== undefined) return;
  const known = ERASURE_POLICIES.map(({ name }) => name).join(", ");
  const text = `Policy '${shown(value)}' does not match any enabled erasure coding policies: [${known}].`;
  throw new Refusal("ARGUMENT_INVALID", text);
}

/** Throws ARGUMENT_INVALID. */
export function checkReplication(state: NamespaceState, replication: number): void {
  const { maxReplication } = state.settings;
  if (Number.isInteger(replication) && replication >= 1 && replication <= maxReplication) return;
  throw new Refusal(
    "ARGUMENT_INVALID",
    `Requested replication factor of ${replication} is not from 1 to ${maxReplication}`,
  );
}

/**
 * `user.` for whoever can read or write the inode; in a sticky directory, which everybody can write, only its owner writes them.
 * `trusted.` for the superuser; the other spaces are for file systems themselves, as in HDFS.
 */
export function checkAttributeName(
  access: Access,
  node: Inode,
  found: Resolved,
  name: string,
  toWrite: boolean,
): void {
  const space = (name.split(".", 1)[0] ?? "").toLowerCase();
  if (!/^(user|trusted|security|system)\../i.test(name)) {
    const text = "An XAttr name must be prefixed with user/trusted/security/system, followed by a '.'";
    throw new Refusal("ARGUMENT_INVALID", text);
  }
  const isInternal = space === "system" || space === "security";
  if (isInternal || (space === "trusted" && !access.superuser)) {
    const why = isInternal ? `: ${space} attributes are internal` : "";
    throw new Refusal("ACCESS_DENIED", `User doesn't have permission for xattr: ${shown(name)}${why}`);
  }
  if (toWrite && space === "user" && node.kind === "directory" && (node.mode & STICKY) !== 0) {
    access.checkOwner(node, found.names);
  } else if (toWrite) access.check(node, WRITE, found.names, found.names.length);
}

/** As it is kept: a space is the same in any case. */
export function binaryName(name: string): string {
  return binaryStringFromUtf8(name.replace(/^[^.]*/, (space) => space.toLowerCase()));
}

function change(state: NamespaceState, found: Resolved, edit: (node: Inode) => void): void {
  state.tree.edit(found.names, (node) => {
    node.revision = state.counters.revision;
    edit(node);
  });
  state.observer?.pathChanged(pathOf(found.names));
}

/** No object for nothing. */
function tidy(extras: Extras): Extras | undefined {
  return Object.keys(extras).length === 0 ? undefined : extras;
}
