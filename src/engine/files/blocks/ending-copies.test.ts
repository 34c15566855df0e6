/** A node that stops while it makes replicas for others: none goes on, and none is left half made. */
import { expect, test } from "vitest";
import { CELL, rangeOf, SMALL_RS32, writeGroup } from "../erasure/group.testing.ts";
import { BlockCluster, BlockLog, writerAt } from "./block-cluster.testing.ts";
import type { Outcome } from "./block-store.ts";
import { streamBytes } from "./block-store.testing.ts";
import type { BlockFrame } from "./protocol.ts";

const LENGTH = 300_000;
const BANDWIDTH = 50_000;
const GROUP_LENGTH = 20 * 3 * CELL;
type Copy = Extract<BlockFrame, { readonly type: "replicate" | "rebuild" | "fetch" }>;

/** Block 1 is on n1, group 160 on n1 to n4 without its last shard; n5 is told to make something. */
class Ending {
  readonly cluster = new BlockCluster(1, ["n1", "n2", "n3", "n4", "n5"]);
  /** What n1 and its streams hear of n5. */
  readonly heard: string[] = [];

  constructor() {
    const { cluster } = this;
    const writer = writerAt(cluster.node("n1"), new BlockLog(1, ["n1"]));
    writer.write(streamBytes(1, 0, LENGTH), () => undefined);
    cluster.call("finish", (done) => writer.finish(done));
    writeGroup(cluster, "n1", ["n1", "n2", "n3", "n4", "n5"], GROUP_LENGTH, {
      block: 160,
      geometry: SMALL_RS32,
    });
    cluster.call("room", (done: Outcome) => cluster.node("n5").store.delete(164, done));
    const { link } = cluster.node("n1");
    link.on("notMade", (from, { block }) => void this.heard.push(`${from} has not made ${block}`));
    link.on("held", (from, { failure }) => void this.heard.push(`${from}: ${failure?.code ?? "it lives"}`));
    link.on("close", (from, { answer }) => {
      if (!answer) this.heard.push(`${from} reads no more`);
    });
  }

  /** Gives the replica's number; it is half made. */
  begin(frame: Copy): void {
    const { cluster } = this;
    const { link } = cluster.node("n1");
    const { store } = cluster.node("n5");
    link.send("n5", frame);
    const id = frame.type === "rebuild" ? frame.block + frame.unit : frame.block;
    cluster.until(() => store.get(id)?.state === "writing", "it begins");
    cluster.run(frame.type === "fetch" ? 2 : 1_000);
    expect(store.get(id)?.state).toBe("writing");
  }

  stop(): void {
    const { dataNode } = this.cluster.node("n5");
    this.cluster.call("stopped", (done: Outcome) => dataNode.close(() => done(undefined)));
    this.cluster.run(100);
  }

  /** By the node as it is started again. */
  held(): readonly (readonly [number, string])[] {
    const { cluster } = this;
    cluster.kill("n5");
    cluster.start("n5");
    cluster.until(() => cluster.nodes.has("n5"), "it runs again");
    return [...cluster.node("n5").store.list()].map(({ id, state }) => [id, state]);
  }
}

const order = { term: 1, stamp: 1, bandwidth: BANDWIDTH } as const;
const replicate = { type: "replicate", block: 1, length: LENGTH, from: ["n1"], ...order } as const;
const rebuild = {
  type: "rebuild",
  ...rangeOf(["n1", "n2", "n3", "n4"], GROUP_LENGTH),
  block: 160,
  unit: 4,
  ...order,
} as const;

test("copies and shards that are made for the leader end with their node: sources and leader are told at once", () => {
  for (const frame of [replicate, rebuild] as Copy[]) {
    const ending = new Ending();
    ending.begin(frame);
    ending.stop();
    const id = frame.type === "rebuild" ? 164 : 1;
    expect(ending.heard).toContain("n5 reads no more");
    expect(ending.heard).toContain(`n5 has not made ${id}`);
    expect(ending.held()).toEqual([]);
  }
});

test("a copy that waits for its time, with all its bytes there, ends too", () => {
  const ending = new Ending();
  // One window holds it: it is read at once, and then due in 20 s.
  ending.begin({ ...replicate, bandwidth: LENGTH / 20 });
  ending.stop();
  expect(ending.heard).toContain("n5 has not made 1");
  expect(ending.held()).toEqual([]);
});

test("a copy for a pipeline ends with its node, and who writes is told why", () => {
  const ending = new Ending();
  ending.begin({ type: "fetch", stream: 77, block: 1, stamp: 1, length: LENGTH, from: ["n1"] });
  ending.stop();
  expect(ending.heard).toContain("n5: SHUTTING_DOWN");
  expect(ending.held()).toEqual([]);
});
