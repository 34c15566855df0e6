import { connect } from "node:net";
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { requestText } from "../../../wire/resp/request-encoder.ts";
import type { TestNodeOptions, TestServer } from "./local-node.testing.ts";
import { startTestServer, TestNode } from "./local-node.testing.ts";
import { plain, RespClient } from "./resp-client.testing.ts";
import { startRespServer } from "./server.ts";
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

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test("a taken port is refused with PORT_IN_USE", async () => {
  const started = await serve();
  const node = new TestNode();
  const again = startRespServer({
    node,
    table: node.machine.commands,
    host: "127.0.0.1",
    port: started.port,
    logger: { log: () => undefined },
  });
  await expect(again).rejects.toMatchObject({ code: "PORT_IN_USE" });
});

test("close ends every connection and leaves no handle open", async () => {
  const started = await startTestServer();
  const clients = await Promise.all([1, 2, 3].map(() => RespClient.open(started.port)));
  await clients[0]!.call("SUBSCRIBE", "c");
  await clients[1]!.call("CLIENT", "PAUSE", "100000");
  clients[2]!.send("SET a 1\r\n");
  await started.server.close();
  await Promise.all(clients.map((client) => client.ended()));
  const open = process.getActiveResourcesInfo().filter((kind) => /TCPServer|TCPSocketWrap/.test(kind));
  expect(open).toEqual([]);
});

test("nothing but the handshake is taken before the password", async () => {
  const started = await serve({ server: { password: "secret" } });
  const client = await open(started);
  const replies = await client.pipeline(
    "GET a",
    "HELLO 3",
    "AUTH wrong",
    "AUTH nobody secret",
    "PING",
    "AUTH secret",
    "PING",
  );
  expect(replies.map(plain)).toEqual([
    "-NOAUTH Authentication required.",
    expect.stringMatching(/^-NOAUTH HELLO must be called/),
    "-WRONGPASS invalid username-password pair or user is disabled.",
    "-WRONGPASS invalid username-password pair or user is disabled.",
    "-NOAUTH Authentication required.",
    "+OK",
    "+PONG",
  ]);
  const other = await open(started);
  const greeting = plain((await other.pipeline("HELLO 3 AUTH default secret SETNAME me"))[0]!);
  // Told as a map, not as an array, which has a `map` as well.
  expect(greeting).not.toBeInstanceOf(Array);
  expect(greeting).toHaveProperty("map");
  expect((await other.pipeline("CLIENT GETNAME", "RESET", "PING")).map(plain)).toEqual([
    "me",
    "+RESET",
    "-NOAUTH Authentication required.",
  ]);
});

test("an unknown client cannot make the server hold much before the password", async () => {
  const client = await open(await serve({ server: { password: "secret" } }));
  client.send("*100\r\n");
  expect((await client.take(1)).map(plain)).toEqual([
    "-ERR Protocol error: unauthenticated multibulk length",
  ]);
  await client.ended();
});

test("a password that is set later asks new connections, and lets those in be", async () => {
  const started = await serve();
  const client = await open(started);
  await client.call("CONFIG", "SET", "requirepass", "later");
  expect(plain(await client.call("PING"))).toBe("+PONG");
  expect(plain(await (await open(started)).call("PING"))).toBe("-NOAUTH Authentication required.");
});

test("one client too many is told so and let go", async () => {
  const started = await serve({ server: { maxClients: 2 } });
  const [first] = [await open(started), await open(started)];
  await first.call("PING");
  const third = await open(started);
  expect((await third.take(1)).map(plain)).toEqual(["-ERR max number of clients reached"]);
  await third.ended();
});

test("an idle connection ends after the timeout, a subscriber stays", async () => {
  const started = await serve({ server: { idleTimeoutMs: 500 } });
  const idle = await open(started);
  const listening = await open(started);
  await listening.call("SUBSCRIBE", "c");
  await idle.ended();
  expect(listening.closed).toBe(false);
});

