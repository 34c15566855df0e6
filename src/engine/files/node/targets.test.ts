import { expect, test } from "vitest";
import type { NodeId } from "../../../runtime/world.ts";
import { seededRandom } from "../../group/write-ahead-log/crash-disk.testing.ts";
import type { BlockNode } from "../blocks/locations.ts";
import { SMALL_RS32 } from "../erasure/group.testing.ts";
import { Targets } from "./targets.ts";

const BLOCK_BYTES = 1000;
const NOBODY: ReadonlySet<NodeId> = new Set();
const WANTED = { replicas: 1, blockSize: BLOCK_BYTES, exclude: NOBODY, writer: "n1" };

/** Nodes that tell of room for so many blocks. */
function targetsOf(room: Readonly<Record<NodeId, number>>, away: readonly NodeId[] = []): Targets {
  const nodes = Object.entries(room).map(([id, blocks]): BlockNode => {
    const told = { capacityBytes: 1_000_000, usedBytes: 0, freeBytes: blocks * BLOCK_BYTES };
    const load = { term: 1, silentMs: 0, writers: 0, readers: 0 };
    return {
      id,
      http: undefined,
      rack: "/r",
      standing: "inService",
      live: true,
      stale: false,
      away: away.includes(id),
      ...told,
      ...load,
    };
  });
  return new Targets({ nodes: () => nodes }, seededRandom(1));
}

/** A block that is begun, and goes where it is said. */
function begin(targets: Targets): NodeId | undefined {
  const nodes = targets.choose(WANTED);
  targets.schedule(nodes, BLOCK_BYTES);
  return nodes[0];
}

test("blocks that are begun take the room of those that come behind them, within one heartbeat", () => {
  const targets = targetsOf({ n1: 8, n2: 100 });
  const nodes = Array.from({ length: 6 }, () => begin(targets));
  // Five blocks are to fit: so it takes four of eight.
  expect(nodes).toEqual(["n1", "n1", "n1", "n1", "n2", "n2"]);
});

test("what has ended counts with its length, until its node has told what is left", () => {
  const targets = targetsOf({ n1: 6, n2: 100 });
  const blocks = [1, 2].map(() => targets.schedule(["n1"], BLOCK_BYTES));
  expect(targets.choose(WANTED)).toEqual(["n2"]);
  for (const block of blocks) block.end(600);
  expect(targets.choose(WANTED)).toEqual(["n2"]);
  for (let told = 0; told < 2; told++) targets.measured("n2");
  expect(targets.choose(WANTED)).toEqual(["n2"]);
  for (let told = 0; told < 2; told++) targets.measured("n1");
  expect(targets.choose(WANTED)).toEqual(["n1"]);
});

test("where no node has room beside what is scheduled, one is chosen by what it has free", () => {
  const targets = targetsOf({ n1: 2, n2: 0.5 });
  const nodes = Array.from({ length: 20 }, () => begin(targets));
  expect(new Set(nodes)).toEqual(new Set(["n1"]));
  expect(targets.choose({ ...WANTED, blockSize: 3 * BLOCK_BYTES })).toEqual([]);
});

test("nodes with room beside what is scheduled come first, the others make up the number", () => {
  const targets = targetsOf({ n1: 9, n2: 9, n3: 9, n4: 0 });
  for (let n = 0; n < 9; n++) targets.schedule(["n1", "n2"], BLOCK_BYTES);
  const nodes = targets.choose({ ...WANTED, replicas: 3 });
  expect(nodes[0]).toBe("n3");
  expect(nodes.toSorted()).toEqual(["n1", "n2", "n3"]);
});

test("shards go to nodes with room beside what is scheduled, as long as that leaves as many nodes", () => {
  const ids = ["n1", "n2", "n3", "n4", "n5", "n6"];
  const targets = targetsOf(Object.fromEntries(ids.map((id) => [id, 12])));
  const request = { coding: SMALL_RS32, shardBytes: BLOCK_BYTES, exclude: NOBODY };
  for (let n = 0; n < 9; n++) targets.schedule(["n2"], BLOCK_BYTES);
  expect(targets.chooseShards(request).toSorted()).toEqual(["n1", "n3", "n4", "n5", "n6"]);
  for (let n = 0; n < 9; n++) targets.schedule(["n4"], BLOCK_BYTES);
  expect(new Set(targets.chooseShards(request)).size).toBe(5);
  for (let n = 0; n < 20; n++) targets.schedule(ids, BLOCK_BYTES);
  expect(new Set(targets.chooseShards(request)).size).toBe(5);
});

test("nodes that cannot be reached just now are chosen where too few others are left, for blocks and for shards", () => {
  const room = { n1: 9, n2: 9, n3: 9, n4: 9, n5: 9 };
  const wanted = { ...WANTED, replicas: 3 };
  expect(targetsOf(room, ["n2", "n4"]).choose(wanted).toSorted()).toEqual(["n1", "n3", "n5"]);
  const few = targetsOf(room, ["n2", "n3", "n4", "n5"]).choose(wanted);
  expect(few[0]).toBe("n1");
  expect(new Set(few).size).toBe(3);
  const shards = targetsOf(room, ["n2", "n3"]).chooseShards({
    coding: SMALL_RS32,
    shardBytes: BLOCK_BYTES,
    exclude: NOBODY,
  });
  expect(new Set(shards).size).toBe(5);
});
