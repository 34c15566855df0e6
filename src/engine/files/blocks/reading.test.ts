import { expect, test } from "vitest";
import type { NodeId } from "../../../runtime/world.ts";
import { BlockCluster, BlockLog, writerAt } from "./block-cluster.testing.ts";
import { streamBytes } from "./block-store.testing.ts";
import type { RecoveryReport } from "./protocol.ts";
import { READ_WINDOW_BYTES, STREAM_SILENCE_MS } from "./protocol.ts";
import { readBlock } from "./block-reader.ts";
import { chooseRecovery } from "./block-recovery.ts";

const IDS = ["n1", "n2", "n3", "n4", "n5"] as const;
const LENGTH = 3_000_001;

function withBlock(seed: number, mayDecay = false, length = LENGTH): BlockCluster {
  const cluster = new BlockCluster(seed, IDS, { mayDecay });
  const writer = writerAt(cluster.node("n1"), new BlockLog(1, ["n1", "n2", "n3"]));
  writer.write(streamBytes(1, 0, length), () => undefined);
  cluster.call("finish", (done) => writer.finish(done));
  return cluster;
}

function range(from: readonly NodeId[], offset = 0, length = LENGTH): Parameters<BlockCluster["read"]>[1] {
  return { block: 1, stamp: 1, offset, length, from };
}

test("a reader anywhere gets exactly the range that it asks for, from the node at hand or from another", () => {
  const cluster = withBlock(1);
  for (const [offset, length] of [
    [0, LENGTH],
    [1, 511],
    [511, 2],
    [1_000_000, 1_500_000],
    [LENGTH - 1, 1],
    [5, 0],
  ] as const) {
    const expected = streamBytes(1, offset, length);
    expect(cluster.read("n1", range(["n1"], offset, length)).equals(expected)).toBe(true);
    expect(cluster.read("n5", range(["n2", "n3"], offset, length)).equals(expected)).toBe(true);
  }
});

test("a reader whose node dies, falls silent or was never there goes on at the byte where it was", () => {
  for (const fault of ["dies", "pauses", "absent"] as const) {
    const cluster = withBlock(2);
    let isDone = false;
    const content = cluster.read(
      "n5",
      range(fault === "absent" ? ["n4", "n2"] : ["n1", "n2"]),
      undefined,
      (sum) => {
        if (isDone || sum < 1_000_000 || fault === "absent") return;
        isDone = true;
        if (fault === "dies") cluster.losePower("n1");
        else cluster.world.machine("n1").pause();
      },
    );
    expect(content.equals(streamBytes(1, 0, LENGTH))).toBe(true);
  }
});

test("a reader whose node stops by itself goes on at once elsewhere: it is told, though the link stays for a while", () => {
  const length = 4 * READ_WINDOW_BYTES;
  const cluster = withBlock(2, false, length);
  const { scheduler } = cluster.world;
  let stoppedMs = 0;
  const content = cluster.read("n5", range(["n1", "n2"], 0, length), undefined, () => {
    if (stoppedMs > 0) return;
    stoppedMs = scheduler.nowMs;
    cluster.node("n1").dataNode.close(() => undefined);
  });
  expect(content.equals(streamBytes(1, 0, length))).toBe(true);
  expect(stoppedMs).toBeGreaterThan(0);
  expect(scheduler.nowMs - stoppedMs).toBeLessThan(STREAM_SILENCE_MS / 2);
});

test("a reader whose node is dead already goes on at once elsewhere", () => {
  const cluster = withBlock(2);
  const { scheduler } = cluster.world;
  cluster.kill("n1");
  cluster.run(100);
  const beganMs = scheduler.nowMs;
  const content = cluster.read("n5", range(["n1", "n2"]));
  expect(content.equals(streamBytes(1, 0, LENGTH))).toBe(true);
  expect(scheduler.nowMs - beganMs).toBeLessThan(STREAM_SILENCE_MS / 10);
});

test("a damaged byte is never served: the reader gets the good one, and the bad replica is told of", () => {
  let damages = 0;
  for (let seed = 1; seed <= 25; seed++) {
    const cluster = withBlock(seed, true, 40_000);
    const { disk } = cluster.world.machine("n1");
    for (let spot = 0; spot < 6; spot++) disk.decay(seed % 5 === 0 ? "unreadable" : "rot");
    const told: NodeId[] = [];
    const content = cluster.read("n5", range(["n1", "n2"], 0, 40_000), (node) => told.push(node));
    expect(content.equals(streamBytes(1, 0, 40_000))).toBe(true);
    if (told.length === 0) continue;
    damages++;
    expect(told).toEqual(["n1"]);
    expect(cluster.node("n1").store.get(1)?.state).toBe("corrupt");
  }
  expect(damages).toBeGreaterThan(15);
});

test("when no replica can be read, the reader is told so", () => {
  const cluster = withBlock(3);
  expect(() => cluster.read("n5", range(["n4", "n5"]))).toThrow("cannot be read from byte 0");
  expect(() => cluster.read("n5", { ...range(["n1"]), stamp: 2 })).toThrow("stale");
});

