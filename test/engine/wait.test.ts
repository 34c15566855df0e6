/** WAIT over a cluster: every node knows which others hold a write. */
import { createClient } from "redis";
import { afterEach, expect, test } from "vitest";
import { ALGORITHMS, start } from "../../src/index.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

test.each(ALGORITHMS)(
  "%s: WAIT for all others is answered at every node, also without a timeout",
  async (consensus) => {
    const engine = await start({ consensus, nodes: 3 });
    closers.push(() => engine.close());
    for (const { id, url } of engine.nodes) {
      const client = createClient({ url });
      client.on("error", () => undefined);
      closers.push(() => client.destroy());
      await client.connect();
      await client.set(`key:${id}`, "1");
      expect(await client.sendCommand(["WAIT", "2", "0"]), id).toBe(2);
    }
  },
);

test("WAIT for a node that is cut off is answered, at its timeout, with how many others hold the write", async () => {
  const engine = await start({ nodes: 3 });
  closers.push(() => engine.close());
  const leader = engine.leader();
  const [cut, follower] = engine.nodes.filter((node) => node !== leader);
  cut?.isolate();
  for (const url of [leader?.url ?? "", follower?.url ?? ""]) {
    const client = createClient({ url });
    client.on("error", () => undefined);
    closers.push(() => client.destroy());
    await client.connect();
    await client.set("key", "1");
    expect(await client.sendCommand(["WAIT", "2", "100"])).toBe(1);
  }
});
