import { expect, test } from "vitest";
import type { NodeId } from "../../../runtime/world.ts";
import { BlockCluster } from "../blocks/block-cluster.testing.ts";
import { streamBytes } from "../blocks/block-store.testing.ts";
import type { RecoveryReport } from "../blocks/protocol.ts";
import type { HeldShard } from "./choose-group-recovery.ts";
import { chooseGroupRecovery } from "./choose-group-recovery.ts";
import { GROUP, groupWriterAt, rangeOf, readAt, shardsOf, SMALL_RS32 } from "./group.testing.ts";

const IDS = ["n1", "n2", "n3", "n4", "n5", "n6"] as const;
const FIVE = IDS.slice(0, 5);
/** As large as a packet, so that cells leave the writer before it ends. */
const CELL = 64 * 1024;
const CODED = { ...SMALL_RS32, cellBytes: CELL };
const STRIPE = 3 * CELL;

test("a group ends with the last stripe that as many shards have as data needs", () => {
  const held = (lengths: readonly number[], changes: Partial<HeldShard["replica"]> = {}): HeldShard[] =>
    lengths.map((length, unit) => ({
      unit,
      node: `n${unit}`,
      replica: { id: GROUP + unit, stamp: 1, length, state: "writing", ...changes },
    }));
  const known = { stamp: 1, geometry: CODED };
  const units = (lengths: readonly number[]): readonly [number, number[]] => {
    const { stripes, shards } = chooseGroupRecovery(held(lengths), known);
    return [stripes, shards.map(({ unit }) => unit)];
  };
  expect(units([3 * CELL, 3 * CELL, 2 * CELL, 2 * CELL, 2 * CELL])).toEqual([2, [0, 1, 2, 3, 4]]);
  expect(units([3 * CELL, 3 * CELL - 1, 3 * CELL, CELL, 3 * CELL])).toEqual([3, [0, 2, 4]]);
  expect(units([5 * CELL, 0, 0, CELL, CELL])).toEqual([1, [0, 3, 4]]);
  // The third cell of the second stripe is not full, which its parity does not tell; what comes behind would.
  expect(units([2 * CELL, 2 * CELL, 2 * CELL - 5, 2 * CELL, 2 * CELL])).toEqual([1, [0, 1, 2, 3, 4]]);
  expect(units([2 * CELL, 2 * CELL, 0, 2 * CELL, 2 * CELL])).toEqual([1, [0, 1, 3, 4]]);
  expect(units([2 * CELL + 1, 2 * CELL, 0, 2 * CELL, 2 * CELL])).toEqual([2, [0, 1, 3, 4]]);
  expect(units([5 * CELL, 5 * CELL]).at(0)).toBe(0);
  expect(chooseGroupRecovery(held([CELL, CELL, CELL], { state: "corrupt" }), known).stripes).toBe(0);
  expect(chooseGroupRecovery(held([CELL, CELL, CELL]), { ...known, stamp: 2 }).stripes).toBe(0);
  // What an earlier attempt cut, and what it did not reach.
  const mixed = [
    ...held([2 * CELL, 2 * CELL], { stamp: 5, state: "finished" }),
    ...held([0, 0, 3 * CELL]).slice(2),
  ];
  expect(chooseGroupRecovery(mixed, known)).toMatchObject({ stripes: 2, shards: [{}, {}, {}] });
});

function recover(
  cluster: BlockCluster,
  nodes: readonly NodeId[],
  recoveryStamp: number,
): RecoveryReport | undefined {
  const leader = cluster.node("n6");
  let report: RecoveryReport | undefined;
  const cancel = leader.link.on("recovered", (_, frame) => (report = frame));
  leader.link.send(nodes.find((id) => cluster.nodes.has(id)) ?? "n6", {
    type: "recoverGroup",
    term: 1,
    file: 9,
    block: GROUP,
    stamp: 1,
    recoveryStamp,
    geometry: CODED,
    shards: nodes.map((node, unit) => ({ unit, node })).filter(({ node }) => cluster.nodes.has(node)),
  });
  try {
    cluster.until(() => report !== undefined, "recovered", 30_000);
  } catch {
    return undefined;
  } finally {
    cancel();
  }
  return report;
}

