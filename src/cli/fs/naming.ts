/** What makes, moves and removes names: `mkdir`, `rm`, `rmdir`, `mv`, `touch`, `touchz`, `truncate`. */
import { isQuorateError, QuorateError } from "../../runtime/errors.ts";
import type { Files } from "../../client/files/files.ts";
import { isWithin } from "../../client/files/path.ts";
import type { FsCommand } from "./command.ts";
import { javaNumber } from "./command.ts";
import type { Item, Shell } from "./shell.ts";
import { join, parentOf, shownAs } from "./shell.ts";
import { isLocal } from "../../client/files/real-place.ts";
import { destinationOf, refusesMany, refuseWithin } from "./destination.ts";
import { isUnknown } from "./whole-file.ts";

export const mkdir: FsCommand = {
  name: "mkdir",
  usage: "[-p] <path> ...",
  summary: "make directories",
  switches: ["p"],
  async run(shell, args) {
    for await (const { files, path, prefix, shown: word } of shell.targets(args.words)) {
      const shown = shownAs(word, path, prefix);
      await shell.attempt(shown, async () => {
        const { signal } = shell;
        try {
          await files.mkdir(path, { recursive: args.has("p"), signal });
        } catch (error) {
          if (isMissing(error)) shell.refuse(`${files.url}${parentOf(path)}`, "No such file or directory");
          else if (await isAnother(files, path, error)) shell.refuse(shown, "Is not a directory");
          else throw error;
        }
      });
    }
  },
};

/** Something is there that is no directory. */
async function isAnother(files: Files, path: string, error: unknown): Promise<boolean> {
  if (!isQuorateError(error) || error.code !== "PATH_EXISTS") return false;
  return !(await files.stat(path)).isDirectory();
}

function isMissing(error: unknown): boolean {
  return isQuorateError(error) && error.code === "PATH_NOT_FOUND";
}

export const rm: FsCommand = {
  name: "rm",
  usage: "[-f] [-r|-R] [-skipTrash] [-safely] <src> ...",
  summary: "remove files, with -r directories too: into the trash where there is one",
  switches: ["f", "r", "R", "skipTrash", "safely"],
  async run(shell, args) {
    const isRecursive = args.has("r") || args.has("R");
    const hasTrash = trashOf(shell, args.has("skipTrash"));
    for (const word of args.words) {
      const items = await shell.expand(word, false).catch((error: unknown) => {
        if (!isMissing(error) || !args.has("f")) shell.fail(word, error);
        return [];
      });
      for (const item of items) {
        await shell.attempt(item.shown, async () => {
          // A script whose variable is empty would wipe the machine, which has no trash.
          if (item.path === "/" && isLocal(item.files) && isRecursive)
            return shell.refuse(item.shown, "Is the root of a local file system, which is not removed");
          if (args.has("safely") && !(await isMeant(shell, item)))
            return shell.refuse(item.shown, "Not removed");
          await removeItem(shell, item, isRecursive, await hasTrash(item.files));
        });
      }
    }
  },
};

/** Each file system is asked once. */
function trashOf({ signal }: Shell, isSkipped: boolean): (files: Files) => Promise<boolean> {
  const known = new Map<Files, boolean>();
  return async (files) => {
    if (isSkipped) return false;
    const has = known.get(files) ?? (await files.defaults({ signal })).trashIntervalMs > 0;
    known.set(files, has);
    return has;
  };
}

/** As in Hadoop (hadoop.shell.delete.limit.num.files). */
const ASKED_ABOVE_FILES = 100;

async function isMeant(shell: Shell, { files: system, path, shown, stats }: Item): Promise<boolean> {
  if (!stats.isDirectory()) return true;
  const { files } = await system.summary(path, { signal: shell.signal });
  return files <= ASKED_ABOVE_FILES || shell.confirm(`Proceed deleting ${shown} with ${files} files?`);
}

