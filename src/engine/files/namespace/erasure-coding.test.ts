import fc from "fast-check";
import { expect, test } from "vitest";
import {
  ERASURE_POLICIES,
  erasurePolicy,
  groupCapacity,
  groupOf,
  groupSpace,
  shardLength,
  unitOf,
  unitsOf,
} from "./erasure-policy.ts";
import { ANN, ROOT, Trial } from "./namespace.testing.ts";

const MIB = 1024 * 1024;
const RS32 = "RS-3-2-1024k";
const RS63 = "RS-6-3-1024k";
const CODED = erasurePolicy(RS32)!;
const FIVE = ["n1", "n2", "n3", "n1", "n2"];

/** With a directory "/ec" of RS-3-2, and blocks that a coded file may have. */
function withCodedDirectory(): Trial {
  const trial = new Trial({ inlineMaxBytes: 16 });
  trial.do("mkdir", { path: "/ec", mode: 0o755 });
  trial.do("setPolicy", { path: "/ec", policy: "erasureCoding", value: RS32 });
  return trial;
}

/** A coded file of block groups with so many bytes each. */
function writeGroups(trial: Trial, path: string, lengths: readonly number[], blockSize = 2 * MIB): number[] {
  const { status } = trial.do("create", { path, blockSize });
  const ids: number[] = [];
  let previous: { id: number; stamp: number; length: number } | undefined;
  for (const length of lengths) {
    const { block } = trial.do("addBlock", { file: status.id, previous, pipeline: FIVE });
    previous = { ...block, length };
    ids.push(block.id);
  }
  trial.do("complete", { file: status.id, last: previous });
  return ids;
}

/** Lengths of shards and consumed space as HDFS 3.4.1 had them on its disks and in its content summaries: RS-3-2, 2 MiB. */
test.each([
  [10, [10, 0, 0, 10, 10], 30],
  [100_000, [100_000, 0, 0, 100_000, 100_000], 300_000],
  [MIB, [MIB, 0, 0, MIB, MIB], 3_145_728],
  [2_621_440, [MIB, MIB, 524_288, MIB, MIB], 4_718_592],
  [3 * MIB, [MIB, MIB, MIB, MIB, MIB], 5_242_880],
  [7_654_321 - 6 * MIB, [MIB, 314_289, 0, MIB, MIB], 13_945_777 - 10 * MIB],
  [20_000_001 - 18 * MIB, [MIB, 77_057, 0, MIB, MIB], 34_680_065 - 30 * MIB],
])("a group of %d bytes lies as in HDFS", (length, shards, space) => {
  expect(Array.from({ length: 5 }, (_, unit) => shardLength(CODED, length, unit))).toEqual(shards);
  expect(groupSpace(CODED, length)).toBe(space);
});

test("the shards of a group hold all of its bytes and parity for each stripe", () => {
  fc.assert(
    fc.property(fc.constantFrom(...ERASURE_POLICIES), fc.nat(40 * MIB), (policy, length) => {
      const shards = Array.from({ length: unitsOf(policy) }, (_, unit) => shardLength(policy, length, unit));
      const { dataUnits } = policy;
      expect(shards.slice(0, dataUnits).reduce((sum, size) => sum + size, 0)).toBe(length);
      for (const parity of shards.slice(dataUnits)) expect(parity).toBe(shards[0]);
      expect(shards.reduce((sum, size) => sum + size, 0)).toBe(groupSpace(policy, length));
    }),
  );
  expect(groupCapacity(CODED, 2 * MIB + 512)).toBe(6 * MIB);
});

