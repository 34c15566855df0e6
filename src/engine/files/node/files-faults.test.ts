/** What happens to files when nodes, disks and leaders fail, one fault at a time. */
import { expect, test } from "vitest";
import type { Bytes } from "../../../runtime/bytes.ts";
import { isQuorateError } from "../../../runtime/errors.ts";
import type { NodeId } from "../../../runtime/world.ts";
import { streamBytes } from "../blocks/block-store.testing.ts";
import type { FileWriter } from "../file-system.ts";
import type { SimulatedLog } from "../../../simulation/files/simulated-log.ts";
import { FilesCluster, ROOT } from "../../../simulation/files/files-cluster.ts";

/** Nobody waits twenty minutes for a writer that died. */
const SOON = { leaseSoftMs: 3_000, leaseHardMs: 6_000 };

/** Every block of every file has as many good replicas as it should, and no other replicas are there. */
async function healthy(cluster: FilesCluster, forMs = 180_000): Promise<void> {
  const [at] = cluster.nodes.keys();
  await cluster.of(cluster.files(at).settledReplication("/", ROOT), "the files are healthy", forMs);
  const named = (): Set<number> =>
    new Set([...cluster.log.machine(at as NodeId).blocks()].map(({ id }) => id));
  const strays = (): boolean => {
    const known = named();
    return [...cluster.nodes.values()].some(({ store }) =>
      [...store.list()].some(({ id }) => !known.has(id)),
    );
  };
  await cluster.until(() => !strays(), "what no file names is gone", forMs);
}

test("a node that dies while a file is written through another is left out, and the file is whole", async () => {
  for (const [seed, victim] of (["n2", "n3", "n4"] as const).entries()) {
    const cluster = await new FilesCluster(10 + seed).ready();
    const content = streamBytes(seed, 0, 300_000);
    const writer = await cluster.of(cluster.files().create("/f", ROOT));
    await cluster.put(writer, content.subarray(0, 150_000));
    cluster.losePower(victim);
    await cluster.put(writer, content.subarray(150_000));
    await cluster.of(writer.close());
    expect((await cluster.read("/f")).equals(content)).toBe(true);
    await healthy(cluster);
    cluster.start(victim);
    await cluster.until(() => cluster.nodes.size === 4, "it is back");
    await cluster.run(5_000);
    expect((await cluster.read("/f", victim)).equals(content)).toBe(true);
    await healthy(cluster);
  }
});

test("a block that begins while its writer is cut off for a moment is on as many nodes as any", async () => {
  for (const [seed, cutOffMs] of [150, 550, 1_550].entries()) {
    const blockSize = 256 * 1024;
    const cluster = await new FilesCluster(70 + seed, { settings: { replication: 3, blockSize } }).ready();
    const content = streamBytes(seed, 0, 2 * blockSize);
    const writer = await cluster.of(cluster.files("n1").create("/f", ROOT));
    await cluster.put(writer, content.subarray(0, blockSize));
    await cluster.run(100);
    cluster.world.network.partition(["n1"], "drop");
    await cluster.run(20);
    const put = cluster.put(writer, content.subarray(blockSize));
    await cluster.run(cutOffMs);
    cluster.world.network.heal();
    await put;
    await cluster.of(writer.close());
    // Nothing was repaired yet.
    expect(cluster.holders(cluster.blocks("/f")[1]!)).toHaveLength(3);
    expect((await cluster.read("/f", "n3")).equals(content)).toBe(true);
  }
});

test("every node that has applied it knows a small file by the name of its request", async () => {
  const cluster = await new FilesCluster(80).ready();
  const request = "b6f9d5ce-7c1e-4d5b";
  const known = (): readonly boolean[] =>
    ["n1", "n2", "n3"].map((id) => cluster.files(id).isDone(request, "/f"));
  const writer = await cluster.of(cluster.files("n1").create("/f", ROOT, { request }));
  await cluster.put(writer, streamBytes(1, 0, 100));
  expect(known()).toEqual([false, false, false]);
  await cluster.of(writer.close());
  await cluster.run(1_000);
  expect(known()).toEqual([true, true, true]);
  const again = cluster.files("n2").create("/f", ROOT, { request });
  await expect(cluster.of(again)).rejects.toMatchObject({ code: "PATH_EXISTS" });
});

