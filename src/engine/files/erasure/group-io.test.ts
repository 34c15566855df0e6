import { expect, test } from "vitest";
import type { Bytes } from "../../../runtime/bytes.ts";
import type { NodeId } from "../../../runtime/world.ts";
import { BlockCluster } from "../blocks/block-cluster.testing.ts";
import { streamBytes } from "../blocks/block-store.testing.ts";
import type { WrittenBlock } from "../namespace/commands.ts";
import { shardLength, unitsOf } from "../namespace/erasure-policy.ts";
import type { GroupRange } from "./group-reader.ts";
import { readGroup } from "./group-reader.ts";
import {
  CELL,
  GROUP,
  groupWriterAt,
  pour,
  rangeOf,
  readAt,
  shardsOf,
  SMALL_RS32,
  SMALL_RS63,
  writeGroup,
} from "./group.testing.ts";

const IDS = ["n1", "n2", "n3", "n4", "n5", "n6"] as const;
const FIVE = IDS.slice(0, 5);
const STRIPE = 3 * CELL;
/** Stripes, and one that is not full. */
const LENGTH = 7 * STRIPE + CELL + 700;

function pairs(from: readonly NodeId[]): [NodeId, NodeId][] {
  return from.flatMap((first, at) => from.slice(at + 1).map((second) => [first, second] as [NodeId, NodeId]));
}

/** Shards of nodes that run are whole and right. */
function expectShards(cluster: BlockCluster, nodes: readonly NodeId[], content: Uint8Array, stamp = 1): void {
  for (const [unit, bytes] of shardsOf(content, SMALL_RS32).entries()) {
    const node = nodes[unit];
    if (node === undefined || !cluster.nodes.has(node)) continue;
    const replica = cluster.node(node).store.get(GROUP + unit);
    if (bytes.length === 0) {
      expect(replica, `shard ${unit}, in which nothing is`).toBeUndefined();
      continue;
    }
    expect(replica).toEqual({ id: GROUP + unit, stamp, length: bytes.length, state: "finished" });
    expect(cluster.replicaOf(node, GROUP + unit)?.equals(bytes), `shard ${unit}`).toBe(true);
  }
}

/** As the reader of a file does: links that broke are tried again, a few times. */
function readAgain(cluster: BlockCluster, range: GroupRange): Bytes {
  for (let left = 4; ; left--) {
    try {
      return readAt(cluster, "n6", range);
    } catch (error) {
      if (left === 0) throw error;
      cluster.run(1_000);
    }
  }
}

test.each([1, 700, CELL, CELL + 1, STRIPE - 1, STRIPE, STRIPE + 1, LENGTH])(
  "when the end of a group of %d bytes is acknowledged, its shards are on the disks of their nodes",
  (length) => {
    const cluster = new BlockCluster(1, IDS);
    const content = writeGroup(cluster, "n6", FIVE, length);
    for (const id of FIVE) cluster.losePower(id);
    for (const id of FIVE) cluster.start(id);
    cluster.untilBack();
    expectShards(cluster, FIVE, content);
    expect(readAt(cluster, "n6", rangeOf(FIVE, length)).equals(content)).toBe(true);
  },
);

test("a reader gets exactly the range that it asks for, whichever two nodes are gone", () => {
  const cluster = new BlockCluster(2, IDS);
  const content = writeGroup(cluster, "n6", FIVE, LENGTH);
  const ranges = [
    [0, LENGTH],
    [1, 511],
    [CELL - 1, 2],
    [STRIPE - 1, 2],
    [CELL, STRIPE],
    [2 * STRIPE + 100, 3 * STRIPE],
    [LENGTH - 1, 1],
    [LENGTH - 900, 900],
    [5, 0],
  ] as const;
  const expectRanges = (): void => {
    for (const [offset, length] of ranges) {
      const got = readAt(cluster, "n6", rangeOf(FIVE, LENGTH, offset, length));
      expect(got.equals(content.subarray(offset, offset + length)), `${offset}, ${length}`).toBe(true);
    }
  };
  expectRanges();
  for (const lost of pairs(FIVE)) {
    for (const id of lost) cluster.losePower(id);
    expectRanges();
    for (const id of lost) cluster.start(id);
    cluster.untilBack();
  }
});

