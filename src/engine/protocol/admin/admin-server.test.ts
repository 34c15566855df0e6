import { once } from "node:events";
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";
import { createServer, get } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { connect } from "node:net";
import { afterEach, expect, test, vi } from "vitest";
import { ReplyError } from "../../keyspace/reply.ts";
import type { FilesStatus, GroupBarrier, MemberView, NodeStatus } from "../../cluster/local-node.ts";
import { createMetrics } from "../../cluster/metrics.ts";
import { MemoryFileSystem } from "../../files/memory/file-system.testing.ts";
import { createFilesAdminDoor } from "../files-admin/files-admin-door.ts";
import { createWebHdfsDoor } from "../webhdfs/webhdfs-door.ts";
import type { AdminServer, AdminServerOptions } from "./admin-server.ts";
import { startAdminServer } from "./admin-server.ts";
import type { ObservedNode, StatusDocument } from "./status-document.ts";

type Barrier = ObservedNode["barrier"];

function member(id: string, view: Partial<MemberView>): MemberView {
  return {
    id,
    peer: `127.0.0.1:1638${id.slice(1)}`,
    resp: undefined,
    http: undefined,
    pid: undefined,
    dataDir: undefined,
    role: "unreachable",
    appliedIndex: undefined,
    commitIndex: undefined,
    diskBytes: undefined,
    ...view,
  };
}

/** Node n1 leads at commit 40, n2 is two entries behind, n3 was never heard. */
function exampleNode(barrier: Barrier, more: Partial<ObservedNode> = {}): ObservedNode {
  const status: NodeStatus = {
    consensus: {
      role: "leader",
      term: 7,
      leader: "n1",
      commitIndex: 40,
      firstIndex: 11,
      lastIndex: 42,
      membership: { voters: ["n1", "n2", "n3"], outgoing: [], learners: [], addresses: {} },
      progress: new Map([
        ["n2", { matchIndex: 37, nextIndex: 38, state: "replicate", inflightBytes: 0, silentMs: 20 }],
      ]),
      snapshotsInUse: [],
    },
    algorithm: "raft",
    appliedIndex: 40,
    durability: "always",
    digest: 1,
    diskBytes: 4096,
    refusing: undefined,
  };
  return {
    id: "n1",
    clusterId: "c",
    barrier,
    ...more,
    status: () => ({ ...status, ...more.status?.() }),
    members: () => [
      member("n1", { role: "leader", pid: 1, resp: "127.0.0.1:6379", appliedIndex: 40, commitIndex: 40 }),
      member("n2", { role: "follower", pid: 2, appliedIndex: 38, commitIndex: 39, dataDir: "/data/n2" }),
      member("n3", {}),
    ],
  };
}

const servers: AdminServer[] = [];
async function serve(
  barrier: Barrier = (done) => done(undefined),
  more: Pick<AdminServerOptions, "files" | "filesAdmin" | "names" | "logger"> = {},
  node: Partial<ObservedNode> = {},
): Promise<string> {
  const server = await startAdminServer({
    ...more,
    host: "127.0.0.1",
    port: 0,
    node: exampleNode(barrier, node),
    metrics: createMetrics(),
  });
  servers.push(server);
  return `http://127.0.0.1:${server.port}`;
}

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

test("a node is healthy when a linearizable read is possible", async () => {
  const response = await fetch(`${await serve()}/healthz`);
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({ status: "ok", node: "n1" });
});

test("a node that cannot serve says why, also when the barrier never answers", async () => {
  const refused = await serve((done) => done(new ReplyError("CLUSTERDOWN no majority")));
  const response = await fetch(`${refused}/healthz`);
  expect(response.status).toBe(503);
  expect(await response.json()).toEqual({
    status: "unavailable",
    node: "n1",
    cause: "CLUSTERDOWN no majority",
  });
  const silent = await fetch(`${await serve(() => undefined)}/healthz`);
  expect(silent.status).toBe(503);
  expect(((await silent.json()) as { cause: string }).cause).toBe(
    "no read barrier of keyspace within 1000 ms",
  );
});

