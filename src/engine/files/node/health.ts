/** How the blocks of files are: block by block below a path, and in sum for the whole file system. */
import { isQuorateError } from "../../../runtime/errors.ts";
import type { BlockUpkeep } from "../blocks/block-upkeep.ts";
import type { BlockHealth, FilesReport, NodeReport } from "../file-system.ts";
import { shardNumbers, shardUnits } from "../namespace/erasure-policy.ts";
import type { Caller, FileStatus, Segment } from "../namespace/model.ts";
import type { NamespaceLog } from "./namespace-log.ts";

const PAGE = 1_000;
/** Blocks that are looked at in one turn. */
const BLOCKS_PER_TURN = 2_000;

/** Every block of every file below the path, in the order of the paths. Pages are of the time when they are reached. */
export async function* healthOf(
  log: NamespaceLog,
  upkeep: BlockUpkeep,
  path: string,
  caller: Caller,
  signal: AbortSignal | undefined,
): AsyncGenerator<BlockHealth> {
  const status = await log.ask((namespace) => namespace.status(path, caller));
  yield* below(log, upkeep, status, caller, signal);
}

async function* below(
  log: NamespaceLog,
  upkeep: BlockUpkeep,
  status: FileStatus,
  caller: Caller,
  signal: AbortSignal | undefined,
): AsyncGenerator<BlockHealth> {
  if (status.type === "file") {
    yield* blocksOf(log, upkeep, status.path, caller);
    return;
  }
  if (status.type === "link") return;
  for (let startAfter = ""; ;) {
    signal?.throwIfAborted();
    const page = log.now((namespace) => namespace.list(status.path, caller, startAfter, PAGE));
    for (const entry of page.entries) yield* below(log, upkeep, entry, caller, signal);
    const last = page.entries.at(-1);
    if (last === undefined || page.remaining === 0) return;
    startAfter = last.path.slice(last.path.lastIndexOf("/") + 1);
    // A walk over a million files lets others have their turn.
    await log.delay(0);
  }
}

function* blocksOf(
  log: NamespaceLog,
  upkeep: BlockUpkeep,
  path: string,
  caller: Caller,
): Generator<BlockHealth> {
  for (const segment of segmentsOf(log, path, caller)) {
    if (segment.type === "inline") continue;
    const plan = upkeep.situation(segment.id);
    if (plan === undefined) continue;
    const { id, coded, replication } = segment;
    const numbers = coded === undefined ? [id] : shardNumbers(coded.policy, id);
    yield {
      path,
      block: id,
      replicas: numbers.flatMap((number) => upkeep.locations.all(number)),
      wanted: coded === undefined ? replication : shardUnits(coded.policy, coded.groupLength).length,
      problem: plan.problem,
      explanation: plan.explanation,
    };
  }
}

/** None of a file that was removed, or has made room for a directory, since it was listed. */
function segmentsOf(log: NamespaceLog, path: string, caller: Caller): readonly Segment[] {
  try {
    return log.now((namespace) => namespace.segments(path, caller, 0, 2 ** 52)).segments;
  } catch (error) {
    if (isQuorateError(error) && GONE.has(error.code)) return [];
    throw error;
  }
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
    const name = COUNTED[plan.problem];
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
    if (node.standing === "decommissioning") {
      let looked = 0;
      for (const id of locations.blocksOf(node.id)) {
        if (++looked % BLOCKS_PER_TURN === 0) await log.delay(0);
        if (upkeep.situation(id)?.problem === "under-replicated") remaining++;
      }
    }
    reports.push({ node, replicas: locations.replicasOf(node.id), remaining });
  }
  return reports;
}