test("settings take effect or are refused", async () => {
  const started = await serve();
  const client = await open(started);
  expect(plain(await client.call("CONFIG", "SET", "proto-max-bulk-len", "1mb", "slowlog-max-len", "3"))).toBe(
    "+OK",
  );
  expect(await client.call("CONFIG", "GET", "proto-max-bulk-len")).toEqual(["proto-max-bulk-len", "1048576"]);
  // The second of two is wrong: the first keeps its old value.
  expect(plain(await client.call("CONFIG", "SET", "timeout", "7", "maxclients", "0"))).toMatch(
    /^-ERR CONFIG SET failed \(possibly related to argument 'maxclients'\)/,
  );
  expect(await client.call("CONFIG", "GET", "timeout")).toEqual(["timeout", "0"]);
  expect(plain(await client.call("CONFIG", "SET", "appendonly", "yes"))).toMatch(/fixed at 'no'/);
  expect(plain(await client.call("CONFIG", "SET", "maxmemory", "10mb", "timeout", "1"))).toMatch(/^-ERR/);
  expect(plain(await client.call("CONFIG", "SET", "maxmemory", "10mb"))).toBe("+OK");
  expect(started.node.machine.settings.maxmemoryBytes).toBe(10 << 20);
  client.send("*2\r\n$3\r\nGET\r\n$1048577\r\n");
  expect((await client.take(1)).map(plain)).toEqual(["-ERR Protocol error: invalid bulk length"]);
});

test("a subscriber that does not read is let go at the limit, and the publisher is not held up", async () => {
  const started = await serve();
  const slow = await open(started);
  const publisher = await open(started);
  await publisher.call("CONFIG", "SET", "client-output-buffer-limit", "pubsub 4mb 0 0");
  await slow.call("SUBSCRIBE", "c");
  slow.socket.pause();
  const message = "x".repeat(1 << 20);
  let receivers: unknown = 1;
  for (let sent = 0; sent < 200 && receivers === 1; sent += 1) {
    receivers = await publisher.call("PUBLISH", "c", message);
  }
  expect(receivers).toBe(0);
  expect(await publisher.call("PUBSUB", "NUMSUB", "c")).toEqual(["c", 0]);
  expect(started.complaints.join()).toMatch(/output-limit/);
});

test("CLIENT PAUSE WRITE holds writes back and lets reads through; UNPAUSE lets them go", async () => {
  const started = await serve();
  const [writer, other] = [await open(started), await open(started)];
  await other.call("CLIENT", "PAUSE", "100000", "WRITE");
  writer.send("GET a\r\nSET a 1\r\nGET a\r\n");
  expect((await writer.take(1)).map(plain)).toEqual([null]);
  await pause(30);
  expect(writer.replies).toEqual([]);
  expect(plain(await other.call("GET a"))).toBe(null);
  expect(plain(await other.call("INFO clients"))).toContain("blocked_clients:1\r\n");
  expect(plain(await other.call("CLIENT UNPAUSE"))).toBe("+OK");
  expect(plain(await other.call("INFO clients"))).toContain("blocked_clients:0\r\n");
  expect((await writer.take(2)).map(plain)).toEqual(["+OK", "1"]);
});

test("CLIENT PAUSE ends by itself", async () => {
  const client = await open(await serve());
  expect((await client.pipeline("CLIENT PAUSE 50", "SET a 1", "GET a")).map(plain)).toEqual([
    "+OK",
    "+OK",
    "1",
  ]);
});

test("WATCH breaks EXEC when another client changed the key, also by expiry", async () => {
  const started = await serve();
  const [mine, other] = [await open(started), await open(started)];
  await mine.call("WATCH k");
  await other.call("SET k 1");
  expect((await mine.pipeline("MULTI", "SET k 2", "EXEC", "GET k")).map(plain)).toEqual([
    "+OK",
    "+QUEUED",
    "*-1",
    "1",
  ]);
  await other.call("SET", "k", "1", "PX", "300");
  await mine.call("WATCH k");
  while ((await other.call("EXISTS k")) === 1) await pause(20);
  expect((await mine.pipeline("MULTI", "SELECT 3", "SET k 2", "EXEC", "DBSIZE")).map(plain)).toEqual([
    "+OK",
    "+QUEUED",
    "+QUEUED",
    "*-1",
    0,
  ]);
});

