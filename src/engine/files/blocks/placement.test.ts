import { expect, test } from "vitest";
import type { NodeId } from "../../../runtime/world.ts";
import { seededRandom } from "../../group/write-ahead-log/crash-disk.testing.ts";
import { planBalance } from "./balancer.ts";
import { choosePlacement } from "./choose-placement.ts";
import type { BlockNode, ReplicaLocation } from "./locations.ts";
import type { PlacementRequest } from "./placement.ts";
import { planRepair } from "./repair-plan.ts";

function node(id: NodeId, rack = "/a", change: Partial<BlockNode> = {}): BlockNode {
  return {
    id,
    http: undefined,
    rack,
    standing: "inService",
    silentMs: 0,
    live: true,
    stale: false,
    term: 1,
    capacityBytes: 1000,
    usedBytes: 100,
    freeBytes: 900,
    writers: 0,
    readers: 0,
    ...change,
  };
}

/** Draws that replay. */
function chance(seed: number): () => number {
  const random = seededRandom(seed);
  return () => random.float();
}

const SIX = [node("a1"), node("a2"), node("b1", "/b"), node("b2", "/b"), node("c1", "/c"), node("c2", "/c")];
const request: PlacementRequest = {
  replicas: 3,
  roomBytes: 50,
  writer: "a1",
  exclude: new Set(),
  present: [],
};
const rackOf = (id: NodeId | undefined): string | undefined => SIX.find((each) => each.id === id)?.rack;

test("the first replica is at the writer, the second on another rack, the third beside the second", () => {
  for (let seed = 0; seed < 50; seed++) {
    const [first, second, third, ...more] = choosePlacement(SIX, request, chance(seed));
    expect(first).toBe("a1");
    expect(rackOf(second)).not.toBe("/a");
    expect(rackOf(third)).toBe(rackOf(second));
    expect(third).not.toBe(second);
    expect(more).toEqual([]);
  }
});

test("nodes that are dead, silent, out of reach, leaving, full or excluded are not chosen", () => {
  const nodes = [
    node("dead", "/b", { live: false }),
    node("silent", "/b", { stale: true }),
    node("away", "/b", { away: true }),
    node("leaving", "/b", { standing: "decommissioning" }),
    node("resting", "/b", { standing: "inMaintenance" }),
    node("full", "/b", { freeBytes: 49 }),
    node("barred", "/b"),
    node("good", "/b"),
  ];
  expect(choosePlacement(nodes, { ...request, exclude: new Set(["barred"]) }, chance(1))).toEqual(["good"]);
  expect(choosePlacement([], request, chance(1))).toEqual([]);
});

test("no rack gets more than its share, and no node two replicas", () => {
  for (let seed = 0; seed < 50; seed++) {
    const chosen = choosePlacement(SIX, { ...request, replicas: 6, writer: undefined }, chance(seed));
    expect(new Set(chosen).size).toBe(6);
    const five = choosePlacement(SIX, { ...request, replicas: 4 }, chance(seed));
    for (const rack of ["/a", "/b", "/c"]) {
      expect(five.filter((id) => rackOf(id) === rack).length).toBeLessThanOrEqual(3);
    }
  }
});

test("busy and full nodes are chosen less often", () => {
  const nodes = [
    node("busy", "/a", { writers: 9 }),
    node("idle"),
    node("idler"),
    node("full", "/a", { freeBytes: 60 }),
  ];
  const counts = new Map<NodeId, number>();
  const random = chance(4);
  for (let round = 0; round < 400; round++) {
    const [id] = choosePlacement(nodes, { ...request, replicas: 1, writer: undefined }, random);
    counts.set(id ?? "", (counts.get(id ?? "") ?? 0) + 1);
  }
  expect(counts.get("busy") ?? 0).toBeLessThan(40);
  expect(counts.get("full") ?? 0).toBeLessThan(counts.get("idle") ?? 0);
});

const block = { id: 1, stamp: 5, length: 100, replication: 3, open: false, file: 1 };
const good = (id: NodeId): ReplicaLocation => ({ node: id, stamp: 5, length: 100, state: "finished" });

function plan(
  nodes: readonly BlockNode[],
  locations: readonly ReplicaLocation[],
  pending: readonly NodeId[] = [],
  change: Partial<typeof block> = {},
): ReturnType<typeof planRepair> {
  return planRepair({
    block: { ...block, ...change },
    locations,
    nodes: new Map(nodes.map((each) => [each.id, each])),
    pending: new Set(pending),
  });
}

test("the fewer good replicas are left, the more urgent the repair; what is being made counts", () => {
  expect(plan(SIX, ["a1", "b1", "b2"].map(good))).toMatchObject({ missing: 0, remove: [], problem: "none" });
  expect(plan(SIX, ["a1", "b1"].map(good))).toMatchObject({
    missing: 1,
    priority: 2,
    problem: "under-replicated",
  });
  expect(plan(SIX, ["a1"].map(good))).toMatchObject({ missing: 2, priority: 0 });
  expect(plan(SIX, ["a1"].map(good), ["b1"])).toMatchObject({ missing: 1, present: ["a1", "b1"] });
  expect(plan(SIX, ["a1", "b1"].map(good), ["c1"])).toMatchObject({ missing: 0, remove: [] });
  expect(plan(SIX, [], [])).toMatchObject({ missing: 0, problem: "missing", sources: [] });
  expect(plan(SIX, [], [], { open: true })).toMatchObject({ problem: "open", remove: [] });
});

