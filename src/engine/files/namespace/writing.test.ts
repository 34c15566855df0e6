import { expect, test } from "vitest";
import { FIRST_BLOCK_ID } from "./state.ts";
import { ANN, BOB, ROOT, SMALL, Trial } from "./namespace.testing.ts";

const RECOVERY = (trial: Trial): { file: number; block: number; stamp: number } => {
  const [open] = [...trial.machine.openFiles()];
  return { file: open!.id, block: open!.recovery!.block.id, stamp: open!.recovery!.stamp };
};

test("a file grows block by block, shows what was acknowledged, and is closed by its writer alone", () => {
  const trial = new Trial();
  const { status } = trial.do("create", { path: "/f", mode: 0o600 });
  expect(status).toMatchObject({ open: true, length: 0 });
  const first = trial.do("addBlock", { file: status.id, previous: undefined });
  expect(first).toMatchObject({ offset: 0, replication: 3, blockSize: 1024, pipeline: ["n1", "n2", "n3"] });
  expect(first.block).toEqual({ id: FIRST_BLOCK_ID, stamp: 1001, length: 0 });
  trial.do("sync", { file: status.id, block: { ...first.block, length: 700 } });
  expect(trial.segments("/f")).toEqual([
    { type: "block", offset: 0, length: 700, id: FIRST_BLOCK_ID, stamp: 1001, replication: 3, open: true },
  ]);
  const second = trial.do("addBlock", { file: status.id, previous: { ...first.block, length: 1024 } });
  expect(second.offset).toBe(1024);
  trial.refused("LEASE_LOST", "complete", { file: status.id, holder: "other", last: undefined });
  trial.refused("FILE_OPERATION_REFUSED", "complete", { file: status.id, last: undefined });
  trial.refused("FILE_OPERATION_REFUSED", "complete", {
    file: status.id,
    last: { ...second.block, length: 1025 },
  });
  const closed = trial.do("complete", { file: status.id, last: { ...second.block, length: 10 } });
  expect(closed).toMatchObject({ open: false, length: 1034 });
  trial.refused("LEASE_LOST", "addBlock", { file: status.id, previous: { ...second.block, length: 10 } });
  expect(trial.machine.contentSummary("/", ROOT)).toMatchObject({ length: 1034, space: 3102 });
  trial.restored();
});

test("adding a block again answers with the block that is there", () => {
  const trial = new Trial();
  const { status } = trial.do("create", { path: "/f" });
  const first = trial.do("addBlock", { file: status.id, previous: undefined });
  expect(trial.do("addBlock", { file: status.id, previous: undefined, pipeline: ["n9"] })).toEqual(first);
  const full = { ...first.block, length: 1024 };
  const second = trial.do("addBlock", { file: status.id, previous: full });
  expect(trial.do("addBlock", { file: status.id, previous: full })).toEqual(second);
  expect(trial.machine.statistics().blocks).toBe(2);
  trial.refused("FILE_OPERATION_REFUSED", "addBlock", { file: status.id, previous: undefined });
});

test("a block without a pipeline is taken back, one with acknowledged bytes is not", () => {
  const trial = new Trial();
  const { status } = trial.do("create", { path: "/f" });
  const { block } = trial.do("addBlock", { file: status.id, previous: undefined });
  trial.do("abandonBlock", { file: status.id, block: block.id });
  expect(trial.machine.block(block.id)).toBeUndefined();
  const next = trial.do("addBlock", { file: status.id, previous: undefined }).block;
  expect(next.id).toBe(block.id + 1);
  trial.do("sync", { file: status.id, block: { ...next, length: 1 } });
  trial.refused("FILE_OPERATION_REFUSED", "abandonBlock", { file: status.id, block: next.id });
  trial.do("complete", { file: status.id, last: { ...next, length: 1 } });
});

