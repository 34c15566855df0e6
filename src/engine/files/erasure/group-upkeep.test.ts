import { expect, test } from "vitest";
import type { Bytes } from "../../../runtime/bytes.ts";
import type { NodeId } from "../../../runtime/world.ts";
import { BlockCluster } from "../blocks/block-cluster.testing.ts";
import { streamBytes } from "../blocks/block-store.testing.ts";
import { BlockUpkeep } from "../blocks/block-upkeep.ts";
import type { RecoveryReport } from "../blocks/protocol.ts";
import type { ErasurePolicy } from "../namespace/erasure-policy.ts";
import { groupOf, shardLength, unitsOf } from "../namespace/erasure-policy.ts";
import type { OpenFile } from "../namespace/model.ts";
import type { StoredBlock } from "../namespace/queries.ts";
import { CELL, groupWriterAt, rangeOf, readAt, shardsOf, SMALL_RS32, writeGroup } from "./group.testing.ts";

const LENGTH = 5 * 3 * CELL + 2 * CELL + 11;
const UNITS = unitsOf(SMALL_RS32);

/** Nodes of which the first two keep the namespace: what the log would say is said here. */
class Managed {
  readonly blocks = new Map<number, StoredBlock>();
  readonly contents = new Map<number, Bytes>();
  private readonly expected = new Map<Bytes, readonly Buffer[]>();
  readonly open: OpenFile[] = [];
  readonly reports: RecoveryReport[] = [];
  readonly upkeeps = new Map<NodeId, BlockUpkeep>();
  leader: NodeId = "n1";
  term = 1;
  readonly ids: readonly NodeId[];
  readonly cluster: BlockCluster;

  readonly coding: ErasurePolicy;

  constructor(seed: number, nodes: number, mayDecay = false, coding = SMALL_RS32) {
    this.coding = coding;
    this.ids = Array.from({ length: nodes }, (_, at) => `n${at + 1}`);
    this.cluster = new BlockCluster(seed, this.ids, {
      mayDecay,
      namespaceNodes: ["n1", "n2"],
      begun: (id, { link, world }) => {
        if (id !== "n1" && id !== "n2") return;
        const upkeep = new BlockUpkeep(link, {
          namespace: {
            block: (block) => this.blocks.get(block) ?? this.groupWith(block),
            blocks: () => this.blocks.values(),
            nextBlockId: 1600,
            openFiles: () => this.open,
          },
          leading: () => (this.leader === id ? this.term : undefined),
          barrier: (done) => void world.clock.setTimer(5, () => done(undefined)),
          finishRecovery: (report) => this.reports.push(report),
          random: world.random,
          address: () => undefined,
        });
        this.upkeeps.set(id, upkeep);
      },
    });
  }

  private groupWith(shard: number): StoredBlock | undefined {
    return shard - groupOf(shard) < UNITS ? this.blocks.get(groupOf(shard)) : undefined;
  }

  get upkeep(): BlockUpkeep {
    return this.upkeeps.get(this.leader) as BlockUpkeep;
  }

  write(id: number, nodes: readonly NodeId[], length = LENGTH): void {
    const at = this.cluster.nodes.has("n1") ? "n1" : "n2";
    this.contents.set(id, writeGroup(this.cluster, at, nodes, length, { block: id, geometry: this.coding }));
    this.put({ id, stamp: 1, length, replication: 1, open: false, file: id, coding: this.coding });
  }

  put(block: StoredBlock): void {
    this.blocks.set(block.id, block);
    for (const upkeep of this.upkeeps.values()) upkeep.observer.blockChanged(block);
  }

  /** By unit: nodes that run and hold a finished shard whose bytes are right. */
  shards(id: number): NodeId[][] {
    const content = this.contents.get(id) as Bytes;
    const expected = this.expected.get(content) ?? shardsOf(content, this.coding);
    this.expected.set(content, expected);
    return expected.map((bytes, unit) =>
      [...this.cluster.nodes.keys()]
        .filter((node) => this.cluster.node(node).store.get(id + unit)?.state === "finished")
        .filter((node) => this.isRight(node, id + unit, bytes))
        .sort(),
    );
  }

