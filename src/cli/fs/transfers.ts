/**
 * What moves bytes between file systems: `put`, `get`, `cp` and their kin. A file is written under a name that ends in
 * `._COPYING_` and renamed when it is whole, as Hadoop's shell does it: who is interrupted leaves nothing that looks finished.
 */
import { isQuorateError, QuorateError } from "../../runtime/errors.ts";
import { resolve } from "node:path";
import type { Chunks } from "../../client/files/driver.ts";
import type { FileStats } from "../../client/files/file-stats.ts";
import type { Files } from "../../client/files/files.ts";
import type { Arguments, FsCommand } from "./command.ts";
import { preserve } from "./preserve.ts";
import { Progress } from "./progress.ts";
import type { Item, Shell } from "./shell.ts";
import { isWithin, join } from "./shell.ts";
import type { Destination } from "./destination.ts";
import { destinationOf, refusesMany, refuseWithin } from "./destination.ts";

const UNFINISHED = "._COPYING_";
const DEFAULT_THREADS = 4;
const THREADS_MAX = 64;

interface Transfer {
  readonly from: Files;
  readonly to: Files;
  readonly overwrite: boolean;
  /** What goes along, by Hadoop's letters: times, owner, permissions, access control list, extended attributes. */
  readonly preserve: string;
  /** In one replica, as HDFS does it with what may be lost. */
  readonly isLazy: boolean;
  /** Without the unfinished name. */
  readonly direct: boolean;
  readonly threads: number;
}

interface Job {
  readonly source: FileStats;
  readonly target: string;
  /** How the target is called in reports. */
  readonly shown: string;
}

/** Transfers items and what is below them, several files at a time; reports what fails and goes on. */
async function transfer(shell: Shell, items: readonly Item[], to: Destination, how: Transfer): Promise<void> {
  if (refusesMany(shell, items, to)) return;
  const progress = new Progress();
  const running = new Set<Promise<void>>();
  let fatal: { readonly error: unknown } | undefined;
  try {
    for await (const job of jobs(shell, items, to, how)) {
      progress.expect(job.source.size);
      while (running.size >= how.threads) await Promise.race(running);
      if (fatal !== undefined) break;
      const one = shell
        .attempt(job.shown, () => copyFile(shell, job, how, progress))
        .catch((error: unknown) => void (fatal ??= { error }))
        .finally(() => running.delete(one));
      running.add(one);
    }
    await Promise.all(running);
  } finally {
    progress.end();
  }
  if (fatal !== undefined) throw fatal.error;
}

/** The files, one by one; directories are made on the way. */
async function* jobs(
  shell: Shell,
  items: readonly Item[],
  to: Destination,
  how: Transfer,
): AsyncGenerator<Job> {
  for (const item of items) {
    const target = to.isDirectory ? join(to.path, item.stats.name) : to.path;
    const shown = to.isDirectory ? join(to.shown, item.stats.name) : to.shown;
    const isInside = how.from === how.to && item.stats.isDirectory() && isWithin(target, item.path);
    if (isInside) refuseWithin(shell, item, target, shown);
    else if (item.stats.isDirectory() && to.isThere && !to.isDirectory)
      shell.refuse(shown, how.overwrite ? "Is not a directory" : "File exists");
    else yield* jobsOf(shell, item.stats, target, shown, how);
  }
}

async function* jobsOf(
  shell: Shell,
  source: FileStats,
  target: string,
  shown: string,
  how: Transfer,
): AsyncGenerator<Job> {
  if (source.type === "other")
    return shell.refuse(source.path, "Is a FIFO, socket or device, which is not copied");
  if (!source.isDirectory()) return yield { source, target, shown };
  const inside: FileStats[] = [];
  await shell.attempt(shown, async () => {
    await how.to.mkdir(target, { recursive: true, signal: shell.signal });
    for await (const entry of how.from.walk(source.path, { signal: shell.signal })) inside.push(entry);
  });
  for (const entry of inside)
    yield* jobsOf(shell, entry, join(target, entry.name), join(shown, entry.name), how);
}

async function copyFile(
  shell: Shell,
  { source, target, shown }: Job,
  how: Transfer,
  progress: Progress,
): Promise<void> {
  let counts = 0;
  const counted = async function* (): Chunks {
    progress.moved(-counts);
    counts = 0;
    for await (const chunk of how.from.driver.read(source.path, { signal: shell.signal })) {
      progress.moved(chunk.length);
      counts += chunk.length;
      yield chunk;
    }
  };
  await writeWhole(shell, how, target, shown, counted);
  if (how.preserve !== "") await preserve(shell, how, how.preserve, source, target);
  progress.finished();
}

