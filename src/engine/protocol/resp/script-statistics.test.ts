/** INFO over one node: what scripts call is counted once, where their client is. */
import { afterEach, expect, test } from "vitest";
import { loadScriptEngine } from "../../scripting/script-engine.ts";
import type { TestServer } from "./local-node.testing.ts";
import { startTestServer } from "./local-node.testing.ts";
import { plain, RespClient } from "./resp-client.testing.ts";

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function started(): Promise<TestServer & { client: RespClient }> {
  const server = await startTestServer({ scripts: await loadScriptEngine() });
  ends.push(() => server.server.close());
  const client = await RespClient.open(server.port);
  ends.push(() => client.close());
  return { ...server, client };
}

/** Calls by command. */
async function counted(client: RespClient): Promise<Record<string, number>> {
  const text = String(plain(await client.call("INFO", "commandstats")));
  const found = [...text.matchAll(/cmdstat_(\S+):calls=(\d+),/g)];
  return Object.fromEntries(found.map(([, name, calls]) => [name, Number(calls)]));
}

const evaluate = (script: string): string[] => ["EVAL", script, "0"];

test("what a replica applies for clients of other nodes is not counted, nor is what never was applied", async () => {
  const { client, node } = await started();
  await client.call(...evaluate("return redis.call('incr', 'n')"));
  const other = { type: "call", database: 0, args: evaluate("return redis.call('incr', 'n')") } as const;
  node.machine.apply(other, { index: 100, position: 0, timeMs: Date.now(), seed: 1 });
  await client.call("SET", "k", "v");
  node.machine.apply(other, { index: 101, position: 0, timeMs: Date.now(), seed: 1 });
  node.write = (_command, _encoded, done) => done("not applied");
  await client.call(...evaluate("return redis.call('incr', 'n')"));
  expect(await counted(client)).toMatchObject({ eval: 2, incr: 1, set: 1 });
});

test("reads that are made again because a lease ended count what their scripts call once", async () => {
  const { client, node } = await started();
  node.leaseEnds = [false, false, true];
  await client.call("EVAL_RO", "return redis.call('strlen', 'k')", "0");
  // In vain three times: then it goes through the log.
  node.leaseEnds = [false, false, false];
  await client.call("EVAL_RO", "return redis.call('llen', 'k')", "0");
  expect(await counted(client)).toMatchObject({ eval_ro: 2, strlen: 1, llen: 1 });
});

test("a call takes its own time, not that of its script", async () => {
  const { client } = await started();
  const slow = "for at = 1, 300000 do end redis.call('set', 'k', 'v')";
  await client.call(...evaluate(slow));
  const text = String(plain(await client.call("INFO", "commandstats")));
  const microseconds = (name: string): number =>
    Number(new RegExp(`cmdstat_${name}:calls=1,usec=(\\d+),`).exec(text)?.[1]);
  expect(microseconds("set")).toBeGreaterThanOrEqual(0);
  expect(microseconds("set")).toBeLessThan(microseconds("eval"));
});