test("WATCH, MULTI and EXEC in one pipeline behave as one by one", async () => {
  const client = await open(await serve({ timing: () => 2 }));
  const replies = await client.pipeline(
    "SET k 1",
    "WATCH k",
    "MULTI",
    "INCR k",
    "EXEC",
    "WATCH k",
    "INCR k",
    "MULTI",
    "INCR k",
    "EXEC",
    "GET k",
  );
  expect(replies.map(plain)).toEqual([
    "+OK",
    "+OK",
    "+OK",
    "+QUEUED",
    [2],
    "+OK",
    3,
    "+OK",
    "+QUEUED",
    "*-1",
    "3",
  ]);
});

test("MONITOR shows what others send, quoted", async () => {
  const started = await serve();
  const [watcher, other] = [await open(started), await open(started)];
  expect(plain(await watcher.call("MONITOR"))).toBe("+OK");
  await other.call("SET", "a", '1"\n\xff');
  await other.call("AUTH", "secret", "hidden");
  await other.call("GET", "a");
  const lines = (await watcher.take(3)).map((reply) => plain(reply) as string);
  expect(lines[0]).toMatch(/^\+\d+\.\d{6} \[0 127\.0\.0\.1:\d+\] "SET" "a" "1\\"\\n\\xff"$/);
  expect(lines[1]).toMatch(/"AUTH" "\(redacted\)" "\(redacted\)"$/);
  expect(lines[2]).toMatch(/"GET" "a"$/);
});

test("CLIENT KILL ends the one, CLIENT LIST shows the rest", async () => {
  const started = await serve();
  const [first, second] = [await open(started), await open(started)];
  const id = await second.call("CLIENT ID");
  expect(await first.call("CLIENT", "KILL", "ID", String(id as number))).toBe(1);
  await second.ended();
  await first.until(() => started.server.connections().length === 1, "one connection");
  expect(await first.call("CLIENT LIST")).toMatch(/^id=\d+ addr=127\.0\.0\.1:\d+ .* cmd=client\|list .*\n$/);
});

test("INFO tells the node, its role and what durability means", async () => {
  const started = await serve();
  const client = await open(started);
  await client.call("SET", "a", "1", "EX", "100");
  const info = (await client.call("INFO")) as string;
  for (const line of [
    "redis_version:7.0.15",
    "cluster_enabled:0",
    "role:master",
    "loading:0",
    "maxmemory_policy:noeviction",
    "node_id:n1",
    "durability:memory",
  ]) {
    expect(info).toContain(`${line}\r\n`);
  }
  expect(info).toMatch(/\ndb0:keys=1,expires=1,avg_ttl=(99\d\d\d|100000)\r\n/);
  expect(await client.call("INFO commandstats")).toMatch(/cmdstat_set:calls=1,/);
  expect(await client.call("INFO nosuch")).toBe("");
});

/** The fields of an answer to INFO, by name. */
async function infoOf(client: RespClient, section: string): Promise<ReadonlyMap<string, string>> {
  const text = (await client.call("INFO", section)) as string;
  const lines = text.split("\r\n").filter((line) => line.includes(":"));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)]));
}

// What redis-server 7.0.15 shows after the same commands.
test("INFO counts errors by their first word, those of transactions too, until CONFIG RESETSTAT", async () => {
  const client = await open(await serve());
  for (const line of ["SET s x", "MULTI", "INCR s", "INCR s", "EXEC", "MULTI", "SET", "EXEC", "LPUSH s 1"]) {
    await client.call(line);
  }
  expect(await infoOf(client, "errorstats")).toEqual(
    new Map([
      ["errorstat_ERR", "count=3"],
      ["errorstat_EXECABORT", "count=1"],
      ["errorstat_WRONGTYPE", "count=1"],
    ]),
  );
  const commands = await infoOf(client, "commandstats");
  expect(commands.get("cmdstat_set")).toMatch(/^calls=1,.*,rejected_calls=1,failed_calls=0$/);
  expect(commands.get("cmdstat_incr")).toMatch(/^calls=2,.*,rejected_calls=0,failed_calls=2$/);
  expect((await infoOf(client, "stats")).get("total_error_replies")).toBe("5");
  await client.call("CONFIG RESETSTAT");
  expect(await infoOf(client, "errorstats")).toEqual(new Map());
  expect((await infoOf(client, "stats")).get("total_error_replies")).toBe("0");
});

