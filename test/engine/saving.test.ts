/** SAVE and its kin: what they say was saved is on the disk, and is what a restart begins with. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import type { Socket } from "node:net";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "redis";
import { afterEach, expect, test } from "vitest";
import type { Engine } from "../../src/index.ts";
import { start } from "../../src/index.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function started(options: Parameters<typeof start>[0]): Promise<Engine> {
  const engine = await start(options);
  closers.push(() => engine.close());
  return engine;
}

async function sender(url: string): Promise<(...words: string[]) => Promise<unknown>> {
  const client = createClient({ url });
  client.on("error", () => undefined);
  closers.push(() => client.destroy());
  await client.connect();
  return (...words) => client.sendCommand(words);
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "quorate-saving-"));
  closers.unshift(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Of the keyspace, whole ones. */
const snapshots = (data: string, node: string): string[] =>
  readdirSync(join(data, node)).filter((name) => /^snapshot-0{10}-.*\.snap$/.test(name));

async function persistence(send: (...words: string[]) => Promise<unknown>): Promise<Record<string, string>> {
  const lines = String(await send("INFO", "persistence")).split("\r\n");
  return Object.fromEntries(lines.filter((line) => line.includes(":")).map((line) => line.split(":", 2)));
}

test("SAVE answers when the snapshot is on the disk, at whichever node it is asked for", async () => {
  const data = folder();
  const engine = await started({ nodes: 3, data });
  for (const [at, node] of engine.nodes.entries()) {
    const send = await sender(node.url);
    const before = Number(await send("LASTSAVE"));
    await send("SET", "key", String(at));
    expect(Number((await persistence(send))["rdb_changes_since_last_save"])).toBeGreaterThan(0);
    expect(snapshots(data, `n${at + 1}`)).toEqual([]);
    expect(await send("SAVE")).toBe("OK");
    expect(snapshots(data, `n${at + 1}`)).toHaveLength(1);
    expect(Number(await send("LASTSAVE"))).toBeGreaterThanOrEqual(before);
  }
  await Promise.all(engine.nodes.map((node) => node.kill()));
  await Promise.all(engine.nodes.map((node) => node.restart()));
  expect(await (await sender(engine.urls[0]!))("GET", "key")).toBe("2");
});

test("who waits for LASTSAVE to change after BGSAVE or BGREWRITEAOF is not left waiting, though nothing was written", async () => {
  const data = folder();
  const send = await sender((await started({ data })).url);
  await send("SET", "key", "value");
  for (const [words, answer] of [
    [["BGSAVE"], "Background saving started"],
    [["BGREWRITEAOF"], "Background append only file rewriting started"],
    [["BGSAVE", "SCHEDULE"], "Background saving started"],
  ] as const) {
    const before = Number(await send("LASTSAVE"));
    // A second is the finest that LASTSAVE tells.
    await expect.poll(() => Math.floor(Date.now() / 1000), { timeout: 2000 }).toBeGreaterThan(before);
    expect(await send(...words)).toBe(answer);
    await expect.poll(() => send("LASTSAVE"), { timeout: 5000 }).toBeGreaterThan(before);
  }
  expect(await persistence(send)).toMatchObject({
    rdb_bgsave_in_progress: "0",
    rdb_changes_since_last_save: "0",
    rdb_last_bgsave_status: "ok",
    rdb_last_save_time: String(await send("LASTSAVE")),
  });
  expect(snapshots(data, "n1").length).toBeGreaterThan(0);
});

test("one snapshot at a time: who asks meanwhile is told so, as by Redis", async () => {
  const send = await sender((await started({ data: folder() })).url);
  await send("SET", "key", "x".repeat(1 << 20));
  const [first, ...others] = await Promise.allSettled(
    [["BGSAVE"], ["SAVE"], ["BGSAVE", "SCHEDULE"], ["BGREWRITEAOF"], ["INFO", "persistence"]].map((words) =>
      send(...words),
    ),
  );
  expect(first).toMatchObject({ value: "Background saving started" });
  const refused = others.slice(0, 3).map((each) => String((each as PromiseRejectedResult).reason?.message));
  expect(refused).toEqual([
    "ERR Background save already in progress",
    "ERR Background save already in progress",
    "ERR Background append only file rewriting already in progress",
  ]);
  expect(others[3]).toMatchObject({ value: expect.stringContaining("rdb_bgsave_in_progress:1") as string });
});

test("a node that keeps nothing on disk does not claim to save", async () => {
  const send = await sender((await started({})).url);
  const began = await send("LASTSAVE");
  await send("SET", "key", "value");
  for (const word of ["SAVE", "BGSAVE", "BGREWRITEAOF"]) {
    await expect(send(word)).rejects.toThrow(/^ERR this node keeps nothing on disk/);
  }
  await expect(send("BGSAVE", "now")).rejects.toThrow(/^ERR syntax error/);
  expect(await send("LASTSAVE")).toBe(began);
});

const command = (...words: string[]): string =>
  `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`;

/** A connection whose bytes nobody interprets. */
async function bareConnection(url: string): Promise<{ socket: Socket; got: () => string }> {
  let text = "";
  const socket = connect({ host: "127.0.0.1", port: Number(new URL(url).port), noDelay: true });
  socket.setEncoding("latin1").on("data", (data: string) => (text += data));
  socket.on("error", () => undefined);
  closers.push(() => socket.destroy());
  await new Promise((resolve) => socket.once("connect", resolve));
  return { socket, got: () => text };
}

test.each([
  ["BGSAVE behind a write", [command("SET", "a", "1"), command("BGSAVE")]],
  ["SAVE behind a write", [command("SET", "a", "1"), command("SAVE")]],
  ["BGSAVE in EXEC", [command("MULTI"), command("SET", "a", "1"), command("BGSAVE"), command("EXEC")]],
])("a snapshot asked for while an entry is applied holds all of it: %s", async (_, words) => {
  const engine = await started({ data: folder() });
  const first = await bareConnection(engine.url);
  const others = await Promise.all(Array.from({ length: 8 }, () => bareConnection(engine.url)));
  first.socket.write(words.join(""));
  // They come into the same entry of the log.
  for (const [at, { socket }] of others.entries()) socket.write(command("SET", `b${at}`, "1"));
  for (const { got } of others) await expect.poll(got).toBe("+OK\r\n");
  await expect.poll(first.got).toMatch(/^\+OK\r\n[^]*(OK|saving started)\r\n$/);
  const send = await sender(engine.url);
  await expect.poll(async () => (await persistence(send))["rdb_bgsave_in_progress"]).toBe("0");
  await engine.nodes[0]!.kill();
  await engine.nodes[0]!.restart();
  expect(await (await sender(engine.url))("DBSIZE")).toBe(9);
});

test("what a connection sends behind its SAVE comes after it", async () => {
  const engine = await started({ data: folder() });
  const { socket, got } = await bareConnection(engine.url);
  socket.write(command("SET", "key", "value") + command("SAVE") + command("SAVE") + command("BGSAVE"));
  await expect.poll(got).toBe("+OK\r\n+OK\r\n+OK\r\n+Background saving started\r\n");
});
