import { expect, test } from "vitest";
import type { StoredBlock } from "../namespace/queries.ts";
import { BlockLog, writerAt } from "./block-cluster.testing.ts";
import { streamBytes } from "./block-store.testing.ts";
import { FIVE, LENGTH, Managed } from "./managed-blocks.testing.ts";

test("minutes after a node's death nobody has to be told: every block is whole again, and whole once it is back", () => {
  const managed = new Managed(1);
  const { cluster } = managed;
  for (let id = 1; id <= 12; id++) managed.write(id, ["n3", "n4", "n1"]);
  cluster.run(11_000);
  cluster.losePower("n4");
  const diedMs = cluster.world.scheduler.nowMs;
  const whole = (): boolean => [...managed.blocks.keys()].every((id) => managed.isHealthy(id));
  cluster.until(() => managed.upkeep.situation(1)?.problem === "under-replicated", "noticed", 15_000);
  expect(managed.upkeep.situation(1)?.explanation).toContain("n4 is silent");
  cluster.until(whole, "repaired");
  expect(cluster.world.scheduler.nowMs - diedMs).toBeLessThan(60_000);
  cluster.start("n4");
  cluster.until(() => managed.upkeep.situation(1)?.problem === "over-replicated", "seen again");
  cluster.until(whole, "the surplus is gone");
});

test("a replica that only the scrubber could find damaged is replaced", () => {
  const managed = new Managed(2, { mayDecay: true });
  const { cluster } = managed;
  managed.write(1, ["n3", "n4", "n1"]);
  cluster.run(11_000);
  expect(managed.isHealthy(1)).toBe(true);
  for (let spot = 0; cluster.node("n3").store.get(1)?.state === "finished"; spot++) {
    if (spot > 20) throw new Error("the scrubber did not come");
    cluster.world.machine("n3").disk.decay("rot");
    cluster.run(5_000);
  }
  cluster.until(() => managed.isHealthy(1), "replaced");
  cluster.run(5_000);
  expect(cluster.node("n3").store.get(1)?.state).not.toBe("corrupt");
});

test("a nearly full node takes the replicas for which it has room, one by one, and no more", () => {
  const managed = new Managed(12, { ids: ["n1", "n2", "n3", "n4"] });
  const { cluster } = managed;
  for (const id of [1, 2, 3]) managed.write(id, ["n1", "n2", "n3"]);
  cluster.run(11_000);
  const { disk } = cluster.world.machine("n4");
  disk.options.capacityBytes = disk.usedBytes() + 2.5 * LENGTH;
  cluster.node("n4").dataNode.report();
  cluster.run(1_000);
  const orders: string[] = [];
  cluster.node("n4").link.on("replicate", (_, { block }) => orders.push(`${block}`));
  cluster.losePower("n3");
  cluster.until(() => [1, 2, 3].filter((id) => managed.isHealthy(id)).length === 2, "two are repaired");
  cluster.run(30_000);
  // The third was not ordered again and again in vain.
  expect(orders).toHaveLength(2);
  const left = [1, 2, 3].find((id) => !managed.isHealthy(id)) ?? 0;
  expect(managed.upkeep.situation(left)?.explanation).toMatch(
    /n4 has only \d+ bytes free, and 303000 must be/,
  );
});

test("a new leader knows where everything is, and removes what no file names, but nothing that it does not know", () => {
  const managed = new Managed(3);
  const { cluster } = managed;
  managed.write(1, ["n3", "n4", "n1"]);
  managed.write(2, ["n3", "n4", "n1"]);
  managed.write(100, ["n3", "n4", "n1"]);
  cluster.run(11_000);
  managed.leader = "n2";
  managed.term = 2;
  managed.blocks.delete(2);
  managed.blocks.delete(100);
  managed.upkeep.observer.blockRemoved(2, 1);
  expect(managed.upkeep.locations.readable(1, 1, "n3").map(({ node }) => node)).toEqual(["n3", "n4", "n1"]);
  cluster.until(() => managed.holders(2).length === 0, "removed");
  cluster.run(5_000);
  expect(managed.holders(1)).toEqual(["n1", "n3", "n4"]);
  expect(managed.holders(100)).toEqual(["n1", "n3", "n4"]);
});

