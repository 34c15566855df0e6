import { createHash } from "node:crypto";
import {
  closeSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "redis";
import { afterEach, expect, test } from "vitest";
import type { Engine, StartOptions } from "../../src/index.ts";
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

function clientOf(url: string) {
  const client = createClient({ url, socket: { reconnectStrategy: 20 } });
  client.on("error", () => undefined);
  closers.push(() => client.destroy());
  return client.connect();
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "quorate-start-"));
  closers.unshift(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

test.each(ALGORITHMS)("%s: a real client talks to an engine inside the process", async (consensus) => {
  const engine = await started({ consensus });
  const client = await clientOf(engine.url);
  expect(await client.set("greeting", "hello")).toBe("OK");
  expect(await client.get("greeting")).toBe("hello");
  expect(await client.eval("return redis.call('GET', KEYS[1])", { keys: ["greeting"] })).toBe("hello");
});

test.each(ALGORITHMS)(
  "%s: a test moves time: keys expire when the clock is advanced, not when it is skewed",
  async (consensus) => {
    const engine = await started({ consensus });
    const client = await clientOf(engine.url);
    await client.set("lock", "me", { expiration: { type: "EX", value: 60 } });
    engine.clock.skew(3_600_000);
    expect(await client.get("lock")).toBe("me");
    engine.clock.advance(61_000);
    expect(await client.get("lock")).toBeNull();
  },
);

test.each(ALGORITHMS)(
  "%s: what was acknowledged survives the kill and the restart of every node",
  async (consensus) => {
    const engine = await started({ consensus, nodes: 3, data: folder() });
    const client = await clientOf(engine.url);
    for (let count = 1; count <= 50; count++) expect(await client.incr("counter")).toBe(count);
    await Promise.all(engine.nodes.map((node) => node.kill()));
    await Promise.all(engine.nodes.map((node) => node.restart()));
    const again = await clientOf(engine.urls[1] ?? "");
    expect(await again.get("counter")).toBe("50");
  },
);

test.each(ALGORITHMS)(
  "%s: writes go on when the leader is killed, and it catches up when it comes back",
  async (consensus) => {
    const engine = await started({ consensus, nodes: 3, data: folder() });
    const leader = engine.leader();
    const other = engine.nodes.find((node) => node !== leader);
    const client = await clientOf(other?.url ?? "");
    await client.set("before", "1");
    await leader?.kill();
    expect(await client.set("after", "2")).toBe("OK");
    await leader?.restart();
    const back = await clientOf(leader?.url ?? "");
    expect(await back.mGet(["before", "after"])).toEqual(["1", "2"]);
  },
);

test.each(ALGORITHMS)(
  "%s: a node that is cut off answers with an error in bounded time, and never with old data",
  async (consensus) => {
    const engine = await started({ consensus, nodes: 3, requestTimeoutMs: 1_000 });
    const leader = engine.leader();
    const other = engine.nodes.find((node) => node !== leader);
    const cut = await clientOf(leader?.url ?? "");
    const free = await clientOf(other?.url ?? "");
    await cut.set("key", "old");
    leader?.isolate();
    expect(await free.set("key", "new")).toBe("OK");
    await expect(cut.get("key")).rejects.toThrow(/^CLUSTERDOWN/);
    leader?.heal();
    await expect.poll(() => cut.get("key").catch(() => undefined), { timeout: 10_000 }).toBe("new");
  },
);

test.each([
  [{ durability: "always" }, 'durability "always" needs a directory: set data to a path'],
  [{ nodes: 2 }, "nodes must be 1 or 3, not 2"],
  [{ nodes: "3" }, 'nodes must be 1 or 3, not "3"'],
  [{ consensus: "guessing" }, 'consensus must be "raft" or "paxos", not "guessing"'],
  [{ durability: "often" }, 'durability must be "always" or "everysec" or "memory", not "often"'],
  [{ data: 5 }, 'data must be "memory" or a path, not 5'],
  [{ data: "" }, 'data must be "memory" or a path, not ""'],
  [{ port: 70_000 }, "port must be a port, 0 to 65535, not 70000"],
  [{ nodes: 3, httpPort: 65_534 }, "httpPort 65534 leaves no ports for 3 nodes, which count up"],
  [{ password: 7 }, "password must be a string, not 7"],
  [{ requestTimeoutMs: 0 }, "requestTimeoutMs must be a number of milliseconds above 0, not 0"],
  [{ jobs: true }, "jobs must be an object, not true"],
  [{ host: "::" }, expect.stringMatching(/^start has no option host; it has data, nodes, /)],
  [null, "start takes an object of options, not null"],
])("start(%j) is refused with what is wrong", async (options, message) => {
  await expect(start(options as StartOptions)).rejects.toMatchObject({ code: "USAGE", message });
});

test.each(ALGORITHMS.flatMap((made) => ALGORITHMS.map((asked) => ({ made, asked }))))(
  "a data directory made with $made is opened with $asked only if that is the same",
  async ({ made, asked }) => {
    const data = folder();
    await (await start({ data, consensus: made })).close();
    const opening = start({ data, consensus: asked });
    if (made === (asked as string)) return (await opening).close();
    await expect(opening).rejects.toMatchObject({
      code: "DATA_DIRECTORY_FOREIGN",
      message: `${join(data, "n1")} belongs to another algorithm: ${made}, not ${asked}`,
    });
  },
);

test("a data directory that is in use is refused, and the first engine goes on", async () => {
  const data = folder();
  const engine = await started({ data });
  await expect(start({ data })).rejects.toMatchObject({ code: "DATA_DIRECTORY_IN_USE" });
  const client = await clientOf(engine.url);
  expect(await client.ping()).toBe("PONG");
});

test.each(ALGORITHMS)(
  "%s: what a script or a transaction publishes reaches subscribers on every node, once",
  async (consensus) => {
    const engine = await started({ consensus, nodes: 3 });
    const received: string[] = [];
    for (const url of engine.urls) {
      const subscriber = await clientOf(url);
      await subscriber.subscribe("news", (message) => received.push(message));
    }
    const client = await clientOf(engine.urls[2] ?? "");
    await client.eval("return redis.call('PUBLISH', 'news', 'script')");
    await client.multi().publish("news", "transaction").exec();
    expect(await client.publish("news", "direct")).toBe(3);
    const expected = ["direct", "script", "transaction"].flatMap((message) => [message, message, message]);
    await expect.poll(() => [...received].sort()).toEqual(expected);
  },
);

/** Flips one bit of `text` wherever a log in the directory holds it, and tells how often that was. */
function rot(directory: string, text: string): number {
  let flipped = 0;
  for (const name of readdirSync(directory).filter((each) => each.endsWith(".log"))) {
    const path = join(directory, name);
    const bytes = readFileSync(path);
    for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) {
      bytes[at] = bytes.readUInt8(at) ^ 1;
      flipped++;
    }
    writeFileSync(path, bytes);
  }
  return flipped;
}

