/** Files and what is below directories, from one file system to another, or within one. */
import type { Chunks } from "../../client/files/driver.ts";
import type { FileStats } from "../../client/files/file-stats.ts";
import type { Files } from "../../client/files/files.ts";
import { isLocal, isSameFile, realPath, ServerPlaces } from "../../client/files/real-place.ts";
import { isWithin } from "../../client/files/path.ts";
import type { Arguments } from "./command.ts";
import { Pace } from "./pace.ts";
import { preserve } from "./preserve.ts";
import { Progress } from "./progress.ts";
import { QuickFiles } from "./quick-files.ts";
import type { Item, Shell } from "./shell.ts";
import { join } from "./shell.ts";
import type { Destination } from "./destination.ts";
import { refusesMany, refuseWithin } from "./destination.ts";
import { isSmall, writeSmall, writeWhole } from "./whole-file.ts";

const THREADS_MAX = 64;

export interface Transfer {
  readonly overwrite: boolean;
  /** What goes along, by Hadoop's letters: times, owner, permissions, access control list, extended attributes. */
  readonly preserve: string;
  /** In one replica, as HDFS does it with what may be lost. */
  readonly isLazy: boolean;
  /** Without the unfinished name. */
  readonly direct: boolean;
  /** Files at a time. Undefined: 4, or 64 that go in one request. */
  readonly threads: number | undefined;
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
  /** Of the target's file system, when it is a server's. */
  readonly places: ServerPlaces;
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
  const pace = new Pace(how.threads);
  const quick = new QuickFiles(shell.signal);
  /** Two items may have one target: then one after the other is copied there. */
  const underWay = new Map<string, Promise<void>>();
  let fatal: { readonly error: unknown } | undefined;
  try {
    for await (const job of jobs(shell, items, to, how, copied)) {
      progress.expect(job.source.size);
      const isQuick = await quick.has(job.from, job.source, job.to);
      await pace.room(isQuick);
      if (fatal !== undefined) break;
      const earlier = underWay.get(job.target);
      const one = shell
        .attempt(job.shown, async () => {
          await earlier;
          if (await copyFile(shell, job, how, progress)) copied(job.source);
        })
        .catch((error: unknown) => void (fatal ??= { error }))
        .finally(() => {
          if (underWay.get(job.target) === one) underWay.delete(job.target);
        });
      underWay.set(job.target, one);
      pace.run(isQuick, one);
    }
    await pace.end();
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
  const places = new ServerPlaces(to.files.driver, { signal: shell.signal });
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
      const job = { item, before, from: item.files, source: item.stats, to: to.files, target, shown, places };
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
  await shell.attempt(shown, async () => {
    const clash = await directoryClash(job);
    if (clash !== undefined) return refuseClash(shell, job, clash);
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

/** Of directories of this machine, or of one server: links may lead the copy back into what is copied, at any depth. */
async function directoryClash({ item, from, source, to, target, places }: Job): Promise<string | undefined> {
  const areLocal = isLocal(from) && isLocal(to);
  if (!areLocal && from !== to) return undefined;
  const real = (files: Files, path: string): Promise<string> =>
    areLocal ? realPath({ files, path }) : places.realPath(path);
  const made = await real(to, target);
  if (made === (await real(from, source.path))) return "are identical";
  return isWithin(made, await real(from, item.path)) ? "is a subdirectory of itself" : undefined;
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
    // The size of a link says nothing of what it leads to.
    const range = { signal: shell.signal, ...(source.isFile() ? { expectedBytes: source.size } : {}) };
    for await (const chunk of from.driver.read(source.path, range)) {
      progress.moved(chunk.length);
      counts += chunk.length;
      yield chunk;
    }
  };
  const place = { files: to, path: target, shown };
  const write = isSmall(source) ? writeSmall : writeWhole;
  if (!(await write(shell, how, place, counted))) return false;
  if (how.preserve !== "") await preserve(shell, { from, to }, how.preserve, source, target);
  progress.finished();
  return true;
}

/** `-q`, the length of Hadoop's queue, is taken and means nothing: files are looked for as fast as they go. */
function threadsOf(args: Arguments): number | undefined {
  args.count("q", 0);
  return args.count("t", 0);
}

export function howOf(args: Arguments): Transfer {
  const threads = threadsOf(args);
  return {
    overwrite: args.has("f"),
    preserve: args.has("p") ? args.value("p") || "top" : "",
    isLazy: args.has("l"),
    direct: args.has("d"),
    threads: threads === undefined ? undefined : Math.min(Math.max(1, threads), THREADS_MAX),
  };
}