  private isRight(node: NodeId, id: number, bytes: Uint8Array): boolean {
    try {
      return this.cluster.replicaOf(node, id)?.equals(bytes) === true;
    } catch {
      // It was removed while it was read.
      return false;
    }
  }

  /** Looks each half second: looking is what costs. */
  until(condition: () => boolean, what: string, forMs = 120_000): void {
    for (let passed = 0; !condition(); passed += 500) {
      if (passed > forMs) throw new Error(`not within ${forMs} ms: ${what}`);
      this.cluster.run(500);
    }
  }

  isWhole(id: number): boolean {
    const length = this.contents.get(id)?.length ?? 0;
    return (
      this.upkeep.situation(id)?.problem === "none" &&
      this.shards(id).every(
        (nodes, unit) => nodes.length === (shardLength(this.coding, length, unit) === 0 ? 0 : 1),
      )
    );
  }

  /** As a reader that looks up who holds what. */
  read(id: number): Bytes {
    const { upkeep, cluster } = this;
    const length = this.contents.get(id)?.length ?? 0;
    const from = Array.from({ length: UNITS }, (_, unit) =>
      upkeep.locations.readable(id + unit, 1, this.leader).map(({ node }) => node),
    );
    return readAt(cluster, this.leader, { ...rangeOf([], length), block: id, from });
  }
}

test("minutes after two nodes' death nobody has to be told: every shard is there again, each on a node of its own", () => {
  const managed = new Managed(1, 7);
  const { cluster } = managed;
  for (let id = 160; id < 160 + 8 * 16; id += 16) managed.write(id, ["n3", "n4", "n5", "n6", "n7"]);
  managed.write(16, ["n3", "n4", "n5", "n6", "n7"], 100);
  cluster.run(11_000);
  expect(managed.isWhole(160)).toBe(true);
  cluster.losePower("n4");
  cluster.losePower("n7");
  const diedMs = cluster.world.scheduler.nowMs;
  const why = (): string => managed.upkeep.situation(160)?.explanation ?? "";
  managed.until(() => why().includes("n4 is silent, n7 is silent"), "noticed", 15_000);
  expect(managed.read(160).equals(managed.contents.get(160) as Bytes)).toBe(true);
  const all = [...managed.blocks.keys()];
  managed.until(() => all.every((id) => managed.isWhole(id)), "made anew");
  expect(cluster.world.scheduler.nowMs - diedMs).toBeLessThan(60_000);
  for (const id of all) expect(new Set(managed.shards(id).flat()).size).toBe(id === 16 ? 3 : UNITS);
  for (const id of ["n4", "n7"]) cluster.start(id);
  managed.until(() => managed.upkeep.situation(160)?.problem === "over-replicated", "seen again");
  managed.until(() => all.every((id) => managed.isWhole(id)), "the surplus is gone");
});

test("a shard whose sources have just died is not ordered in a loop, and made when one is back", () => {
  const managed = new Managed(14, 7);
  const { cluster } = managed;
  managed.write(160, ["n3", "n4", "n5", "n6", "n7"]);
  cluster.run(11_000);
  const orderedMs = new Map<string, number[]>();
  for (const id of ["n1", "n2"]) {
    cluster.node(id).link.on("rebuild", (_, { unit }) => {
      const times = orderedMs.get(`${id}/${unit}`) ?? [];
      orderedMs.set(`${id}/${unit}`, [...times, cluster.world.scheduler.nowMs]);
    });
  }
  cluster.kill("n3");
  cluster.kill("n4");
  cluster.until(() => managed.upkeep.situation(160)?.problem === "under-replicated", "noticed");
  // Three shards are left as far as anybody knows, for ten seconds more.
  cluster.kill("n5");
  cluster.run(8_000);
  const all = [...orderedMs.values()];
  expect(all.some((times) => times.length > 1)).toBe(true);
  for (const times of all) {
    for (const [at, ms] of times.slice(1).entries()) expect(ms - (times[at] ?? 0)).toBeGreaterThan(2_900);
  }
  cluster.start("n5");
  managed.until(() => managed.isWhole(160), "made", 20_000);
});

