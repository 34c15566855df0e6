/** Where things are, whatever links lead there: two paths may name the same file, which no text of theirs tells. */
import fs from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isQuorateError } from "../../runtime/errors.ts";
import type { CallOptions, FilesDriver } from "./driver.ts";

/** Links that one path may lead over, as at the server. */
const LINKS_MAX = 32;

interface FileSystem {
  /** How it is called. */
  readonly url: string;
}

interface Spot {
  readonly files: FileSystem;
  readonly path: string;
}

export function isLocal(files: FileSystem): boolean {
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
  private readonly driver: FilesDriver;
  private readonly options: CallOptions;
  /** Of places whose directories are no links: where a link that is there leads, undefined when none is. Only what was answered. */
  private readonly targets = new Map<string, string | undefined>();

  constructor(driver: FilesDriver, options: CallOptions) {
    this.driver = driver;
    this.options = options;
  }

  /** Of a path, without links; what is not there yet is where it would be made. Links that lead in circles stay in it. */
  async realPath(path: string): Promise<string> {
    let names = namesOf(path);
    // So many of the names are no links.
    for (let at = 0, links = 0; at < names.length;) {
      const target = await this.targetOf(`/${names.slice(0, at + 1).join("/")}`);
      // Whoever follows it there is told what is wrong with it.
      if (target === undefined || target.includes("://") || links >= LINKS_MAX) at++;
      else {
        const above = target.startsWith("/") ? [] : names.slice(0, at);
        names = [...resolvedNames(above, target), ...names.slice(at + 1)];
        links++;
        at = 0;
      }
    }
    return `/${names.join("/")}`;
  }

  /** Undefined: no link is there. */
  private async targetOf(path: string): Promise<string | undefined> {
    if (this.targets.has(path)) return this.targets.get(path);
    const target = await this.askTarget(path);
    this.targets.set(path, target);
    return target;
  }

  private async askTarget(path: string): Promise<string | undefined> {
    try {
      return (await this.driver.describe(path, { ...this.options, followLast: false })).target;
    } catch (error) {
      // Not there, or not to be seen, and then nothing will be made there either.
      if (isQuorateError(error) && !error.retryable) return undefined;
      throw error;
    }
  }
}

export function namesOf(path: string): string[] {
  return path.split("/").filter((name) => name !== "");
}

/** Where a target leads from the directory with the names `above`: ".." of the root is the root. */
export function resolvedNames(above: readonly string[], target: string): string[] {
  const names = [...above];
  for (const name of namesOf(target)) {
    if (name === "..") names.pop();
    else if (name !== ".") names.push(name);
  }
  return names;
}
