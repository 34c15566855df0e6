/** What an operator does to a file system, and what it tells him. */
import { expect, test } from "vitest";
import { streamBytes } from "../blocks/block-store.testing.ts";
import type { NamespaceSettings } from "../namespace/model.ts";
import type { BlockHealth } from "../file-system.ts";
import { FilesCluster, ROOT } from "../../../simulation/files/files-cluster.ts";

const ANN = { user: "ann", groups: [] };

async function healthOf(cluster: FilesCluster, path: string, at = "n1"): Promise<BlockHealth[]> {
  return cluster.of(
    (async () => {
      const all: BlockHealth[] = [];
      for await (const { blocks } of cluster.files(at).health(path, ROOT)) all.push(...blocks);
      return all;
    })(),
  );
}

async function configure(
  cluster: FilesCluster,
  settings: Partial<NamespaceSettings>,
  at = "n1",
): Promise<void> {
  await cluster.of(cluster.files(at).change({ type: "configure", caller: ROOT, settings }));
}

test("after a start nothing is changed before enough blocks are reported; what can be read is read", async () => {
  const cluster = await new FilesCluster(1, { node: { safeModeExtensionMs: 1_000 } }).ready();
  expect(cluster.files().safeMode()).toEqual({ on: false, by: undefined, explanation: undefined });
  const content = streamBytes(1, 0, 60_000);
  for (let n = 0; n < 5; n++) await cluster.write(`/f${n}`, content);
  for (const id of cluster.ids) cluster.losePower(id);
  for (const id of ["n1", "n2", "n3"]) cluster.world.network.partition([id]);
  for (const id of cluster.ids) cluster.start(id);
  await cluster.until(() => cluster.nodes.size === 4, "all run again");
  const { files } = cluster.node("n1");
  // Cut off, nobody knows what there is.
  await expect(
    cluster.of(files.change({ type: "delete", caller: ROOT, path: "/f0", recursive: false })),
  ).rejects.toMatchObject({ code: "NO_QUORUM" });
  cluster.world.network.heal();
  await cluster.until(
    () => /blocks \d+ can be read|is waited for/.test(files.safeMode().explanation ?? ""),
    "it counts",
  );
  const refused = cluster.of(files.create("/new", ROOT));
  const message = expect.stringContaining("Safe mode will be turned off automatically");
  await expect(refused).rejects.toMatchObject({ code: "SAFE_MODE", retryable: true, message });
  expect((await cluster.read("/f0")).equals(content)).toBe(true);
  await cluster.until(() => !files.safeMode().on, "it ends by itself");
  await cluster.write("/new", content);
});

test("safe mode lasts while blocks are missing, and an operator may end it on all nodes", async () => {
  const cluster = await new FilesCluster(2, { settings: { replication: 1 } }).ready();
  for (let n = 0; n < 4; n++)
    await cluster.write(`/f${n}`, streamBytes(n, 0, 60_000), cluster.ids[n] ?? "n1");
  const [block] = cluster.blocks("/f3", "n4") as [number];
  const [only] = cluster.holders(block) as [string];
  for (const id of cluster.ids) cluster.kill(id);
  for (const id of cluster.ids) if (id !== only) cluster.start(id);
  await cluster.until(() => cluster.nodes.size === 3, "all others run");
  cluster.log.lead(cluster.ids.find((id) => id !== only) ?? "n1");
  await cluster.run(30_000);
  const others = [...cluster.nodes.values()];
  for (const { files } of others) {
    expect(files.safeMode()).toMatchObject({ on: true, by: "start" });
    expect(files.safeMode().explanation).toBe("Of 4 blocks 3 can be read; 4 must be.");
  }
  const [first] = others as [(typeof others)[0]];
  const health = await cluster.of(first.files.report());
  expect(health.blocks).toMatchObject({ total: 4, missing: 1 });
  const leave = first.files.change({ type: "configure", caller: ROOT, settings: { safeMode: false } });
  await cluster.of(leave);
  await cluster.until(() => others.every(({ files }) => !files.safeMode().on), "all have left it");
});