test("three nodes bear the loss of one, and a fourth one takes its share", () => {
  const managed = new Managed(2, 4);
  const { cluster } = managed;
  cluster.losePower("n4");
  cluster.run(11_000);
  managed.write(160, ["n1", "n2", "n3", "n1", "n2"]);
  cluster.run(11_000);
  expect(managed.isWhole(160)).toBe(true);
  cluster.losePower("n2");
  cluster.run(15_000);
  expect(managed.read(160).equals(managed.contents.get(160) as Bytes)).toBe(true);
  // Two nodes take no more than the group can lose: one of the two shards waits.
  cluster.run(30_000);
  expect(managed.shards(160).filter((nodes) => nodes.length > 0)).toHaveLength(4);
  expect(managed.upkeep.situation(160)?.explanation).toContain("no other node can take one (n1 may hold");
  cluster.start("n2");
  managed.until(() => managed.isWhole(160), "whole again");
  cluster.start("n4");
  const most = (): number =>
    Math.max(...managed.ids.map((id) => managed.shards(160).filter((nodes) => nodes.includes(id)).length));
  managed.until(() => managed.isWhole(160) && managed.shards(160).flat().includes("n4"), "spread");
  cluster.run(20_000);
  expect(managed.isWhole(160)).toBe(true);
  expect(most()).toBe(2);
});

for (const comes of ["back", "anew"] as const) {
  test(`groups that were written with a node too few are spread when it comes ${comes}, however long it took`, () => {
    const managed = new Managed(9, 5);
    const { cluster } = managed;
    if (comes === "back") cluster.run(5_000);
    cluster.losePower("n5");
    cluster.run(comes === "back" ? 15_000 : 11_000);
    const all = [160, 176, 192];
    for (const id of all) managed.write(id, ["n1", "n2", "n3", "n4", "n4"]);
    cluster.run(60_000);
    expect(all.every((id) => managed.isWhole(id))).toBe(true);
    cluster.start("n5");
    const isSpread = (): boolean => all.every((id) => new Set(managed.shards(id).flat()).size === UNITS);
    managed.until(() => isSpread() && all.every((id) => managed.isWhole(id)), "spread", 60_000);
  });
}

test("a group of which two shards share a node is spread when another node is recommissioned", () => {
  const managed = new Managed(10, 5);
  const { cluster } = managed;
  cluster.standings.set("n5", "decommissioning");
  cluster.run(11_000);
  managed.write(160, ["n1", "n2", "n3", "n4", "n4"]);
  cluster.run(60_000);
  expect(managed.isWhole(160)).toBe(true);
  cluster.standings.set("n5", "inService");
  cluster.node("n5").dataNode.report();
  const isSpread = (): boolean => new Set(managed.shards(160).flat()).size === UNITS;
  managed.until(() => isSpread() && managed.isWhole(160), "spread", 60_000);
});

test("a group is spread to a node that was full, when it gets room", () => {
  const managed = new Managed(11, 5);
  const { cluster } = managed;
  const { disk } = cluster.world.machine("n5");
  const { capacityBytes } = disk.options;
  disk.options.capacityBytes = disk.usedBytes() + CELL;
  cluster.run(11_000);
  managed.write(160, ["n1", "n2", "n3", "n4", "n4"]);
  cluster.run(60_000);
  expect(managed.shards(160)[4]).toEqual(["n4"]);
  disk.options.capacityBytes = capacityBytes;
  managed.until(() => managed.isWhole(160) && managed.shards(160).flat().includes("n5"), "spread");
});

test("a shard that only the scrubber could find damaged is made anew, on its own node when no other is there", () => {
  const managed = new Managed(3, 5, true);
  const { cluster } = managed;
  managed.write(160, managed.ids);
  cluster.run(11_000);
  for (let spot = 0; cluster.node("n3").store.get(162)?.state === "finished"; spot++) {
    if (spot > 40) throw new Error("the scrubber did not come");
    cluster.world.machine("n3").disk.decay("rot");
    cluster.run(5_000);
  }
  managed.until(() => managed.isWhole(160), "replaced", 300_000);
  expect(managed.shards(160).every((nodes) => nodes.length === 1)).toBe(true);
});

