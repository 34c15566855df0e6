import { expect, test } from "vitest";
import type { Bytes } from "../../../runtime/bytes.ts";
import type { QuorateError } from "../../../runtime/errors.ts";
import { streamBytes } from "../blocks/block-store.testing.ts";
import type { SimulatedLog } from "../../../simulation/files/simulated-log.ts";
import { FilesCluster, ROOT } from "../../../simulation/files/files-cluster.ts";

test("a small file is one entry of the log, a large one blocks of as many replicas; both read back at any node", async () => {
  const cluster = await new FilesCluster(1).ready();
  const small = streamBytes(1, 0, 1000);
  const large = streamBytes(2, 0, 200_000);
  const entries = (): number => (cluster.log as SimulatedLog).entries.length;
  const before = entries();
  await cluster.write("/d/small", small);
  expect(entries() - before).toBe(1);
  await cluster.write("/d/large", large, "n2");
  expect(cluster.segments("/d/small")).toMatchObject([{ type: "inline", length: 1000 }]);
  expect(cluster.segments("/d/large", "n2").map(({ length }) => length)).toEqual([65536, 65536, 65536, 3392]);
  for (const block of cluster.blocks("/d/large")) expect(cluster.holders(block)).toHaveLength(3);
  for (const at of cluster.ids) {
    expect((await cluster.read("/d/small", at)).equals(small)).toBe(true);
    expect((await cluster.read("/d/large", at)).equals(large)).toBe(true);
  }
  const range = await cluster.read("/d/large", "n3", { offset: 65_000, length: 2_000 });
  expect(range.equals(large.subarray(65_000, 67_000))).toBe(true);
});

test("who comes before the file system is founded waits for it, and then is who it was founded by", async () => {
  const cluster = new FilesCluster(1, { settings: { superuser: "ann" } });
  await cluster.until(() => cluster.nodes.size === cluster.ids.length, "the nodes run");
  expect(cluster.ids.map((id) => cluster.node(id).key())).toEqual(cluster.ids.map(() => undefined));
  const ann = { user: "ann", groups: [] };
  const mkdir = { type: "mkdir", path: "/d", mode: 0o755, unmaskedMode: undefined, caller: ann } as const;
  const asked = cluster.files("n2").status("/", ann);
  await cluster.of(cluster.files("n1").change({ ...mkdir, createParents: true }));
  expect(await cluster.of(asked)).toMatchObject({ owner: "ann" });
  expect(await cluster.of(cluster.files("n3").status("/d", ann))).toMatchObject({ owner: "ann" });
});

test("what a file would be refused with is told without beginning one", async () => {
  const cluster = await new FilesCluster(1).ready();
  await cluster.write("/f", streamBytes(1, 0, 10));
  const entries = (): number => (cluster.log as SimulatedLog).entries.length;
  const before = entries();
  const refused = (path: string, options?: object): Promise<unknown> =>
    cluster.of(cluster.files("n2").checkCreate(path, ROOT, options)).then(
      () => undefined,
      (error: unknown) => (error as QuorateError).code,
    );
  expect(await refused("/d/new")).toBeUndefined();
  expect(await refused("/f", { overwrite: true })).toBeUndefined();
  expect(await refused("/f")).toBe("PATH_EXISTS");
  expect(await refused("/d/new", { createParents: false })).toBe("PATH_NOT_FOUND");
  expect(await refused("/new", { blockSize: 100 })).toBe("ARGUMENT_INVALID");
  expect(entries()).toBe(before);
});

test("what is refused before the log leaves no entry in it, and nothing changed", async () => {
  const cluster = await new FilesCluster(1).ready();
  for (const path of ["/a", "/b", "/d/f"]) await cluster.write(path, streamBytes(1, 0, 10));
  const files = cluster.files("n2");
  const link = { type: "symlink", caller: ROOT, createParents: true } as const;
  await cluster.of(files.change({ ...link, path: "/l", target: "/d" }));
  const entries = (): number => (cluster.log as SimulatedLog).entries.length;
  const before = entries();
  const codeOf = (change: Promise<unknown>): Promise<string | undefined> =>
    cluster.of(change).then(
      () => undefined,
      (error: unknown) => (error as QuorateError).code,
    );
  expect(await codeOf(files.change({ ...link, path: "/m", target: "a\nb" }))).toBe("PATH_INVALID");
  const publish = {
    type: "publish",
    caller: ROOT,
    expected: [],
    overwrite: true,
    createParents: false,
  } as const;
  const moves = [
    { from: "/a", to: "/d/f" },
    { from: "/b", to: "/l/f" },
  ];
  expect(await codeOf(files.change({ ...publish, moves }))).toBe("ARGUMENT_INVALID");
  expect(entries()).toBe(before);
  await cluster.of(files.change({ ...publish, moves: [moves[0]!, { from: "/b", to: "/l/g" }] }));
  expect(entries()).toBe(before + 1);
  // Now it leads elsewhere, and n3 need not have heard of it.
  await cluster.of(files.change({ type: "delete", caller: ROOT, path: "/l", recursive: false }));
  await cluster.of(
    files.change({
      type: "mkdir",
      caller: ROOT,
      path: "/l",
      mode: 0o755,
      unmaskedMode: undefined,
      createParents: false,
    }),
  );
  const again = [
    { from: "/d/f", to: "/d/x" },
    { from: "/d/g", to: "/l/x" },
  ];
  await cluster.of(cluster.files("n3").change({ ...publish, moves: again }));
  expect(await codeOf(files.status("/l/x", ROOT))).toBeUndefined();
});

