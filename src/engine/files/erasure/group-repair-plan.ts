/**
 * What is to be done about one block group: pure, as `blocks/repair-plan.ts` is for a block. A shard that is lost is made out of
 * the others; one that can still be read where it is, but not for long, is copied. As long as a group cannot be read, nothing
 * of it is removed.
 */
import type { NodeId } from "../../../runtime/world.ts";
import { isEligible, roomToCopy } from "../blocks/choose-placement.ts";
import type { BlockNode, ReplicaLocation } from "../blocks/locations.ts";
import { isReachable } from "../blocks/locations.ts";
import type { ShardPlace } from "../blocks/protocol.ts";
import type { RepairPlan, RepairPriority } from "../blocks/repair-plan.ts";
import { whyNot, whoTakesOne } from "../blocks/repair-plan.ts";
import type { ErasurePolicy } from "../namespace/erasure-policy.ts";
import { shardLength, unitsOf } from "../namespace/erasure-policy.ts";
import type { StoredBlock } from "../namespace/queries.ts";

export interface GroupSituation {
  readonly block: StoredBlock & { readonly coding: ErasurePolicy };
  /** By unit. */
  readonly shards: readonly (readonly ReplicaLocation[])[];
  /** All nodes that are known. */
  readonly nodes: ReadonlyMap<NodeId, BlockNode>;
  /** By unit: nodes that were told to make it, and have not reported it yet. */
  readonly pending: readonly ReadonlySet<NodeId>[];
}

/** A shard to be made. */
export interface ShardWork {
  readonly unit: number;
  /** It is there still, on these; none: it is made out of the others. */
  readonly copyFrom: readonly NodeId[];
}

export interface GroupRepairPlan extends RepairPlan {
  readonly make: readonly ShardWork[];
  /** Shards that nobody needs: beside a good one, or stale. `remove` stands for these and for `surplus`. */
  readonly removals: readonly ShardPlace[];
  /** Good shards that are there once more than they need to be. */
  readonly surplus: readonly ShardPlace[];
  /** By unit: nodes with a good shard, those that stay first. */
  readonly readable: readonly (readonly NodeId[])[];
  /** It is where it should be only for want of nodes: another one could take a shard from one that holds several, or its rack. */
  readonly crowded: boolean;
}

interface Unit {
  readonly unit: number;
  /** On nodes that stay, that come back, and that leave. */
  readonly staying: readonly NodeId[];
  readonly away: readonly NodeId[];
  readonly leaving: readonly NodeId[];
  /** Those of `away`, and nodes that are silent and come back. */
  readonly resting: readonly NodeId[];
  readonly bad: readonly ReplicaLocation[];
  readonly pending: ReadonlySet<NodeId>;
}

interface CountedUnit extends Unit {
  /** Nodes whose shard counts. */
  readonly counting: readonly NodeId[];
}

