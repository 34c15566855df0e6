/**
 * The tree of the in-memory file system of the tests: inodes as objects, paths resolved with permissions and links as the
 * contract of the namespace says. Simple before fast: it is what surfaces are tested against, beside the real namespace.
 */
import { posix } from "node:path";
import { QuorateError } from "../../../runtime/errors.ts";
import type { FileErrorCode } from "../../../runtime/errors.ts";
import type { AclEntry, Caller, FileStatus, NamespaceSettings } from "../namespace/model.ts";
import { LINK_MAX_HOPS, NAME_MAX_BYTES, PATH_MAX_DEPTH, PATH_MAX_LENGTH } from "../namespace/model.ts";

export interface Inode {
  readonly id: number;
  readonly type: FileStatus["type"];
  revision: number;
  owner: string;
  group: string;
  mode: number;
  modifiedMs: number;
  accessedMs: number;
  replication: number;
  blockSize: number;
  content: Buffer;
  readonly children: Map<string, Inode>;
  readonly target: string | undefined;
  acl: readonly AclEntry[];
  readonly attributes: Map<string, string>;
  nameQuota: number;
  spaceQuota: number;
  storagePolicy: string | undefined;
  erasureCoding: string | undefined;
  writer: object | undefined;
  snapshottable: boolean;
  readonly snapshots: Map<string, { readonly id: number; readonly createdMs: number; readonly root: Inode }>;
}

/** Where a path leads. `node` undefined: nothing is there; `parent` undefined too: not even its directory. */
export interface Place {
  readonly path: string;
  readonly name: string;
  readonly parent: Inode | undefined;
  readonly node: Inode | undefined;
  /** From the root to the parent. */
  readonly above: readonly Inode[];
  /** In a snapshot. */
  readonly frozen: boolean;
}

export function refuse(code: FileErrorCode, message: string): never {
  throw new QuorateError(code, message);
}

export function namesOf(path: string): readonly string[] {
  const odd = !path.startsWith("/") || /\p{Cc}/u.test(path);
  const names = path === "/" ? [] : path.replace(/\/$/, "").slice(1).split("/");
  if (odd || names.some((name) => name === "" || name === "." || name === ".."))
    refuse("PATH_INVALID", `Invalid path name Invalid file name: ${path.slice(0, 200)}`);
  if (path.length > PATH_MAX_LENGTH || names.length > PATH_MAX_DEPTH)
    refuse("NAME_TOO_LONG", `The path is too long or too deep: ${path.slice(0, 200)}`);
  const long = names.find((name) => Buffer.byteLength(name) > NAME_MAX_BYTES);
  if (long !== undefined)
    refuse(
      "NAME_TOO_LONG",
      `The maximum path component name limit of ${long.slice(0, 50)}… is exceeded: limit=${NAME_MAX_BYTES}`,
    );
  return names;
}

export class Tree {
  settings: NamespaceSettings;
  root: Inode;
  private lastId = 16_384;
  private readonly now: () => number;

  constructor(settings: NamespaceSettings, now: () => number) {
    this.settings = settings;
    this.now = now;
    this.root = this.inode("directory", settings.superuser, settings.supergroup, 0o755);
  }

  inode(type: Inode["type"], owner: string, group: string, mode: number, target?: string): Inode {
    const nowMs = this.now();
    this.lastId++;
    return {
      id: this.lastId,
      type,
      revision: 1,
      owner,
      group,
      mode,
      modifiedMs: nowMs,
      accessedMs: type === "directory" ? 0 : nowMs,
      replication: 0,
      blockSize: 0,
      content: Buffer.alloc(0),
      children: new Map(),
      target,
      acl: [],
      attributes: new Map(),
      nameQuota: -1,
      spaceQuota: -1,
      storagePolicy: undefined,
      erasureCoding: undefined,
      writer: undefined,
      snapshottable: false,
      snapshots: new Map(),
    };
  }

  isSuperuser(caller: Caller): boolean {
    const { superuser, supergroup, permissions } = this.settings;
    return !permissions || caller.user === superuser || caller.groups.includes(supergroup);
  }