test("what a writer left behind on a node that lives is replaced there", () => {
  const managed = new Managed(4, 5);
  const { cluster } = managed;
  // The fourth node's link breaks under way: its shard stays as it is, under the stamp of the group.
  const content = managed.contents;
  const writer = groupWriterAt(cluster.node("n1"), managed.ids, { block: 160 });
  const bytes = writeGroup(cluster, "n1", managed.ids, LENGTH, { block: 320 });
  writer.write(bytes.subarray(0, 3 * CELL), () => undefined);
  cluster.run(50);
  cluster.world.network.partition(["n4"], "drop");
  cluster.run(8_000);
  cluster.world.network.heal();
  writer.write(bytes.subarray(3 * CELL), () => undefined);
  cluster.call("finish", (done) => writer.finish(done));
  expect(cluster.node("n4").store.get(163)).toMatchObject({ state: "writing", stamp: 1 });
  content.set(160, bytes);
  managed.put({
    id: 160,
    stamp: 1,
    length: LENGTH,
    replication: 1,
    open: false,
    file: 1,
    coding: SMALL_RS32,
  });
  managed.until(() => managed.isWhole(160), "made anew");
  expect(managed.shards(160)[3]).toEqual(["n4"]);
});

test("a node that no longer leads does not tell of shards that it ordered, and that nobody makes", () => {
  const managed = new Managed(14, 6);
  const { cluster } = managed;
  managed.write(160, ["n1", "n2", "n3", "n4", "n5"]);
  cluster.run(11_000);
  cluster.losePower("n5");
  const making = (): readonly string[] | undefined => managed.upkeeps.get("n1")?.situation(160)?.making;
  cluster.until(() => making()?.includes("n6") === true, "a shard is ordered");
  cluster.losePower("n6");
  managed.leader = "n2";
  managed.term = 2;
  cluster.run(1_000);
  expect(managed.upkeeps.get("n1")?.situation(160)?.making).toEqual([]);
});

test("a group that no file names goes, with all of its shards, and what is not known stays", () => {
  const managed = new Managed(5, 6);
  const { cluster } = managed;
  const nodes = ["n2", "n3", "n4", "n5", "n6"];
  managed.write(160, nodes);
  managed.write(176, nodes);
  managed.write(1600, nodes);
  cluster.run(11_000);
  managed.blocks.delete(176);
  managed.blocks.delete(1600);
  managed.upkeep.observer.blockRemoved(176, 16);
  managed.until(() => managed.shards(176).flat().length === 0, "removed");
  cluster.run(5_000);
  expect(managed.shards(160).flat()).toHaveLength(UNITS);
  expect(managed.shards(1600).flat()).toHaveLength(UNITS);
});

test("a node that is decommissioned is read from, and emptied of nothing before its shard is elsewhere", () => {
  const managed = new Managed(6, 7);
  const { cluster } = managed;
  managed.write(160, managed.ids.slice(0, 5));
  cluster.run(11_000);
  cluster.standings.set("n3", "decommissioning");
  cluster.node("n3").dataNode.report();
  managed.until(() => managed.shards(160)[2]?.length === 2, "copied");
  expect(managed.shards(160)[2]).toContain("n3");
  managed.until(() => managed.upkeep.situation(160)?.problem === "none", "all is well");
  expect(managed.shards(160)[2]).toHaveLength(2);
});

test("the balancer moves shards to a node that holds none of their group", () => {
  const managed = new Managed(7, 6);
  const { cluster } = managed;
  for (const id of managed.ids) cluster.world.machine(id).disk.options.capacityBytes = 2_000_000;
  for (let id = 160; id < 160 + 16 * 12; id += 16) managed.write(id, managed.ids.slice(0, 5));
  cluster.run(11_000);
  const { ordered = 0 } = managed.upkeep.balance(1e9, 0.01) ?? {};
  expect(ordered).toBeGreaterThan(0);
  const all = [...managed.blocks.keys()];
  const moved = (): number => all.filter((id) => managed.shards(id).flat().includes("n6")).length;
  managed.until(() => all.every((id) => managed.isWhole(id)) && moved() === ordered, "moved");
  for (const id of all) expect(new Set(managed.shards(id).flat()).size).toBe(UNITS);
});

