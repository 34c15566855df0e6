/** Durability `memory` with several nodes: a process that comes back with nothing is another node under an old name. */
import { createClient } from "redis";
import { afterEach, expect, test } from "vitest";
import type { Algorithm, Engine, EngineNode } from "../../src/index.ts";
import { ALGORITHMS, start } from "../../src/index.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function started(consensus: Algorithm): Promise<Engine> {
  const engine = await start({ consensus, nodes: 3 });
  closers.push(() => engine.close());
  return engine;
}

async function clientOf(engine: EngineNode) {
  const client = createClient({ url: engine.url, socket: { reconnectStrategy: 20 } });
  client.on("error", () => undefined);
  closers.push(() => client.destroy());
  return client.connect();
}

async function until(what: string, look: () => boolean): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (!look()) {
    if (performance.now() > deadline) throw new Error(`waited for ${what}`);
    await new Promise((done) => setTimeout(done, 10));
  }
}

/** In every group: who is one in the keyspace alone is not back yet. */
const isVoter = (node: EngineNode): boolean => {
  const status = node.status();
  if (status === undefined) return false;
  return [status, ...(status.furtherGroups ?? [])].every(
    ({ consensus: { newcomer, membership } }) =>
      newcomer !== true && membership.voters.includes(node.id) && membership.outgoing.length === 0,
  );
};

test.each(ALGORITHMS)(
  "%s: a follower that forgot everything catches up under the same leader, and its vote counts again",
  async (consensus) => {
    const engine = await started(consensus);
    const leader = engine.leader() as EngineNode;
    const [first, second] = engine.nodes.filter((node) => node !== leader) as [EngineNode, EngineNode];
    const client = await clientOf(leader);
    for (let at = 0; at < 50; at += 1) await client.set(`k${at}`, `v${at}`);
    await first.kill();
    await client.set("meanwhile", "1");
    await first.restart();
    expect(await client.set("after", "2")).toBe("OK");
    await until("the newcomer to vote", () => isVoter(first));
    await until("it to hold the log", () => {
      return (first.status()?.appliedIndex ?? 0) >= (leader.status()?.appliedIndex ?? 0);
    });
    expect(engine.leader()?.id).toBe(leader.id);
    const reader = await clientOf(first);
    expect(await reader.mGet(["k0", "k49", "meanwhile", "after"])).toEqual(["v0", "v49", "1", "2"]);
    // Without the other follower its acknowledgement is what a write needs.
    await second.kill();
    expect(await client.set("with the newcomer", "3")).toBe("OK");
    expect(await reader.set("through the newcomer", "4")).toBe("OK");
  },
);

test.each(ALGORITHMS)(
  "%s: a leader that forgot everything follows the next one; nothing acknowledged is lost, one node after the other",
  async (consensus) => {
    const engine = await started(consensus);
    let written = 0;
    for (let round = 0; round < 4; round += 1) {
      const leader = engine.leader() as EngineNode;
      const client = await clientOf(leader);
      for (let each = 0; each < 20; each += 1) await client.set(`k${written++}`, "x");
      client.destroy();
      await leader.kill();
      await until("another leader", () => engine.leader() !== undefined);
      await leader.restart();
      await until("it to vote again", () => isVoter(leader));
    }
    await until("a leader", () => engine.leader() !== undefined);
    const client = await clientOf(engine.leader() as EngineNode);
    expect(await client.exists(Array.from({ length: written }, (_, at) => `k${at}`))).toBe(written);
  },
  60_000,
);

test.each(ALGORITHMS)(
  "%s: while who remembers is cut off, those that came back do not begin anew without it",
  async (consensus) => {
    const engine = await started(consensus);
    const leader = engine.leader() as EngineNode;
    const [first, second] = engine.nodes.filter((node) => node !== leader) as [EngineNode, EngineNode];
    const client = await clientOf(leader);
    await client.set("kept", "1");
    engine.nodes.forEach((node) => node === leader && node.isolate());
    await first.kill();
    await second.kill();
    await first.restart();
    await second.restart();
    // Both found each other; neither knows what the third holds.
    const deadline = performance.now() + 3000;
    while (performance.now() < deadline) {
      for (const node of [first, second]) {
        expect(node.status()?.consensus).toMatchObject({ newcomer: true, term: 0 });
      }
      await new Promise((done) => setTimeout(done, 50));
    }
  },
);

test.each(ALGORITHMS)("%s: when every node forgot, they begin anew together", async (consensus) => {
  const engine = await started(consensus);
  const before = await clientOf(engine.nodes[0] as EngineNode);
  await before.set("gone", "1");
  before.destroy();
  for (const node of engine.nodes) await node.kill();
  for (const node of engine.nodes) await node.restart();
  await until("a leader", () => engine.leader() !== undefined);
  const client = await clientOf(engine.nodes[0] as EngineNode);
  expect(await client.exists("gone")).toBe(0);
  expect(await client.set("new", "1")).toBe("OK");
});