export function planGroupRepair(situation: GroupSituation): GroupRepairPlan {
  const { block, nodes } = situation;
  const found = unitsIn(situation);
  const dataNeeded = found.filter(({ unit }) => unit < block.coding.dataUnits).length;
  const stayingUnits = found.filter(({ staying }) => staying.length > 0).length;
  // A node that will come back counts, be it up or down, as long as the group can be read without it.
  const waits = stayingUnits >= dataNeeded;
  const units = found.map((unit): CountedUnit => {
    return { ...unit, counting: waits && unit.staying.length === 0 ? unit.resting : unit.staying };
  });
  const readable = Array.from({ length: unitsOf(block.coding) }, (_, at) => {
    const unit = units.find((each) => each.unit === at);
    return unit === undefined ? [] : [...unit.staying, ...unit.away, ...unit.leaving];
  });
  const there = units.filter(({ unit }) => readable[unit]!.length > 0).length;
  const nothing = {
    sources: [...new Set(readable.flat())],
    // In how many ways it can be read from nodes that stay.
    counted: Math.max(0, stayingUnits - dataNeeded + 1),
    present: units.flatMap(({ counting, pending }) => [...counting, ...pending]),
    making: units.flatMap(({ pending }) => [...pending]),
    missing: 0,
    priority: 2,
    remove: [],
    make: [],
    removals: [],
    surplus: [],
    readable,
    avoid: new Set<NodeId>(),
    crowded: false,
  } as const;
  if (block.open) return { ...nothing, problem: "open", explanation: "It is being written." };
  if (there < dataNeeded) {
    const isCorrupt = units.some(({ bad }) => bad.some(({ state }) => state === "corrupt"));
    const why = causesOf(situation, units);
    const explanation = `${there} of its ${units.length} shards can be read, ${dataNeeded} are needed${why}.`;
    return { ...nothing, priority: 0, problem: isCorrupt ? "corrupt" : "missing", explanation };
  }
  const make = missingOf(units);
  // A good one too many may take the place of one that is missing.
  const surplus = surplusOf(units, nodes);
  const removing = removingOf(badOf(units, block), surplus);
  const isMoving = units.every(({ counting }) => counting.length > 0);
  if (make.length > 0 || units.some(({ pending }) => pending.size > 0)) {
    return {
      ...nothing,
      ...removing,
      missing: make.length,
      make,
      priority: priorityOf(make, there - dataNeeded, block.coding.parityUnits),
      problem: isMoving ? "misplaced" : "under-replicated",
      explanation: explainMissing(situation, units, make),
    };
  }
  if (surplus.length > 0) {
    const which = surplus.map(({ unit, node }) => `${unit} of ${node}`).join(", ");
    const explanation = `Some of its shards are there twice; shard ${which} is removed.`;
    return { ...nothing, ...removing, problem: "over-replicated", explanation };
  }
  const move = moveOf(block, units, nodes);
  if (move !== undefined) {
    const { work, avoid, explanation } = move;
    return {
      ...nothing,
      ...removing,
      missing: 1,
      make: [work],
      avoid,
      priority: 3,
      problem: "misplaced",
      explanation,
    };
  }
  const crowded = isCrowded(units, nodes, block.coding.parityUnits);
  const explanation =
    removing.remove.length > 0
      ? `The bad shards of ${removing.remove.join(", ")} are removed.`
      : "It is as it should be.";
  return { ...nothing, ...removing, problem: "none", explanation, crowded };
}

/** The shards that there should be. */
function unitsIn({ block, shards, nodes, pending }: GroupSituation): readonly Unit[] {
  const units: Unit[] = [];
  for (let unit = 0; unit < unitsOf(block.coding); unit++) {
    const length = shardLength(block.coding, block.length, unit);
    if (length === 0) continue;
    const all = shards[unit] ?? [];
    const here = all.filter(({ node }) => nodes.get(node)?.live === true);
    const isGood = (each: ReplicaLocation): boolean =>
      each.state === "finished" && each.stamp >= block.stamp && each.length === length;
    const on = (standing: BlockNode["standing"]): readonly NodeId[] =>
      here
        .filter((each) => isGood(each) && nodes.get(each.node)?.standing === standing)
        .map(({ node }) => node);
    units.push({
      unit,
      staying: on("inService"),
      away: on("inMaintenance"),
      leaving: on("decommissioning"),
      resting: all
        .filter((each) => isGood(each) && nodes.get(each.node)?.standing === "inMaintenance")
        .map(({ node }) => node),
      bad: here.filter((each) => !isGood(each)),
      pending: pending[unit] ?? new Set(),
    });
  }
  return units;
}

function missingOf(units: readonly CountedUnit[]): readonly ShardWork[] {
  return units
    .filter(({ counting, pending }) => counting.length === 0 && pending.size === 0)
    .map(({ unit, away, leaving }) => ({ unit, copyFrom: [...away, ...leaving] }));
}

