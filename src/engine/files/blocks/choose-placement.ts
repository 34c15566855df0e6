/** The rules of `placement.ts`. */
import type { NodeId } from "../../../runtime/world.ts";
import type { BlockNode } from "./locations.ts";
import { isReachable } from "./locations.ts";
import type { ChoosePlacement } from "./placement.ts";

/** Many blocks are written at a time, and none should end for want of room: so many of its size must fit. */
const ROOM_BLOCKS = 5;
/** A replica with its checksums: four bytes for each 512, and their records. */
const WITH_CHECKSUMS = 1.01;
/** Streams above this multiple of the mean make a node busy. */
const BUSY_FACTOR = 2;

export const choosePlacement: ChoosePlacement = (nodes, request, random) => {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const { exclude, present, roomBytes } = request;
  const eligible = nodes.filter(
    (node) => isEligible(node, roomBytes) && !exclude.has(node.id) && !present.includes(node.id),
  );
  const racks = new Set(eligible.map(({ rack }) => rack));
  for (const id of request.present) racks.add(byId.get(id)?.rack ?? "");
  const total = request.replicas + request.present.length;
  const rackMax = racks.size <= 1 ? Infinity : Math.ceil(total / racks.size) + 1;
  const placed = request.present.flatMap((id) => byId.get(id) ?? []);
  const meanLoad = eligible.reduce((sum, node) => sum + loadOf(node), 0) / Math.max(1, eligible.length);
  const chosen: BlockNode[] = [];
  while (chosen.length < request.replicas) {
    const taken = [...placed, ...chosen];
    const left = eligible.filter((node) => !chosen.includes(node));
    if (left.length === 0) break;
    const near = left.find((node) => node.id === request.writer);
    const next =
      taken.length === 0 && near !== undefined ? near : pick(left, taken, rackMax, meanLoad, random);
    chosen.push(next);
  }
  return inPipelineOrder(chosen, byId.get(request.writer ?? "")).map(({ id }) => id);
};

/** Whether a node takes another replica at all: of those that are there and stay, who has so many bytes free. */
export function isEligible(node: BlockNode, roomBytes: number): boolean {
  return isReachable(node) && node.standing === "inService" && node.freeBytes >= roomBytes;
}

/** Bytes that should be free where a new block of at most so many bytes begins, if there is such a node. */
export function roomToWrite(blockSizeBytes: number): number {
  return ROOM_BLOCKS * blockSizeBytes;
}

/**
 * Bytes that are to be free where a replica is made of others: it is known how many it takes. To lack one is worse than to have
 * little room for new blocks (HDFS asks for one block for both).
 */
export function roomToCopy(lengthBytes: number): number {
  return Math.ceil(WITH_CHECKSUMS * lengthBytes);
}

function loadOf({ writers, readers }: BlockNode): number {
  return writers + readers;
}

/** The next replica: by the rack rule as far as it can be kept, then the better of two by chance. */
function pick(
  left: readonly BlockNode[],
  taken: readonly BlockNode[],
  rackMax: number,
  meanLoad: number,
  random: () => number,
): BlockNode {
  const count = (rack: string): number => taken.filter((node) => node.rack === rack).length;
  const racksUsed = new Set(taken.map(({ rack }) => rack));
  const preferences: ((node: BlockNode) => boolean)[] = [];
  // The second goes to another rack; so does any later one while all are in the same.
  if (racksUsed.size === 1) preferences.push((node) => !racksUsed.has(node.rack));
  // The third goes beside the second, on another node.
  else if (taken.length === 2) preferences.push((node) => node.rack === taken[1]?.rack);
  preferences.push(
    (node) => count(node.rack) < rackMax,
    () => true,
  );
  const candidates = preferences.map((rule) => left.filter(rule)).find((nodes) => nodes.length > 0) ?? left;
  const calm = candidates.filter((node) => loadOf(node) <= BUSY_FACTOR * meanLoad + 1);
  const drawn = calm.length > 0 ? calm : candidates;
  const draw = (): BlockNode => drawn[Math.floor(random() * drawn.length)] as BlockNode;
  return better(draw(), draw());
}

function better(left: BlockNode, right: BlockNode): BlockNode {
  const byLoad = loadOf(left) - loadOf(right);
  if (byLoad !== 0) return byLoad < 0 ? left : right;
  return left.freeBytes >= right.freeBytes ? left : right;
}

/** From the writer on, each next one near the one before it: bytes cross from rack to rack as seldom as they can. */
function inPipelineOrder(nodes: readonly BlockNode[], writer: BlockNode | undefined): readonly BlockNode[] {
  const left = [...nodes];
  const ordered: BlockNode[] = [];
  let at: Pick<BlockNode, "id" | "rack"> | undefined = writer;
  while (left.length > 0) {
    const same = left.findIndex(({ id }) => id === at?.id);
    const near = left.findIndex(({ rack }) => rack === at?.rack);
    const [next] = left.splice(Math.max(0, same >= 0 ? same : near), 1) as [BlockNode];
    ordered.push(next);
    at = next;
  }
  return ordered;
}

/** The replica that is best given up, of a block that has more than it should: of the fullest node, without leaving a rack. */
export function chooseExcess(holders: readonly BlockNode[], wanted: number): NodeId | undefined {
  if (holders.length <= wanted) return undefined;
  const racks = new Map<string, number>();
  for (const { rack } of holders) racks.set(rack, (racks.get(rack) ?? 0) + 1);
  const shared = holders.filter(({ rack }) => (racks.get(rack) ?? 0) > 1);
  const candidates = shared.length > 0 && racks.size > 1 ? shared : holders;
  return candidates.toSorted((left, right) => usedShare(right) - usedShare(left))[0]?.id;
}

function usedShare({ usedBytes, freeBytes }: BlockNode): number {
  return usedBytes / Math.max(1, usedBytes + freeBytes);
}