test("a command that may not be carried out is rejected, and none that failed", async () => {
  const client = await open(await serve({ server: { password: "secret" } }));
  expect(String(plain(await client.call("SET a 1")))).toMatch(/NOAUTH/);
  await client.call("AUTH secret");
  expect((await infoOf(client, "commandstats")).get("cmdstat_set")).toMatch(
    /^calls=0,.*rejected_calls=1,failed_calls=0$/,
  );
  expect(await infoOf(client, "errorstats")).toEqual(new Map([["errorstat_NOAUTH", "count=1"]]));
});

test("INFO remembers the most memory that was used, through a reset of the counters", async () => {
  const client = await open(await serve());
  await client.call("SET", "large", "x".repeat(10_000));
  const before = await infoOf(client, "memory");
  await client.call("DEL large");
  await client.call("CONFIG RESETSTAT");
  const after = await infoOf(client, "memory");
  expect(Number(before.get("used_memory"))).toBeGreaterThan(10_000);
  expect(after.get("used_memory")).toBe("0");
  expect(after.get("used_memory_peak")).toBe(before.get("used_memory"));
  expect(after.get("used_memory_peak_perc")).toBe("0.00%");
});

test("CONFIG RESETSTAT begins anew what Redis begins anew", async () => {
  const client = await open(await serve());
  for (const line of ["SET a 1", "GET a", "GET none", "SET b 1 PXAT 1"]) await client.call(line);
  const before = await infoOf(client, "stats");
  for (const name of ["total_reads_processed", "total_writes_processed", "total_commands_processed"]) {
    expect(Number(before.get(name)), name).toBeGreaterThan(3);
  }
  expect([before.get("keyspace_hits"), before.get("keyspace_misses")]).toEqual(["1", "1"]);
  await client.call("CONFIG RESETSTAT");
  const after = await infoOf(client, "stats");
  expect([after.get("keyspace_hits"), after.get("keyspace_misses")]).toEqual(["0", "0"]);
  // The reset's own reply, and this INFO.
  expect(Number(after.get("total_reads_processed"))).toBeLessThan(3);
  expect(Number(after.get("total_writes_processed"))).toBeLessThan(3);
});

test("no count falls below zero by a call that is refused after CONFIG RESETSTAT", async () => {
  const started = await serve();
  const [client, other] = [await open(started), await open(started)];
  await client.pipeline("SET a 1", "CONFIG SET maxmemory 1");
  const { node } = started;
  const write = node.write.bind(node);
  let carryOut: (() => void) | undefined;
  node.write = (...call) => (carryOut = () => write(...call));
  const refused = client.call("SET a 2");
  await other.until(() => carryOut !== undefined, "the write");
  await other.call("CONFIG RESETSTAT");
  node.write = write;
  carryOut?.();
  expect(plain(await refused)).toMatch(/^-OOM/);
  expect((await infoOf(client, "commandstats")).get("cmdstat_set")).toMatch(/^calls=0,/);
});

test("LATENCY HISTOGRAM tells of a command once, however often it is named", async () => {
  const client = await open(await serve());
  await client.pipeline("CLIENT ID", "CLIENT GETNAME", "GET a");
  const once = plain(await client.call("LATENCY HISTOGRAM client get"));
  const names = Array.from({ length: 1000 }, () => ["client", "GET", "client|id"]).flat();
  expect(plain(await client.call("LATENCY", "HISTOGRAM", ...names))).toEqual(once);
});

test("bytes that the log would read otherwise than the parser did never reach it, and their client is let go", async () => {
  const started = await serve();
  started.node.keepsLog = true;
  const client = await open(started);
  await client.call("SET", "a", "1");
  // A parser that is wrong about where a command ends.
  const { parser } = started.server.connections()[0]!;
  const next = parser.next.bind(parser);
  parser.next = () => {
    const result = next();
    parser.rawEnd -= 1;
    return result;
  };
  client.send(requestText(["SET", "a", "2"]));
  expect((await client.take(1)).map(plain)).toEqual(["-ERR Protocol error: the command is not well framed"]);
  await client.ended();
  const other = await open(started);
  expect(plain(await other.call("GET a"))).toBe("1");
  expect(started.node.logged).toHaveLength(1);
  expect(started.complaints.join()).toMatch(/framing-disagrees/);
});