test("files are coded as the nearest directory above says when they are made, and stay so", () => {
  const trial = withCodedDirectory();
  const coding = (path: string): string | undefined => trial.machine.status(path, ROOT).erasureCoding;
  trial.do("put", { path: "/ec/a/b/f", content: "x" });
  expect(coding("/ec/a/b/f")).toBe(RS32);
  expect(coding("/ec/a/b"), "as HDFS says of a directory").toBe(RS32);
  expect(trial.machine.list("/ec", ROOT, "", 10).entries[0]?.erasureCoding).toBe(RS32);
  // Another policy further down, and none.
  trial.do("setPolicy", { path: "/ec/a", policy: "erasureCoding", value: RS63 });
  trial.do("put", { path: "/ec/a/b/g", content: "x" });
  expect([coding("/ec/a/b/f"), coding("/ec/a/b/g")]).toEqual([RS32, RS63]);
  trial.do("setPolicy", { path: "/ec/a/b", policy: "erasureCoding", value: "replication" });
  trial.do("put", { path: "/ec/a/b/h", content: "x", replication: 2 });
  expect(trial.machine.status("/ec/a/b/h", ROOT)).toMatchObject({
    erasureCoding: undefined,
    replication: 2,
  });
  expect(coding("/ec/a/b")).toBeUndefined();
  trial.do("setPolicy", { path: "/ec/a/b", policy: "erasureCoding", value: undefined });
  expect(coding("/ec/a/b")).toBe(RS63);
  // What is moved keeps what it has; what is made in a directory that was moved gets what is above it now.
  trial.do("mkdir", { path: "/plain/d", mode: 0o755 });
  trial.do("rename", { from: "/plain/d", to: "/ec/d" });
  trial.do("put", { path: "/ec/d/new", content: "x" });
  trial.do("rename", { from: "/ec/a/b/f", to: "/plain/f" });
  expect([coding("/ec/d/new"), coding("/plain/f"), coding("/plain")]).toEqual([RS32, RS32, undefined]);
  trial.do("setPolicy", { path: "/ec", policy: "erasureCoding", value: undefined });
  trial.do("put", { path: "/ec/later", content: "x" });
  expect([coding("/ec/later"), coding("/ec/d/new")]).toEqual([undefined, RS32]);
  trial.restored();
});

test("a snapshot says what its directories said", () => {
  const trial = withCodedDirectory();
  trial.do("put", { path: "/ec/d/f", content: "x" });
  trial.do("allowSnapshots", { path: "/ec", allowed: true });
  trial.do("createSnapshot", { path: "/ec", name: "s" });
  trial.do("setPolicy", { path: "/ec", policy: "erasureCoding", value: RS63 });
  expect(trial.machine.status("/ec/.snapshot/s/d", ROOT).erasureCoding).toBe(RS32);
  expect(trial.machine.status("/ec/d", ROOT).erasureCoding).toBe(RS63);
  expect(trial.machine.snapshottable(ROOT)[0]?.status.erasureCoding).toBe(RS63);
});

test("an unknown policy, a file, and a directory of others are refused one", () => {
  const trial = withCodedDirectory();
  const set = { path: "/ec", policy: "erasureCoding" } as const;
  const message = trial.refused("ARGUMENT_INVALID", "setPolicy", { ...set, value: "RS-10-4-1024k" });
  expect(message).toContain("[RS-6-3-1024k, RS-3-2-1024k]");
  trial.do("put", { path: "/ec/f", content: "" });
  trial.refused("FILE_OPERATION_REFUSED", "setPolicy", { ...set, path: "/ec/f", value: RS32 });
  trial.refused("ACCESS_DENIED", "setPolicy", { ...set, caller: ANN, value: RS32 });
});