test("a group whose writer is gone ends alike on all of its nodes, in whole stripes that can be read with two of them gone", () => {
  const all = streamBytes(GROUP, 0, 5 * STRIPE);
  let recovered = 0;
  let stripes = 0;
  for (let seed = 1; seed <= 40; seed++) {
    const cluster = new BlockCluster(seed, IDS);
    const { random } = cluster.world;
    const content = all.subarray(0, random.integer(STRIPE, 5 * STRIPE));
    const writer = groupWriterAt(cluster.node("n6"), FIVE, { geometry: CODED });
    for (let at = 0; at < content.length; at += 40_000) {
      writer.write(content.subarray(at, at + 40_000), () => undefined);
      cluster.run(random.between(0, 2));
      if (random.chance(0.1)) break;
    }
    // Also one that had written all, and could not say so.
    if (random.chance(0.3)) writer.finish(() => undefined);
    cluster.run(random.between(0, 20));
    writer.abort();
    const down = random.chance(0.5) ? random.pick([...FIVE]) : undefined;
    if (down !== undefined) cluster.losePower(down);
    cluster.run(random.between(0, 100));
    const first = recover(cluster, FIVE, 5);
    // Said twice, as when the first report was lost: it ends as it ended.
    const report = random.chance(0.5) ? recover(cluster, FIVE, 6) : first;
    expect(report?.length, `seed ${seed}`).toBe(first?.length);
    if (report?.length === undefined || report.length === 0) continue;
    recovered++;
    stripes += report.length / STRIPE;
    expect(report.length % STRIPE).toBe(0);
    const shards = shardsOf(content.subarray(0, report.length), CODED);
    for (const [unit, bytes] of shards.entries()) {
      const id = FIVE[unit] as NodeId;
      if (!report.nodes.includes(id)) continue;
      const replica = cluster.node(id).store.get(GROUP + unit);
      expect(replica).toMatchObject({ stamp: report.recoveryStamp, length: bytes.length, state: "finished" });
      expect(cluster.replicaOf(id, GROUP + unit)?.equals(bytes)).toBe(true);
    }
    for (const id of report.nodes.slice(3)) cluster.losePower(id);
    const range = { ...rangeOf(FIVE, report.length, 0, report.length, CODED), stamp: report.recoveryStamp };
    expect(readAt(cluster, "n6", range).equals(content.subarray(0, report.length))).toBe(true);
  }
  expect(recovered).toBeGreaterThan(20);
  expect(stripes).toBeGreaterThan(40);
});

test("a writer that was only slow cannot write on after a recovery", () => {
  const cluster = new BlockCluster(3, IDS);
  const content = streamBytes(GROUP, 0, 4 * STRIPE);
  const writer = groupWriterAt(cluster.node("n6"), FIVE, { geometry: CODED });
  writer.write(content.subarray(0, 2 * STRIPE), () => undefined);
  cluster.run(100);
  expect(recover(cluster, FIVE, 5)).toMatchObject({ length: 2 * STRIPE, block: GROUP, file: 9 });
  writer.write(content.subarray(2 * STRIPE), () => undefined);
  expect(() => cluster.call("finish", (done) => writer.finish(done))).toThrow("lost");
  expect(
    readAt(cluster, "n6", { ...rangeOf(FIVE, 2 * STRIPE, 0, 2 * STRIPE, CODED), stamp: 5 }),
  ).toHaveLength(2 * STRIPE);
});

test("less than a stripe, of which nobody was told that it is safe, is given up", () => {
  const cluster = new BlockCluster(4, IDS);
  const writer = groupWriterAt(cluster.node("n6"), FIVE, { geometry: CODED });
  writer.write(streamBytes(GROUP, 0, STRIPE - 1), () => undefined);
  cluster.run(100);
  writer.abort();
  expect(recover(cluster, FIVE, 5)).toMatchObject({ length: 0, nodes: [] });
});
