/** The route of operators over files in memory, on real sockets. */
import { connect } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { memoryNode } from "../../files/memory/file-system.testing.ts";
import { serveMemory } from "../webhdfs/served.testing.ts";
import type { Served } from "../webhdfs/served.testing.ts";

const ROOT = { user: "quorate", groups: [] };
let served: Served;
beforeEach(async () => {
  served = await serveMemory({
    nodes: 2,
    settings: { blockSize: 1024, inlineMaxBytes: 100, replication: 2 },
  });
});
afterEach(() => served.close());

interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers: Headers;
}

async function ask(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
  at = 0,
): Promise<Answer> {
  const response = await fetch(`http://${served.addresses[at] ?? ""}/files/v1${path}`, {
    method,
    headers: { ...(body === undefined ? {} : { "Content-Type": "application/json" }), ...headers },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const lines = text.split("\n").filter((line) => line !== "");
  const isLines = response.headers.get("content-type")?.startsWith("application/x-ndjson") === true;
  const parsed: unknown = isLines ? lines.map((line) => JSON.parse(line) as unknown) : JSON.parse(text);
  return { status: response.status, body: parsed, headers: response.headers };
}

function refusal(code: string): unknown {
  return { error: { code, message: expect.any(String) as string, retryable: false, outcome: "not-applied" } };
}

async function write(path: string, bytes: number, replication?: number): Promise<void> {
  const options = replication === undefined ? {} : { replication };
  const writer = await served.files.create(path, ROOT, options);
  await writer.write(Buffer.alloc(bytes, 1));
  await writer.close();
}

test("any node reports all nodes, blocks and sums", async () => {
  await write("/d/large", 2500);
  for (const at of [0, 1]) {
    const { status, body } = await ask("GET", "/report?user.name=ann", undefined, {}, at);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      node: `n${at + 1}`,
      defaultReplication: 2,
      blocks: { total: 3, missing: 0, underReplicated: 0 },
      nodes: [
        { id: "n1", http: served.addresses[0], standing: "inService", live: true, silentMs: 0, remaining: 0 },
        { id: "n2", explanation: null },
      ],
      unheard: [],
      safeMode: { on: false, by: null, explanation: null },
    });
  }
});

test("health shows what is wrong, every file, or every block, and always the sums", async () => {
  await write("/d/large", 2500);
  await write("/d/lacking", 2000, 3);
  await write("/d/small", 99);
  const problems = (await ask("GET", "/health?path=/d&user.name=quorate")).body as readonly unknown[];
  expect(problems).toMatchObject([
    {
      type: "path",
      path: "/d/lacking",
      blockCount: 2,
      blocks: [{ at: 0, problem: "under-replicated" }, { at: 1 }],
    },
    {
      type: "summary",
      path: "/d",
      healthy: true,
      directories: 1,
      files: 3,
      length: 4599,
      inlineFiles: 1,
      blocks: 5,
      minimal: 5,
      underReplicated: 2,
      missing: 0,
      goodReplicas: 10,
      wantedReplicas: 12,
      missingReplicas: 2,
      nodes: 2,
      racks: 1,
    },
  ]);
  const files = (await ask("GET", "/health?path=/d&show=files")).body as {
    path: string;
    blocks: unknown[];
  }[];
  expect(files.slice(0, -1).map(({ path, blocks }) => [path, blocks.length])).toEqual([
    ["/d", 0],
    ["/d/lacking", 2],
    ["/d/large", 0],
    ["/d/small", 0],
  ]);
  const blocks = (await ask("GET", "/health?path=/d/large&show=blocks")).body as unknown[];
  expect(blocks[0]).toMatchObject({
    kind: "file",
    inlineBytes: 0,
    blocks: [
      { length: 1024, replicas: [{ node: "n1", state: "good" }, { node: "n2" }] },
      { length: 1024 },
      { length: 452, explanation: "It is as it should be." },
    ],
  });
});

test("a file of which a block is on no node is damaged, and the file system not healthy", async () => {
  await served.close();
  served = await serveMemory({ settings: { blockSize: 1024, inlineMaxBytes: 100 } });
  await write("/f", 2000);
  Object.assign(served.files.nodes()[0] ?? memoryNode("", undefined), { live: false });
  const lines = (await ask("GET", "/health")).body as readonly unknown[];
  expect(lines.at(-1)).toMatchObject({
    healthy: false,
    missing: 2,
    missingLength: 2000,
    damagedFiles: 1,
    nodes: 0,
  });
});

test("a path that is not there, and one that may not be seen, are refused with a status", async () => {
  await served.files.change({
    type: "mkdir",
    path: "/secret/d",
    caller: ROOT,
    mode: 0o700,
    unmaskedMode: undefined,
    createParents: true,
  });
  const absent = await ask("GET", "/health?path=/none");
  expect([absent.status, absent.body]).toEqual([404, refusal("PATH_NOT_FOUND")]);
  const secret = await ask("GET", "/health?path=/secret/d&user.name=ann");
  expect([secret.status, secret.body]).toEqual([403, refusal("ACCESS_DENIED")]);
  // Found out only in the middle: the last line says it.
  const all = (await ask("GET", "/health?show=files&user.name=ann")).body as readonly unknown[];
  expect(all.at(-1)).toEqual({ type: "error", ...(refusal("ACCESS_DENIED") as object) });
});