test("an order of an earlier leader is not carried out once a node has heard the later one", () => {
  const managed = new Managed(4);
  const { cluster } = managed;
  managed.write(1, ["n3", "n4", "n1"]);
  cluster.run(11_000);
  managed.leader = "n2";
  managed.term = 2;
  cluster.until(() => managed.upkeep.locations.nodes().every(({ term }) => term === 2), "heard");
  for (const node of ["n1", "n3", "n4"]) {
    cluster.node("n1").link.send(node, { type: "delete", term: 1, blocks: [1] });
  }
  cluster.run(3_000);
  expect(managed.holders(1)).toEqual(["n1", "n3", "n4"]);
});

test("a node that no longer leads does not tell of replicas that it ordered, and that nobody makes", () => {
  const managed = new Managed(13, { ids: ["n1", "n2", "n3", "n4"] });
  const { cluster } = managed;
  managed.write(1, ["n1", "n2", "n3"]);
  cluster.run(11_000);
  cluster.losePower("n3");
  const making = (): readonly string[] | undefined => managed.upkeeps.get("n1")?.situation(1)?.making;
  cluster.until(() => making()?.includes("n4") === true, "a copy is ordered");
  cluster.losePower("n4");
  managed.leader = "n2";
  managed.term = 2;
  cluster.run(30_000);
  expect(managed.upkeeps.get("n2")?.situation(1)).toMatchObject({ missing: 1, making: [] });
  expect(managed.upkeeps.get("n1")?.situation(1)).toMatchObject({ missing: 1, making: [] });
});

test("a node that is decommissioned is emptied of nothing before its blocks are elsewhere", () => {
  const managed = new Managed(5);
  const { cluster } = managed;
  managed.write(1, ["n3", "n4", "n1"]);
  cluster.run(11_000);
  cluster.standings.set("n3", "decommissioning");
  cluster.node("n3").dataNode.report();
  cluster.until(() => managed.holders(1).length === 4, "copied");
  expect(managed.holders(1)).toContain("n3");
  cluster.until(() => managed.upkeep.situation(1)?.problem === "none", "reported");
  expect(managed.upkeep.situation(1)).toMatchObject({ missing: 0 });
});

test("blocks that were written while a rack was away get a replica there when it comes back, though it never had one", () => {
  const managed = new Managed(13, { ids: ["n1", "n2", "n3"] });
  const { cluster } = managed;
  cluster.run(5_000);
  cluster.losePower("n3");
  cluster.run(15_000);
  managed.write(1, ["n1", "n2"]);
  managed.put({ ...(managed.blocks.get(1) as StoredBlock), replication: 2 });
  cluster.run(60_000);
  expect(managed.upkeep.situation(1)?.problem).toBe("none");
  cluster.start("n3");
  const isOnBoth = (): boolean => managed.holders(1).length === 2 && managed.holders(1).includes("n3");
  cluster.until(() => isOnBoth() && managed.upkeep.situation(1)?.problem === "none", "on both racks", 60_000);
});

test("replication that is raised and lowered is followed", () => {
  const managed = new Managed(6);
  const { cluster } = managed;
  managed.write(1, ["n3", "n4", "n1"]);
  cluster.run(11_000);
  managed.put({ ...(managed.blocks.get(1) as StoredBlock), replication: 5 });
  cluster.until(() => managed.holders(1).length === 5, "raised");
  managed.put({ ...(managed.blocks.get(1) as StoredBlock), replication: 2 });
  cluster.until(() => managed.holders(1).length === 2, "lowered");
  cluster.run(10_000);
  expect(managed.holders(1)).toHaveLength(2);
  expect(managed.upkeep.situation(1)?.problem).toBe("none");
});

