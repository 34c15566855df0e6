/**
 * From a path to inodes: links are followed, snapshots entered, and every directory on the way must let the caller through.
 */
import type { Access } from "./access.ts";
import { EXECUTE, WRITE } from "./access.ts";
import { lookUp } from "./chunk.ts";
import type { Directory, Inode } from "./inode.ts";
import { LINK_MAX_HOPS, RESERVED_NAME, SNAPSHOT_NAME } from "./model.ts";
import { nameOf, namesOf, pathOf, shown, textOf } from "./path.ts";
import { Refusal } from "./replies.ts";

export interface Resolved {
  /** Where the path leads, without links on the way. */
  readonly names: readonly string[];
  /** `nodes[n]` is what the first n names lead to; shorter by as much as is missing. */
  readonly nodes: readonly Inode[];
  /** The names lead into a snapshot. */
  readonly inSnapshot: boolean;
  /** The names end in ".snapshot": the last node is the directory whose snapshots are meant. */
  readonly isSnapshotList: boolean;
}

/** `followLast`: a link at the end is followed too. Throws Refusal. */
export function resolve(root: Directory, path: string, access: Access, followLast = true): Resolved {
  let names = namesOf(path);
  for (let hops = 0; hops <= LINK_MAX_HOPS; hops++) {
    const found = walk(root, names, access, followLast);
    if (Array.isArray(found)) names = found;
    else return found;
  }
  throw new Refusal("LINK_UNRESOLVED", `more than ${LINK_MAX_HOPS} symbolic links on ${shown(path)}`);
}

/** Gives the names to go on with when a link was met. */
function walk(root: Directory, names: string[], access: Access, followLast: boolean): Resolved | string[] {
  const nodes: Inode[] = [root];
  let inSnapshot = false;
  for (let at = 0; at < names.length; at++) {
    const parent = nodes[at]!;
    const name = names[at]!;
    if (parent.kind !== "directory") {
      throw new Refusal("PARENT_NOT_DIRECTORY", `${pathOf(names, at)} (is not a directory)`);
    }
    access.check(parent, EXECUTE, names, at);
    const snapshots = name === SNAPSHOT_NAME && !inSnapshot ? parent.extras?.snapshots : undefined;
    if (snapshots !== undefined) {
      nodes.push(parent);
      const wanted = names[at + 1];
      if (wanted === undefined) return { names, nodes, inSnapshot: true, isSnapshotList: true };
      const snapshot = snapshots.find((each) => each.name === wanted);
      inSnapshot = true;
      if (snapshot === undefined) break;
      nodes.push(snapshot.root);
      at++;
      continue;
    }
    const child = lookUp(parent.chunks, name);
    if (child === undefined) break;
    if (child.kind === "link" && (at < names.length - 1 || followLast)) {
      return [...targetOf(names.slice(0, at), child.target), ...names.slice(at + 1)];
    }
    nodes.push(child);
  }
  return { names, nodes, inSnapshot, isSnapshotList: false };
}

function targetOf(parent: readonly string[], target: string): string[] {
  if (target.includes("://")) throw new Refusal("LINK_UNRESOLVED", `the link leads to ${shown(target)}`);
  const names = target.startsWith("/") ? [] : [...parent];
  for (const part of target.split("/")) {
    if (part === "..") names.pop();
    else if (part !== "" && part !== ".") names.push(nameOf(part, target));
  }
  return names;
}

/** What the path leads to, or undefined. */
export function nodeOf({ names, nodes }: Resolved): Inode | undefined {
  return nodes[names.length];
}

/** Throws PATH_NOT_FOUND. */
export function existing(found: Resolved): Inode {
  const node = nodeOf(found);
  if (node === undefined) throw missing(found.names);
  return node;
}

/** As clients look for it in the text. */
export function missing(names: readonly string[]): Refusal {
  return new Refusal("PATH_NOT_FOUND", `File does not exist: ${pathOf(names)}`);
}

/** What is there of the directories above. */
export function directoriesOf({ names, nodes }: Resolved): Directory[] {
  return nodes.slice(0, names.length) as Directory[];
}

/** Throws SNAPSHOT_REFUSED when the path leads into a snapshot. */
export function refuseSnapshot(found: Resolved): void {
  if (!found.inSnapshot) return;
  throw new Refusal(
    "SNAPSHOT_REFUSED",
    `Modification on a read-only snapshot is disallowed: ${pathOf(found.names)}`,
  );
}

/** An inode that the caller means to change. */
export function changeable(root: Directory, path: string, access: Access, followLast = true): Resolved {
  const found = resolve(root, path, access, followLast);
  refuseSnapshot(found);
  existing(found);
  return found;
}

/** A name that may be free: the caller can write into the directory nearest to it, and its names can be made. */
export function creatable(root: Directory, path: string, access: Access, createParents: boolean): Resolved {
  const found = resolve(root, path, access);
  checkCreatable(found, access, createParents);
  return found;
}

/** As `creatable`, of a path that was resolved to its end. */
export function checkCreatable(found: Resolved, access: Access, createParents: boolean): void {
  refuseSnapshot(found);
  const { names, nodes } = found;
  if (names.length === 0) return;
  const depth = Math.min(nodes.length, names.length);
  if (depth < names.length && !createParents) {
    throw new Refusal("PATH_NOT_FOUND", `Parent directory doesn't exist: ${pathOf(names, names.length - 1)}`);
  }
  for (let at = depth - 1; at < names.length; at++) {
    if (names[at] !== SNAPSHOT_NAME) continue;
    throw new Refusal("PATH_INVALID", `"${textOf(SNAPSHOT_NAME)}" is a reserved name: ${pathOf(names)}`);
  }
  if (names[0] === RESERVED_NAME) {
    throw new Refusal("PATH_INVALID", `File name "${RESERVED_NAME}" is reserved and cannot be created.`);
  }
  const nearest = nodes[depth - 1]!;
  if (nearest.kind !== "directory") {
    throw new Refusal("PARENT_NOT_DIRECTORY", `${pathOf(names, depth - 1)} (is not a directory)`);
  }
  access.check(nearest, WRITE, names, depth - 1);
}

/** The erasure coding policy that the last of these directories has, its own or from above: each is below the one before. */
export function codingPolicyOf(nodes: readonly Inode[]): string | undefined {
  const given = nodes.findLast(
    ({ kind, extras }) => kind === "directory" && extras?.erasureCoding !== undefined,
  );
  return given?.extras?.erasureCoding;
}
