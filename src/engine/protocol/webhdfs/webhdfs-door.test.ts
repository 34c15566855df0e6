import { createServer } from "node:http";
import type { ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { connect } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Bytes } from "../../../runtime/bytes.ts";
import { QuorateError } from "../../../runtime/errors.ts";
import type { FileSystem } from "../../files/file-system.ts";
import { MemoryFileSystem, memoryNode } from "../../files/memory/file-system.testing.ts";
import type { Served } from "./served.testing.ts";
import { serveMemory } from "./served.testing.ts";
import { createWebHdfsDoor } from "./webhdfs-door.ts";

let served: Served;
beforeEach(async () => {
  served = await serveMemory({ nodes: 2, settings: { blockSize: 1024 } });
});
afterEach(() => served.close());

interface Answer {
  readonly status: number;
  readonly location: string | undefined;
  readonly headers: Headers;
  readonly text: string;
  readonly json: unknown;
}

async function ask(method: string, target: string, init: RequestInit = {}): Promise<Answer> {
  const url = target.startsWith("http") ? target : `${served.url}${target}&user.name=quorate`;
  const response = await fetch(url, { method, redirect: "manual", ...init });
  const text = await response.text();
  const isJson = response.headers.get("content-type") === "application/json" && text !== "";
  const location = response.headers.get("location") ?? undefined;
  const json: unknown = isJson ? JSON.parse(text) : undefined;
  return { status: response.status, location, headers: response.headers, text, json };
}

const exceptionOf = ({ status, json }: Answer): unknown => {
  const { RemoteException } = json as { RemoteException: Record<string, string> };
  return { status, ...RemoteException };
};

async function put(
  path: string,
  body: string | Uint8Array | AsyncIterable<Uint8Array>,
  query = "",
): Promise<Answer> {
  const { location = "" } = await ask("PUT", `${path}?op=CREATE${query}`);
  return ask("PUT", location, { body, duplex: "half" } as RequestInit);
}

async function text(path: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of await served.files.read(path, { user: "quorate", groups: [] }))
    chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

test("a file is created in two steps and read back in two, and its location is one of the cluster's nodes", async () => {
  const first = await ask("PUT", "/a/b.txt?op=CREATE");
  expect(first.status).toBe(307);
  expect(first.headers.get("content-length")).toBe("0");
  const second = await ask("PUT", first.location ?? "", { body: "hello" });
  expect([second.status, second.text]).toEqual([201, ""]);
  expect(second.location).toBe(`webhdfs://${served.addresses[0]}/a/b.txt`);
  const opened = await ask("GET", "/a/b.txt?op=OPEN");
  expect([opened.status, opened.text]).toEqual([307, ""]);
  expect(served.addresses.map((address) => `http://${address}`)).toContain(
    new URL(opened.location ?? "").origin,
  );
  const read = await ask("GET", opened.location ?? "");
  expect([read.status, read.text, read.headers.get("content-length")]).toEqual([200, "hello", "5"]);
});

test("the greatest length that Java knows, which its clients send for all, is to the end of the file", async () => {
  await put("/f", "0123456789");
  const all = "length=9223372036854775807";
  const { location = "" } = await ask("GET", `/f?op=OPEN&${all}`);
  expect((await ask("GET", location)).text).toBe("0123456789");
  expect((await ask("GET", `${location}&offset=7`)).text).toBe("789");
  const ranged = await ask("GET", `${location}&offset=3`, { headers: { Range: "bytes=1-2" } });
  expect([ranged.text, ranged.headers.get("content-range")]).toEqual(["45", "bytes 1-2/7"]);
  for (const op of ["GETFILEBLOCKLOCATIONS", "GET_BLOCK_LOCATIONS"]) {
    const whole = (await ask("GET", `/f?op=${op}`)).json;
    expect((await ask("GET", `/f?op=${op}&offset=0&${all}`)).json, op).toEqual(whole);
    expect((await ask("GET", `/f?op=${op}&offset=1&${all}`)).json, op).toEqual(whole);
    const behind = await ask("GET", `/f?op=${op}&offset=9223372036854775807&${all}`);
    expect(behind.json, op).toEqual((await ask("GET", `/f?op=${op}&offset=1000`)).json);
  }
});