test("a publish replaces nothing that it moves, also where the node that is asked lags", async () => {
  for (let seed = 90; seed < 120; seed++) {
    const cluster = await new FilesCluster(seed).ready();
    await cluster.write("/a", streamBytes(1, 0, 100), "n1");
    await cluster.write("/b", streamBytes(2, 0, 20), "n1");
    const moves = [
      { from: "/a", to: "/b" },
      { from: "/b", to: "/c" },
    ];
    const publish = { type: "publish", caller: ROOT, expected: [], moves, overwrite: true } as const;
    const published = cluster.files("n2").change({ ...publish, createParents: false });
    await expect(cluster.of(published)).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
    expect((await cluster.read("/b")).length).toBe(20);
  }
});

test("an append that is given up leaves the file as it was, and a snapshot what it was shown meanwhile", async () => {
  const before = streamBytes(5, 0, 300_000);
  const added = streamBytes(6, 0, 900_000);
  // 700,000 bytes are in the open block, of which the log hears when a node of its pipeline dies; 900,000 fill it.
  for (const [seed, bytes, dies] of [
    [61, 700_000, true],
    [62, 900_000, false],
  ] as const) {
    const cluster = await new FilesCluster(seed, { settings: { blockSize: 1024 * 1024 } }).ready();
    const files = cluster.files();
    const mkdir = { type: "mkdir", path: "/d", mode: 0o755, unmaskedMode: undefined, caller: ROOT } as const;
    await cluster.of(files.change({ ...mkdir, createParents: true }));
    await cluster.of(files.change({ type: "allowSnapshots", path: "/d", allowed: true, caller: ROOT }));
    await cluster.write("/d/f", before);
    const held = cluster.holders(cluster.blocks("/d/f").at(-1)!).filter((id) => id !== "n3" && id !== "n1");
    const appender = await cluster.of(cluster.files("n3").append("/d/f", ROOT));
    await cluster.put(appender, added.subarray(0, 300_000));
    await cluster.run(1_000);
    if (dies) cluster.losePower(held[0]!);
    await cluster.put(appender, added.subarray(300_000, bytes));
    const seen = (): number => cluster.log.machine("n1").status("/d/f", ROOT).length;
    await cluster.until(() => seen() > before.length, "the log knows of what was appended");
    await cluster.of(files.change({ type: "createSnapshot", path: "/d", name: "s", caller: ROOT }));
    const shown = cluster.log.machine("n1").status("/d/.snapshot/s/f", ROOT).length;
    expect(shown).toBeGreaterThan(before.length);
    await cluster.of(appender.abort());
    const isClosed = (): boolean => !cluster.log.machine("n1").status("/d/f", ROOT).open;
    await cluster.until(isClosed, "the append is given up");
    expect((await cluster.read("/d/f")).equals(before)).toBe(true);
    const snapshot = await cluster.read("/d/.snapshot/s/f");
    expect(snapshot.equals(Buffer.concat([before, added]).subarray(0, shown))).toBe(true);
    // And the file can be written on.
    const again = await cluster.of(cluster.files("n1").append("/d/f", ROOT));
    await cluster.put(again, added);
    await cluster.of(again.close());
    expect((await cluster.read("/d/f")).equals(Buffer.concat([before, added]))).toBe(true);
    expect((await cluster.read("/d/.snapshot/s/f")).length).toBe(shown);
  }
});

/** Twenty minutes is the hard limit. */
const PROMPTLY_MS = 25_000;

/** A file that was begun through n2, and one that would replace another. */
async function beginThrough2(
  cluster: FilesCluster,
  content: Bytes,
): Promise<{ readonly synced: number; readonly writer: FileWriter }> {
  await cluster.write("/old", content.subarray(0, 70_000));
  const over = await cluster.of(cluster.files("n2").create("/old", ROOT, { overwrite: true }));
  await cluster.put(over, content.subarray(0, 90_000));
  const writer = await cluster.of(cluster.files("n2").create("/f", ROOT));
  await cluster.put(writer, content.subarray(0, 100_000));
  await cluster.of(writer.sync());
  return { synced: 100_000, writer };
}