test("after a failed node the pipeline goes on under a later stamp, and older ones are refused", () => {
  const trial = new Trial();
  const { status } = trial.do("create", { path: "/f" });
  const { block } = trial.do("addBlock", { file: status.id, previous: undefined });
  const stamp = trial.do("nextStamp", { file: status.id, block: block.id });
  expect(stamp).toBeGreaterThan(block.stamp);
  expect(trial.machine.block(block.id)?.stamp).toBe(block.stamp);
  const gone = { ...block, stamp, length: 100 };
  trial.do("updatePipeline", { file: status.id, block: gone, pipeline: ["n1", "n3"] });
  expect(trial.machine.block(block.id)).toMatchObject({ stamp, length: 100, open: true });
  expect([...trial.machine.openFiles()][0]).toMatchObject({ pipeline: ["n1", "n3"] });
  trial.refused("FILE_OPERATION_REFUSED", "complete", { file: status.id, last: { ...block, length: 200 } });
  trial.refused("FILE_OPERATION_REFUSED", "updatePipeline", { file: status.id, block: gone });
  trial.refused("FILE_OPERATION_REFUSED", "updatePipeline", {
    file: status.id,
    block: { ...gone, stamp: stamp + 9 },
  });
  trial.do("complete", { file: status.id, last: { ...gone, length: 200 } });
});

test("one writer at a time: appends wait for it, deleting and replacing the file end its lease", () => {
  const trial = new Trial();
  const { status } = trial.do("create", { path: "/f", mode: 0o666 });
  trial.refused("BEING_WRITTEN", "append", { path: "/f", holder: "other" });
  trial.refused("BEING_WRITTEN", "appendInline", { path: "/f", content: "x" });
  trial.refused("BEING_WRITTEN", "truncate", { path: "/f", length: 0 });
  trial.do("rename", { from: "/f", to: "/g" });
  const { block } = trial.do("addBlock", { file: status.id, previous: undefined });
  trial.do("mkdir", { path: "/d", mode: 0o755 });
  trial.do("rename", { from: "/g", to: "/d/g" });
  trial.do("rename", { from: "/d", to: "/e" });
  trial.do("sync", { file: status.id, block: { ...block, length: 5 } });
  expect(trial.machine.status("/e/g", ROOT).length).toBe(5);
  trial.restored();
  trial.do("delete", { path: "/e" });
  trial.refused("LEASE_LOST", "complete", { file: status.id, last: { ...block, length: 5 } });
  const second = trial.do("create", { path: "/x" }).status;
  const third = trial.do("create", { path: "/x", existing: "replace", holder: "other" }).status;
  trial.do("complete", { file: third.id, holder: "other", last: undefined });
  trial.refused("LEASE_LOST", "complete", { file: second.id, last: undefined });
  trial.settle();
  expect(trial.machine.statistics().blocks).toBe(0);
});

test("an append goes on in the last block under a new stamp, or begins one when it is full", () => {
  const trial = new Trial();
  const [first] = trial.write("/f", [100]);
  const opened = trial.do("append", { path: "/f", pipeline: ["n1"] });
  expect(opened.block).toMatchObject({ id: first, length: 100 });
  expect(opened.block!.stamp).toBeGreaterThan(1001);
  expect(trial.machine.block(first!)?.stamp, "replicas stay readable until the pipeline is there").toBe(1001);
  const { id, stamp } = opened.block!;
  trial.do("updatePipeline", { file: opened.status.id, block: { id, stamp, length: 100 } });
  trial.refused("FILE_OPERATION_REFUSED", "sync", {
    file: opened.status.id,
    block: { id, stamp, length: 99 },
  });
  trial.do("complete", { file: opened.status.id, last: { id, stamp, length: 1024 } });
  const again = trial.do("append", { path: "/f" });
  expect(again.block).toBeUndefined();
  const next = trial.do("addBlock", { file: again.status.id, previous: undefined });
  expect(next.offset).toBe(1024);
  trial.do("complete", { file: again.status.id, last: { ...next.block, length: 1 } });
  expect(trial.machine.status("/f", ROOT).length).toBe(1025);
});

