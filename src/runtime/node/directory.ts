/**
 * Making a directory with those above it. Node's own recursive `mkdir` never ends where the parent is there and making the
 * child fails with ENOENT all the same, as in /proc: it makes the parent again, and again.
 */
import { mkdirSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";

/** Makes `path`, and what is missing above it; nothing when it is there. Throws what the file system says. */
export function makeDirectory(path: string): void {
  const missing: string[] = [];
  for (let at = resolve(path); !isDirectory(at) && dirname(at) !== at; at = dirname(at)) missing.push(at);
  for (const each of missing.toReversed()) make(each);
}

function make(directory: string): void {
  try {
    mkdirSync(directory);
  } catch (error) {
    // Another process may have made it meanwhile.
    if ((error as NodeJS.ErrnoException).code !== "EEXIST" || !isDirectory(directory)) throw error;
  }
}

/** False for what is not there, and for a file. Throws where there is a file above it. */
function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
