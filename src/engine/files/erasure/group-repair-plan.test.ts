import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../../group/write-ahead-log/crash-disk.testing.ts";
import type { NodeId } from "../../../runtime/world.ts";
import type { BlockNode, ReplicaLocation } from "../blocks/locations.ts";
import { shardLength, unitsOf } from "../namespace/erasure-policy.ts";
import { CELL, SMALL_RS32, SMALL_RS63 } from "./group.testing.ts";
import { chooseGroupPlacement } from "./group-placement.ts";
import type { GroupRepairPlan, GroupSituation } from "./group-repair-plan.ts";
import { planGroupRepair } from "./group-repair-plan.ts";

const LENGTH = 4 * 3 * CELL + 5;

function node(id: NodeId, changes: Partial<BlockNode> = {}): BlockNode {
  return {
    id,
    http: undefined,
    rack: "/rack",
    standing: "inService",
    live: true,
    silentMs: 0,
    stale: false,
    term: 1,
    capacityBytes: 1e9,
    usedBytes: 0,
    freeBytes: 1e9,
    writers: 0,
    readers: 0,
    ...changes,
  };
}

function nodesOf(count: number, changes: Readonly<Record<NodeId, Partial<BlockNode>>> = {}): BlockNode[] {
  return Array.from({ length: count }, (_, at) => `n${at + 1}`).map((id) => node(id, changes[id]));
}

interface Drawn {
  readonly nodes?: readonly BlockNode[];
  readonly length?: number;
  readonly open?: boolean;
  readonly pending?: Readonly<Record<number, readonly NodeId[]>>;
}

/** Shards by unit, each as "n1", "n1:corrupt", "n1:stale", "n1:writing" or "n1:short". */
function plan(
  shards: readonly string[],
  { nodes = nodesOf(6), length = LENGTH, open = false, pending = {} }: Drawn = {},
): GroupRepairPlan {
  const situation: GroupSituation = {
    block: { id: 160, stamp: 7, length, replication: 1, open, file: 1, coding: SMALL_RS32 },
    shards: shards.map((texts, unit) =>
      texts.split(" ").flatMap((text): ReplicaLocation[] => {
        const [id = "", fault] = text.split(":");
        if (id === "") return [];
        const whole = shardLength(SMALL_RS32, length, unit);
        const state = fault === "corrupt" || fault === "writing" ? fault : "finished";
        return [
          {
            node: id,
            stamp: fault === "stale" ? 6 : 7,
            length: fault === "short" ? whole - 1 : whole,
            state,
          },
        ];
      }),
    ),
    nodes: new Map(nodes.map((each) => [each.id, each])),
    pending: Array.from({ length: 5 }, (_, unit) => new Set(pending[unit])),
  };
  return planGroupRepair(situation);
}

const GOOD = ["n1", "n2", "n3", "n4", "n5"];
const without = (...lost: number[]): string[] => GOOD.map((id, unit) => (lost.includes(unit) ? "" : id));

