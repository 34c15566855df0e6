/**
 * What changed below a directory between two of its snapshots, or one and now. Both trees are walked side by side in the order
 * of their names; what they share is not looked at. An inode that is gone under one name and there under another was renamed.
 */
import type { Caller, SnapshotDifference } from "./model.ts";
import type { Chunk } from "./chunk.ts";
import { EXECUTE, READ } from "./access.ts";
import type { Directory, Inode } from "./inode.ts";
import { accessOf } from "./operations/operation.ts";
import { find, snapshotsOf } from "./operations/snapshotting.ts";
import { nameOf, textOf } from "./path.ts";
import type { Resolved } from "./resolve.ts";
import { existing, resolve } from "./resolve.ts";
import type { NamespaceState } from "./state.ts";

interface Found {
  readonly created: Map<number, string>;
  readonly deleted: Map<number, string>;
  readonly modified: string[];
  limit: number;
}

export function snapshotDifference(
  state: NamespaceState,
  path: string,
  caller: Caller,
  from: string,
  to: string,
  limit: number,
): { readonly differences: readonly SnapshotDifference[]; readonly more: boolean } {
  const access = accessOf(state, caller);
  const found = resolve(state.root, path, access);
  access.check(existing(found), READ | EXECUTE, found.names, found.names.length);
  const result: Found = { created: new Map(), deleted: new Map(), modified: [], limit: limit + 1 };
  compare(rootOf(found, from), rootOf(found, to), "", result);
  const differences: SnapshotDifference[] = result.modified.map((at) => entry("modified", at));
  for (const [id, at] of result.deleted) {
    const target = result.created.get(id);
    if (target === undefined) differences.push(entry("deleted", at));
    else differences.push({ type: "renamed", path: at, target });
  }
  for (const [id, at] of result.created) if (!result.deleted.has(id)) differences.push(entry("created", at));
  return { differences: differences.slice(0, limit), more: result.limit <= 0 || differences.length > limit };
}

function entry(type: "created" | "deleted" | "modified", path: string): SnapshotDifference {
  return { type, path, target: undefined };
}

function rootOf(found: Resolved, name: string): Directory {
  const list = snapshotsOf(found);
  if (name === "" || name === ".") return existing(found) as Directory;
  return find(list, nameOf(name, name), found).root;
}

function compare(before: Directory, after: Directory, path: string, found: Found): void {
  // `revision` is of the inode and its own entries; allowing or taking a snapshot is no change of what is below.
  if (
    hasOtherEntries(before, after) ||
    before.modifiedMs !== after.modifiedMs ||
    hasOtherAttributes(before, after)
  ) {
    note(found, () => found.modified.push(path));
  }
  for (const [name, left, right] of pairs(before.chunks, after.chunks)) {
    if (found.limit <= 0) return;
    const below = path === "" ? textOf(name) : `${path}/${textOf(name)}`;
    if (left === right) continue;
    if (left?.id === right?.id && left !== undefined && right !== undefined) {
      if (left.kind === "directory" && right.kind === "directory") compare(left, right, below, found);
      else if (left.revision !== right.revision) note(found, () => found.modified.push(below));
      continue;
    }
    if (left !== undefined) note(found, () => found.deleted.set(left.id, below));
    if (right !== undefined) note(found, () => found.created.set(right.id, below));
  }
}

function note(found: Found, add: () => void): void {
  if (found.limit-- > 0) add();
}

function hasOtherEntries(before: Directory, after: Directory): boolean {
  for (const [, left, right] of pairs(before.chunks, after.chunks)) if (left?.id !== right?.id) return true;
  return false;
}

function hasOtherAttributes(before: Directory, after: Directory): boolean {
  return before.mode !== after.mode || before.owner !== after.owner || before.group !== after.group;
}

/** The entries of both, by name; chunks that both share are left out. */
export function* pairs(
  left: readonly Chunk[],
  right: readonly Chunk[],
): Generator<readonly [string, Inode | undefined, Inode | undefined]> {
  const shared = new Set<Chunk>();
  if (left.length > 0) {
    const held = new Set(left);
    for (const chunk of right) if (held.has(chunk)) shared.add(chunk);
  }
  const first = unshared(left, shared);
  const second = unshared(right, shared);
  let a = first.next();
  let b = second.next();
  while (a.done !== true || b.done !== true) {
    const nameA = a.done === true ? undefined : a.value[0];
    const nameB = b.done === true ? undefined : b.value[0];
    if (nameB === undefined || (nameA !== undefined && nameA < nameB)) {
      yield [nameA!, (a.value as readonly [string, Inode])[1], undefined];
      a = first.next();
    } else if (nameA === undefined || nameB < nameA) {
      yield [nameB, undefined, (b.value as readonly [string, Inode])[1]];
      b = second.next();
    } else {
      yield [nameA, (a.value as readonly [string, Inode])[1], (b.value as readonly [string, Inode])[1]];
      a = first.next();
      b = second.next();
    }
  }
}

function* unshared(
  chunks: readonly Chunk[],
  shared: ReadonlySet<Chunk>,
): Generator<readonly [string, Inode]> {
  for (const chunk of chunks) {
    if (shared.has(chunk)) continue;
    for (let at = 0; at < chunk.names.length; at++) yield [chunk.names[at]!, chunk.nodes[at]!];
  }
}
