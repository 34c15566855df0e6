/** The commands that move bytes between file systems: `put`, `get`, `cp` and their kin. */
import { QuorateError } from "../../runtime/errors.ts";
import type { Chunks } from "../../client/files/driver.ts";
import type { FileStats } from "../../client/files/file-stats.ts";
import type { Files } from "../../client/files/files.ts";
import { isWithin } from "../../client/files/path.ts";
import type { Arguments, FsCommand } from "./command.ts";
import { destinationOf } from "./destination.ts";
import type { Item, Shell } from "./shell.ts";
import { howOf, transfer } from "./transfer.ts";
import { writeWhole } from "./whole-file.ts";

/** Words of this machine: not globs, for the user's own shell has expanded those. */
async function localItems(shell: Shell, words: readonly string[]): Promise<readonly Item[]> {
  const items: Item[] = [];
  for (const word of words) {
    await shell.attempt(word, async () => {
      const place = shell.localPlace(word);
      const stats = await place.files.stat(place.path, { signal: shell.signal });
      items.push({ ...place, shown: word, stats });
    });
  }
  return items;
}

async function isDirectory({ signal }: Shell, files: Files, path: string): Promise<boolean> {
  return (await files.exists(path, { signal })) && (await files.stat(path, { signal })).isDirectory();
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
  const how = howOf(args);
  const place = await shell.placeOf(word);
  if (sources.length === 1 && sources[0] === "-") {
    // As in Hadoop, and only here, directories above are made.
    const to = { ...place, shown: word };
    return shell.attempt(word, async () => {
      await writeWhole(shell, how, to, standardInput(shell.signal), true);
    });
  }
  const to = await destinationOf(shell, place, word, sources.length > 1);
  if (to === undefined) return;
  const items = await localItems(shell, sources);
  if (!remove) return transfer(shell, items, to, how);
  for (const { path, shown } of items)
    if (path === "/") return shell.refuse(shown, "Is the root of a local file system, which is not removed");
  const copied: FileStats[] = [];
  await transfer(shell, items, to, how, (source) => void copied.push(source));
  if (shell.exitCode === 0) await removeCopied(shell, items, copied);
}

/** What was copied and nothing else: files may have come meanwhile. `copied`: directories before what is in them. */
async function removeCopied(
  shell: Shell,
  items: readonly Item[],
  copied: readonly FileStats[],
): Promise<void> {
  const { local, signal } = shell;
  const links = new Set<string>();
  for (const { path } of items) if ((await local.lstat(path, { signal })).isSymbolicLink()) links.add(path);
  const kinds = new Map<string, boolean>();
  for (const each of copied.toReversed()) {
    // Of a link that was named the link goes, and what it leads to stays.
    const link = [...links].find((path) => isWithin(each.path, path));
    if (link === undefined && !kinds.has(each.path)) kinds.set(each.path, each.isDirectory());
  }
  for (const path of links) await shell.attempt(path, () => local.rm(path, { force: true, signal }));
  for (const [path, isDirectory] of kinds)
    await shell.attempt(path, () =>
      isDirectory ? local.rmdir(path, { signal }) : local.rm(path, { force: true, signal }),
    );
}

const THREADS = "[-t <thread count>] [-q <thread pool queue size>]";
const PUT_SWITCHES = ["f", "p", "l", "d"];

function putCommand(name: string, summary: string): FsCommand {
  return {
    name,
    usage: `[-f] [-p] [-l] [-d] ${THREADS} <localsrc> ... <dst>`,
    summary,
    switches: PUT_SWITCHES,
    values: ["t", "q"],
    run: (shell, args) => putFiles(shell, args, false),
  };
}

export const put: FsCommand = putCommand("put", "copy from this machine, - from standard input");
export const copyFromLocal: FsCommand = putCommand("copyFromLocal", "the same as put");
export const moveFromLocal: FsCommand = {
  ...putCommand("moveFromLocal", "the same as put, and the local files are removed when all went well"),
  run: (shell, args) => putFiles(shell, args, true),
};