describe("the plan of a group", () => {
  test("with all shards on nodes of their own is nothing", () => {
    expect(plan(GOOD)).toMatchObject({ problem: "none", make: [], removals: [], missing: 0, crowded: false });
    expect(plan(GOOD, { open: true })).toMatchObject({ problem: "open", make: [] });
  });

  test("knows which shards there should be", () => {
    // One cell and a bit: the third data shard is empty.
    expect(plan(["n1", "n2", "", "n4", "n5"], { length: CELL + 5 })).toMatchObject({ problem: "none" });
    expect(plan(["n1", "n2", "n3", "", "n5"], { length: CELL + 5 })).toMatchObject({
      make: [{ unit: 3, copyFrom: [] }],
    });
    // A shard in which nothing should be is bad wherever it is, and does not stand for another.
    expect(plan(["n1", "", "", "n4", "n5"], { length: 5 }).problem).toBe("none");
  });

  test("makes what is lost out of the others, the last that can be lost first", () => {
    expect(plan(without(4))).toMatchObject({
      problem: "under-replicated",
      priority: 2,
      make: [{ unit: 4, copyFrom: [] }],
      explanation: "It has 4 good shards of 5; they wait for their turn.",
    });
    expect(plan(without(0, 3))).toMatchObject({ priority: 0, missing: 2 });
    const dead = { n2: { live: false } };
    expect(plan(GOOD, { nodes: nodesOf(6, dead), pending: { 1: ["n6"] } })).toMatchObject({
      make: [],
      present: ["n1", "n6", "n3", "n4", "n5"],
      explanation: "It has 4 good shards of 5: n2 is silent; shard 1 on n6 is being made.",
    });
  });

  test("tells why no node can take what is lost, by the shortest of it", () => {
    const spread = ["n1", "n2", "n3", "n1", "n2"];
    const gone = nodesOf(5, {
      n3: { live: false },
      n4: { freeBytes: 10_000 },
      n5: { standing: "decommissioning" },
    });
    expect(plan(spread, { nodes: gone })).toMatchObject({
      make: [{ unit: 2 }],
      explanation:
        "It has 4 good shards of 5: n3 is silent; no other node can take one (n1 may hold no more than 2 of its shards, " +
        "n2 may hold no more than 2 of its shards, n3 is silent, n4 has only 10000 bytes free, and 16548 must be, " +
        "n5 is being decommissioned).",
    });
    const roomy = gone.map((each) => (each.id === "n4" ? { ...each, freeBytes: 16_548 } : each));
    expect(plan(spread, { nodes: roomy }).explanation).toContain("they wait for their turn");
    expect(plan(["n1", "n2", "n3", "", "n2"], { nodes: nodesOf(3) }).explanation).toContain("their turn");
  });

  test("of a group that cannot be read is to leave everything where it is", () => {
    const shards = ["n1", "n2:corrupt", "n3:writing", "n4:stale", "n5"];
    expect(plan(shards)).toMatchObject({
      problem: "corrupt",
      make: [],
      removals: [],
      remove: [],
      priority: 0,
    });
    expect(plan(shards).explanation).toBe(
      "2 of its 5 shards can be read, 3 are needed: shard 1 of n2 is damaged, shard 2 of n3 is not whole, shard 3 of n4 is stale.",
    );
    const gone = { n1: { live: false }, n2: { live: false }, n3: { live: false } };
    expect(plan(GOOD, { nodes: nodesOf(6, gone) })).toMatchObject({ problem: "missing", make: [] });
  });

  test("removes a bad shard when a good one is there, and a stale one at once", () => {
    expect(plan(["n1", "n2:corrupt", "n3", "n4", "n5"])).toMatchObject({ removals: [], make: [{ unit: 1 }] });
    expect(plan(["n1", "n2:corrupt n6", "n3", "n4", "n5"])).toMatchObject({
      problem: "none",
      removals: [{ unit: 1, node: "n2" }],
      remove: ["n2"],
    });
    expect(plan(["n1", "n2:stale", "n3:writing", "n4", "n5"])).toMatchObject({
      removals: [{ unit: 1, node: "n2" }],
      make: [{ unit: 1 }, { unit: 2 }],
    });
    expect(plan(["n1", "n2:short n6", "n3", "n4", "n5"]).removals).toEqual([{ unit: 1, node: "n2" }]);
    // Where one is being made: an order to remove the bad one would come after it, and hit the new one.
    const pending = { 1: ["n2"] };
    expect(plan(["n1", "n2:stale", "n3", "n4", "n5"], { pending }).removals).toEqual([]);
    expect(plan(["n1", "n6 n2:writing", "n3", "n4", "n5"], { pending }).removals).toEqual([]);
  });

  test("copies from a node that leaves, and waits for one that comes back", () => {
    const leaving = { n3: { standing: "decommissioning" } } as const;
    expect(plan(GOOD, { nodes: nodesOf(6, leaving) })).toMatchObject({
      priority: 3,
      make: [{ unit: 2, copyFrom: ["n3"] }],
      removals: [],
    });
    const away = { n3: { standing: "inMaintenance" }, n4: { standing: "inMaintenance" } } as const;
    expect(plan(GOOD, { nodes: nodesOf(6, away) })).toMatchObject({ problem: "none", make: [] });
    const many = { ...away, n5: { standing: "inMaintenance" } } as const;
    expect(plan(GOOD, { nodes: nodesOf(6, many) }).make.map(({ unit }) => unit)).toEqual([2, 3, 4]);
  });

  test("waits also for one that is silent, as long as the group can be read without it", () => {
    const rests = { standing: "inMaintenance", live: false } as const;
    const few = plan(GOOD, { nodes: nodesOf(6, { n3: rests, n4: rests }) });
    expect(few).toMatchObject({ problem: "none", make: [], removals: [], counted: 1 });
    expect(few.readable).toEqual([["n1"], ["n2"], [], [], ["n5"]]);
    // What is lost beside them is made anew, and where they are counts for its place.
    const lost = plan(without(4), { nodes: nodesOf(7, { n3: rests }) });
    expect(lost).toMatchObject({ make: [{ unit: 4 }], present: ["n1", "n2", "n3", "n4"] });
    expect(lost.explanation).toBe("It has 4 good shards of 5; they wait for their turn.");
    // A silent one cannot be copied: it is made of the others.
    const back = { n3: { live: false } };
    expect(plan(GOOD, { nodes: nodesOf(6, back) }).make).toEqual([{ unit: 2, copyFrom: [] }]);
    const many = plan(GOOD, {
      nodes: nodesOf(6, { n3: rests, n4: rests, n5: { standing: "inMaintenance" } }),
    });
    expect(many.make).toEqual([
      { unit: 2, copyFrom: [] },
      { unit: 3, copyFrom: [] },
      { unit: 4, copyFrom: ["n5"] },
    ]);
    expect(many.explanation).toContain("n3 is in maintenance");
    const unread = plan(GOOD, { nodes: nodesOf(6, { n3: rests, n4: rests, n5: rests }) });
    expect(unread).toMatchObject({ problem: "missing", make: [] });
  });

  test("of which a node rests is moved to no other rack", () => {
    const nodes = (changes: Readonly<Record<NodeId, Partial<BlockNode>>>): readonly BlockNode[] =>
      nodesOf(6, changes).map((each) => ({ ...each, rack: each.id < "n4" ? "/a" : "/b" }));
    for (const live of [true, false]) {
      const rests = { n4: { standing: "inMaintenance", live } } as const;
      expect(plan(GOOD, { nodes: nodes(rests) })).toMatchObject({ problem: "none", make: [] });
    }
  });

  test("removes what is there twice, from the node that has more of the group", () => {
    expect(plan(["n1 n2", "n2", "n3", "n4", "n5"])).toMatchObject({
      problem: "over-replicated",
      surplus: [{ unit: 0, node: "n2" }],
    });
    const full = { n1: { usedBytes: 9e8, freeBytes: 1e8 } };
    expect(plan(["n1 n6", "n2", "n3", "n4", "n5"], { nodes: nodesOf(6, full) }).surplus).toEqual([
      { unit: 0, node: "n1" },
    ]);
  });

  test("moves a shard when another node would have fewer, and does not move it back", () => {
    const crowded = plan(["n1", "n1", "n3", "n4", "n5"], { nodes: nodesOf(5) });
    expect(crowded).toMatchObject({
      problem: "misplaced",
      make: [{ unit: 0, copyFrom: ["n1"] }],
      priority: 3,
    });
    expect([...crowded.avoid].sort()).toEqual(["n1", "n3", "n4", "n5"]);
    expect(crowded.explanation).toBe("n1 holds 2 of its shards; one is made on n2 when its turn comes.");
    const full = plan(["n1", "n1", "n3", "n4", "n5"], { nodes: nodesOf(5, { n2: { freeBytes: 10 } }) });
    expect(full.explanation).toMatch(
      /^n1 holds 2 of its shards; no other node can take one \(n2 has only 10 bytes free/,
    );
    expect(plan(["n1 n2", "n1", "n3", "n4", "n5"], { nodes: nodesOf(5) }).surplus).toEqual([
      { unit: 0, node: "n1" },
    ]);
    expect(plan(["n2", "n1", "n3", "n4", "n5"], { nodes: nodesOf(5) }).problem).toBe("none");
    // As even as three nodes allow.
    const even = plan(["n1", "n2", "n3", "n1", "n2"], { nodes: nodesOf(3) });
    expect(even).toMatchObject({ problem: "none", crowded: true });
    expect(plan(["n1", "n1", "n3", "n1", "n2"], { nodes: nodesOf(3) }).problem).toBe("misplaced");
  });

  test("moves a shard off a rack that holds more than may be lost, where that helps", () => {
    const racks = { n1: "/a", n2: "/a", n3: "/a", n4: "/b", n5: "/b", n6: "/b" };
    const nodes = (more: Partial<BlockNode> = {}): BlockNode[] =>
      nodesOf(6).map((each) => ({
        ...each,
        rack: racks[each.id as keyof typeof racks],
        ...(each.id === "n6" ? more : {}),
      }));
    // Three on /a and two on /b: as good as it gets with two racks.
    expect(plan(GOOD, { nodes: nodes() })).toMatchObject({ problem: "none", crowded: false });
    const lopsided = nodes().map((each) => (each.id === "n4" ? { ...each, rack: "/a" } : each));
    const moved = plan(["n1", "n2", "n3", "n4", "n5"], { nodes: lopsided });
    expect(moved).toMatchObject({ problem: "misplaced", make: [{ unit: 0, copyFrom: ["n1"] }] });
    expect(moved.avoid.has("n6")).toBe(false);
    expect(plan(["n1 n6", "n2", "n3", "n4", "n5"], { nodes: lopsided }).surplus).toEqual([
      { unit: 0, node: "n1" },
    ]);
    expect(plan(["n6", "n2", "n3", "n4", "n5"], { nodes: lopsided }).problem).toBe("none");
    const full = lopsided.map((each) => (each.id === "n6" ? { ...each, stale: true } : each));
    expect(plan(GOOD, { nodes: full })).toMatchObject({ problem: "none", crowded: true });
  });
});

describe("the placement of a group", () => {
  const random = (seed = 1): (() => number) => {
    const drawn = seededRandom(seed);
    return () => drawn.float();
  };
  const request = {
    geometry: SMALL_RS32,
    count: 5,
    roomBytes: 5000,
    exclude: new Set<NodeId>(),
    placed: [],
  };
  const counts = (chosen: readonly string[]): number[] =>
    [...new Set(chosen)].map((id) => chosen.filter((each) => each === id).length).sort((a, b) => a - b);

  test("puts every shard on a node of its own where there are as many", () => {
    for (let seed = 1; seed < 20; seed++) {
      expect(new Set(chooseGroupPlacement(nodesOf(7), request, random(seed))).size).toBe(5);
    }
  });

  test("spreads over fewer nodes evenly, so that from three on any one may be lost", () => {
    expect(counts(chooseGroupPlacement(nodesOf(3), request, random()))).toEqual([1, 2, 2]);
    const nine = { ...request, geometry: SMALL_RS63, count: 9 };
    expect(counts(chooseGroupPlacement(nodesOf(3), nine, random()))).toEqual([3, 3, 3]);
    expect(counts(chooseGroupPlacement(nodesOf(4), nine, random()))).toEqual([2, 2, 2, 3]);
    // Two nodes can take what is needed to read, and one cannot.
    expect(counts(chooseGroupPlacement(nodesOf(2), request, random()))).toEqual([2, 2]);
    expect(counts(chooseGroupPlacement(nodesOf(2), nine, random()))).toEqual([3, 3]);
    expect(counts(chooseGroupPlacement(nodesOf(1), request, random()))).toEqual([2]);
    expect(chooseGroupPlacement([], request, random())).toEqual([]);
  });

  test("takes no node that is silent, leaving, not wanted or full", () => {
    const nodes = nodesOf(8, {
      n1: { live: false },
      n2: { stale: true },
      n3: { standing: "decommissioning" },
      n4: { freeBytes: 4_999 },
    });
    const chosen = chooseGroupPlacement(nodes, { ...request, exclude: new Set(["n5"]) }, random());
    expect(new Set(chosen)).toEqual(new Set(["n6", "n7", "n8"]));
  });

  test("spreads over racks, and goes on from what is placed", () => {
    const nodes = nodesOf(6).map((each, at) => ({ ...each, rack: at < 3 ? "/a" : "/b" }));
    for (let seed = 1; seed < 20; seed++) {
      const chosen = chooseGroupPlacement(nodes, request, random(seed));
      expect(counts(chosen.map((id) => (id < "n4" ? "/a" : "/b")))).toEqual([2, 3]);
      const [last] = chooseGroupPlacement(
        nodes,
        { ...request, count: 1, placed: ["n1", "n4", "n5", "n6"] },
        random(seed),
      );
      expect(["n2", "n3"]).toContain(last);
    }
  });

  test("prefers the node that has less to do", () => {
    const nodes = nodesOf(2, { n1: { writers: 9 } });
    let idle = 0;
    for (let seed = 1; seed <= 100; seed++) {
      if (chooseGroupPlacement(nodes, { ...request, count: 1 }, random(seed))[0] === "n2") idle++;
    }
    expect(idle).toBeGreaterThan(60);
  });
});

test("whatever is lost and comes, following the plan ends with every shard once, and no good shard goes before another is there", () => {
  const ids = ["n1", "n2", "n3", "n4", "n5", "n6"];
  const location = fc.record({
    node: fc.constantFrom(...ids),
    state: fc.constantFrom("finished" as const, "finished" as const, "corrupt" as const, "writing" as const),
    stamp: fc.constantFrom(7, 7, 7, 6),
  });
  const shards = fc.array(fc.uniqueArray(location, { selector: ({ node: id }) => id, maxLength: 3 }), {
    minLength: 5,
    maxLength: 5,
  });
  const dead = fc.subarray(ids, { maxLength: 3 });
  fc.assert(
    fc.property(shards, dead, fc.nat(1000), (drawn, gone, seed) => {
      const nodes = new Map(ids.map((id) => [id, node(id, { live: !gone.includes(id) })]));
      const block = {
        id: 160,
        stamp: 7,
        length: LENGTH,
        replication: 1,
        open: false,
        file: 1,
        coding: SMALL_RS32,
      };
      let now: ReplicaLocation[][] = drawn.map((each, unit) =>
        each.map((replica) => ({ ...replica, length: shardLength(SMALL_RS32, LENGTH, unit) })),
      );
      const drawnRandom = seededRandom(seed);
      const good = (): number =>
        now.filter((each) =>
          each.some(
            ({ node: id, state, stamp }) => state === "finished" && stamp === 7 && nodes.get(id)?.live,
          ),
        ).length;
      const before = good();
      for (let round = 0; round < 40; round++) {
        const next = planGroupRepair({ block, shards: now, nodes, pending: [] });
        const at = good();
        if (next.problem === "missing" || next.problem === "corrupt") {
          expect(before).toBeLessThan(3);
          expect(next.remove).toEqual([]);
          return;
        }
        if (next.make.length === 0 && next.remove.length === 0) {
          expect(next.problem).toBe("none");
          expect(good()).toBe(unitsOf(SMALL_RS32));
          return;
        }
        const removed = [...next.removals, ...next.surplus];
        const goes = (unit: number, id: NodeId): boolean =>
          removed.some((one) => one.unit === unit && one.node === id);
        now = now.map((each, unit) => each.filter(({ node: id }) => !goes(unit, id)));
        expect(good()).toBe(at);
        const placed = [...next.present];
        for (const { unit, copyFrom } of next.make) {
          const exclude = new Set([...next.avoid, ...(next.readable[unit] ?? [])]);
          const wanted = { geometry: SMALL_RS32, count: 1, roomBytes: 10, exclude, placed };
          const [target] = chooseGroupPlacement([...nodes.values()], wanted, () => drawnRandom.float());
          if (target === undefined) continue;
          expect(copyFrom.includes(target)).toBe(false);
          placed.push(target);
          now[unit] = (now[unit] ?? []).filter(({ node: id }) => id !== target);
          now[unit].push({
            node: target,
            stamp: 7,
            state: "finished",
            length: shardLength(SMALL_RS32, LENGTH, unit),
          });
        }
      }
      expect.unreachable("the plan does not come to an end");
    }),
    { numRuns: 2_000 },
  );
});