test("a block whose writer is gone is recovered, and the log is told the length", () => {
  const managed = new Managed(7);
  const { cluster } = managed;
  const writer = writerAt(cluster.node("n5"), new BlockLog(1, ["n3", "n4", "n1"]));
  writer.write(streamBytes(1, 0, LENGTH), () => undefined);
  cluster.call("sync", (done) => writer.sync(done));
  cluster.kill("n5");
  const block = { id: 1, stamp: 1, length: LENGTH };
  managed.blocks.set(1, { ...block, replication: 3, open: true, file: 4 });
  managed.open.push({
    id: 4,
    path: "/f",
    holder: "gone",
    renewedMs: 0,
    block,
    pipeline: ["n3", "n4", "n1"],
    recovery: { block, stamp: 7, truncateTo: undefined, copyTo: undefined, startedMs: 0 },
  });
  cluster.until(() => managed.reports.length > 0, "recovered");
  expect(managed.reports[0]).toMatchObject({ file: 4, block: 1, recoveryStamp: 7, length: LENGTH });
  expect(managed.reports[0]?.nodes.toSorted()).toEqual(["n1", "n3", "n4"]);
});

test("under deaths, partitions and changes of the leader no block ever loses its last good replica", () => {
  for (let seed = 1; seed <= 12; seed++) {
    const managed = new Managed(seed);
    const { cluster } = managed;
    const { random, network } = cluster.world;
    for (let id = 1; id <= 4; id++) managed.write(id, ["n3", "n4", "n1"]);
    managed.put({ ...(managed.blocks.get(1) as StoredBlock), replication: 1 });
    cluster.run(11_000);
    for (let round = 0; round < 12; round++) {
      const down = FIVE.filter((id) => !cluster.nodes.has(id));
      for (const id of down) if (random.chance(0.7)) cluster.start(id);
      network.heal();
      const victim = random.pick([...FIVE]);
      if (down.length === 0 && random.chance(0.5)) cluster.losePower(victim);
      else if (random.chance(0.4)) network.partition([victim], random.pick(["drop", "hold"]));
      if (random.chance(0.4)) {
        managed.leader = managed.leader === "n1" ? "n2" : "n1";
        managed.term++;
      }
      const replication = random.pick([1, 2, 3]);
      managed.put({ ...(managed.blocks.get(2) as StoredBlock), replication });
      cluster.run(random.between(500, 20_000));
    }
    network.heal();
    for (const id of FIVE) if (!cluster.nodes.has(id)) cluster.start(id);
    const settled = (): boolean => {
      return [...managed.blocks.keys()].every((id) => managed.upkeep.situation(id)?.problem === "none");
    };
    cluster.until(() => cluster.nodes.size === FIVE.length && settled(), `seed ${seed} settles`, 300_000);
    for (const { id, replication } of managed.blocks.values()) {
      expect(managed.holders(id).length, `seed ${seed}, block ${id}`).toBeGreaterThanOrEqual(replication);
    }
  }
});

test("where the nodes of all other racks are full a block stays on its rack, and none is made there in vain", () => {
  const managed = new Managed(14);
  const { cluster } = managed;
  managed.write(1, ["n3", "n4"], "n3");
  managed.put({ ...(managed.blocks.get(1) as StoredBlock), replication: 2 });
  const setRoom = (bytes: number): void => {
    for (const id of ["n1", "n2"] as const) {
      const { disk } = cluster.world.machine(id);
      disk.options.capacityBytes = disk.usedBytes() + bytes;
      cluster.node(id).dataNode.report();
    }
  };
  setRoom(1000);
  const orders: number[] = [];
  for (const id of FIVE) cluster.node(id).link.on("replicate", (_, { block }) => orders.push(block));
  cluster.until(() => managed.upkeep.situation(1)?.problem === "misplaced", "noticed", 20_000);
  cluster.run(30_000);
  expect(orders).toEqual([]);
  expect(managed.holders(1)).toEqual(["n3", "n4"]);
  expect(managed.upkeep.situation(1)?.explanation).toMatch(
    /no other node can take one \(n1 has only \d+ bytes/,
  );
  setRoom(10 * LENGTH);
  const isOnBoth = (): boolean => managed.holders(1).filter((id) => id === "n1" || id === "n2").length === 1;
  const isDone = (): boolean =>
    managed.holders(1).length === 2 && managed.upkeep.situation(1)?.problem === "none";
  cluster.until(() => isOnBoth() && isDone(), "on both racks", 60_000);
});
