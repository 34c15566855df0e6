/** Files of an engine inside this process, as a program uses them: through WebHDFS, at any of its nodes. */
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import type { Worker } from "node:worker_threads";
import { afterEach, expect, test } from "vitest";
import { connectFiles } from "../../src/client/files/connect.ts";
import type { Files } from "../../src/client/files/files.ts";
import type { Engine, StartOptions } from "../../src/index.ts";
import { start } from "../../src/engine/start.ts";

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function engineOf(options: StartOptions): Promise<{ engine: Engine; files: Files }> {
  const engine = await start({ logger: { log: () => undefined }, ...options });
  closers.push(() => engine.close());
  const files = connectFiles(engine.filesUrl);
  closers.push(() => files.close());
  return { engine, files };
}

function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), "quorate-engine-"));
  closers.push(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

async function until(what: string, look: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = performance.now() + 25_000;
  while (!(await look())) {
    if (performance.now() > deadline) throw new Error(`waited 25 s for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test("an engine in memory has files at once, small and large", async () => {
  const { engine, files } = await engineOf({});
  const large = randomBytes(3_000_000);
  await files.writeFile("/d/small", "text");
  await files.writeFile("/d/large", large);
  expect(await files.readFile("/d/small", { encoding: "utf8" })).toBe("text");
  expect((await files.readFile("/d/large")).equals(large)).toBe(true);
  expect((await files.stat("/d/large")).replication).toBe(1);
  expect(engine.nodes[0]?.status()?.files).toMatchObject({ files: 2, blocks: 1, liveNodes: 1 });
});

test("what a program wrote to files is there when the engine is started again", async () => {
  const data = scratch();
  const large = randomBytes(2_000_000);
  for (const isFirst of [true, false]) {
    const { engine, files } = await engineOf({ data, durability: "always" });
    if (isFirst) {
      await files.mkdir("/d");
      await files.writeFile("/d/large", large);
      await files.writeFile("/d/small", "text");
    }
    await until("the blocks", async () => (await files.readFile("/d/large")).equals(large));
    expect(await files.readdir("/d")).toEqual(["large", "small"]);
    files.close();
    await engine.close();
  }
});

test("a program writes at once to an engine that it has started over files that are there", async () => {
  for (const nodes of [1, 3] as const) {
    const data = scratch();
    for (const name of ["first", "second", "third"]) {
      const { engine, files } = await engineOf({ data, nodes });
      await files.mkdir(`/${name}`);
      await files.writeFile(`/${name}/large`, randomBytes(500_000));
      files.close();
      await engine.close();
    }
  }
});

test("large pieces are verified beside the event loop, damage in them too, and a closed engine leaves no thread behind", async () => {
  const workers: Worker[] = [];
  const checksummed = new Map<Worker, number>();
  const begun = (worker: Worker): void => {
    workers.push(worker);
    worker.on("message", () => checksummed.set(worker, (checksummed.get(worker) ?? 0) + 1));
  };
  process.on("worker", begun);
  closers.push(() => void process.off("worker", begun));
  const data = scratch();
  const { engine, files } = await engineOf({ data, nodes: 3 });
  await until("all three to keep blocks", () => engine.nodes[0]?.status()?.files?.liveNodes === 3);
  const large = randomBytes(5_000_000);
  await files.writeFile("/large", large);
  await until("each thread to verify a whole round", async () => {
    for (const { httpUrl } of engine.nodes) {
      const at = connectFiles(httpUrl.replace("http:", "webhdfs:"));
      expect((await at.readFile("/large")).equals(large)).toBe(true);
      at.close();
    }
    return workers.length === 3 && workers.every((worker) => (checksummed.get(worker) ?? 0) >= 5);
  });
  const replicas = readdirSync(data, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".block"))
    .map((name) => join(data, name));
  expect(replicas).toHaveLength(3);
  const [damaged] = replicas as [string];
  const file = openSync(damaged, "r+");
  writeSync(file, Buffer.of((large[3_000_000] ?? 0) ^ 1), 0, 1, 3_000_000);
  closeSync(file);
  await until("the damaged replica to be replaced", async () => {
    expect((await files.readFile("/large")).equals(large)).toBe(true);
    return existsSync(damaged) && readFileSync(damaged).equals(large);
  });
  await engine.close();
  expect(workers.map(({ threadId }) => threadId)).toEqual([-1, -1, -1]);
});

test("a node that is killed takes no file with it, and one that forgot everything gets its replicas again", async () => {
  const { engine, files } = await engineOf({ nodes: 3 });
  const large = randomBytes(3_000_000);
  await until("all three to keep blocks", () => engine.nodes[0]?.status()?.files?.liveNodes === 3);
  await files.writeFile("/f", large);
  const [, victim] = engine.nodes;
  await victim?.kill();
  expect((await files.readFile("/f")).equals(large)).toBe(true);
  await files.writeFile("/g", large);
  await victim?.restart();
  const atVictim = connectFiles(`webhdfs://${victim?.httpUrl.slice("http://".length) ?? ""}`);
  closers.push(() => atVictim.close());
  await until(
    "the victim to serve",
    async () => (await atVictim.readFile("/g").catch(() => undefined))?.equals(large) === true,
  );
  const used = (): number => engine.nodes[0]?.status()?.files?.usedBytes ?? 0;
  await until("every replica to be there again", () => used() >= 3 * 2 * large.length);
}, 60_000);

test("right after a node was killed, nobody waits for it: neither who writes nor who reads", async () => {
  const { engine } = await engineOf({ nodes: 3 });
  await until("all three to keep blocks", () => engine.nodes[0]?.status()?.files?.liveNodes === 3);
  const victim = engine.leader();
  const other = engine.nodes.find((node) => node !== victim);
  const files = connectFiles(`webhdfs://${other?.httpUrl.slice("http://".length) ?? ""}`);
  closers.push(() => files.close());
  await files.writeFile("/before", randomBytes(3_000_000));
  await victim?.kill();
  // It ends when there is a new leader: what is measured is the way of blocks alone.
  await files.mkdir("/led");
  const beganMs = performance.now();
  for (let file = 0; file < 3; file++) await files.writeFile(`/after-${file}`, randomBytes(3_000_000));
  await files.readFile("/before");
  expect(performance.now() - beganMs).toBeLessThan(4_000);
}, 60_000);
