import { expect, test, vi } from "vitest";
import type { NodeId } from "../../../runtime/world.ts";
import type { WrittenBlock } from "../namespace/commands.ts";
import { BlockCluster, BlockLog, writerAt } from "./block-cluster.testing.ts";
import { streamBytes } from "./block-store.testing.ts";
import { ChunkChecksums } from "./chunk-checksums.ts";
import type { PipelineWriter } from "./pipeline-writer.ts";
import { PACKET_MAX_BYTES, PIPELINE_EARLY_BYTES, STREAM_SILENCE_MS } from "./protocol.ts";

const IDS = ["n1", "n2", "n3", "n4", "n5"] as const;
/** Bytes of one call of `write`: each is a packet. */
const PIECE = 70_000;

/** Writes pieces one after the other, as room is given. */
function pour(writer: PipelineWriter, pieces: number, finished: (block: WrittenBlock | Error) => void): void {
  const next = (piece: number): void => {
    if (piece < pieces) writer.write(streamBytes(1, piece * PIECE, PIECE), () => next(piece + 1));
    else writer.finish((error, block) => finished(error ?? (block as WrittenBlock)));
  };
  next(0);
}

function expectWhole(cluster: BlockCluster, nodes: readonly NodeId[], block: WrittenBlock): void {
  const content = streamBytes(1, 0, block.length);
  for (const id of nodes) {
    expect(cluster.node(id).store.get(1)).toEqual({ ...block, state: "finished" });
    expect(cluster.replicaOf(id, 1)?.equals(content), `the replica of ${id}`).toBe(true);
  }
}

test("when the end of a block is acknowledged, it is on the disks of all nodes of the pipeline", () => {
  const cluster = new BlockCluster(1, IDS);
  const log = new BlockLog(1, ["n1", "n2", "n3"]);
  const writer = writerAt(cluster.node("n1"), log);
  let block: WrittenBlock | Error | undefined;
  pour(writer, 12, (result) => (block = result));
  cluster.until(() => block !== undefined, "finished");
  expect(block).toEqual({ id: 1, stamp: 1, length: 12 * PIECE });
  for (const id of log.pipeline) cluster.losePower(id);
  for (const id of log.pipeline) cluster.start(id);
  cluster.untilBack();
  expectWhole(cluster, log.pipeline, block as WrittenBlock);
});

test("the first bytes of a block do not wait for its files: each node keeps what comes before, a bounded part, in order", () => {
  for (const slow of ["n1", "n2", "n3"]) {
    const cluster = new BlockCluster(6, IDS);
    const log = new BlockLog(1, ["n1", "n2", "n3"]);
    const { disk } = cluster.world.machine(slow);
    const { latencyMs } = disk.options;
    disk.options.latencyMs = 200;
    const came = { before: 0, after: 0 };
    let isOpened = false;
    cluster.node("n5").link.on("opened", () => {
      isOpened = true;
      disk.options.latencyMs = latencyMs;
    });
    cluster
      .node(slow)
      .link.on("packet", (_, { content }) => (came[isOpened ? "after" : "before"] += content.length));
    const writer = writerAt(cluster.node("n5"), log);
    let block: WrittenBlock | Error | undefined;
    // All at once: only the writer itself can hold back what is too much.
    const pieces = 200;
    for (let piece = 0; piece < pieces; piece++) {
      writer.write(streamBytes(1, piece * PIECE, PIECE), () => undefined);
    }
    writer.finish((error, written) => (block = error ?? written));
    cluster.until(() => block !== undefined, "finished");
    expect(block, `nobody is left behind, though ${slow} is slow`).toEqual({
      id: 1,
      stamp: 1,
      length: pieces * PIECE,
    });
    expect(came.before).toBeGreaterThan(PIPELINE_EARLY_BYTES - PACKET_MAX_BYTES);
    expect(came.before).toBeLessThanOrEqual(PIPELINE_EARLY_BYTES);
    expect(came.before + came.after).toBe(pieces * PIECE);
    expectWhole(cluster, log.pipeline, block as WrittenBlock);
  }
});

test("disks that are slow for all alike take no node out of a pipeline: each has its time to begin, and again to write", () => {
  for (const latencyMs of [600, 800, 1000]) {
    const cluster = new BlockCluster(1, IDS);
    for (const id of IDS) cluster.world.machine(id).disk.options.latencyMs = latencyMs;
    const log = new BlockLog(1, ["n1", "n2", "n3"]);
    const writer = writerAt(cluster.node("n5"), log);
    let block: WrittenBlock | Error | undefined;
    pour(writer, 1, (result) => (block = result));
    cluster.until(() => block !== undefined, "finished");
    expect(block, `${latencyMs} ms`).toEqual({ id: 1, stamp: 1, length: PIECE });
    expectWhole(cluster, ["n1", "n2", "n3"], block as WrittenBlock);
  }
});