async function eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 10_000;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`it did not come true in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test.each(ALGORITHMS)(
  "%s: a node whose log is damaged fetches what it lost from its peers, and serves again",
  async (consensus) => {
    const data = folder();
    const engine = await started({ consensus, nodes: 3, data });
    const hurt = engine.nodes.find((node) => node !== engine.leader());
    if (hurt === undefined) throw new Error("three nodes have a follower");
    const client = await clientOf(engine.leader()?.url ?? "");
    for (let count = 0; count < 20; count++) await client.set(`key-${count}`, `value-${count}-of-many`);
    await eventually(
      "the follower has it all",
      () => hurt.status()?.appliedIndex === engine.leader()?.status()?.appliedIndex,
    );
    await hurt.kill();
    expect(rot(join(data, hurt.id), "value-7-of-many")).toBeGreaterThan(0);
    // Alone, it says what it is about, and does not ask for votes.
    hurt.isolate();
    await hurt.restart();
    const recovering = hurt.status()?.consensus.recovering;
    expect(recovering?.index).toBeGreaterThan(7);
    const itself = await clientOf(hurt.url);
    expect(await itself.info("quorate")).toMatch(
      /recovering:yes: the log reaches entry \d+ and once reached \d+/,
    );
    const term = hurt.status()?.consensus.term;
    hurt.heal();
    await eventually("it has recovered", () => hurt.status()?.consensus.recovering === undefined);
    expect(hurt.status()?.consensus.term).toBe(term);
    expect(await itself.get("key-7")).toBe("value-7-of-many");
    expect(await itself.info("quorate")).toContain("recovering:no");
    // It counts again: another node may go, and what was healed is found intact by the next start.
    await engine.nodes.find((node) => node !== hurt && node !== engine.leader())?.kill();
    expect(await itself.set("after", "1")).toBe("OK");
    await hurt.kill();
    await hurt.restart();
    expect(hurt.status()?.consensus.recovering).toBeUndefined();
    await eventually(
      "it serves",
      async () => (await itself.get("key-7").catch(() => "")) === "value-7-of-many",
    );
  },
);

test("a node without peers refuses a damaged log, naming the file and the place, and changes nothing", async () => {
  const data = folder();
  const engine = await start({ data });
  const client = await clientOf(engine.url);
  await client.set("key", "a-value-that-rots");
  await client.set("later", "2");
  await engine.close();
  expect(rot(join(data, "n1"), "a-value-that-rots")).toBe(1);
  const line =
    /^wal-0000000001\.log at byte \d+: entry \d+ is damaged, and there is no peer to fetch it from$/;
  for (let attempt = 0; attempt < 2; attempt++) {
    await expect(start({ data })).rejects.toMatchObject({
      code: "DATA_CORRUPT",
      message: expect.stringMatching(line) as string,
    });
  }
  // The same bit turns back: nothing was lost by trying.
  expect(rot(join(data, "n1"), "\u0060-value-that-rots")).toBe(1);
  const again = await started({ data });
  expect(await (await clientOf(again.url)).mGet(["key", "later"])).toEqual(["a-value-that-rots", "2"]);
});

test("a node that is killed writes nothing more, and what was acknowledged is there", async () => {
  const data = folder();
  const engine = await started({ data });
  const client = await clientOf(engine.url);
  const [node] = engine.nodes;
  // The next segment is still being filled with zeros.
  const onDisk = (): string =>
    createHash("sha256")
      .update(readFileSync(join(data, "n1", "wal-0000000001.log")))
      .digest("hex");
  await client.set("key", "value");
  const before = onDisk();
  await node?.kill();
  expect(onDisk()).toBe(before);
  expect(node?.failure).toBeUndefined();
  await node?.restart();
  expect(await (await clientOf(engine.url)).get("key")).toBe("value");
});

test("a node that is killed at once can be started again at once, over and over", async () => {
  const engine = await started({ data: folder() });
  const node = engine.nodes[0];
  for (let round = 0; round < 5; round++) {
    await node?.kill();
    await node?.restart();
  }
  const client = await clientOf(engine.url);
  expect(await client.set("still", "here")).toBe("OK");
});

test.each(ALGORITHMS)(
  "%s: a node whose disk fails ends alone: the program goes on, and so do the other nodes",
  async (consensus) => {
    const data = folder();
    const engine = await started({ consensus, nodes: 3, data, logger: { log: () => undefined } });
    const client = await clientOf(engine.urls[0] ?? "");
    await client.set("before", "1");
    const failing = engine.nodes[2];
    // The log's files are open in this very process: closed behind the node's back, its next write fails.
    for (const name of readdirSync("/proc/self/fd")) {
      const target = linkOf(`/proc/self/fd/${name}`);
      if (target?.startsWith(join(data, "n3")) && target.includes("wal-")) closeSync(Number(name));
    }
    await client.set("after", "2");
    await expect.poll(() => failing?.running, { timeout: 5000 }).toBe(false);
    expect(failing?.failure).toMatchObject({ message: expect.stringContaining("EBADF") });
    expect(await client.get("after")).toBe("2");
    await failing?.restart();
    const again = await clientOf(failing?.url ?? "");
    expect(await again.get("after")).toBe("2");
  },
);

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
