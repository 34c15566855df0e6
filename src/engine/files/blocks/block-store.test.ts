import { mkdtempSync, readdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Bytes } from "../../../runtime/bytes.ts";
import { NO_BYTES } from "../../../runtime/bytes.ts";
import { openNodeDisk } from "../../../runtime/node/disk.ts";
import { crc32c } from "../../../wire/crc32.ts";
import { errorWith, seededRandom, TestClock } from "../../group/write-ahead-log/crash-disk.testing.ts";
import type { BlockStore, ReadPiece, Replica, ReplicaWriter } from "./block-store.ts";
import { openStoreOn, settled, streamBytes, sumsBehind, TestStore } from "./block-store.testing.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "blocks-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

async function open(): Promise<BlockStore> {
  return openStoreOn(openNodeDisk(directory), new TestClock());
}

async function close(store: BlockStore): Promise<void> {
  return new Promise((resolve) => store.close(resolve));
}

async function put(store: BlockStore, id: number, stamp: number, content: Bytes): Promise<Replica> {
  const writer = await settled<ReplicaWriter>((done) => store.create(id, stamp, "disk", done));
  await settled((done) => writer.write(content, sumsBehind(NO_BYTES, content), done));
  return settled<Replica>((done) => writer.finish(done));
}

test("on a real disk, what was finished is read back in any range, also by the next process", async () => {
  const store = await open();
  const content = streamBytes(1, 0, 300_001);
  await put(store, 3, 5, content);
  for (const [offset, length] of [
    [0, 300_001],
    [511, 2],
    [512, 512],
    [299_999, 10],
    [300_001, 1],
  ] as const) {
    const { bytes, replicaLength } = await settled<ReadPiece>((done) =>
      store.read(3, 5, offset, length, done),
    );
    expect(bytes.equals(content.subarray(offset, offset + length))).toBe(true);
    expect(replicaLength).toBe(300_001);
  }
  await close(store);
  const again = await open();
  expect([...again.list()]).toEqual([{ id: 3, stamp: 5, length: 300_001, state: "finished" }]);
  const { bytes } = await settled<ReadPiece>((done) => again.read(3, 5, 1000, 5000, done));
  expect(bytes.equals(content.subarray(1000, 6000))).toBe(true);
  await close(again);
});

test("the stored checksums are HDFS's: CRC-32C of every 512 bytes, big-endian", async () => {
  const store = await open();
  const content = streamBytes(2, 0, 1300);
  await put(store, 1, 1, content);
  const sums = await settled<Bytes>((done) => store.readChecksums(1, 1, 1300, done));
  expect(sums).toHaveLength(12);
  for (const [at, end] of [
    [0, 512],
    [512, 1024],
    [1024, 1300],
  ] as const) {
    expect(Buffer.from(sums).readUInt32BE((at / 512) * 4)).toBe(crc32c(content.subarray(at, end)));
  }
  const shorter = await settled<Bytes>((done) => store.readChecksums(1, 1, 700, done));
  expect(Buffer.from(shorter).readUInt32BE(4)).toBe(crc32c(content.subarray(512, 700)));
  await close(store);
});

test("a flipped byte is never served: the read fails, and the replica is reported as corrupt", async () => {
  const store = await open();
  const content = streamBytes(3, 0, 5000);
  await put(store, 9, 2, content);
  const told: (Replica | undefined)[] = [];
  store.onChange((replica) => told.push(replica));
  const path = join(directory, "9.block");
  const stored = readFileSync(path);
  stored[2600] = (stored[2600] ?? 0) ^ 4;
  writeFileSync(path, stored);
  await expect(settled((done) => store.read(9, 2, 2000, 1000, done))).rejects.toMatchObject({
    code: "CHECKSUM_MISMATCH",
  });
  expect(told).toMatchObject([{ id: 9, state: "corrupt" }]);
  await expect(settled((done) => store.read(9, 2, 0, 10, done))).rejects.toMatchObject({
    code: "CHECKSUM_MISMATCH",
  });
  await close(store);
});

test("the scrubber comes to every replica and finds the damage that nobody reads", async () => {
  const store = await open();
  for (let id = 1; id <= 5; id++) await put(store, id, 1, streamBytes(id, 0, 2000 * id));
  const path = join(directory, "4.sums");
  const stored = readFileSync(path);
  stored[1024 + 9] = (stored[1024 + 9] ?? 0) ^ 128;
  writeFileSync(path, stored);
  let read = 0;
  for (let round = 0; round < 60 && store.get(4)?.state !== "corrupt"; round++) {
    read += await settled<number>((done) => store.scrub(1024, done));
  }
  expect(store.get(4)?.state).toBe("corrupt");
  expect(read).toBeLessThanOrEqual(40_000);
  expect([1, 2, 3, 5].map((id) => store.get(id)?.state)).toEqual(Array(4).fill("finished"));
  await close(store);
});

