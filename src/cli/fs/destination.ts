/** Where what is copied or moved goes: the last word of `put`, `get`, `cp`, `mv`. */
import { isQuorateError } from "../../runtime/errors.ts";
import type { Place } from "./places.ts";
import type { Item, Shell } from "./shell.ts";
import { parentOf } from "./shell.ts";

export interface Destination extends Place {
  readonly shown: string;
  readonly isThere: boolean;
  readonly isDirectory: boolean;
}

/** Undefined: it was reported that nothing, or not several things, can go there. */
export async function destinationOf(
  shell: Shell,
  place: Place,
  shown: string,
  isForMany: boolean,
): Promise<Destination | undefined> {
  const { signal } = shell;
  const { files, path } = place;
  try {
    const isDirectory = (await files.stat(path, { signal })).isDirectory();
    if (isForMany && !isDirectory) return shell.refuse(shown, "Is not a directory");
    return { ...place, shown, isThere: true, isDirectory };
  } catch (error) {
    if (!isQuorateError(error) || error.code !== "PATH_NOT_FOUND") throw error;
  }
  if (isForMany) return shell.refuse(shown, "No such file or directory");
  // What ends like a directory must be one.
  const isMeantAsDirectory = /(^|\/)(\.{0,2})$/.test(shown);
  if (isMeantAsDirectory || !(await files.exists(parentOf(path), { signal })))
    return shell.refuseMissing(shown, files, path);
  return { ...place, shown, isThere: false, isDirectory: false };
}

/** True: it was reported that what a pattern found is too much for the place. */
export function refusesMany(shell: Shell, items: readonly Item[], to: Destination): boolean {
  if (items.length < 2 || to.isDirectory) return false;
  shell.refuse(to.shown, to.isThere ? "Is not a directory" : "No such file or directory");
  return true;
}

/** A directory does not go into itself. */
export function refuseWithin(shell: Shell, item: Item, to: string, shown: string): void {
  const isSame = item.path === to;
  const target = isSame ? `${item.files.url}${to}` : shown;
  const what = isSame ? "are identical" : "is a subdirectory of itself";
  shell.refuse(`${item.shown}' to \`${target}`, what);
}