test("a block group takes sixteen numbers, so that the number of a shard tells its group", () => {
  const trial = withCodedDirectory();
  const [plain] = trial.write("/plain", [100]) as [number];
  const [first, second] = writeGroups(trial, "/ec/f", [6 * MIB, 5]) as [number, number];
  const [after] = trial.write("/after", [100]) as [number];
  expect([first % 16, second - first, after - second]).toEqual([0, 16, 16]);
  const group = { id: first, length: 6 * MIB, replication: 1, open: false, coding: CODED };
  for (let unit = 0; unit < 5; unit++) {
    expect(trial.machine.block(first + unit)).toMatchObject(group);
    expect([groupOf(first + unit), unitOf(first + unit)]).toEqual([first, unit]);
  }
  expect(trial.machine.block(first + 5), "RS-3-2 has no sixth shard").toBeUndefined();
  expect(trial.machine.block(plain)?.coding).toBeUndefined();
  expect([...trial.machine.blocks()].map(({ id }) => id)).toEqual([plain, first, second, after]);
  expect(trial.segments("/ec/f")).toMatchObject([
    { offset: 0, length: 6 * MIB, id: first, coded: { policy: CODED, groupLength: 6 * MIB } },
    { offset: 6 * MIB, length: 5, id: second, coded: { policy: CODED, groupLength: 5 } },
  ]);
  const removed: number[][] = [];
  trial.machine.observer = {
    blockChanged: () => undefined,
    blockRemoved: (id, numbers) => removed.push([id, numbers]),
    pathChanged: () => undefined,
    requestDone: () => undefined,
    configured: () => undefined,
    replaced: () => undefined,
  };
  const copy = trial.restored();
  expect(copy.machine.block(first + 4)).toMatchObject(group);
  trial.do("delete", { path: "/ec/f" });
  trial.do("delete", { path: "/after" });
  trial.settle();
  expect(removed.toSorted((a, b) => a[0]! - b[0]!)).toEqual([
    [first, 16],
    [second, 16],
    [after, 1],
  ]);
});

test("a block group needs as many nodes as it has data shards, and takes no more than it has shards", () => {
  const trial = withCodedDirectory();
  const { status } = trial.do("create", { path: "/ec/f", blockSize: 2 * MIB + 512 });
  expect(status).toMatchObject({ erasureCoding: RS32, replication: 1 });
  const add = { file: status.id, previous: undefined };
  const message = trial.refused("NO_TARGETS", "addBlock", { ...add, pipeline: ["n1", "n2"] });
  expect(message).toBe("a block group of RS-3-2-1024k needs from 3 to 5 nodes, not 2");
  trial.refused("NO_TARGETS", "addBlock", { ...add, pipeline: [...FIVE, "n4"] });
  const added = trial.do("addBlock", { ...add, pipeline: FIVE });
  expect(added, "whole stripes only").toMatchObject({ blockSize: 6 * MIB, replication: 1, coding: CODED });
  const last = { ...added.block, length: 6 * MIB + 1 };
  trial.refused("FILE_OPERATION_REFUSED", "complete", { file: status.id, last });
  trial.do("complete", { file: status.id, last: { ...last, length: 6 * MIB } });
  const small = { path: "/ec/g", blockSize: MIB - 512 };
  trial.do("configure", { settings: { minBlockSize: 512 } });
  expect(trial.refused("ARGUMENT_INVALID", "create", small)).toContain("less than the cell size (1048576)");
});

test("quotas count parity: of what is there, of what is set aside, and of what is kept inline", () => {
  const trial = withCodedDirectory();
  const space = (): number => trial.machine.contentSummary("/ec", ROOT).space;
  trial.do("put", { path: "/ec/small", content: "0123456789" });
  expect(space(), "three times, as HDFS counts").toBe(30);
  trial.do("delete", { path: "/ec/small" });
  writeGroups(trial, "/ec/f", [6 * MIB, 7_654_321 - 6 * MIB]);
  expect(space(), "as HDFS 3.4.1 counted this file").toBe(13_945_777);
  const { status } = trial.do("create", { path: "/ec/open", blockSize: 2 * MIB });
  trial.do("setQuota", { path: "/ec", space: 13_945_777 + 10 * MIB - 1, names: undefined });
  const add = { file: status.id, previous: undefined, pipeline: FIVE };
  trial.refused("SPACE_QUOTA_EXCEEDED", "addBlock", add);
  trial.do("setQuota", { path: "/ec", space: 13_945_777 + 10 * MIB, names: undefined });
  const { block } = trial.do("addBlock", add);
  expect(space()).toBe(13_945_777 + 10 * MIB);
  trial.restored();
  trial.do("complete", { file: status.id, last: { ...block, length: 10 } });
  expect(space()).toBe(13_945_777 + 30);
  trial.do("delete", { path: "/ec/open" });
  trial.do("delete", { path: "/ec/f" });
  expect(space()).toBe(0);
});

