/** Snapshots, in the words of `hdfs dfs`, `hdfs dfsadmin`, `hdfs snapshotDiff` and `hdfs lsSnapshottableDir`. */
import type { SnapshotDifference, SnapshottableDirectory } from "../../client/files/attributes.ts";
import { QuorateError } from "../../runtime/errors.ts";
import { each } from "./attributes.ts";
import type { FsCommand } from "./command.ts";
import type { Item, Shell } from "./shell.ts";
import { localTime, modeText } from "./texts.ts";

const INCORRECT = "Incorrect number of arguments.";

export const createSnapshot: FsCommand = {
  name: "createSnapshot",
  usage: "<snapshotDir> [<snapshotName>]",
  summary: "keep a directory as it is now, below <snapshotDir>/.snapshot/<snapshotName>",
  free: true,
  min: 0,
  run(shell, { words: [word, name, ...more] }) {
    if (word === undefined) throw new QuorateError("USAGE", "<snapshotDir> is missing.");
    if (more.length > 0) throw new QuorateError("USAGE", "Too many arguments.");
    return ofDirectory(shell, word, async ({ files, path }) => {
      const made = await files.createSnapshot(path, name, { signal: shell.signal });
      await shell.print(`Created snapshot ${made}`);
    });
  },
};

export const deleteSnapshot: FsCommand = {
  name: "deleteSnapshot",
  usage: "<snapshotDir> <snapshotName>",
  summary: "give up a snapshot, and what only it keeps",
  free: true,
  min: 0,
  run(shell, { words: [word, name, ...more] }) {
    if (word === undefined || name === undefined || more.length > 0)
      throw new QuorateError("USAGE", INCORRECT);
    return ofDirectory(shell, word, async ({ files, path }) => {
      await files.deleteSnapshot(path, name, { signal: shell.signal });
      await shell.print(`Deleted snapshot ${name} under ${files.url}${path}`);
    });
  },
};

export const renameSnapshot: FsCommand = {
  name: "renameSnapshot",
  usage: "<snapshotDir> <oldName> <newName>",
  summary: "give a snapshot another name",
  free: true,
  min: 0,
  run(shell, { words: [word, from, to, ...more] }) {
    if (word === undefined || from === undefined || to === undefined || more.length > 0)
      throw new QuorateError("USAGE", INCORRECT);
    return ofDirectory(shell, word, async ({ files, path }) => {
      await files.renameSnapshot(path, from, to, { signal: shell.signal });
      await shell.print(`Renamed snapshot ${from} to ${to} under ${files.url}${path}`);
    });
  },
};

/** Hadoop's shell looks itself whether it is one. */
function ofDirectory(shell: Shell, word: string, change: (item: Item) => Promise<void>): Promise<void> {
  return each(shell, [word], false, async (item) => {
    if (!item.stats.isDirectory())
      throw new QuorateError("PARENT_NOT_DIRECTORY", `${item.shown} is no directory`);
    await change(item);
  });
}

function allowing(name: string, allowed: boolean, summary: string): FsCommand {
  return {
    name,
    usage: "<snapshotDir>",
    summary,
    max: 1,
    run: (shell, { words }) =>
      each(shell, words, false, async ({ files, shown, path }) => {
        await files.allowSnapshots(path, allowed, { signal: shell.signal });
        await shell.print(`${allowed ? "Allowing" : "Disallowing"} snapshot on ${shown} succeeded`);
      }),
  };
}

export const allowSnapshot: FsCommand = allowing(
  "allowSnapshot",
  true,
  "let the owner take snapshots of a directory; for the superuser",
);
export const disallowSnapshot: FsCommand = allowing(
  "disallowSnapshot",
  false,
  "no longer; its snapshots must be deleted first",
);

const LETTERS = { created: "+", deleted: "-", modified: "M", renamed: "R" } as const;

export const snapshotDiff: FsCommand = {
  name: "snapshotDiff",
  usage: "<snapshotDir> <from> <to>",
  summary: 'print what changed from one snapshot to another; "." is what there is now',
  min: 3,
  max: 3,
  run(shell, { words: [word = "", ...names] }) {
    const [from = "", to = ""] = names.map(snapshotName);
    return each(shell, [word], false, async ({ files, path }) => {
      const found = await files.snapshotDifference(path, from, to, { signal: shell.signal });
      const title = `Difference between ${titleOf(from)} and ${titleOf(to)} under directory ${path}:`;
      for (const line of [title, ...found.map(differenceLine), ""]) await shell.print(line);
    });
  },
};

/** Also ".snapshot/NAME", as there. */
function snapshotName(word: string): string {
  return word === "." ? "" : word.replace(/^\.snapshot\//, "");
}

function titleOf(name: string): string {
  return name === "" ? "current directory" : `snapshot ${name}`;
}

export function differenceLine({ type, path, target }: SnapshotDifference): string {
  const shown = (below: string): string => (below === "" ? "." : `./${below}`);
  return `${LETTERS[type]}\t${shown(path)}${target === undefined ? "" : ` -> ${shown(target)}`}`;
}

export const lsSnapshottableDir: FsCommand = {
  name: "lsSnapshottableDir",
  usage: "",
  summary: "list the directories of which you may take snapshots: how many there are, and may be",
  min: 0,
  max: 0,
  async run(shell) {
    const found = await shell.files.snapshottable({ signal: shell.signal });
    // There, too, a line that is empty says that there is none.
    if (found.length === 0) return shell.print("");
    for (const line of snapshottableLines(found)) await shell.print(line);
  },
};

export function snapshottableLines(found: readonly SnapshottableDirectory[]): readonly string[] {
  const rows = found.map(({ stats, snapshots, limit }) => [
    `d${modeText(stats.mode)}`,
    String(stats.replication),
    stats.owner,
    stats.group,
    String(stats.size),
    localTime(stats.mtimeMs),
    String(snapshots),
    String(limit),
    stats.path,
  ]);
  const [owner, group, path] = [2, 3, 8];
  const widths = rows[0]?.map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0))) ?? [];
  return rows.map((row) =>
    row
      .map((cell, at) => {
        if (at === path) return cell;
        return at === owner || at === group ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0);
      })
      .join(" "),
  );
}