test("safe mode by hand holds at every node until it is ended by hand, also over a start", async () => {
  const cluster = await new FilesCluster(3).ready();
  await cluster.write("/f", streamBytes(1, 0, 5_000));
  await cluster.of(cluster.files().change({ type: "configure", caller: ROOT, settings: { safeMode: true } }));
  await expect(cluster.of(cluster.files("n3").create("/g", ROOT))).rejects.toMatchObject({
    code: "SAFE_MODE",
  });
  expect(cluster.files("n3").safeMode()).toMatchObject({ on: true, by: "operator" });
  cluster.kill("n4");
  cluster.start("n4");
  await cluster.until(() => cluster.nodes.size === 4, "it is back");
  await cluster.run(20_000);
  expect(cluster.files("n4").safeMode()).toMatchObject({ on: true, by: "operator" });
  await configure(cluster, { safeMode: false });
  await cluster.until(() => !cluster.files("n4").safeMode().on, "it is over");
  await cluster.write("/g", streamBytes(2, 0, 5_000), "n4");
});

test("why a block has too few replicas, and what is done about it, is told at every node until it is whole", async () => {
  const cluster = await new FilesCluster(4, { node: { copyBandwidth: 20_000 } }).ready();
  await cluster.write("/d/f", streamBytes(1, 0, 100_000));
  await cluster.run(11_000);
  expect((await healthOf(cluster, "/")).map(({ problem }) => problem)).toEqual(["none", "none"]);
  const [block] = cluster.blocks("/d/f") as [number];
  const victim = cluster.holders(block).find((id) => id !== "n1") ?? "n2";
  cluster.kill(victim);
  const seen = new Set<string>();
  for (let second = 0; second < 40; second++) {
    await cluster.run(500);
    for (const { problem, explanation } of await healthOf(cluster, "/d")) {
      if (problem === "under-replicated") seen.add(explanation);
    }
  }
  expect([...seen].some((each) => each.includes(`${victim} is silent`))).toBe(true);
  expect([...seen].some((each) => each.includes("is being made on"))).toBe(true);
  await cluster.of(cluster.files().settledReplication("/d", ROOT));
  const report = await cluster.of(cluster.files("n1").report());
  expect(report.blocks).toMatchObject({ total: 2, missing: 0, underReplicated: 0 });
  expect(report.nodes.find(({ node }) => node.id === victim)?.node.live).toBe(false);
});

test("a node is decommissioned: its blocks go elsewhere first, it gets no more, and the report says when it may go", async () => {
  const cluster = await new FilesCluster(5, {
    settings: { replication: 2 },
    node: { copyBandwidth: 20_000 },
  }).ready();
  for (let n = 0; n < 6; n++) await cluster.write(`/f${n}`, streamBytes(n, 0, 50_000), "n2");
  await cluster.run(11_000);
  await configure(cluster, { decommissioning: ["n2"] }, "n3");
  const remaining = async (): Promise<number | undefined> => {
    const { nodes } = await cluster.of(cluster.files("n1").report());
    const row = nodes.find(({ node }) => node.id === "n2");
    return row?.node.standing === "decommissioning" ? row.remaining : undefined;
  };
  await cluster.run(2_000);
  expect(await remaining()).toBeGreaterThan(0);
  for (let round = 0; round < 60 && (await remaining()) !== 0; round++) await cluster.run(1_000);
  expect(await remaining()).toBe(0);
  await cluster.write("/later", streamBytes(9, 0, 50_000), "n2");
  for (const block of cluster.blocks("/later")) expect(cluster.holders(block)).not.toContain("n2");
  cluster.kill("n2");
  for (let n = 0; n < 6; n++) {
    expect((await cluster.read(`/f${n}`, "n1")).equals(streamBytes(n, 0, 50_000))).toBe(true);
  }
});

test("a node in maintenance may be away without its replicas being made anew; taken out of it, they are at once", async () => {
  const cluster = await new FilesCluster(6, { settings: { replication: 2 } }).ready();
  const content = streamBytes(1, 0, 50_000);
  await cluster.write("/f", content, "n2");
  await cluster.run(11_000);
  const [block] = cluster.blocks("/f") as [number];
  const [...holders] = cluster.holders(block);
  expect(holders).toContain("n2");
  const others = holders.filter((id) => id !== "n2");
  await configure(cluster, { inMaintenance: ["n2"] });
  await cluster.run(30_000);
  expect(cluster.holders(block)).toEqual(holders);
  cluster.kill("n2");
  await cluster.run(60_000);
  expect(cluster.holders(block)).toEqual(others);
  const [health] = await healthOf(cluster, "/f");
  expect(health).toMatchObject({ problem: "none", explanation: "It is as it should be." });
  expect((await cluster.read("/f")).equals(content)).toBe(true);
  await configure(cluster, { inMaintenance: [] });
  await cluster.run(5_000);
  expect(cluster.holders(block)).toHaveLength(2);
  cluster.start("n2");
  await cluster.until(() => cluster.nodes.has("n2"), "it is back");
  await cluster.of(cluster.files().settledReplication("/f", ROOT));
  expect(
    cluster
      .files()
      .nodes()
      .map(({ standing }) => standing),
  ).toEqual(cluster.ids.map(() => "inService"));
});