async function removeItem(shell: Shell, item: Item, recursive: boolean, hasTrash: boolean): Promise<void> {
  if (item.stats.isDirectory() && !recursive) return shell.refuse(item.shown, "Is a directory");
  if (hasTrash && (await moveToTrash(shell, item).catch(withAdvice))) return;
  const { signal } = shell;
  await item.files.rm(item.path, { recursive: true, signal }).catch(async (error: unknown) => {
    // It was there a moment ago. Where it still is, it is not removed again: by then it may be another one.
    if (!isUnknown(error) || (await item.files.exists(item.path, { signal }).catch(() => true))) throw error;
  });
  await shell.print(`Deleted ${item.shown}`);
}

/** In the trash there may be no room, or no right to it. */
function withAdvice(error: unknown): never {
  if (!isQuorateError(error) || error.code !== "ACCESS_DENIED") throw error;
  const text = `${error.message}. Consider using -skipTrash option`;
  throw new QuorateError(error.code, text, { cause: error });
}

/** False: it is in the trash already, and is to be removed. */
async function moveToTrash(shell: Shell, { files, path, shown }: Item): Promise<boolean> {
  const { signal } = shell;
  const trash = `${await files.home({ signal })}/.Trash`;
  if (`${path}/`.startsWith(`${trash}/`)) return false;
  if (path === "/" || `${trash}/`.startsWith(`${path}/`))
    throw new QuorateError(
      "FILE_OPERATION_REFUSED",
      `Cannot move "${shown}" to the trash, as it contains the trash`,
    );
  const wanted = join(`${trash}/Current`, path.slice(1));
  await files.mkdir(wanted.slice(0, wanted.lastIndexOf("/")), { recursive: true, mode: 0o700, signal });
  for (let target = wanted; ; target = `${wanted}${Date.now()}`) {
    try {
      await files.rename(path, target, { overwrite: false, signal }).catch(async (error: unknown) => {
        // It was there a moment ago, and nothing was at the other place.
        if (!isUnknown(error) || !(await isMoved(files, path, target, signal))) throw error;
      });
      shell.note(`Moved: '${path}' to trash at: ${target}`);
      return true;
    } catch (error) {
      if (!isQuorateError(error) || error.code !== "PATH_EXISTS") throw error;
    }
  }
}

async function isMoved(files: Files, path: string, target: string, signal: AbortSignal): Promise<boolean> {
  const isThere = (at: string): Promise<boolean> => files.exists(at, { signal });
  const [from, to] = await Promise.all([isThere(path), isThere(target)]).catch(() => [true, false]);
  return !from && to === true;
}

export const rmdir: FsCommand = {
  name: "rmdir",
  usage: "[--ignore-fail-on-non-empty] <dir> ...",
  summary: "remove empty directories",
  switches: ["-ignore-fail-on-non-empty"],
  async run(shell, args) {
    for await (const { files, shown, path } of shell.items(args.words, false)) {
      await shell.attempt(shown, async () => {
        try {
          await files.rmdir(path, { signal: shell.signal });
        } catch (error) {
          const isFull = isQuorateError(error) && error.code === "DIRECTORY_NOT_EMPTY";
          if (!isFull || !args.has("-ignore-fail-on-non-empty")) throw error;
        }
      });
    }
  },
};

export const mv: FsCommand = {
  name: "mv",
  usage: "<src> ... <dst>",
  summary: "move, each in one step; into a directory that is there",
  min: 2,
  async run(shell, args) {
    const destination = args.words.at(-1) ?? "";
    const { signal } = shell;
    const place = await shell.placeOf(destination);
    const target = await destinationOf(shell, place, destination, args.words.length > 2);
    if (target === undefined) return;
    const items: Item[] = [];
    for await (const item of shell.items(args.words.slice(0, -1), false)) items.push(item);
    if (refusesMany(shell, items, target)) return;
    for (const item of items) {
      const to = target.isDirectory ? join(target.path, item.stats.name) : target.path;
      const shown = target.isDirectory ? join(destination, item.stats.name) : destination;
      if (item.files !== target.files) shell.refuse(item.shown, "Does not match target filesystem");
      else if (item.stats.isDirectory() && isWithin(to, item.path)) refuseWithin(shell, item, to, shown);
      else if (target.isThere && !target.isDirectory) shell.refuse(shown, "File exists");
      else await shell.attempt(shown, () => target.files.rename(item.path, to, { overwrite: false, signal }));
    }
  },
};

