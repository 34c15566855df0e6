/** What `hdfs fsck` prints, line for line, and below each lacking block why it lacks something and what becomes of it. */
import type {
  BlockHealthJson,
  BlockSumsJson,
  HealthSummaryJson,
  PathHealthJson,
  ReplicaJson,
} from "../../wire/files-admin.ts";

export interface FsckShown {
  /** Every file, not only those with something wrong. */
  readonly files: boolean;
  /** Below every file its blocks. */
  readonly blocks: boolean;
  /** With every block where it is. */
  readonly where: "locations" | "racks" | "replicaDetails" | undefined;
  /** Nodes that are on their way out and may be stopped, for `replicaDetails`. */
  readonly emptied?: ReadonlySet<string>;
  /** Of blocks that lack replicas also how many nodes in maintenance hold; they are none of the live ones then. */
  readonly maintenance?: boolean;
}

/** Replicas that can be read. */
const READABLE: ReadonlySet<ReplicaJson["state"]> = new Set(["good", "quiet"]);

/** What is said of a path; "" for nothing. */
export function pathText(entry: PathHealthJson, shown: FsckShown): string {
  if (entry.kind === "directory") return shown.files ? `${entry.path} <dir>\n` : "";
  if (entry.kind === "link") return shown.files ? `${entry.path} <symlink>\n` : "";
  const { blocks } = entry;
  const lacking = blocks.filter(({ problem }) => problem === "under-replicated" || problem === "misplaced");
  const over = blocks.filter(({ problem }) => problem === "over-replicated");
  const gone = (["missing", "corrupt"] as const).map((problem) =>
    blocks.filter((block) => block.problem === problem),
  );
  const lost = gone.flat();
  const isListed = shown.files || entry.open;
  let text = isListed ? head(entry) : "";
  for (const each of lost.filter(({ problem }) => problem === "corrupt"))
    text += `\n${entry.path}: CORRUPT block ${nameOf(each)}\n`;
  for (const each of lacking)
    text += `${isListed ? "" : `\n${entry.path}: `}${lackText(each, shown)}\n${why(each)}`;
  // HDFS says nothing of those; what becomes of them is told all the same.
  for (const each of over)
    text += `${isListed ? "" : `\n${entry.path}: `} Over replicated ${nameOf(each)}.\n${why(each)}`;
  for (const [at, word] of (["MISSING", "CORRUPT"] as const).entries()) {
    const some = gone[at] ?? [];
    if (some.length === 0) continue;
    const sum = some.reduce((total, { length }) => total + length, 0);
    text += isListed
      ? ` ${word} ${some.length} blocks of total size ${sum} B\n`
      : `\n${entry.path}: ${word} ${some.length} blocks of total size ${sum} B.\n`;
    for (const each of some) text += why(each);
  }
  if (isListed && lost.length === 0 && lacking.length === 0 && over.length === 0) text += " OK\n";
  if (shown.files && shown.blocks) text += `${blocks.map((block) => blockText(block, shown)).join("")}\n`;
  return text;
}

function head(entry: PathHealthJson): string {
  const { path, length, replication, erasureCoding, blockCount, open, inlineBytes } = entry;
  const inline = blockCount === 0 && inlineBytes > 0 ? ", kept in the namespace" : "";
  const kept =
    erasureCoding === null
      ? `replicated: replication=${replication}`
      : `erasure-coded: policy=${erasureCoding}`;
  return `${path} ${length} bytes, ${kept}, ${blockCount} block(s)${inline}${open ? ", OPENFORWRITE" : ""}: `;
}

function lackText(block: BlockHealthJson, { maintenance = false, emptied }: FsckShown): string {
  if (block.problem === "misplaced") return ` Replica placement policy is violated for ${nameOf(block)}.`;
  const good = block.replicas.filter(({ state }) => READABLE.has(state));
  const leaving = good.filter(({ standing }) => standing === "decommissioning").length;
  const resting = maintenance ? good.filter(({ standing }) => standing === "inMaintenance").length : 0;
  const found = `${good.length - leaving - resting} live replica(s), 0 decommissioned replica(s), ${leaving} decommissioning replica(s)`;
  const away = maintenance ? `, ${maintenanceText(block, emptied)}` : "";
  return ` Under replicated ${nameOf(block)}. Target Replicas is ${block.wanted} but found ${found}${away}.`;
}

