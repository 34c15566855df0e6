/** How the blocks of files are: block by block below a path, and in sum for the whole file system. */
import { isQuorateError } from "../../../runtime/errors.ts";
import type { BlockUpkeep } from "../blocks/block-upkeep.ts";
import type { LocationTable } from "../blocks/location-table.ts";
import type { BlockNode, ReplicaLocation } from "../blocks/locations.ts";
import type { RepairPlan } from "../blocks/repair-plan.ts";
import type { BlockHealth, FilesReport, NodeReport, PathHealth, ReplicaHealth } from "../file-system.ts";
import { shardLength, shardNumbers, shardUnits } from "../namespace/erasure-policy.ts";
import type { Caller, FileStatus, Segment } from "../namespace/model.ts";
import type { NamespaceLog } from "./namespace-log.ts";

const PAGE = 1_000;
/** Blocks that are looked at in one turn. */
const BLOCKS_PER_TURN = 2_000;
const LOOK_MS = 50;

/** The path and all below it, in the order of the paths. Pages are of the time when they are reached. */
export async function* healthOf(
  log: NamespaceLog,
  upkeep: BlockUpkeep,
  path: string,
  caller: Caller,
  signal: AbortSignal | undefined,
): AsyncGenerator<PathHealth> {
  const status = await log.ask((namespace) => namespace.status(path, caller));
  let looked = 0;
  for (const found of below(log, upkeep, status, caller)) {
    let each = found;
    while (isUnsettled(upkeep, each)) {
      await log.delay(LOOK_MS);
      signal?.throwIfAborted();
      each = ifThere(() => ({ ...found, blocks: blocksOf(log, upkeep, found.status.path, caller) })) ?? found;
    }
    looked += 1 + each.blocks.length;
    if (looked >= BLOCKS_PER_TURN) {
      // A walk over a million files lets others have their turn.
      looked = 0;
      await log.delay(0);
      signal?.throwIfAborted();
    }
    yield each;
  }
}

/** What looks wrong with a block that was just changed may be a report that is under way. */
function isUnsettled({ recent }: BlockUpkeep, { blocks }: PathHealth): boolean {
  return blocks.some(({ block, problem }) => {
    return problem !== "none" && problem !== "open" && recent.settlesInMs(block) > 0;
  });
}

function* below(
  log: NamespaceLog,
  upkeep: BlockUpkeep,
  status: FileStatus,
  caller: Caller,
): Generator<PathHealth> {
  if (status.type === "file") {
    const blocks = ifThere(() => blocksOf(log, upkeep, status.path, caller));
    if (blocks !== undefined) yield { status, blocks };
    return;
  }
  yield { status, blocks: [] };
  if (status.type === "link") return;
  for (let startAfter = ""; ;) {
    const page = ifThere(() => log.now((namespace) => namespace.list(status.path, caller, startAfter, PAGE)));
    for (const entry of page?.entries ?? []) yield* below(log, upkeep, entry, caller);
    const last = page?.entries.at(-1);
    if (last === undefined || page?.remaining === 0) return;
    startAfter = last.path.slice(last.path.lastIndexOf("/") + 1);
  }
}

/** Undefined: it was removed, or something else took its place, since it was listed. */
function ifThere<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (isQuorateError(error) && GONE.has(error.code)) return undefined;
    throw error;
  }
}

function blocksOf(
  log: NamespaceLog,
  upkeep: BlockUpkeep,
  path: string,
  caller: Caller,
): readonly BlockHealth[] {
  const { segments } = log.now((namespace) => namespace.segments(path, caller, 0, 2 ** 52));
  return segments.flatMap((segment) => {
    const plan = segment.type === "block" ? upkeep.situation(segment.id) : undefined;
    return plan === undefined ? [] : blockHealth(segment as BlockSegment, plan, upkeep.locations);
  });
}

type BlockSegment = Extract<Segment, { readonly type: "block" }>;

