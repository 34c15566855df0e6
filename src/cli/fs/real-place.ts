/** Where things are, whatever links lead there: two paths may name the same file, which no text of theirs tells. */
import fs from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isQuorateError } from "../../runtime/errors.ts";
import type { Files } from "../../client/files/files.ts";
import { join as joinPath, parentOf } from "./shell.ts";

/** Links that one path may lead over, as at the server. */
const LINKS_MAX = 32;

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

/** Places on one server. What is asked for is asked for once. */
export class ServerPlaces {
  private readonly files: Files;
  private readonly signal: AbortSignal;
  private readonly known = new Map<string, Promise<string>>([["/", Promise.resolve("/")]]);

  constructor(files: Files, signal: AbortSignal) {
    this.files = files;
    this.signal = signal;
  }

  /** Of a path, without links; what is not there yet is where it would be made. */
  realPath(path: string, links = 0): Promise<string> {
    const known = this.known.get(path);
    if (known !== undefined) return known;
    const found = this.resolved(path, links);
    this.known.set(path, found);
    return found;
  }

  private async resolved(path: string, links: number): Promise<string> {
    const above = await this.realPath(parentOf(path), links);
    const here = joinPath(above, path.slice(path.lastIndexOf("/") + 1));
    const target = await this.targetOf(here);
    // Whoever follows it there is told what is wrong with it.
    if (target === undefined || target.includes("://") || links >= LINKS_MAX) return here;
    const names = target.startsWith("/") ? [] : above.split("/").filter((name) => name !== "");
    for (const name of target.split("/")) {
      if (name === "..") names.pop();
      else if (name !== "" && name !== ".") names.push(name);
    }
    return this.realPath(`/${names.join("/")}`, links + 1);
  }

  /** Undefined: no link is there. */
  private async targetOf(path: string): Promise<string | undefined> {
    const { signal } = this;
    try {
      return (await this.files.driver.describe(path, { followLast: false, signal })).target;
    } catch (error) {
      // Not there, or not to be seen, and then nothing will be made there either.
      if (isQuorateError(error) && !error.retryable) return undefined;
      throw error;
    }
  }
}