test("when no node can take a replica the sentence says why: there is none left, or how much room one lacks", () => {
  const three = [node("n1"), node("n2"), node("n3")];
  expect(plan(three, ["n1", "n2", "n3"].map(good), [], { replication: 5 }).explanation).toBe(
    "It has 3 good replicas of 5: no other replica is known of; there are only 3 nodes, and each has one.",
  );
  const withFree = (freeBytes: number): string => {
    const nodes = [node("n1"), node("n2"), node("n3", "/a", { freeBytes })];
    return plan(nodes, ["n1", "n2"].map(good), [], { length: 100 }).explanation;
  };
  expect(withFree(100)).toBe(
    "It has 2 good replicas of 3: no other replica is known of; " +
      "no other node can take one (n3 has only 100 bytes free, and 101 must be).",
  );
  // One fits with its checksums, though no new block would be written there.
  expect(withFree(101)).toContain("; one is made on n3 when its turn comes.");
});

test("a silent node's replica is made anew, and the sentence says whose it was", () => {
  const nodes = [...SIX.slice(0, 5), node("c2", "/c", { live: false })];
  const { missing, explanation, sources } = plan(nodes, ["a1", "b1", "c2"].map(good));
  expect(missing).toBe(1);
  expect(explanation).toContain("c2 is silent");
  expect(sources).not.toContain("c2");
});

test("stale and damaged replicas are no sources, and go only when enough good ones are there", () => {
  const damaged = { ...good("c1"), state: "corrupt" } as const;
  const old = { ...good("c2"), stamp: 4 };
  const few = plan(SIX, [good("a1"), good("b1"), damaged, old]);
  expect(few).toMatchObject({ missing: 1, remove: ["c2"] });
  expect([...few.sources].sort()).toEqual(["a1", "b1"]);
  expect(plan(SIX, [good("a1"), good("b1"), good("b2"), damaged, old]).remove).toEqual(["c1", "c2"]);
  // One is being made in its place: an order to remove the old one would come after it, and hit the new one.
  expect(plan(SIX, [good("a1"), good("b1"), old], ["c2"])).toMatchObject({ missing: 0, remove: [] });
  const half = { ...good("c1"), length: 10, state: "writing" } as const;
  expect(plan(SIX, ["a1", "b1", "b2"].map(good).concat(half), ["c1"]).remove).toEqual([]);
  // Nothing good is left: what is there may be all there is.
  expect(plan(SIX, [damaged])).toMatchObject({ remove: [], missing: 0, problem: "corrupt" });
});

test("replicas above the number go from the fullest node, and none while a rack would be left or one is being made", () => {
  const nodes = [
    node("a1"),
    node("a2", "/a", { usedBytes: 500 }),
    node("b1", "/b", { usedBytes: 900 }),
    node("a3"),
  ];
  expect(
    plan(
      nodes,
      nodes.map(({ id }) => good(id)),
    ),
  ).toMatchObject({ remove: ["a2"], problem: "over-replicated" });
  expect(
    plan(
      nodes,
      nodes.map(({ id }) => good(id)),
      ["x"],
    ).remove,
  ).toEqual([]);
});

test("a node that leaves is copied from and counts no more; one in maintenance counts while another can be read", () => {
  const leaving = [
    node("a1"),
    node("b1", "/b"),
    node("b2", "/b", { standing: "decommissioning" }),
    node("c1", "/c"),
  ];
  const plan1 = plan(leaving, ["a1", "b1", "b2"].map(good));
  expect(plan1).toMatchObject({ missing: 1, priority: 3, remove: [] });
  expect(plan1.sources).toContain("b2");
  const resting = leaving.map((each) =>
    each.id === "b2" ? { ...each, standing: "inMaintenance" as const } : each,
  );
  expect(plan(resting, ["a1", "b1", "b2"].map(good))).toMatchObject({ missing: 0 });
  expect(plan(resting, ["b2"].map(good))).toMatchObject({ missing: 3, priority: 0 });
});

