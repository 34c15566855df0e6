import { expect, test } from "vitest";
import type { Bytes } from "../../../runtime/bytes.ts";
import { allocateOwnedBytes } from "../../../runtime/bytes.ts";
import type { NodeId } from "../../../runtime/world.ts";
import type { BlockHealth } from "../file-system.ts";
import { FilesCluster, ROOT } from "../../../simulation/files/files-cluster.ts";

const MIB = 1024 * 1024;
const SIX = ["n1", "n2", "n3", "n4", "n5", "n6"];
const RS32 = "RS-3-2-1024k";

/** The content of which HDFS 3.4.1 gave the checksums below: the high bytes of a congruential generator. */
function content(length: number): Bytes {
  const bytes = allocateOwnedBytes(length);
  for (let at = 0, state = 123_456_789; at < length; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

/** With a directory "/ec". */
async function codedCluster(seed: number, ids: readonly NodeId[], policy = RS32): Promise<FilesCluster> {
  const settings = { blockSize: 2 * MIB, minBlockSize: MIB };
  const cluster = await new FilesCluster(seed, { ids, settings, mayDecay: true }).ready();
  const files = cluster.files();
  await cluster.of(
    files.change({
      type: "mkdir",
      path: "/ec",
      caller: ROOT,
      mode: 0o755,
      unmaskedMode: undefined,
      createParents: true,
    }),
  );
  const set = {
    type: "setPolicy",
    path: "/ec",
    caller: ROOT,
    policy: "erasureCoding",
    value: policy,
  } as const;
  await cluster.of(files.change(set));
  return cluster;
}

async function healthOf(cluster: FilesCluster, path: string): Promise<BlockHealth[]> {
  return cluster.of(
    (async () => {
      const all: BlockHealth[] = [];
      for await (const each of cluster.files().health(path, ROOT)) all.push(...each.blocks);
      return all;
    })(),
  );
}

async function checksumOf(cluster: FilesCluster, path: string, at: NodeId = "n1"): Promise<string> {
  const { algorithm, bytes } = await cluster.of(cluster.files(at).checksum(path, ROOT));
  return `${algorithm} ${bytes.toString("hex")}`;
}

/** As `GETFILECHECKSUM` of HDFS 3.4.1 with RS-3-2-1024k and blocks of 2 MiB answered. */
const HDFS_CHECKSUMS = [
  [10, "MD5-of-0MD5-of-512CRC32C 000002000000000000000000974366d1bd06cb4c20b58f949a34eb89"],
  [100_000, "MD5-of-0MD5-of-512CRC32C 000002000000000000000000871d1821a505d6589d6c825d8c906ae3"],
  [2_621_440, "MD5-of-0MD5-of-512CRC32C 00000200000000000000000083588615046b01be626dc392948562a7"],
  [7_654_321, "MD5-of-4096MD5-of-512CRC32C 000002000000000000001000f058d1b13826c15217d95a6766c671cc"],
] as const;

test("a file in a coded directory lies in groups, reads back at any node, and has the checksum that HDFS gives it", async () => {
  const cluster = await codedCluster(1, SIX);
  for (const [length, checksum] of HDFS_CHECKSUMS) {
    const path = `/ec/d/f${length}`;
    const bytes = content(length);
    await cluster.write(path, bytes, "n2", 100_000);
    expect((await cluster.read(path, "n5")).equals(bytes)).toBe(true);
    expect(await checksumOf(cluster, path, "n3")).toBe(checksum);
  }
  const path = "/ec/d/f7654321";
  const bytes = content(7_654_321);
  expect(cluster.segments(path)).toMatchObject([
    { offset: 0, length: 6 * MIB, coded: { policy: { name: RS32 } } },
    { offset: 6 * MIB, length: 7_654_321 - 6 * MIB, coded: { groupLength: 7_654_321 - 6 * MIB } },
  ]);
  const range = await cluster.read(path, "n6", { offset: 6 * MIB - 10, length: 20 });
  expect(range.equals(bytes.subarray(6 * MIB - 10, 6 * MIB + 10))).toBe(true);
  const status = await cluster.of(cluster.files("n4").status(path, ROOT));
  expect(status).toMatchObject({ erasureCoding: RS32, replication: 1, blockSize: 2 * MIB });
  const health = await healthOf(cluster, path);
  expect(health.map(({ wanted, problem, replicas }) => [wanted, problem, replicas.length])).toEqual([
    [5, "none", 5],
    [4, "none", 4],
  ]);
  const { blocks } = await cluster.of(cluster.files().locations(path, ROOT, 0, 1));
  expect(new Set(blocks[0]?.replicas.map(({ node }) => node)).size).toBe(5);
});

test("nodes that die under a writer and a reader are not noticed, and what they held is made anew", async () => {
  const cluster = await codedCluster(2, SIX);
  const bytes = content(7 * MIB + 100);
  const writer = await cluster.of(cluster.files().create("/ec/f", ROOT));
  await cluster.put(writer, bytes.subarray(0, 2 * MIB), 100_000);
  const holding = (id: NodeId): boolean => [...cluster.node(id).store.list()].length > 0;
  const victim = SIX.slice(1).find(holding) as NodeId;
  cluster.losePower(victim);
  await cluster.put(writer, bytes.subarray(2 * MIB), 100_000);
  await cluster.of(writer.close(), "closed");
  expect((await cluster.read("/ec/f")).equals(bytes)).toBe(true);
  const isWell = async (): Promise<boolean> =>
    (await healthOf(cluster, "/ec/f")).every(({ problem }) => problem === "none" || problem === "misplaced");
  for (let waited = 0; !(await isWell()); waited++) {
    if (waited > 120) throw new Error("not made anew");
    await cluster.run(1_000);
  }
  cluster.start(victim);
  await cluster.until(() => cluster.nodes.has(victim), "back");
  // Two at once under the reader.
  const parts: Bytes[] = [];
  let read = 0;
  const reading = (async () => {
    for await (const part of await cluster.files().read("/ec/f", ROOT)) {
      parts.push(part);
      read += part.length;
    }
  })();
  await cluster.until(() => read > 2 * MIB, "some is read");
  for (const id of SIX.slice(1).filter(holding).slice(0, 2)) cluster.losePower(id);
  await cluster.of(reading, "read to the end");
  expect(Buffer.concat(parts).equals(bytes)).toBe(true);
});

test("a group whose nodes die before they acknowledge anything is begun anew, with all that was put into it", async () => {
  const ids = [...SIX, "n7", "n8", "n9"];
  const cluster = await codedCluster(8, ids);
  const bytes = content(3 * MIB);
  const slow = (latencyMs: number): void => {
    for (const id of ids) cluster.world.machine(id).disk.options.latencyMs = latencyMs;
  };
  slow(2_000);
  const writer = await cluster.of(cluster.files().create("/ec/f", ROOT));
  await cluster.put(writer, bytes, 300_000);
  const begun = (): NodeId[] => ids.slice(1).filter((id) => [...cluster.node(id).store.list()].length > 0);
  await cluster.until(() => begun().length >= 3, "shards have begun");
  const victims = begun().slice(0, 3);
  for (const id of victims) cluster.losePower(id);
  slow(1);
  await cluster.of(writer.close(), "closed");
  expect((await cluster.read("/ec/f")).equals(bytes)).toBe(true);
  const [block] = await healthOf(cluster, "/ec/f");
  const holders = block?.replicas.map(({ node }) => node) ?? [];
  expect(holders).toHaveLength(5);
  for (const id of victims) expect(holders).not.toContain(id);
});

test("the checksum of a file whose shards are lost is the same", async () => {
  const cluster = await codedCluster(3, ["n1", "n2", "n3", "n4", "n5"]);
  const [, , [length, checksum]] = HDFS_CHECKSUMS;
  await cluster.write("/ec/f", content(length), "n1", 100_000);
  const [group = 0] = cluster.blocks("/ec/f");
  const [first] = cluster.holders(group);
  const [second] = cluster.holders(group + 2);
  const lost = [first, second].filter((id) => id !== "n1").slice(0, 2) as NodeId[];
  for (const id of lost) cluster.losePower(id);
  await cluster.run(12_000);
  expect(await checksumOf(cluster, "/ec/f")).toBe(checksum);
});

test("three nodes bear the loss of one of them, with RS-6-3 as with RS-3-2", async () => {
  for (const policy of [RS32, "RS-6-3-1024k"]) {
    for (const lost of ["n2", "n3"]) {
      const cluster = await codedCluster(4, ["n1", "n2", "n3"], policy);
      const bytes = content(6 * MIB + 12_345);
      await cluster.write("/ec/f", bytes, "n1", 200_000);
      cluster.losePower(lost);
      expect((await cluster.read("/ec/f")).equals(bytes)).toBe(true);
    }
  }
});

test("fewer nodes than a group can be read from take no coded file, and say why", async () => {
  const cluster = await codedCluster(5, ["n1"]);
  const writer = await cluster.of(cluster.files().create("/ec/f", ROOT));
  await expect(cluster.of(writer.write(content(2_000)))).rejects.toThrow(
    "RS-3-2-1024k needs places for 3 shards and there are 2: a node takes at most 2 of the 5 shards of a group",
  );
  await cluster.of(writer.abort());
  // What is small enough needs none.
  await cluster.write("/ec/small", content(100));
  expect((await cluster.read("/ec/small")).equals(content(100))).toBe(true);
});

test("what HDFS refuses for coded files is refused at once", async () => {
  const cluster = await codedCluster(6, ["n1", "n2", "n3"]);
  await cluster.write("/ec/f", content(100));
  const files = cluster.files();
  const refused = { code: "UNSUPPORTED" };
  await expect(cluster.of(files.append("/ec/f", ROOT))).rejects.toMatchObject(refused);
  const cut = { type: "truncate", path: "/ec/f", caller: ROOT, length: 1 } as const;
  await expect(cluster.of(files.change(cut))).rejects.toMatchObject(refused);
  const writer = await cluster.of(files.create("/ec/g", ROOT));
  await cluster.put(writer, content(5_000));
  await expect(cluster.of(writer.sync())).rejects.toMatchObject(refused);
  await cluster.of(writer.abort());
  await expect(cluster.of(files.status("/ec/g", ROOT))).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
  await cluster.until(() => cluster.log.machine("n1").statistics().blocks === 0, "its group goes");
  const held = (): number =>
    cluster.ids.reduce((sum, id) => sum + [...cluster.node(id).store.list()].length, 0);
  await cluster.until(() => held() === 0, "its shards go");
});

test("a writer that is gone leaves whole stripes behind, or nothing", async () => {
  const cluster = await codedCluster(7, SIX);
  const set = {
    type: "configure",
    caller: ROOT,
    settings: { leaseSoftMs: 1_000, leaseHardMs: 2_000 },
  } as const;
  await cluster.of(cluster.files("n2").change(set));
  const bytes = content(5 * MIB);
  const writers = ["/ec/long", "/ec/short"].map((path) => cluster.files("n1").create(path, ROOT));
  const [long, short] = await cluster.of(Promise.all(writers));
  await cluster.put(long!, bytes, 100_000);
  await cluster.put(short!, bytes.subarray(0, 100_000), 100_000);
  await cluster.run(200);
  cluster.kill("n1");
  cluster.log.lead("n2");
  const machine = cluster.log.machine("n2");
  await cluster.until(() => machine.statistics().openFiles === 0, "both are closed");
  const left = await cluster.read("/ec/long", "n2");
  expect(left.length).toBe(3 * MIB);
  expect(left.equals(bytes.subarray(0, left.length))).toBe(true);
  expect(machine.status("/ec/short", ROOT).length).toBe(0);
});