test("a node that cannot begin its replica is left out, with all that was sent before it said so", () => {
  const cluster = new BlockCluster(7, IDS);
  cluster.world.machine("n2").disk.options.capacityBytes = 0;
  const log = new BlockLog(1, ["n1", "n2", "n3"]);
  const writer = writerAt(cluster.node("n5"), log);
  let block: WrittenBlock | Error | undefined;
  pour(writer, 12, (result) => (block = result));
  cluster.until(() => block !== undefined, "finished");
  expect(log.pipeline).toEqual(["n1", "n3"]);
  expectWhole(cluster, log.pipeline, block as WrittenBlock);
});

test("more than a writer may send before the replica is there ends the pipeline, and nothing of it is kept", () => {
  const cluster = new BlockCluster(8, IDS);
  cluster.world.machine("n1").disk.options.latencyMs = 1_000;
  const { link } = cluster.node("n5");
  const refusals: string[] = [];
  link.on("opened", (_, { failure }) => void refusals.push(failure?.message ?? "opened"));
  const stream = link.newStream();
  const begin = { stamp: 1, mode: "create", length: 0, durability: "disk", rest: [] } as const;
  link.send("n1", { type: "open", stream, block: 1, ...begin });
  const content = streamBytes(1, 0, PACKET_MAX_BYTES);
  const checksums = new ChunkChecksums(0, 0).of(content);
  for (let sequence = 1; sequence <= 9; sequence++) {
    const offset = (sequence - 1) * PACKET_MAX_BYTES;
    link.send("n1", {
      type: "packet",
      stream,
      sequence,
      offset,
      sync: false,
      last: false,
      checksums,
      content,
    });
  }
  cluster.until(() => refusals.length > 0, "refused");
  expect(refusals).toEqual([expect.stringMatching(/too much came before/)]);
  cluster.run(20_000);
  expect(cluster.node("n1").store.get(1)).toMatchObject({ length: 0, state: "writing" });
});

test("bytes that change on their way between two nodes are written again before they are acknowledged, wherever it is", () => {
  for (const [from, to] of [
    ["n5", "n1"],
    ["n1", "n2"],
    ["n2", "n3"],
  ] as const) {
    for (const spoilt of [1, 2, 3]) {
      const cluster = new BlockCluster(spoilt, IDS);
      const log = new BlockLog(1, ["n1", "n2", "n3"]);
      const { link } = cluster.node(from);
      const send = link.send.bind(link);
      let packets = 0;
      vi.spyOn(link, "send").mockImplementation((node, frame) => {
        if (frame.type !== "packet" || node !== to || frame.offset === 0) return send(node, frame);
        if (++packets !== spoilt) return send(node, frame);
        const content = Buffer.from(frame.content);
        content[100] = 1 ^ (content[100] ?? 0);
        send(node, { ...frame, content });
      });
      const writer = writerAt(cluster.node("n5"), log);
      let block: WrittenBlock | Error | undefined;
      // What was synced ends within a chunk, to which the next packet belongs too.
      writer.write(streamBytes(1, 0, PIECE), () => undefined);
      cluster.call<WrittenBlock>("synced", (done) => writer.sync(done));
      packets = 0;
      for (let piece = 1; piece < 12; piece++)
        writer.write(streamBytes(1, piece * PIECE, PIECE), () => undefined);
      writer.finish((error, written) => (block = error ?? written));
      cluster.until(() => block !== undefined, "finished");
      expect(packets).toBeGreaterThanOrEqual(spoilt);
      expect(block).toMatchObject({ length: 12 * PIECE });
      expect(log.pipeline).toHaveLength(2);
      expectWhole(cluster, log.pipeline, block as WrittenBlock);
    }
  }
});

