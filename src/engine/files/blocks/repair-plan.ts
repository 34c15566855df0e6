/**
 * What is to be done about one block: pure, so that its rules can be tested as a table. The leader asks for each block of
 * which something changed, does what fits its limits (most urgent first), and asks again when the reports come.
 */
import type { NodeId } from "../../../runtime/world.ts";
import type { StoredBlock } from "../namespace/queries.ts";
import { chooseExcess, isEligible, roomToCopy } from "./choose-placement.ts";
import type { BlockNode, ReplicaLocation } from "./locations.ts";
import { isReachable } from "./locations.ts";

/** 0: one good replica on nodes that stay; 1: fewer than a third; 2: any other lack; 3: all on one rack, or a node is leaving. */
export type RepairPriority = 0 | 1 | 2 | 3;

export interface BlockSituation {
  readonly block: StoredBlock;
  readonly locations: readonly ReplicaLocation[];
  /** All nodes that are known. */
  readonly nodes: ReadonlyMap<NodeId, BlockNode>;
  /** Nodes that were told to make a replica, and have not reported it yet. */
  readonly pending: ReadonlySet<NodeId>;
}

export interface RepairPlan {
  /** Nodes with a good replica, those that stay first, the least busy first: what a copy is made of. */
  readonly sources: readonly NodeId[];
  /** Good replicas that count. */
  readonly counted: number;
  /** Replicas to be made; 0: none. */
  readonly missing: number;
  readonly priority: RepairPriority;
  /** Nodes whose replica counts for placement. */
  readonly present: readonly NodeId[];
  /** Nodes that must not take one now, because nothing would be better by it. */
  readonly avoid: ReadonlySet<NodeId>;
  /** Nodes whose replica is to be removed: stale, damaged or too many. */
  readonly remove: readonly NodeId[];
  readonly problem:
    | "none"
    | "missing"
    | "under-replicated"
    | "over-replicated"
    | "corrupt"
    | "misplaced"
    | "open";
  /** Nodes on which a replica is being made. */
  readonly making: readonly NodeId[];
  /** One sentence. */
  readonly explanation: string;
}

const NOBODY: ReadonlySet<NodeId> = new Set();

export function planRepair({ block, locations, nodes, pending }: BlockSituation): RepairPlan {
  const isGood = ({ state, stamp, length }: ReplicaLocation): boolean =>
    state === "finished" && stamp >= block.stamp && length === block.length;
  const here = locations.filter(({ node }) => nodes.get(node)?.live === true);
  const good = here.filter(isGood);
  const standing = ({ node }: ReplicaLocation): BlockNode["standing"] | undefined =>
    nodes.get(node)?.standing;
  const staying = good.filter((each) => standing(each) === "inService");
  const away = good.filter((each) => standing(each) === "inMaintenance");
  const leaving = good.filter((each) => standing(each) === "decommissioning");
  const sources = byLoad([...staying, ...away, ...leaving], nodes);
  // A node that will come back counts, be it up or down, as long as another replica can be read meanwhile.
  const resting = locations.filter((each) => isGood(each) && standing(each) === "inMaintenance");
  const counting = staying.length > 0 ? [...staying, ...resting] : [];
  const counted = counting.length;
  const present = [...new Set([...counting.map(({ node }) => node), ...pending])];
  const nothing = {
    sources,
    counted,
    missing: 0,
    priority: 2,
    present,
    avoid: NOBODY,
    remove: [],
    making: [...pending],
  } as const;
  if (block.open) return { ...nothing, problem: "open", explanation: "It is being written." };
  // What is there of one that is being made, or was before it, is not removed: the order would hit the new one.
  const bad = here.filter((each) => !isGood(each) && !pending.has(each.node));
  if (good.length === 0) {
    const gone = locations.map(({ node }) => node).filter((node) => nodes.get(node)?.live !== true);
    const problem = bad.some(({ state }) => state === "corrupt") ? "corrupt" : "missing";
    const why =
      gone.length > 0 ? `; ${gone.join(", ")} had one and ${gone.length > 1 ? "are" : "is"} silent` : "";
    return {
      ...nothing,
      priority: 0,
      problem,
      explanation: `No node that is there holds a good replica${why}.`,
    };
  }
  const missing = Math.max(0, block.replication - counted - pending.size);
  const racks = new Set(counting.map(({ node }) => nodes.get(node)?.rack));
  const elsewhere = [...nodes.values()].filter(({ rack }) => !racks.has(rack));
  const otherRacks = elsewhere.some(({ live, standing: of }) => live && of === "inService");
  const isMisplaced = counted > 1 && racks.size === 1 && otherRacks && block.replication > 1;
  // Only when enough good ones are there is anything removed that could still be read somehow.
  const surplus = staying.length >= block.replication;
  const damaged = surplus ? bad.map(({ node }) => node) : stale(bad, block).map(({ node }) => node);
  if (counted < block.replication) {
    const priority =
      staying.length + away.length <= 1
        ? 0
        : counted * 3 < block.replication
          ? 1
          : leaving.length > 0
            ? 3
            : 2;
    return {
      ...nothing,
      missing,
      priority,
      remove: damaged,
      problem: "under-replicated",
      explanation: explainMissing(block, counted, locations, nodes, pending),
    };
  }
  if (isMisplaced && pending.size === 0 && !surplusBy(staying, block, 1)) {
    return {
      ...nothing,
      missing: 1,
      priority: 3,
      // One more on the same rack would be one too many, and be removed again.
      avoid: new Set([...nodes.values()].flatMap(({ id, rack }) => (racks.has(rack) ? [id] : []))),
      remove: damaged,
      problem: "misplaced",
      explanation: `All its replicas are on one rack; ${whoTakesOne(elsewhere, block.length)}.`,
    };
  }
  const holders = staying.flatMap(({ node }) => nodes.get(node) ?? []);
  const excess: NodeId[] = [];
  for (let left = holders; pending.size === 0;) {
    const node = chooseExcess(left, block.replication);
    if (node === undefined) break;
    excess.push(node);
    left = left.filter(({ id }) => id !== node);
  }
  if (excess.length > 0) {
    const explanation = `It has ${staying.length} replicas of ${block.replication}; those of ${excess.join(", ")} are removed.`;
    return { ...nothing, remove: [...damaged, ...excess], problem: "over-replicated", explanation };
  }
  const explanation =
    damaged.length > 0 ? `The bad replicas of ${damaged.join(", ")} are removed.` : "It is as it should be.";
  return { ...nothing, remove: damaged, problem: "none", explanation };
}