async function expectEnded(
  cluster: FilesCluster,
  content: Bytes,
  synced: number,
  withinMs: number,
): Promise<void> {
  const { machine } = { machine: cluster.log.machine("n1") };
  await cluster.until(() => machine.statistics().openFiles === 0, "every file is closed", withinMs);
  const read = await cluster.read("/f", "n3");
  expect(read.length).toBeGreaterThanOrEqual(synced);
  expect(read.equals(content.subarray(0, read.length))).toBe(true);
  expect((await cluster.read("/old", "n3")).equals(content.subarray(0, 70_000))).toBe(true);
}

test("what was written through a node that died is closed when its death is known, and through one that is back at once", async () => {
  const content = streamBytes(9, 0, 200_000);
  for (const [seed, isBack] of [
    [71, false],
    [72, true],
  ] as const) {
    const cluster = await new FilesCluster(seed).ready();
    await cluster.run(11_000);
    const { synced } = await beginThrough2(cluster, content);
    cluster.losePower("n2");
    if (isBack) cluster.start("n2");
    await expectEnded(cluster, content, synced, isBack ? 8_000 : PROMPTLY_MS);
    if (!isBack) cluster.start("n2");
    await healthy(cluster);
  }
});

test("the leader that writes through itself dies: the next one ends what it began", async () => {
  const content = streamBytes(10, 0, 200_000);
  const cluster = await new FilesCluster(73).ready();
  await cluster.run(11_000);
  (cluster.log as SimulatedLog).lead("n2");
  const { synced } = await beginThrough2(cluster, content);
  cluster.losePower("n2");
  (cluster.log as SimulatedLog).lead("n3");
  await expectEnded(cluster, content, synced, PROMPTLY_MS);
});

test("a node that is only cut off loses its lease, and what it writes afterwards is in no file", async () => {
  const content = streamBytes(11, 0, 200_000);
  const cluster = await new FilesCluster(74).ready();
  await cluster.run(11_000);
  const { synced, writer } = await beginThrough2(cluster, content);
  cluster.world.network.partition(["n2"], "drop");
  await expectEnded(cluster, content, synced, PROMPTLY_MS);
  const closed = await cluster.read("/f", "n3");
  cluster.world.network.heal();
  const late = (async () => {
    await writer.write(content.subarray(100_000));
    await writer.close();
  })();
  const failure = await cluster.of(
    late.then(
      () => undefined,
      (error: unknown) => error,
    ),
  );
  expect(failure).toMatchObject({ code: "LEASE_LOST" });
  await cluster.run(5_000);
  expect((await cluster.read("/f", "n2")).equals(closed)).toBe(true);
  await healthy(cluster);
});

test("who begins to write through a node that was just started keeps his lease, however long he takes", async () => {
  const cluster = await new FilesCluster(75).ready();
  await cluster.run(11_000);
  for (const pauseMs of [0, 300, 1_000]) {
    cluster.losePower("n2");
    cluster.start("n2");
    // The leader still knows the process before.
    cluster.world.network.slow("n2", "n1", 4_000);
    await cluster.until(() => cluster.nodes.has("n2"), "it is back");
    await cluster.run(pauseMs);
    const begin = async (): Promise<FileWriter> => {
      for (;;) {
        try {
          return await cluster.files("n2").create(`/f${pauseMs}`, ROOT);
        } catch (error) {
          if (!isQuorateError(error) || error.code !== "SAFE_MODE") throw error;
          await cluster.files("n2").status("/", ROOT);
        }
      }
    };
    const writer = await cluster.of(begin());
    const content = streamBytes(12, 0, 200_000);
    const first = cluster.put(writer, content.subarray(0, 100_000));
    await cluster.run(2_000);
    cluster.world.network.heal();
    await cluster.of(first);
    await cluster.run(30_000);
    await cluster.put(writer, content.subarray(100_000));
    await cluster.of(writer.close());
    expect((await cluster.read(`/f${pauseMs}`)).equals(content)).toBe(true);
  }
});