test("a small file grows in the namespace, and what outgrows it moves into a block without ever missing a byte", () => {
  const trial = new Trial();
  trial.do("put", { path: "/f", content: "0123456789" });
  trial.do("appendInline", { path: "/f", content: "abcdef" });
  trial.refused("FILE_OPERATION_REFUSED", "appendInline", { path: "/f", content: "g" });
  trial.refused("FILE_OPERATION_REFUSED", "put", { path: "/g", content: "x".repeat(17) });
  const opened = trial.do("append", { path: "/f" });
  expect(opened.inline).toBe("0123456789abcdef");
  const { block, offset } = trial.do("addBlock", { file: opened.status.id, previous: undefined });
  expect(offset).toBe(0);
  expect(trial.shape("/f")).toBe("0123456789abcdef");
  trial.refused("FILE_OPERATION_REFUSED", "sync", {
    file: opened.status.id,
    block: { ...block, length: 15 },
  });
  trial.restored();
  trial.do("sync", { file: opened.status.id, block: { ...block, length: 20 } });
  expect(trial.shape("/f")).toBe(`<${block.id}:20>`);
  trial.do("complete", { file: opened.status.id, last: { ...block, length: 30 } });
  expect(trial.machine.status("/f", ROOT)).toMatchObject({ length: 30, open: false });
  trial.restored();
});

test("a writer that puts nothing behind a small file leaves it as it was", () => {
  const trial = new Trial();
  trial.do("put", { path: "/f", content: "abc" });
  const opened = trial.do("append", { path: "/f" });
  const { block } = trial.do("addBlock", { file: opened.status.id, previous: undefined });
  trial.do("complete", { file: opened.status.id, last: block });
  expect(trial.shape("/f")).toBe("abc");
  expect(trial.machine.statistics().blocks).toBe(0);
});

test("a silent writer loses its lease: to another after the soft limit, to the leader after the hard one", () => {
  const trial = new Trial();
  const { status } = trial.do("create", { path: "/f", mode: 0o666 });
  const { block } = trial.do("addBlock", { file: status.id, previous: undefined });
  trial.do("sync", { file: status.id, block: { ...block, length: 50 } });
  trial.pass(59_000);
  trial.refused("BEING_WRITTEN", "recoverLease", { path: "/f", caller: BOB, holder: "b", force: false });
  trial.refused("ACCESS_DENIED", "recoverLease", { path: "/f", caller: BOB, holder: "b", force: true });
  expect(trial.do("renewLease", { holder: "writer" })).toBe(1);
  trial.pass(59_000);
  trial.refused("BEING_WRITTEN", "recoverLease", { path: "/f", caller: BOB, holder: "b", force: false });
  trial.pass(2_000);
  const begun = trial.do("recoverLease", { path: "/f", caller: BOB, holder: "b", force: false });
  expect(begun).toMatchObject({ closed: false, recovery: { block: { id: block.id, length: 50 } } });
  trial.refused("LEASE_LOST", "complete", { file: status.id, last: { ...block, length: 60 } });
  trial.refused("LEASE_RECOVERING", "append", { path: "/f" });
  const { stamp } = begun.recovery!;
  const ended = { file: status.id, block: block.id, stamp };
  expect(trial.do("finishRecovery", { ...ended, stamp: stamp - 1, length: 70 })).toBe(false);
  expect(trial.do("finishRecovery", { ...ended, length: 49 }), "acknowledged bytes are not given up").toBe(
    false,
  );
  expect(trial.do("finishRecovery", { ...ended, length: 70 })).toBe(true);
  expect(trial.do("finishRecovery", { ...ended, length: 70 })).toBe(false);
  expect(trial.machine.status("/f", ROOT)).toMatchObject({ length: 70, open: false });
  expect(trial.machine.block(block.id)).toMatchObject({ stamp, open: false });
  expect(trial.do("recoverLease", { path: "/f", holder: undefined, force: true })).toMatchObject({
    closed: true,
  });
});