test("a node that cannot serve one of its groups is not healthy, and says which", async () => {
  const fine: Barrier = (done) => done(undefined);
  const healthOf = async (files: (done: (error: Error | undefined) => void) => void): Promise<unknown> => {
    const furtherBarriers = (): readonly GroupBarrier[] => [
      { name: "files", barrier: files },
      { name: "jobs", barrier: (done) => done(undefined) },
    ];
    const response = await fetch(`${await serve(fine, {}, { furtherBarriers })}/healthz`);
    return [response.status, await response.json()];
  };
  expect(await healthOf((done) => done(undefined))).toEqual([200, { status: "ok", node: "n1" }]);
  expect(await healthOf((done) => done(new Error("no leader")))).toEqual([
    503,
    { status: "unavailable", node: "n1", cause: "files: no leader" },
  ]);
  expect(await healthOf(() => undefined)).toEqual([
    503,
    { status: "unavailable", node: "n1", cause: "no read barrier of files within 1000 ms" },
  ]);
});

test("files in safe mode are no illness, but are told of", async () => {
  const files = { safeMode: "an operator turned it on" } as FilesStatus;
  const status = (): NodeStatus => ({ files }) as NodeStatus;
  const response = await fetch(`${await serve((done) => done(undefined), {}, { status })}/healthz`);
  expect([response.status, await response.json()]).toEqual([
    200,
    { status: "ok", node: "n1", safeMode: "an operator turned it on" },
  ]);
});

test("the status names every node and group, with null for what is not known", async () => {
  const status = (await (await fetch(`${await serve()}/status`)).json()) as StatusDocument;
  expect(status.nodes.map(({ id, role, lag, pid }) => ({ id, role, lag, pid }))).toEqual([
    { id: "n1", role: "leader", lag: 0, pid: 1 },
    { id: "n2", role: "follower", lag: 2, pid: 2 },
    { id: "n3", role: "unreachable", lag: null, pid: null },
  ]);
  expect(status.groups).toEqual([
    {
      id: "g0",
      name: "keyspace",
      algorithm: "raft",
      leader: "n1",
      term: 7,
      commitIndex: 40,
      durability: "always",
      refusing: null,
    },
  ]);
});

