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
}

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
      const { code, exception } = refusing;
      response.writeHead(403, code === undefined ? {} : { "X-Quorate-Error": code });
      const javaClassName = `org.apache.hadoop.ipc.${exception}`;
      return response.end(
        JSON.stringify({ RemoteException: { exception, javaClassName, message: "refused" } }),
      );
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

for (const [code, exception] of [
  ["DISK_FULL", "RetriableException"],
  ["DIVERGED", "RetriableException"],
  [undefined, "StandbyException"],
] as const)
  test(`a node that answers ${code ?? exception} to a command's first request sends it on to another of its cluster`, async () => {
    const members: { readonly http: string }[] = [];
    const full = await node("c1", () => members, { code, exception });
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
