/** What symbolic links of a local file system say. */
import fs from "node:fs/promises";
import { dirname, join } from "node:path";
import { isWithin } from "./path.ts";
import { namesOf, resolvedNames } from "./real-place.ts";

/**
 * The text of a link at `path` below `root`, so that the machine follows it to where a server would: ".." takes a name away that
 * is written before it, whatever that is, and ends at the root. Such a target becomes an absolute one, because a relative one
 * would lead out of the root when the link is moved upwards.
 */
export async function linkText(root: string, path: string, target: string): Promise<string> {
  const isAbsolute = target.startsWith("/");
  if (!namesOf(target).includes("..")) return isAbsolute ? join(root, target) : target;
  const above = isAbsolute ? [] : await directoryNames(root, path);
  return join(root, ...resolvedNames(above, target));
}

/** Of the directory that the link is really in; of one outside of the root, to which another's link leads, as it was called. */
async function directoryNames(root: string, path: string): Promise<readonly string[]> {
  const [top, directory] = await Promise.all(
    [root, dirname(join(root, path))].map((each) => fs.realpath(each)),
  );
  const isInside = top !== undefined && directory !== undefined && isWithin(directory, top);
  return namesOf(isInside ? directory.slice(top.length) : dirname(path));
}
