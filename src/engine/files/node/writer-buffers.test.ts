/** What a writer was given in buffers of the pool (`blocks/buffer-pool.ts`) is released, however it ends. */
import { expect, test } from "vitest";
import { FilesCluster, ROOT } from "../../../simulation/files/files-cluster.ts";
import type { FileWriter } from "../file-system.ts";
import { freeBuffers } from "../blocks/buffer-pool.ts";
import { streamBytes } from "../blocks/block-store.testing.ts";

const MIB = 1024 * 1024;
const CONTENT = streamBytes(1, 0, 5 * MIB);
const buffers = freeBuffers();

/** With a directory "/coded" of RS-3-2-1024k. */
async function clusterOf(seed: number, capacityBytes: number): Promise<FilesCluster> {
  const settings = { blockSize: 2 * MIB, minBlockSize: MIB, replication: 2 };
  const ids = ["n1", "n2", "n3", "n4", "n5"];
  const cluster = await new FilesCluster(seed, { ids, settings, disk: { capacityBytes } }).ready();
  const path = "/coded";
  const made = { type: "mkdir", path, mode: 0o755, unmaskedMode: undefined, createParents: true } as const;
  const policy = { type: "setPolicy", path, policy: "erasureCoding", value: "RS-3-2-1024k" } as const;
  for (const change of [made, policy]) await cluster.of(cluster.files().change({ ...change, caller: ROOT }));
  return cluster;
}

const ENDINGS: Readonly<Record<string, (cluster: FilesCluster, writer: FileWriter) => Promise<unknown>>> = {
  "is closed": async (cluster, writer) => {
    await cluster.put(writer, CONTENT, 300_000);
    return cluster.of(writer.close());
  },
  "gives up in the middle of a block": async (cluster, writer) => {
    await cluster.put(writer, CONTENT.subarray(0, 1_300_000), 300_000);
    return cluster.of(writer.abort());
  },
  "gives up while it writes": async (cluster, writer) => {
    const put = cluster.put(writer, CONTENT, 300_000).catch(() => undefined);
    await cluster.run(30);
    await cluster.of(writer.abort());
    return put;
  },
};

test.each(["/f", "/coded/f"].flatMap((path) => Object.keys(ENDINGS).map((ending) => ({ path, ending }))))(
  "of $path, whose writer $ending, no buffer stays retained",
  async ({ path, ending }) => {
    for (let seed = 1; seed < 6; seed++) {
      const cluster = await clusterOf(seed, Infinity);
      const writer = await cluster.of(cluster.files().create(path, ROOT));
      await ENDINGS[ending]?.(cluster, writer);
      await cluster.run(2_000);
      expect(freeBuffers()).toBe(buffers);
    }
  },
);

test.each(["/f", "/coded/f"])(
  "of %s, for which all disks are full, no buffer stays retained",
  async (path) => {
    for (let seed = 1; seed < 4; seed++) {
      const cluster = await clusterOf(seed, 3_000_000);
      const writer = await cluster.of(cluster.files().create(path, ROOT));
      const put = async (): Promise<void> => {
        for (;;) await cluster.put(writer, CONTENT, 300_000);
      };
      await expect(put()).rejects.toMatchObject({
        code: expect.stringMatching(/NO_TARGETS|DISK_FULL/) as string,
      });
      await cluster.of(writer.abort());
      await cluster.run(2_000);
      expect(freeBuffers()).toBe(buffers);
    }
  },
);
