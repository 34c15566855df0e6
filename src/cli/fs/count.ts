/** `count`: what is below a path, and what may be, in the columns of `hdfs dfs -count`. */
import type { QuotaUsage } from "../../client/files/attributes.ts";
import type { Summary } from "../../client/files/driver.ts";
import { QuorateError } from "../../runtime/errors.ts";
import type { Arguments, FsCommand } from "./command.ts";
import { sizeText } from "./texts.ts";

/** The kinds of storage that Hadoop has quotas for, as it lists them. */
const STORAGE_TYPES = ["SSD", "DISK", "ARCHIVE", "PROVIDED", "NVDIMM"];
const NO_QUOTA = ["none", "inf"];

interface Column {
  readonly heading: string;
  readonly width: number;
}

const QUOTAS: readonly Column[] = [
  { heading: "QUOTA", width: 12 },
  { heading: "REM_QUOTA", width: 15 },
  { heading: "SPACE_QUOTA", width: 15 },
  { heading: "REM_SPACE_QUOTA", width: 15 },
];
const COUNTS: readonly Column[] = [
  { heading: "DIR_COUNT", width: 12 },
  { heading: "FILE_COUNT", width: 12 },
  { heading: "CONTENT_SIZE", width: 18 },
];
const CODING: Column = { heading: "ERASURECODING_POLICY", width: 20 };
const SNAPSHOTS: readonly Column[] = [
  { heading: "SNAPSHOT_LENGTH", width: 18 },
  { heading: "SNAPSHOT_FILE_COUNT", width: 24 },
  { heading: "SNAPSHOT_DIR_COUNT", width: 24 },
  { heading: "SNAPSHOT_SPACE_CONSUMED", width: 28 },
];

/** What there is of a path; each is asked for at most once. */
interface Answers {
  readonly summary: () => Promise<Summary>;
  readonly usage: () => Promise<QuotaUsage>;
}

/** Columns that stand side by side, and how a path fills them. */
interface Group {
  readonly columns: readonly Column[];
  cells(of: Answers): Promise<readonly string[]>;
}

export const count: FsCommand = {
  name: "count",
  usage: "[-q] [-h] [-v] [-t [<storage type>]] [-u] [-x] [-e] [-s] <path> ...",
  summary: "count directories, files and bytes, with what only snapshots hold",
  switches: ["q", "h", "v", "u", "x", "e", "s"],
  optionals: ["t"],
  async run(shell, args) {
    const groups = groupsOf(args);
    const isIgnored = args.has("x") && (args.has("q") || args.has("u"));
    if (isIgnored) await shell.print("q or u option is given, the -x option is ignored.");
    if (args.has("v")) {
      const headings = groups.flatMap(({ columns }) => columns.map(({ heading }) => heading));
      await shell.print(line(groups, headings, "PATHNAME"));
    }
    for await (const { files, shown, path } of shell.items(args.words)) {
      await shell.attempt(shown, async () => {
        const answers: Answers = {
          summary: once(() => files.summary(path, { signal: shell.signal })),
          usage: once(() => files.quotaUsage(path, { signal: shell.signal })),
        };
        const cells: string[] = [];
        for (const group of groups) cells.push(...(await group.cells(answers)));
        await shell.print(line(groups, cells, shown));
      });
    }
  },
};

function groupsOf(args: Arguments): readonly Group[] {
  const text = (value: number): string => sizeText(value, args.has("h"));
  const isQuotas = args.has("q") || args.has("u");
  // Without quotas they have no types.
  const types = isQuotas && args.has("t") ? storageTypes(args.value("t") ?? "") : undefined;
  const groups: Group[] = [];
  if (types !== undefined) groups.push(typeQuotas(types, text));
  else if (args.has("u")) groups.push(quotas(async ({ usage }) => usage(), text));
  else {
    if (args.has("q")) groups.push(quotas(usageOf, text));
    groups.push(counts(args.has("x") && !isQuotas, text));
  }
  if (args.has("e")) groups.push(coding());
  if (args.has("s")) groups.push(snapshots(text));
  return groups;
}

function quotas(usageFor: (of: Answers) => Promise<QuotaUsage>, text: (value: number) => string): Group {
  const pair = (quota: number, used: number): readonly string[] =>
    quota < 0 ? NO_QUOTA : [text(quota), text(quota - used)];
  return {
    columns: QUOTAS,
    async cells(of) {
      const { names, nameQuota, space, spaceQuota } = await usageFor(of);
      return [...pair(nameQuota, names), ...pair(spaceQuota, space)];
    },
  };
}

function typeQuotas(types: readonly string[], text: (value: number) => string): Group {
  return {
    columns: types.flatMap((type) => [
      { heading: `${type}_QUOTA`, width: 14 },
      { heading: `REM_${type}_QUOTA`, width: 18 },
    ]),
    async cells({ usage }) {
      const { types: known } = await usage();
      return types.flatMap((type) => {
        const { quota = -1, consumed = 0 } = known[type] ?? {};
        return quota < 0 ? NO_QUOTA : [text(quota), text(quota - consumed)];
      });
    },
  };
}

function counts(isOfNow: boolean, text: (value: number) => string): Group {
  return {
    columns: COUNTS,
    async cells({ summary }) {
      const { directories, files, length, snapshots: past } = await summary();
      const all = isOfNow
        ? [directories - past.directories, files - past.files, length - past.length]
        : [directories, files, length];
      return all.map(text);
    },
  };
}

function coding(): Group {
  return {
    columns: [CODING],
    async cells({ summary }) {
      const { coding: policy } = await summary();
      return [policy === "Replicated" ? policy : `EC:${policy}`];
    },
  };
}

function snapshots(text: (value: number) => string): Group {
  return {
    columns: SNAPSHOTS,
    async cells({ summary }) {
      const { length, files, directories, space } = (await summary()).snapshots;
      return [length, files, directories, space].map(text);
    },
  };
}

/** Whether quotas count what only snapshots hold is the server's to say: HDFS's do, those of Quorate do not. */
async function usageOf({ summary, usage }: Answers): Promise<QuotaUsage> {
  const { directories, files, space, nameQuota, spaceQuota, snapshots: past } = await summary();
  if (past.directories + past.files > 0) return usage();
  return { names: directories + files, space, nameQuota, spaceQuota, types: {} };
}

function storageTypes(text: string): readonly string[] {
  if (text === "" || text.toLowerCase() === "all") return STORAGE_TYPES;
  return text.split(",").map((word) => {
    const type = word.toUpperCase();
    if (STORAGE_TYPES.includes(type)) return type;
    const known = STORAGE_TYPES.join(", ");
    throw new QuorateError("USAGE", `-t: there is no storage type "${word}" (all, or some of ${known})`);
  });
}

function line(groups: readonly Group[], cells: readonly string[], path: string): string {
  const widths = groups.flatMap(({ columns }) => columns.map(({ width }) => width));
  return [...cells.map((cell, at) => cell.padStart(widths[at] ?? 0)), path].join(" ");
}

function once<T>(ask: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined;
  return () => (answer ??= ask());
}
