/** MONITOR over three replicas, all of which carry out every script. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { plain, RespClient } from "../../src/engine/protocol/resp/resp-client.testing.ts";
import type { Engine } from "../../src/index.ts";
import { start } from "../../src/index.ts";

const NODES = 3;

let engine: Engine;
beforeAll(async () => {
  engine = await start({ nodes: NODES });
});
afterAll(async () => {
  await engine?.close();
});

test("a node's MONITOR shows what scripts of its own clients call, each once, and nothing of other nodes' clients", async () => {
  const ports = engine.urls.map((url) => Number(new URL(url).port));
  const watchers = await Promise.all(ports.map((port) => RespClient.open(port)));
  const clients = await Promise.all(ports.map((port) => RespClient.open(port)));
  try {
    for (const watcher of watchers) await watcher.call("MONITOR");
    // All at once, so that entries of the log hold commands of several nodes.
    await Promise.all(
      clients.map(async (client, node) => {
        const script = ["EVAL", `return redis.call('incr','written by ${node}')`, "0"];
        const reading = ["EVAL_RO", `return redis.call('exists','read by ${node}')`, "0"];
        await client.pipeline(...Array.from({ length: 20 }, () => [script, reading]).flat());
        await client.pipeline(["MULTI"], script, ["EXEC"]);
      }),
    );
    for (const client of clients) await client.call("ECHO", "end");
    for (const [node, watcher] of watchers.entries()) {
      await watcher.until(
        () => watcher.replies.some((reply) => String(plain(reply)).endsWith('"end"')),
        "the end",
      );
      const lines = watcher.replies
        .map((reply) => String(plain(reply)))
        .filter((line) => line.includes(" lua] "));
      const calls = lines.map((line) => line.replace(/^.* lua\] /, "")).sort();
      expect(calls).toEqual([
        ...Array.from({ length: 20 }, () => `"exists" "read by ${node}"`),
        ...Array.from({ length: 21 }, () => `"incr" "written by ${node}"`),
      ]);
    }
  } finally {
    for (const client of [...watchers, ...clients]) client.close();
  }
});