test("what would change bytes that parity was made of is refused, whether the file is small or large", () => {
  const trial = withCodedDirectory();
  trial.do("put", { path: "/ec/small", content: "0123456789" });
  writeGroups(trial, "/ec/large", [100]);
  for (const path of ["/ec/small", "/ec/large"]) {
    expect(trial.refused("UNSUPPORTED", "append", { path })).toContain(path);
    trial.refused("UNSUPPORTED", "truncate", { path, length: 3 });
    expect(trial.do("setReplication", { path, replication: 2 }), "as HDFS answers").toBe(false);
    expect(trial.machine.status(path, ROOT).replication).toBe(1);
  }
  trial.refused("UNSUPPORTED", "appendInline", { path: "/ec/small", content: "x" });
  const { status } = trial.do("create", { path: "/ec/open", blockSize: MIB });
  const { block } = trial.do("addBlock", { file: status.id, previous: undefined, pipeline: FIVE });
  trial.refused("UNSUPPORTED", "sync", { file: status.id, block: { ...block, length: 10 } });
  const stamp = trial.do("nextStamp", { file: status.id, block: block.id });
  trial.refused("UNSUPPORTED", "updatePipeline", { file: status.id, block: { ...block, stamp, length: 10 } });
});

test("coded files of one policy are joined, of different ones they are not", () => {
  const trial = withCodedDirectory();
  trial.do("mkdir", { path: "/six", mode: 0o755 });
  trial.do("setPolicy", { path: "/six", policy: "erasureCoding", value: RS63 });
  writeGroups(trial, "/ec/a", [2_621_440]);
  writeGroups(trial, "/ec/b", [3 * MIB]);
  trial.do("put", { path: "/six/c", content: "x", blockSize: MIB });
  trial.do("put", { path: "/plain", content: "x", blockSize: MIB, replication: 1 });
  for (const source of ["/six/c", "/plain"]) {
    const message = trial.refused("ARGUMENT_INVALID", "concat", { path: "/ec/a", sources: [source] });
    expect(message).toContain("different erasure coding policies");
  }
  trial.do("concat", { path: "/ec/a", sources: ["/ec/b"] });
  expect(trial.machine.contentSummary("/ec", ROOT), "as HDFS 3.4.1 counted the two joined").toMatchObject({
    length: 5_767_168,
    space: 9_961_472,
  });
  expect(
    trial
      .restored()
      .segments("/ec/a")
      .map(({ length }) => length),
  ).toEqual([2_621_440, 3 * MIB]);
});

test("a group whose writer is gone ends where the recovery says, and its quota with it", () => {
  const trial = withCodedDirectory();
  const { status } = trial.do("create", { path: "/ec/f", blockSize: 2 * MIB });
  const { block } = trial.do("addBlock", { file: status.id, previous: undefined, pipeline: FIVE });
  trial.do("recoverLease", { path: "/ec/f", holder: "writer", force: false });
  const [open] = [...trial.machine.openFiles()];
  expect(open).toMatchObject({ pipeline: FIVE, block: { id: block.id, length: 0 } });
  const { stamp } = open!.recovery!;
  const finished = { file: status.id, block: block.id, stamp };
  expect(trial.do("finishRecovery", { ...finished, length: 9 * MIB }), "more than it can hold").toBe(false);
  expect(trial.do("finishRecovery", { ...finished, length: 3 * MIB })).toBe(true);
  expect(trial.machine.status("/ec/f", ROOT)).toMatchObject({ open: false, length: 3 * MIB });
  expect(trial.machine.contentSummary("/ec", ROOT).space).toBe(5 * MIB);
  expect(trial.machine.block(block.id)).toMatchObject({ stamp, length: 3 * MIB, open: false });
});