const HTTP_HEAD = "Host: x\r\nOrigin: http://evil.example\r\nContent-Type: text/plain\r\n\r\n";

test.each([
  ["a POST", `POST / HTTP/1.1\r\n${HTTP_HEAD}SET pwned 1\r\nFLUSHALL\r\n`],
  ["a post in small letters", `post / http/1.1\r\nSET pwned 1\r\n`],
  ["another method, known by its Host line", `PUT / HTTP/1.1\r\n${HTTP_HEAD}SET pwned 1\r\n`],
  ["a GET, which is a command too", `GET / HTTP/1.1\r\n${HTTP_HEAD}SET pwned 1\r\n`],
  ["in a MULTI that it opened before", `MULTI\r\nPOST / HTTP/1.1\r\n${HTTP_HEAD}SET pwned 1\r\nEXEC\r\n`],
])("an HTTP request is cut off before its body is read as commands: %s", async (_name, bytes) => {
  for (const chunks of [[bytes], bytes.split("")]) {
    const started = await serve();
    const client = await open(started);
    for (const chunk of chunks) client.send(chunk);
    await client.ended();
    const other = await open(started);
    expect(plain(await other.call("EXISTS pwned"))).toBe(0);
    expect(started.complaints.join()).toMatch(/resp.http-refused/);
  }
});

test("a password does not make HTTP welcome", async () => {
  const started = await serve({ server: { password: "secret" } });
  const client = await open(started);
  client.send(`POST / HTTP/1.1\r\n${HTTP_HEAD}AUTH secret\r\nSET pwned 1\r\n`);
  await client.ended();
  expect(client.replies).toEqual([]);
});

test("any garbage is answered or ended, and the server serves the next client", async () => {
  const started = await serve({ timing: () => 0 });
  const words = [
    "SET",
    "GET",
    "MULTI",
    "EXEC",
    "a",
    "CLIENT",
    "LIST",
    "SUBSCRIBE",
    "HELLO",
    "3",
    "CONFIG",
    "WATCH",
  ];
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 20 }).map((bytes) => String.fromCharCode(...bytes)),
    fc.constantFrom("*", "$", "\r\n", "*1\r\n$4\r\nPING\r\n", "*2\r\n", "$-1\r\n", "RESET\r\n", '"', "\0"),
    fc.array(fc.constantFrom(...words), { maxLength: 4 }).map((line) => `${line.join(" ")}\r\n`),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 15 }), async (pieces) => {
      const socket = connect({ port: started.port, host: "127.0.0.1" });
      const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
      socket.on("error", () => undefined);
      socket.resume();
      for (const bytes of pieces) socket.write(bytes, "latin1");
      socket.end();
      // It always ends by itself: what cannot be finished is not waited for.
      await closed;
    }),
    { numRuns: 300 },
  );
  const client = await open(started);
  expect(plain(await client.call("PING"))).toBe("+PONG");
  await client.until(() => started.server.connections().length === 1, "all others to be gone");
  expect(started.complaints).toEqual([]);
});

test.each(["OFF", "ON"])(
  "who sends many commands at once and closes its side is served to the end, with replies %s",
  async (replies) => {
    const started = await serve({ timing: () => 5 });
    const client = await open(started);
    const socket = connect({ port: started.port, host: "127.0.0.1" });
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    socket.on("error", () => undefined);
    socket.resume();
    // A write, what waits for everything before it, and then more than leaves together.
    const lines = [`CLIENT REPLY ${replies}`, "SET a 1", "INFO", ...Array<string>(40).fill("PING")];
    socket.end([...lines, "MULTI", ...Array<string>(20).fill("INCR n"), "EXEC", ""].join("\r\n"));
    await closed;
    expect(plain(await client.call("GET", "n"))).toBe("20");
  },
);
