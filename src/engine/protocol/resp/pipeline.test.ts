import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { requestText } from "../../../wire/resp/request-encoder.ts";
import { ReplyError } from "../../keyspace/reply.ts";
import type { TestNodeOptions, TestServer } from "./local-node.testing.ts";
import { startTestServer } from "./local-node.testing.ts";
import { plain, RespClient } from "./resp-client.testing.ts";
import type { RespServerOptions } from "./settings.ts";

const ends: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function serve(
  options: TestNodeOptions & { readonly server?: RespServerOptions } = {},
): Promise<TestServer> {
  const started = await startTestServer(options);
  ends.push(() => started.server.close());
  return started;
}

async function open(started: TestServer): Promise<RespClient> {
  const client = await RespClient.open(started.port);
  ends.push(() => client.close());
  return client;
}

/** What one thread over a Map would answer. */
function model(commands: readonly string[]): unknown[] {
  const values = new Map<string, number>();
  return commands.map((command) => {
    const [name, key] = command.split(" ") as [string, string];
    const value = values.get(key) ?? 0;
    if (name === "GET") return values.has(key) ? String(value) : null;
    if (name === "PING") return "+PONG";
    if (name === "EXISTS") return values.has(key) ? 1 : 0;
    if (name === "DEL") return values.delete(key) ? 1 : 0;
    values.set(key, value + 1);
    return value + 1;
  });
}

const commandList = fc.array(
  fc
    .tuple(fc.constantFrom("GET", "INCR", "INCR", "EXISTS", "DEL", "PING"), fc.constantFrom("a", "b", "c"))
    .map(([name, key]) => (name === "PING" ? name : `${name} ${key}`)),
  { minLength: 1, maxLength: 60 },
);