test("a group that has lost too many shards begins no other, and tells its writer", () => {
  const cluster = new BlockCluster(9, IDS);
  const opened: NodeId[] = [];
  for (const id of FIVE) cluster.node(id).link.on("open", () => void opened.push(id));
  const writer = groupWriterAt(cluster.node("n6"), FIVE);
  writer.write(streamBytes(1, 0, STRIPE - 100), () => undefined);
  cluster.until(() => opened.length === 3, "three shards have begun");
  for (const id of FIVE.slice(0, 3)) cluster.losePower(id);
  cluster.run(10_000);
  let isToldOfRoom = false;
  writer.write(streamBytes(1, STRIPE - 100, 100), () => (isToldOfRoom = true));
  cluster.run(10_000);
  expect(opened.sort()).toEqual(["n1", "n2", "n3"]);
  expect(isToldOfRoom).toBe(true);
  expect(writer.failure).toMatchObject({ code: "NO_TARGETS" });
});

test("RS-6-3 gives back what it was given when any three of nine nodes are gone", () => {
  const ids = Array.from({ length: 10 }, (_, at) => `n${at}`);
  const nine = ids.slice(0, 9);
  const cluster = new BlockCluster(3, ids);
  const length = 3 * 6 * CELL + 4 * CELL + 99;
  const content = writeGroup(cluster, "n9", nine, length, { geometry: SMALL_RS63 });
  for (const lost of [
    [0, 1, 2],
    [6, 7, 8],
    [0, 5, 8],
    [2, 4, 7],
  ]) {
    const from = nine.map((node, unit) => (lost.includes(unit) ? [] : [node]));
    const range = { ...rangeOf(nine, length, 0, length, SMALL_RS63), from };
    expect(readAt(cluster, "n9", range).equals(content), lost.join()).toBe(true);
  }
});

test("a group that is spread over fewer nodes than it has shards is read back when one of them is gone", () => {
  const nodes = ["n1", "n2", "n3", "n1", "n2"];
  for (const lost of ["n1", "n2", "n3"]) {
    const cluster = new BlockCluster(4, IDS);
    const content = writeGroup(cluster, "n1", nodes, LENGTH);
    expectShards(cluster, nodes, content);
    cluster.losePower(lost);
    const reader = lost === "n3" ? "n1" : "n3";
    expect(readAt(cluster, reader, rangeOf(nodes, LENGTH)).equals(content)).toBe(true);
  }
});

test("a reader whose nodes die or fall silent under way gets every byte once, and too many are an error", () => {
  for (const fault of ["dies", "pauses"] as const) {
    const cluster = new BlockCluster(5, IDS);
    const content = writeGroup(cluster, "n6", FIVE, LENGTH);
    const fail = (id: NodeId): void =>
      fault === "dies" ? cluster.losePower(id) : cluster.world.machine(id).pause();
    const victims: NodeId[] = ["n2", "n1"];
    const got = readAt(cluster, "n6", rangeOf(FIVE, LENGTH), undefined, (sum) => {
      if (sum > STRIPE && victims.length === 2) fail(victims.pop() as NodeId);
      if (sum > 3 * STRIPE && victims.length === 1) fail(victims.pop() as NodeId);
    });
    expect(victims).toEqual([]);
    expect(got.equals(content)).toBe(true);
    fail("n5");
    expect(() => readAt(cluster, "n6", rangeOf(FIVE, LENGTH))).toThrow(
      "block group 160 cannot be read: 3 of 5 shards are needed, and 3 cannot be read (shard 0: ",
    );
  }
});

test("what can be given before the bytes that are lost is given", () => {
  const cluster = new BlockCluster(6, IDS);
  const content = writeGroup(cluster, "n6", FIVE, LENGTH);
  const from = [["n1"], ["n2"], [], [], []];
  let sum = 0;
  const read = (): unknown =>
    readAt(cluster, "n6", { ...rangeOf(FIVE, LENGTH), from }, undefined, (bytes) => (sum = bytes));
  expect(read).toThrow("3 of 5 shards are needed");
  expect(sum).toBe(2 * CELL);
  expect(content.length).toBe(LENGTH);
});