async function writeWhole(
  shell: Shell,
  how: Transfer,
  target: string,
  shown: string,
  content: Chunks | (() => Chunks),
): Promise<void> {
  const { to, overwrite } = how;
  const { signal } = shell;
  const kept = { createParents: false, signal, ...(how.isLazy ? { replication: 1 } : {}) };
  const there = await to.exists(target, { signal });
  if (there && (await to.stat(target, { signal })).isDirectory())
    return shell.refuse(shown, "Is a directory");
  if (there && !overwrite) return shell.refuse(shown, "File exists");
  if (how.direct || to === shell.local) {
    // Local files are moved into place by the driver itself.
    return to.writeFile(target, content, { overwrite, ...kept });
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

function howOf(args: Arguments, from: Files, to: Files): Transfer {
  return {
    from,
    to,
    overwrite: args.has("f"),
    preserve: args.has("p") ? args.value("p") || "top" : "",
    isLazy: args.has("l"),
    direct: args.has("d"),
    threads: Math.min(Math.max(1, args.count("t", 0) ?? DEFAULT_THREADS), THREADS_MAX),
  };
}

/** Words of this machine: not globs, for the user's own shell has expanded those. */
async function localItems(shell: Shell, words: readonly string[]): Promise<readonly Item[]> {
  const items: Item[] = [];
  for (const word of words) {
    await shell.attempt(word, async () => {
      const path = resolve(word.replace(/^file:\/\//, ""));
      items.push({ shown: word, path, stats: await shell.local.stat(path, { signal: shell.signal }) });
    });
  }
  return items;
}

async function* standardInput(signal: AbortSignal): Chunks {
  // Whoever sits there and types nothing is not waited for.
  const stop = (): void => void process.stdin.destroy(signal.reason as Error);
  signal.addEventListener("abort", stop, { once: true });
  try {
    for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
      signal.throwIfAborted();
      yield chunk;
    }
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

async function putFiles(shell: Shell, args: Arguments, remove: boolean): Promise<void> {
  // Without a destination it goes home.
  const [sources, word] =
    args.words.length === 1 ? [args.words, "."] : [args.words.slice(0, -1), args.words.at(-1) ?? ""];
  const how = howOf(args, shell.local, shell.files);
  const path = await shell.pathOf(word);
  const to = await destinationOf(shell, shell.files, path, word, sources.length > 1);
  if (to === undefined) return;
  if (sources.length === 1 && sources[0] === "-") {
    if (to.isDirectory) return shell.refuse(word, "Is a directory");
    return shell.attempt(word, () => writeWhole(shell, how, to.path, word, standardInput(shell.signal)));
  }
  const items = await localItems(shell, sources);
  await transfer(shell, items, to, how);
  if (!remove || shell.exitCode !== 0) return;
  for (const { path } of items) await shell.local.rm(path, { recursive: true });
}

const PUT_SWITCHES = ["f", "p", "l", "d"];

function putCommand(name: string, summary: string): FsCommand {
  return {
    name,
    usage: "[-f] [-p] [-l] [-d] [-t <threads>] <localsrc> ... <dst>",
    summary,
    switches: PUT_SWITCHES,
    values: ["t", "q"],
    run: (shell, args) => putFiles(shell, args, false),
  };
}

export const put: FsCommand = putCommand(
  "put",
  "copy from this machine, - from standard input; -f over what is there, -l in one replica",
);
export const copyFromLocal: FsCommand = putCommand("copyFromLocal", "the same as put");
export const moveFromLocal: FsCommand = {
  ...putCommand("moveFromLocal", "the same, and the local files are removed when all went well"),
  run: (shell, args) => putFiles(shell, args, true),
};

function getCommand(name: string, summary: string): FsCommand {
  return {
    name,
    usage: "[-f] [-p] [-t <threads>] <src> ... <localdst>",
    summary,
    switches: ["f", "p", "ignoreCrc", "crc"],
    values: ["t", "q"],
    min: 1,
    async run(shell, args) {
      const [word, sources] =
        args.words.length === 1 ? [".", args.words] : [args.words.at(-1) ?? "", args.words.slice(0, -1)];
      const items: Item[] = [];
      for await (const item of shell.items(sources)) items.push(item);
      if (items.length === 0) return;
      if (word === "-") {
        for (const { path } of items) {
          for await (const chunk of shell.files.driver.read(path, { signal: shell.signal }))
            await shell.write(chunk);
        }
        return;
      }
      const path = resolve(word.replace(/^file:\/\//, ""));
      const to = await destinationOf(shell, shell.local, path, word, sources.length > 1);
      if (to !== undefined) await transfer(shell, items, to, howOf(args, shell.files, shell.local));
    },
  };
}

export const get: FsCommand = getCommand(
  "get",
  "copy to this machine, - to standard output; -f over what is there",
);
export const copyToLocal: FsCommand = getCommand("copyToLocal", "the same as get");

/** As in Hadoop, which has had the name and nothing else for twenty years. */
export const moveToLocal: FsCommand = {
  name: "moveToLocal",
  usage: "<src> <localdst>",
  summary: "not there, in Hadoop neither: get, and then rm",
  run() {
    const text = "Option '-moveToLocal' is not implemented yet.";
    return Promise.reject(new QuorateError("FILE_OPERATION_REFUSED", text));
  },
};

export const cp: FsCommand = {
  name: "cp",
  usage: "[-f] [-p | -p[topax]] [-d] [-t <threads>] <src> ... <dst>",
  summary:
    "copy, directories with all below them; the bytes go through this machine; -p keeps times, owner, permissions, a ACL, x attributes",
  switches: ["f", "d"],
  lettered: { p: "topax" },
  values: ["t", "q"],
  min: 2,
  async run(shell, args) {
    const word = args.words.at(-1) ?? "";
    const path = await shell.pathOf(word);
    const to = await destinationOf(shell, shell.files, path, word, args.words.length > 2);
    if (to === undefined) return;
    const items: Item[] = [];
    for await (const item of shell.items(args.words.slice(0, -1))) items.push(item);
    if (items.length > 0) await transfer(shell, items, to, howOf(args, shell.files, shell.files));
  },
};

export const appendToFile: FsCommand = {
  name: "appendToFile",
  usage: "[-n] <localsrc> ... <dst>",
  summary: "append local files, or - standard input, in one append; makes the file when it is not there",
  // A block of its own for what is appended: the server decides.
  switches: ["n"],
  min: 0,
  async run(shell, args) {
    const word = args.words.at(-1) ?? "";
    const sources = args.words.slice(0, -1);
    if (sources.length === 0)
      throw new QuorateError("FILE_OPERATION_REFUSED", "missing destination argument");
    if (sources.includes("-") && sources.length > 1)
      throw new QuorateError("USAGE", "standard input (-) comes alone");
    const path = await shell.pathOf(word);
    const items = sources[0] === "-" ? [] : await localItems(shell, sources);
    if (shell.exitCode !== 0) return;
    const bytes = async function* (): Chunks {
      if (sources[0] === "-") yield* standardInput(shell.signal);
      for (const item of items) yield* shell.local.driver.read(item.path, { signal: shell.signal });
    };
    await shell.attempt(word, async () => {
      const { files, signal } = shell;
      if ((await files.exists(path, { signal })) && (await files.stat(path, { signal })).isDirectory()) {
        const text = `Cannot append to directory ${path}; already exists as a directory.`;
        throw new QuorateError("FILE_OPERATION_REFUSED", text);
      }
      await files.appendFile(path, bytes(), { createParents: false, signal });
    });
  },
};

export const getmerge: FsCommand = {
  name: "getmerge",
  usage: "[-nl] [-skip-empty-file] <src> ... <localdst>",
  summary:
    "join files, and those right below directories, into one local file; -nl puts a line's end behind each",
  switches: ["nl", "skip-empty-file"],
  min: 2,
  async run(shell, args) {
    const word = args.words.at(-1) ?? "";
    const parts: Item[] = [];
    for await (const item of shell.items(args.words.slice(0, -1))) {
      if (!item.stats.isDirectory()) parts.push(item);
      else {
        for await (const stats of shell.files.walk(item.path, { signal: shell.signal })) {
          if (stats.isFile()) parts.push(shell.below(item, stats));
        }
      }
    }
    if (shell.exitCode !== 0) return;
    const bytes = async function* (): Chunks {
      for (const { path, stats } of parts) {
        if (stats.size === 0 && args.has("skip-empty-file")) continue;
        yield* shell.files.driver.read(path, { signal: shell.signal });
        if (args.has("nl")) yield Buffer.from("\n");
      }
    };
    await shell.attempt(word, () => shell.local.writeFile(resolve(word), bytes(), { signal: shell.signal }));
  },
};