export const touchz: FsCommand = {
  name: "touchz",
  usage: "<path> ...",
  summary: "make empty files",
  async run(shell, args) {
    for await (const { files, path, shown: word } of shell.targets(args.words)) {
      await shell.attempt(word, async () => {
        const { signal } = shell;
        if (await files.exists(path, { signal })) {
          const stats = await files.stat(path, { signal });
          if (stats.isDirectory()) return shell.refuse(word, "Is a directory");
          if (stats.size > 0) return shell.refuse(word, "Not a zero-length file");
        }
        await makeEmpty(shell, files, path, word, true);
      });
    }
  },
};

/** False: the directory is not there, which was reported. */
async function makeEmpty(
  shell: Shell,
  files: Files,
  path: string,
  shown: string,
  overwrite: boolean,
): Promise<boolean> {
  const { kept, signal } = shell;
  try {
    await files.writeFile(path, "", { ...kept, overwrite, createParents: false, signal });
    return true;
  } catch (error) {
    if (!isMissing(error)) throw error;
    shell.refuseMissing(shown, files, path);
    return false;
  }
}

export const touch: FsCommand = {
  name: "touch",
  usage: "[-a] [-m] [-t TIMESTAMP (yyyyMMdd:HHmmss) ] [-c] <path> ...",
  summary: "set times to now or to -t; makes what is not there, unless -c",
  switches: ["a", "m", "c"],
  values: ["t"],
  async run(shell, args) {
    const time = args.value("t");
    const atMs = time === undefined ? Date.now() : parseTime(time);
    const both = args.has("a") === args.has("m");
    for await (const { files, path, shown: word } of shell.targets(args.words)) {
      await shell.attempt(word, async () => {
        const { signal } = shell;
        if (!(await files.exists(path, { signal }))) {
          if (args.has("c")) return;
          if (!(await makeEmpty(shell, files, path, word, false))) return;
        }
        await files.utimes(path, both || args.has("a") ? atMs : -1, both || args.has("m") ? atMs : -1, {
          signal,
        });
      });
    }
  },
};

/** In the time zone of this process, as Hadoop reads it. */
function parseTime(text: string): number {
  const match = /^(\d{4})(\d\d)(\d\d):(\d\d)(\d\d)(\d\d)$/.exec(text);
  const [, year, month, day, hour, minute, second] = (match ?? []).map(Number);
  const date = new Date(year ?? Number.NaN, (month ?? 0) - 1, day, hour, minute, second);
  if (Number.isNaN(date.getTime())) {
    const advice = "The expected format is yyyyMMdd:HHmmss";
    throw new QuorateError("USAGE", `Unable to parse the specified timestamp ${text}. ${advice}`);
  }
  return date.getTime();
}

const TRUNCATE_WAIT_MS = 200;

export const truncate: FsCommand = {
  name: "truncate",
  usage: "[-w] <length> <path> ...",
  summary: "cut files to a length",
  switches: ["w"],
  min: 2,
  async run(shell, args) {
    const [text = "", ...words] = args.words;
    const length = javaNumber(shell, "long", text, "Illegal length, a non-negative integer expected");
    if (length < 0) throw new QuorateError("USAGE", "length must be >= 0");
    for await (const { files, shown, path, stats } of shell.items(words)) {
      if (stats.isFile() && length > stats.size) {
        const sizes = `Current size: ${stats.size}, truncate size: ${length}.`;
        throw new QuorateError("USAGE", `Cannot truncate to a larger file size. ${sizes}`);
      }
      await shell.attempt(shown, async () => {
        if (stats.isDirectory()) return shell.refuse(shown, "Is a directory");
        const { signal } = shell;
        const isDone = await files.truncate(path, length, { signal });
        while (args.has("w") && !isDone && (await files.isOpen(path, { signal })))
          await shell.pause(TRUNCATE_WAIT_MS);
        if (isDone || args.has("w")) await shell.print(`Truncated ${shown} to length: ${length}`);
        else
          await shell.print(
            `Truncating ${shown} to length: ${length}. Wait for block recovery to complete before further updating this file.`,
          );
      });
    }
  },
};