test("the superuser begins and ends safe mode; everyone may ask", async () => {
  const on = await ask("PUT", "/safemode?user.name=quorate", { on: true });
  expect([on.status, on.body]).toMatchObject([200, { on: true, by: "operator" }]);
  expect((await ask("GET", "/safemode?user.name=ann")).body).toMatchObject({ on: true });
  const other = await ask("PUT", "/safemode?user.name=ann", { on: false });
  expect([other.status, other.body]).toEqual([403, refusal("ACCESS_DENIED")]);
  expect(other.headers.get("x-quorate-error")).toBe("ACCESS_DENIED");
  expect((await ask("PUT", "/safemode?user.name=quorate", { on: false })).body).toMatchObject({ on: false });
});

test("the superuser takes nodes that there are out of service and back, also in safe mode", async () => {
  await ask("PUT", "/safemode?user.name=quorate", { on: true });
  for (const standing of ["decommissioning", "inMaintenance", "inService"]) {
    const { status, body } = await ask("PUT", "/nodes/n2?user.name=quorate", { standing });
    expect([status, body]).toEqual([200, { node: "n2", standing }]);
    expect((await ask("GET", "/report")).body).toMatchObject({
      nodes: [{ standing: "inService" }, { id: "n2", standing }],
    });
  }
  const slip = await ask("PUT", "/nodes/m2?user.name=quorate", { standing: "decommissioning" });
  expect([slip.status, slip.body]).toEqual([400, refusal("ARGUMENT_INVALID")]);
  expect((slip.body as { error: { message: string } }).error.message).toContain("there are n1, n2");
  const other = await ask("PUT", "/nodes/n2?user.name=ann", { standing: "decommissioning" });
  expect([other.status, other.body]).toEqual([403, refusal("ACCESS_DENIED")]);
});

test("only the superuser balances", async () => {
  expect((await ask("POST", "/balance?user.name=quorate", { threshold: 0.05 })).body).toEqual({
    ordered: 0,
    orderedBytes: 0,
    pending: 0,
    pendingBytes: 0,
  });
  expect((await ask("POST", "/balance?user.name=ann", {})).status).toBe(403);
});

test.each([
  ["GET", "/nothing", undefined, 404, "UNSUPPORTED"],
  ["GET", "", undefined, 404, "UNSUPPORTED"],
  ["PUT", "/nodes/", { standing: "inService" }, 404, "UNSUPPORTED"],
  ["PUT", "/nodes/a%2Fb", { standing: "inService" }, 404, "UNSUPPORTED"],
  ["DELETE", "/report", undefined, 405, "UNSUPPORTED"],
  ["PUT", "/safemode?user.name=quorate", "{", 400, "PROTOCOL"],
  ["PUT", "/safemode?user.name=quorate", [], 400, "PROTOCOL"],
  ["PUT", "/safemode?user.name=quorate", { on: "yes" }, 400, "PROTOCOL"],
  ["PUT", "/safemode?user.name=quorate", { on: true, off: true }, 400, "PROTOCOL"],
  ["PUT", "/safemode?user.name=quorate", { on: true, pad: "x".repeat(5000) }, 400, "TOO_LARGE"],
  ["PUT", "/nodes/n1?user.name=quorate", { standing: "gone" }, 400, "PROTOCOL"],
  ["POST", "/balance?user.name=quorate", { threshold: 0 }, 400, "PROTOCOL"],
  ["POST", "/balance?user.name=quorate", { maxBytes: 1.5 }, 400, "PROTOCOL"],
  ["GET", "/health?show=all", undefined, 400, "PROTOCOL"],
  ["PUT", "/file?path=/%FF&user.name=quorate", "bytes", 400, "PROTOCOL"],
  ["GET", "/health?path=/%C3", undefined, 400, "PROTOCOL"],
  ["GET", "/version?path=/%zz", undefined, 400, "PROTOCOL"],
  ["GET", "/report?user.name=no%20name", undefined, 400, "PROTOCOL"],
  ["GET", "/report?delegation=x", undefined, 403, "ACCESS_DENIED"],
])("%s %s is refused with one shape of error", async (method, path, body, status, code) => {
  const answer = await ask(method, path, body);
  expect([answer.status, answer.body]).toEqual([status, refusal(code)]);
});

test("a page of another origin changes nothing", async () => {
  const page = await ask("PUT", "/safemode?user.name=quorate", { on: true }, { Origin: "http://elsewhere" });
  expect([page.status, page.body]).toEqual([403, refusal("ACCESS_DENIED")]);
  const form = await ask("PUT", "/safemode?user.name=quorate", '{"on":true}', {
    "Content-Type": "text/plain",
  });
  expect(form.status).toBe(400);
  expect((await ask("GET", "/safemode")).body).toMatchObject({ on: false });
});

