/** What `quorate fs` makes of changes whose answers were lost: what it can find out it finds out, and it says what it cannot. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { ServedNode } from "../../src/engine/protocol/webhdfs/served-node.testing.ts";
import { serveNode } from "../../src/engine/protocol/webhdfs/served-node.testing.ts";
import { runProgram } from "./clients/program.ts";
import type { Answer } from "./front.ts";
import { frontOf } from "./front.ts";

const MAIN = resolve(import.meta.dirname, "../../dist/cli/main.js");
const CALLER = { user: "quorate", groups: [] };
const DONE = [0, ""];
let served: ServedNode;
let local = "";
const closers: (() => Promise<void>)[] = [];
beforeEach(async () => {
  // The real namespace, and its log.
  served = await serveNode();
  closers.push(() => served.close());
  local = mkdtempSync(join(tmpdir(), "quorate-lost-"));
  writeFileSync(join(local, "small"), "small");
  writeFileSync(join(local, "large"), "x".repeat(100_000));
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  rmSync(local, { recursive: true });
});

async function fs(address: string, ...args: readonly string[]): Promise<readonly unknown[]> {
  const words = [MAIN, "fs", "--fs", `webhdfs://quorate@${address}`, ...args];
  const { code, stderr } = await runProgram(process.execPath, words, { directory: local });
  return [code, stderr.trim()];
}

async function behind(answer: Answer): Promise<string> {
  const front = await frontOf(served.address, answer);
  closers.push(front.close);
  return front.address;
}

async function write(path: string, text: string): Promise<void> {
  const writer = await served.node.files.create(path, CALLER, { overwrite: true });
  await writer.write(Buffer.from(text));
  await writer.close();
}

async function contentOf(path: string): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of await served.node.files.read(path, CALLER)) parts.push(part);
  return Buffer.concat(parts).toString();
}

async function names(): Promise<readonly string[]> {
  return (await served.node.files.list("/", CALLER, "")).entries.map(({ path }) => path);
}

type Moment = "before" | "after";

/** Loses the first answer to each request of a kind, and does something else before or behind it. */
function losing(
  isMeant: (request: IncomingMessage) => boolean,
  otherwise: (moment: Moment) => Promise<void> = async () => undefined,
): Promise<string> {
  const lost = new Set<string>();
  return behind((request, response, pass) => {
    const { url = "" } = request;
    if (!isMeant(request) || lost.has(url)) return pass(true);
    lost.add(url);
    void otherwise("before").then(() => pass(false, () => otherwise("after")));
  });
}

const isSmallPut = ({ url }: IncomingMessage): boolean => url?.startsWith("/files/v1/file?") === true;
const isRename = ({ url }: IncomingMessage): boolean => url?.includes("op=RENAME") === true;

test("a small file whose answer was lost is known to be one's own, and is not put over what came there since", async () => {
  expect(await fs(await losing(isSmallPut), "put", "small", "/f")).toEqual(DONE);
  expect(await contentOf("/f")).toBe("small");
  const changed = await losing(isSmallPut, async (moment) => {
    if (moment === "after") await write("/g", "of another");
  });
  expect(await fs(changed, "put", "small", "/g")).toEqual(DONE);
  expect(await contentOf("/g")).toBe("of another");
});

test("a file of another is not taken for one's own, though it has the same content: a mutual exclusion has one winner", async () => {
  const unknown = expect.stringMatching(/^put: \/f: .*was lost.* look before you try again$/) as unknown;
  const quicker = await losing(isSmallPut, async (moment) => {
    if (moment === "before") await write("/f", "small");
  });
  expect(await fs(quicker, "put", "small", "/f")).toEqual([3, unknown]);
});

