/** Keyspace notifications over a cluster: subscribers of every node are told the same, in the order of the log. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "redis";
import { afterEach, expect, test } from "vitest";
import type { Engine } from "../../src/index.ts";
import { ALGORITHMS, start } from "../../src/index.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function started(options: Parameters<typeof start>[0]): Promise<Engine> {
  const engine = await start(options);
  closers.push(() => engine.close());
  return engine;
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "quorate-notifications-"));
  closers.unshift(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function clientOf(url: string) {
  const client = createClient({ url, socket: { reconnectStrategy: 20 } });
  client.on("error", () => undefined);
  closers.push(() => client.destroy());
  return client.connect();
}

/** What a subscriber of this node hears from now on: "event key". */
async function heard(url: string): Promise<string[]> {
  const events: string[] = [];
  const client = await clientOf(url);
  await client.pSubscribe("__keyevent@0__:*", (key, channel) => {
    events.push(`${channel.replace("__keyevent@0__:", "")} ${key}`);
  });
  return events;
}

test.each(ALGORITHMS)(
  "%s: asked for at one node, every node's subscribers hear the same, over a change of the leader too",
  async (consensus) => {
    const engine = await started({ consensus, nodes: 3 });
    const leader = engine.leader()!;
    const others = engine.nodes.filter((node) => node !== leader);
    const [writer, other] = [await clientOf(others[0]!.url), await clientOf(others[1]!.url)];
    await writer.configSet("notify-keyspace-events", "AKE");
    for (const client of [writer, other, await clientOf(leader.url)]) {
      await expect
        .poll(() => client.configGet("notify-keyspace-events"))
        .toMatchObject({
          "notify-keyspace-events": "AKE",
        });
    }
    const streams = await Promise.all(engine.nodes.map((node) => heard(node.url)));
    const survivors = streams.filter((_, at) => engine.nodes[at] !== leader);
    await Promise.all(Array.from({ length: 50 }, (_, at) => (at % 2 ? writer : other).incr(`n${at}`)));
    await writer.multi().set("t", "1").rPush("l", ["a", "b"]).exec();
    await other.eval("redis.call('LPOP', 'l') return redis.call('LPOP', 'l')");
    await writer.set("short", "1", { expiration: { type: "PX", value: 60_000 } });
    engine.clock.advance(61_000);
    const first = [
      "set t",
      "rpush l",
      "lpop l",
      "lpop l",
      "del l",
      "set short",
      "expire short",
      "expired short",
    ];
    for (const events of streams) {
      await expect.poll(() => events.slice(50), { timeout: 5000 }).toEqual(first);
      expect(events).toEqual(streams[0]);
      expect(new Set(events.slice(0, 50)).size).toBe(50);
    }
    await leader.kill();
    await writer.set("after", "1");
    await other.del("after");
    for (const events of survivors) {
      await expect.poll(() => events.slice(58), { timeout: 5000 }).toEqual(["set after", "del after"]);
    }
  },
);

test("a restart does not forget what is told", async () => {
  const engine = await started({ data: folder() });
  const client = await clientOf(engine.url);
  await client.configSet("notify-keyspace-events", "Ex$");
  await client.sendCommand(["SAVE"]);
  await engine.nodes[0]?.kill();
  await engine.nodes[0]?.restart();
  const again = await clientOf(engine.url);
  expect(await again.configGet("notify*")).toMatchObject({ "notify-keyspace-events": "$xE" });
  const events = await heard(engine.url);
  await again.hSet("h", "f", "v");
  await again.set("a", "1");
  await expect.poll(() => events).toEqual(["set a"]);
});

test("what a node carries out again from its log, after a restart, it tells nobody again", async () => {
  const engine = await started({ nodes: 3, data: folder() });
  const client = await clientOf(engine.url);
  await client.configSet("notify-keyspace-events", "EA");
  for (let at = 0; at < 20; at++) await client.set(`old${at}`, "1");
  await client.multi().publish("__keyevent@0__:said", "old").exec();
  await Promise.all(engine.nodes.map((node) => node.kill()));
  const [alone, second] = engine.nodes;
  await alone!.restart();
  // Without a majority nothing is carried out yet.
  const events = await heard(alone!.url);
  await second!.restart();
  const again = await clientOf(alone!.url);
  await expect.poll(() => again.set("new", "1").catch(() => undefined), { timeout: 10_000 }).toBe("OK");
  await again.multi().publish("__keyevent@0__:said", "new").exec();
  await expect.poll(() => events.at(-1), { timeout: 5000 }).toBe("said new");
  expect(new Set(events)).toEqual(new Set(["set new", "said new"]));
  expect(await again.get("old19")).toBe("1");
});

test("chosen within a transaction, it holds for what stands behind it", async () => {
  const engine = await started({});
  const client = await clientOf(engine.url);
  await client.configSet("notify-keyspace-events", "E$");
  const events = await heard(engine.url);
  await client
    .multi()
    .set("a", "1")
    .hSet("h", "f", "v")
    .configSet("notify-keyspace-events", "Eh")
    .set("b", "1")
    .hSet("h", "f", "w")
    .exec();
  await expect.poll(() => events).toEqual(["set a", "hset h"]);
});
