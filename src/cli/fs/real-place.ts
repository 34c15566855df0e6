/** Where things of this machine are, whatever links lead there: two paths may name the same file, which no text of theirs tells. */
import fs from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Files } from "../../client/files/files.ts";

interface Spot {
  readonly files: Files;
  readonly path: string;
}

export function isLocal(files: Files): boolean {
  return files.url.startsWith("file:");
}

function onMachine({ files, path }: Spot): string {
  return join(fileURLToPath(files.url), path);
}

/** Of a local path, without links; what is not there yet is where it would be made. */
export function realPath(spot: Spot): Promise<string> {
  return resolved(onMachine(spot));
}

async function resolved(path: string): Promise<string> {
  try {
    return await fs.realpath(path);
  } catch {
    // Not there, or not to be seen, and then nothing will be made there either.
    const above = dirname(path);
    return above === path ? path : join(await resolved(above), basename(path));
  }
}

/** Of local files: one name, by links too, or hard links. False where one of them is not there. */
export async function isSameFile(left: Spot, right: Spot): Promise<boolean> {
  const look = (spot: Spot) => fs.stat(onMachine(spot), { bigint: true }).catch(() => undefined);
  const [one, other] = await Promise.all([look(left), look(right)]);
  return one !== undefined && one.dev === other?.dev && one.ino === other.ino;
}
