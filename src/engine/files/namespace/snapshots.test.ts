import { expect, test } from "vitest";
import type { SnapshotDifference } from "./model.ts";
import { ANN, ROOT, Trial } from "./namespace.testing.ts";

function prepared(): Trial {
  const trial = new Trial();
  trial.do("put", { path: "/d/a", content: "1" });
  trial.do("put", { path: "/d/sub/b", content: "2" });
  trial.do("allowSnapshots", { path: "/d", allowed: true });
  expect(trial.do("createSnapshot", { path: "/d", name: "s1" })).toBe("/d/.snapshot/s1");
  return trial;
}

const lines = ({ differences }: { differences: readonly SnapshotDifference[] }): string[] =>
  differences.map(
    ({ type, path, target }) => `${type} ${path}${target === undefined ? "" : ` -> ${target}`}`,
  );

test("a snapshot shows what was, whatever becomes of it", () => {
  const trial = prepared();
  trial.do("appendInline", { path: "/d/a", content: "x" });
  trial.do("setMode", { path: "/d/a", mode: 0o600 });
  trial.do("delete", { path: "/d/sub" });
  trial.do("put", { path: "/d/c", content: "3" });
  trial.settle();
  expect(trial.shape("/d/.snapshot/s1/a")).toBe("1");
  expect(trial.machine.status("/d/.snapshot/s1/a", ROOT).mode).toBe(0o644);
  expect(trial.shape("/d/.snapshot/s1/sub/b")).toBe("2");
  expect(trial.names("/d/.snapshot/s1")).toEqual(["a", "sub"]);
  expect(trial.names("/d/.snapshot")).toEqual(["s1"]);
  expect(trial.names("/d")).toEqual(["a", "c"]);
  const copy = trial.restored();
  expect(copy.shape("/d/.snapshot/s1/a")).toBe("1");
  expect(copy.shape("/d/a")).toBe("1x");
});

test("nothing in a snapshot can be changed", () => {
  const trial = prepared();
  const path = "/d/.snapshot/s1/a";
  trial.refused("SNAPSHOT_REFUSED", "delete", { path });
  trial.refused("SNAPSHOT_REFUSED", "put", { path: "/d/.snapshot/s1/new", content: "" });
  trial.refused("SNAPSHOT_REFUSED", "setMode", { path, mode: 0 });
  trial.refused("SNAPSHOT_REFUSED", "rename", { from: path, to: "/x" });
  trial.refused("SNAPSHOT_REFUSED", "renameTo", { from: "/d/a", to: "/d/.snapshot/s1/z" });
  trial.refused("SNAPSHOT_REFUSED", "mkdir", { path: "/d/.snapshot/s2", mode: 0o755 });
  trial.refused("PATH_INVALID", "mkdir", { path: "/x/.snapshot", mode: 0o755 });
});

test("blocks go when the last file and the last snapshot that name them are gone, not before", () => {
  const trial = new Trial();
  trial.do("mkdir", { path: "/d", mode: 0o755 });
  trial.do("allowSnapshots", { path: "/d", allowed: true });
  const [first] = trial.write("/d/f", [1024, 100]);
  trial.do("createSnapshot", { path: "/d", name: "s1" });
  trial.do("createSnapshot", { path: "/d", name: "s2" });
  trial.do("truncate", { path: "/d/f", length: 1024 });
  trial.do("delete", { path: "/d/f" });
  trial.settle();
  expect(trial.machine.statistics().blocks).toBe(2);
  trial.do("deleteSnapshot", { path: "/d", name: "s1" });
  trial.settle();
  expect(trial.machine.statistics().blocks).toBe(2);
  expect(trial.shape("/d/.snapshot/s2/f")).toBe(`<${first}:1024><${first! + 1}:100>`);
  trial.restored();
  trial.do("deleteSnapshot", { path: "/d", name: "s2" });
  trial.settle();
  expect(trial.machine.statistics().blocks).toBe(0);
});

