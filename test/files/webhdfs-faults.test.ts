/** What the client does when nodes fail under it: goes on where that is safe, and says what is not known where it is not. */
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { randomBytes } from "node:crypto";
import { afterEach, expect, test, vi } from "vitest";
import { connectFiles } from "../../src/client/files/connect.ts";
import type { Files } from "../../src/client/files/files.ts";
import { QuorateError } from "../../src/runtime/errors.ts";
import { serveMemory } from "../../src/engine/protocol/webhdfs/served.testing.ts";

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function scripted(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server: Server = createServer((request, response) => {
    // No cluster: a client that lives for long enough to ask learns of no others.
    if (request.url === "/status") response.writeHead(404).end();
    else answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function filesAt(...authorities: readonly string[]): Files {
  const files = connectFiles(`webhdfs://quorate@${authorities.join(",")}`);
  closers.push(() => files.close());
  return files;
}

/** A port at which nobody listens. */
async function deadAddress(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `127.0.0.1:${port}`;
}

const json = (response: ServerResponse, body: object, status = 200, headers = {}): void => {
  response.writeHead(status, { "Content-Type": "application/json", ...headers }).end(JSON.stringify(body));
};
const remote = (exception: string, message: string): object => ({
  RemoteException: { exception, javaClassName: `x.${exception}`, message },
});

test("a dead node is passed over for another, for reads and for writes", async () => {
  const served = await serveMemory();
  closers.push(() => served.close());
  const files = filesAt(await deadAddress(), served.addresses[0] ?? "");
  await files.writeFile("/f", "x");
  await files.rename("/f", "/g");
  expect(await files.readdir("/")).toEqual(["g"]);
});

test("when no node is there the error says that nothing was done", async () => {
  const files = filesAt(await deadAddress());
  await expect(files.rename("/a", "/b")).rejects.toMatchObject({
    code: "NO_QUORUM",
    outcome: "not-applied",
    retryable: true,
  });
  await expect(files.writeFile("/a", "x")).rejects.toMatchObject({
    code: "NO_QUORUM",
    outcome: "not-applied",
  });
});

test("a node that is not ready yet is asked again; one that is standby is left for another", async () => {
  let asked = 0;
  const busy = await scripted((_, response) => {
    if (++asked < 3) json(response, remote("RetriableException", "no leader yet"), 403);
    else json(response, { boolean: true });
  });
  await filesAt(busy).rename("/a", "/b");
  expect(asked).toBe(3);
  const standby = await scripted((_, response) => json(response, remote("StandbyException", "standby"), 403));
  await filesAt(standby, busy).rename("/a", "/b");
  expect(asked).toBe(4);
});

test("an answer that was lost is asked for again when that is harmless, and is unknown when it is not", async () => {
  const methods: string[] = [];
  const losing = await scripted((request) => {
    methods.push(request.method ?? "");
    request.socket.destroy();
  });
  const files = filesAt(losing);
  await expect(files.rename("/a", "/b")).rejects.toMatchObject({
    code: "OUTCOME_UNKNOWN",
    outcome: "unknown",
  });
  expect(methods).toEqual(["PUT"]);
  await expect(files.rm("/a", { recursive: true })).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
  await expect(files.stat("/a")).rejects.toMatchObject({ code: "NO_QUORUM", outcome: "not-applied" });
  expect(methods.filter((method) => method === "GET").length).toBeGreaterThan(1);
});

test("a call ends at its deadline, and says whether it may have been carried out", async () => {
  const silent = await scripted(() => undefined);
  const files = filesAt(silent);
  await expect(files.stat("/a", { timeoutMs: 30 })).rejects.toMatchObject({ code: "NO_QUORUM" });
  for (const change of [
    files.rename("/a", "/b", { timeoutMs: 100 }),
    files.rm("/a", { recursive: true, timeoutMs: 100 }),
  ])
    await expect(change).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
  const reason = new Error("enough");
  const aborter = new AbortController();
  const stat = files.stat("/a", { signal: aborter.signal });
  aborter.abort(reason);
  await expect(stat).rejects.toBe(reason);
});

test("a small file is given up after a silence, not after a time, and says what is not known", async () => {
  let waitMs = 300;
  const address = await scripted((request, response) => {
    if (request.url?.startsWith("/files/v1/settings") === true)
      return json(response, { inlineMaxBytes: 1024 });
    request.resume();
    setTimeout(() => json(response, { put: true }), waitMs).unref();
  });
  const { driver } = filesAt(address);
  await driver.putMaxBytes({});
  // What any other call may take in all.
  const timeout = vi.spyOn(AbortSignal, "timeout").mockReturnValue(AbortSignal.timeout(50));
  try {
    expect(await driver.put("/f", Buffer.from("f"), {})).toBe(true);
    waitMs = 60_000;
    const silent = driver.put("/f", Buffer.from("f"), { timeoutMs: 100 });
    await expect(silent).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
  } finally {
    timeout.mockRestore();
  }
});

test("the code of the error, and with it the outcome, comes over the wire from Quorate", async () => {
  const served = await serveMemory();
  closers.push(() => served.close());
  const files = filesAt(served.addresses[0] ?? "");
  served.files.change = () => Promise.reject(new QuorateError("OUTCOME_UNKNOWN", "no majority confirmed it"));
  await expect(files.rename("/a", "/b")).rejects.toMatchObject({
    code: "OUTCOME_UNKNOWN",
    outcome: "unknown",
    message: "no majority confirmed it",
  });
});

test("a reader goes on at another node from where the first one broke off", async () => {
  const served = await serveMemory({ nodes: 2, settings: { replication: 2 } });
  closers.push(() => served.close());
  const bytes = randomBytes(3_000_000);
  await filesAt(served.addresses[1] ?? "").writeFile("/f", bytes);
  // A node that gives a part of the bytes and then dies, in front of the real ones.
  const breaking = await scripted((request, response) => {
    const offset = Number(/[?&]offset=(\d+)/.exec(request.url ?? "")?.[1] ?? 0);
    response.writeHead(200, { "Content-Length": bytes.length - offset });
    response.write(bytes.subarray(offset, offset + 1_000_000), () => request.socket.destroy());
  });
  const excluded: string[] = [];
  const front = await scripted((request, response) => {
    const list = /excludedatanodes=([^&]*)/.exec(request.url ?? "")?.[1];
    if (list !== undefined) excluded.push(decodeURIComponent(list));
    const location =
      list === undefined
        ? `http://${breaking}${request.url ?? ""}`
        : `http://${served.addresses[0] ?? ""}${(request.url ?? "").replace(/&excludedatanodes=[^&]*/, "")}&data=true`;
    response.writeHead(307, { Location: location }).end();
  });
  const read = await filesAt(front).readFile("/f");
  expect(read.equals(bytes)).toBe(true);
  expect(excluded).toEqual([breaking]);
});

/** Sends every first step to the next of these, but to none that is excluded as long as there is another. */
async function frontOf(nodes: readonly string[]): Promise<string> {
  return scripted((request, response) => {
    const excluded = decodeURIComponent(/excludedatanodes=([^&]*)/.exec(request.url ?? "")?.[1] ?? "");
    const to = nodes.find((node) => !excluded.split(",").includes(node)) ?? nodes[0] ?? "";
    response.writeHead(307, { Location: `http://${to}${request.url ?? ""}` }).end();
  });
}

const MISSING = { code: "BLOCK_MISSING", retryable: true, outcome: "not-applied" };

test("bytes that two nodes say are lost are asked for no more: the error is the server's, with its class and code", async () => {
  const asked: string[] = [];
  const lacking = (name: string, message: string): Promise<string> =>
    scripted((_, response) => {
      asked.push(name);
      json(response, remote("BlockMissingException", message), 403);
    });
  // The second one as HDFS says it: without the path.
  const nodes = [
    await lacking("a", "/f cannot be read from byte 0: no live node has a replica of block 7"),
    await lacking("b", "Could not obtain block: BP-1:blk_7_1001"),
    await lacking("c", "never asked"),
  ];
  const files = filesAt(await frontOf(nodes));
  await expect(files.readFile("/f")).rejects.toMatchObject({
    ...MISSING,
    message: "/f cannot be read from byte 0: Could not obtain block: BP-1:blk_7_1001",
  });
  expect(asked).toEqual(["a", "b"]);
  const alone = filesAt(await frontOf(nodes.slice(0, 1)));
  await expect(alone.readFile("/f")).rejects.toMatchObject({
    ...MISSING,
    message: "/f cannot be read from byte 0: no live node has a replica of block 7",
  });
  expect(asked).toEqual(["a", "b", "a", "a"]);
});

test("bytes that one node cannot get, and another one can, are read", async () => {
  const lacking = await scripted((_, response) =>
    json(response, remote("BlockMissingException", "no live node has a replica of block 7"), 403),
  );
  const having = await scripted((_, response) =>
    response.writeHead(200, { "Content-Length": 5 }).end("bytes"),
  );
  const files = filesAt(await frontOf([lacking, having]));
  expect(await files.readFile("/f", { encoding: "utf8" })).toBe("bytes");
});

test("a checksum is asked for at another node when the one that was named is gone", async () => {
  const having = await scripted((_, response) =>
    json(response, { FileChecksum: { algorithm: "MD5-of-0MD5-of-512CRC32C", bytes: "ab", length: 1 } }),
  );
  const dead = await deadAddress();
  const sum = await filesAt(await frontOf([dead, having])).checksum("/f");
  expect(sum.bytes).toBe("ab");
  await expect(filesAt(await frontOf([dead])).checksum("/f")).rejects.toMatchObject({
    code: "NO_QUORUM",
    outcome: "not-applied",
    message: expect.stringMatching(/^\/f has no checksum: 127\.0\.0\.1:\d+: /) as string,
  });
});

test("a body that ends early, with bytes behind it that are lost, says from which byte on", async () => {
  const breaking = await scripted((request, response) => {
    const offset = Number(/[?&]offset=(\d+)/.exec(request.url ?? "")?.[1] ?? 0);
    if (offset >= 400)
      return json(
        response,
        remote("BlockMissingException", `/f cannot be read from byte ${offset}: gone`),
        403,
      );
    response.writeHead(200, { "Content-Length": 1_000 - offset });
    response.write(Buffer.alloc(400 - offset), () => request.socket.destroy());
  });
  const files = filesAt(await frontOf([breaking]));
  let bytes = 0;
  const reading = async (): Promise<void> => {
    for await (const chunk of files.readable("/f")) bytes += chunk.length;
  };
  await expect(reading()).rejects.toMatchObject({
    ...MISSING,
    message: "/f cannot be read from byte 400: gone",
  });
  expect(bytes).toBe(400);
});

test("a write whose node dies in the middle is made anew at another one, when its bytes can be had again", async () => {
  const served = await serveMemory();
  closers.push(() => served.close());
  const real = served.addresses[0] ?? "";
  // Names a place for the bytes, and dies with the first of them; from then on the others are asked.
  const uploads: string[] = [];
  const dying: string = await scripted((request, response) => {
    if (!(request.url ?? "").includes("second=1"))
      return void response.writeHead(307, { Location: `http://${dying}${request.url ?? ""}&second=1` }).end();
    uploads.push(/v1([^?]*)/.exec(request.url ?? "")?.[1] ?? "");
    request.once("data", () => request.socket.destroy());
  });
  let asked = 0;
  const front = await scripted((request, response) => {
    const isFirst = ++asked === 1;
    const to = isFirst ? `${dying}${request.url ?? ""}&second=1` : `${real}${request.url ?? ""}&data=true`;
    response.writeHead(307, { Location: `http://${to}` }).end();
  });
  const bytes = randomBytes(24_000_000);
  async function* once(): AsyncGenerator<Uint8Array> {
    yield bytes;
  }
  const reader = filesAt(real);
  await filesAt(front).writeFile("/kept", bytes);
  expect((await reader.readFile("/kept")).equals(bytes)).toBe(true);
  asked = 0;
  await filesAt(front).writeFile("/function", once);
  expect((await reader.readFile("/function")).equals(bytes)).toBe(true);
  asked = 0;
  // A stream is had only once, and what must not overwrite might meet what its own first attempt left.
  await expect(filesAt(front).writeFile("/stream", once())).rejects.toMatchObject({ code: "NO_QUORUM" });
  asked = 0;
  await expect(filesAt(front).writeFile("/new", bytes, { overwrite: false })).rejects.toMatchObject({
    code: "NO_QUORUM",
  });
  expect(uploads).toEqual(["/kept", "/function", "/stream", "/new"]);
});

test("a file that was replaced while it was read is not mixed of two", async () => {
  let answers = 0;
  const changing: string = await scripted((request, response) => {
    if (!(request.url ?? "").includes("second=1"))
      return void response
        .writeHead(307, { Location: `http://${changing}${request.url ?? ""}&second=1` })
        .end();
    answers++;
    response.writeHead(200, { "Content-Length": 1000, ETag: `"1-${answers}"` });
    response.write(Buffer.alloc(100), () => request.socket.destroy());
  });
  await expect(filesAt(changing).readFile("/f")).rejects.toMatchObject({ code: "CHANGED_MEANWHILE" });
});

test("a file that was removed, cut, or replaced by a shorter one or a directory while it was read, changed meanwhile", async () => {
  const served = await serveMemory();
  closers.push(() => served.close());
  const real = served.addresses[0] ?? "";
  // Whatever is there by the time that the first node breaks off.
  await filesAt(real).writeFile("/short", Buffer.alloc(10));
  await filesAt(real).mkdir("/directory");
  const breaking = await scripted((request, response) => {
    response.writeHead(200, { "Content-Length": 1_000, ETag: '"1-1"' });
    response.write(Buffer.alloc(400), () => request.socket.destroy());
  });
  const files = filesAt(await frontOf([breaking, real]));
  const end = async (path: string, offset: number): Promise<void> => {
    for await (const chunk of files.readable(path, { offset })) expect(chunk.length).toBeGreaterThan(0);
  };
  const changed = (message: string): object => ({ code: "CHANGED_MEANWHILE", message });
  await expect(end("/gone", 0)).rejects.toMatchObject(
    changed("/gone changed while it was read: it is not there any more"),
  );
  const shorter = changed("/short changed while it was read: it is shorter now");
  await expect(end("/short", 0)).rejects.toMatchObject(shorter);
  // It ends now where this reading began, which is not its end all the same.
  await expect(end("/short", 10)).rejects.toMatchObject(shorter);
  await expect(end("/directory", 0)).rejects.toMatchObject(
    changed("/directory changed while it was read: it is no file any more"),
  );
  await expect(end("/short/f", 0)).rejects.toMatchObject(
    changed("/short/f changed while it was read: it is not there any more"),
  );
  // Of what was never begun the server's word holds.
  const reader = filesAt(real);
  await expect(reader.readFile("/gone")).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
});

test("a refusal in the middle of an upload ends it at once, with the reason", async () => {
  const full: string = await scripted((request, response) => {
    if (!(request.url ?? "").includes("second=1"))
      return void response.writeHead(307, { Location: `http://${full}${request.url ?? ""}&second=1` }).end();
    request.once("data", () => json(response, remote("DSQuotaExceededException", "quota exceeded"), 403));
    request.resume();
  });
  let given = 0;
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (; given < 10_000; given++) yield Buffer.alloc(65_536);
  }
  await expect(filesAt(full).writeFile("/f", endless())).rejects.toMatchObject({
    code: "SPACE_QUOTA_EXCEEDED",
  });
  expect(given).toBeLessThan(10_000);
});

test("a server that does the work at once, without a redirect, is understood", async () => {
  const direct = await scripted((request, response) => {
    const url = request.url ?? "";
    if (request.method === "PUT" && !url.includes("data=true"))
      return void response.writeHead(307, { Location: `http://${direct_()}${url}&data=true` }).end();
    request.resume();
    request.once("end", () =>
      request.method === "PUT"
        ? response.writeHead(201).end()
        : response.writeHead(200, { "Content-Length": 5 }).end("bytes"),
    );
  });
  const direct_ = (): string => direct;
  await filesAt(direct).writeFile("/f", "x");
  expect(await filesAt(direct).readFile("/f", { encoding: "utf8" })).toBe("bytes");
});

test("what is no WebHDFS server is one clear error", async () => {
  const other = await scripted((_, response) => response.writeHead(404).end("nothing here"));
  await expect(filesAt(other).stat("/")).rejects.toMatchObject({ code: "UNSUPPORTED" });
  expect(() => connectFiles("hdfs://x")).toThrow(/webhdfs:\/\/host:port/);
  expect(() => connectFiles("webhdfs://a b")).toThrow(/webhdfs:\/\/host:port/);
});

test("safe mode that ends by itself is waited for, also that of HDFS; one that an operator turned on is not", async () => {
  const starts =
    "Cannot set permission for /d. Name node is in safe mode.\nSafe mode will be turned off automatically once";
  const byHand =
    'Cannot set permission for /d. Name node is in safe mode.\nIt was turned on manually. Use "leave"';
  let refusals = 0;
  const refusing = (message: string, times: number): Promise<string> =>
    scripted((_, response) => {
      if (times-- <= 0) return json(response, { boolean: true });
      refusals++;
      json(response, remote("SafeModeException", message), 403);
    });
  // More often than it tries again when a server is not ready.
  await filesAt(await refusing(starts, 8)).chmod("/d", 0o700);
  expect(refusals).toBe(8);
  const operators = filesAt(await refusing(byHand, 99)).chmod("/d", 0o700);
  await expect(operators).rejects.toMatchObject({ code: "SAFE_MODE" });
  expect(refusals).toBe(9);
  // The other one may have been up for long.
  await filesAt(await refusing(starts, 99), await refusing(starts, 0)).chmod("/d", 0o700);
  expect(refusals).toBe(10);
  const late = filesAt(await refusing(starts, 99)).chmod("/d", 0o700, { timeoutMs: 1_000 });
  await expect(late).rejects.toMatchObject({ code: "SAFE_MODE", message: starts });
});

test("safe mode that ends by itself is waited for also where all other nodes are dead", async () => {
  const starts = "Name node is in safe mode. Safe mode will be turned off automatically.";
  let asked = 0;
  const starting = (times: number): Promise<string> =>
    scripted((_, response) => {
      if (asked++ >= times) return json(response, { boolean: true });
      json(response, remote("SafeModeException", starts), 403);
    });
  const dead = await deadAddress();
  // More often than a dead node is tried.
  await filesAt(dead, await starting(10), await deadAddress()).rename("/a", "/b");
  expect(asked).toBe(11);
  const late = filesAt(dead, await starting(Infinity)).rename("/a", "/b", { timeoutMs: 3_000 });
  await expect(late).rejects.toMatchObject({ code: "SAFE_MODE", outcome: "not-applied", message: starts });
  // Between two rounds there is a pause.
  expect(asked).toBeLessThan(11 + 3_000 / 200 + 2);
});