test("a location holds for other offsets, again and again, and excluded nodes are not chosen", async () => {
  await put("/f", "0123456789");
  const { location = "" } = await ask("GET", "/f?op=OPEN");
  expect((await ask("GET", `${location}&offset=4`)).text).toBe("456789");
  expect((await ask("GET", `${location}&offset=4&length=2`)).text).toBe("45");
  expect((await ask("GET", `${location}&offset=10`)).text).toBe("");
  const { host } = new URL(location);
  for (const op of ["OPEN", "GETFILECHECKSUM"]) {
    const other = await ask("GET", `/f?op=${op}&excludedatanodes=${host}`);
    expect(new URL(other.location ?? "").host).not.toBe(host);
    expect(served.addresses).toContain(new URL(other.location ?? "").host);
  }
});

test.each([
  ["takes no changes", { refusing: true }],
  ["is silent", { stale: true }],
  ["cannot be reached", { away: true }],
])(
  "nobody is sent to a node that %s, though it has the bytes, or is on the client's own machine",
  async (_, how) => {
    await put("/f", "x".repeat(2_000));
    const [own = "", other = ""] = served.addresses;
    const nodes = served.files.nodes.bind(served.files);
    for (const [victim, sentTo] of [
      ["n1", other],
      ["n2", own],
    ]) {
      served.files.nodes = () => nodes().map((each) => (each.id === victim ? { ...each, ...how } : each));
      for (const [method, target] of [
        ["GET", "/f?op=OPEN"],
        ["GET", "/f?op=GETFILECHECKSUM"],
        ["PUT", "/g?op=CREATE"],
        ["POST", "/f?op=APPEND"],
      ] as const) {
        const { location = "" } = await ask(method, target);
        expect(new URL(location).host, `${target} ${victim}`).toBe(sentTo);
      }
    }
  },
);

test("a location that was tampered with, or that expired, is refused", async () => {
  await put("/f", "x");
  await put("/g", "y");
  const { location = "" } = await ask("GET", "/f?op=OPEN");
  for (const wrong of [
    location.replace("/f?", "/g?"),
    location.replace("user.name=quorate", "user.name=eve"),
    location.replace(/signature=.{4}/, "signature=AAAA"),
    location.replace(/expires=\w+/, "expires=zzzzzzzzzz"),
  ]) {
    expect(exceptionOf(await ask("GET", wrong))).toMatchObject({
      status: 403,
      exception: "AccessControlException",
    });
  }
  await served.close();
  let nowMs = Date.now();
  served = await serveMemory({ door: { now: () => nowMs } });
  await put("/f", "x");
  const old = (await ask("GET", "/f?op=OPEN")).location ?? "";
  nowMs += 23 * 3_600_000;
  expect((await ask("GET", old)).text).toBe("x");
  nowMs += 2 * 3_600_000;
  expect(exceptionOf(await ask("GET", old))).toMatchObject({ exception: "AccessControlException" });
});

test("noredirect answers the location as JSON, data=true does the work at once", async () => {
  const created = await ask("PUT", "/f?op=CREATE&noredirect=true");
  expect(created.status).toBe(200);
  const { Location } = created.json as { Location: string };
  expect((await ask("PUT", Location, { body: "abc" })).status).toBe(201);
  expect((await ask("POST", "/f?op=APPEND&data=true", { body: "def" })).status).toBe(200);
  expect((await ask("GET", "/f?op=OPEN&data=true")).text).toBe("abcdef");
  expect((await ask("PUT", "/g?op=CREATE&data=true", { body: "direct" })).status).toBe(201);
  expect(await text("/g")).toBe("direct");
});

test("one location of APPEND takes many parts, each as one append", async () => {
  await put("/f", "");
  const { location = "" } = await ask("POST", "/f?op=APPEND");
  for (const part of ["a", "bc", "def"])
    expect((await ask("POST", location, { body: part })).status).toBe(200);
  expect(await text("/f")).toBe("abcdef");
});