test("a reader that does not use what it gets is not sent more than its window", () => {
  const cluster = withBlock(4, false, 12_000_000);
  let sum = 0;
  const waiting: (() => void)[] = [];
  let ended = false;
  readBlock(cluster.node("n5").link, range(["n1"], 0, 12_000_000), {
    piece(bytes, more) {
      sum += bytes.length;
      waiting.push(more);
    },
    damaged: () => undefined,
    end: () => (ended = true),
  });
  cluster.run(20_000);
  expect(sum).toBeLessThan(5_000_000);
  expect(sum).toBeGreaterThan(3_000_000);
  while (!ended) {
    for (const more of waiting.splice(0)) more();
    cluster.run(1000);
  }
  expect(sum).toBe(12_000_000);
});

test("a block whose writer is gone ends alike on all nodes, at no less than what was synced", () => {
  for (let seed = 1; seed <= 30; seed++) {
    const cluster = new BlockCluster(seed, IDS);
    const { random } = cluster.world;
    const log = new BlockLog(1, ["n1", "n2", "n3"]);
    const writer = writerAt(cluster.node("n4"), log);
    let synced = 0;
    for (let piece = 0; piece < 6; piece++) {
      writer.write(streamBytes(1, piece * 70_000, 70_000), () => undefined);
      if (random.chance(0.4)) writer.sync((error, block) => (synced = error ? synced : (block?.length ?? 0)));
      cluster.run(random.between(0, 2));
    }
    const known = synced;
    cluster.kill("n4");
    if (random.chance(0.5)) {
      const victim = random.pick(["n1", "n2", "n3"]);
      cluster.losePower(victim);
      if (random.chance(0.7)) cluster.start(victim);
    }
    cluster.run(random.between(0, 100));
    let report: RecoveryReport | undefined;
    const leader = cluster.node("n5");
    leader.link.on("recovered", (_, frame) => (report = frame));
    const node = (["n1", "n2", "n3"] as const).find((id) => cluster.nodes.has(id)) as NodeId;
    leader.link.send(node, {
      type: "recover",
      term: 1,
      file: 9,
      block: 1,
      stamp: 1,
      recoveryStamp: 5,
      length: known,
      truncateTo: undefined,
      copyTo: undefined,
      nodes: ["n1", "n2", "n3"],
    });
    if (known === 0) cluster.run(20_000);
    else cluster.until(() => report !== undefined, `seed ${seed}`, 30_000);
    if (report?.length === undefined) continue;
    expect(report.length).toBeGreaterThanOrEqual(known);
    for (const id of report.nodes) {
      expect(cluster.node(id).store.get(1)).toEqual({
        id: 1,
        stamp: 5,
        length: report.length,
        state: "finished",
      });
      expect(cluster.replicaOf(id, 1)?.equals(streamBytes(1, 0, report.length))).toBe(true);
    }
  }
});

test("recovery goes by the latest stamp, by what the log knows, and by a finished replica before growing ones", () => {
  const held = (node: NodeId, stamp: number, length: number, state: "writing" | "finished" = "writing") => ({
    node,
    replica: { id: 1, stamp, length, state },
  });
  const known = { stamp: 1, length: 0, truncateTo: undefined };
  expect(chooseRecovery([held("a", 1, 50), held("b", 1, 70)], known)).toEqual({
    length: 50,
    nodes: ["a", "b"],
  });
  expect(chooseRecovery([held("a", 1, 50), held("b", 2, 70)], known)).toEqual({ length: 70, nodes: ["b"] });
  expect(chooseRecovery([held("a", 1, 50), held("b", 1, 70)], { ...known, length: 60 })).toEqual({
    length: 70,
    nodes: ["b"],
  });
  expect(chooseRecovery([held("a", 1, 50), held("b", 1, 70, "finished")], known)).toEqual({
    length: 70,
    nodes: ["b"],
  });
  expect(chooseRecovery([held("a", 1, 50)], { ...known, stamp: 2 })).toBeUndefined();
  expect(chooseRecovery([held("a", 1, 50), held("b", 1, 30)], { ...known, truncateTo: 40 })).toEqual({
    length: 40,
    nodes: ["a"],
  });
});

test("a node makes a replica when the leader says so, a damaged one anew, and none for a leader of old", () => {
  const cluster = withBlock(6, true, 200_000);
  const { link } = cluster.node("n5");
  const replicate = (to: NodeId, term: number): void =>
    link.send(to, {
      type: "replicate",
      term,
      block: 1,
      stamp: 1,
      length: 200_000,
      from: ["n2", "n3"],
      bandwidth: 1e6,
    });
  const beganMs = cluster.world.scheduler.nowMs;
  replicate("n4", 3);
  cluster.until(() => cluster.node("n4").store.get(1)?.state === "finished", "copied");
  expect(cluster.replicaOf("n4", 1)?.equals(streamBytes(1, 0, 200_000))).toBe(true);
  expect(cluster.world.scheduler.nowMs - beganMs).toBeGreaterThan(150);
  link.send("n4", { type: "delete", term: 2, blocks: [1] });
  cluster.run(100);
  expect(cluster.node("n4").store.get(1)?.state).toBe("finished");
  link.send("n4", { type: "delete", term: 3, blocks: [1] });
  cluster.until(() => cluster.node("n4").store.get(1) === undefined, "deleted");
  while (cluster.node("n1").store.get(1)?.state !== "corrupt") {
    cluster.world.machine("n1").disk.decay("rot");
    link.send("n1", { type: "verify", term: 3, block: 1 });
    cluster.run(100);
  }
  replicate("n1", 3);
  cluster.until(() => cluster.node("n1").store.get(1)?.state === "finished", "made anew");
  expect(cluster.replicaOf("n1", 1)?.equals(streamBytes(1, 0, 200_000))).toBe(true);
});