test.each(["3.block", "3.sums"])(
  "the scrubber finds that %s was removed, though its descriptor is open",
  async (name) => {
    const store = await open();
    for (let id = 1; id <= 4; id++) await put(store, id, 1, streamBytes(id, 0, 2000));
    await settled((done) => store.read(3, 1, 0, 2000, done));
    unlinkSync(join(directory, name));
    for (let round = 0; round < 60 && store.get(3)?.state !== "corrupt"; round++) {
      await settled<number>((done) => store.scrub(1024, done));
    }
    expect([1, 2, 3, 4].map((id) => store.get(id)?.state)).toEqual([
      "finished",
      "finished",
      "corrupt",
      "finished",
    ]);
    await close(store);
  },
);

test("a damaged record is mended by the scrubber, before the other one is damaged too", async () => {
  const store = await open();
  await put(store, 1, 7, streamBytes(1, 0, 3000));
  for (const at of [20, 512 + 20]) {
    const path = join(directory, "1.sums");
    const stored = readFileSync(path);
    stored[at] = (stored[at] ?? 0) ^ 1;
    writeFileSync(path, stored);
    for (let round = 0; round < 6; round++) await settled<number>((done) => store.scrub(1024, done));
  }
  await close(store);
  const again = await open();
  expect(again.get(1)).toEqual({ id: 1, stamp: 7, length: 3000, state: "finished" });
  await close(again);
});

test("bytes that do not fit their checksums are not written", () => {
  const test = new TestStore();
  const writer = test.call<ReplicaWriter>((done) => test.store.create(1, 1, "disk", done));
  const bytes = streamBytes(1, 0, 600);
  const sums = sumsBehind(NO_BYTES, bytes);
  sums[5] = (sums[5] ?? 0) ^ 1;
  expect(() => test.call((done) => writer.write(bytes, sums, done))).toThrow("checksums");
  test.call((done) => writer.write(bytes, sumsBehind(NO_BYTES, bytes), done));
  test.call((done) => writer.finish(done));
  expect(test.bytesOf(1).equals(bytes)).toBe(true);
});

test("a replica with an older stamp is replaced, one with the same or a later stamp is not", () => {
  const test = new TestStore();
  test.put(1, 5, streamBytes(1, 0, 100));
  for (const stamp of [4, 5]) {
    expect(() => test.call((done) => test.store.create(1, stamp, "disk", done))).toThrow("stamp 5");
  }
  test.put(1, 6, streamBytes(2, 0, 50));
  expect(test.store.get(1)).toEqual({ id: 1, stamp: 6, length: 50, state: "finished" });
  expect(() => test.call((done) => test.store.read(1, 7, 0, 1, done))).toThrow("stale");
});

test("a second writer makes the first one fail, and bytes of the first do not come through", () => {
  const test = new TestStore();
  const first = test.call<ReplicaWriter>((done) => test.store.create(1, 1, "disk", done));
  const bytes = streamBytes(1, 0, 700);
  test.call((done) => first.write(bytes, sumsBehind(NO_BYTES, bytes), done));
  test.call((done) => first.sync(done));
  const second = test.call<ReplicaWriter>((done) => test.store.reopen(1, 2, 600, "disk", done));
  expect(() => test.call((done) => first.write(bytes, sumsBehind(bytes, bytes), done))).toThrow("stopped");
  const more = streamBytes(2, 600, 500);
  test.call((done) => second.write(more, sumsBehind(bytes.subarray(0, 600), more), done));
  test.call((done) => second.finish(done));
  expect(test.bytesOf(1).equals(Buffer.concat([bytes.subarray(0, 600), more]))).toBe(true);
  expect(test.disk.openFiles).toBeLessThanOrEqual(2);
});