test("a writer's node that dies at any step leaves a file that was whole as it was, and of a new one a beginning", async () => {
  // First the steps are counted, then the node dies at each twentieth of them.
  const content = streamBytes(7, 0, 140_000);
  const before = streamBytes(8, 0, 70_000);
  const writing = async (
    cluster: FilesCluster,
  ): Promise<{ synced: number; closed: boolean; failed: boolean }> => {
    const state = { synced: 0, closed: false, failed: false };
    const write = async (): Promise<void> => {
      const writer = await cluster.files("n2").create("/new", ROOT);
      await writer.write(content.subarray(0, 50_000));
      await writer.sync();
      state.synced = 50_000;
      await writer.write(content.subarray(50_000));
      await writer.close();
      state.synced = content.length;
      const over = await cluster.files("n2").create("/old", ROOT, { overwrite: true });
      await over.write(content);
      await over.close();
      state.closed = true;
    };
    write().catch(() => (state.failed = true));
    return state;
  };
  const set = async (seed: number): Promise<FilesCluster> => {
    const cluster = await new FilesCluster(seed, { settings: SOON }).ready();
    await cluster.write("/old", before);
    return cluster;
  };
  const counting = await set(20);
  const from = counting.world.scheduler.steps;
  const counted = await writing(counting);
  await counting.until(() => counted.closed, "written");
  const steps = counting.world.scheduler.steps - from;
  for (let at = 1; at < steps; at += Math.ceil(steps / 20)) {
    const cluster = await set(20);
    const began = cluster.world.scheduler.steps;
    const state = await writing(cluster);
    await cluster.until(() => cluster.world.scheduler.steps - began >= at, "it is time");
    cluster.losePower("n2");
    const { machine } = { machine: cluster.log.machine("n1") };
    await cluster.until(() => machine.statistics().openFiles === 0, "closed", 60_000);
    const old = await cluster.read("/old", "n3");
    expect(old.equals(before) || old.equals(content), `step ${at}`).toBe(true);
    if (state.closed) expect(old.equals(content)).toBe(true);
    const isThere = await exists(cluster, "/new");
    expect(isThere || state.synced === 0, `step ${at}`).toBe(true);
    if (!isThere) continue;
    const read = await cluster.read("/new", "n4");
    expect(read.length, `step ${at}`).toBeGreaterThanOrEqual(state.synced);
    expect(read.equals(content.subarray(0, read.length)), `step ${at}`).toBe(true);
    await healthy(cluster);
  }
});

test("a change of the leader, and a while without any, in the middle of a write: the writer goes on", async () => {
  const cluster = await new FilesCluster(30).ready();
  const content = streamBytes(9, 0, 400_000);
  const writer = await cluster.of(cluster.files("n4").create("/f", ROOT));
  await cluster.put(writer, content.subarray(0, 100_000));
  cluster.log.lead("n2");
  await cluster.put(writer, content.subarray(100_000, 200_000));
  cluster.world.network.partition(["n2"]);
  const writing = cluster.put(writer, content.subarray(200_000));
  await cluster.run(8_000);
  cluster.log.lead("n3");
  await cluster.of(writing);
  cluster.world.network.heal();
  const status = await cluster.of(writer.close());
  expect(status.length).toBe(content.length);
  expect((await cluster.read("/f")).equals(content)).toBe(true);
  await healthy(cluster);
});

test("a damaged replica is not what a reader gets: it is told of, and replaced", async () => {
  const cluster = await new FilesCluster(40, { mayDecay: true, node: { scrubBandwidth: 0 } }).ready();
  const content = streamBytes(10, 0, 60_000);
  await cluster.write("/f", content);
  const [block] = cluster.blocks("/f") as [number];
  const [near] = cluster.holders(block) as [NodeId];
  await cluster.run(11_000);
  const { disk } = cluster.world.machine(near);
  const isDamaged = (): boolean => cluster.node(near).store.get(block)?.state === "corrupt";
  for (let spot = 0; !isDamaged() && spot < 60; spot++) {
    disk.decay("rot");
    expect((await cluster.read("/f", near)).equals(content)).toBe(true);
  }
  expect(isDamaged()).toBe(true);
  await healthy(cluster);
  expect(cluster.holders(block).length).toBe(3);
});

