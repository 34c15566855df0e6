/** `ls`, and what only looks: `stat`, `test`. */
import { QuorateError, isQuorateError } from "../../runtime/errors.ts";
import type { FileStats } from "../../client/files/file-stats.ts";
import type { Arguments, FsCommand } from "./command.ts";
import { isGlob } from "../../client/files/glob.ts";
import type { Place } from "./places.ts";
import type { Item, Shell } from "./shell.ts";
import { localTime, modeText, sizeText, utcTime } from "./texts.ts";

export const ls: FsCommand = {
  name: "ls",
  usage: "[-C] [-d] [-h] [-q] [-R] [-t] [-S] [-r] [-u] [-e] [<path> ...]",
  summary: "list files and directories, always in the long form (-l), unless -C",
  switches: ["l", "C", "d", "h", "q", "R", "t", "S", "r", "u", "e"],
  min: 0,
  async run(shell, args) {
    const words = args.words.length > 0 ? args.words : ["."];
    for await (const item of shell.items(words)) {
      if (item.stats.isDirectory() && !args.has("d")) await listDirectory(shell, item, args);
      else await printItems(shell, [item], args);
    }
  },
};

async function listDirectory(shell: Shell, directory: Item, args: Arguments): Promise<void> {
  await shell.attempt(directory.shown, async () => {
    const entries: Item[] = [];
    for await (const stats of directory.files.walk(directory.path, { signal: shell.signal })) {
      entries.push(shell.below(directory, stats));
    }
    sortItems(entries, args);
    const isQuiet = args.has("R") || args.has("C") || entries.length === 0;
    if (!isQuiet) await shell.print(`Found ${entries.length} items`);
    if (!args.has("R")) return printItems(shell, entries, args);
    const format = lineFormat(entries, args, await codingsOf(shell, entries, args));
    for (const entry of entries) {
      await shell.print(format(entry));
      if (entry.stats.isDirectory()) await listDirectory(shell, entry, args);
    }
  });
}

/** They come in the order of their names; what is equal stays so, also backwards. */
function sortItems(items: Item[], args: Arguments): void {
  const sign = args.has("r") ? -1 : 1;
  const time = ({ stats }: Item): number => (args.has("u") ? stats.atimeMs : stats.mtimeMs);
  if (args.has("t")) items.sort((left, right) => sign * (time(right) - time(left)));
  else if (args.has("S")) items.sort((left, right) => sign * (right.stats.size - left.stats.size));
  else if (args.has("r")) items.reverse();
}

async function printItems(shell: Shell, items: readonly Item[], args: Arguments): Promise<void> {
  const format = lineFormat(items, args, await codingsOf(shell, items, args));
  for (const item of items) await shell.print(format(item));
}

/** How each is coded, for `-e`: asked for one by one, as only the sum of a file or directory says it. */
async function codingsOf(
  { signal }: Shell,
  items: readonly Item[],
  args: Arguments,
): Promise<ReadonlyMap<Item, string>> {
  const codings = new Map<Item, string>();
  if (!args.has("e") || args.has("C")) return codings;
  for (const item of items) codings.set(item, (await item.files.summary(item.path, { signal })).coding);
  return codings;
}

function lineFormat(
  items: readonly Item[],
  args: Arguments,
  codings: ReadonlyMap<Item, string>,
): (item: Item) => string {
  const shownOf = ({ shown }: Item): string =>
    args.has("q") ? shown.replaceAll(/[^\x20-\x7e]/g, "?") : shown;
  if (args.has("C")) return shownOf;
  const size = ({ stats }: Item): string => sizeText(stats.size, args.has("h"));
  const replicas = ({ stats }: Item): string => (stats.isFile() ? String(stats.replication) : "-");
  const widest = (of: (item: Item) => string, least: number): number =>
    items.reduce((widths, item) => Math.max(widths, of(item).length), least);
  const widths = {
    replicas: widest(replicas, 3),
    size: widest(size, 10),
    owner: widest(({ stats }) => stats.owner, 0),
    group: widest(({ stats }) => stats.group, 0),
    coding: widest((item) => codings.get(item) ?? "", 0),
  };
  return (item) => {
    const { stats } = item;
    return [
      `${typeLetter(stats)}${modeText(stats.mode)}${stats.hasAcl ? "+" : " "}${replicas(item).padStart(widths.replicas)}`,
      stats.owner.padEnd(widths.owner),
      stats.group.padEnd(widths.group),
      ...(widths.coding === 0 ? [] : [(codings.get(item) ?? "").padEnd(widths.coding)]),
      size(item).padStart(widths.size),
      localTime(args.has("u") ? stats.atimeMs : stats.mtimeMs),
      shownOf(item),
    ].join(" ");
  };
}

