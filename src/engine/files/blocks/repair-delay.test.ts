/** Under faults while a replica is made: the next attempt begins when the fault is known, not when the first would have ended. */
import { expect, test } from "vitest";
import type { NodeId } from "../../../runtime/world.ts";
import { BlockLog, writerAt } from "./block-cluster.testing.ts";
import type { Outcome } from "./block-store.ts";
import { streamBytes } from "./block-store.testing.ts";
import { DEAD_AFTER_MS } from "./locations.ts";
import { FIVE, LENGTH, Managed } from "./managed-blocks.testing.ts";

const THREE = ["n1", "n2", "n3"] as const;
const COPY_BANDWIDTH = 100_000;
/** What one copy takes at that rate. */
const COPY_MS = (LENGTH / COPY_BANDWIDTH) * 1000;
/** A heartbeat, a report, the time that a change settles, and two looks of the leader. */
const NOTICE_MS = 5_000;

/** At a leader that has run for long enough to know who is silent. */
function slowCopies(seed: number, ids: readonly NodeId[] = THREE): Managed {
  const managed = new Managed(seed, { ids, copyBandwidth: COPY_BANDWIDTH });
  managed.cluster.run(11_000);
  return managed;
}

/** A closed block whose last node died while it was written: what it holds is stale. */
function writeWithout(managed: Managed, nodes: readonly NodeId[], victim: NodeId): void {
  const { cluster } = managed;
  const log = new BlockLog(1, nodes);
  const writer = writerAt(cluster.node("n1"), log);
  cluster.call("the first half", (done: Outcome) =>
    writer.write(streamBytes(1, 0, LENGTH / 2), () => done(undefined)),
  );
  cluster.call("a sync", (done) => writer.sync(done));
  cluster.kill(victim);
  writer.write(streamBytes(1, LENGTH / 2, LENGTH / 2), () => undefined);
  cluster.call("the end", (done) => writer.finish(done));
  expect(log.stamp).toBeGreaterThan(1);
  managed.put({ id: 1, stamp: log.stamp, length: LENGTH, replication: 3, open: false, file: 1 });
}

/** Until a node makes a replica of block 1. */
function untilMaking(managed: Managed): NodeId {
  const { cluster } = managed;
  const making = (): NodeId | undefined =>
    managed.upkeep.locations.all(1).find(({ state, stamp }) => {
      return state === "writing" && stamp === managed.blocks.get(1)?.stamp;
    })?.node;
  cluster.until(() => making() !== undefined, "a copy begins", 30_000);
  return making() as NodeId;
}

function expectHealthyWithin(managed: Managed, ms: number): void {
  managed.cluster.until(() => managed.isHealthy(1), "every replica is there again", ms);
}

test("a node that comes back with a stale replica gets a good one at once: its removal does not hit what is being made", () => {
  for (let seed = 1; seed <= 6; seed++) {
    const managed = slowCopies(seed);
    writeWithout(managed, THREE, "n3");
    managed.cluster.start("n3");
    expectHealthyWithin(managed, COPY_MS + NOTICE_MS);
  }
});

test("a copy whose node was killed and started again is made anew as soon as it is back", () => {
  for (let seed = 1; seed <= 6; seed++) {
    const managed = slowCopies(seed);
    const { cluster } = managed;
    writeWithout(managed, THREE, "n3");
    cluster.start("n3");
    expect(untilMaking(managed)).toBe("n3");
    cluster.run(COPY_MS / 2);
    cluster.kill("n3");
    cluster.start("n3");
    expectHealthyWithin(managed, COPY_MS + NOTICE_MS);
  }
});

test("a copy whose node died is made by another one when the death is known", () => {
  const managed = slowCopies(7, FIVE);
  const { cluster } = managed;
  writeWithout(managed, ["n1", "n3", "n4"], "n4");
  const target = untilMaking(managed);
  expect(["n2", "n5"]).toContain(target);
  cluster.kill(target);
  expectHealthyWithin(managed, DEAD_AFTER_MS + COPY_MS + NOTICE_MS);
});

test("copies whose only source has just died are not ordered in a loop, and made when it is back", () => {
  const managed = new Managed(9, { ids: THREE });
  const { cluster } = managed;
  cluster.run(11_000);
  const ids = Array.from({ length: 30 }, (_, at) => at + 1);
  const want = (id: number, replication: number): void =>
    managed.put({ id, stamp: 1, length: LENGTH, replication, open: false, file: id });
  for (const id of ids) {
    const writer = writerAt(cluster.node("n1"), new BlockLog(1, ["n3"]), { block: id, replication: 1 });
    writer.write(streamBytes(id, 0, LENGTH), () => undefined);
    cluster.call("finish", (done) => writer.finish(done));
    want(id, 1);
  }
  cluster.run(2_000);
  const orders = new Map<NodeId, number>();
  for (const id of ["n1", "n2"]) {
    cluster.node(id).link.on("replicate", () => orders.set(id, (orders.get(id) ?? 0) + 1));
  }
  cluster.kill("n3");
  for (const id of ids) want(id, 3);
  cluster.run(8_000);
  for (const id of ["n1", "n2"]) {
    // Four at a time, and again after three seconds.
    expect(orders.get(id), id).toBeGreaterThan(4);
    expect(orders.get(id), id).toBeLessThanOrEqual(3 * 4);
  }
  cluster.start("n3");
  cluster.run(20_000);
  expect(ids.filter((id) => !managed.isHealthy(id))).toEqual([]);
});

test("a copy that failed is told of, and made again at once", () => {
  const managed = slowCopies(8);
  const { cluster } = managed;
  writeWithout(managed, THREE, "n3");
  cluster.start("n3");
  cluster.until(() => cluster.nodes.has("n3"), "back");
  const { disk } = cluster.world.machine("n3");
  disk.options.writeError = 1;
  cluster.run(COPY_MS + NOTICE_MS);
  expect(managed.isHealthy(1)).toBe(false);
  disk.heal();
  expectHealthyWithin(managed, COPY_MS + NOTICE_MS);
});