test("an append after a snapshot shows only in the file; a cut of a block that a snapshot needs makes a copy", () => {
  const trial = new Trial();
  trial.do("mkdir", { path: "/d", mode: 0o755 });
  trial.do("allowSnapshots", { path: "/d", allowed: true });
  const [block] = trial.write("/d/f", [100]);
  trial.do("createSnapshot", { path: "/d", name: "s1" });
  const opened = trial.do("append", { path: "/d/f" });
  const { id, stamp } = opened.block!;
  trial.do("updatePipeline", { file: opened.status.id, block: { id, stamp, length: 100 } });
  trial.do("complete", { file: opened.status.id, last: { id, stamp, length: 300 } });
  expect(trial.shape("/d/f")).toBe(`<${block}:300>`);
  expect(trial.shape("/d/.snapshot/s1/f")).toBe(`<${block}:100>`);
  expect(trial.do("truncate", { path: "/d/f", length: 50 })).toBe(false);
  const [open] = [...trial.machine.openFiles()];
  const { recovery } = open!;
  expect(recovery).toMatchObject({ truncateTo: 50, block: { id: block, length: 300 } });
  expect(trial.machine.block(recovery!.copyTo!)).toMatchObject({ open: true });
  trial.restored();
  trial.do("finishRecovery", { file: open!.id, block: block!, stamp: recovery!.stamp, length: 50 });
  expect(trial.shape("/d/f")).toBe(`<${recovery!.copyTo}:50>`);
  expect(trial.shape("/d/.snapshot/s1/f")).toBe(`<${block}:100>`);
  expect(trial.machine.block(block!)?.length).toBe(300);
  trial.restored();
});

test("the difference between snapshots names what was made, removed, changed and moved", () => {
  const trial = prepared();
  trial.do("put", { path: "/d/new", content: "" });
  trial.do("rename", { from: "/d/a", to: "/d/sub/moved" });
  trial.do("appendInline", { path: "/d/sub/b", content: "!" });
  trial.do("mkdir", { path: "/d/other", mode: 0o755 });
  trial.do("createSnapshot", { path: "/d", name: "s2" });
  const between = (from: string, to: string): string[] =>
    lines(trial.machine.snapshotDifference("/d", ROOT, from, to, 100)).toSorted();
  expect(between("s1", "s2")).toEqual([
    "created new",
    "created other",
    "modified ",
    "modified sub",
    "modified sub/b",
    "renamed a -> sub/moved",
  ]);
  expect(between("s2", "s1")).toContain("deleted new");
  expect(between("s2", "")).toEqual([]);
  trial.do("delete", { path: "/d/other" });
  expect(between("s2", "")).toEqual(["deleted other", "modified "]);
  const cut = trial.machine.snapshotDifference("/d", ROOT, "s1", "s2", 2);
  expect(cut).toMatchObject({ more: true });
  expect(cut.differences).toHaveLength(2);
  expect(trial.denied((machine) => machine.snapshotDifference("/d", ROOT, "no", "", 9))).toBe(
    "SNAPSHOT_REFUSED",
  );
  const copy = trial.restored();
  expect(lines(copy.machine.snapshotDifference("/d", ROOT, "s1", "s2", 100)).toSorted()).toEqual(
    between("s1", "s2"),
  );
});