/** `spare`: shards more than are needed to read the group. */
function priorityOf(make: readonly ShardWork[], spare: number, parityUnits: number): RepairPriority {
  if (spare === 0) return 0;
  if (make.every(({ copyFrom }) => copyFrom.length > 0)) return 3;
  return spare * 2 < parityUnits ? 1 : 2;
}

/** What nobody needs: beside a good one, or of an older stamp. Not where one is being made: the order would hit that. */
function badOf(units: readonly Unit[], { stamp }: StoredBlock): readonly ShardPlace[] {
  return units.flatMap(({ unit, staying, bad, pending }) =>
    bad
      .filter(({ node }) => !pending.has(node))
      .filter((each) => staying.length > 0 || (each.state === "finished" && each.stamp < stamp))
      .map(({ node }) => ({ unit, node })),
  );
}

function removingOf(
  removals: readonly ShardPlace[],
  surplus: readonly ShardPlace[],
): Pick<GroupRepairPlan, "remove" | "removals" | "surplus"> {
  const remove = [...new Set([...removals, ...surplus].map(({ node }) => node))];
  return { removals, surplus, remove };
}

/** How many shards are on each node and rack. */
function crowding(
  units: readonly CountedUnit[],
  nodes: ReadonlyMap<NodeId, BlockNode>,
): { readonly node: (id: NodeId) => number; readonly rack: (id: NodeId) => number } {
  const counts = new Map<string, number>();
  const racks = new Map<string, number>();
  for (const id of units.flatMap(({ counting }) => counting)) {
    const rack = nodes.get(id)?.rack ?? "";
    counts.set(id, (counts.get(id) ?? 0) + 1);
    racks.set(rack, (racks.get(rack) ?? 0) + 1);
  }
  return { node: (id) => counts.get(id) ?? 0, rack: (id) => racks.get(nodes.get(id)?.rack ?? "") ?? 0 };
}

/** Of shards that are there more than once: all but the one whose node, then rack, has the fewest, then the emptiest. */
function surplusOf(
  units: readonly CountedUnit[],
  nodes: ReadonlyMap<NodeId, BlockNode>,
): readonly ShardPlace[] {
  const crowd = crowding(units, nodes);
  const used = (id: NodeId): number => {
    const { usedBytes = 0, freeBytes = 1 } = nodes.get(id) ?? {};
    return usedBytes / Math.max(1, usedBytes + freeBytes);
  };
  // While another one is being made it is not known which will be too many.
  const settled = units.filter(({ pending }) => pending.size === 0);
  return settled.flatMap(({ unit, staying }) =>
    staying
      .toSorted((a, b) => crowd.node(a) - crowd.node(b) || crowd.rack(a) - crowd.rack(b) || used(a) - used(b))
      .slice(1)
      .map((node) => ({ unit, node })),
  );
}

/** One shard that is better elsewhere: its node holds more than another one would then, or its rack more than may be lost. */
function moveOf(
  { coding, length }: GroupSituation["block"],
  units: readonly CountedUnit[],
  nodes: ReadonlyMap<NodeId, BlockNode>,
):
  | { readonly work: ShardWork; readonly avoid: ReadonlySet<NodeId>; readonly explanation: string }
  | undefined {
  const crowd = crowding(units, nodes);
  const open = [...nodes.values()].filter((node) => isReachable(node) && node.standing === "inService");
  const holders = units.flatMap(({ unit, staying }) => staying.map((node) => ({ unit, node })));
  const crowded = holders.toSorted((a, b) => crowd.node(b.node) - crowd.node(a.node))[0];
  if (crowded === undefined) return undefined;
  const work = ({ unit, node }: ShardPlace): ShardWork => ({ unit, copyFrom: [node] });
  const moved = ({ unit }: ShardPlace, to: readonly BlockNode[]): string =>
    whoTakesOne(to, shardLength(coding, length, unit));
  const most = crowd.node(crowded.node);
  const emptier = open.filter(({ id }) => crowd.node(id) <= most - 2);
  if (emptier.length > 0) {
    const avoid = new Set(open.filter(({ id }) => crowd.node(id) > most - 2).map(({ id }) => id));
    const explanation = `${crowded.node} holds ${most} of its shards; ${moved(crowded, emptier)}.`;
    return { work: work(crowded), avoid, explanation };
  }
  const onFull = holders.toSorted((a, b) => crowd.rack(b.node) - crowd.rack(a.node))[0] ?? crowded;
  const full = crowd.rack(onFull.node);
  const isBetter = ({ id }: BlockNode): boolean =>
    crowd.rack(id) <= full - 2 && crowd.node(id) < crowd.node(onFull.node);
  const better = open.filter(isBetter);
  if (full <= coding.parityUnits || better.length === 0) return undefined;
  const avoid = new Set(open.filter((node) => !isBetter(node)).map(({ id }) => id));
  const rack = nodes.get(onFull.node)?.rack ?? "";
  const explanation = `Rack ${rack} holds ${full} of its shards; ${moved(onFull, better)}.`;
  return { work: work(onFull), avoid, explanation };
}