test("an attempt at recovery that is older than another is refused, also after a restart", () => {
  const test = new TestStore();
  test.put(1, 3, streamBytes(1, 0, 1000));
  expect(test.call((done) => test.store.beginRecovery(1, 8, done))).toEqual({
    id: 1,
    stamp: 3,
    length: 1000,
    state: "finished",
  });
  const again = new TestStore(test.disk.image());
  expect(again.store.get(1)?.state).toBe("recovering");
  expect(() => again.call((done) => again.store.beginRecovery(1, 7, done))).toThrow("later recovery");
  expect(() => again.call((done) => again.store.reopen(1, 7, 500, "disk", done))).toThrow("newer");
  expect(() => again.call((done) => again.store.finishRecovery(1, 7, 500, undefined, done))).toThrow(
    "not begun",
  );
  again.call((done) => again.store.finishRecovery(1, 8, 600, undefined, done));
  expect(again.store.get(1)).toEqual({ id: 1, stamp: 8, length: 600, state: "finished" });
  expect(again.bytesOf(1).equals(streamBytes(1, 0, 600))).toBe(true);
});

test("a block that a snapshot names is copied when it is cut, and stays as it was", () => {
  const test = new TestStore();
  test.put(1, 3, streamBytes(1, 0, 1000));
  test.call((done) => test.store.beginRecovery(1, 8, done));
  test.call((done) => test.store.finishRecovery(1, 8, 700, 2, done));
  expect([...test.store.list()]).toEqual([
    { id: 1, stamp: 3, length: 1000, state: "finished" },
    { id: 2, stamp: 8, length: 700, state: "finished" },
  ]);
  expect(test.bytesOf(2).equals(streamBytes(1, 0, 700))).toBe(true);
});

test("a full disk gives DISK_FULL, keeps what was synced, and leaves nothing half made", () => {
  const test = new TestStore();
  const writer = test.call<ReplicaWriter>((done) => test.store.create(1, 1, "disk", done));
  const bytes = streamBytes(1, 0, 512);
  test.call((done) => writer.write(bytes, sumsBehind(NO_BYTES, bytes), done));
  test.call((done) => writer.sync(done));
  test.disk.inject = ({ type }) => (type === "write" ? errorWith("ENOSPC") : undefined);
  const more = streamBytes(1, 512, 512);
  expect(() => test.call((done) => writer.write(more, sumsBehind(bytes, more), done))).toThrow("no space");
  expect(() => test.call((done) => test.store.create(2, 1, "disk", done))).toThrow("no space");
  expect(test.disk.list()).toEqual(["1.block", "1.sums"]);
  test.disk.inject = ({ type, ...rest }) =>
    type === "create" && "name" in rest && rest.name === "3.sums" ? errorWith("ENOSPC") : undefined;
  expect(() => test.call((done) => test.store.create(3, 1, "disk", done))).toThrow("no space");
  expect(test.disk.list()).toEqual(["1.block", "1.sums"]);
  test.disk.inject = () => undefined;
  expect([...test.store.list()]).toEqual([{ id: 1, stamp: 1, length: 512, state: "writing" }]);
  expect(test.bytesOf(1).equals(bytes)).toBe(true);
  test.disk.capacityBytes = 0;
  expect(() => test.call((done) => test.store.create(4, 1, "disk", done))).toThrow("no space is left");
});

test("a disk that became full keeps what was written before, though nobody had it synced", () => {
  const begun = (): { readonly test: TestStore; readonly writer: ReplicaWriter; readonly bytes: Bytes } => {
    const test = new TestStore();
    const writer = test.call<ReplicaWriter>((done) => test.store.create(1, 1, "disk", done));
    const bytes = streamBytes(1, 0, 700);
    test.call((done) => writer.write(bytes, sumsBehind(NO_BYTES, bytes), done));
    return { test, writer, bytes };
  };
  const more = streamBytes(1, 700, 512);
  const goOn = ({ test, writer, bytes }: ReturnType<typeof begun>): void => {
    expect(() => test.call((done) => writer.write(more, sumsBehind(bytes, more), done))).toThrow("no space");
  };
  const isOfBytes = (operation: Parameters<TestStore["disk"]["inject"]>[0]): boolean =>
    operation.type === "write" && operation.bytes.equals(more);
  const kept = begun();
  kept.test.disk.inject = (operation) => (isOfBytes(operation) ? errorWith("ENOSPC") : undefined);
  goOn(kept);
  expect(kept.test.store.get(1)).toEqual({ id: 1, stamp: 1, length: 700, state: "writing" });
  expect(kept.test.bytesOf(1).equals(kept.bytes)).toBe(true);
  const { disk } = kept.test;
  for (let seed = 1; seed <= 20; seed++) {
    const after = new TestStore(disk.crashed(disk.events.length, true, seededRandom(seed), 0.5));
    expect(after.bytesOf(1).equals(kept.bytes)).toBe(true);
    const again = after.call<ReplicaWriter>((done) => after.store.reopen(1, 2, 700, "disk", done));
    after.call((done) => again.write(more, sumsBehind(kept.bytes, more), done));
    after.call((done) => again.finish(done));
    expect(after.bytesOf(1).equals(streamBytes(1, 0, 1212))).toBe(true);
  }
  // Where not even that fits, the replica is what it was, and is not distrusted.
  for (const type of ["write", "sync"] as const) {
    const lost = begun();
    lost.test.disk.inject = (operation) =>
      isOfBytes(operation) || operation.type === type ? errorWith("ENOSPC") : undefined;
    goOn(lost);
    expect(lost.test.store.get(1)).toEqual({ id: 1, stamp: 1, length: 0, state: "writing" });
  }
  // Of another error nobody knows what it spoilt.
  const broken = begun();
  broken.test.disk.inject = (operation) => (isOfBytes(operation) ? errorWith("EIO") : undefined);
  expect(() =>
    broken.test.call((done) => broken.writer.write(more, sumsBehind(broken.bytes, more), done)),
  ).toThrow("EIO");
  expect(broken.test.store.get(1)?.length).toBe(0);
});