test("a group whose writer is gone is recovered, and the log is told the length", () => {
  const coding = { ...SMALL_RS32, cellBytes: 64 * 1024 };
  const managed = new Managed(8, 7, false, coding);
  const { cluster } = managed;
  const pipeline = ["n3", "n4", "n5", "n6", "n1"];
  const length = 2 * 3 * coding.cellBytes;
  const bytes = streamBytes(160, 0, length + 100);
  const writer = groupWriterAt(cluster.node("n7"), pipeline, { block: 160, geometry: coding });
  writer.write(bytes, () => undefined);
  cluster.run(100);
  cluster.kill("n7");
  const block = { id: 160, stamp: 1, length: 0 };
  managed.blocks.set(160, { ...block, replication: 1, open: true, file: 4, coding });
  managed.open.push({
    id: 4,
    path: "/f",
    holder: "gone",
    renewedMs: 0,
    block,
    pipeline,
    recovery: { block, stamp: 7, truncateTo: undefined, copyTo: undefined, startedMs: 0 },
  });
  managed.until(() => managed.reports.length > 0, "recovered");
  expect(managed.reports[0]).toMatchObject({ file: 4, block: 160, recoveryStamp: 7, length });
  expect(managed.reports[0]?.nodes.toSorted()).toEqual(pipeline.toSorted());
  managed.open.pop();
  managed.contents.set(160, bytes.subarray(0, length));
  managed.put({ id: 160, stamp: 7, length, replication: 1, open: false, file: 4, coding });
  managed.until(() => managed.isWhole(160), "closed");
});

test("under deaths, partitions, rot and changes of the leader a group that can be read stays so, and is whole in the end", () => {
  let rebuilt = 0;
  for (let seed = 1; seed <= 14; seed++) {
    const managed = new Managed(seed, 6, true);
    const { cluster, ids } = managed;
    const { random, network } = cluster.world;
    const spread = ids.slice(0, 5);
    for (const id of [160, 176, 192]) managed.write(id, random.shuffle([...spread]));
    managed.write(208, ["n1", "n2", "n3", "n1", "n2"], 3 * CELL + 7);
    cluster.run(11_000);
    const all = [...managed.blocks.keys()];
    for (let round = 0; round < 10; round++) {
      const down = ids.filter((id) => !cluster.nodes.has(id));
      for (const id of down) if (random.chance(0.7)) cluster.start(id);
      network.heal();
      const victim = random.pick([...ids]);
      // One fault at a time on top of what is being mended: as many shards stay as are needed.
      const isMended = all.every((id) => managed.isWhole(id));
      const fault = random.pick(["death", "death", "rot", "partition", "none"] as const);
      if (fault === "death" && isMended) cluster.losePower(victim);
      else if (fault === "rot" && isMended) cluster.world.machine(victim).disk.decay("rot");
      else if (fault === "partition") network.partition([victim], random.pick(["drop", "hold"]));
      if (random.chance(0.4)) {
        managed.leader = managed.leader === "n1" ? "n2" : "n1";
        managed.term++;
      }
      cluster.run(random.between(500, 20_000));
    }
    network.heal();
    for (const id of ids) if (!cluster.nodes.has(id)) cluster.start(id);
    const settled = (): boolean => all.every((id) => managed.upkeep.situation(id)?.problem === "none");
    managed.until(() => cluster.nodes.size === ids.length && settled(), `seed ${seed} settles`, 300_000);
    for (const id of all) {
      expect(managed.read(id).equals(managed.contents.get(id) as Bytes), `seed ${seed}, group ${id}`).toBe(
        true,
      );
    }
    if (managed.shards(160).flat().includes("n6")) rebuilt++;
  }
  expect(rebuilt).toBeGreaterThan(2);
});
