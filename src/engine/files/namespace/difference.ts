/**
 * What changed below a directory between two of its snapshots, or one and now. Both trees are walked side by side in the order
 * of their names; what they share is not looked at. An inode that is gone under one name and there under another was renamed,
 * and is compared with what it was. As in HDFS, what was modified is told by its path in the earlier of the two, and what was
 * made or removed in a renamed directory by that directory's path there; whichever of them the difference starts from.
 */
import type { Caller, SnapshotDifference } from "./model.ts";
import type { Chunk } from "./chunk.ts";
import { entriesOf } from "./chunk.ts";
import { EXECUTE, READ } from "./access.ts";
import type { Directory, Inode } from "./inode.ts";
import { accessOf } from "./operations/operation.ts";
import { find, snapshotsOf } from "./operations/snapshotting.ts";
import { nameOf, textOf } from "./path.ts";
import type { Resolved } from "./resolve.ts";
import { existing, resolve } from "./resolve.ts";
import type { NamespaceState } from "./state.ts";

/** An inode that one of the trees has where the other has none. */
interface Place {
  readonly node: Inode;
  /** As it is told: that of its directory in the earlier tree, and its name. */
  readonly path: string;
  /** Where it is in its own tree. */
  readonly at: string;
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
  const [before, after] = [rootOf(found, from), rootOf(found, to)];
  const isForward = before.age <= after.age;
  const comparison = new Comparison(limit + 1);
  if (isForward) comparison.run(before.root, after.root);
  else comparison.run(after.root, before.root);
  const differences = comparison.differences(isForward);
  return { differences: differences.slice(0, limit), more: comparison.isCut || differences.length > limit };
}

function entry(type: "created" | "deleted" | "modified", path: string): SnapshotDifference {
  return { type, path, target: undefined };
}

/** `age` grows from snapshot to snapshot; the present is behind all. */
function rootOf(found: Resolved, name: string): { readonly root: Directory; readonly age: number } {
  const list = snapshotsOf(found);
  if (name === "" || name === ".") return { root: existing(found) as Directory, age: Infinity };
  const { root, id } = find(list, nameOf(name, name), found);
  return { root, age: id };
}

class Comparison {
  private readonly created = new Map<number, Place>();
  private readonly deleted = new Map<number, Place>();
  private readonly modified: string[] = [];
  /** To where those of `deleted` went that are still there. */
  private readonly targets = new Map<number, string>();
  /** Renamed, and still to be compared. */
  private readonly pending: (readonly [Place, Place])[] = [];
  /** Directories that came, and were not looked through. */
  private readonly unseen: Place[] = [];
  /** What is below those that were. */
  private readonly inside = new Map<number, Place>();
  private left: number;

  constructor(limit: number) {
    this.left = limit;
  }

  /** There was more than could be noted. */
  get isCut(): boolean {
    return this.left <= 0;
  }

  run(earlier: Directory, later: Directory): void {
    this.compareDirectories(earlier, later, "", "");
    do {
      for (let pair = this.pending.pop(); pair !== undefined && !this.isCut; pair = this.pending.pop()) {
        const [before, after] = pair;
        this.compare(before.node, after.node, before.path, after.at);
      }
      this.findInside();
    } while (this.pending.length > 0 && !this.isCut);
  }

  differences(isForward: boolean): SnapshotDifference[] {
    const all: SnapshotDifference[] = this.modified.map((path) => entry("modified", path));
    for (const [id, { path }] of this.deleted) {
      const target = this.targets.get(id);
      if (target === undefined) all.push(entry(isForward ? "deleted" : "created", path));
      else if (isForward) all.push({ type: "renamed", path, target });
      else all.push({ type: "renamed", path: target, target: path });
    }
    for (const [id, { path }] of this.created) {
      if (!this.targets.has(id)) all.push(entry(isForward ? "created" : "deleted", path));
    }
    return all;
  }

  /** Of one inode: `path` is that of before, `at` of after. */
  private compare(before: Inode, after: Inode, path: string, at: string): void {
    if (before === after) return;
    if (before.kind === "directory" && after.kind === "directory") {
      this.compareDirectories(before, after, path, at);
    } else if (before.revision !== after.revision) this.note(() => this.modified.push(path));
  }

  private compareDirectories(before: Directory, after: Directory, path: string, at: string): void {
    // `revision` is of the inode and its own entries; allowing or taking a snapshot is no change of what is below.
    if (
      hasOtherEntries(before, after) ||
      before.modifiedMs !== after.modifiedMs ||
      hasOtherAttributes(before, after)
    ) {
      this.note(() => this.modified.push(path));
    }
    for (const [name, left, right] of pairs(before.chunks, after.chunks)) {
      if (this.isCut) return;
      const text = textOf(name);
      const below = join(path, text);
      if (left !== undefined && right !== undefined && left.id === right.id) {
        this.compare(left, right, below, join(at, text));
        continue;
      }
      if (left !== undefined) this.lost(left.id, { node: left, path: below, at: below });
      if (right !== undefined) this.came(right.id, { node: right, path: below, at: join(at, text) });
    }
  }

  private lost(id: number, place: Place): void {
    this.note(() => this.deleted.set(id, place));
    const target = this.created.get(id);
    if (target !== undefined) this.renamed(id, place, target);
  }

  private came(id: number, place: Place): void {
    this.note(() => this.created.set(id, place));
    if (place.node.kind === "directory") this.unseen.push(place);
    const source = this.deleted.get(id);
    if (source !== undefined) this.renamed(id, source, place);
  }

  private renamed(id: number, source: Place, target: Place): void {
    if (this.targets.has(id)) return;
    this.targets.set(id, target.at);
    this.pending.push([source, target]);
  }

  /** What was moved into a directory that is new itself: each is looked through once, and only when something is missing. */
  private findInside(): void {
    if (this.isCut || this.deleted.size === this.targets.size) return;
    for (let place = this.unseen.pop(); place !== undefined; place = this.unseen.pop()) {
      const { node, at } = place;
      if (node.kind === "directory" && !this.targets.has(node.id)) gather(node, at, this.inside);
    }
    for (const [id, source] of this.deleted) {
      const target = this.inside.get(id);
      if (target !== undefined) this.renamed(id, source, target);
    }
  }

  private note(add: () => void): void {
    if (this.left-- > 0) add();
  }
}

function gather(directory: Directory, at: string, places: Map<number, Place>): void {
  for (const [name, node] of entriesOf(directory.chunks)) {
    const path = join(at, textOf(name));
    places.set(node.id, { node, path, at: path });
    if (node.kind === "directory") gather(node, path, places);
  }
}

function join(path: string, name: string): string {
  return path === "" ? name : `${path}/${name}`;
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
