/** `du`, `df`: how much there is. */
import type { FsCommand } from "./command.ts";
import { columns, sizeText } from "./texts.ts";

export const du: FsCommand = {
  name: "du",
  usage: "[-s] [-h] [-v] [-x] <path> ...",
  summary: "print sizes, and what the replicas take; -x without what only snapshots hold",
  switches: ["s", "h", "v", "x"],
  async run(shell, args) {
    const rows: string[][] = args.has("v")
      ? [["SIZE", "DISK_SPACE_CONSUMED_WITH_ALL_REPLICAS", "FULL_PATH_NAME"]]
      : [];
    for await (const item of shell.items(args.words)) {
      await shell.attempt(item.shown, async () => {
        const inside = [item];
        if (item.stats.isDirectory() && !args.has("s")) {
          inside.pop();
          for await (const stats of shell.files.walk(item.path, { signal: shell.signal }))
            inside.push(shell.below(item, stats));
        }
        for (const { shown, path } of inside) {
          const { length, space, snapshots } = await shell.files.summary(path, { signal: shell.signal });
          // What only snapshots hold counts, as at HDFS, unless it is told not to.
          const past = args.has("x") ? snapshots : { length: 0, space: 0 };
          const sizes = [length - past.length, space - past.space];
          rows.push([...sizes.map((bytes) => sizeText(bytes, args.has("h"))), shown]);
        }
      });
    }
    for (const line of columns(rows)) await shell.print(line);
  },
};

export const df: FsCommand = {
  name: "df",
  usage: "[-h] [<path> ...]",
  summary: "print capacity and free space",
  switches: ["h"],
  min: 0,
  async run(shell, args) {
    const { capacity, used, remaining } = await shell.files.statfs({ signal: shell.signal });
    const percent = capacity === 0 ? 0 : Math.round((used * 100) / capacity);
    const sizes = [capacity, used, remaining].map((bytes) => sizeText(bytes, args.has("h")));
    const rows = [
      ["Filesystem", "Size", "Used", "Available", "Use%"],
      [shell.files.url, ...sizes, `${percent}%`],
    ];
    for (const line of columns(rows, [1, 2, 3, 4])) await shell.print(line);
  },
};
