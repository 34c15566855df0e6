/** Files of which a part cannot be read: how long that takes, and what is said. In virtual time. */
import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import type { Bytes } from "../../../runtime/bytes.ts";
import type { NodeId } from "../../../runtime/world.ts";
import { FilesCluster, ROOT } from "../../../simulation/files/files-cluster.ts";
import type { SimulatedLog } from "../../../simulation/files/simulated-log.ts";
import { streamBytes } from "../blocks/block-store.testing.ts";

const BLOCK = 64 * 1024;
const content = streamBytes(5, 0, 2 * BLOCK + 100);

/** A file of three blocks of one replica each: on n2, on n3 and again on n2. */
async function spread(seed: number, mayDecay = false): Promise<FilesCluster> {
  const options = { settings: { replication: 1 }, node: { scrubBandwidth: 0 }, mayDecay };
  const cluster = await new FilesCluster(seed, options).ready();
  // Safe mode, which began without blocks, is long over.
  await cluster.run(3_000);
  const writer = await cluster.of(cluster.files("n2").create("/d/f", ROOT));
  await cluster.put(writer, content.subarray(0, BLOCK));
  await cluster.of(writer.close());
  for (const [at, node] of [
    [1, "n3"],
    [2, "n2"],
  ] as const) {
    const appender = await cluster.of(cluster.files(node).append("/d/f", ROOT));
    await cluster.put(appender, content.subarray(at * BLOCK, (at + 1) * BLOCK));
    await cluster.of(appender.close());
  }
  await cluster.run(2_000);
  expect(cluster.blocks("/d/f").map((block) => cluster.holders(block))).toEqual([["n2"], ["n3"], ["n2"]]);
  return cluster;
}

interface Failed {
  readonly error: { readonly code: string; readonly message: string };
  readonly bytes: number;
  readonly tookMs: number;
}

/** Reads until it fails. */
async function failing(cluster: FilesCluster, path: string, at: NodeId, offset = 0): Promise<Failed> {
  const { scheduler } = cluster.world;
  const startMs = scheduler.nowMs;
  let bytes = 0;
  const reading = async (): Promise<unknown> => {
    try {
      for await (const piece of await cluster.files(at).read(path, ROOT, { offset })) bytes += piece.length;
      return undefined;
    } catch (error) {
      return error;
    }
  };
  const error = (await cluster.of(reading())) as Failed["error"] | undefined;
  if (error === undefined) throw new Error(`${path} was read`);
  return { error, bytes, tookMs: scheduler.nowMs - startMs };
}

test("a block that no live node holds is one error at once, which names path, byte, block and where it was; the rest is read", async () => {
  const cluster = await spread(1);
  cluster.losePower("n3");
  await cluster.run(12_000);
  const [first, second] = cluster.blocks("/d/f") as [number, number];
  const { error, bytes, tookMs } = await failing(cluster, "/d/f", "n1");
  expect(error).toMatchObject({ code: "BLOCK_MISSING", retryable: true });
  expect(error.message).toMatch(
    new RegExp(
      `^/d/f cannot be read from byte ${BLOCK}: no live node has a replica of block ${second} \\(n3 has been silent for 1[23] s\\)$`,
    ),
  );
  expect(bytes).toBe(BLOCK);
  expect(tookMs).toBeLessThan(1_000);
  expect(first).not.toBe(second);
  const sums = cluster.files("n1").checksum("/d/f", ROOT);
  await expect(cluster.of(sums)).rejects.toThrow(
    `/d/f has no checksum: no live node has a replica of block ${second} (n3 has been silent for`,
  );
  for (const [offset, length] of [
    [0, BLOCK],
    [2 * BLOCK, 100],
  ] as const) {
    const read = await cluster.read("/d/f", "n1", { offset, length });
    expect(read.equals(content.subarray(offset, offset + length))).toBe(true);
  }
});

test("a node that is just started again is waited for, by readers and for checksums", async () => {
  const cluster = await spread(2);
  const checksum = await cluster.of(cluster.files("n1").checksum("/d/f", ROOT));
  for (const what of ["read", "checksum"] as const) {
    cluster.losePower("n3");
    await cluster.run(100);
    const { files } = cluster.node("n1");
    const asked: Promise<Bytes> =
      what === "read"
        ? cluster.readAll("/d/f", "n1")
        : files.checksum("/d/f", ROOT).then(({ bytes }) => bytes);
    asked.catch(() => undefined);
    await cluster.run(1_500);
    cluster.start("n3");
    expect((await cluster.of(asked)).equals(what === "read" ? content : checksum.bytes)).toBe(true);
  }
});

test("a node that was just started, and knows of no replica yet, does not say that there is none", async () => {
  const cluster = await spread(3);
  cluster.losePower("n1");
  cluster.start("n1");
  await cluster.until(() => cluster.nodes.has("n1"), "it is back");
  expect((await cluster.read("/d/f", "n1")).equals(content)).toBe(true);
});