/** Those of nodes that are down count, too. */
function maintenanceText({ replicas }: BlockHealthJson, emptied: ReadonlySet<string> = new Set()): string {
  const resting = replicas.filter(
    ({ state, standing }) => standing === "inMaintenance" && (READABLE.has(state) || state === "silent"),
  );
  const may = resting.filter(({ node }) => emptied.has(node)).length;
  return `${resting.length - may} entering maintenance replica(s) and ${may} in maintenance replica(s)`;
}

function why({ explanation }: BlockHealthJson): string {
  return `    ${explanation}\n`;
}

function nameOf({ block, stamp }: BlockHealthJson): string {
  return `blk_${block}_${stamp}`;
}

function blockText(block: BlockHealthJson, { where, emptied }: FsckShown): string {
  const good = block.replicas.filter(({ state }) => READABLE.has(state));
  const live = good.filter(({ standing }) => standing !== "decommissioning").length;
  const count = block.problem === "missing" ? "MISSING!" : `Live_repl=${live}`;
  const text = `${block.at}. ${nameOf(block)} len=${block.length} ${count}`;
  return `${text}${where === undefined ? "" : `  [${placesOf(block, where, emptied)}]`}\n`;
}

/** Nodes that run and have all of it, be it damaged, or write it; the details are of every replica that is known. */
function placesOf(
  { block, replicas, making, problem }: BlockHealthJson,
  where: NonNullable<FsckShown["where"]>,
  emptied: ReadonlySet<string> = new Set(),
): string {
  const isPlace = ({ state }: ReplicaJson): boolean =>
    where === "replicaDetails" ||
    READABLE.has(state) ||
    state === "corrupt" ||
    (problem === "open" && (state === "writing" || state === "recovering"));
  const places = replicas.filter(isPlace).map((replica) => {
    const { node, rack, shard } = replica;
    const number = shard === undefined ? "" : `blk_${block + shard}:`;
    if (where === "racks") return `${number}${rack}/${node}`;
    return where === "locations" ? `${number}${node}` : `${number}${node}(${detailOf(replica, emptied)})`;
  });
  // Of a group, a node that holds another shard may be making one.
  const isKnown = (node: string): boolean =>
    replicas.some((replica) => replica.node === node && replica.shard === undefined);
  const made = where === "replicaDetails" ? making.filter((node) => !isKnown(node)) : [];
  return [...places, ...made.map((node) => `${node}(BEING_MADE)`)].join(", ");
}

const DETAILS = {
  good: "LIVE",
  quiet: "STALE_NODE",
  silent: "DEAD_NODE",
  stale: "STALE_BLOCK_CONTENT",
  corrupt: "CORRUPT",
  writing: "BEING_WRITTEN",
  recovering: "BEING_RECOVERED",
} as const satisfies Record<ReplicaJson["state"], string>;

/** What is wrong with the replica itself, else what becomes of its node, else how the node is. */
function detailOf({ node, state, standing }: ReplicaJson, emptied: ReadonlySet<string>): string {
  const isOfNode = state === "good" || state === "quiet" || state === "silent";
  if (!isOfNode || standing === "inService") return DETAILS[state];
  const isEmptied = emptied.has(node);
  // In maintenance it may be away. What left for good has no replicas any more when it is dead.
  if (standing === "inMaintenance") return isEmptied ? "IN MAINTENANCE" : "ENTERING MAINTENANCE";
  if (state === "silent") return DETAILS.silent;
  return isEmptied ? "DECOMMISSIONED" : "DECOMMISSIONING";
}