function blockHealth(segment: BlockSegment, plan: RepairPlan, locations: LocationTable): BlockHealth {
  const { id, stamp, length, replication, coded } = segment;
  const { making, problem, explanation } = plan;
  const nodes = new Map(locations.nodes().map((node) => [node.id, node]));
  const numbers = coded === undefined ? [id] : shardNumbers(coded.policy, id);
  const replicas = numbers.flatMap((number, unit) => {
    const wanted = coded === undefined ? length : shardLength(coded.policy, coded.groupLength, unit);
    return locations.all(number).map((replica): ReplicaHealth => {
      const node = nodes.get(replica.node);
      const { rack = "", standing = "inService" } = node ?? {};
      const health = { node: replica.node, rack, standing, state: stateOf(replica, stamp, wanted, node) };
      return coded === undefined ? health : { ...health, shard: unit };
    });
  });
  const wanted = coded === undefined ? replication : shardUnits(coded.policy, coded.groupLength).length;
  return { block: id, stamp, length, replicas, wanted, making, problem, explanation };
}

/** `stamp`, `length`: what a good one has. */
function stateOf(
  replica: ReplicaLocation,
  stamp: number,
  length: number,
  node: BlockNode | undefined,
): ReplicaHealth["state"] {
  if (node?.live !== true) return "silent";
  if (replica.state !== "finished") return replica.state;
  if (replica.stamp < stamp || replica.length !== length) return "stale";
  return node.stale ? "quiet" : "good";
}

const GONE: ReadonlySet<string> = new Set([
  "PATH_NOT_FOUND",
  "PARENT_NOT_DIRECTORY",
  "FILE_OPERATION_REFUSED",
]);

/** Counts over all blocks, in slices; what changes meanwhile may be counted as it was or as it is. */
export async function countBlocks(log: NamespaceLog, upkeep: BlockUpkeep): Promise<FilesReport["blocks"]> {
  const counts = {
    total: 0,
    missing: 0,
    underReplicated: 0,
    overReplicated: 0,
    corrupt: 0,
    misplaced: 0,
    open: 0,
  };
  let looked = 0;
  for (const { id } of log.machine.blocks()) {
    if (++looked % BLOCKS_PER_TURN === 0) await log.delay(0);
    const plan = upkeep.situation(id);
    if (plan === undefined) continue;
    counts.total++;
    // Of what was just changed the reports may be under way.
    const name = upkeep.recent.settlesInMs(id) > 0 ? undefined : COUNTED[plan.problem];
    if (name !== undefined) counts[name]++;
  }
  return counts;
}

const COUNTED: Readonly<
  Record<BlockHealth["problem"], Exclude<keyof FilesReport["blocks"], "total"> | undefined>
> = {
  none: undefined,
  missing: "missing",
  "under-replicated": "underReplicated",
  "over-replicated": "overReplicated",
  corrupt: "corrupt",
  misplaced: "misplaced",
  open: "open",
};

/** The nodes that keep blocks, and how far those have come that are on their way out. */
export async function reportNodes(log: NamespaceLog, upkeep: BlockUpkeep): Promise<readonly NodeReport[]> {
  const { locations } = upkeep;
  const reports: NodeReport[] = [];
  for (const node of locations.nodes()) {
    let remaining = 0;
    let explanation: string | undefined;
    if (node.standing !== "inService") {
      let looked = 0;
      for (const id of locations.blocksOf(node.id)) {
        if (++looked % BLOCKS_PER_TURN === 0) await log.delay(0);
        const plan = upkeep.situation(id);
        if (plan?.problem !== "under-replicated") continue;
        if (node.standing === "inMaintenance" && plan.counted > 0) continue;
        remaining++;
        explanation ??= plan.explanation;
      }
    }
    reports.push({ node, replicas: locations.replicasOf(node.id), remaining, explanation });
  }
  return reports;
}
