/** What an operator is told of blocks and nodes, at any node, and whether it is true. */
import { expect, test } from "vitest";
import type { NodeId } from "../../../runtime/world.ts";
import { streamBytes } from "../blocks/block-store.testing.ts";
import type { BlockHealth, FilesReport, NodeReport, PathHealth } from "../file-system.ts";
import { FilesCluster, ROOT } from "../../../simulation/files/files-cluster.ts";

const ANN = { user: "ann", groups: [] };

async function walk(cluster: FilesCluster, path = "/", at: NodeId = "n1"): Promise<readonly PathHealth[]> {
  const collect = async (): Promise<PathHealth[]> => {
    const found: PathHealth[] = [];
    for await (const each of cluster.files(at).health(path, ROOT)) found.push(each);
    return found;
  };
  return cluster.of(collect(), "the walk");
}

async function blocksOf(cluster: FilesCluster, path: string, at: NodeId): Promise<readonly BlockHealth[]> {
  return (await walk(cluster, path, at)).flatMap(({ blocks }) => blocks);
}

function report(cluster: FilesCluster, at: NodeId = "n1"): Promise<FilesReport> {
  return cluster.of(cluster.files(at).report());
}

async function nodeReport(cluster: FilesCluster, id: NodeId): Promise<NodeReport | undefined> {
  return (await report(cluster)).nodes.find(({ node }) => node.id === id);
}

/** Asks again and again, often: what holds is known only by asking, and may not hold for long. */
async function asking(cluster: FilesCluster, what: string, holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 2_000; tries++) {
    if (await holds()) return;
    await cluster.run(50);
  }
  throw new Error(`never: ${what}`);
}

test("a walk names everything below, a directory before what is in it, small files without blocks", async () => {
  const cluster = await new FilesCluster(1).ready();
  await cluster.write("/d/large", streamBytes(1, 0, 100_000));
  await cluster.write("/d/small", streamBytes(2, 0, 100));
  await cluster.of(
    cluster
      .files()
      .change({ type: "symlink", caller: ROOT, path: "/d/to", target: "/d/large", createParents: true }),
  );
  const found = await walk(cluster, "/", "n3");
  expect(found.map(({ status, blocks }) => [status.path, status.type, blocks.length])).toEqual([
    ["/", "directory", 0],
    ["/d", "directory", 0],
    ["/d/large", "file", 2],
    ["/d/small", "file", 0],
    ["/d/to", "link", 0],
  ]);
  const [first] = found[2]?.blocks ?? [];
  expect(first).toMatchObject({ length: 65_536, wanted: 3, problem: "none", making: [] });
  expect(first?.replicas.map(({ state, standing }) => [state, standing])).toEqual(
    Array.from({ length: 3 }, () => ["good", "inService"]),
  );
});

test("of a node's death every node says the same: who is silent, where a replica is made; then that all is well", async () => {
  const cluster = await new FilesCluster(2).ready();
  await cluster.write("/f", streamBytes(3, 0, 60_000));
  expect((await blocksOf(cluster, "/f", "n2"))[0]?.problem).toBe("none");
  await cluster.run(1_000);
  const [block] = cluster.blocks("/f") as [number];
  const [victim = ""] = cluster.holders(block).filter((id) => id !== "n1");
  const spare = cluster.ids.find((id) => !cluster.holders(block).includes(id)) ?? "";
  cluster.losePower(victim);
  const asked = cluster.ids.filter((id) => id !== victim);
  await asking(
    cluster,
    "it is missed",
    async () => (await blocksOf(cluster, "/f", "n1"))[0]?.problem !== "none",
  );
  for (const at of asked) {
    const [health] = await blocksOf(cluster, "/f", at);
    expect(health?.problem).toBe("under-replicated");
    expect(health?.explanation).toMatch(`It has 2 good replicas of 3: ${victim} is silent for 1`);
    expect(health?.explanation).toMatch(new RegExp(`(being )?made on ${spare}`));
    expect(health?.replicas.find(({ node }) => node === victim)?.state).toBe("silent");
  }
  expect((await nodeReport(cluster, victim))?.node).toMatchObject({ live: false, stale: true });
  expect((await report(cluster)).blocks).toMatchObject({ total: 1, underReplicated: 1, missing: 0 });
  await cluster.of(cluster.files().settledReplication("/f", ROOT));
  expect(cluster.holders(block)).toContain(spare);
  expect((await blocksOf(cluster, "/f", spare))[0]?.problem).toBe("none");
});