export function summaryText(sums: HealthSummaryJson): string {
  const open = sums.openFiles > 0;
  const { coded } = sums;
  const lines = [
    `\nStatus: ${sums.healthy ? "HEALTHY" : "CORRUPT"}`,
    ` Number of data-nodes:\t${sums.nodes}`,
    ` Number of racks:\t\t${sums.racks}`,
    ` Total dirs:\t\t\t${sums.directories}`,
    ` Total symlinks:\t\t${sums.links}`,
    "",
    "Replicated Blocks:",
    ` Total size:\t${sums.length} B${open ? ` (Total open files size: ${sums.openLength} B)` : ""}`,
    ` Total files:\t${sums.files}${open ? ` (Files currently being written: ${sums.openFiles})` : ""}`,
    ` Files kept in the namespace:\t${sums.inlineFiles}`,
    ` Total blocks (validated):\t${sums.blocks}${average(sums, "block")}${open ? ` (Total open file blocks (not validated): ${sums.openBlocks})` : ""}`,
    ...(isLossless(sums) ? [] : lossLines(sums)),
    ` Minimally replicated blocks:\t${ofBlocks(sums, sums.minimal)}`,
    ` Over-replicated blocks:\t${ofBlocks(sums, sums.overReplicated)}`,
    ` Under-replicated blocks:\t${ofBlocks(sums, sums.underReplicated)}`,
    ` Mis-replicated blocks:\t\t${ofBlocks(sums, sums.misplaced)}`,
    ` Default replication factor:\t${sums.defaultReplication}`,
    ` Average block replication:\t${meanReplicas(sums)}`,
    ` Missing blocks:\t\t${sums.missing}`,
    ` Corrupt blocks:\t\t${sums.corrupt}`,
    ` Missing replicas:\t\t${sums.missingReplicas}${share(sums.missingReplicas, sums.wantedReplicas)}`,
    ` Blocks queued for replication:\t${sums.making}`,
    "",
    "Erasure Coded Block Groups:",
    ` Total size:\t${coded.length} B`,
    ` Total files:\t${coded.files}`,
    ` Total block groups (validated):\t${coded.blocks}${average(coded, "block group")}`,
    ...(isLossless(coded) ? [] : groupLossLines(coded)),
    ` Minimally erasure-coded block groups:\t${ofBlocks(coded, coded.minimal)}`,
    ` Over-erasure-coded block groups:\t${ofBlocks(coded, coded.overReplicated)}`,
    ` Under-erasure-coded block groups:\t${ofBlocks(coded, coded.underReplicated)}`,
    ` Unsatisfactory placement block groups:\t${ofBlocks(coded, coded.misplaced)}`,
    ` Average block group size:\t${meanReplicas(coded)}`,
    ` Missing block groups:\t\t${coded.missing}`,
    ` Corrupt block groups:\t\t${coded.corrupt}`,
    ` Missing internal blocks:\t${coded.missingReplicas}${share(coded.missingReplicas, coded.wantedReplicas)}`,
    ` Blocks queued for replication:\t${coded.making}`,
  ];
  return `${lines.join("\n")}\n`;
}

function share(part: number, of: number): string {
  return of === 0 ? "" : ` (${javaFloat((part * 100) / of)} %)`;
}

function ofBlocks({ blocks }: BlockSumsJson, part: number): string {
  return `${part}${share(part, blocks)}`;
}

function average({ length, blocks }: BlockSumsJson, what: string): string {
  return blocks === 0 ? "" : ` (avg. ${what} size ${Math.floor(length / blocks)} B)`;
}

function meanReplicas({ goodReplicas, blocks }: BlockSumsJson): string {
  return javaFloat(blocks === 0 ? 0 : goodReplicas / blocks);
}

function isLossless({ missing, corrupt }: BlockSumsJson): boolean {
  return missing === 0 && corrupt === 0;
}

const STARS = "  ********************************";

function lossLines(sums: BlockSumsJson): readonly string[] {
  return [
    STARS,
    `  UNDER MIN REPL'D BLOCKS:\t${ofBlocks(sums, sums.blocks - sums.minimal)}`,
    "  MINIMAL BLOCK REPLICATION:\t1",
    `  CORRUPT FILES:\t${sums.damagedFiles}`,
    ...(sums.missing === 0
      ? []
      : [`  MISSING BLOCKS:\t${sums.missing}`, `  MISSING SIZE:\t\t${sums.missingLength} B`]),
    ...(sums.corrupt === 0
      ? []
      : [`  CORRUPT BLOCKS: \t${sums.corrupt}`, `  CORRUPT SIZE:\t\t${sums.corruptLength} B`]),
    STARS,
  ];
}

function groupLossLines(sums: BlockSumsJson): readonly string[] {
  return [
    STARS,
    `  UNDER MIN ERASURE-CODED BLOCK GROUPS:\t${ofBlocks(sums, sums.blocks - sums.minimal)}`,
    `  CORRUPT FILES:\t${sums.damagedFiles}`,
    ...(sums.missing === 0
      ? []
      : [`  MISSING BLOCK GROUPS:\t${sums.missing}`, `  MISSING SIZE:\t\t${sums.missingLength} B`]),
    ...(sums.corrupt === 0
      ? []
      : [`  CORRUPT BLOCK GROUPS: \t${sums.corrupt}`, `  CORRUPT SIZE:\t\t${sums.corruptLength} B`]),
    STARS,
  ];
}

/** "33.333332", "100.0": a number of four bytes as Java prints it. */
function javaFloat(value: number): string {
  const text = String(Number(Math.fround(value).toPrecision(8)));
  return text.includes(".") || text.includes("e") ? text : `${text}.0`;
}
