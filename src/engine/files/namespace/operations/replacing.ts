/** A draft takes its place in the tree, and what was there is gone: one step, when it is closed or synced. */
import { lookUp } from "../chunk.ts";
import type { Directory, Inode } from "../inode.ts";
import type { OpenRecord } from "../leases.ts";
import { pathOf } from "../path.ts";
import { Refusal } from "../replies.ts";
import type { NamespaceState } from "../state.ts";
import { checkEntries } from "./making.ts";

/** What is there now, in a directory that is. */
export function placeOf(state: NamespaceState, names: readonly string[]): Inode | undefined {
  const parent = state.nodeAt(names.slice(0, -1)) as Directory;
  return lookUp(parent.chunks, names.at(-1)!);
}

/** From the root to the one that the names end in. */
export function directoriesAbove(state: NamespaceState, names: readonly string[]): Directory[] {
  return names.map((_, depth) => state.nodeAt(names.slice(0, depth)) as Directory);
}

/** Throws a Refusal when something is there meanwhile that a file does not replace, or there is no room any more. */
export function checkPlace(state: NamespaceState, record: OpenRecord): void {
  const { names } = record;
  const there = placeOf(state, names);
  if (there !== undefined && there.kind !== "file") {
    throw new Refusal("PATH_EXISTS", `${pathOf(names)} is a ${there.kind} by now`);
  }
  if (there !== undefined) return;
  const above = directoriesAbove(state, names);
  checkEntries(state, above.at(-1)!, names, names.length - 1);
  state.checkQuota(above, names, { files: 1 });
}

export function takePlace(state: NamespaceState, { id, names }: OpenRecord): void {
  if (placeOf(state, names) !== undefined) state.discard(names, state.detach(names));
  state.attach(names.slice(0, -1), names.at(-1)!, state.drafts.take(id));
}