test("a damaged byte is never served: it is made out of the others, and the bad shard is told of", () => {
  let damages = 0;
  for (let seed = 1; seed <= 25; seed++) {
    const cluster = new BlockCluster(seed, IDS, { mayDecay: true });
    const content = writeGroup(cluster, "n6", FIVE, LENGTH);
    for (const id of ["n1", "n4"]) {
      const { disk } = cluster.world.machine(id);
      for (let spot = 0; spot < 4; spot++) disk.decay(seed % 5 === 0 ? "unreadable" : "rot");
    }
    const told: [NodeId, number][] = [];
    const got = readAt(cluster, "n6", rangeOf(FIVE, LENGTH), (node, block) => told.push([node, block]));
    expect(got.equals(content)).toBe(true);
    if (told.length === 0) continue;
    damages++;
    for (const [node, block] of told) {
      expect(FIVE[block - GROUP]).toBe(node);
      expect(cluster.node(node).store.get(block)?.state).toBe("corrupt");
    }
  }
  expect(damages).toBeGreaterThan(10);
});

test("a reader that does not use what it gets is sent two stripes and no more", () => {
  const cluster = new BlockCluster(7, IDS);
  const content = writeGroup(cluster, "n6", FIVE, LENGTH);
  const parts: Uint8Array[] = [];
  const waiting: (() => void)[] = [];
  let ended = false;
  readGroup(cluster.node("n6").link, rangeOf(FIVE, LENGTH), {
    piece(bytes, more) {
      parts.push(bytes);
      waiting.push(more);
    },
    damaged: () => undefined,
    end: () => (ended = true),
  });
  cluster.run(20_000);
  const sum = (): number => parts.reduce((total, { length }) => total + length, 0);
  expect(sum()).toBeLessThanOrEqual(2 * STRIPE);
  while (!ended) {
    for (const more of waiting.splice(0)) more();
    cluster.run(1_000);
  }
  expect(Buffer.concat(parts).equals(content)).toBe(true);
});

test("who stops reading is called back no more", () => {
  const cluster = new BlockCluster(8, IDS);
  writeGroup(cluster, "n6", FIVE, LENGTH);
  let calls = 0;
  const stop = readGroup(cluster.node("n6").link, rangeOf(FIVE, LENGTH), {
    piece() {
      calls++;
      stop();
    },
    damaged: () => calls++,
    end: () => calls++,
  });
  cluster.run(20_000);
  expect(calls).toBe(1);
});

test("whichever node dies at whichever moment, the others end with every byte, and the group can be read", () => {
  const moments = Array.from({ length: 12 }, (_, at) => at * 8_000);
  for (const victim of FIVE) {
    for (const moment of moments) {
      const cluster = new BlockCluster(moment + 1, IDS);
      const content = streamBytes(GROUP, 0, LENGTH);
      const writer = groupWriterAt(cluster.node("n6"), FIVE);
      const block = cluster.call<WrittenBlock>(`${victim} dies at ${moment}`, (done) =>
        pour(writer, content, 8_000, done, (at) => {
          if (at === moment) cluster.losePower(victim);
        }),
      );
      expect(block).toEqual({ id: GROUP, stamp: 1, length: LENGTH });
      expectShards(cluster, FIVE, content);
      expect(readAt(cluster, "n6", rangeOf(FIVE, LENGTH)).equals(content)).toBe(true);
      cluster.start(victim);
      cluster.until(() => cluster.nodes.has(victim), "back");
      const left = cluster.node(victim).store.get(GROUP + FIVE.indexOf(victim));
      const whole = shardLength(SMALL_RS32, LENGTH, FIVE.indexOf(victim));
      // Acknowledged or not: one that is finished is whole.
      if (left?.state === "finished") expect(left.length).toBe(whole);
    }
  }
});

test("a writer goes on as long as as many nodes are left as data needs, and says why when it cannot", () => {
  const cluster = new BlockCluster(9, IDS);
  const content = streamBytes(GROUP, 0, LENGTH);
  const writer = groupWriterAt(cluster.node("n6"), FIVE);
  const failing = (): unknown =>
    cluster.call<WrittenBlock>("three nodes die", (done) =>
      pour(writer, content, 4_000, done, (at) => {
        if (at === 20_000) for (const id of ["n1", "n2", "n4"]) cluster.losePower(id);
      }),
    );
  expect(failing).toThrow(/^block group 160 lost 3 of its 5 shards, of which it can lose 2: no node is left/);
  expect([...writer.lostNodes].sort()).toEqual(["n1", "n2", "n4"]);
  expect(writer.written.length).toBeGreaterThan(0);
  expect(writer.failure).toMatchObject({ code: "NO_TARGETS" });
});

test("parity without a node is left out, and made later", () => {
  const cluster = new BlockCluster(10, IDS);
  const content = writeGroup(cluster, "n6", FIVE.slice(0, 4), LENGTH);
  expectShards(cluster, FIVE.slice(0, 4), content);
  cluster.losePower("n2");
  expect(readAt(cluster, "n6", rangeOf(FIVE.slice(0, 4), LENGTH)).equals(content)).toBe(true);
});

