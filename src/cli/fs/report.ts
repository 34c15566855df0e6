/** `quorate fs report`: the nodes that keep blocks, as `hdfs dfsadmin -report` tells of them. */
import { splitAddress } from "../../runtime/node/address.ts";
import type { FilesNodeJson, ReportJson } from "../../wire/files-admin.ts";
import type { Arguments, FsCommand } from "./command.ts";
import { javaTime, reportSize } from "./texts.ts";

const FILTERS = ["live", "dead", "decommissioning", "enteringmaintenance", "inmaintenance"] as const;
type Filter = (typeof FILTERS)[number];

export const report: FsCommand = {
  name: "report",
  usage: "[-live] [-dead] [-decommissioning] [-enteringmaintenance] [-inmaintenance] [--json]",
  summary: "print space, blocks, and the state of every node; only nodes of some state",
  switches: [...FILTERS, "json"],
  anywhere: true,
  min: 0,
  max: 0,
  async run(shell, args) {
    const found = await shell.administration.report({ signal: shell.signal });
    if (args.has("json")) return shell.print(JSON.stringify(found, undefined, 2));
    await shell.write(reportText(found, filtersOf(args), Date.now()));
  },
};

function filtersOf(args: Arguments): readonly Filter[] {
  return FILTERS.filter((each) => args.has(each));
}

export function reportText(report: ReportJson, filters: readonly Filter[], nowMs: number): string {
  const isShown = (filter: Filter): boolean => filters.length === 0 || filters.includes(filter);
  const groups: readonly (readonly [string, readonly FilesNodeJson[], boolean])[] = [
    ["Live datanodes", report.nodes.filter(({ live }) => live), isShown("live")],
    ["Dead datanodes", report.nodes.filter(({ live }) => !live), isShown("dead")],
    ["Decommissioning datanodes", withState(report, "Decommission in progress"), isShown("decommissioning")],
    [
      "Entering maintenance datanodes",
      withState(report, "Entering Maintenance"),
      isShown("enteringmaintenance"),
    ],
    ["In maintenance datanodes", withState(report, "In Maintenance"), isShown("inmaintenance")],
  ];
  // Nobody is told of twice, unless he asks for it.
  const wanted = groups.filter(
    ([, nodes, shown], at) => shown && nodes.length > 0 && (at < 2 || filters.length > 0),
  );
  const sections = wanted.map(([title, nodes]) => {
    return `${title} (${nodes.length}):\n\n${nodes.map((node) => nodeText(node, nowMs)).join("\n\n")}`;
  });
  const unheard = report.unheard.map(
    (id) => `Nothing was heard of ${id} since ${report.node} was started.\n`,
  );
  return `${sumsText(report)}\n${"-".repeat(49)}\n${sections.join("\n\n")}\n${unheard.join("")}`;
}

function withState({ nodes }: ReportJson, state: string): readonly FilesNodeJson[] {
  return nodes.filter((node) => node.live && stateOf(node) === state);
}

function sumsText({ nodes, blocks, namespace, safeMode }: ReportJson): string {
  const live = nodes.filter((node) => node.live);
  const sum = (of: (node: FilesNodeJson) => number): number =>
    live.reduce((total, node) => total + of(node), 0);
  const capacity = sum(({ capacityBytes }) => capacityBytes);
  const used = sum(({ usedBytes }) => usedBytes);
  const free = sum(({ freeBytes }) => freeBytes);
  const lines = [
    ...(safeMode.on ? [`Safe mode is ON. ${safeMode.explanation ?? ""}`.trimEnd()] : []),
    `Configured Capacity: ${sizeText(capacity)}`,
    `Present Capacity: ${sizeText(used + free)}`,
    `DFS Remaining: ${sizeText(free)}`,
    `DFS Used: ${sizeText(used)}`,
    `DFS Used%: ${percent(used, used + free)}`,
    `Files: ${namespace.files} (${namespace.openFiles} being written), ${sizeText(namespace.length)}`,
    "Replicated Blocks:",
    `\tTotal blocks: ${blocks.total}`,
    `\tUnder replicated blocks: ${blocks.underReplicated}`,
    `\tOver replicated blocks: ${blocks.overReplicated}`,
    `\tMisplaced blocks: ${blocks.misplaced}`,
    `\tCorrupt blocks: ${blocks.corrupt}`,
    `\tMissing blocks: ${blocks.missing}`,
  ];
  return `${lines.join("\n")}\n`;
}

function nodeText(node: FilesNodeJson, nowMs: number): string {
  const { capacityBytes, usedBytes, freeBytes, silentMs, remaining, explanation } = node;
  const other = Math.max(0, capacityBytes - usedBytes - freeBytes);
  const lines = [
    `Name: ${node.http ?? "-"} (${node.id})`,
    `Hostname: ${node.http === null ? "-" : splitAddress(node.http).host}`,
    `Rack: ${node.rack}`,
    `Decommission Status : ${stateOf(node)}`,
    ...(remaining > 0
      ? [`Blocks with too few replicas elsewhere: ${remaining}. ${explanation ?? ""}`.trimEnd()]
      : []),
    `Configured Capacity: ${sizeText(capacityBytes)}`,
    `DFS Used: ${sizeText(usedBytes)}`,
    `Non DFS Used: ${sizeText(other)}`,
    `DFS Remaining: ${sizeText(freeBytes)}`,
    `DFS Used%: ${percent(usedBytes, capacityBytes)}`,
    `DFS Remaining%: ${percent(freeBytes, capacityBytes)}`,
    `Xceivers: ${node.readers + node.writers}`,
    `Last contact: ${javaTime(nowMs - silentMs)} (${Math.round(silentMs / 1000)} s ago${node.stale ? ", stale" : ""})`,
    `Num of Blocks: ${node.replicas}`,
  ];
  return `${lines.join("\n")}\n`;
}

/** In the words of HDFS. */
export function stateOf({ standing, remaining }: FilesNodeJson): string {
  switch (standing) {
    case "inService":
      return "Normal";
    case "decommissioning":
      return remaining > 0 ? "Decommission in progress" : "Decommissioned";
    case "inMaintenance":
      return remaining > 0 ? "Entering Maintenance" : "In Maintenance";
  }
}

function sizeText(bytes: number): string {
  return `${bytes} (${reportSize(bytes)})`;
}

function percent(part: number, whole: number): string {
  return `${(whole === 0 ? 0 : (part * 100) / whole).toFixed(2)}%`;
}