test("an upload in chunks of no stated length arrives whole, at the pace of the writer", async () => {
  const parts = Array.from({ length: 200 }, (_, at) => Buffer.alloc(7919, at));
  async function* chunks(): AsyncGenerator<Uint8Array> {
    yield* parts;
  }
  expect((await put("/big", chunks())).status).toBe(201);
  const opened = await ask("GET", "/big?op=OPEN");
  const read = await fetch(opened.location ?? "");
  expect(Buffer.from(await read.arrayBuffer()).equals(Buffer.concat(parts))).toBe(true);
  expect(served.files.openStreams).toBe(0);
});

test("HTTP ranges give parts of a file, and what cannot be is 416", async () => {
  await put("/f", "0123456789");
  const { location = "" } = await ask("GET", "/f?op=OPEN");
  const part = async (range: string): Promise<readonly unknown[]> => {
    const { status, text: body, headers } = await ask("GET", location, { headers: { range } });
    return [status, body, headers.get("content-range")];
  };
  expect(await part("bytes=2-4")).toEqual([206, "234", "bytes 2-4/10"]);
  expect(await part("bytes=7-")).toEqual([206, "789", "bytes 7-9/10"]);
  expect(await part("bytes=-3")).toEqual([206, "789", "bytes 7-9/10"]);
  expect(await part("bytes=10-")).toEqual([416, "", "bytes */10"]);
  expect(await part("bytes=1-2,4-5")).toEqual([200, "0123456789", null]);
});

test("with offset and length an HTTP range counts among the bytes that these select", async () => {
  await put("/f", "0123456789");
  const part = async (query: string, range: string): Promise<readonly unknown[]> => {
    const { location = "" } = await ask("GET", `/f?op=OPEN${query}`);
    const { status, text: body, headers } = await ask("GET", location, { headers: { range } });
    return [status, body, headers.get("content-range")];
  };
  expect(await part("&offset=3", "bytes=2-4")).toEqual([206, "567", "bytes 2-4/7"]);
  expect(await part("&offset=3&length=4", "bytes=1-")).toEqual([206, "456", "bytes 1-3/4"]);
  expect(await part("&length=4", "bytes=-2")).toEqual([206, "23", "bytes 2-3/4"]);
  expect(await part("&offset=8&length=100", "bytes=0-9")).toEqual([206, "89", "bytes 0-1/2"]);
  expect(await part("&offset=3&length=4", "bytes=4-")).toEqual([416, "", "bytes */4"]);
  expect(await part("&offset=10", "bytes=0-")).toEqual([416, "", "bytes */0"]);
  expect(await part("&offset=3&length=4", "bytes=1-2,3-3")).toEqual([200, "3456", null]);
});