test("when no other node can take a replica, it says so and why of each", async () => {
  const cluster = await new FilesCluster(3, { ids: ["n1", "n2", "n3"] }).ready();
  await cluster.write("/f", streamBytes(4, 0, 60_000));
  await cluster.run(1_000);
  cluster.losePower("n3");
  await asking(
    cluster,
    "it is missed",
    async () => (await blocksOf(cluster, "/f", "n1"))[0]?.problem !== "none",
  );
  const [health] = await blocksOf(cluster, "/f", "n1");
  expect(health?.explanation).toMatch(
    /n3 is silent for 1\d s; no other node can take one \(n3 is silent\)\.$/,
  );
});

test("a node that is decommissioned is emptied, one in maintenance is not; both are told when it is time to stop them", async () => {
  const cluster = await new FilesCluster(4).ready();
  for (let file = 0; file < 6; file++) await cluster.write(`/f${file}`, streamBytes(file, 0, 40_000));
  const held = (id: NodeId): number =>
    [...cluster.node(id).store.list()].filter(({ state }) => state === "finished").length;
  const stand = (node: NodeId, standing: "inService" | "decommissioning" | "inMaintenance"): Promise<void> =>
    cluster.of(cluster.files("n2").change({ type: "setStanding", caller: ROOT, node, standing }));
  const refused = cluster
    .files("n2")
    .change({ type: "setStanding", caller: ANN, node: "n4", standing: "inMaintenance" });
  await expect(cluster.of(refused)).rejects.toMatchObject({ code: "ACCESS_DENIED" });

  await stand("n4", "decommissioning");
  await asking(cluster, "it is emptied", async () => {
    const now = await nodeReport(cluster, "n4");
    if (now?.node.standing !== "decommissioning") return false;
    expect(now.remaining > 0).toBe(now.explanation !== undefined);
    return now.remaining === 0;
  });
  cluster.losePower("n4");
  await cluster.run(20_000);
  expect((await report(cluster)).blocks).toMatchObject({ total: 6, underReplicated: 0, missing: 0 });

  // Three are left for three replicas: nobody could take those of another one, and maintenance asks for none.
  const before = held("n3");
  await stand("n3", "inMaintenance");
  await asking(cluster, "it may go", async () => {
    const now = await nodeReport(cluster, "n3");
    return now?.node.standing === "inMaintenance" && now.remaining === 0;
  });
  expect(held("n3")).toBe(before);
  await stand("n3", "decommissioning");
  await asking(cluster, "it is stuck", async () => {
    const now = await nodeReport(cluster, "n3");
    return now?.node.standing === "decommissioning" && now.remaining === 6;
  });
  expect((await nodeReport(cluster, "n3"))?.explanation).toMatch(
    /n3 is being decommissioned; no other node can take one \(n4 is silent\)\.$/,
  );
  await stand("n3", "inService");
  await asking(cluster, "all is well", async () => (await report(cluster)).blocks.underReplicated === 0);
});

test("members of which nothing was heard are named", async () => {
  const cluster = await new FilesCluster(5).ready();
  cluster.losePower("n4");
  cluster.losePower("n1");
  cluster.start("n1");
  await cluster.until(() => cluster.nodes.get("n1")?.key() !== undefined, "n1 is back");
  await cluster.run(3_000);
  expect((await report(cluster)).unheard).toEqual(["n4"]);
  expect((await report(cluster, "n2")).unheard).toEqual([]);
});