test("a pipeline of reads and writes answers as if carried out one by one, however late the log is", async () => {
  let random = fc.sample(fc.nat(3), 4000);
  const started = await serve({ timing: () => random.pop() ?? 1 });
  const client = await open(started);
  await fc.assert(
    fc.asyncProperty(commandList, fc.array(fc.nat(2000), { maxLength: 4 }), async (commands, cuts) => {
      random = fc.sample(fc.nat(3), 200);
      await client.call("FLUSHALL");
      const bytes = commands
        .map((line, at) => (at % 5 === 4 ? `${line}\r\n` : requestText(line.split(" "))))
        .join("");
      const places = [0, ...cuts.filter((cut) => cut < bytes.length).sort((x, y) => x - y), bytes.length];
      for (const [index, to] of places.slice(1).entries()) {
        client.send(bytes.slice(places[index], to));
        // Sometimes the rest comes while the log is at work.
        if (index % 2 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      expect((await client.take(commands.length)).map(plain)).toEqual(model(commands));
    }),
    { numRuns: 150 },
  );
});

test("the order holds too when the node answers inside the call", async () => {
  const client = await open(await serve({ timing: "now" }));
  await fc.assert(
    fc.asyncProperty(commandList, async (commands) => {
      await client.call("FLUSHALL");
      expect((await client.pipeline(...commands)).map(plain)).toEqual(model(commands));
    }),
    { numRuns: 100 },
  );
});

test("a read alone costs the log nothing; behind a write it rides along", async () => {
  const started = await serve();
  started.node.keepsLog = true;
  const client = await open(started);
  await client.pipeline("GET a", "GET b", "EXISTS a");
  expect(started.node.logged).toHaveLength(0);
  await client.pipeline("SET a 1", "GET a");
  expect(started.node.logged).toHaveLength(1);
});

test("writes that came together go into the log as one command, and each gets its own reply", async () => {
  const started = await serve();
  started.node.keepsLog = true;
  const client = await open(started);
  const lines = [
    "SET a 1",
    "INCR a",
    "LPUSH a x",
    "GET a",
    "INCR b",
    "NOSUCH b",
    "INCR b",
    "ECHO hi",
    "INCR b",
  ];
  const replies = (await client.pipeline(...lines)).map(plain);
  expect(replies.map((reply) => (typeof reply === "string" ? reply.slice(0, 10) : reply))).toEqual([
    "+OK",
    2,
    "-WRONGTYPE",
    "2",
    1,
    "-ERR unkno",
    2,
    "hi",
    3,
  ]);
  // What is not for the log ends a run.
  expect(started.node.logged.map((line) => (JSON.parse(line) as { type: string }).type)).toEqual([
    "calls",
    "call",
    "call",
  ]);
});

test("when the log refuses a run, each of its commands says so", async () => {
  const started = await serve();
  const client = await open(started);
  started.node.failure = new ReplyError("CLUSTERDOWN no quorum");
  const replies = await client.pipeline("SET a 1", "SET b 1", "GET a", "SET c 1");
  expect(replies.map(plain)).toEqual(Array.from({ length: 4 }, () => "-CLUSTERDOWN no quorum"));
});

test("a run is bounded, and SELECT inside a pipeline ends it", async () => {
  const started = await serve();
  started.node.keepsLog = true;
  const client = await open(started);
  await client.pipeline("SET a 0", "SELECT 3", "SET a 3", "GET a", "SELECT 0");
  expect(await client.call("GET a")).toBe("0");
  const before = started.node.logged.length;
  await client.pipeline(...Array.from({ length: 1000 }, (_, n) => `SET k ${n}`));
  expect(started.node.logged.length - before).toBeGreaterThanOrEqual(1000 / 128);
  expect(await client.call("GET k")).toBe("999");
});

test("a read that meets a key which is due goes through the log", async () => {
  const started = await serve();
  const client = await open(started);
  await client.call("SET", "k", "v", "PX", "1");
  await new Promise((resolve) => setTimeout(resolve, 5));
  started.node.keepsLog = true;
  expect((await client.pipeline("GET other", "GET k", "GET other")).map(plain)).toEqual([null, null, null]);
  expect(started.node.logged.length).toBeGreaterThanOrEqual(1);
});

test("a lease that ended during the read makes it be read again", async () => {
  const started = await serve();
  const client = await open(started);
  await client.call("SET a 1");
  started.node.leaseEnds = [false, true];
  expect(await client.call("GET a")).toBe("1");
  expect(started.node.leaseEnds).toEqual([]);
  started.node.leaseEnds = [false, false, false];
  started.node.keepsLog = true;
  expect(await client.call("GET a")).toBe("1");
  expect(started.node.logged).toHaveLength(1);
});

test("without a quorum every command gets the node's error, in order", async () => {
  const started = await serve();
  const client = await open(started);
  started.node.failure = new ReplyError("CLUSTERDOWN no quorum");
  const replies = await client.pipeline("GET a", "SET a 1", "PING", "GET a", "WATCH a");
  const down = "-CLUSTERDOWN no quorum";
  expect(replies.map(plain)).toEqual([down, down, "+PONG", down, down]);
});

test("a congested log leaves sockets unread until it drains", async () => {
  const started = await serve();
  const client = await open(started);
  started.node.isCongested = true;
  client.send("SET a 1\r\nGET a\r\n");
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(client.replies).toEqual([]);
  started.node.drain();
  expect((await client.take(2)).map(plain)).toEqual(["+OK", "1"]);
});

test("a client that sends without reading replies cannot fill the server's memory", async () => {
  const started = await serve();
  const client = await open(started);
  await client.call("SET", "big", "x".repeat(1 << 20));
  client.socket.pause();
  // Far more replies are asked for than a socket takes.
  client.send("GET big\r\n".repeat(300));
  await new Promise((resolve) => setTimeout(resolve, 300));
  const waiting = started.server.connections().map((connection) => connection.outputBytes);
  expect(Math.max(...waiting)).toBeLessThan(64 << 20);
  client.socket.resume();
  const replies = await client.take(300);
  expect(replies.every((reply) => typeof reply === "string" && reply.length === 1 << 20)).toBe(true);
});

test("more commands than one connection may have in flight are answered all the same", async () => {
  const client = await open(await serve({ timing: () => 0 }));
  const count = 40_000;
  client.send("INCR n\r\n".repeat(count));
  const replies = await client.take(count);
  expect(replies).toEqual(Array.from({ length: count }, (_, index) => index + 1));
});

test("what a client sent before it half closed is answered", async () => {
  const client = await open(await serve({ timing: () => 2 }));
  client.socket.end("SET a 1\r\nGET a\r\nGET a\r\n");
  expect((await client.take(3)).map(plain)).toEqual(["+OK", "1", "1"]);
  await client.ended();
});

test("a client that leaves with commands in flight does no harm", async () => {
  const started = await serve({ timing: () => 3 });
  const client = await open(started);
  client.send("INCR a\r\nGET a\r\nINCR a\r\n");
  await new Promise((resolve) => setTimeout(resolve, 5));
  client.close();
  const other = await open(started);
  await other.until(() => started.server.connections().length === 1, "the first to be gone");
  expect(await other.call("PING")).toEqual({ type: "status", text: "PONG" });
  expect(started.complaints).toEqual([]);
});

test("commands behind a half close are answered even when the client is slow to take replies", async () => {
  const started = await serve({ timing: () => 5 });
  const client = await open(started);
  await client.call("SET", "big", "x".repeat(1 << 20));
  client.socket.pause();
  client.socket.end(`INCR n\r\n${"GET big\r\n".repeat(40)}INCR n\r\n${"GET big\r\n".repeat(40)}INCR n\r\n`);
  await new Promise((resolve) => setTimeout(resolve, 200));
  client.socket.resume();
  const replies = await client.take(83);
  expect([replies[0], replies[41], replies[82]]).toEqual([1, 2, 3]);
});

test("congestion asks the node for one call back, however often it is met", async () => {
  const started = await serve();
  const client = await open(started);
  started.node.isCongested = true;
  for (let sent = 0; sent < 20; sent += 1) {
    client.send("SET a 1\r\n");
    await new Promise((resolve) => setImmediate(resolve));
  }
  const other = await open(started);
  other.send("SET b 1\r\n");
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(started.node.drainCallbacks).toBe(1);
  started.node.drain();
  expect(await client.take(20)).toHaveLength(20);
  expect(await other.take(1)).toHaveLength(1);
});