/** Whether `moveOf` would say more if a node that takes nothing now did, or one that is not known yet on a rack that is. */
function isCrowded(
  units: readonly CountedUnit[],
  nodes: ReadonlyMap<NodeId, BlockNode>,
  parityUnits: number,
): boolean {
  const crowd = crowding(units, nodes);
  const holders = units.flatMap(({ staying }) => staying);
  if (holders.some((node) => crowd.node(node) > 1)) return true;
  const full = Math.max(0, ...holders.map(crowd.rack));
  return full > parityUnits && [...nodes.keys()].some((node) => crowd.rack(node) <= full - 2);
}

function explainMissing(
  situation: GroupSituation,
  units: readonly CountedUnit[],
  make: readonly ShardWork[],
): string {
  const good = units.filter(({ counting }) => counting.length > 0).length;
  return `It has ${good} good shards of ${units.length}${causesOf(situation, units)}; ${whatIsDone(situation, units, make)}.`;
}

/** By the rules of `group-placement.ts`: what is made, or why no node can take even the shortest one. */
function whatIsDone(
  { block: { coding, length }, nodes }: GroupSituation,
  units: readonly CountedUnit[],
  make: readonly ShardWork[],
): string {
  const making = units.flatMap(({ unit, pending }) => [...pending].map((node) => `shard ${unit} on ${node}`));
  if (making.length > 0) return `${making.join(", ")} is being made`;
  const bytes = Math.min(...make.map(({ unit }) => shardLength(coding, length, unit)));
  const crowd = crowding(units, nodes);
  const reasons: string[] = [];
  for (const node of nodes.values()) {
    const isAble = isEligible(node, roomToCopy(bytes));
    if (isAble && crowd.node(node.id) < coding.parityUnits) return "they wait for their turn";
    const why = isAble ? `may hold no more than ${coding.parityUnits} of its shards` : whyNot(node, bytes);
    reasons.push(`${node.id} ${why}`);
  }
  return `no other node can take one (${reasons.join(", ")})`;
}

/** Why shards are not good, each node once. */
function causesOf({ block, shards, nodes }: GroupSituation, units: readonly CountedUnit[]): string {
  const causes = units.flatMap(({ unit, leaving, resting, counting, bad }) => [
    ...(shards[unit] ?? [])
      .filter(({ node }) => nodes.get(node)?.live !== true && !resting.includes(node))
      .map(({ node }) => `${node} is silent`),
    ...bad.map(({ node, state, stamp }) => {
      if (state === "corrupt") return `shard ${unit} of ${node} is damaged`;
      return stamp < block.stamp
        ? `shard ${unit} of ${node} is stale`
        : `shard ${unit} of ${node} is not whole`;
    }),
    ...leaving.map((node) => `${node} is being decommissioned`),
    ...(counting.length === 0 ? resting : []).map((node) => `${node} is in maintenance`),
  ]);
  return causes.length === 0 ? "" : `: ${[...new Set(causes)].join(", ")}`;
}