test("the leader closes what was left for the hard limit, and tries again what came to nothing", () => {
  const trial = new Trial({ ...SMALL, leaseHardMs: 90_000 });
  trial.do("create", { path: "/empty" });
  const { status } = trial.do("create", { path: "/f", holder: "second" });
  const { block } = trial.do("addBlock", { file: status.id, holder: "second", previous: undefined });
  expect(trial.machine.upkeep(trial.pass(80_000).timeMs)).toBeUndefined();
  const upkeep = trial.machine.upkeep(trial.pass(11_000).timeMs);
  expect(trial.machine.decode(upkeep!)).toMatchObject({ type: "expireLeases" });
  expect(trial.machine.upkeep(trial.timeMs), "one at a time").toBeUndefined();
  expect(trial.do("expireLeases", { limit: 100 })).toBe(2);
  expect(trial.machine.status("/empty", ROOT).open).toBe(false);
  const { stamp } = RECOVERY(trial);
  expect(trial.machine.upkeep(trial.timeMs)).toBeUndefined();
  expect(trial.machine.upkeep(trial.pass(26_000).timeMs)).toBeDefined();
  trial.do("expireLeases", { limit: 100 });
  const second = RECOVERY(trial);
  expect(second.stamp).toBeGreaterThan(stamp);
  expect(trial.do("finishRecovery", { ...second, stamp, length: 3 })).toBe(false);
  trial.restored();
  expect(trial.do("finishRecovery", { ...second, length: undefined })).toBe(true);
  expect(trial.machine.status("/f", ROOT)).toMatchObject({ length: 0, open: false });
  expect(trial.machine.block(block.id)).toBeUndefined();
});

test("of a holder that is gone every file is closed or recovered at once, of one that gave a sign meanwhile none", () => {
  const trial = new Trial(SMALL);
  trial.do("create", { path: "/empty", holder: "gone" });
  const { status } = trial.do("create", { path: "/f", holder: "gone" });
  const { block } = trial.do("addBlock", { file: status.id, holder: "gone", previous: undefined });
  trial.do("sync", { file: status.id, holder: "gone", block: { ...block, length: 40 } });
  trial.do("create", { path: "/other", holder: "lives" });
  const holders = ["gone", "nobody", ""];
  trial.pass(9_000).do("renewLease", { holder: "gone" });
  expect(trial.pass(9_000).do("endLeases", { holders, silentMs: 10_000 })).toBe(0);
  expect(trial.pass(1_000).do("endLeases", { holders, silentMs: 10_000 })).toBe(2);
  expect(trial.do("endLeases", { holders, silentMs: 0 }), "what is being recovered goes on").toBe(0);
  expect(trial.machine.status("/empty", ROOT).open).toBe(false);
  expect(trial.machine.status("/other", ROOT).open).toBe(true);
  trial.refused("LEASE_LOST", "addBlock", {
    file: status.id,
    holder: "gone",
    previous: { ...block, length: 60 },
  });
  expect(trial.do("finishRecovery", { ...RECOVERY(trial), length: 45 })).toBe(true);
  expect(trial.machine.status("/f", ROOT)).toMatchObject({ length: 45, open: false });
});

test("a writer that died while a small file moved into a block loses nothing of it", () => {
  for (const [length, shape] of [
    [undefined, "abcdef"],
    [3, "abcdef"],
    [6, "block"],
    [9, "block"],
  ] as const) {
    const trial = new Trial();
    trial.do("put", { path: "/f", content: "abcdef" });
    const opened = trial.do("append", { path: "/f" });
    const { block } = trial.do("addBlock", { file: opened.status.id, previous: undefined });
    trial.do("recoverLease", { path: "/f", holder: undefined, force: true });
    trial.restored();
    trial.do("finishRecovery", { ...RECOVERY(trial), length });
    expect(trial.shape("/f")).toBe(shape === "block" ? `<${block.id}:${length}>` : shape);
    expect(trial.machine.statistics().blocks).toBe(shape === "block" ? 1 : 0);
    trial.restored();
  }
});

test("a file whose acknowledged bytes are on no node any more is closed as it was, not shortened", () => {
  const trial = new Trial();
  const { status } = trial.do("create", { path: "/f" });
  const { block } = trial.do("addBlock", { file: status.id, previous: undefined });
  trial.do("sync", { file: status.id, block: { ...block, length: 9 } });
  trial.do("recoverLease", { path: "/f", holder: "writer", force: false });
  expect(trial.do("finishRecovery", { ...RECOVERY(trial), length: undefined })).toBe(true);
  expect(trial.machine.status("/f", ROOT)).toMatchObject({ length: 9, open: false });
});

