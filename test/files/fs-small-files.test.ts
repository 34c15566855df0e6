/** Small files in `quorate fs`: one request each where the server is Quorate, and what else they were before. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { connectFiles } from "../../src/client/files/connect.ts";
import type { Served } from "../../src/engine/protocol/webhdfs/served.testing.ts";
import { serveNode } from "../../src/engine/protocol/webhdfs/served-node.testing.ts";
import { serveMemory } from "../../src/engine/protocol/webhdfs/served.testing.ts";
import type { FileSystem } from "../../src/engine/files/file-system.ts";
import { runProgram } from "./clients/program.ts";
import type { Answer } from "./front.ts";
import { frontOf } from "./front.ts";

const MAIN = resolve(import.meta.dirname, "../../dist/cli/main.js");
const CALLER = { user: "quorate", groups: [] };
const FILES = 20;
let served: Served;
let local = "";
const closers: (() => Promise<void>)[] = [];
beforeEach(async () => {
  served = await serveMemory();
  closers.push(() => served.close());
  local = mkdtempSync(join(tmpdir(), "quorate-small-"));
  mkdirSync(join(local, "d"));
  for (let at = 0; at < FILES; at++) writeFileSync(join(local, "d", `f${at}`), "x".repeat(at * 100));
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  rmSync(local, { recursive: true });
});

async function fs(
  args: readonly string[],
  address = served.addresses[0] ?? "",
  user = "quorate",
): Promise<readonly unknown[]> {
  const words = [MAIN, "fs", "--fs", `webhdfs://${user}@${address}`, ...args];
  const { code, stderr } = await runProgram(process.execPath, words, { directory: local });
  return [code, stderr.trim()];
}

const DONE = [0, ""];
const requests = (): readonly string[] => served.requests[0] ?? [];
const withText = (text: string): readonly string[] => requests().filter((each) => each.includes(text));

async function contentOf(files: FileSystem, path: string): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of await files.read(path, CALLER)) parts.push(part);
  return Buffer.concat(parts).toString();
}

const behind = async (answer: Answer): Promise<string> => {
  const front = await frontOf(served.addresses[0] ?? "", answer);
  closers.push(front.close);
  return front.address;
};

test("each small file goes up, comes down and is copied in one request to and fro", async () => {
  expect(await fs(["put", "d", "/d"])).toEqual(DONE);
  expect(withText("PUT /files/v1/file?")).toHaveLength(FILES);
  for (const other of ["op=CREATE", "op=RENAME", "_COPYING_"]) expect(withText(other)).toEqual([]);
  // Of where it goes, and of the directory that is made: not of each file.
  expect(withText("op=GETFILESTATUS").length).toBeLessThan(5);
  expect(await fs(["get", "/d", "back"])).toEqual(DONE);
  expect(withText("op=OPEN")).toHaveLength(FILES);
  for (let at = 0; at < FILES; at++)
    expect(readFileSync(join(local, "back", `f${at}`), "utf8")).toBe("x".repeat(at * 100));
  const before = requests().length;
  expect(await fs(["cp", "/d", "/e"])).toEqual(DONE);
  expect(requests().length - before).toBeLessThan(2 * FILES + 10);
  expect(await contentOf(served.files, "/e/f19")).toBe("x".repeat(1900));
});

test("what is there stays without -f, is replaced with it, and a link itself is, not what it leads to", async () => {
  // Of the real namespace.
  const real = await serveNode();
  closers.push(() => real.close());
  const { files } = real.node;
  const { address } = real;
  const names = ["f", "link", "dangling"];
  for (const name of [...names, "directory"]) writeFileSync(join(local, name), "new");
  for (const path of ["/w/f", "/target"]) {
    const writer = await files.create(path, CALLER);
    await writer.write(Buffer.from("old"));
    await writer.close();
  }
  for (const [path, target] of [
    ["/w/link", "/target"],
    ["/w/dangling", "/nowhere"],
  ] as const) {
    const link = { path, target, caller: CALLER, createParents: false };
    await files.change({ type: "symlink", ...link });
  }
  const directory = {
    path: "/w/directory",
    caller: CALLER,
    mode: 0o755,
    unmaskedMode: undefined,
    createParents: true,
  };
  await files.change({ type: "mkdir", ...directory });
  const dangling = "put: `/w/dangling': No such file or directory";
  const [code, text] = await fs(["put", ...names, "/w"], address);
  expect([code, String(text).split("\n").toSorted()]).toEqual([
    1,
    [dangling, "put: `/w/f': File exists", "put: `/w/link': File exists"],
  ]);
  expect(await contentOf(files, "/w/f")).toBe("old");
  const isDirectory = [1, "put: `/w/directory': Is a directory"];
  expect(await fs(["put", "-f", "directory", "/w"], address)).toEqual(isDirectory);
  expect(await fs(["put", "-f", ...names, "/w"], address)).toEqual([1, dangling]);
  for (const name of ["f", "link"]) {
    expect(await contentOf(files, `/w/${name}`)).toBe("new");
    expect((await files.status(`/w/${name}`, CALLER, { followLast: false })).type).toBe("file");
  }
  expect(await contentOf(files, "/target")).toBe("old");
  await expect(files.status("/nowhere", CALLER)).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
});

test("what may be replaced is asked of the directory, for small files as for large ones", async () => {
  const real = await serveNode();
  closers.push(() => real.close());
  const { files } = real.node;
  const sizes = { small: 10, large: 100_000 };
  for (const [directory, mode, fileMode] of [
    ["/open", 0o777, 0o644],
    ["/sticky", 0o1777, 0o666],
  ] as const) {
    const made = { path: directory, caller: CALLER, mode, unmaskedMode: undefined, createParents: true };
    await files.change({ type: "mkdir", ...made });
    for (const name of Object.keys(sizes)) {
      const writer = await files.create(`${directory}/${name}`, CALLER, { mode: fileMode });
      await writer.write(Buffer.from("old"));
      await writer.close();
    }
  }
  for (const [name, size] of Object.entries(sizes)) {
    writeFileSync(join(local, name), "x".repeat(size));
    for (const command of [
      ["put", "-f", name],
      ["cp", "-f", `file://${local}/${name}`],
    ]) {
      expect(await fs([...command, "/open"], real.address, "ann")).toEqual(DONE);
      expect(await files.status(`/open/${name}`, CALLER)).toMatchObject({ owner: "ann", length: size });
      const [code, text] = await fs([...command, "/sticky"], real.address, "ann");
      expect([code, text]).toEqual([1, expect.stringMatching(/^\w+: Permission denied/)]);
      expect(await contentOf(files, `/sticky/${name}`)).toBe("old");
    }
  }
});

test("times, permissions and one replica go along", async () => {
  writeFileSync(join(local, "f"), "f", { mode: 0o600 });
  expect(await fs(["put", "-p", "-l", "f", "/f"])).toEqual(DONE);
  expect(withText("PUT /files/v1/file?")).toHaveLength(1);
  expect(await served.files.status("/f", CALLER)).toMatchObject({ mode: 0o600, replication: 1 });
});

test("at a server that is another one as few files move at a time as large ones, from it and to it", async () => {
  const [now, most] = [new Map<string, number>(), new Map<string, number>()];
  const address = await behind((request, response, pass) => {
    const { url = "" } = request;
    if (url.startsWith("/files/v1")) {
      response.writeHead(404, { "Content-Type": "text/html" }).end("<html>no</html>");
      return;
    }
    const op = /op=(CREATE|OPEN)/.exec(url)?.[1] ?? "";
    now.set(op, (now.get(op) ?? 0) + 1);
    most.set(op, Math.max(most.get(op) ?? 0, now.get(op) ?? 0));
    response.once("close", () => now.set(op, (now.get(op) ?? 0) - 1));
    setTimeout(() => pass(true), 20);
  });
  expect(await fs(["put", "d", "/d"], address)).toEqual(DONE);
  expect(await fs(["get", "/d", "back"], address)).toEqual(DONE);
  expect(await fs(["cp", "/d", "/e"], address)).toEqual(DONE);
  expect(await fs(["cp", "/d", `webhdfs://quorate@${served.addresses[0] ?? ""}/f`], address)).toEqual(DONE);
  for (const op of ["CREATE", "OPEN"]) expect(most.get(op)).toBeLessThanOrEqual(4);
  expect(await contentOf(served.files, "/f/f7")).toBe("x".repeat(700));
});

test("a server that is another one is asked once, and its files get another name until they are whole", async () => {
  const foreign: string[] = [];
  const address = await behind((request, response, pass) => {
    if (!request.url?.startsWith("/files/v1")) return pass(true);
    foreign.push(request.method ?? "");
    response.writeHead(404, { "Content-Type": "text/html" }).end("<html>no</html>");
  });
  expect(await fs(["put", "d", "/d"], address)).toEqual(DONE);
  expect(foreign).toEqual(["GET"]);
  expect(withText("op=RENAME").length + withText("op=CREATE").length).toBeGreaterThanOrEqual(FILES);
  expect(await contentOf(served.files, "/d/f7")).toBe("x".repeat(700));
});

test("a node of before there were small files in one step gets them as it knows them, once it said so", async () => {
  let refused = 0;
  const address = await behind((request, response, pass) => {
    if (!request.url?.startsWith("/files/v1/file?")) return pass(true);
    refused++;
    const message = "nothing is at /files/v1/file; there are /files/v1/report, /files/v1/settings";
    const error = { code: "UNSUPPORTED", message, retryable: false, outcome: "not-applied" };
    response.writeHead(404, { "Content-Type": "application/json", "x-quorate-error": "UNSUPPORTED" });
    response.end(JSON.stringify({ error }));
  });
  const { driver } = connectFiles(`webhdfs://quorate@${address}`);
  try {
    for (const path of ["/f", "/g"]) expect(await driver.put(path, Buffer.from("f"), {})).toBe(false);
  } finally {
    driver.close();
  }
  expect(refused).toBe(1);
  expect(await fs(["put", "d", "/d"], address)).toEqual(DONE);
  expect(await contentOf(served.files, "/d/f7")).toBe("x".repeat(700));
});
