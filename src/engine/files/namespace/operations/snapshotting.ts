/** Snapshots of directories. */
import type { DirectorySnapshot, Directory } from "../inode.ts";
import { SNAPSHOT_NAME } from "../model.ts";
import { isWithin, nameOf, ownName, pathOf, textOf } from "../path.ts";
import { Refusal } from "../replies.ts";
import type { Resolved } from "../resolve.ts";
import { changeable, existing } from "../resolve.ts";
import type { NamespaceState } from "../state.ts";
import type { Operations } from "./operation.ts";
import { accessOf } from "./operation.ts";

export const SNAPSHOT_OPERATIONS: Operations<
  "allowSnapshots" | "createSnapshot" | "renameSnapshot" | "deleteSnapshot"
> = {
  allowSnapshots(state, { caller, path, allowed }) {
    const access = accessOf(state, caller);
    access.checkSuperuser("allow or disallow snapshots");
    const found = changeable(state.root, path, access);
    const directory = directoryOf(found);
    const before = directory.extras?.snapshots;
    if ((before !== undefined) === allowed) return undefined;
    if (allowed) checkNoneAround(state, found);
    if (!allowed && before !== undefined && before.length > 0) {
      throw new Refusal(
        "SNAPSHOT_REFUSED",
        `The directory ${pathOf(found.names)} has snapshot(s): delete them first`,
      );
    }
    setSnapshots(state, found, () => (allowed ? [] : undefined));
    if (allowed) state.snapshottable.set(directory.id, found.names);
    else state.snapshottable.delete(directory.id);
    return undefined;
  },

  createSnapshot(state, { caller, path, name }) {
    const access = accessOf(state, caller);
    const found = changeable(state.root, path, access);
    access.checkOwner(existing(found), found.names);
    const list = snapshotsOf(found);
    const wanted = name === undefined ? defaultName(state.timeMs) : checkedName(name);
    checkFree(list, wanted, found);
    if (list.length >= state.settings.maxSnapshots) {
      const text = `there are already ${list.length} snapshots of ${pathOf(found.names)}`;
      throw new Refusal("SNAPSHOT_REFUSED", `Failed to create snapshot: ${text}`);
    }
    const id = state.counters.nextSnapshotId++;
    setSnapshots(state, found, (directory) => [
      ...list,
      { name: ownName(wanted), id, createdMs: state.timeMs, root: state.tree.freeze(directory) },
    ]);
    return pathOf([...found.names, SNAPSHOT_NAME, wanted]);
  },

  renameSnapshot(state, { caller, path, name, to }) {
    const access = accessOf(state, caller);
    const found = changeable(state.root, path, access);
    access.checkOwner(existing(found), found.names);
    const list = snapshotsOf(found);
    const old = find(list, checkedName(name), found);
    const wanted = checkedName(to);
    if (wanted === old.name) return undefined;
    checkFree(list, wanted, found);
    setSnapshots(state, found, () =>
      list.map((each) => (each === old ? { ...each, name: ownName(wanted) } : each)),
    );
    return undefined;
  },

  deleteSnapshot(state, { caller, path, name }) {
    const access = accessOf(state, caller);
    const found = changeable(state.root, path, access);
    access.checkOwner(existing(found), found.names);
    const list = snapshotsOf(found);
    const gone = find(list, checkedName(name), found);
    setSnapshots(state, found, () => list.filter((each) => each !== gone));
    state.reclaimer.stack.push(gone.root);
    return undefined;
  },
};

function directoryOf(found: Resolved): Directory {
  const node = existing(found);
  if (node.kind === "directory") return node;
  throw new Refusal("PARENT_NOT_DIRECTORY", `${pathOf(found.names)} is not a directory`);
}

export function snapshotsOf(found: Resolved): readonly DirectorySnapshot[] {
  const list = directoryOf(found).extras?.snapshots;
  if (list !== undefined) return list;
  throw new Refusal("SNAPSHOT_REFUSED", `Directory is not a snapshottable directory: ${pathOf(found.names)}`);
}

export function find(list: readonly DirectorySnapshot[], name: string, found: Resolved): DirectorySnapshot {
  const one = list.find((each) => each.name === name);
  if (one !== undefined) return one;
  throw new Refusal("SNAPSHOT_REFUSED", `Cannot find the snapshot ${textOf(name)} of ${pathOf(found.names)}`);
}

function checkFree(list: readonly DirectorySnapshot[], name: string, found: Resolved): void {
  if (!list.some((each) => each.name === name)) return;
  const text = `there is already a snapshot with the same name "${textOf(name)}"`;
  throw new Refusal("SNAPSHOT_REFUSED", `${text} of ${pathOf(found.names)}`);
}

function checkedName(name: string): string {
  if (name === "" || name.includes("/") || name === SNAPSHOT_NAME) {
    throw new Refusal("PATH_INVALID", `not a name of a snapshot: ${name.slice(0, 100)}`);
  }
  return nameOf(name, name);
}

function checkNoneAround(state: NamespaceState, { names }: Resolved): void {
  for (const other of state.snapshottable.values()) {
    if (!isWithin(other, names) && !isWithin(names, other)) continue;
    const text = `Nested snapshottable directories not allowed: path=${pathOf(names)}`;
    throw new Refusal("SNAPSHOT_REFUSED", `${text}, the other is ${pathOf(other)}`);
  }
}

function setSnapshots(
  state: NamespaceState,
  found: Resolved,
  next: (directory: Directory) => readonly DirectorySnapshot[] | undefined,
): void {
  state.tree.edit(found.names, (node) => {
    if (node.kind !== "directory") return;
    const snapshots = next(node);
    const { snapshots: _, ...rest } = node.extras ?? {};
    const extras = snapshots === undefined ? rest : { ...rest, snapshots };
    node.extras = Object.keys(extras).length === 0 ? undefined : extras;
    node.revision = state.counters.revision;
  });
}

/** As HDFS names them: "s20260131-235959.123", in UTC. */
function defaultName(timeMs: number): string {
  const [date = "", time = ""] = new Date(timeMs).toISOString().split("T");
  return `s${date.replaceAll("-", "")}-${time.replaceAll(":", "").replace("Z", "")}`;
}
