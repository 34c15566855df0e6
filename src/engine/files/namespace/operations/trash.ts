/**
 * The trash of each user, as HDFS's clients lay it out: /user/NAME/.Trash/Current holds what was removed since the last
 * checkpoint, under its old path; a checkpoint is Current renamed to the time, "yyMMddHHmmss" in UTC.
 */
import type { Access } from "../access.ts";
import { lookUp, entriesOf } from "../chunk.ts";
import type { Directory } from "../inode.ts";
import { TRASH_NAME } from "../model.ts";
import { isWithin, nameOf, pathOf, textOf } from "../path.ts";
import { Refusal } from "../replies.ts";
import { nodeOf, refuseSnapshot, resolve } from "../resolve.ts";
import type { NamespaceState } from "../state.ts";
import { checkNoSnapshots } from "./directories.ts";
import { makeDirectories, renameTo } from "./renaming.ts";
import type { Operations } from "./operation.ts";
import { accessOf } from "./operation.ts";

const CURRENT = "Current";
const CHECKPOINT = /^(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(-\d+)?$/;

export const TRASH_OPERATIONS: Operations<"trash" | "expunge" | "emptyTrash"> = {
  trash(state, { caller, path }) {
    const access = accessOf(state, caller);
    const found = resolve(state.root, path, access, false);
    refuseSnapshot(found);
    if (nodeOf(found) === undefined) return undefined;
    const trash = trashOf(caller.user);
    if (isWithin(found.names, trash) || isWithin(trash, found.names)) {
      throw new Refusal(
        "FILE_OPERATION_REFUSED",
        `Cannot move ${pathOf(found.names)} to the trash, as it contains it or is in it`,
      );
    }
    return state.atomically(() => {
      makeTrash(state, access);
      const target = freePlace(state, [...trash, CURRENT, ...found.names]);
      const parent = pathOf(target.slice(0, -1));
      makeDirectories(state, access, pathOf(target));
      if (nodeOf(resolve(state.root, parent, access)) === undefined)
        throw new Refusal("PATH_NOT_FOUND", parent);
      renameTo(state, access, path, pathOf(target), false);
      return pathOf(target);
    });
  },

  expunge(state, { caller, olderThanMs }) {
    const access = accessOf(state, caller);
    checkpoint(state, access, caller.user);
    return removeOld(state, caller.user, olderThanMs);
  },

  emptyTrash(state) {
    let count = 0;
    const interval = state.settings.trashIntervalMs;
    for (const user of usersOf(state)) {
      const owner = accessOf(state, { user: state.settings.superuser, groups: [] });
      try {
        if (checkpoint(state, owner, user)) count++;
        count += removeOld(state, user, interval).length;
      } catch (error) {
        // One user's trash that must stay, because of its snapshots, keeps nobody else's.
        if (!(error instanceof Refusal)) throw error;
      }
    }
    state.counters.emptyTrashAtMs = state.timeMs + interval;
    return count;
  },
};

/** Names of /user/NAME/.Trash. Throws PATH_INVALID: a user whose name cannot be one of a directory. */
function trashOf(user: string): string[] {
  if (user === "" || user.includes("/"))
    throw new Refusal("PATH_INVALID", "this user cannot have a home directory");
  return ["user", nameOf(user, user), TRASH_NAME];
}

/** The home of a user is made by the file system; what is in it is the user's. */
function makeTrash(state: NamespaceState, access: Access): void {
  const names = [...trashOf(access.caller.user), CURRENT];
  const system = accessOf(state, { user: state.settings.superuser, groups: [] });
  for (let depth = 1; depth <= names.length; depth++) {
    const parent = state.nodeAt(names.slice(0, depth - 1));
    const name = names[depth - 1]!;
    if (parent.kind !== "directory")
      throw new Refusal("PARENT_NOT_DIRECTORY", `${pathOf(names, depth - 1)} (is not a directory)`);
    if (lookUp(parent.chunks, name) !== undefined) continue;
    const by = depth === 1 ? system : access;
    state.checkQuota(directoriesTo(state, names, depth - 1), names, { directories: 1 });
    const like = state.newInode(parent, by, depth === 1 ? 0o755 : 0o700, undefined, true);
    state.attach(names.slice(0, depth - 1), name, state.newDirectory(like));
  }
  if (state.nodeAt(names).kind !== "directory") {
    throw new Refusal("PARENT_NOT_DIRECTORY", `${pathOf(names)} (is not a directory)`);
  }
}

function directoriesTo(state: NamespaceState, names: readonly string[], count: number): Directory[] {
  return Array.from({ length: count + 1 }, (_, depth) => state.nodeAt(names.slice(0, depth)) as Directory);
}

/** Where something was removed before from the same path, or a file is where a directory is needed, the time makes a name. */
function freePlace(state: NamespaceState, names: readonly string[]): string[] {
  const place = [...names];
  let node = state.nodeAt(place.slice(0, 4)) as Directory;
  for (let at = 4; at < place.length; at++) {
    const isLast = at === place.length - 1;
    for (let attempt = 0; ; attempt++) {
      const name = attempt === 0 ? names[at]! : `${names[at]!}${state.timeMs + attempt - 1}`;
      const there = lookUp(node.chunks, name);
      place[at] = name;
      if (there === undefined) return place;
      if (!isLast && there.kind === "directory") {
        node = there;
        break;
      }
    }
  }
  return place;
}

function checkpoint(state: NamespaceState, access: Access, user: string): boolean {
  const trash = trashOf(user);
  const root = directoryAt(state, trash);
  const current = root === undefined ? undefined : lookUp(root.chunks, CURRENT);
  if (root === undefined || current?.kind !== "directory" || current.childCount === 0) return false;
  const stamp = new Date(state.timeMs).toISOString().replaceAll(/\D/g, "").slice(2, 14);
  let name = stamp;
  for (let attempt = 1; lookUp(root.chunks, name) !== undefined; attempt++) name = `${stamp}-${attempt}`;
  renameTo(state, access, pathOf([...trash, CURRENT]), pathOf([...trash, name]), false);
  return true;
}

function removeOld(state: NamespaceState, user: string, olderThanMs: number): string[] {
  const trash = trashOf(user);
  const root = directoryAt(state, trash);
  const removed: string[] = [];
  // All names first: taking an entry out changes what is walked.
  const names = Array.from(entriesOf(root?.chunks ?? []), ([name]) => name);
  for (const name of names) {
    const madeMs = timeOf(name);
    if (madeMs === undefined || state.timeMs - madeMs < olderThanMs) continue;
    const at = [...trash, name];
    checkNoSnapshots(state, at);
    state.discard(at, state.detach(at));
    removed.push(pathOf(at));
  }
  return removed;
}

function timeOf(name: string): number | undefined {
  const match = CHECKPOINT.exec(name);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return Date.UTC(2000 + year, month - 1, day, hour, minute, second);
}

function usersOf(state: NamespaceState): string[] {
  const users = directoryAt(state, ["user"]);
  const names: string[] = [];
  for (const [name, node] of entriesOf(users?.chunks ?? [])) {
    if (node.kind === "directory" && lookUp(node.chunks, TRASH_NAME) !== undefined) names.push(textOf(name));
  }
  return names;
}

function directoryAt(state: NamespaceState, names: readonly string[]): Directory | undefined {
  let directory = state.root;
  for (const name of names) {
    const next = lookUp(directory.chunks, name);
    if (next?.kind !== "directory") return undefined;
    directory = next;
  }
  return directory;
}