test("after a sync that failed the replica is not trusted", () => {
  const test = new TestStore();
  const writer = test.call<ReplicaWriter>((done) => test.store.create(1, 1, "disk", done));
  const bytes = streamBytes(1, 0, 512);
  test.call((done) => writer.write(bytes, sumsBehind(NO_BYTES, bytes), done));
  test.disk.inject = ({ type }) => (type === "sync" ? errorWith("EIO") : undefined);
  expect(() => test.call((done) => writer.sync(done))).toThrow("EIO");
  expect(test.store.get(1)?.state).toBe("corrupt");
});

test("what a deletion or creation left half done is removed at the next start", async () => {
  writeFileSync(join(directory, "5.block"), "orphan");
  writeFileSync(join(directory, "6.sums"), "orphan");
  writeFileSync(join(directory, "7.block"), "");
  writeFileSync(join(directory, "7.sums"), Buffer.alloc(1024));
  writeFileSync(join(directory, "notes.txt"), "someone else's");
  const store = await open();
  await put(store, 8, 1, streamBytes(1, 0, 10));
  await settled((done) => store.delete(8, done));
  await settled((done) => store.delete(8, done));
  expect(readdirSync(directory)).toEqual(["notes.txt"]);
  await close(store);
});

test("an unreadable sector is damage, one failed read is not", () => {
  const test = new TestStore();
  test.put(1, 1, streamBytes(1, 0, 4096));
  let failures = 1;
  test.disk.inject = ({ type }) => (type === "read" && failures-- > 0 ? errorWith("EIO") : undefined);
  test.call((done) => test.store.read(1, 1, 0, 4096, done));
  expect(test.store.get(1)?.state).toBe("finished");
  failures = 10;
  expect(() => test.call((done) => test.store.read(1, 1, 0, 4096, done))).toThrow("EIO");
  expect(test.store.get(1)?.state).toBe("corrupt");
});

test("a store that was closed changes nothing any more: its directory may have been opened anew", () => {
  const old = new TestStore();
  const content = streamBytes(1, 0, 4096);
  old.put(1, 1, content);
  old.call<void>((done) => old.store.close(() => done(undefined, undefined)));
  expect(() => old.call((done) => old.store.delete(1, done))).toThrow("stopping");
  expect(() => old.call((done) => old.store.create(2, 1, "disk", done))).toThrow("stopping");
  const next = new TestStore(old.disk.image());
  expect(next.bytesOf(1).equals(content)).toBe(true);
});

test("readers that come at the same time share the files of a replica", () => {
  const before = new TestStore();
  const content = streamBytes(1, 0, 9000);
  before.put(1, 1, content);
  const test = new TestStore(before.disk.image());
  let opened = 0;
  const open = test.disk.open.bind(test.disk);
  test.disk.open = (name, done) => {
    opened++;
    open(name, done);
  };
  const read: Bytes[] = [];
  for (const from of [0, 3000, 6000]) {
    test.store.read(1, 1, from, 3000, (_, piece) => read.push(piece!.bytes));
  }
  test.clock.run(test.disk);
  expect(Buffer.concat(read).equals(content)).toBe(true);
  expect(opened).toBe(2);
});