test("nodes that come back with old replicas serve none of them", async () => {
  const cluster = await new FilesCluster(50).ready();
  const content = streamBytes(11, 0, 50_000);
  const writer = await cluster.of(cluster.files().create("/f", ROOT));
  await cluster.put(writer, content.subarray(0, 20_000));
  await cluster.of(writer.sync());
  const [block] = cluster.blocks("/f") as [number];
  const holding = (): NodeId[] =>
    cluster.ids.filter((id) => cluster.nodes.get(id)?.store.get(block) !== undefined);
  const old = holding().find((id) => id !== "n1") as NodeId;
  cluster.kill(old);
  await cluster.put(writer, content.subarray(20_000));
  await cluster.of(writer.close());
  await healthy(cluster);
  // Only the one with the old replica is left beside a majority of which none holds the block.
  cluster.start(old);
  await cluster.until(() => cluster.nodes.has(old), "it is back");
  for (const at of cluster.ids) expect((await cluster.read("/f", at)).equals(content)).toBe(true);
  await healthy(cluster);
  const stamp = cluster.log.machine("n1").block(block)?.stamp ?? 0;
  await cluster.until(
    () => holding().every((id) => (cluster.node(id).store.get(block)?.stamp ?? 0) >= stamp),
    "the stale one is gone",
  );
});

test("a full disk is passed over; when all are full the error says so, and nothing is lost", async () => {
  const cluster = await new FilesCluster(60, { disk: { capacityBytes: 3_000_000 } }).ready();
  cluster.world.machine("n2").disk.options.capacityBytes = 300_000;
  const written = new Map<string, Bytes>();
  let refusal: unknown;
  for (let n = 0; refusal === undefined && n < 40; n++) {
    const content = streamBytes(n, 0, 250_000);
    const at = cluster.ids[n % 4] as NodeId;
    try {
      await cluster.write(`/f${n}`, content, at);
      written.set(`/f${n}`, content);
    } catch (error) {
      refusal = error;
    }
  }
  expect(refusal).toMatchObject({ code: "NO_TARGETS" });
  expect((refusal as Error).message).toMatch(/n\d has \d+ bytes free|no space/);
  expect(written.size).toBeGreaterThan(6);
  for (const [path, content] of written) {
    expect((await cluster.read(path, "n4")).equals(content), path).toBe(true);
  }
  const half = [...written.keys()].filter((_, at) => at % 2 === 0);
  for (const path of half) {
    await cluster.of(cluster.files().change({ type: "delete", caller: ROOT, path, recursive: false }));
    written.delete(path);
  }
  await healthy(cluster);
  await cluster.write("/again", streamBytes(99, 0, 250_000));
  for (const [path, content] of written) expect((await cluster.read(path)).equals(content), path).toBe(true);
});

test("an answer that is lost is asked for again where that is harmless, and told where it is not", async () => {
  const cluster = await new FilesCluster(70, { settings: SOON }).ready();
  const log = cluster.log as SimulatedLog;
  log.lostAnswers = 0.3;
  let closed = 0;
  for (let n = 0; n < 12; n++) {
    const content = streamBytes(n, 0, 150_000);
    try {
      await cluster.write(`/f${n}`, content);
      closed++;
      expect((await cluster.read(`/f${n}`, "n3")).equals(content)).toBe(true);
    } catch (error) {
      expect(isQuorateError(error) && error.code).toBe("OUTCOME_UNKNOWN");
    }
  }
  expect(closed).toBeGreaterThan(2);
  log.lostAnswers = 0;
  await cluster.until(() => cluster.log.machine("n1").statistics().openFiles === 0, "all are closed", 60_000);
  await healthy(cluster);
});

async function exists(cluster: FilesCluster, path: string): Promise<boolean> {
  try {
    await cluster.of(cluster.files("n1").status(path, ROOT));
    return true;
  } catch (error) {
    if (isQuorateError(error) && error.code === "PATH_NOT_FOUND") return false;
    throw error;
  }
}