  /** Raises ACCESS_DENIED unless the caller has these permissions of the inode. */
  allow(node: Inode, caller: Caller, permission: number, path: string): void {
    if (this.isSuperuser(caller) || this.permits(node, caller, permission)) return;
    const access = [
      [4, "READ"],
      [2, "WRITE"],
      [1, "EXECUTE"],
    ] as const;
    const wanted = access.filter(([bit]) => (permission & bit) !== 0).map(([, word]) => word);
    refuse(
      "ACCESS_DENIED",
      `Permission denied: user=${caller.user}, access=${wanted.join("_")}, inode="${path}":${node.owner}:${node.group}`,
    );
  }

  private permits(node: Inode, caller: Caller, wanted: number): boolean {
    const has = (permission: number): boolean => (permission & wanted) === wanted;
    if (node.owner === caller.user) return has(node.mode >> 6);
    const access = node.acl.filter(({ isDefault }) => !isDefault);
    const mask = access.length === 0 ? 7 : (node.mode >> 3) & 7;
    const user = access.find(({ type, name }) => type === "user" && name === caller.user);
    if (user !== undefined) return has(user.permission & mask);
    const own = access.find(({ type, name }) => type === "group" && name === "")?.permission;
    const groups = access.filter(({ type, name }) => type === "group" && caller.groups.includes(name));
    const granted = groups.map(({ permission }) => permission & mask);
    if (caller.groups.includes(node.group)) granted.push((own ?? node.mode >> 3) & mask);
    return granted.length > 0 ? granted.some(has) : has(node.mode);
  }

  locate(path: string, caller: Caller, followLast = true, hops = 0): Place {
    const names = namesOf(path);
    let node = this.root;
    let frozen = false;
    const above: Inode[] = [];
    for (const [at, name] of names.entries()) {
      const here = `/${names.slice(0, at).join("/")}`;
      const isLast = at === names.length - 1;
      if (node.type !== "directory") refuse("PARENT_NOT_DIRECTORY", `${here} (is not a directory)`);
      this.allow(node, caller, 1, here);
      above.push(node);
      const child = name === ".snapshot" ? this.snapshotsOf(node) : node.children.get(name);
      if (name === ".snapshot") frozen = true;
      if (child === undefined) {
        return { path, name, parent: isLast ? node : undefined, node: undefined, above, frozen };
      }
      if (child.type === "link" && (!isLast || followLast)) {
        const target = child.target ?? "";
        if (hops >= LINK_MAX_HOPS || /^\w+:/.test(target)) refuse("LINK_UNRESOLVED", `${path}: ${target}`);
        const base = target.startsWith("/") ? target : `${here === "/" ? "" : here}/${target}`;
        const next = posix.normalize([base, ...names.slice(at + 1)].join("/"));
        return this.locate(next, caller, followLast, hops + 1);
      }
      node = child;
    }
    return {
      path: `/${names.join("/")}`,
      name: names.at(-1) ?? "",
      parent: above.at(-1),
      node,
      above,
      frozen,
    };
  }

  /** As `locate`; raises PATH_NOT_FOUND. */
  find(path: string, caller: Caller, followLast = true): Place & { readonly node: Inode } {
    const place = this.locate(path, caller, followLast);
    if (place.node === undefined) return refuse("PATH_NOT_FOUND", `File does not exist: ${path}`);
    return { ...place, node: place.node };
  }

  /** What is below a path is about to change: raises what is against it. */
  writable(place: Place, caller: Caller): Inode {
    if (place.frozen) refuse("SNAPSHOT_REFUSED", `Modification on a read-only snapshot: ${place.path}`);
    if (place.parent === undefined) {
      return refuse(
        place.name === "" ? "FILE_OPERATION_REFUSED" : "PATH_NOT_FOUND",
        `Parent directory doesn't exist: ${place.path} does not exist`,
      );
    }
    this.allow(place.parent, caller, 3, place.path.replace(/\/[^/]*$/, "") || "/");
    const isSticky = (place.parent.mode & 0o1000) !== 0 && place.node !== undefined;
    const owns = [place.parent.owner, place.node?.owner].includes(caller.user) || this.isSuperuser(caller);
    if (isSticky && !owns) refuse("ACCESS_DENIED", `Permission denied by sticky bit: ${place.path}`);
    return place.parent;
  }