function typeLetter(stats: FileStats): string {
  return stats.isDirectory() ? "d" : stats.isSymbolicLink() ? "l" : "-";
}

const KINDS = {
  file: "regular file",
  directory: "directory",
  link: "symlink",
  other: "special file",
} as const;

export const stat: FsCommand = {
  name: "stat",
  usage: "[format] <path> ...",
  summary: "print statistics by a format: %a %A %b %F %g %n %o %r %u %x %X %y %Y",
  async run(shell, args) {
    const [first = "", ...rest] = args.words;
    const hasFormat = first.includes("%");
    const format = hasFormat ? first : "%y";
    if (hasFormat && rest.length === 0)
      throw new QuorateError("USAGE", "Not enough arguments: expected 2 but got 1");
    for await (const { stats } of shell.items(hasFormat ? rest : args.words)) {
      await shell.print(
        format.replaceAll(/%(.)/g, (_, letter: string) => statField(stats, letter) ?? letter),
      );
    }
  },
};

function statField(stats: FileStats, letter: string): string | undefined {
  switch (letter) {
    case "a":
      return stats.mode.toString(8);
    case "A":
      return modeText(stats.mode);
    case "b":
      return String(stats.size);
    case "F":
      return KINDS[stats.type];
    case "g":
      return stats.group;
    case "n":
      return stats.name;
    case "o":
      return String(stats.blockSize);
    case "r":
      return String(stats.replication);
    case "u":
      return stats.owner;
    case "x":
      return utcTime(stats.atimeMs);
    case "X":
      return String(stats.atimeMs);
    case "y":
      return utcTime(stats.mtimeMs);
    case "Y":
      return String(stats.mtimeMs);
    case "%":
      return "%";
    default:
      return undefined;
  }
}

export const test: FsCommand = {
  name: "test",
  usage: "-[defswrz] <path>",
  summary: "ends with 0 when it is so, with 1 when not",
  switches: ["d", "e", "f", "s", "w", "r", "z"],
  max: 1,
  async run(shell, args) {
    const [flag, more] = ["d", "e", "f", "s", "w", "r", "z"].filter((each) => args.has(each));
    if (more !== undefined) throw new QuorateError("USAGE", "Only one test flag is allowed");
    if (flag === undefined) throw new QuorateError("USAGE", "No test flag given");
    const word = args.words[0] ?? "";
    await shell.attempt(word, async () => {
      for (const place of await placesOf(shell, word))
        if (!(await holds(place, flag, shell.signal))) shell.exitCode = 1;
    });
  },
};

/** What a pattern found must all be so. */
async function placesOf(shell: Shell, word: string): Promise<readonly Place[]> {
  const place = await shell.placeOf(word);
  if (!isGlob(word)) return [place];
  const found = await shell.matching(place);
  if (found.length === 0) throw new QuorateError("PATH_NOT_FOUND", word);
  return found.map(({ path }) => ({ ...place, path }));
}

async function holds({ files, path }: Place, flag: string, signal: AbortSignal): Promise<boolean> {
  try {
    const stats = await files.stat(path, { signal });
    if (flag === "r" || flag === "w")
      return await allows(files.access(path, flag === "r" ? 4 : 2, { signal }));
    switch (flag) {
      case "d":
        return stats.isDirectory();
      case "f":
        return stats.isFile();
      case "s":
        return stats.size > 0;
      case "z":
        return stats.size === 0;
      default:
        return true;
    }
  } catch (error) {
    if (isQuorateError(error) && error.code === "PATH_NOT_FOUND") return false;
    throw error;
  }
}

async function allows(access: Promise<void>): Promise<boolean> {
  try {
    await access;
    return true;
  } catch (error) {
    if (isQuorateError(error) && error.code === "ACCESS_DENIED") return false;
    throw error;
  }
}