test("errors have the exception, class and status of Hadoop's", async () => {
  await put("/f", "x");
  await ask("PUT", "/d/e?op=MKDIRS");
  const io = { status: 403, exception: "IOException", javaClassName: "java.io.IOException" };
  const cases: readonly (readonly [string, string, object])[] = [
    [
      "GET",
      "/nope?op=OPEN",
      { status: 404, exception: "FileNotFoundException", javaClassName: "java.io.FileNotFoundException" },
    ],
    [
      "GET",
      "/nope?op=GETFILESTATUS",
      { status: 404, message: expect.stringContaining("does not exist") as unknown },
    ],
    [
      "GET",
      "/f/x?op=GETFILESTATUS",
      {
        status: 403,
        exception: "ParentNotDirectoryException",
        message: expect.stringContaining("not a directory") as unknown,
      },
    ],
    ["GET", "/f?op=OPEN&offset=5", io],
    [
      "GET",
      "/f?op=OPEN&offset=9223372036854775807",
      { ...io, message: expect.stringContaining("out of the range [0, 1)") as unknown },
    ],
    [
      "POST",
      "/f?op=TRUNCATE&newlength=9223372036854775807",
      { status: 400, message: expect.stringContaining("Cannot truncate to a larger file size") as unknown },
    ],
    ["GET", "/d?op=OPEN", { status: 404, exception: "FileNotFoundException" }],
    [
      "PUT",
      "/f?op=CREATE",
      {
        status: 403,
        exception: "FileAlreadyExistsException",
        javaClassName: "org.apache.hadoop.fs.FileAlreadyExistsException",
        message: expect.stringMatching(/^\/f for client \S+ already exists$/) as unknown,
      },
    ],
    ["PUT", "/d?op=CREATE&overwrite=true", { status: 403, exception: "FileAlreadyExistsException" }],
    // Whatever the second step would say is said at the first one.
    ["PUT", "/x/y?op=CREATE&createparent=false", { status: 404, exception: "FileNotFoundException" }],
    ["PUT", "/new?op=CREATE&blocksize=700", io],
    ["DELETE", "/d?op=DELETE", { status: 403, exception: "PathIsNotEmptyDirectoryException" }],
    ["PUT", "/a/..%2Fb?op=MKDIRS", { status: 400, exception: "InvalidPathException" }],
    [
      "PUT",
      "/l?op=CREATESYMLINK&destination=/a%1b%5b2Jb",
      {
        status: 400,
        exception: "InvalidPathException",
        javaClassName: "org.apache.hadoop.fs.InvalidPathException",
        message: "Invalid target name: /a?[2Jb",
      },
    ],
    ["PUT", `/${"x".repeat(256)}?op=MKDIRS`, { status: 403, exception: "PathComponentTooLongException" }],
    [
      "GET",
      "/f?op=NOSUCH",
      {
        status: 400,
        exception: "IllegalArgumentException",
        message: expect.stringMatching(/^Invalid value for webhdfs parameter "op": .*NOSUCH/) as unknown,
      },
    ],
    ["GET", "/f?op=OPEN&offset=x", { status: 400, exception: "IllegalArgumentException" }],
    ["POST", "/f?op=TRUNCATE", { status: 400, exception: "IllegalArgumentException" }],
    [
      "PUT",
      "/?op=DISABLEECPOLICY&ecpolicy=RS-6-3-1024k",
      { status: 400, exception: "UnsupportedOperationException" },
    ],
    ["DELETE", "/d?op=OPEN", { status: 400, exception: "IllegalArgumentException" }],
    ["GET", "/d", { status: 400, exception: "UnsupportedOperationException" }],
  ];
  for (const [method, target, wanted] of cases) {
    expect(exceptionOf(await ask(method, target)), target).toMatchObject(wanted);
  }
});

test("permissions are the user's who asks, and a user's name that is none is refused", async () => {
  await ask("PUT", "/private?op=MKDIRS&permission=700");
  await put("/private/f", "secret");
  const asEve = (method: string, target: string): Promise<Answer> =>
    ask(method, `${served.url}${target}&user.name=eve`);
  const denied = { status: 403, exception: "AccessControlException" };
  expect(exceptionOf(await asEve("GET", "/private/f?op=OPEN"))).toMatchObject(denied);
  expect(exceptionOf(await asEve("PUT", "/f?op=CREATE"))).toMatchObject(denied);
  expect(exceptionOf(await asEve("PUT", "/x?op=MKDIRS"))).toMatchObject(denied);
  expect((await asEve("GET", "/?op=CHECKACCESS&fsaction=r-x")).status).toBe(200);
  expect(exceptionOf(await asEve("GET", "/?op=CHECKACCESS&fsaction=-w-"))).toMatchObject(denied);
  const odd = await ask("GET", `${served.url}/?op=GETFILESTATUS&user.name=a%20b`);
  expect(exceptionOf(odd)).toMatchObject({ status: 400, exception: "IllegalArgumentException" });
  const home = await ask("GET", `${served.url}/?op=GETHOMEDIRECTORY`);
  expect(home.json).toEqual({ Path: "/user/dr.who" });
});

