import { afterEach, expect, test } from "vitest";
import type { WireReply } from "../../../wire/resp/reply-parser.ts";
import type { TestServer } from "./local-node.testing.ts";
import { startTestServer } from "./local-node.testing.ts";
import { plain, RespClient } from "./resp-client.testing.ts";

const MEBIBYTE = 1 << 20;
const ends: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function serve(): Promise<TestServer> {
  const started = await startTestServer();
  ends.push(() => started.server.close());
  return started;
}

async function open({ port }: TestServer): Promise<RespClient> {
  const client = await RespClient.open(port);
  ends.push(() => client.close());
  return client;
}

/** A reply as text. */
function text(reply: WireReply): string {
  return JSON.stringify(plain(reply));
}

/** `tot-mem` of the other connection. */
async function memoryOf(watcher: RespClient, name: string): Promise<number> {
  const list = text(await watcher.call("CLIENT", "LIST"));
  const line = list.split("\\n").find((each) => each.includes(` name=${name} `)) ?? "";
  return Number(/ tot-mem=(\d+)/.exec(line)?.[1]);
}

const KINDS = [
  { take: "WATCH", leave: "UNWATCH", hint: "UNWATCH, or watch fewer keys" },
  { take: "SUBSCRIBE", leave: "UNSUBSCRIBE", hint: "unsubscribe from some" },
  { take: "PSUBSCRIBE", leave: "PUNSUBSCRIBE", hint: "unsubscribe from some" },
  { take: "SSUBSCRIBE", leave: "SUNSUBSCRIBE", hint: "unsubscribe from some" },
];

test.each(KINDS)(
  "$take beyond the limit is refused as a whole, and what was taken stays",
  async ({ take, leave, hint }) => {
    const started = await serve();
    const client = await open(started);
    const watcher = await open(started);
    await client.pipeline("HELLO 3", "CLIENT SETNAME greedy");
    const long = (at: number): string => `${at}`.padEnd(15 * MEBIBYTE, "x");
    for (let at = 0; at < 4; at += 1) {
      expect(text(await client.call(take, long(at)))).not.toContain("limit");
    }
    const full = await memoryOf(watcher, "greedy");
    expect(full).toBeGreaterThanOrEqual(60 * MEBIBYTE);
    const refused = text(await client.call(take, "small", long(4)));
    expect(refused).toMatch(/ERR .*limit of 67108864 bytes/);
    expect(refused).toContain(hint);
    expect(await memoryOf(watcher, "greedy")).toBe(full);
    // Names that are there already cost nothing.
    expect(text(await client.call(take, long(0)))).not.toContain("limit");
    client.send(`${leave}\r\n`);
    await expect.poll(() => memoryOf(watcher, "greedy")).toBeLessThan(MEBIBYTE);
  },
);

test("what a connection watches is no longer counted once its transaction is over or dropped", async () => {
  const started = await serve();
  const client = await open(started);
  const watcher = await open(started);
  await client.call("CLIENT", "SETNAME", "careful");
  const before = await memoryOf(watcher, "careful");
  for (const end of ["EXEC", "DISCARD"]) {
    await client.call("WATCH", "a", "b", "a");
    expect(await memoryOf(watcher, "careful")).toBe(before + 2 * 257);
    await client.pipeline("MULTI", end);
    expect(await memoryOf(watcher, "careful")).toBe(before);
  }
  await client.call("WATCH", "a");
  await client.call("SUBSCRIBE", "c");
  expect(await memoryOf(watcher, "careful")).toBe(before + 2 * 257);
  await client.call("RESET");
  await client.call("CLIENT", "SETNAME", "careful");
  expect(await memoryOf(watcher, "careful")).toBe(before);
});
