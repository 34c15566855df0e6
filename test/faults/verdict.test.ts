/** That the fault tests would notice: stores that are broken on purpose, and answers that were tampered with. */
import { readFileSync, rmSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import type { Engine } from "../../src/engine/start.ts";
import { start } from "../../src/engine/start.ts";
import { parseHistory } from "../../src/simulation/history.ts";
import type { Address } from "./connection.ts";
import { Load } from "./load.ts";
import type { Histories } from "./recorder.ts";
import { complaints } from "./verdict.ts";

const engines: Engine[] = [];

afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.close();
});

async function engineAt(): Promise<Address> {
  const engine = await start();
  engines.push(engine);
  const { hostname, port } = new URL(engine.url);
  return { host: hostname, port: Number(port) };
}

async function historiesOf(nodes: readonly Address[]): Promise<Histories> {
  const load = new Load({ nodes, clients: 6, seed: 3, thinkMs: 1 });
  await load.progress("work", 1_500, 20_000);
  await load.stop();
  return load.recorder.histories();
}

/** The complaints without the files that they name. */
function judged(name: string, histories: Histories): readonly string[] {
  const found = complaints(name, histories);
  for (const complaint of found) {
    const path = /kept in (\S+)/.exec(complaint)?.[1] ?? "";
    expect(parseHistory(readFileSync(path, "utf8")).operations.length).toBeGreaterThan(0);
    rmSync(path);
  }
  return found;
}

test("two stores that do not know each other are found out, by registers and by locks", async () => {
  const found = judged("two-stores", await historiesOf([await engineAt(), await engineAt()]));
  expect(found).toHaveLength(2);
  expect(found[0]).toMatch(/Not linearizable: keys /);
  expect(found[1]).toMatch(/acquire/);
});

test("one answer that was changed is found among those of a store that works", async () => {
  const histories = await historiesOf([await engineAt()]);
  expect(judged("honest", histories)).toEqual([]);
  const increments = histories.store.filter(
    ({ input, output }) => "command" in input && input.command[0] === "INCR" && typeof output === "number",
  );
  const victim = increments[Math.floor(increments.length / 2)];
  expect(victim).toBeDefined();
  const store = histories.store.map((each) =>
    each === victim ? { ...each, output: Number(each.output) + 1 } : each,
  );
  const found = judged("tampered", { ...histories, store });
  expect(found).toHaveLength(1);
  expect(found[0]).toContain("counter:");
});

test("a write that was acknowledged and then lost is found by the reads after it", async () => {
  const histories = await historiesOf([await engineAt()]);
  const writes = new Set(
    histories.store.flatMap(({ output }) => (typeof output === "string" ? [output] : [])),
  );
  const lost = histories.store.find(
    ({ input }) => "command" in input && input.command[0] === "SET" && writes.has(input.command[2] ?? ""),
  );
  expect(lost).toBeDefined();
  const store = histories.store.filter((each) => each !== lost);
  expect(judged("lost", { ...histories, store })).toHaveLength(1);
});