test("a directory is listed whole however long it is, and in pages for who asks for pages", async () => {
  await ask("PUT", "/d?op=MKDIRS");
  const names = Array.from({ length: 2500 }, (_, at) => `f${String(at).padStart(4, "0")}`);
  for (const name of names)
    await (await served.files.create(`/d/${name}`, { user: "quorate", groups: [] })).close();
  interface Listed {
    readonly FileStatuses: { readonly FileStatus: readonly { readonly pathSuffix: string }[] };
  }
  const whole = (await ask("GET", "/d?op=LISTSTATUS")).json as Listed;
  expect(whole.FileStatuses.FileStatus.map(({ pathSuffix }) => pathSuffix)).toEqual(names);
  const paged: string[] = [];
  for (let remaining = 1; remaining > 0;) {
    const { json } = await ask("GET", `/d?op=LISTSTATUS_BATCH&startAfter=${paged.at(-1) ?? ""}`);
    const { DirectoryListing: page } = json as {
      DirectoryListing: { partialListing: Listed; remainingEntries: number };
    };
    paged.push(...page.partialListing.FileStatuses.FileStatus.map(({ pathSuffix }) => pathSuffix));
    remaining = page.remainingEntries;
  }
  expect(paged).toEqual(names);
  const file = (await ask("GET", "/d/f0001?op=LISTSTATUS")).json as Listed;
  expect(file.FileStatuses.FileStatus).toMatchObject([{ pathSuffix: "", type: "FILE" }]);
  const one = await ask("PUT", "/single?op=MKDIRS");
  expect(one.json).toEqual({ boolean: true });
  await put("/single/only", "x");
  const single = (await ask("GET", "/single?op=LISTSTATUS")).json as Listed;
  expect(single.FileStatuses.FileStatus).toMatchObject([{ pathSuffix: "only" }]);
});

test("an upload that breaks off leaves nothing behind", async () => {
  const { location = "" } = await ask("PUT", "/half?op=CREATE");
  const { port, pathname, search } = new URL(location);
  const socket = connect(Number(port), "127.0.0.1");
  socket.write(`PUT ${pathname}${search} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n`);
  socket.write("only a part");
  await until(() => served.files.openStreams === 1);
  socket.destroy();
  await until(() => served.files.openStreams === 0);
  expect((await ask("GET", "/half?op=GETFILESTATUS")).status).toBe(404);
});

test("a transfer in which nothing moves is ended, and leaves nothing behind", async () => {
  await served.close();
  served = await serveMemory({ door: { idleTimeoutMs: 50 } });
  const { location = "" } = await ask("PUT", "/idle?op=CREATE");
  const { port, pathname, search } = new URL(location);
  const socket = connect(Number(port), "127.0.0.1");
  socket.on("error", () => undefined);
  const gone = new Promise((resolve) => socket.once("close", resolve));
  socket.write(
    `PUT ${pathname}${search} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n`,
  );
  socket.resume();
  await gone;
  await until(() => served.files.openStreams === 0);
  expect((await ask("GET", "/idle?op=GETFILESTATUS")).status).toBe(404);
});

test("a writer that is slower than the idle limit is not the client's silence", async () => {
  await served.close();
  served = await serveMemory({ door: { idleTimeoutMs: 50 } });
  const { files } = served;
  const create = files.create.bind(files);
  files.create = async (...args) => {
    const writer = await create(...args);
    const write = writer.write.bind(writer);
    writer.write = async (bytes) => {
      // Virtual time is no use to a socket: the one wait of this test is what it is about.
      await new Promise((resolve) => setTimeout(resolve, 200));
      return write(bytes);
    };
    return writer;
  };
  const content = Buffer.alloc(3_000_000, "slow");
  expect((await put("/slow", content)).status).toBe(201);
  expect((await files.status("/slow", { user: "quorate", groups: [] })).length).toBe(content.length);
});

/** The file system gives so many pieces of 100 bytes of a file of 1,000, and then no more. */
function failAfter(pieces: number, error: Error): void {
  const read = served.files.read.bind(served.files);
  served.files.read = async (path, caller, options) => {
    const { status } = await read(path, caller, options);
    async function* broken(): AsyncGenerator<Bytes> {
      for (let given = 0; given < pieces; given++) yield Buffer.alloc(100, "x") as unknown as Bytes;
      throw error;
    }
    return { status, length: 1_000, [Symbol.asyncIterator]: broken };
  };
}