test("one that is silent in maintenance counts as well, as long as another can be read; no longer when it is taken out of it", () => {
  const silent = { live: false, stale: true, silentMs: 60_000 };
  const resting = [
    node("a1"),
    node("b1", "/b"),
    node("b2", "/b", { ...silent, standing: "inMaintenance" }),
    node("c1", "/c"),
  ];
  const all = plan(resting, ["a1", "b1", "b2"].map(good));
  expect(all).toMatchObject({ missing: 0, counted: 3, problem: "none", remove: [] });
  expect(all.sources).not.toContain("b2");
  // One is left that can be read: it is urgent, though two are there.
  const two = plan(resting, ["a1", "b2"].map(good));
  expect(two).toMatchObject({ missing: 1, counted: 2, priority: 0, present: ["a1", "b2"] });
  expect(two.explanation).toBe(
    "It has 2 good replicas of 3: no other replica is known of; one is made on b1 or c1 when its turn comes.",
  );
  const old = { ...good("b2"), stamp: 4 };
  expect(plan(resting, [good("a1"), good("b1"), old])).toMatchObject({ missing: 1, counted: 2 });
  // Nothing can be copied.
  expect(plan(resting, [good("b2")])).toMatchObject({ missing: 0, problem: "missing" });
  const recalled = resting.map((each) =>
    each.id === "b2" ? { ...each, standing: "inService" as const } : each,
  );
  expect(plan(recalled, ["a1", "b1", "b2"].map(good))).toMatchObject({ missing: 1, counted: 2 });
  // Beside one that leaves only: when it is gone nothing can be read.
  const leaving = resting.map((each) =>
    each.id === "a1" ? { ...each, standing: "decommissioning" as const } : each,
  );
  expect(plan(leaving, ["a1", "b2"].map(good))).toMatchObject({ missing: 3, counted: 0, sources: ["a1"] });
});

test("maintenance alone moves nothing: a resting replica counts for the racks too, be its node up or down", () => {
  for (const live of [true, false]) {
    const nodes = [
      node("a1"),
      node("a2"),
      node("a3"),
      node("b1", "/b", { standing: "inMaintenance", live }),
      node("b2", "/b"),
    ];
    expect(plan(nodes, ["a1", "a2", "b1"].map(good))).toMatchObject({
      missing: 0,
      problem: "none",
      remove: [],
    });
    // Of one that goes for good the rack does not count.
    const leaving = nodes.map((each) =>
      each.id === "b1" ? { ...each, standing: "decommissioning" as const } : each,
    );
    expect(plan(leaving, ["a1", "a2", "b1"].map(good)).present).toEqual(["a1", "a2"]);
  }
});

test("a block whose replicas are all on one rack is spread when there is another", () => {
  const nodes = [node("a1"), node("a2"), node("a3"), node("b1", "/b")];
  expect(plan(nodes, ["a1", "a2", "a3"].map(good))).toMatchObject({
    missing: 1,
    priority: 3,
    problem: "misplaced",
    avoid: new Set(["a1", "a2", "a3"]),
    explanation: "All its replicas are on one rack; one is made on b1 when its turn comes.",
  });
  const full = nodes.map((each) => (each.id === "b1" ? { ...each, freeBytes: 10 } : each));
  expect(plan(full, ["a1", "a2", "a3"].map(good))).toMatchObject({
    missing: 1,
    problem: "misplaced",
    explanation: expect.stringMatching(
      /^All its replicas are on one rack; no other node can take one \(b1 has only 10 bytes free, and \d+ must be\)\.$/,
    ) as unknown,
  });
  expect(plan(nodes.slice(0, 3), ["a1", "a2", "a3"].map(good))).toMatchObject({
    missing: 0,
    problem: "none",
  });
});

test("balancing leads to the mean, leaves no rack, and has nothing to do afterwards", () => {
  const nodes = [
    node("a1", "/a", { usedBytes: 900, freeBytes: 100 }),
    node("a2", "/a", { usedBytes: 100, freeBytes: 900 }),
    node("b1", "/b", { usedBytes: 500, freeBytes: 500 }),
  ];
  const blocks = Array.from({ length: 45 }, (_, id) => ({ block: id, length: 20, holders: ["a1", "b1"] }));
  const moves = planBalance(nodes, (id) => (id === "a1" ? blocks : []), { maxBytes: 10_000 });
  expect(moves.length).toBeGreaterThan(10);
  for (const move of moves) expect(move).toMatchObject({ from: "a1", to: "a2" });
  const moved = moves.length * 20;
  const after = [
    node("a1", "/a", { usedBytes: 900 - moved, freeBytes: 100 + moved }),
    node("a2", "/a", { usedBytes: 100 + moved, freeBytes: 900 - moved }),
    nodes[2] as BlockNode,
  ];
  expect(planBalance(after, () => blocks, { maxBytes: 10_000 })).toEqual([]);
  // The only replica on its rack stays there.
  const lonely = [{ block: 1, length: 20, holders: ["b1", "a1"] }];
  const full = [node("b1", "/b", { usedBytes: 900, freeBytes: 100 }), node("a1"), node("a2")];
  expect(planBalance(full, () => lonely, { maxBytes: 1000 })).toEqual([]);
  expect(planBalance(nodes, () => blocks, { maxBytes: 50 })).toHaveLength(2);
  // The mean with its threshold is more than a small node has: what does not fit there is not moved there.
  const nearlyFull = [
    node("a1", "/a", { usedBytes: 2000, freeBytes: 0 }),
    node("a2", "/a", { usedBytes: 85, freeBytes: 15 }),
  ];
  const sized = (length: number) => () => [{ block: 1, length, holders: ["a1"] }];
  expect(planBalance(nearlyFull, sized(15), { maxBytes: 1000 })).toEqual([]);
  expect(planBalance(nearlyFull, sized(14), { maxBytes: 1000 })).toHaveLength(1);
});