function surplusBy(staying: readonly ReplicaLocation[], block: StoredBlock, by: number): boolean {
  return staying.length >= block.replication + by;
}

/** Replicas of a closed block that no reader is ever given: removing them loses nothing, whatever was being done to them. */
function stale(bad: readonly ReplicaLocation[], block: StoredBlock): readonly ReplicaLocation[] {
  return bad.filter(({ stamp }) => stamp < block.stamp);
}

function byLoad(
  locations: readonly ReplicaLocation[],
  nodes: ReadonlyMap<NodeId, BlockNode>,
): readonly NodeId[] {
  const load = (node: NodeId): number => (nodes.get(node)?.readers ?? 0) + (nodes.get(node)?.writers ?? 0);
  return locations.map(({ node }) => node).toSorted((left, right) => load(left) - load(right));
}

function explainMissing(
  block: StoredBlock,
  counted: number,
  locations: readonly ReplicaLocation[],
  nodes: ReadonlyMap<NodeId, BlockNode>,
  pending: ReadonlySet<NodeId>,
): string {
  const causes = locations.flatMap(({ node, state, stamp }) => {
    const known = nodes.get(node);
    if (known === undefined) return [`${node} is silent`];
    const isResting = known.standing === "inMaintenance";
    if (!known.live && !isResting) return [`${node} is silent for ${Math.floor(known.silentMs / 1000)} s`];
    if (state === "corrupt") return [`the replica of ${node} is damaged`];
    if (stamp < block.stamp) return [`the replica of ${node} is stale`];
    if (known.standing === "decommissioning") return [`${node} is being decommissioned`];
    if (isResting && counted === 0) return [`${node} is in maintenance`];
    return [];
  });
  const why = causes.length > 0 ? causes.join(", ") : "no other replica is known of";
  const holders = new Set(locations.flatMap(({ node, stamp }) => (stamp >= block.stamp ? [node] : [])));
  return `It has ${counted} good replicas of ${block.replication}: ${why}; ${whatIsDone(block, holders, nodes, pending)}.`;
}

/** By the rules of `choose-placement.ts`: who could take one, or why nobody can. */
function whatIsDone(
  { length }: StoredBlock,
  holders: ReadonlySet<NodeId>,
  nodes: ReadonlyMap<NodeId, BlockNode>,
  pending: ReadonlySet<NodeId>,
): string {
  if (pending.size > 0) return `a replica is being made on ${[...pending].join(", ")}`;
  const others = [...nodes.values()].filter(
    ({ id, live, standing }) => !holders.has(id) || (!live && standing !== "inMaintenance"),
  );
  return others.length === 0
    ? `there are only ${nodes.size} nodes, and each has one`
    : whoTakesOne(others, length);
}

/** Of nodes that a replica of so many bytes would be better on: those that can take it, or why none can. */
export function whoTakesOne(others: readonly BlockNode[], length: number): string {
  const able = others.filter((node) => isEligible(node, roomToCopy(length)));
  if (able.length > 0) return `one is made on ${able.map(({ id }) => id).join(" or ")} when its turn comes`;
  const reasons = others.map((node) => `${node.id} ${whyNot(node, length)}`);
  return `no other node can take one (${reasons.join(", ")})`;
}

/** Why a node is not eligible for a replica of so many bytes, said after its name. */
export function whyNot(node: BlockNode, blockBytes: number): string {
  const { live, stale, standing, freeBytes } = node;
  if (!live || stale) return "is silent";
  if (!isReachable(node)) return "cannot be reached";
  if (standing === "decommissioning") return "is being decommissioned";
  if (standing === "inMaintenance") return "is in maintenance";
  return `has only ${freeBytes} bytes free, and ${roomToCopy(blockBytes)} must be`;
}
