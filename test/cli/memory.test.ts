/** Durability `memory` with three processes: one that is killed comes back with nothing, and is taken in again by itself. */
import { createClient } from "redis";
import { afterEach, expect, test } from "vitest";
import { ALGORITHMS } from "../../src/consensus/algorithms.ts";
import type { NodeEntry } from "../../src/engine/protocol/admin/status-document.ts";
import { cleanUp, keptBy, startCluster, statusOf, until } from "./program.ts";

afterEach(cleanUp);

test.each(ALGORITHMS)(
  "%s: processes that keep nothing are killed one after the other, and nothing acknowledged is lost",
  async (algorithm) => {
    const { urls } = await startCluster(["--nodes", "3", "--durability", "memory", ...keptBy(algorithm)]);
    const url = (id: string): string => urls[Number(id.slice(1)) - 1] ?? "";
    const nodesAt = async (id: string): Promise<readonly NodeEntry[]> => (await statusOf(url(id))).nodes;
    const client = createClient({ url: url("n1"), socket: { reconnectStrategy: 20 } });
    client.on("error", () => undefined);
    await client.connect();
    const written: string[] = [];
    const write = async (key: string): Promise<void> => {
      await until(`the write of ${key}`, 20_000, () =>
        client.set(key, "x").then(
          () => true,
          () => undefined,
        ),
      );
      written.push(key);
    };
    await until("all to be heard", 10_000, async () => {
      return (await nodesAt("n1")).every(({ role }) => role !== "unreachable") || undefined;
    });
    for (let at = 0; at < 100; at += 1) await write(`before:${at}`);

    // A follower under the same leader first: it must not stay behind for ever. Then the leader, then whoever is left.
    const leader = (await nodesAt("n1")).find(({ role }) => role === "leader")?.id ?? "";
    const order = ["n1", "n2", "n3"].sort(
      (left, right) => Number(left === leader) - Number(right === leader),
    );
    for (const id of order) {
      const watcher = order.find((each) => each !== id) ?? "";
      const before = (await nodesAt(watcher)).find((node) => node.id === id);
      process.kill(before?.pid ?? 0, "SIGKILL");
      for (let at = 0; at < 10; at += 1) await write(`without ${id}:${at}`);
      await until(`${id} to vote again`, 20_000, async () => {
        const now = (await nodesAt(watcher)).find((node) => node.id === id);
        const isBack = now?.pid !== before?.pid && now?.directory !== before?.directory;
        return (isBack && now?.voter === true && !now.newcomer && now.lag === 0) || undefined;
      });
      await write(`after ${id}`);
    }
    client.destroy();
    for (const id of order) {
      const reader = createClient({ url: url(id) });
      reader.on("error", () => undefined);
      await reader.connect();
      expect(await reader.exists(written), `keys at ${id}`).toBe(written.length);
      reader.destroy();
    }
  },
  120_000,
);