test("what was renamed is compared too, and what is below it: told by the paths of the earlier snapshot, as HDFS does", () => {
  const trial = new Trial();
  const made = ["a", "b", "dir/x", "dir/gone", "dir/in", "dir/sub/y", "out", "plain/p", "del/m", "meta/f"];
  for (const name of [...made, "one", "two", "cyc/k"]) trial.do("put", { path: `/q/${name}`, content: name });
  trial.do("allowSnapshots", { path: "/q", allowed: true });
  trial.do("createSnapshot", { path: "/q", name: "s0" });
  const append = (name: string): void => {
    trial.do("appendInline", { path: `/q/${name}`, content: "!" });
  };
  const move = (from: string, to: string): void => {
    trial.do("renameTo", { from: `/q/${from}`, to: `/q/${to}` });
  };
  append("a");
  move("a", "a2");
  move("b", "b2");
  trial.do("truncate", { path: "/q/b2", length: 0 });
  move("dir", "dir2");
  append("dir2/x");
  trial.do("delete", { path: "/q/dir2/gone" });
  trial.do("put", { path: "/q/dir2/new", content: "" });
  move("dir2/in", "dir2/in2");
  move("dir2/sub", "sub2");
  append("sub2/y");
  move("out", "dir2/out2");
  move("plain", "plain2");
  move("del/m", "m2");
  append("m2");
  trial.do("delete", { path: "/q/del" });
  move("meta", "meta2");
  trial.do("setMode", { path: "/q/meta2", mode: 0o700 });
  trial.do("setMode", { path: "/q/meta2/f", mode: 0o600 });
  move("one", "other");
  move("two", "one");
  move("other", "two");
  trial.do("mkdir", { path: "/q/cnew/deep", mode: 0o755 });
  move("cyc", "cnew/deep/cyc");
  append("cnew/deep/cyc/k");
  trial.do("createSnapshot", { path: "/q", name: "s1" });
  const between = (from: string, to: string): string[] =>
    lines(trial.machine.snapshotDifference("/q", ROOT, from, to, 100)).toSorted();
  const modified = ["", "a", "b", "cyc/k", "dir", "dir/sub/y", "dir/x", "meta", "meta/f"];
  const renames = [
    ["a", "a2"],
    ["b", "b2"],
    ["cyc", "cnew/deep/cyc"],
    ["dir", "dir2"],
    ["dir/in", "dir2/in2"],
    ["dir/sub", "sub2"],
    ["meta", "meta2"],
    ["one", "two"],
    ["out", "dir2/out2"],
    ["plain", "plain2"],
    ["two", "one"],
  ];
  const forth = [
    ...["cnew", "dir/new", "m2"].map((path) => `created ${path}`),
    ...["del", "dir/gone"].map((path) => `deleted ${path}`),
    ...modified.map((path) => `modified ${path}`),
    ...renames.map(([from, to]) => `renamed ${from} -> ${to}`),
  ];
  expect(between("s0", "s1")).toEqual(forth);
  expect(between("s0", "")).toEqual(forth);
  const back = [
    ...["del", "dir/gone"].map((path) => `created ${path}`),
    ...["cnew", "dir/new", "m2"].map((path) => `deleted ${path}`),
    ...modified.map((path) => `modified ${path}`),
    ...renames.map(([from, to]) => `renamed ${to} -> ${from}`).toSorted(),
  ];
  expect(between("s1", "s0")).toEqual(back);
  expect(between("", "s0")).toEqual(back);
  expect(between("s1", "")).toEqual([]);
  const copy = trial.restored();
  expect(lines(copy.machine.snapshotDifference("/q", ROOT, "s0", "s1", 100))).toEqual(
    lines(trial.machine.snapshotDifference("/q", ROOT, "s0", "s1", 100)),
  );
});

test("directories moved out of one another into a new one, and into one that was renamed, are told as renamed", () => {
  const trial = new Trial();
  trial.do("put", { path: "/q/d1/d2/d3/f", content: "1" });
  for (const name of ["a", "b"]) trial.do("put", { path: `/q/${name}`, content: "1" });
  trial.do("allowSnapshots", { path: "/q", allowed: true });
  trial.do("createSnapshot", { path: "/q", name: "s0" });
  trial.do("mkdir", { path: "/q/n", mode: 0o755 });
  for (const from of ["d1/d2/d3", "d1/d2", "d1"]) {
    trial.do("renameTo", { from: `/q/${from}`, to: `/q/n/${from.slice(-2)}` });
  }
  // A new directory of which one learns only when what was moved into another is compared.
  trial.do("mkdir", { path: "/q/n/d2/late", mode: 0o755 });
  trial.do("renameTo", { from: "/q/b", to: "/q/n/d2/late/b" });
  trial.do("renameTo", { from: "/q/a", to: "/q/n/d1/a" });
  trial.do("appendInline", { path: "/q/n/d1/a", content: "!" });
  trial.do("appendInline", { path: "/q/n/d3/f", content: "!" });
  expect(lines(trial.machine.snapshotDifference("/q", ROOT, "s0", "", 100)).toSorted()).toEqual([
    "created d1/d2/late",
    "created n",
    "modified ",
    "modified a",
    "modified d1",
    "modified d1/d2",
    "modified d1/d2/d3/f",
    "renamed a -> n/d1/a",
    "renamed b -> n/d2/late/b",
    "renamed d1 -> n/d1",
    "renamed d1/d2 -> n/d2",
    "renamed d1/d2/d3 -> n/d3",
  ]);
});

