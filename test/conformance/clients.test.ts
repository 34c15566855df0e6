/** The real clients node-redis 6 and ioredis 6 against this server: handshakes, pipelines, transactions, pub/sub, cluster. */
import { Cluster, Redis } from "ioredis";
import { createClient, createCluster, RESP_TYPES } from "redis";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  member,
  startTestServer,
  type TestServer,
} from "../../src/engine/protocol/resp/local-node.testing.ts";

let ours: TestServer;
/** One that does not lead: its machine stays empty when clients follow MOVED. */
let follower: TestServer;

beforeAll(async () => {
  ours = await startTestServer({ id: "n1", timing: () => 1 });
  follower = await startTestServer({ id: "n2", leader: "n1", timing: () => 1 });
  const views = [
    member("n1", `127.0.0.1:${ours.port}`, "leader"),
    member("n2", `127.0.0.1:${follower.port}`, "follower"),
  ];
  ours.node.memberViews = views;
  follower.node.memberViews = views;
});

afterAll(async () => {
  await ours.server.close();
  await follower.server.close();
});

test("node-redis works over RESP3: commands, binary values, pipelines, WATCH, pub/sub", async () => {
  const client = await createClient({ url: `redis://127.0.0.1:${ours.port}`, RESP: 3 }).connect();
  try {
    expect(await client.set("nr:a", "grün", { EX: 100 })).toBe("OK");
    expect(await client.get("nr:a")).toBe("grün");
    const bytes = Buffer.from([0, 255, 13, 10, 36]);
    await client.set("nr:b", bytes);
    const binary = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
    expect(await binary.get("nr:b")).toEqual(bytes);
    expect(await client.hSet("nr:h", { x: "1", y: "2" })).toBe(2);
    expect({ ...(await client.hGetAll("nr:h")) }).toEqual({ x: "1", y: "2" });
    const counts = await Promise.all(Array.from({ length: 500 }, () => client.incr("nr:n")));
    expect(counts).toEqual(Array.from({ length: 500 }, (_, index) => index + 1));
    expect(await client.multi().set("nr:m", "1").incr("nr:m").get("nr:m").exec()).toEqual(["OK", 2, "2"]);
    expect((await client.configGet("maxmemory-policy"))["maxmemory-policy"]).toBe("noeviction");
    expect(await client.ping()).toBe("PONG");
    const listener = await client.duplicate().connect();
    const heard = new Promise((resolve) => {
      void listener
        .subscribe("nr:c", (message, channel) => resolve([channel, message]))
        .then(() => client.publish("nr:c", "hello"));
    });
    expect(await heard).toEqual(["nr:c", "hello"]);
    await listener.close();
  } finally {
    await client.close();
  }
});

test("node-redis sees a broken WATCH", async () => {
  const [mine, other] = await Promise.all([
    createClient({ url: `redis://127.0.0.1:${ours.port}` }).connect(),
    createClient({ url: `redis://127.0.0.1:${ours.port}` }).connect(),
  ]);
  try {
    await mine.watch("nr:w");
    await other.set("nr:w", "changed");
    await expect(mine.multi().set("nr:w", "mine").exec()).rejects.toThrow(/watched keys/);
    expect(await other.get("nr:w")).toBe("changed");
  } finally {
    await mine.close();
    await other.close();
  }
});

