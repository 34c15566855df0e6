/**
 * Files and what is below directories, from one file system to another, or within one. A file is written under a name that ends in
 * `._COPYING_` and renamed when it is whole, as Hadoop's shell does it: who is interrupted leaves nothing that looks finished.
 */
import { isQuorateError } from "../../runtime/errors.ts";
import type { Chunks } from "../../client/files/driver.ts";
import type { FileStats } from "../../client/files/file-stats.ts";
import type { Files } from "../../client/files/files.ts";
import type { Arguments } from "./command.ts";
import { preserve } from "./preserve.ts";
import { Progress } from "./progress.ts";
import { isLocal, isSameFile, realPath } from "./real-place.ts";
import type { Item, Shell } from "./shell.ts";
import { isWithin, join } from "./shell.ts";
import type { Destination } from "./destination.ts";
import { refusesMany, refuseWithin } from "./destination.ts";

const UNFINISHED = "._COPYING_";
const DEFAULT_THREADS = 4;
const THREADS_MAX = 64;

export interface Transfer {
  readonly overwrite: boolean;
  /** What goes along, by Hadoop's letters: times, owner, permissions, access control list, extended attributes. */
  readonly preserve: string;
  /** In one replica, as HDFS does it with what may be lost. */
  readonly isLazy: boolean;
  /** Without the unfinished name. */
  readonly direct: boolean;
  readonly threads: number;
}

/** What a directory holds, by its path. */
type Listings = ReadonlyMap<string, readonly FileStats[]>;

interface Job {
  /** What the source is, or is below. */
  readonly item: Item;
  /** What the item held at the target, and below, before anything was made there; undefined: the target is not in the item. */
  readonly before: { readonly root: string; readonly listings: Listings } | undefined;
  readonly from: Files;
  readonly source: FileStats;
  readonly to: Files;
  readonly target: string;
  /** How the target is called in reports. */
  readonly shown: string;
}

/**
 * Transfers items and what is below them, several files at a time; reports what fails and goes on. `copied`: called for each file
 * that was copied whole, and for each directory that was made, before what is in it.
 */
export async function transfer(
  shell: Shell,
  items: readonly Item[],
  to: Destination,
  how: Transfer,
  copied: (source: FileStats) => void = () => undefined,
): Promise<void> {
  if (refusesMany(shell, items, to)) return;
  const progress = new Progress();
  shell.bar = progress;
  const running = new Set<Promise<void>>();
  let fatal: { readonly error: unknown } | undefined;
  try {
    for await (const job of jobs(shell, items, to, how, copied)) {
      progress.expect(job.source.size);
      while (running.size >= how.threads) await Promise.race(running);
      if (fatal !== undefined) break;
      const one = shell
        .attempt(job.shown, async () => {
          if (await copyFile(shell, job, how, progress)) copied(job.source);
        })
        .catch((error: unknown) => void (fatal ??= { error }))
        .finally(() => running.delete(one));
      running.add(one);
    }
    await Promise.all(running);
  } finally {
    progress.end();
    shell.bar = undefined;
  }
  if (fatal !== undefined) throw fatal.error;
}

/** The files, one by one; directories are made on the way. */
async function* jobs(
  shell: Shell,
  items: readonly Item[],
  to: Destination,
  how: Transfer,
  copied: (source: FileStats) => void,
): AsyncGenerator<Job> {
  for (const item of items) {
    const target = to.isDirectory ? join(to.path, item.stats.name) : to.path;
    const shown = to.isDirectory ? shownIn(to.shown, item.stats.name) : to.shown;
    const isInside = item.files === to.files && item.stats.isDirectory() && isWithin(target, item.path);
    if (isInside) refuseWithin(shell, item, target, shown);
    else if (item.stats.isDirectory() && to.isThere && !to.isDirectory)
      shell.refuse(shown, how.overwrite ? "Is not a directory" : "File exists");
    else {
      let before: Job["before"];
      let isListed = true;
      if (mayBeInside(item, to, target)) {
        isListed = false;
        await shell.attempt(item.shown, async () => {
          before = { root: target, listings: await listingsOf(shell, item.files, target) };
          isListed = true;
        });
      }
      const job = { item, before, from: item.files, source: item.stats, to: to.files, target, shown };
      if (isListed) yield* jobsOf(shell, job, copied);
    }
  }
}

/** Two servers by their addresses may be one, by another user or another node: then the copy would be copied, without an end. */
function mayBeInside({ files, path, stats }: Item, to: Destination, target: string): boolean {
  const areServers = !isLocal(files) && !isLocal(to.files);
  return areServers && files !== to.files && stats.isDirectory() && isWithin(target, path);
}

async function listingsOf({ signal }: Shell, files: Files, root: string): Promise<Listings> {
  const listings = new Map<string, FileStats[]>();
  if (!(await files.exists(root, { signal })) || !(await files.stat(root, { signal })).isDirectory())
    return listings;
  listings.set(root, []);
  for await (const entry of files.walk(root, { recursive: true, signal })) {
    listings.get(entry.parentPath)?.push(entry);
    if (entry.isDirectory()) listings.set(entry.path, []);
  }
  return listings;
}

function shownIn(directory: string, name: string): string {
  return directory === "." ? name : join(directory, name);
}