test("truncate takes at once between blocks and inside small files, and holds the file while a block is cut", () => {
  const trial = new Trial();
  const [first, second] = trial.write("/f", [1024, 1024, 100]);
  trial.refused("ARGUMENT_INVALID", "truncate", { path: "/f", length: 3000 });
  expect(trial.do("truncate", { path: "/f", length: 2148 })).toBe(true);
  expect(trial.do("truncate", { path: "/f", length: 2048 })).toBe(true);
  expect(trial.machine.statistics().blocks).toBe(2);
  expect(trial.do("truncate", { path: "/f", length: 1500 })).toBe(false);
  expect(trial.shape("/f")).toBe(`<${first}:1024><${second}:476>`);
  expect(trial.machine.status("/f", ROOT)).toMatchObject({ open: true, length: 1500 });
  trial.refused("LEASE_RECOVERING", "append", { path: "/f" });
  trial.restored();
  const recovery = RECOVERY(trial);
  expect(trial.do("finishRecovery", { ...recovery, length: 477 })).toBe(false);
  expect(trial.do("finishRecovery", { ...recovery, length: 476 })).toBe(true);
  expect(trial.machine.block(second!)).toMatchObject({ length: 476, stamp: recovery.stamp });
  trial.do("put", { path: "/g", content: "abcdef" });
  expect(trial.do("truncate", { path: "/g", length: 2 })).toBe(true);
  expect(trial.shape("/g")).toBe("ab");
  expect(trial.do("truncate", { path: "/f", length: 0 })).toBe(true);
  trial.settle();
  expect(trial.machine.statistics().blocks).toBe(0);
});

test("concat moves the content of its sources behind the target, small pieces joined", () => {
  const trial = new Trial();
  const [a] = trial.write("/a", [100]);
  const [b, c] = trial.write("/b", [1024, 3]);
  trial.do("put", { path: "/s1", content: "abc" });
  trial.do("put", { path: "/s2", content: "def" });
  trial.refused("ARGUMENT_INVALID", "concat", { path: "/a", sources: ["/b", "/b"] });
  trial.refused("ARGUMENT_INVALID", "concat", { path: "/a", sources: ["/a"] });
  trial.refused("ARGUMENT_INVALID", "concat", { path: "/a", sources: [] });
  trial.refused("PATH_NOT_FOUND", "concat", { path: "/a", sources: ["/b", "/no"] });
  trial.do("concat", { path: "/a", sources: ["/b", "/s1", "/s2"] });
  expect(trial.shape("/a")).toBe(`<${a}:100><${b}:1024><${c}:3>abcdef`);
  expect(trial.names("/")).toEqual(["a"]);
  expect(trial.machine.status("/a", ROOT).length).toBe(1133);
  trial.settle();
  expect(trial.machine.statistics().blocks).toBe(3);
  trial.restored();
  expect(trial.machine.segments("/a", ROOT, 1100, 28).segments.map(({ offset }) => offset)).toEqual([
    100, 1124, 1127,
  ]);
});

test("replication is checked, and holds for every block of a file", () => {
  const trial = new Trial();
  const [block] = trial.write("/f", [10]);
  trial.refused("ARGUMENT_INVALID", "setReplication", { path: "/f", replication: 0 });
  trial.refused("ARGUMENT_INVALID", "setReplication", { path: "/f", replication: 513 });
  expect(trial.do("setReplication", { path: "/f", replication: 2 })).toBe(true);
  expect(trial.do("setReplication", { path: "/", replication: 2 })).toBe(false);
  expect(trial.machine.block(block!)?.replication).toBe(2);
  trial.refused("ARGUMENT_INVALID", "create", { path: "/g", caller: ROOT, blockSize: 100 });
  trial.refused("ARGUMENT_INVALID", "create", { path: "/g", blockSize: 1000 });
  trial.refused("ARGUMENT_INVALID", "create", { path: "/g", holder: "" });
  trial.refused("ACCESS_DENIED", "create", { path: "/g", caller: ANN });
});