test("ioredis works: commands, pipelines, MULTI, pub/sub", async () => {
  const redis = new Redis(ours.port, "127.0.0.1", { lazyConnect: true, connectionName: "io" });
  try {
    await redis.connect();
    expect(await redis.client("GETNAME")).toBe("io");
    expect(await redis.set("io:a", "1", "PX", 100_000, "NX")).toBe("OK");
    expect(await redis.getBuffer("io:a")).toEqual(Buffer.from("1"));
    const pipeline = redis.pipeline();
    for (let index = 0; index < 300; index += 1) pipeline.incr("io:n").get("io:n");
    const replies = await pipeline.exec();
    expect(replies?.map(([, value]) => Number(value))).toEqual(
      Array.from({ length: 600 }, (_, index) => Math.floor(index / 2) + 1),
    );
    expect(await redis.multi().set("io:m", "1").hset("io:m", "f", "v").get("io:m").exec()).toEqual([
      [null, "OK"],
      [expect.objectContaining({ message: expect.stringContaining("WRONGTYPE") as string })],
      [null, "1"],
    ]);
    const listener = redis.duplicate();
    const heard = new Promise((resolve) => {
      listener.on("pmessage", (pattern, channel, message) => resolve([pattern, channel, message]));
    });
    await listener.psubscribe("io:*");
    expect(await redis.publish("io:c", "hello")).toBe(1);
    expect(await heard).toEqual(["io:*", "io:c", "hello"]);
    listener.disconnect();
  } finally {
    redis.disconnect();
  }
});

test("ioredis Cluster, given only a follower, finds the leader", async () => {
  const cluster = new Cluster([{ host: "127.0.0.1", port: follower.port }], { lazyConnect: true });
  try {
    await cluster.connect();
    const keys = Array.from({ length: 50 }, (_, index) => `ic:${index}`);
    await Promise.all(keys.map((key) => cluster.set(key, key)));
    expect(await Promise.all(keys.map((key) => cluster.get(key)))).toEqual(keys);
    expect(await cluster.mget("{t}ic:1", "{t}ic:2")).toEqual([null, null]);
    expect(ours.node.machine.databases[0]?.exists("ic:0")).toBe(true);
    expect(follower.node.machine.databases[0]?.size).toBe(0);
  } finally {
    cluster.disconnect();
  }
});

test("node-redis's cluster client, given only a follower, finds the leader", async () => {
  const cluster = await createCluster({
    rootNodes: [{ url: `redis://127.0.0.1:${follower.port}` }],
  }).connect();
  try {
    const keys = Array.from({ length: 50 }, (_, index) => `nc:${index}`);
    await Promise.all(keys.map((key) => cluster.set(key, key)));
    expect(await Promise.all(keys.map((key) => cluster.get(key)))).toEqual(keys);
    expect(ours.node.machine.databases[0]?.exists("nc:0")).toBe(true);
    expect(follower.node.machine.databases[0]?.size).toBe(0);
  } finally {
    await cluster.close();
  }
});

test("a plain client at a follower is served there; one that knows the cluster is sent to the leader", async () => {
  const redis = new Redis(follower.port, "127.0.0.1");
  try {
    expect(await redis.get("nosuch")).toBe(null);
    const slots = await redis.cluster("SLOTS");
    expect(slots[0]?.slice(0, 2)).toEqual([0, 16_383]);
    expect(slots[0]?.[2]?.slice(0, 2)).toEqual(["127.0.0.1", ours.port]);
    await expect(redis.get("foo")).rejects.toThrow(`MOVED 12182 127.0.0.1:${ours.port}`);
    expect(await redis.ping()).toBe("PONG");
    await redis.readonly();
    expect(await redis.get("foo")).toBe(null);
    await expect(redis.set("foo", "1")).rejects.toThrow(/^MOVED/);
  } finally {
    redis.disconnect();
  }
});

test("CLUSTER SLOTS leaves out replicas that are not in sight, so that nobody is sent to read there", async () => {
  const views = ours.node.memberViews;
  ours.node.memberViews = [
    ...views,
    member("n3", "127.0.0.1:1", "unreachable"),
    member("n4", "127.0.0.1:2", "follower"),
  ];
  const redis = new Redis(ours.port, "127.0.0.1");
  try {
    const [range] = await redis.cluster("SLOTS");
    expect(range?.slice(2).map((node) => (node as unknown[])[1])).toEqual([ours.port, follower.port, 2]);
  } finally {
    redis.disconnect();
    ours.node.memberViews = views;
  }
});
