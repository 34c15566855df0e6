/** A client that was told of one node of a cluster, over real sockets: which others it turns to when that one is gone. */
import type { Server } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { connectFiles } from "../../src/client/files/connect.ts";
import type { Files } from "../../src/client/files/files.ts";

const servers: Server[] = [];
const opened: Files[] = [];
afterEach(async () => {
  for (const files of opened.splice(0)) files.close();
  await Promise.all(servers.splice(0).map(stop));
});

async function stop(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

interface Node {
  readonly server: Server;
  readonly authority: string;
  readonly asked: string[];
}

interface Refusing {
  readonly code: string | undefined;
  readonly exception: string;
  /** Default: "refused". */
  readonly message?: string;
}

const STARTING: Refusing = {
  code: "SAFE_MODE",
  exception: "SafeModeException",
  message: "Name node is in safe mode. Safe mode will be turned off automatically.",
};

/** Answers as a node of a cluster answers, or refuses all; without a cluster it is another server of WebHDFS. */
async function node(
  cluster: string | undefined,
  members: () => readonly unknown[],
  refusing?: Refusing,
): Promise<Node> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? "");
    response.setHeader("Content-Type", "application/json");
    if (request.url === "/status") {
      if (cluster === undefined) response.statusCode = 404;
      return response.end(JSON.stringify({ cluster, nodes: members() }));
    }
    if (refusing !== undefined) {
      const { code, exception, message = "refused" } = refusing;
      response.writeHead(403, code === undefined ? {} : { "X-Quorate-Error": code });
      const javaClassName = `org.apache.hadoop.ipc.${exception}`;
      return response.end(JSON.stringify({ RemoteException: { exception, javaClassName, message } }));
    }
    return response.end(JSON.stringify({ Path: `/user/${cluster ?? ""}` }));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, authority: `127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

/** Asks until the client has asked for the cluster's nodes. */
async function knowing(first: Node): Promise<Files> {
  const files = connectFiles(`webhdfs://${first.authority}`, { user: "ann" });
  opened.push(files);
  await files.driver.home({});
  for (const endMs = Date.now() + 20_000; !first.asked.includes("/status");) {
    if (Date.now() > endMs) throw new Error("it does not ask who else is there");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  // What comes behind the question is answered behind it.
  await files.driver.home({});
  return files;
}

const homesAsked = ({ asked }: Node): number =>
  asked.filter((url) => url.includes("GETHOMEDIRECTORY")).length;

test("when the node that it was told of is gone, a client goes on at another one of its cluster, and at nobody else's", async () => {
  const members: { readonly http: string | null }[] = [];
  const all = (): readonly unknown[] => members;
  const first = await node("c1", all);
  const silent = await node("c1", all);
  const stranger = await node("c2", all);
  const other = await node(undefined, all);
  const second = await node("c1", all);
  for (const { authority } of [first, silent, stranger, other, second]) members.push({ http: authority });
  members.push({ http: null }, { http: "evil/../x" });
  await stop(silent.server);
  const files = await knowing(first);
  await stop(first.server);
  expect(await files.driver.home({})).toBe("/user/c1");
  expect([homesAsked(stranger), homesAsked(other), homesAsked(second)]).toEqual([0, 0, 1]);
  // It stays there, and does not ask again who that is.
  await files.driver.home({});
  expect(second.asked.filter((url) => url === "/status")).toHaveLength(1);
});

for (const refusing of [
  { code: "DISK_FULL", exception: "RetriableException" },
  { code: "DIVERGED", exception: "RetriableException" },
  { code: undefined, exception: "StandbyException" },
  STARTING,
])
  test(`a node that answers ${refusing.code ?? refusing.exception} to a command's first request sends it on to another of its cluster`, async () => {
    const members: { readonly http: string }[] = [];
    const full = await node("c1", () => members, refusing);
    const second = await node("c1", () => members);
    for (const { authority } of [full, second]) members.push({ http: authority });
    const files = connectFiles(`webhdfs://${full.authority}`, { user: "ann" });
    opened.push(files);
    // A change that is not made twice: the node said that it did nothing.
    await files.driver.rename("/a", "/b", { overwrite: true });
    const renames = ({ asked }: Node): number => asked.filter((url) => url.includes("op=RENAME")).length;
    expect([renames(full), renames(second)]).toEqual([1, 1]);
    await files.driver.rename("/b", "/c", { overwrite: true });
    expect([renames(full), renames(second)]).toEqual([1, 2]);
  });

test("a node that has only just started is asked for the others until it has heard of them", async () => {
  const members: { http: string | null }[] = [];
  const starting = await node("c1", () => members, STARTING);
  const second = await node("c1", () => members);
  members.push({ http: starting.authority }, { http: null });
  const files = connectFiles(`webhdfs://${starting.authority}`, { user: "ann" });
  opened.push(files);
  const renaming = files.driver.rename("/a", "/b", { overwrite: true });
  while (!starting.asked.includes("/status")) await new Promise((resolve) => setTimeout(resolve, 5));
  members[1] = { http: second.authority };
  await renaming;
  expect(second.asked.filter((url) => url.includes("op=RENAME"))).toHaveLength(1);
});

test("a call whose time is up, while it asks who a learnt node is, says that nothing was done", async () => {
  const members: { readonly http: string }[] = [];
  const starting = await node("c1", () => members, STARTING);
  const asked: string[] = [];
  const slow = createServer((request, response) => {
    asked.push(request.url ?? "");
    response.setHeader("Content-Type", "application/json");
    setTimeout(() => response.end(JSON.stringify({ cluster: "c1", nodes: members })), 700);
  });
  servers.push(slow);
  await new Promise<void>((resolve) => slow.listen(0, "127.0.0.1", resolve));
  const { port } = slow.address() as AddressInfo;
  members.push({ http: starting.authority }, { http: `127.0.0.1:${port}` });
  const files = connectFiles(`webhdfs://${starting.authority}`, { user: "ann" });
  opened.push(files);
  const failing = files.driver.rename("/a", "/b", { overwrite: true, timeoutMs: 500 });
  await expect(failing).rejects.toMatchObject({ code: "SAFE_MODE", outcome: "not-applied" });
  expect(asked).toEqual(["/status"]);
});

test("a lone node that cannot do it says why, in the end", async () => {
  const full = await node("c1", () => [], { code: "DISK_FULL", exception: "RetriableException" });
  const files = connectFiles(`webhdfs://${full.authority}`, { user: "ann" });
  opened.push(files);
  const failing = files.driver.rename("/a", "/b", { overwrite: true });
  await expect(failing).rejects.toMatchObject({ code: "DISK_FULL", outcome: "not-applied" });
  expect(full.asked.filter((url) => url === "/status")).toHaveLength(1);
});

test("a server that is no node of a cluster is asked once, and is the only one", async () => {
  const first = await node(undefined, () => [{ http: "127.0.0.1:1" }]);
  const files = await knowing(first);
  for (let count = 0; count < 3; count++) await files.driver.home({});
  expect(first.asked.filter((url) => url === "/status")).toHaveLength(1);
  await stop(first.server);
  await expect(files.driver.home({})).rejects.toMatchObject({ code: "NO_QUORUM" });
});