test("a new leader knows what a node in maintenance holds, though it is down", async () => {
  const cluster = await new FilesCluster(61, { settings: { replication: 2 } }).ready();
  await cluster.write("/f", streamBytes(1, 0, 50_000), "n2");
  await cluster.run(11_000);
  const [block] = cluster.blocks("/f") as [number];
  const others = cluster.holders(block).filter((id) => id !== "n2");
  await configure(cluster, { inMaintenance: ["n2"] });
  await cluster.run(2_000);
  cluster.kill("n2");
  await cluster.run(15_000);
  cluster.log.lead("n3");
  await cluster.run(30_000);
  expect(cluster.holders(block)).toEqual(others);
});

test("replication that is changed is followed, and may be waited for", async () => {
  const cluster = await new FilesCluster(7, { settings: { replication: 2 } }).ready();
  await cluster.write("/f", streamBytes(1, 0, 100_000));
  await cluster.run(11_000);
  for (const replication of [4, 1, 3]) {
    const change = { type: "setReplication", caller: ROOT, path: "/f", replication } as const;
    expect(await cluster.of(cluster.files("n2").change(change))).toBe(true);
    await cluster.of(cluster.files("n2").settledReplication("/f", ROOT));
    const { blocks } = await cluster.of(cluster.files("n2").locations("/f", ROOT, 0, 1e9));
    expect(blocks.map(({ replicas }) => replicas.length)).toEqual([replication, replication]);
  }
});

/** Of each block, the nodes that are told to hold it. */
async function places(cluster: FilesCluster, path: string, at: string): Promise<string[][]> {
  const { blocks } = await cluster.of(cluster.files(at).locations(path, ROOT, 0, 1e9));
  return blocks.map(({ replicas }) => replicas.map(({ node }) => node).sort());
}

test("a copy is told of as a replica when it is whole, at every node", async () => {
  const cluster = await new FilesCluster(71, {
    settings: { replication: 1 },
    node: { copyBandwidth: 10_000 },
  }).ready();
  await cluster.write("/f", streamBytes(1, 0, 60_000));
  await cluster.run(11_000);
  const [block] = cluster.blocks("/f") as [number];
  await cluster.of(
    cluster.files().change({ type: "setReplication", caller: ROOT, path: "/f", replication: 3 }),
  );
  let partial = 0;
  for (let round = 0; round < 100 && cluster.holders(block).length < 3; round++) {
    await cluster.run(100);
    for (const id of cluster.ids) {
      const [told = []] = await places(cluster, "/f", id);
      // What is told may be older than what is, never newer.
      for (const node of told) expect(cluster.holders(block)).toContain(node);
      if (cluster.ids.some((each) => cluster.node(each).store.get(block)?.state === "writing")) partial++;
    }
  }
  expect(partial).toBeGreaterThan(50);
  await cluster.run(1_000);
  for (const id of cluster.ids) expect(await places(cluster, "/f", id)).toEqual([cluster.holders(block)]);
});

test("of a block that is being written the pipeline is told, and of one that was just closed", async () => {
  const cluster = await new FilesCluster(72).ready();
  const writer = await cluster.of(cluster.files().create("/f", ROOT));
  await cluster.put(writer, streamBytes(1, 0, 50_000));
  await cluster.of(writer.sync());
  await cluster.run(1_000);
  const [pipeline = []] = await places(cluster, "/f", "n2");
  expect(pipeline).toHaveLength(3);
  await cluster.of(writer.close());
  for (const id of cluster.ids) expect((await places(cluster, "/f", id))[0]).not.toEqual([]);
  await cluster.run(1_000);
  expect(await places(cluster, "/f", "n2")).toEqual([pipeline]);
});

