/** `du`, `df`: how much there is. */
import type { Arguments, FsCommand } from "./command.ts";
import type { Item, Shell } from "./shell.ts";
import { columns, sizeText } from "./texts.ts";

export const du: FsCommand = {
  name: "du",
  usage: "[-s] [-h] [-v] [-x] <path> ...",
  summary: "print sizes, and what the replicas take",
  switches: ["s", "h", "v", "x"],
  min: 0,
  async run(shell, args) {
    const rows: string[][] = args.has("v")
      ? [["SIZE", "DISK_SPACE_CONSUMED_WITH_ALL_REPLICAS", "FULL_PATH_NAME"]]
      : [];
    for await (const item of shell.items(args.words.length > 0 ? args.words : ["."])) {
      await shell.attempt(item.shown, async () => {
        if (!item.stats.isDirectory() || args.has("s")) return void rows.push(await rowOf(shell, item, args));
        for await (const stats of item.files.walk(item.path, { signal: shell.signal })) {
          const inside = shell.below(item, stats);
          await shell.attempt(inside.shown, async () => void rows.push(await rowOf(shell, inside, args)));
        }
      });
    }
    for (const line of columns(rows)) await shell.print(line);
  },
};

async function rowOf(shell: Shell, { files, shown, path }: Item, args: Arguments): Promise<string[]> {
  const { length, space, snapshots } = await files.summary(path, { signal: shell.signal });
  // What only snapshots hold counts, as at HDFS, unless it is told not to.
  const past = args.has("x") ? snapshots : { length: 0, space: 0 };
  const sizes = [length - past.length, space - past.space];
  return [...sizes.map((bytes) => sizeText(bytes, args.has("h"))), shown];
}

export const df: FsCommand = {
  name: "df",
  usage: "[-h] [<path> ...]",
  summary: "print capacity and free space",
  switches: ["h"],
  min: 0,
  async run(shell, args) {
    const rows = [["Filesystem", "Size", "Used", "Available", "Use%"]];
    for await (const { files } of shell.items(args.words.length > 0 ? args.words : ["/"])) {
      const { capacity, used, remaining } = await files.statfs({ signal: shell.signal });
      const percent = capacity === 0 ? 0 : Math.round((used * 100) / capacity);
      const sizes = [capacity, used, remaining].map((bytes) => sizeText(bytes, args.has("h")));
      rows.push([files.url, ...sizes, `${percent}%`]);
    }
    if (rows.length === 1) return;
    for (const line of columns(rows, [1, 2, 3, 4])) await shell.print(line);
  },
};