test("nothing can be synced before the end", () => {
  const cluster = new BlockCluster(11, IDS);
  const writer = groupWriterAt(cluster.node("n6"), FIVE);
  writer.write(streamBytes(GROUP, 0, 100), () => undefined);
  expect(() => cluster.call("sync", (done) => writer.sync(done))).toThrow("cannot be synced");
  const block = cluster.call<WrittenBlock>("it goes on", (done) => writer.finish(done));
  expect(block.length).toBe(100);
  expect(() => cluster.call("again", (done) => writer.finish(done))).toThrow("finished");
});

test("a group in which nothing is ends as it is", () => {
  const cluster = new BlockCluster(12, IDS);
  const writer = groupWriterAt(cluster.node("n6"), FIVE);
  const block = cluster.call<WrittenBlock>("finish", (done) => writer.finish(done));
  expect(block).toEqual({ id: GROUP, stamp: 1, length: 0 });
});

test("a writer that gives up leaves no pipeline behind", () => {
  const cluster = new BlockCluster(13, IDS);
  const writer = groupWriterAt(cluster.node("n6"), FIVE);
  let isRoomGiven = false;
  writer.write(streamBytes(GROUP, 0, 2 * STRIPE), () => (isRoomGiven = true));
  cluster.run(50);
  writer.abort();
  cluster.run(50);
  expect(isRoomGiven).toBe(true);
  expect(writer.failure).toMatchObject({ code: "SHUTTING_DOWN" });
  for (const [unit, id] of FIVE.entries()) {
    expect(cluster.node(id).store.get(GROUP + unit)?.state).toBe("writing");
  }
});

test("under loss, repeats, disorder, stalls, pauses and deaths, an acknowledged group reads back while enough shards exist", () => {
  let finished = 0;
  let degraded = 0;
  for (let seed = 1; seed <= 60; seed++) {
    const cluster = new BlockCluster(seed, IDS, { mayDecay: true });
    const { world } = cluster;
    const { random } = world;
    Object.assign(world.network.options, {
      loss: random.pick([0, 0.002]),
      duplicate: random.pick([0, 0.05]),
      reorder: random.pick([0, 0.01]),
      falseBreak: random.pick([0, 0.002]),
    });
    const content = streamBytes(GROUP, 0, LENGTH);
    const writer = groupWriterAt(cluster.node("n6"), FIVE);
    let end: { block: WrittenBlock | undefined } | undefined;
    pour(
      writer,
      content,
      7_000,
      (_, block) => (end = { block }),
      () => {
        if (!random.chance(0.12)) return;
        const machine = world.machine(random.pick([...FIVE]));
        if (random.chance(0.4) && machine.running) cluster.losePower(machine.id);
        else if (random.chance(0.5)) machine.pause();
        else machine.disk.options.stall = 0.5;
      },
    );
    cluster.until(() => end !== undefined, `seed ${seed} ends`, 600_000);
    if (end?.block === undefined) continue;
    finished++;
    world.network.heal();
    Object.assign(world.network.options, { loss: 0, duplicate: 0, reorder: 0, falseBreak: 0 });
    for (const id of IDS) {
      world.machine(id).disk.heal();
      cluster.losePower(id);
      cluster.start(id);
    }
    cluster.untilBack();
    const isWhole = (unit: number): boolean =>
      cluster.node(FIVE[unit] as NodeId).store.get(GROUP + unit)?.state === "finished";
    const whole = FIVE.map((_, unit) => unit).filter(isWhole);
    expect(whole.length, `seed ${seed}`).toBeGreaterThanOrEqual(3);
    // Down to as many as are needed, some of them gone and some rotten.
    for (let left = random.integer(0, whole.length - 3); left > 0; left--) {
      const id = FIVE[whole.pop() as number] as NodeId;
      if (random.chance(0.5)) cluster.losePower(id);
      else for (let spot = 0; spot < 5; spot++) world.machine(id).disk.decay("rot");
    }
    if (whole.length < unitsOf(SMALL_RS32)) degraded++;
    expect(readAgain(cluster, rangeOf(FIVE, LENGTH)).equals(content), `seed ${seed}`).toBe(true);
  }
  expect(finished).toBeGreaterThan(25);
  expect(degraded).toBeGreaterThan(15);
});