function getCommand(name: string, summary: string): FsCommand {
  return {
    name,
    usage: `[-f] [-p] [-crc] [-ignoreCrc] ${THREADS} <src> ... <localdst>`,
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
        for (const { files, path, shown, stats } of items) {
          if (stats.isDirectory()) shell.refuse(shown, "Is a directory");
          else
            await shell.attempt(shown, async () => {
              for await (const chunk of files.driver.read(path, { signal: shell.signal }))
                await shell.write(chunk);
            });
        }
        return;
      }
      const to = await destinationOf(shell, shell.localPlace(word), word, sources.length > 1);
      if (to !== undefined) await transfer(shell, items, to, howOf(args));
    },
  };
}

export const get: FsCommand = getCommand("get", "copy to this machine, - to standard output");
export const copyToLocal: FsCommand = getCommand("copyToLocal", "the same as get");

/** As in Hadoop, which has had the name and nothing else for twenty years. */
export const moveToLocal: FsCommand = {
  name: "moveToLocal",
  usage: "<src> <localdst>",
  summary: "not there, in Hadoop neither: get, and then rm",
  switches: ["crc"],
  min: 0,
  run() {
    const text = "Option '-moveToLocal' is not implemented yet.";
    return Promise.reject(new QuorateError("FILE_OPERATION_REFUSED", text));
  },
};

export const cp: FsCommand = {
  name: "cp",
  usage: `[-f] [-p | -p[topax]] [-d] ${THREADS} <src> ... <dst>`,
  summary: "copy, directories with all below them; the bytes go through this machine",
  switches: ["f", "d"],
  lettered: { p: "topax" },
  values: ["t", "q"],
  min: 2,
  async run(shell, args) {
    const word = args.words.at(-1) ?? "";
    const to = await destinationOf(shell, await shell.placeOf(word), word, args.words.length > 2);
    if (to === undefined) return;
    const items: Item[] = [];
    for await (const item of shell.items(args.words.slice(0, -1))) items.push(item);
    if (items.length > 0) await transfer(shell, items, to, howOf(args));
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
      throw new QuorateError("FILE_OPERATION_REFUSED", "standard input (-) comes alone");
    const { files, path } = await shell.placeOf(word);
    const items = sources[0] === "-" ? [] : await localItems(shell, sources);
    for (const { shown, stats } of items) if (stats.isDirectory()) shell.refuse(shown, "Is a directory");
    if (shell.exitCode !== 0) return;
    const bytes = async function* (): Chunks {
      if (sources[0] === "-") yield* standardInput(shell.signal);
      for (const item of items) yield* item.files.driver.read(item.path, { signal: shell.signal });
    };
    await shell.attempt(word, async () => {
      const { signal } = shell;
      if (await isDirectory(shell, files, path)) {
        const text = `Cannot append to directory ${path}; already exists as a directory.`;
        throw new QuorateError("FILE_OPERATION_REFUSED", text);
      }
      await files.appendFile(path, bytes(), { signal });
    });
  },
};

export const getmerge: FsCommand = {
  name: "getmerge",
  usage: "[-nl] [-skip-empty-file] <src> ... <localdst>",
  summary: "join files, and those right below directories, into one local file",
  switches: ["nl", "skip-empty-file"],
  min: 2,
  async run(shell, args) {
    const word = args.words.at(-1) ?? "";
    const parts: Item[] = [];
    for await (const item of shell.items(args.words.slice(0, -1))) {
      if (!item.stats.isDirectory()) parts.push(item);
      else {
        for await (const stats of item.files.walk(item.path, { signal: shell.signal })) {
          if (stats.isFile()) parts.push(shell.below(item, stats));
        }
      }
    }
    if (shell.exitCode !== 0) return;
    const bytes = async function* (): Chunks {
      for (const { files, path, stats } of parts) {
        if (stats.size === 0 && args.has("skip-empty-file")) continue;
        yield* files.driver.read(path, { signal: shell.signal });
        if (args.has("nl")) yield Buffer.from("\n");
      }
    };
    await shell.attempt(word, async () => {
      const { files, path } = shell.localPlace(word);
      if (await isDirectory(shell, files, path)) return shell.refuse(word, "Is a directory");
      return files.writeFile(path, bytes(), { signal: shell.signal });
    });
  },
};