test("a node that knows no names of requests leaves it unknown whose the file is", async () => {
  const unknown = expect.stringMatching(/^put: \/f: .*was lost.* look before you try again$/) as unknown;
  const older = await losing((request) => {
    delete request.headers["x-quorate-request"];
    return isSmallPut(request);
  });
  expect(await fs(older, "put", "small", "/f")).toEqual([3, unknown]);
  expect(await contentOf("/f")).toBe("small");
  // Whosever it is, it may be replaced.
  expect(await fs(older, "put", "-f", "small", "/f")).toEqual(DONE);
  await write("/g", "old");
  expect(await fs(older, "put", "-f", "small", "/g")).toEqual(DONE);
  expect(await contentOf("/g")).toBe("small");
});

test("a small file whose request was lost is put again", async () => {
  let isLost = false;
  const address = await behind((request, response, pass) => {
    if (request.method !== "PUT" || isLost) return pass(true);
    isLost = true;
    response.destroy();
  });
  expect(await fs(address, "put", "small", "/f")).toEqual(DONE);
  expect(isLost).toBe(true);
  expect(await contentOf("/f")).toBe("small");
});

test("a file whose rename was done and not answered is there, and one whose rename was not done is moved again", async () => {
  expect(await fs(await losing(isRename), "put", "large", "/f")).toEqual(DONE);
  let isLost = false;
  const address = await behind((request, response, pass) => {
    if (!isRename(request) || isLost) return pass(true);
    isLost = true;
    response.destroy();
  });
  expect(await fs(address, "put", "large", "/g")).toEqual(DONE);
  expect(isLost).toBe(true);
  for (const path of ["/f", "/g"]) expect((await contentOf(path)).length).toBe(100_000);
  expect(await names()).toEqual(["/f", "/g"]);
});

test("a rename that comes to the log only when it is made again is done once", async () => {
  let late: (() => Promise<unknown>) | undefined;
  const address = await behind((request, response, pass) => {
    if (!isRename(request)) return pass(true);
    if (late === undefined) {
      const from = "/f._COPYING_";
      late = () =>
        served.node.files.change({ type: "renameTo", caller: CALLER, from, to: "/f", overwrite: false });
      return void response.destroy();
    }
    void late().then(() => pass(true));
  });
  expect(await fs(address, "put", "large", "/f")).toEqual(DONE);
  expect(await names()).toEqual(["/f"]);
});

test("a file that is neither at its place nor beside it is not said to be there", async () => {
  const elsewhere = await losing(isRename, async (moment) => {
    if (moment === "after") await write("/f", "of another");
  });
  const text = expect.stringMatching(
    /^put: \/f: the answer was lost, and what was written is neither/,
  ) as unknown;
  expect(await fs(elsewhere, "put", "large", "/f")).toEqual([3, text]);
  expect(await contentOf("/f")).toBe("of another");
});

test("what was removed without an answer is removed; what is still there is not removed a second time", async () => {
  const isDelete = ({ url }: IncomingMessage): boolean => url?.includes("op=DELETE") === true;
  await write("/f", "old");
  expect(await fs(await losing(isDelete), "rm", "-skipTrash", "/f")).toEqual(DONE);
  expect(await names()).toEqual([]);
  await write("/f", "old");
  const recreated = await losing(isDelete, async (moment) => {
    if (moment === "after") await write("/f", "of another");
  });
  const unknown = expect.stringMatching(/^rm: DELETE: .*may have been carried out/) as unknown;
  expect(await fs(recreated, "rm", "-skipTrash", "/f")).toEqual([3, unknown]);
  expect(await contentOf("/f")).toBe("of another");
});

test("what went to the trash without an answer is there", async () => {
  await served.node.files.change({
    type: "configure",
    caller: CALLER,
    settings: { trashIntervalMs: 3_600_000 },
  });
  await write("/f", "old");
  const moved = "Moved: '/f' to trash at: /user/quorate/.Trash/Current/f";
  expect(await fs(await losing(isRename), "rm", "/f")).toEqual([0, moved]);
  expect(await names()).not.toContain("/f");
  expect(await contentOf("/user/quorate/.Trash/Current/f")).toBe("old");
});