test("a node that dies at any packet is left behind with an old stamp, and the others end with every byte", () => {
  const pieces = 10;
  for (const victim of ["n1", "n2", "n3"]) {
    for (let packet = 0; packet <= pieces; packet++) {
      const cluster = new BlockCluster(packet, IDS);
      const log = new BlockLog(1, ["n1", "n2", "n3"], ["n4", "n5"]);
      // The writer is at a node that keeps no replica: so the first of the pipeline can die too.
      const writer = writerAt(cluster.node("n5"), log);
      let block: WrittenBlock | Error | undefined;
      let sent = 0;
      const next = (): void => {
        if (sent === packet) cluster.losePower(victim);
        if (sent++ < pieces) writer.write(streamBytes(1, (sent - 1) * PIECE, PIECE), next);
        else writer.finish((error, written) => (block = error ?? written));
      };
      next();
      cluster.until(() => block !== undefined, `${victim} dies at packet ${packet}`);
      expect(block).toMatchObject({ length: pieces * PIECE });
      expect(log.pipeline).toEqual(["n1", "n2", "n3"].filter((id) => id !== victim));
      expectWhole(cluster, log.pipeline, block as WrittenBlock);
      cluster.start(victim);
      cluster.until(() => cluster.nodes.has(victim), "back");
      const stale = cluster.node(victim).store.get(1);
      expect(stale?.stamp ?? 0).toBeLessThan((block as WrittenBlock).stamp);
    }
  }
});

test("a node that falls silent is found out, and it is the one that is blamed", () => {
  for (const victim of ["n1", "n2", "n3"]) {
    const cluster = new BlockCluster(7, IDS);
    const log = new BlockLog(1, ["n1", "n2", "n3"]);
    const writer = writerAt(cluster.node("n4"), log);
    let block: WrittenBlock | Error | undefined;
    writer.write(streamBytes(1, 0, PIECE), () => undefined);
    cluster.run(50);
    cluster.world.machine(victim).pause();
    writer.write(streamBytes(1, PIECE, PIECE), () => undefined);
    writer.finish((error, written) => (block = error ?? written));
    cluster.until(() => block !== undefined, `${victim} is silent`, 30_000);
    expect(log.pipeline).toEqual(["n1", "n2", "n3"].filter((id) => id !== victim));
    expectWhole(cluster, log.pipeline, block as WrittenBlock);
  }
});

test("a node that died before the block was begun, wherever it is in the pipeline, costs no time; back again it is taken", () => {
  for (const victim of ["n1", "n2", "n3"]) {
    const cluster = new BlockCluster(9, IDS);
    cluster.run(100);
    cluster.kill(victim);
    cluster.run(100);
    const beganMs = cluster.world.scheduler.nowMs;
    const log = new BlockLog(1, ["n1", "n2", "n3"]);
    let block: WrittenBlock | Error | undefined;
    pour(writerAt(cluster.node("n5"), log), 12, (result) => (block = result));
    cluster.until(() => block !== undefined, "finished");
    expect(cluster.world.scheduler.nowMs - beganMs, victim).toBeLessThan(STREAM_SILENCE_MS / 10);
    expect(log.pipeline).toEqual(["n1", "n2", "n3"].filter((id) => id !== victim));
    expectWhole(cluster, log.pipeline, block as WrittenBlock);
    cluster.start(victim);
    cluster.untilBack();
    const later = new BlockLog(1, ["n1", "n2", "n3"]);
    let second: WrittenBlock | Error | undefined;
    pour(writerAt(cluster.node("n5"), later, { block: 2 }), 1, (result) => (second = result));
    cluster.until(() => second !== undefined, "finished");
    expect(second).toEqual({ id: 2, stamp: 1, length: PIECE });
    expect(later.pipeline).toEqual(["n1", "n2", "n3"]);
  }
});

test("a node whose link was never up has its time: links are still being made at the start", () => {
  const cluster = new BlockCluster(9, IDS, { network: { noticeDelayMs: 1_000 } });
  const log = new BlockLog(1, ["n1", "n2", "n3"]);
  let block: WrittenBlock | Error | undefined;
  pour(writerAt(cluster.node("n5"), log), 12, (result) => (block = result));
  cluster.until(() => block !== undefined, "finished");
  expect(block).toEqual({ id: 1, stamp: 1, length: 12 * PIECE });
  expectWhole(cluster, log.pipeline, block as WrittenBlock);
});

test("when too few are left, a node is added that first fetches what is there", () => {
  const cluster = new BlockCluster(3, IDS);
  const log = new BlockLog(1, ["n1", "n2", "n3"], ["n4"]);
  const writer = writerAt(cluster.node("n5"), log);
  let block: WrittenBlock | Error | undefined;
  let synced: WrittenBlock | undefined;
  writer.write(streamBytes(1, 0, 3 * PIECE), () => undefined);
  writer.sync((_, written) => (synced = written));
  cluster.until(() => synced !== undefined, "synced");
  cluster.losePower("n1");
  cluster.losePower("n3");
  writer.write(streamBytes(1, 3 * PIECE, PIECE), () => undefined);
  writer.finish((error, written) => (block = error ?? written));
  cluster.until(() => block !== undefined, "finished");
  expect(log.pipeline).toEqual(["n2", "n4"]);
  expect(block).toMatchObject({ length: 4 * PIECE });
  expectWhole(cluster, log.pipeline, block as WrittenBlock);
});