test("nodes are balanced from any node, by the superuser", async () => {
  const cluster = await new FilesCluster(8, {
    settings: { replication: 1 },
    disk: { capacityBytes: 4_000_000 },
  }).ready();
  for (let n = 0; n < 20; n++) await cluster.write(`/f${n}`, streamBytes(n, 0, 60_000), "n2");
  await cluster.run(11_000);
  await expect(cluster.of(cluster.files("n3").balance(ANN))).rejects.toMatchObject({ code: "ACCESS_DENIED" });
  const used = (): number[] =>
    cluster
      .files()
      .nodes()
      .map(({ usedBytes }) => usedBytes);
  const spread = (): number => Math.max(...used()) - Math.min(...used());
  const before = spread();
  let ordered = 0;
  for (let round = 0; round < 60; round++) {
    const { ordered: now, pending } = await cluster.of(
      cluster.files("n3").balance(ROOT, { threshold: 0.02 }),
    );
    ordered += now;
    if (now === 0 && pending === 0 && round > 0) break;
    await cluster.run(3_000);
  }
  expect(ordered).toBeGreaterThan(5);
  expect(spread()).toBeLessThan(before / 2);
  for (let n = 0; n < 20; n++) {
    expect((await cluster.read(`/f${n}`, "n4")).equals(streamBytes(n, 0, 60_000))).toBe(true);
  }
});

test("who watches is told of what changes at a path, in it and above it, at every node", async () => {
  const cluster = await new FilesCluster(9).ready();
  await cluster.write("/d/f", streamBytes(1, 0, 100));
  const seen: string[] = [];
  const aborter = new AbortController();
  const { signal } = aborter;
  cluster.files("n3").watch("/d/f", ROOT, () => seen.push("file"), { signal });
  cluster.files("n3").watch("/d", ROOT, () => seen.push("directory"), { signal });
  await cluster.write("/other", streamBytes(2, 0, 100));
  await cluster.run(1_000);
  expect(seen).toEqual([]);
  await cluster.write("/d/f", streamBytes(3, 0, 100));
  await cluster.until(() => seen.length >= 2, "told");
  expect(new Set(seen)).toEqual(new Set(["file", "directory"]));
  seen.length = 0;
  await cluster.of(cluster.files("n2").change({ type: "rename", caller: ROOT, from: "/d", to: "/e" }));
  await cluster.until(() => seen.length >= 2, "told of the move");
  aborter.abort();
  seen.length = 0;
  await cluster.write("/d/f", streamBytes(4, 0, 100));
  await cluster.run(1_000);
  expect(seen).toEqual([]);
});

test("the checksum of a file is the same at every node, and however the file is kept", async () => {
  const cluster = await new FilesCluster(10).ready();
  const content = streamBytes(1, 0, 1_000);
  await cluster.write("/inline", content);
  const writer = await cluster.of(cluster.files().create("/block", ROOT));
  await cluster.put(writer, content);
  await cluster.of(writer.sync());
  await cluster.of(writer.close());
  expect(cluster.segments("/inline")[0]?.type).toBe("inline");
  expect(cluster.segments("/block")[0]?.type).toBe("block");
  const sums = await Promise.all(
    ["/inline", "/block"].flatMap((path) =>
      cluster.ids.map(async (at) => {
        const { algorithm, bytes } = await cluster.of(cluster.files(at).checksum(path, ROOT));
        return `${algorithm} ${bytes.toString("hex")}`;
      }),
    ),
  );
  expect(new Set(sums).size).toBe(1);
});

test("a writer that is idle keeps its file; one whose file is removed is told", async () => {
  const cluster = await new FilesCluster(11, {
    settings: { leaseSoftMs: 2_000, leaseHardMs: 4_000 },
  }).ready();
  const writer = await cluster.of(cluster.files("n2").create("/f", ROOT));
  await cluster.put(writer, streamBytes(1, 0, 50_000));
  await cluster.run(30_000);
  await cluster.put(writer, streamBytes(1, 50_000, 50_000));
  expect(await cluster.of(writer.close())).toMatchObject({ length: 100_000, open: false });
  const second = await cluster.of(cluster.files("n2").create("/g", ROOT));
  await cluster.put(second, streamBytes(2, 0, 50_000));
  await cluster.of(
    cluster.files("n3").change({ type: "delete", caller: ROOT, path: "/g", recursive: false }),
  );
  await cluster.run(3_000);
  await expect(cluster.of(second.write(streamBytes(2, 50_000, 10)))).rejects.toMatchObject({
    code: "LEASE_LOST",
  });
  await cluster.of(second.abort());
});