async function putFile(query: string, body: string): Promise<Answer> {
  return ask("PUT", `/file?${query}`, body, { "Content-Type": "application/octet-stream" });
}

async function contentOf(path: string): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of await served.files.read(path, ROOT)) parts.push(part);
  return Buffer.concat(parts).toString();
}

test("a small file is put in one step, with what CREATE may be told; a larger one, and one over a link, is not", async () => {
  const put = await putFile("path=/d/f&permission=600&replication=1&user.name=quorate", "one");
  expect(put).toMatchObject({ status: 200, body: { put: true } });
  expect(await contentOf("/d/f")).toBe("one");
  expect(await served.files.status("/d/f", ROOT)).toMatchObject({
    mode: 0o600,
    replication: 1,
    owner: "quorate",
  });
  expect(await putFile("path=/d/f&user.name=quorate", "two")).toMatchObject({
    body: refusal("PATH_EXISTS"),
  });
  expect(await contentOf("/d/f")).toBe("one");
  expect((await putFile("path=/d/f&overwrite=true&user.name=quorate", "")).body).toEqual({ put: true });
  expect(await contentOf("/d/f")).toBe("");
  expect((await putFile("path=/n/f&createparent=false&user.name=quorate", "x")).body).toEqual(
    refusal("PATH_NOT_FOUND"),
  );
  expect((await putFile("path=/large&user.name=quorate", "x".repeat(101))).body).toEqual({ put: false });
  const link = { path: "/link", target: "/away", caller: ROOT, createParents: false };
  await served.files.change({ type: "symlink", ...link });
  expect((await putFile("path=/link&overwrite=true&user.name=quorate", "x")).body).toEqual({ put: false });
  expect((await served.files.list("/", ROOT, "")).entries.map(({ path }) => path)).toEqual(["/d", "/link"]);
});

test("of a small file that cannot be, nothing is there", async () => {
  const path = "path=/f&user.name=quorate";
  expect((await putFile(`${path}&overwirte=true`, "x")).body).toEqual(refusal("PROTOCOL"));
  expect((await putFile("user.name=quorate", "x")).body).toEqual(refusal("PROTOCOL"));
  expect((await putFile("path=/f&user.name=ann", "x")).body).toEqual(refusal("ACCESS_DENIED"));
  expect((await putFile(path, "x".repeat(1024 * 1024 + 1))).body).toEqual(refusal("TOO_LARGE"));
  const [host = "", port = ""] = (served.addresses[0] ?? "").split(":");
  const socket = connect(Number(port), host);
  socket.write(`PUT /files/v1/file?${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 10\r\n\r\nhalf`);
  await expect.poll(() => served.requests[0]?.length).toBe(5);
  socket.destroy();
  await new Promise((resolve) => served.servers[0]?.close(resolve));
  await expect(served.files.status("/f", ROOT)).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
});

test("the bytes of a small file may come as slowly as they like, but not stand still", async () => {
  await served.close();
  served = await serveMemory({ door: { idleTimeoutMs: 100 } });
  const [host = "", port = ""] = (served.addresses[0] ?? "").split(":");
  const socket = connect(Number(port), host);
  socket.write(
    `PUT /files/v1/file?path=/f&user.name=quorate HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhalf`,
  );
  await new Promise((resolve) => socket.on("error", () => undefined).once("close", resolve));
  await expect(served.files.status("/f", ROOT)).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
});

test("a small file whose request has a name is put once, however often it comes, at whichever node", async () => {
  const headers = { "X-Quorate-Request": "b6f9d5ce-7c1e-4d5b" };
  const target = "/file?user.name=quorate&path=";
  for (const at of [0, 1])
    expect((await ask("PUT", `${target}/f`, "mine", headers, at)).body).toEqual({ put: true });
  const another = { "X-Quorate-Request": "0a1b2c3d-ffff-4d5b" };
  expect((await ask("PUT", `${target}/f`, "mine", another)).body).toEqual(refusal("PATH_EXISTS"));
  expect((await ask("PUT", `${target}/f&overwrite=true`, "theirs", another)).body).toEqual({ put: true });
  // It replaced the file already: what came there since stays.
  expect((await ask("PUT", `${target}/f&overwrite=true`, "more", another, 1)).body).toEqual({ put: true });
  expect((await served.files.status("/f", ROOT)).length).toBe("theirs".length);
  // The name is one of this path alone.
  expect((await ask("PUT", `${target}/g`, "mine", headers)).body).toEqual({ put: true });
  expect((await served.files.status("/g", ROOT)).length).toBe("mine".length);
  for (const odd of ["short", "x".repeat(65), "with a blank in it"])
    expect((await ask("PUT", `${target}/h`, "x", { "X-Quorate-Request": odd })).body).toEqual(
      refusal("PROTOCOL"),
    );
});