test("a closed writer takes no more, and its file stays as it is", async () => {
  const cluster = await new FilesCluster(1).ready();
  const writer = await cluster.of(cluster.files().create("/f", ROOT));
  await cluster.put(writer, streamBytes(1, 0, 10));
  await cluster.of(writer.close());
  const late = cluster.of(writer.write(streamBytes(1, 10, 10)));
  await expect(late).rejects.toMatchObject({ code: "LEASE_LOST", message: "the file is closed" });
  await expect(cluster.of(writer.close())).rejects.toMatchObject({ code: "LEASE_LOST" });
  await cluster.of(writer.abort());
  expect((await cluster.read("/f", "n2")).equals(streamBytes(1, 0, 10))).toBe(true);
});

test("an append goes on where the file ends, in the namespace or in the last block", async () => {
  const cluster = await new FilesCluster(2).ready();
  const whole = streamBytes(3, 0, 150_000);
  let length = 0;
  for (const [piece, at] of [
    [600, "n1"],
    [300, "n2"],
    [5_000, "n3"],
    [1, "n4"],
    [100_000, "n1"],
    [44_099, "n2"],
  ] as const) {
    const writer = await cluster.of(
      length === 0 ? cluster.files(at).create("/f", ROOT) : cluster.files(at).append("/f", ROOT),
    );
    expect(writer.position).toBe(length);
    await cluster.put(writer, whole.subarray(length, length + piece));
    const status = await cluster.of(writer.close());
    length += piece;
    expect(status.length).toBe(length);
    expect((await cluster.read("/f", "n4")).equals(whole.subarray(0, length))).toBe(true);
  }
  expect(cluster.blocks("/f", "n2")).toHaveLength(3);
});

test("what was synced is read by others while the file is still written; what was not is not", async () => {
  const cluster = await new FilesCluster(3).ready();
  const content = streamBytes(4, 0, 100_000);
  const writer = await cluster.of(cluster.files().create("/f", ROOT));
  await cluster.put(writer, content.subarray(0, 30_000));
  await cluster.of(writer.sync());
  await cluster.put(writer, content.subarray(30_000, 40_000));
  expect((await cluster.read("/f", "n3")).equals(content.subarray(0, 30_000))).toBe(true);
  expect(await cluster.of(cluster.files("n2").status("/f", ROOT))).toMatchObject({
    length: 30_000,
    open: true,
  });
  const second = cluster.files("n2").append("/f", ROOT);
  await expect(cluster.of(second)).rejects.toMatchObject({ code: "BEING_WRITTEN" });
  await cluster.put(writer, content.subarray(40_000));
  await cluster.of(writer.close());
  expect((await cluster.read("/f", "n4")).equals(content)).toBe(true);
});

test("a writer that gives up leaves nothing of a new file, and an appended one as it was", async () => {
  const cluster = await new FilesCluster(4).ready();
  const before = streamBytes(5, 0, 70_000);
  const writer = await cluster.of(cluster.files().create("/new", ROOT));
  await cluster.put(writer, before);
  await cluster.of(writer.abort());
  await expect(cluster.of(writer.write(before))).rejects.toMatchObject({ code: "LEASE_LOST" });
  await expect(cluster.of(cluster.files("n2").status("/new", ROOT))).rejects.toMatchObject({
    code: "PATH_NOT_FOUND",
  });
  await cluster.write("/old", before);
  const appender = await cluster.of(cluster.files("n3").append("/old", ROOT));
  await cluster.put(appender, streamBytes(6, 0, 100_000));
  await cluster.of(appender.abort());
  const isClosed = (): boolean => !cluster.log.machine("n1").status("/old", ROOT).open;
  await cluster.until(isClosed, "the append is cut away");
  expect((await cluster.read("/old", "n2")).equals(before)).toBe(true);
  await cluster.until(() => cluster.log.machine("n1").statistics().blocks === 2, "the blocks go");
  const held = (): number =>
    cluster.ids.reduce((sum, id) => sum + [...cluster.node(id).store.list()].length, 0);
  await cluster.until(() => held() === 6, "the replicas go");
});

test("lent memory is given back when the next bytes are asked for, and all of it when the reader leaves", async () => {
  const cluster = await new FilesCluster(1, { settings: { blockSize: 16 << 20 } }).ready();
  const content = streamBytes(5, 0, 24_000_000);
  await cluster.write("/f", content);
  const [block] = cluster.blocks("/f");
  const at = cluster.holders(block ?? 0)[0] ?? "";
  for (const pieces of [1, 2, 4, 5]) {
    const reader = await cluster.of(cluster.files(at).read("/f", ROOT, { mayLend: true }));
    const iterator = reader[Symbol.asyncIterator]();
    let sum = 0;
    for (let k = 0; k < pieces; k++) {
      const { value } = await cluster.of(iterator.next());
      const bytes = value as Bytes;
      // Others are read meanwhile.
      await cluster.run(100);
      expect(bytes.equals(content.subarray(sum, sum + bytes.length))).toBe(true);
      sum += bytes.length;
    }
    expect(cluster.lent).toBeGreaterThan(1);
    await cluster.of(Promise.resolve(iterator.return?.()));
    expect(cluster.lent).toBe(0);
  }
});