test("a file of which nothing can be read is an exception of HDFS that says why; what breaks off later is short", async () => {
  await put("/f", "x".repeat(1_000));
  const text = "/f cannot be read from byte 0: no live node has a replica of block 7 (none was reported)";
  const exception = {
    status: 403,
    exception: "BlockMissingException",
    javaClassName: "org.apache.hadoop.hdfs.protocol.BlockMissingException",
    message: text,
  };
  failAfter(0, new QuorateError("BLOCK_MISSING", text));
  const { location = "" } = await ask("GET", "/f?op=OPEN");
  for (const headers of [{}, { Range: "bytes=5-9" }]) {
    const refused = await ask("GET", location, { headers });
    expect(exceptionOf(refused)).toEqual(exception);
    expect(refused.headers.get("x-quorate-error")).toBe("BLOCK_MISSING");
    for (const name of ["etag", "content-range", "accept-ranges"])
      expect(refused.headers.get(name), name).toBe(null);
  }
  failAfter(3, new QuorateError("BLOCK_MISSING", text));
  const short = await fetch(location);
  expect([short.status, short.headers.get("content-length")]).toEqual([200, "1000"]);
  await expect(short.arrayBuffer()).rejects.toThrow();
});

test("a reader that goes away ends the read", async () => {
  const { location = "" } = await (async () => {
    await put("/big", Buffer.alloc(20_000_000, "x"));
    return ask("GET", "/big?op=OPEN");
  })();
  const aborter = new AbortController();
  const response = await fetch(location, { signal: aborter.signal });
  await response.body?.getReader().read();
  expect(served.files.openStreams).toBe(1);
  aborter.abort();
  await until(() => served.files.openStreams === 0);
});

test("a client that goes before its answer ends what was asked for it, and one that has it does not", async () => {
  const signals: AbortSignal[] = [];
  let answers = true;
  const memory = served.files;
  const files = Object.create(memory) as FileSystem;
  files.contentSummary = (path, caller, options) => {
    const { signal } = options as { readonly signal: AbortSignal };
    signals.push(signal);
    if (answers) return memory.contentSummary(path, caller);
    return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
  };
  await served.close();
  served = await serveMemory({ door: { files } });
  expect((await ask("GET", "/?op=GETCONTENTSUMMARY")).status).toBe(200);
  answers = false;
  const client = new AbortController();
  const asked = ask("GET", "/?op=GETCONTENTSUMMARY", { signal: client.signal });
  await until(() => signals.length === 2);
  client.abort();
  await expect(asked).rejects.toThrow();
  await until(() => signals[1]?.aborted === true);
  expect(signals[0]?.aborted).toBe(false);
});

test("an answer that comes when its client has gone harms nobody", async () => {
  let answer: () => void = () => undefined;
  let isAsked = false;
  const status = served.files.status.bind(served.files);
  served.files.status = async (...args) => {
    isAsked = true;
    await new Promise<void>((resolve) => (answer = resolve));
    return status(...args);
  };
  let isGone = false;
  served.servers[0]?.once("request", (_, response: ServerResponse) =>
    response.once("close", () => (isGone = true)),
  );
  const socket = connect(Number(new URL(served.url).port), "127.0.0.1");
  socket.write("GET /webhdfs/v1/?op=GETFILESTATUS HTTP/1.1\r\nHost: x\r\n\r\n");
  await until(() => isAsked);
  socket.destroy();
  await until(() => isGone);
  answer();
  served.files.status = status;
  expect((await ask("GET", "/?op=GETFILESTATUS")).status).toBe(200);
});