test("the metrics are what Prometheus reads: every sample has a type, and the figures are the node's", async () => {
  const response = await fetch(`${await serve()}/metrics`);
  expect(response.headers.get("content-type")).toContain("version=0.0.4");
  const text = await response.text();
  expect(text).toContain('quorate_role{group="g0",role="leader"} 1\n');
  expect(text).toContain('quorate_commit_index{group="g0"} 40\n');
  expect(text).toContain('quorate_log_entries{group="g0"} 32\n');
  expect(text).toContain('quorate_peer_match_index{group="g0",peer="n2"} 37\n');
  const typed = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1]));
  for (const sample of text.split("\n").filter((line) => line !== "" && !line.startsWith("#"))) {
    expect(sample).toMatch(/^[a-z_]+(\{([a-z_]+="[^"]*",?)*\})? [-+\d.e]+$/);
    expect(typed).toContain(/^[a-z_]+/.exec(sample)?.[0]);
  }
});

test("what is not offered is refused plainly", async () => {
  const url = await serve();
  expect((await fetch(`${url}/nothing`)).status).toBe(404);
  const deleted = await fetch(`${url}/status`, { method: "DELETE" });
  expect(deleted.status).toBe(405);
  expect(deleted.headers.get("allow")).toBe("GET, HEAD");
  expect((await fetch(`${url}/status`, { method: "POST", body: "x".repeat(10_000) })).status).toBe(413);
  expect((await fetch(`${url}/status`, { headers: { long: "x".repeat(10_000) } })).status).toBe(431);
  const head = await fetch(`${url}/status`, { method: "HEAD" });
  expect([head.status, await head.text()]).toEqual([200, ""]);
});

test("a node with files answers WebHDFS on the same port, and a node without refuses in its words", async () => {
  const door = createWebHdfsDoor({
    files: new MemoryFileSystem(),
    key: () => Buffer.alloc(32, 1),
    now: Date.now,
  });
  const filesAdmin = createFilesAdminDoor({ files: new MemoryFileSystem() });
  const url = await serve(undefined, { files: door, filesAdmin });
  const file = `${url}/webhdfs/v1/${"long name ".repeat(20)}`;
  const put = await fetch(`${file}?op=CREATE&user.name=quorate`, { method: "PUT", body: "bytes" });
  expect(put.status).toBe(201);
  expect(await (await fetch(`${file}?op=OPEN&user.name=quorate`)).text()).toBe("bytes");
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  expect(await (await fetch(`${url}/files/v1/safemode`)).json()).toMatchObject({ on: false });
  const bare = await serve();
  const unserved = await fetch(`${bare}/files/v1/report`);
  expect(await unserved.json()).toMatchObject({ error: { code: "UNSUPPORTED", outcome: "not-applied" } });
  const without = await fetch(`${bare}/webhdfs/v1/?op=LISTSTATUS`);
  expect(without.status).toBe(400);
  expect(await without.json()).toMatchObject({
    RemoteException: { exception: "UnsupportedOperationException", message: "this node serves no files" },
  });
});

test("under a name that it does not know a node tells browsers nothing, at no address, and everybody else all", async () => {
  const files = new MemoryFileSystem();
  const url = await serve(undefined, { files: filesDoor(files), names: ["books.example"] });
  const put = await fetch(`${url}/webhdfs/v1/f?op=CREATE&data=true&user.name=quorate`, {
    method: "PUT",
    body: "a secret",
  });
  expect(put.status).toBe(201);
  const asked = (path: string, headers: OutgoingHttpHeaders): Promise<readonly [number, string]> =>
    new Promise((resolve, reject) => {
      get(`${url}${path}`, { headers, agent: false }, (response) => {
        let body = "";
        response.setEncoding("utf8").on("data", (part: string) => (body += part));
        response.once("end", () => resolve([response.statusCode ?? 0, body]));
      }).once("error", reject);
    });
  // As Chromium and Firefox ask a host that they do not trust: without metadata.
  const browser = {
    "Accept-Language": "en",
    "User-Agent": "Mozilla/5.0",
    Referer: "http://evil.example:9870/",
  };
  const read = "/webhdfs/v1/f?op=OPEN&data=true&user.name=quorate";
  for (const path of [read, "/status", "/metrics", "/files/v1/report", "/jobs/v1/jobs", "/none"]) {
    const [status, body] = await asked(path, { ...browser, Host: "evil.example:9870" });
    expect([status, JSON.parse(body)], path).toMatchObject([
      403,
      { RemoteException: { exception: "AccessControlException" } },
    ]);
    expect(body).toContain("--browser-names");
  }
  // What `fetch` of this Node.js sends, as it sends it.
  const seen = new Promise<IncomingHttpHeaders>((resolve) => {
    const echo = createServer((request, response) => {
      resolve(request.headers);
      response.end();
      echo.close();
    }).listen(0, "127.0.0.1", () => {
      void fetch(`http://127.0.0.1:${(echo.address() as AddressInfo).port}`);
    });
  });
  const ofNode = await seen;
  expect(ofNode["accept-language"]).toBeDefined();
  for (const headers of [
    { Host: "evil.example" },
    { ...ofNode, host: "namenode.cluster:9870" },
    { ...browser, Host: "Books.example:9870" },
    { ...browser, Host: "127.0.0.1:9870" },
  ])
    expect(await asked(read, headers)).toEqual([200, "a secret"]);
});

/** What comes back for these bytes until the server closes the connection. */
async function sent(url: string, text: string, isWhole = true): Promise<string> {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  let answer = "";
  socket.setEncoding("latin1");
  socket.on("data", (part: string) => (answer += part));
  socket.on("error", () => undefined);
  const closed = new Promise((resolve) => socket.once("close", resolve));
  if (isWhole) socket.write(text);
  else socket.end(text);
  await closed;
  return answer;
}

function filesDoor(files: MemoryFileSystem): ReturnType<typeof createWebHdfsDoor> {
  return createWebHdfsDoor({ files, key: () => new Uint8Array(32), now: Date.now });
}

test("a request that is broken, or lies about its length, gets the exception and leaves nothing behind", async () => {
  const files = new MemoryFileSystem();
  const url = await serve(undefined, { files: filesDoor(files) });
  const create = "PUT /webhdfs/v1/f?op=CREATE&data=true&user.name=quorate HTTP/1.1\r\nHost: x\r\n";
  const broken: readonly (readonly [string, boolean, string])[] = [
    ["no HTTP at all\r\n\r\n", true, "400 Bad Request"],
    [`${create}Content-Length: 1000\r\n\r\nabc`, false, "400 Bad Request"],
    [`${create}Content-Length: -3\r\n\r\nabc`, true, "400 Bad Request"],
    [`${create}Transfer-Encoding: chunked\r\n\r\n10\r\nabc`, false, "400 Bad Request"],
    [`${create}Transfer-Encoding: chunked\r\n\r\nZZ\r\nabc`, true, "400 Bad Request"],
    [`${create}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, true, "400 Bad Request"],
    [`${create}X: ${"x".repeat(70_000)}\r\n\r\n`, true, "431 Request Header Fields Too Large"],
  ];
  for (const [request, isWhole, status] of broken) {
    const answer = await sent(url, request, isWhole);
    expect(answer.split("\r\n", 1)[0], request.slice(0, 200)).toBe(`HTTP/1.1 ${status}`);
    const body = JSON.parse(answer.slice(answer.indexOf("\r\n\r\n"))) as unknown;
    expect(body).toMatchObject({ RemoteException: { exception: "IllegalArgumentException" } });
  }
  expect((await files.list("/", { user: "quorate", groups: [] }, "")).entries).toEqual([]);
});

test("a whole request gets its own answer, though more follows than its length says", async () => {
  const files = new MemoryFileSystem();
  const url = await serve(undefined, { files: filesDoor(files) });
  const create = "PUT /webhdfs/v1/f?op=CREATE&data=true&user.name=quorate HTTP/1.1\r\nHost: x\r\n";
  for (const isWhole of [true, false]) {
    const name = isWhole ? "open" : "ended";
    const answer = await sent(
      url,
      `${create.replace("/f?", `/${name}?`)}Content-Length: 3\r\n\r\nabc more`,
      isWhole,
    );
    expect(answer.match(/^HTTP\/1\.1 \d+/gm)).toEqual(["HTTP/1.1 201", "HTTP/1.1 400"]);
    expect((await files.status(`/${name}`, { user: "quorate", groups: [] })).length).toBe(3);
  }
});

test("a client that closes its side, with more behind its request or not, gets its answer when it is there", async () => {
  const waiting: (() => void)[] = [];
  const url = await serve((done) => void waiting.push(() => done(undefined)));
  for (const more of ["", "extra"]) {
    const answer = sent(url, `GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n${more}`, false);
    while (waiting.length === 0) await new Promise((resolve) => setImmediate(resolve));
    // Long enough for the end of the client's side to be heard of.
    for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
    waiting.shift()?.();
    expect(await answer, more).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  }
});

test("a response that has begun is cut by a broken request behind it, never written into", async () => {
  const files = new MemoryFileSystem();
  const url = await serve(undefined, { files: filesDoor(files) });
  const content = Buffer.alloc(16 * 1024 * 1024, "x");
  const put = { method: "PUT", body: content };
  await fetch(`${url}/webhdfs/v1/f?op=CREATE&data=true&user.name=quorate`, put);
  const open = "GET /webhdfs/v1/f?op=OPEN&data=true&user.name=quorate HTTP/1.1\r\nHost: x\r\n\r\n";
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.on("error", () => undefined);
  socket.setEncoding("latin1");
  let answer = "";
  socket.on("data", (part: string) => {
    if (answer === "") socket.write("no HTTP at all\r\n\r\n");
    answer += part;
  });
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.write(open);
  await closed;
  expect(answer.slice(answer.indexOf("\r\n\r\n") + 4)).toMatch(/^x*$/);
});

test("names may stand in an address as their bytes of UTF-8, as Hadoop's client writes them, one request a connection", async () => {
  const files = new MemoryFileSystem();
  const url = await serve(undefined, { files: filesDoor(files) });
  const asked = (line: string): Promise<string> =>
    sent(url, `${line}user.name=quorate HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n`);
  expect(await asked("PUT /webhdfs/v1/grün%20✓?op=MKDIRS&")).toMatch(
    / 200 OK\r\n(.*\r\n)*Connection: close\r\n/,
  );
  expect(await asked("GET /webhdfs/v1/gr%C3%BCn%20✓?op=GETFILESTATUS&")).toContain('"type":"DIRECTORY"');
  expect(await asked("GET /webhdfs/v1/ü?op=GETFILESTATUS&")).toContain("FileNotFoundException");
  // Other odd bytes are no address, and what is no UTF-8 is no path.
  for (const odd of ["GET /ü\u0001?", "GET ü?", "get /ü?", "GET /ü ü?"])
    expect(await asked(odd)).toContain("400 Bad");
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.write(Buffer.from("GET /webhdfs/v1/\xfc?op=LISTSTATUS HTTP/1.1\r\nHost: x\r\n\r\n", "latin1"));
  expect(String(await once(socket, "data"))).toContain("400 Bad Request");
  socket.destroy();
});

test("such an address may come in pieces, cut anywhere behind the first of those bytes", async () => {
  const files = new MemoryFileSystem();
  const url = await serve(undefined, { files: filesDoor(files) });
  const inPieces = async (request: string, ...cuts: readonly number[]): Promise<string> => {
    const bytes = Buffer.from(request);
    const socket = connect(Number(new URL(url).port), "127.0.0.1").setNoDelay(true);
    socket.on("error", () => undefined);
    let answer = "";
    socket.on("data", (part: Buffer) => (answer += part.toString("latin1")));
    const closed = new Promise((resolve) => socket.once("close", resolve));
    for (const [at, cut] of [0, ...cuts].entries()) {
      socket.write(bytes.subarray(cut, cuts[at]));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await closed;
    return answer;
  };
  const request = (path: string): string =>
    `PUT /webhdfs/v1/${path}?op=CREATE&data=true&user.name=quorate HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello`;
  const path = "grün/✓✓";
  const begin = Buffer.byteLength("PUT /webhdfs/v1/gr") + 1;
  const end = Buffer.byteLength(request(path).split("\r\n")[0] ?? "");
  // Within a character, between two, before and within the line's end, and several times.
  const cuts = [
    [begin],
    [begin + 1],
    [begin + 6, begin + 9],
    [end - 6],
    [end],
    [end + 1],
    [begin + 3, end + 1],
  ];
  await Promise.all(
    cuts.map(async (each, at) => {
      const answer = await inPieces(request(`${at}${path}`), ...each.map((cut) => cut + 1));
      expect(answer, String(each)).toMatch(/^HTTP\/1\.1 201 Created\r\n(.*\r\n)*Connection: close\r\n/);
      const parts: Uint8Array[] = [];
      for await (const part of await files.read(`/${at}${path}`, { user: "quorate", groups: [] }))
        parts.push(part);
      expect(Buffer.concat(parts).toString()).toBe("hello");
    }),
  );
  for (const [odd, cut] of [
    ["GET /ü\u0001? HTTP/1.1\r\n\r\n", 7],
    ["GET /ü ü? HTTP/1.1\r\n\r\n", 8],
  ] as const)
    expect(await inPieces(odd, cut), odd).toContain("400 Bad");
});

test("a body is never taken for a request, wherever an address with bytes of UTF-8 stands in it", async () => {
  const files = new MemoryFileSystem();
  const url = await serve(undefined, { files: filesDoor(files) });
  const hidden = "PUT /webhdfs/v1/hidden-ü?op=MKDIRS&user.name=quorate HTTP/1.1\r\nHost: x\r\n\r\n";
  const length = Buffer.byteLength(hidden);
  for (const operation of [
    "PUT /webhdfs/v1/f?op=CREATE",
    "PUT /webhdfs/v1/d?op=MKDIRS",
    "POST /webhdfs/v1/f?op=CONCAT",
  ]) {
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    socket.on("error", () => undefined);
    socket.write(`${operation}&user.name=quorate HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n`);
    await once(socket, "data");
    socket.end(`${hidden}GET /ö HTTP/1.1\r\nHost: x\r\n\r\n`);
    socket.resume();
    await once(socket, "close");
  }
  const begun = connect(Number(new URL(url).port), "127.0.0.1");
  begun.setNoDelay(true).write("PUT ");
  await new Promise((resolve) => setImmediate(resolve));
  begun.end(hidden);
  await once(begun.resume(), "close");
  const after = await fetch(`${url}/webhdfs/v1/?op=LISTSTATUS&user.name=quorate`);
  expect(await after.text()).not.toContain("hidden");
});

test("an upload, and a small file in one step, may take longer than a head or an order may", async () => {
  const files = new MemoryFileSystem();
  const filesAdmin = createFilesAdminDoor({ files });
  const url = await serve(undefined, { files: filesDoor(files), filesAdmin });
  const seconds = 8;
  /** What is answered to a body of which a byte comes each second; "" when the connection is cut before. */
  const drip = async (target: string): Promise<string> => {
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    let answer = "";
    socket.on("error", () => undefined).on("data", (bytes) => (answer += String(bytes)));
    socket.write(
      `PUT ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${seconds}\r\n\r\n`,
    );
    const timer = setInterval(() => socket.write("x"), 1000);
    // Not `once` of events: it fails when a byte meets a connection that was just cut.
    await new Promise((resolve) => socket.once("close", resolve));
    clearInterval(timer);
    return answer;
  };
  const [upload, small, order] = await Promise.all([
    // A name in bytes of UTF-8: its connection is counted once all the same.
    drip("/webhdfs/v1/grün?op=CREATE&data=true&user.name=quorate"),
    drip("/files/v1/file?path=/small&user.name=quorate"),
    drip("/files/v1/safemode"),
  ]);
  expect(upload).toContain("201 Created");
  expect(small).toContain("200 OK");
  expect(order).toBe("");
  expect((await files.status("/small", { user: "quorate", groups: [] })).length).toBe(seconds);
  const [server] = servers.splice(0);
  await server?.close();
});

test("closing does not wait for a client that holds its connection open", async () => {
  const url = await serve(() => undefined);
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  await new Promise<void>((resolve) => socket.once("connect", resolve));
  socket.write("GET /hea");
  const gone = new Promise((resolve) => socket.once("close", resolve));
  socket.on("error", () => undefined);
  const [server] = servers.splice(0);
  await server?.close();
  await gone;
});

test("a port in use is one clear error", async () => {
  const port = Number(new URL(await serve()).port);
  const second = startAdminServer({
    host: "127.0.0.1",
    port,
    node: exampleNode(() => undefined),
    metrics: createMetrics(),
  });
  await expect(second).rejects.toMatchObject({ code: "PORT_IN_USE" });
});

test("connections that say nothing make place for others, are counted and told of", async () => {
  const told: string[] = [];
  const url = await serve(undefined, {
    logger: { log: (level, event) => void told.push(`${level} ${event}`) },
  });
  const port = Number(new URL(url).port);
  const sockets: Socket[] = [];
  const open = async (): Promise<Socket> => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => undefined).resume();
    sockets.push(socket);
    await once(socket, "connect");
    return socket;
  };
  const ask = async (socket: Socket, path: string): Promise<string> => {
    let text = "";
    socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
    socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await vi.waitUntil(() => text.includes("\r\n\r\n"), { timeout: 5_000 });
    return text;
  };
  // It has said something, and is kept before those that never did.
  const keptAlive = await open();
  expect(await ask(keptAlive, "/healthz")).toContain("200 OK");
  for (let count = 1; count < 256 + 3; count++) await open();
  expect(await ask(await open(), "/metrics")).toContain("quorate_http_connections_displaced_total 4");
  await vi.waitUntil(() => sockets.filter(({ destroyed }) => destroyed).length === 4, { timeout: 5_000 });
  expect(sockets.slice(1, 5).every(({ destroyed }) => destroyed)).toBe(true);
  expect(await ask(keptAlive, "/metrics")).toContain("quorate_http_connections_refused_total 0");
  expect(told).toEqual(["warn http.connections-displaced"]);
  for (const socket of sockets) socket.destroy();
});
