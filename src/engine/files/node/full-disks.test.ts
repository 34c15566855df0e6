/** Disks that fill up while files are written to them, and others that have room. */
import { expect, test } from "vitest";
import type { NodeId } from "../../../runtime/world.ts";
import { FilesCluster, ROOT } from "../../../simulation/files/files-cluster.ts";
import { streamBytes } from "../blocks/block-store.testing.ts";

const BLOCK_BYTES = 512 * 1024;
const ONE_REPLICA = { settings: { replication: 1, blockSize: BLOCK_BYTES } };

/** A cluster whose n1 has room for so many bytes beside what it holds, and says so. */
async function withRoomAt(cluster: FilesCluster, id: NodeId, bytes: number): Promise<void> {
  const { disk } = cluster.world.machine(id);
  disk.options.capacityBytes = disk.usedBytes() + bytes;
  await cluster.run(3_000);
}

test("of many files that are begun at once, no more go to a node than it has room for", async () => {
  const cluster = await new FilesCluster(1, ONE_REPLICA).ready();
  await withRoomAt(cluster, "n1", 8 * BLOCK_BYTES);
  const contents = Array.from({ length: 16 }, (_, n) => streamBytes(n, 0, BLOCK_BYTES));
  const files = cluster.files("n1");
  const write = async (content: (typeof contents)[number], n: number): Promise<void> => {
    const writer = await files.create(`/f${n}`, ROOT);
    for (let at = 0; at < content.length; at += 50_000) await writer.write(content.subarray(at, at + 50_000));
    await writer.close();
  };
  await cluster.of(Promise.all(contents.map(write)));
  for (const [n, content] of contents.entries()) {
    expect((await cluster.read(`/f${n}`, "n3")).equals(content), `/f${n}`).toBe(true);
  }
});

test("an append takes what it adds of the room of its node, not what was there", async () => {
  const cluster = await new FilesCluster(4, ONE_REPLICA).ready();
  const write = async (path: string, bytes: number): Promise<void> => {
    const writer = await cluster.of(cluster.files("n1").create(path, ROOT));
    await cluster.put(writer, streamBytes(1, 0, bytes));
    await cluster.of(writer.close());
  };
  await write("/f", 0.9 * BLOCK_BYTES);
  await withRoomAt(cluster, "n1", 5.5 * BLOCK_BYTES);
  const writer = await cluster.of(cluster.files("n1").append("/f", ROOT));
  await cluster.put(writer, streamBytes(2, 0, 1_000));
  await cluster.of(writer.close());
  await write("/g", 0.4 * BLOCK_BYTES);
  expect(cluster.blocks("/g").map((block) => cluster.holders(block))).toEqual([["n1"]]);
});

test("a block whose only node has no more room goes on at another, with all that was acknowledged", async () => {
  for (const acknowledged of [0, 20_000]) {
    const cluster = await new FilesCluster(2, ONE_REPLICA).ready();
    const content = streamBytes(3, 0, 150_000);
    const writer = await cluster.of(cluster.files("n1").create("/f", ROOT));
    await cluster.put(writer, content.subarray(0, acknowledged));
    if (acknowledged > 0) await cluster.of(writer.sync());
    const { disk } = cluster.world.machine("n1");
    disk.options.capacityBytes = disk.usedBytes();
    await cluster.put(writer, content.subarray(acknowledged));
    await cluster.of(writer.close());
    expect((await cluster.read("/f", "n4")).equals(content), `after ${acknowledged}`).toBe(true);
    const held = cluster.blocks("/f").map((block) => cluster.holders(block));
    expect(held.every((nodes) => nodes.length === 1 && nodes[0] !== "n1")).toBe(true);
    const isGone = (): boolean => [...cluster.node("n1").store.list()].length === 0;
    await cluster.until(isGone, "what the full node had of it is removed", 60_000);
  }
});