  /** Makes the directories above a path that are missing. */
  makeParents(path: string, caller: Caller, mode: number): void {
    const names = namesOf(path).slice(0, -1);
    for (const at of names.keys()) {
      const place = this.locate(`/${names.slice(0, at + 1).join("/")}`, caller);
      if (place.node !== undefined) continue;
      const parent = this.writable(place, caller);
      this.insert(place, parent, this.inode("directory", caller.user, parent.group, mode));
    }
  }

  insert(place: Place, parent: Inode, node: Inode): void {
    if (!parent.children.has(place.name) && parent.children.size >= this.settings.maxDirectoryEntries)
      refuse("FILE_OPERATION_REFUSED", `The directory item limit of ${place.path} is exceeded`);
    const usage = usageOf(node);
    const replaced = place.node === undefined ? { names: 0, space: 0 } : usageOf(place.node);
    this.checkQuota(place.above, usage.names - replaced.names, usage.space - replaced.space, place.path);
    const inherited = parent.acl.filter(({ isDefault }) => isDefault);
    if (inherited.length > 0 && node.acl.length === 0 && node.type !== "link") {
      const own = inherited
        .map((entry) => ({ ...entry, isDefault: false }))
        .filter(({ name, type }) => name !== "" || type === "group");
      node.acl = node.type === "directory" ? [...own, ...inherited] : own;
    }
    node.storagePolicy ??= parent.storagePolicy;
    node.erasureCoding ??= parent.erasureCoding;
    parent.children.set(place.name, node);
    this.touch(parent);
  }

  checkQuota(above: readonly Inode[], names: number, space: number, path: string): void {
    for (const node of above) {
      if (node.nameQuota < 0 && node.spaceQuota < 0) continue;
      const used = usageOf(node);
      if (names > 0 && node.nameQuota >= 0 && used.names + names > node.nameQuota)
        refuse("NAME_QUOTA_EXCEEDED", `The NameSpace quota (${node.nameQuota}) is exceeded: ${path}`);
      if (space > 0 && node.spaceQuota >= 0 && used.space + space > node.spaceQuota)
        refuse("SPACE_QUOTA_EXCEEDED", `The DiskSpace quota (${node.spaceQuota}) is exceeded: ${path}`);
    }
  }

  touch(node: Inode): void {
    node.modifiedMs = this.now();
    node.revision++;
  }

  status(node: Inode, path: string): FileStatus {
    const isFile = node.type === "file";
    return {
      type: node.type,
      path,
      id: node.id,
      revision: node.revision,
      owner: node.owner,
      group: node.group,
      mode: node.mode,
      modifiedMs: node.modifiedMs,
      accessedMs: node.accessedMs,
      length: node.type === "link" ? (node.target ?? "").length : node.content.length,
      replication: isFile ? node.replication : 0,
      blockSize: isFile ? node.blockSize : 0,
      childCount: node.children.size,
      open: node.writer !== undefined,
      hasAcl: node.acl.length > 0,
      snapshottable: node.snapshottable,
      target: node.target,
      storagePolicy: node.storagePolicy,
      erasureCoding: node.erasureCoding,
    };
  }

  private snapshotsOf(node: Inode): Inode | undefined {
    if (!node.snapshottable) return undefined;
    const children = new Map([...node.snapshots].map(([name, { root }]) => [name, root]));
    return { ...node, id: 0, children, content: Buffer.alloc(0), snapshottable: false };
  }
}

export function usageOf(node: Inode): { names: number; space: number } {
  const sum = { names: 1, space: node.content.length * node.replication };
  for (const child of node.children.values()) {
    const { names, space } = usageOf(child);
    sum.names += names;
    sum.space += space;
  }
  return sum;
}

/** Bytes of names as HDFS sorts them. */
export function sortedNames(node: Inode): readonly string[] {
  return [...node.children.keys()].toSorted((left, right) =>
    Buffer.compare(Buffer.from(left), Buffer.from(right)),
  );
}

/** The tree below as it is now; bytes are shared, for they are never changed in place. */
export function frozenCopy(node: Inode): Inode {
  const children = new Map([...node.children].map(([name, child]) => [name, frozenCopy(child)]));
  return { ...node, children, attributes: new Map(node.attributes), snapshots: new Map(), writer: undefined };
}