test("what only snapshots hold is counted beside what is there: once, whatever holds it, without what was renamed or changed", () => {
  const trial = prepared();
  const only = (path: string): object => trial.machine.contentSummary(path, ROOT).snapshots;
  const none = { directories: 0, files: 0, length: 0, space: 0 };
  trial.do("put", { path: "/d/sub/c", content: "22" });
  trial.do("put", { path: "/d/sub/deep/e", content: "333" });
  trial.do("put", { path: "/d/z", content: "4444" });
  trial.do("createSnapshot", { path: "/d", name: "s2" });
  expect([only("/d"), only("/"), only("/d/sub")]).toEqual([none, none, none]);
  // Renamed, changed and new: all there.
  trial.do("appendInline", { path: "/d/a", content: "x" });
  trial.do("rename", { from: "/d/z", to: "/d/sub/z" });
  trial.do("put", { path: "/d/new", content: "5" });
  expect(only("/d")).toEqual(none);
  trial.do("delete", { path: "/d/sub/b" });
  trial.do("createSnapshot", { path: "/d", name: "s3" });
  expect(only("/d")).toEqual({ directories: 0, files: 1, length: 1, space: 3 });
  // What is gone from a directory that is gone too was counted already.
  trial.do("delete", { path: "/d/sub" });
  const gone = { directories: 2, files: 4, length: 1 + 2 + 3 + 4, space: 30 };
  expect([only("/d"), only("/")]).toEqual([gone, gone]);
  trial.do("mkdir", { path: "/d/sub", mode: 0o755 });
  trial.do("put", { path: "/d/new", content: "66", existing: "replace" });
  const replaced = { ...gone, files: 5, length: 11, space: 33 };
  expect([only("/d"), only("/d/sub"), only("/d/.snapshot/s1")]).toEqual([replaced, none, none]);
  expect(trial.machine.contentSummary("/d", ROOT)).toMatchObject({ directories: 2, files: 2, length: 4 });
  // A directory that is moved keeps what is gone from it.
  trial.do("put", { path: "/d/sub/n", content: "7" });
  trial.do("createSnapshot", { path: "/d", name: "s4" });
  trial.do("delete", { path: "/d/sub/n" });
  trial.do("rename", { from: "/d/sub", to: "/d/moved" });
  expect(only("/d")).toEqual({ ...replaced, files: 6, length: 12, space: 36 });
  for (const name of ["s1", "s2", "s3", "s4"]) trial.do("deleteSnapshot", { path: "/d", name });
  expect(only("/d")).toEqual(none);
});

test("a directory with snapshots stays where it is, and such directories do not nest", () => {
  const trial = prepared();
  trial.refused("SNAPSHOT_REFUSED", "delete", { path: "/d" });
  trial.refused("SNAPSHOT_REFUSED", "renameTo", { from: "/d", to: "/e" });
  trial.refused("SNAPSHOT_REFUSED", "allowSnapshots", { path: "/d/sub", allowed: true });
  trial.refused("SNAPSHOT_REFUSED", "allowSnapshots", { path: "/", allowed: true });
  trial.refused("SNAPSHOT_REFUSED", "allowSnapshots", { path: "/d", allowed: false });
  trial.refused("ACCESS_DENIED", "allowSnapshots", { path: "/d/sub", caller: ANN, allowed: true });
  trial.do("put", { path: "/x/e/f", content: "" });
  trial.do("allowSnapshots", { path: "/x/e", allowed: true });
  trial.refused("SNAPSHOT_REFUSED", "renameTo", { from: "/x", to: "/d/x" });
  trial.do("renameTo", { from: "/x", to: "/y" });
  expect(trial.machine.snapshottable(ROOT).map(({ status }) => status.path)).toEqual(["/d", "/y/e"]);
  trial.do("deleteSnapshot", { path: "/d", name: "s1" });
  trial.do("delete", { path: "/d" });
  expect(trial.machine.snapshottable(ROOT).map(({ status }) => status.path)).toEqual(["/y/e"]);
  trial.restored();
});

test("snapshots are named, renamed and listed", () => {
  const trial = prepared();
  trial.refused("SNAPSHOT_REFUSED", "createSnapshot", { path: "/d", name: "s1" });
  trial.refused("PATH_INVALID", "createSnapshot", { path: "/d", name: "a/b" });
  trial.refused("SNAPSHOT_REFUSED", "createSnapshot", { path: "/d/sub", name: "s" });
  trial.refused("ACCESS_DENIED", "createSnapshot", { path: "/d", caller: ANN, name: "s" });
  expect(trial.do("createSnapshot", { path: "/d", name: undefined })).toMatch(/\/s\d{8}-\d{6}\.\d{3}$/);
  trial.do("renameSnapshot", { path: "/d", name: "s1", to: "first" });
  trial.refused("SNAPSHOT_REFUSED", "deleteSnapshot", { path: "/d", name: "s1" });
  expect(trial.machine.snapshots("/d", ROOT).map(({ path }) => path)[0]).toBe("/d/.snapshot/first");
  expect(trial.machine.statistics().snapshots).toBe(2);
});
