/** `du`, `df`, `count`: how much there is. */
import type { QuotaUsage } from "../../client/files/attributes.ts";
import type { FsCommand } from "./command.ts";
import { columns, sizeText } from "./texts.ts";

export const du: FsCommand = {
  name: "du",
  usage: "[-s] [-h] [-v] [-x] <path> ...",
  summary: "print sizes, and what the replicas take",
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
          const { length, space } = await shell.files.summary(path, { signal: shell.signal });
          rows.push([sizeText(length, args.has("h")), sizeText(space, args.has("h")), shown]);
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

const QUOTA_HEADINGS = ["QUOTA", "REM_QUOTA", "SPACE_QUOTA", "REM_SPACE_QUOTA"];
const QUOTA_WIDTHS = [12, 15, 15, 15];
const HEADINGS = ["DIR_COUNT", "FILE_COUNT", "CONTENT_SIZE"];
const WIDTHS = [12, 12, 18];
const CODING_HEADING = "ERASURECODING_POLICY";

export const count: FsCommand = {
  name: "count",
  usage: "[-q] [-h] [-v] [-u] [-x] [-e] <path> ...",
  summary:
    "count directories, files and bytes; -q the quotas too, -u the quotas alone, -e the erasure coding",
  switches: ["q", "h", "v", "u", "x", "e"],
  async run(shell, args) {
    const isHuman = args.has("h");
    const isUsage = args.has("u");
    const line = (quotas: readonly string[], counts: readonly string[], path: string): string => {
      const cells = [
        ...(args.has("q") || isUsage ? quotas.map((cell, at) => cell.padStart(QUOTA_WIDTHS[at] ?? 0)) : []),
        ...counts.map((cell, at) => cell.padStart(WIDTHS[at] ?? CODING_HEADING.length)),
      ];
      return [...cells, path].join(" ");
    };
    const coding = (text: string): readonly string[] => (args.has("e") ? [text] : []);
    if (args.has("v")) {
      const headings = isUsage ? [] : [...HEADINGS, ...coding(CODING_HEADING)];
      await shell.print(line(QUOTA_HEADINGS, headings, "PATHNAME"));
    }
    for await (const { shown, path } of shell.items(args.words)) {
      await shell.attempt(shown, async () => {
        if (isUsage) {
          const usage = await shell.files.quotaUsage(path, { signal: shell.signal });
          return shell.print(line(quotasOf(usage, isHuman), [], shown));
        }
        const summary = await shell.files.summary(path, { signal: shell.signal });
        const { directories, files, length } = summary;
        const counts = [
          ...[directories, files, length].map((each) => sizeText(each, isHuman)),
          // As `hdfs dfs -count -e` has it.
          ...coding(summary.coding === "Replicated" ? summary.coding : `EC:${summary.coding}`),
        ];
        const usage = { ...summary, names: directories + files };
        await shell.print(line(quotasOf(usage, isHuman), counts, shown));
      });
    }
  },
};

function quotasOf(
  { nameQuota, spaceQuota, names: used, space }: QuotaUsage,
  human: boolean,
): readonly string[] {
  const names =
    nameQuota < 0 ? ["none", "inf"] : [nameQuota, nameQuota - used].map((each) => sizeText(each, human));
  const bytes =
    spaceQuota < 0 ? ["none", "inf"] : [spaceQuota, spaceQuota - space].map((each) => sizeText(each, human));
  return [...names, ...bytes];
}