test("who expects 100 Continue is redirected before the body, and told to go on at the location", async () => {
  const first = await raw(
    `PUT /webhdfs/v1/e?op=CREATE&user.name=quorate HTTP/1.1\r\nHost: ${served.addresses[0]}\r\nExpect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n`,
    "",
  );
  expect(first).toMatch(/^HTTP\/1\.1 307 /);
  const location = new URL(/^location: (\S+)/im.exec(first)?.[1] ?? "");
  const head = `PUT ${location.pathname}${location.search} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n`;
  expect(await raw(head, "hello")).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 201 /);
  expect(await text("/e")).toBe("hello");
  const refused = await raw(head, "hello");
  expect(refused).toMatch(/^HTTP\/1\.1 403 /);
});

test("what is unlike HTTP, and pages of another origin, change nothing", async () => {
  const page = await ask("PUT", "/x?op=MKDIRS", { headers: { origin: "http://evil.example" } });
  expect(exceptionOf(page)).toMatchObject({ status: 403, exception: "AccessControlException" });
  const lying = `POST /webhdfs/v1/x?op=APPEND HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n`;
  expect(await raw(lying, "")).toMatch(/^HTTP\/1\.1 400 /);
  expect((await served.files.contentSummary("/", { user: "quorate", groups: [] })).directories).toBe(1);
});

test("in protected mode clients of other machines are refused; nobody is sent where it would be refused, or reach itself", async () => {
  let other = "192.0.2.9:9870";
  const nodes = [
    {
      ...memoryNode("n2", other),
      get http() {
        return other;
      },
    },
    memoryNode("n1", "127.0.0.1:9870"),
  ];
  const files = new MemoryFileSystem({ nodes });
  const own = Object.create(files, { node: { value: "n1" } }) as FileSystem;
  const writer = await files.create("/f", { user: "quorate", groups: [] });
  await writer.write(Buffer.from("text"));
  await writer.close();
  let clientAddress: string | undefined;
  const answerOf = async (onlyLocal: boolean): Promise<Answer> => {
    const door = createWebHdfsDoor({ files: own, key: () => Buffer.alloc(32), now: Date.now, onlyLocal });
    const server = createServer((request, response) => {
      if (clientAddress !== undefined) {
        Object.defineProperty(request.socket, "remoteAddress", { value: clientAddress });
      }
      door.take(request, response, false);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const answer = await ask("GET", `http://127.0.0.1:${port}/webhdfs/v1/f?op=OPEN&user.name=quorate`);
    server.close();
    server.closeAllConnections();
    return answer;
  };
  expect((await answerOf(false)).location).toMatch(/^http:\/\/192\.0\.2\.9:9870\//);
  expect((await answerOf(true)).location).toMatch(/^http:\/\/127\.0\.0\.1:/);
  clientAddress = "192.0.2.77";
  expect((await answerOf(false)).location).toMatch(/^http:\/\/192\.0\.2\.9:9870\//);
  // What this machine calls loopback is another machine for such a client.
  other = "127.0.0.1:9871";
  expect((await answerOf(false)).location).toMatch(/^http:\/\/127\.0\.0\.1:(?!9871)/);
  expect(exceptionOf(await answerOf(true))).toMatchObject({
    status: 403,
    exception: "AccessControlException",
    message: expect.stringContaining("--protected-mode no") as unknown,
  });
});

test("a failure of ours is a RemoteException that says nothing of the inside", async () => {
  const broken = new MemoryFileSystem();
  broken.status = () => Promise.reject(new Error("secret detail"));
  await served.close();
  served = await serveMemory({ door: { files: broken } });
  const answer = await ask("GET", "/f?op=GETFILESTATUS");
  expect(exceptionOf(answer)).toMatchObject({ status: 500, message: "internal error" });
});

async function raw(head: string, body: string): Promise<string> {
  const socket = connect(Number(new URL(served.url).port), "127.0.0.1");
  let answer = "";
  socket.setEncoding("latin1");
  socket.on("data", (chunk: string) => {
    answer += chunk;
    if (answer.endsWith("HTTP/1.1 100 Continue\r\n\r\n")) socket.write(body);
  });
  socket.write(head);
  await new Promise((resolve) => socket.once("close", resolve));
  return answer;
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error("waited five seconds in vain");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