async function* jobsOf(shell: Shell, job: Job, copied: (source: FileStats) => void): AsyncGenerator<Job> {
  const { source, to, target, shown } = job;
  if (source.type === "other")
    return shell.refuse(source.path, "Is a FIFO, socket or device, which is not copied");
  if (!source.isDirectory()) return yield job;
  const inside: FileStats[] = [];
  const clash = await directoryClash(job);
  if (clash !== undefined) return refuseClash(shell, job, clash);
  await shell.attempt(shown, async () => {
    await to.mkdir(target, { recursive: true, signal: shell.signal });
    copied(source);
    for await (const entry of entriesOf(shell, job)) inside.push(entry);
  });
  for (const entry of inside) {
    const below = { target: join(target, entry.name), shown: join(shown, entry.name) };
    yield* jobsOf(shell, { ...job, source: entry, ...below }, copied);
  }
}

/** What was in the directory without what this transfer made in it. */
async function* entriesOf({ signal }: Shell, { before, from, source }: Job): AsyncGenerator<FileStats> {
  if (before !== undefined && isWithin(source.path, before.root))
    return yield* before.listings.get(source.path) ?? [];
  for await (const entry of from.walk(source.path, { signal })) {
    const isMade = entry.isDirectory() && entry.path === before?.root && !before.listings.has(entry.path);
    if (!isMade) yield entry;
  }
}

/** Of directories of this machine: links may lead the copy back into what is copied, at any depth. */
async function directoryClash({ item, from, source, to, target }: Job): Promise<string | undefined> {
  if (!isLocal(from) || !isLocal(to)) return undefined;
  const made = await realPath({ files: to, path: target });
  if (made === (await realPath({ files: from, path: source.path }))) return "are identical";
  return isWithin(made, await realPath(item)) ? "is a subdirectory of itself" : undefined;
}

function refuseClash(shell: Shell, { item, source, shown }: Job, what: string): undefined {
  const from = source === item.stats ? item.shown : `${item.prefix}${source.path}`;
  return shell.refuse(`${from}' to \`${shown}`, what);
}

/** False: it was refused, which was reported. */
async function copyFile(shell: Shell, job: Job, how: Transfer, progress: Progress): Promise<boolean> {
  const { from, source, to, target, shown } = job;
  const areLocal = isLocal(from) && isLocal(to);
  if (areLocal && how.overwrite) {
    const isSame = await isSameFile({ files: from, path: source.path }, { files: to, path: target });
    if (isSame) {
      refuseClash(shell, job, "are identical");
      return false;
    }
  }
  let counts = 0;
  const counted = async function* (): Chunks {
    progress.moved(-counts);
    counts = 0;
    for await (const chunk of from.driver.read(source.path, { signal: shell.signal })) {
      progress.moved(chunk.length);
      counts += chunk.length;
      yield chunk;
    }
  };
  const isWritten = await writeWhole(shell, how, { files: to, path: target, shown }, counted);
  if (!isWritten) return false;
  if (how.preserve !== "") await preserve(shell, { from, to }, how.preserve, source, target);
  progress.finished();
  return true;
}

/** `to`: where, and how it is called in reports. False: it was refused, which was reported. */
export async function writeWhole(
  shell: Shell,
  how: Transfer,
  {
    files: to,
    path: target,
    shown,
  }: { readonly files: Files; readonly path: string; readonly shown: string },
  content: Chunks | (() => Chunks),
  createParents = false,
): Promise<boolean> {
  const { overwrite } = how;
  const { signal } = shell;
  const kept = { createParents, signal, ...(how.isLazy ? { replication: 1 } : {}) };
  const there = await to.exists(target, { signal });
  const isDirectory = there && (await to.stat(target, { signal })).isDirectory();
  if (isDirectory || (there && !overwrite)) {
    shell.refuse(shown, isDirectory ? "Is a directory" : "File exists");
    return false;
  }
  if (how.direct || to === shell.local) {
    // Local files are moved into place by the driver itself.
    await to.writeFile(target, content, { overwrite, ...kept });
    return true;
  }
  const beside = `${target}${UNFINISHED}`;
  try {
    await to.writeFile(beside, content, { overwrite: true, ...kept }).catch((error) => {
      // Nobody else writes this name: twice is the same as once.
      if (!isUnknown(error) || typeof content !== "function") throw error;
      return to.writeFile(beside, content, { overwrite: true, ...kept });
    });
    await to.rename(beside, target, { overwrite, signal }).catch(async (error) => {
      // What was written is at one name or the other.
      if (!isUnknown(error)) throw error;
      if (await to.exists(beside, { signal })) await to.rename(beside, target, { overwrite, signal });
    });
    return true;
  } catch (error) {
    // What cannot be removed now is seen to be unfinished by its name.
    await to.rm(beside, { force: true, timeoutMs: 5000 }).catch(() => undefined);
    throw error;
  }
}

/** The node died before it answered, and may have done it. */
function isUnknown(error: unknown): boolean {
  return isQuorateError(error) && error.code === "OUTCOME_UNKNOWN";
}

/** `-q`, the length of Hadoop's queue, is taken and means nothing: files are looked for as fast as they go. */
function threadsOf(args: Arguments): number | undefined {
  args.count("q", 0);
  return args.count("t", 0);
}

export function howOf(args: Arguments): Transfer {
  return {
    overwrite: args.has("f"),
    preserve: args.has("p") ? args.value("p") || "top" : "",
    isLazy: args.has("l"),
    direct: args.has("d"),
    threads: Math.min(Math.max(1, threadsOf(args) ?? DEFAULT_THREADS), THREADS_MAX),
  };
}