test("a node that is silent at first is tried, and named; and the wait for it is bounded", async () => {
  const cluster = await spread(4);
  cluster.losePower("n3");
  const { error, tookMs } = await failing(cluster, "/d/f", "n1", BLOCK);
  expect(error.code).toBe("BLOCK_MISSING");
  expect(error.message).toMatch(/^\/d\/f cannot be read from byte 65536: .*n3/);
  expect(tookMs).toBeGreaterThan(1_000);
  expect(tookMs).toBeLessThan(30_000);
});

test("a replica that is damaged, the only one, is told of as such", async () => {
  const cluster = await spread(5, true);
  const [, block] = cluster.blocks("/d/f") as [number, number];
  const { disk } = cluster.world.machine("n3");
  const isDamaged = (): boolean => cluster.node("n3").store.get(block)?.state === "corrupt";
  for (let spot = 0; !isDamaged() && spot < 60; spot++) {
    disk.decay("rot");
    await cluster.read("/d/f", "n3", { offset: BLOCK, length: BLOCK }).catch(() => undefined);
  }
  expect(isDamaged()).toBe(true);
  await cluster.run(1_000);
  const { error, bytes, tookMs } = await failing(cluster, "/d/f", "n1");
  expect(error.code).toBe("BLOCK_MISSING");
  expect(error.message).toContain(`no live node has a replica of block ${block} (that of n3 is damaged)`);
  expect(bytes).toBe(BLOCK);
  expect(tookMs).toBeLessThan(1_000);
});

test("a group with too few shards says how many there are, and where the others were; cells that are there are read", async () => {
  const MIB = 1024 * 1024;
  const ids = ["n1", "n2", "n3", "n4", "n5", "n6", "n7"];
  const settings = { blockSize: 2 * MIB, minBlockSize: MIB };
  const cluster = await new FilesCluster(6, { ids, settings }).ready();
  await cluster.run(3_000);
  const made = { type: "mkdir", path: "/ec", caller: ROOT, mode: 0o755, unmaskedMode: undefined } as const;
  await cluster.of(cluster.files().change({ ...made, createParents: true }));
  const value = "RS-3-2-1024k";
  const coded = { type: "setPolicy", path: "/ec", caller: ROOT, policy: "erasureCoding", value } as const;
  await cluster.of(cluster.files().change(coded));
  const bytes = streamBytes(7, 0, 3 * MIB);
  await cluster.write("/ec/f", bytes, "n1", 100_000);
  await cluster.run(2_000);
  const [group] = cluster.blocks("/ec/f") as [number];
  const holderOf = (unit: number): NodeId => cluster.holders(group + unit)[0] as NodeId;
  const reader = holderOf(0);
  // Shards 1 and 2 go, and of the parity one.
  const lost = [1, 2, 3].map(holderOf);
  for (const node of lost) cluster.losePower(node);
  (cluster.log as SimulatedLog).lead(reader);
  await cluster.run(12_000);
  const { error, bytes: given, tookMs } = await failing(cluster, "/ec/f", reader);
  expect(error.message).toMatch(
    new RegExp(
      `^/ec/f cannot be read from byte ${MIB}: live nodes have only 2 of the 3 shards that are needed of block group ${group} ` +
        `\\(shard 1: ${lost[0] ?? ""} has been silent for 1\\d s; shard 2: ${lost[1] ?? ""} .*; shard 3: ${lost[2] ?? ""} .*\\)$`,
    ),
  );
  expect(given).toBe(MIB);
  expect(tookMs).toBeLessThan(1_000);
  expect((await cluster.read("/ec/f", reader, { length: MIB })).equals(bytes.subarray(0, MIB))).toBe(true);
  await expect(cluster.of(cluster.files(reader).checksum("/ec/f", ROOT))).rejects.toThrow(
    "/ec/f has no checksum: live nodes have only 2 of the 3 shards",
  );
});

test("who is not waited for any more ends its rounds, and leaves nothing at the signal", async () => {
  const cluster = await spread(7);
  cluster.losePower("n3");
  const aborting = new AbortController();
  const { signal } = aborting;
  const heard = (): number => getEventListeners(signal, "abort").length;
  const before = cluster.world.scheduler.nowMs;
  const ended: number[] = [];
  const end = (): number => ended.push(cluster.world.scheduler.nowMs - before);
  const checksum = cluster.files("n1").checksum("/d/f", ROOT, { signal });
  const reading = (async () => {
    for await (const _ of await cluster.files("n1").read("/d/f", ROOT, { signal, offset: BLOCK }));
  })();
  for (const waiting of [checksum, reading]) waiting.then(end, end);
  await cluster.run(1_500);
  expect(ended).toEqual([]);
  // Each one's own, and that of its pause.
  expect(heard()).toBeLessThanOrEqual(4);
  aborting.abort(new Error("gone"));
  await cluster.run(50);
  expect(ended).toHaveLength(2);
  await expect(checksum).rejects.toThrow("gone");
  await expect(reading).rejects.toThrow("gone");
  expect(heard()).toBe(0);
});