test("a full disk takes a node out of the pipeline, not the writer", () => {
  const cluster = new BlockCluster(4, IDS);
  cluster.world.machine("n2").disk.options.capacityBytes = 5 * PIECE;
  const log = new BlockLog(1, ["n1", "n2", "n3"]);
  const writer = writerAt(cluster.node("n1"), log);
  let block: WrittenBlock | Error | undefined;
  pour(writer, 12, (result) => (block = result));
  cluster.until(() => block !== undefined, "finished");
  expect(log.pipeline).toEqual(["n1", "n3"]);
  expectWhole(cluster, log.pipeline, block as WrittenBlock);
});

test("a writer that pauses keeps its pipeline, and a writer that is gone leaves none behind", () => {
  const cluster = new BlockCluster(5, IDS);
  const log = new BlockLog(1, ["n1", "n2", "n3"]);
  const writer = writerAt(cluster.node("n4"), log);
  writer.write(streamBytes(1, 0, PIECE), () => undefined);
  cluster.run(90_000);
  let block: WrittenBlock | Error | undefined;
  writer.finish((error, written) => (block = error ?? written));
  cluster.until(() => block !== undefined, "finished");
  expect(block).toEqual({ id: 1, stamp: 1, length: PIECE });
  const gone = writerAt(cluster.node("n4"), new BlockLog(1, ["n1", "n2", "n3"]), { block: 2 });
  gone.write(streamBytes(2, 0, PIECE), () => undefined);
  cluster.run(50);
  cluster.kill("n4");
  cluster.run(35_000);
  for (const id of ["n1", "n2", "n3"]) {
    expect(cluster.node(id).store.get(2)).toMatchObject({ length: PIECE, state: "writing" });
  }
});

test("under loss, repeats, disorder, stalls, pauses and deaths, what was acknowledged is on every disk of the pipeline", () => {
  let finished = 0;
  for (let seed = 1; seed <= 60; seed++) {
    const cluster = new BlockCluster(seed, IDS);
    const { world } = cluster;
    const { random } = world;
    Object.assign(world.network.options, {
      loss: random.pick([0, 0.002]),
      duplicate: random.pick([0, 0.05]),
      reorder: random.pick([0, 0.01]),
      falseBreak: random.pick([0, 0.002]),
    });
    const log = new BlockLog(1, ["n1", "n2", "n3"], ["n4"]);
    const writer = writerAt(cluster.node("n5"), log);
    const content = streamBytes(1, 0, 8 * PIECE);
    let end: WrittenBlock | Error | undefined;
    let synced = 0;
    const next = (piece: number): void => {
      if (random.chance(0.3))
        writer.sync((error, written) => (synced = error ? synced : (written?.length ?? 0)));
      if (random.chance(0.15)) {
        const victim = random.pick(["n1", "n2", "n3", "n4"]);
        const machine = world.machine(victim);
        if (random.chance(0.4) && machine.running) cluster.losePower(victim);
        else if (random.chance(0.5)) machine.pause();
        else machine.disk.options.stall = 0.5;
      }
      if (piece === 8) return writer.finish((error, written) => (end = error ?? written));
      writer.write(content.subarray(piece * PIECE, (piece + 1) * PIECE), () => {
        if (end === undefined) next(piece + 1);
      });
    };
    next(0);
    cluster.until(() => end !== undefined, `seed ${seed} ends`, 600_000);
    world.network.heal();
    Object.assign(world.network.options, { loss: 0, duplicate: 0, reorder: 0, falseBreak: 0 });
    for (const id of cluster.ids) {
      world.machine(id).disk.heal();
      cluster.losePower(id);
      cluster.start(id);
    }
    cluster.untilBack();
    if (!(end instanceof Error)) {
      finished++;
      expectWhole(cluster, log.pipeline, end as WrittenBlock);
    }
    for (const id of log.pipeline) {
      const replica = cluster.node(id).store.get(1);
      if (replica === undefined && synced === 0) continue;
      expect(replica?.length, `seed ${seed}, ${id}`).toBeGreaterThanOrEqual(synced);
      expect(cluster.replicaOf(id, 1)?.equals(content.subarray(0, replica?.length))).toBe(true);
    }
  }
  expect(finished).toBeGreaterThan(20);
});
