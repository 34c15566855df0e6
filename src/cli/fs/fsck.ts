/** `quorate fs fsck`: every block below a path, its replicas, where they are, and why one lacks some and what is done about it. */
import { QuorateError } from "../../runtime/errors.ts";
import type { HealthShow, HealthSummaryJson, PathHealthJson } from "../../wire/files-admin.ts";
import type { Arguments, FsCommand } from "./command.ts";
import type { FsckShown } from "./fsck-text.ts";
import { pathText, summaryText } from "./fsck-text.ts";
import type { Shell } from "./shell.ts";
import { javaTime } from "./texts.ts";

const CORRUPT_EXIT = 1;

export const fsck: FsCommand = {
  name: "fsck",
  usage:
    "<path> [-list-corruptfileblocks | [-delete] [-openforwrite] [-files [-blocks [-locations | -racks | -replicaDetails]]]] [-maintenance] [--json]",
  summary: [
    "look at every block below a path: replicas, where they are, why one lacks some and what is done about it;",
    "-files all files, -blocks their blocks, -locations nodes, -racks with racks, -replicaDetails the state of each;",
    "-maintenance with what lacks replicas how many nodes in maintenance hold;",
    "-openforwrite also files that are being written; -delete removes files of which a block is lost;",
    "ends with 0 when all can be read (HEALTHY), with 1 when not (CORRUPT)",
  ].join("\n  "),
  switches: [
    "files",
    "blocks",
    "locations",
    "racks",
    "replicaDetails",
    "list-corruptfileblocks",
    "openforwrite",
    "delete",
    "showprogress",
    "maintenance",
    "json",
  ],
  anywhere: true,
  max: 1,
  async run(shell, args) {
    const path = await shell.pathOf(args.words[0] ?? "");
    if (args.has("json")) return printLines(shell, path, args);
    if (args.has("list-corruptfileblocks")) return listCorrupt(shell, path);
    return check(shell, path, args);
  },
};

/** Options that say nothing without others bring those along. */
function shownBy(args: Arguments): FsckShown {
  const places = (["replicaDetails", "racks", "locations"] as const).filter((each) => args.has(each));
  if (places.length > 1) throw new QuorateError("USAGE", "one of -locations, -racks and -replicaDetails");
  const [where] = places;
  const blocks = args.has("blocks") || where !== undefined;
  return { files: args.has("files") || blocks, blocks, where };
}

function showOf({ files, blocks }: FsckShown): HealthShow {
  return blocks ? "blocks" : files ? "files" : "problems";
}

async function* walk(
  shell: Shell,
  path: string,
  show: HealthShow,
  open: boolean,
): AsyncGenerator<PathHealthJson, HealthSummaryJson> {
  for await (const each of shell.administration.health(path, { show, open, signal: shell.signal })) {
    if (each.type === "summary") return each;
    yield each;
  }
  throw new QuorateError("PROTOCOL", "the answer has no end");
}

async function check(shell: Shell, path: string, args: Arguments): Promise<void> {
  const words = shownBy(args);
  const startedMs = Date.now();
  const lost: string[] = [];
  const steps = walk(shell, path, showOf(words), args.has("openforwrite"));
  let step = await steps.next();
  const maintenance = args.has("maintenance");
  const needsEmptied = words.where === "replicaDetails" || maintenance;
  const shown = needsEmptied ? { ...words, maintenance, emptied: await emptiedNodes(shell) } : words;
  await shell.print(`FSCK started by ${shell.user} for path ${path} at ${javaTime(startedMs)}\n`);
  for (; step.done !== true; step = await steps.next()) {
    await shell.write(pathText(step.value, shown));
    if (!step.value.open && step.value.blocks.some(isLost)) lost.push(step.value.path);
  }
  const sums = step.value;
  await shell.write(summaryText(sums));
  const tookMs = Date.now() - startedMs;
  await shell.print(`FSCK ended at ${javaTime(Date.now())} in ${tookMs} milliseconds\n\n`);
  await shell.print(`The filesystem under path '${path}' is ${sums.healthy ? "HEALTHY" : "CORRUPT"}`);
  if (!sums.healthy) shell.exitCode = CORRUPT_EXIT;
  if (args.has("delete")) for (const each of lost) await remove(shell, each);
}

/** What keeps a node from being stopped is a question about all that it holds: the report answers it. */
async function emptiedNodes(shell: Shell): Promise<ReadonlySet<string>> {
  const { nodes } = await shell.administration.report({ signal: shell.signal });
  return new Set(
    nodes.filter((node) => node.standing !== "inService" && node.remaining === 0).map(({ id }) => id),
  );
}

function isLost({ problem }: { readonly problem: string }): boolean {
  return problem === "missing" || problem === "corrupt";
}

async function remove(shell: Shell, path: string): Promise<void> {
  await shell.attempt(path, async () => {
    await shell.files.rm(path, { signal: shell.signal });
    await shell.print(`Deleted ${path}`);
  });
}

async function listCorrupt(shell: Shell, path: string): Promise<void> {
  const lines: string[] = [];
  const steps = walk(shell, path, "problems", false);
  let step = await steps.next();
  for (; step.done !== true; step = await steps.next()) {
    const { path: file, replication, blocks } = step.value;
    for (const { block } of blocks.filter(isLost)) lines.push(`blk_${block}\t${replication}\t${file}`);
  }
  if (lines.length > 0) await shell.print(`The list of corrupt blocks under path '${path}' are:`);
  for (const line of lines) await shell.print(line);
  await shell.print(`The filesystem under path '${path}' has ${lines.length} CORRUPT blocks`);
  if (lines.length > 0) shell.exitCode = CORRUPT_EXIT;
}

/** As they come from the node. */
async function printLines(shell: Shell, path: string, args: Arguments): Promise<void> {
  const options = { show: showOf(shownBy(args)), open: args.has("openforwrite"), signal: shell.signal };
  for await (const each of shell.administration.health(path, options)) {
    await shell.print(JSON.stringify(each));
    if (each.type === "summary" && !each.healthy) shell.exitCode = CORRUPT_EXIT;
  }
}
