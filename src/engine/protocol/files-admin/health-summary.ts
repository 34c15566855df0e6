/** Everything that a walk meets, added up, and which of it is shown. */
import type {
  BlockHealthJson,
  BlockSumsJson,
  HealthShow,
  HealthSummaryJson,
  PathHealthJson,
} from "../../../wire/files-admin.ts";
import type { BlockHealth, FileSystem, PathHealth, ReplicaHealth } from "../../files/file-system.ts";
import type { FileStatus } from "../../files/namespace/model.ts";

export interface HealthQuestion {
  readonly path: string;
  readonly show: HealthShow;
  /** Files that are being written are looked at too. */
  readonly open: boolean;
}

type Numbers<Of> = { -readonly [Name in keyof Of as Of[Name] extends number ? Name : never]: number };
type BlockSums = Numbers<BlockSumsJson>;
type Sums = Numbers<HealthSummaryJson>;

const NO_BLOCKS: BlockSums = {
  files: 0,
  length: 0,
  blocks: 0,
  minimal: 0,
  overReplicated: 0,
  underReplicated: 0,
  misplaced: 0,
  missing: 0,
  missingLength: 0,
  corrupt: 0,
  corruptLength: 0,
  damagedFiles: 0,
  goodReplicas: 0,
  wantedReplicas: 0,
  missingReplicas: 0,
  making: 0,
};
const NOTHING: Sums = {
  ...NO_BLOCKS,
  directories: 0,
  links: 0,
  inlineFiles: 0,
  openFiles: 0,
  openLength: 0,
  openBlocks: 0,
  nodes: 0,
  racks: 0,
  defaultReplication: 0,
};

/** Replicas that can be read, wherever their nodes are going. */
const READABLE: ReadonlySet<string> = new Set(["good", "quiet"]);

export class HealthSummary {
  private readonly question: HealthQuestion;
  private readonly sums: Sums = { ...NOTHING };
  private readonly coded: BlockSums = { ...NO_BLOCKS };

  constructor(question: HealthQuestion) {
    this.question = question;
  }

  /** Counts it; undefined when it is not to be shown. */
  add({ status, blocks }: PathHealth): PathHealthJson | undefined {
    const { sums } = this;
    const { show, open } = this.question;
    const isSkipped = status.open && !open;
    if (status.type === "directory") sums.directories++;
    else if (status.type === "link") sums.links++;
    else if (isSkipped) this.skip(status.length, blocks.length);
    else this.addFile(status, blocks);
    const all = blocks.map((block, at) => blockJson(block, at));
    const wrong = all.filter(({ problem }) => problem !== "none" && problem !== "open");
    if (isSkipped || (show === "problems" && wrong.length === 0 && !(open && status.open))) return undefined;
    return {
      type: "path",
      path: status.path,
      kind: status.type,
      length: status.length,
      replication: status.replication,
      erasureCoding: (status.type === "file" ? status.erasureCoding : undefined) ?? null,
      open: status.open,
      inlineBytes: status.length - lengthOf(blocks),
      blockCount: blocks.length,
      blocks: show === "blocks" ? all : wrong,
    };
  }

  end(files: Pick<FileSystem, "nodes" | "settings">): HealthSummaryJson {
    const { sums, coded } = this;
    const live = files.nodes().filter((node) => node.live);
    return {
      ...sums,
      type: "summary",
      path: this.question.path,
      healthy: [sums, coded].every(({ missing, corrupt }) => missing === 0 && corrupt === 0),
      coded,
      nodes: live.length,
      racks: new Set(live.map(({ rack }) => rack)).size,
      defaultReplication: files.settings().replication,
    };
  }

  private skip(length: number, blocks: number): void {
    this.sums.openFiles++;
    this.sums.openLength += length;
    this.sums.openBlocks += blocks;
  }

  private addFile({ length, erasureCoding }: FileStatus, blocks: readonly BlockHealth[]): void {
    const sums = erasureCoding === undefined ? this.sums : this.coded;
    sums.files++;
    sums.length += length;
    if (blocks.length === 0 && length > 0) this.sums.inlineFiles++;
    let isDamaged = false;
    for (const block of blocks) isDamaged = addBlock(sums, block) || isDamaged;
    if (isDamaged) sums.damagedFiles++;
  }
}

/** True when it cannot be read. */
function addBlock(sums: BlockSums, { problem, length, wanted, replicas, making }: BlockHealth): boolean {
  const good = goodOf(replicas);
  const isLost = problem === "missing" || problem === "corrupt";
  sums.blocks++;
  sums.goodReplicas += good;
  sums.wantedReplicas += wanted;
  if (good > 0 && !isLost) sums.minimal++;
  if (making.length > 0) sums.making++;
  switch (problem) {
    case "none":
    case "open":
      return false;
    case "over-replicated":
      sums.overReplicated++;
      return false;
    case "misplaced":
      sums.misplaced++;
      return false;
    case "under-replicated":
      sums.underReplicated++;
      sums.missingReplicas += Math.max(0, wanted - good);
      return false;
    case "missing":
      sums.missing++;
      sums.missingLength += length;
      return true;
    case "corrupt":
      sums.corrupt++;
      sums.corruptLength += length;
      return true;
  }
}

/** A shard that is there twice is one. */
function goodOf(replicas: readonly ReplicaHealth[]): number {
  const good = replicas.filter(({ state }) => READABLE.has(state));
  const shards = new Set(good.flatMap(({ shard }) => (shard === undefined ? [] : [shard])));
  return shards.size > 0 ? shards.size : good.length;
}

function lengthOf(blocks: readonly BlockHealth[]): number {
  return blocks.reduce((sum, { length }) => sum + length, 0);
}

function blockJson(health: BlockHealth, at: number): BlockHealthJson {
  const { block, stamp, length, wanted, replicas, making, problem, explanation } = health;
  return { at, block, stamp, length, wanted, replicas, making, problem, explanation };
}
