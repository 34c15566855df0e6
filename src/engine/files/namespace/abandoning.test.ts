import { expect, test } from "vitest";
import { ANN, ROOT, Trial } from "./namespace.testing.ts";

const KEY = "0123456789abcdef".repeat(4);

/** The one recovery that is under way. */
function recovery(trial: Trial) {
  const [open] = [...trial.machine.openFiles()];
  return { file: open!.id, ...open!.recovery! };
}

test("a writer that gives up what it made leaves nothing behind, wherever the file is by then", () => {
  const trial = new Trial();
  const { status } = trial.do("create", { path: "/d/f" });
  const first = trial.do("addBlock", { file: status.id, previous: undefined });
  trial.do("addBlock", { file: status.id, previous: { ...first.block, length: 1024 } });
  trial.do("rename", { from: "/d/f", to: "/d/g" });
  trial.do("put", { path: "/d/f", content: "another" });
  trial.refused("LEASE_LOST", "abandon", { file: status.id, holder: "other", length: undefined });
  expect(trial.do("abandon", { file: status.id, length: undefined })).toBe(true);
  expect(trial.names("/d")).toEqual(["f"]);
  trial.settle();
  expect(trial.machine.statistics()).toMatchObject({ blocks: 0, openFiles: 0, files: 1 });
  trial.restored();
});

test("a writer that gives up an append leaves the file as long as it was", () => {
  const trial = new Trial();
  const [block] = trial.write("/f", [700]);
  const opened = trial.do("append", { path: "/f", pipeline: ["n1", "n2"] });
  const goesOn = { ...opened.block!, length: 1024 };
  trial.do("updatePipeline", { file: opened.status.id, block: goesOn, pipeline: ["n1"] });
  trial.do("addBlock", { file: opened.status.id, previous: goesOn });
  expect(trial.machine.status("/f", ROOT)).toMatchObject({ length: 1024, open: true });
  expect(trial.do("abandon", { file: opened.status.id, length: 700 })).toBe(false);
  expect(trial.machine.status("/f", ROOT)).toMatchObject({ length: 700, open: true });
  const { file, stamp, truncateTo, copyTo } = recovery(trial);
  expect([truncateTo, copyTo]).toEqual([700, undefined]);
  trial.do("finishRecovery", { file, block: block!, stamp, length: 700 });
  expect(trial.shape("/f")).toBe(`<${block}:700>`);
  expect(trial.machine.status("/f", ROOT)).toMatchObject({ length: 700, open: false });
  expect(trial.machine.statistics().blocks).toBe(1);
  trial.restored();
});

test("an append of which the log knows nothing yet is cut away on the nodes of its pipeline", () => {
  const trial = new Trial();
  trial.write("/f", [700]);
  const { status } = trial.do("append", { path: "/f", pipeline: ["n1", "n2"] });
  expect(trial.do("abandon", { file: status.id, length: 700 })).toBe(false);
  expect([...trial.machine.openFiles()][0]).toMatchObject({ pipeline: ["n1", "n2"] });
  expect(recovery(trial)).toMatchObject({ truncateTo: 700 });
});

test("nothing needs to be cut where blocks, or bytes kept inline, end at the length that is gone back to", () => {
  const trial = new Trial();
  trial.write("/full", [1024]);
  const full = trial.do("append", { path: "/full" }).status.id;
  trial.do("addBlock", { file: full, previous: undefined });
  expect(trial.do("abandon", { file: full, length: 1024 })).toBe(true);
  trial.do("put", { path: "/inline", content: "0123456789" });
  const inline = trial.do("append", { path: "/inline" }).status.id;
  trial.do("addBlock", { file: inline, previous: undefined });
  expect(trial.do("abandon", { file: inline, length: 10 })).toBe(true);
  expect(trial.shape("/inline")).toBe("0123456789");
  trial.do("put", { path: "/empty", content: "" });
  const empty = trial.do("append", { path: "/empty" }).status.id;
  const { block } = trial.do("addBlock", { file: empty, previous: undefined });
  trial.do("sync", { file: empty, block: { ...block, length: 5 } });
  expect(trial.do("abandon", { file: empty, length: 0 })).toBe(true);
  trial.settle();
  expect(trial.machine.statistics()).toMatchObject({ blocks: 1, openFiles: 0, length: 1034 });
  trial.restored();
});

test("bytes kept inline that went into a block stay there, cut to what they were", () => {
  const trial = new Trial();
  trial.do("put", { path: "/f", content: "0123456789" });
  const { id } = trial.do("append", { path: "/f" }).status;
  const { block } = trial.do("addBlock", { file: id, previous: undefined });
  trial.do("sync", { file: id, block: { ...block, length: 300 } });
  expect(trial.do("abandon", { file: id, length: 10 })).toBe(false);
  const { file, stamp } = recovery(trial);
  trial.do("finishRecovery", { file, block: block.id, stamp, length: 10 });
  expect(trial.shape("/f")).toBe(`<${block.id}:10>`);
});

test("what a snapshot was shown of an append stays there, and the file goes back to what it was", () => {
  const trial = new Trial();
  trial.do("mkdir", { path: "/d", mode: 0o755 });
  trial.do("allowSnapshots", { path: "/d", allowed: true });
  const [block] = trial.write("/d/f", [700]);
  trial.do("createSnapshot", { path: "/d", name: "before" });
  const { status, block: open } = trial.do("append", { path: "/d/f" });
  const longer = { ...open!, length: 900 };
  trial.do("updatePipeline", { file: status.id, block: longer, pipeline: ["n1"] });
  trial.do("createSnapshot", { path: "/d", name: "meanwhile" });
  expect(trial.do("abandon", { file: status.id, length: 700 })).toBe(false);
  expect(trial.machine.status("/d/f", ROOT)).toMatchObject({ length: 700, open: true });
  // The block is ended, at no less than was shown; then the file's part of it is copied.
  const ending = recovery(trial);
  expect(ending.truncateTo).toBeUndefined();
  const ended = { file: ending.file, block: block! };
  expect(trial.do("finishRecovery", { ...ended, stamp: ending.stamp, length: 899 })).toBe(false);
  expect(trial.do("finishRecovery", { ...ended, stamp: ending.stamp, length: 950 })).toBe(true);
  const { copyTo, truncateTo, stamp } = recovery(trial);
  expect([truncateTo, stamp > ending.stamp]).toEqual([700, true]);
  trial.restored();
  expect(trial.do("finishRecovery", { ...ended, stamp, length: 700 })).toBe(true);
  expect(trial.shape("/d/f")).toBe(`<${copyTo}:700>`);
  expect(trial.machine.status("/d/f", ROOT)).toMatchObject({ length: 700, open: false });
  expect(trial.shape("/d/.snapshot/meanwhile/f")).toBe(`<${block}:900>`);
  expect(trial.shape("/d/.snapshot/before/f")).toBe(`<${block}:700>`);
  trial.do("deleteSnapshot", { path: "/d", name: "before" });
  trial.do("deleteSnapshot", { path: "/d", name: "meanwhile" });
  trial.settle();
  expect(trial.machine.statistics()).toMatchObject({ blocks: 1, openFiles: 0, length: 700 });
  trial.restored();
});

test("a full block that a snapshot shows is copied at once, and a file whose replicas are all gone says so", () => {
  const trial = new Trial();
  trial.do("mkdir", { path: "/d", mode: 0o755 });
  trial.do("allowSnapshots", { path: "/d", allowed: true });
  const [block] = trial.write("/d/f", [700]);
  const { status, block: open } = trial.do("append", { path: "/d/f" });
  const full = { ...open!, length: 1024 };
  trial.do("updatePipeline", { file: status.id, block: full, pipeline: ["n1"] });
  trial.do("addBlock", { file: status.id, previous: full });
  trial.do("createSnapshot", { path: "/d", name: "meanwhile" });
  expect(trial.do("abandon", { file: status.id, length: 700 })).toBe(false);
  const { file, stamp, truncateTo, copyTo } = recovery(trial);
  expect([truncateTo, typeof copyTo]).toEqual([700, "number"]);
  trial.do("finishRecovery", { file, block: block!, stamp, length: 700 });
  expect(trial.shape("/d/f")).toBe(`<${copyTo}:700>`);
  expect(trial.shape("/d/.snapshot/meanwhile/f")).toBe(`<${block}:1024>`);

  const [lost] = trial.write("/d/g", [700]);
  const second = trial.do("append", { path: "/d/g" });
  const longer = { ...second.block!, length: 900 };
  trial.do("updatePipeline", { file: second.status.id, block: longer, pipeline: ["n1"] });
  trial.do("createSnapshot", { path: "/d", name: "later" });
  trial.do("abandon", { file: second.status.id, length: 700 });
  const ending = recovery(trial);
  const gone = { file: ending.file, block: lost!, stamp: ending.stamp, length: undefined };
  expect(trial.do("finishRecovery", gone)).toBe(true);
  expect(trial.shape("/d/g")).toBe(`<${lost}:700>`);
  expect(trial.machine.status("/d/g", ROOT)).toMatchObject({ length: 700, open: false });
  trial.restored();
});

test("a file system is founded once, with a secret and the settings that fit its cluster", () => {
  const trial = new Trial();
  expect(trial.machine.key).toBeUndefined();
  trial.refused("ARGUMENT_INVALID", "found", { key: "guess", settings: {} });
  expect(trial.do("found", { key: KEY, settings: { replication: 1 } })).toBe(true);
  expect(trial.do("found", { key: "f".repeat(64), settings: { replication: 2 } })).toBe(false);
  const copy = trial.restored().machine;
  expect([copy.key, copy.settings.replication]).toEqual([KEY, 1]);
});

test("the root belongs to who founded the file system", () => {
  const trial = new Trial();
  expect(trial.machine.status("/", ROOT).owner).toBe("quorate");
  trial.do("found", { key: KEY, settings: { superuser: "ada", supergroup: "engineers" } });
  expect(trial.machine.status("/", ROOT)).toMatchObject({ owner: "ada", group: "engineers" });
  trial.refused("ACCESS_DENIED", "mkdir", {
    path: "/d",
    mode: 0o755,
    caller: { user: "quorate", groups: [] },
  });
  expect(trial.do("mkdir", { path: "/d", mode: 0o755, caller: { user: "ada", groups: [] } })).toBe(true);
});

test("what a new file would be refused with is known before", () => {
  const trial = new Trial();
  trial.do("put", { path: "/f", content: "x" });
  trial.do("mkdir", { path: "/d", mode: 0o755 });
  const common = {
    caller: ROOT,
    replication: undefined,
    blockSize: undefined,
    createParents: true,
    existing: "refuse",
  } as const;
  const code = (file: object): unknown =>
    trial.denied((machine) => machine.checkCreate({ path: "/new", ...common, ...file }));
  expect(code({})).toBeUndefined();
  expect(code({ path: "/f", existing: "replace" })).toBeUndefined();
  expect(code({ path: "/f" })).toBe("PATH_EXISTS");
  expect(code({ path: "/d", existing: "replace" })).toBe("PATH_EXISTS");
  expect(code({ path: "/f/x" })).toBe("PARENT_NOT_DIRECTORY");
  expect(code({ path: "/x/y", createParents: false })).toBe("PATH_NOT_FOUND");
  expect(code({ caller: ANN })).toBe("ACCESS_DENIED");
  expect(code({ blockSize: 513 })).toBe("ARGUMENT_INVALID");
  expect(code({ replication: 0 })).toBe("ARGUMENT_INVALID");
  trial.do("configure", { settings: { safeMode: true } });
  expect(code({})).toBe("SAFE_MODE");
});

test("nodes on their way out are named, each in one way", () => {
  const trial = new Trial();
  trial.do("configure", { settings: { decommissioning: ["n1"], inMaintenance: ["n2"] } });
  trial.refused("ARGUMENT_INVALID", "configure", { settings: { inMaintenance: ["n1"] } });
  expect(trial.restored().machine.settings).toMatchObject({ decommissioning: ["n1"], inMaintenance: ["n2"] });
});

test("one node is taken out of service, or back, whatever is said of the others; also in safe mode", () => {
  const trial = new Trial();
  trial.do("configure", { settings: { decommissioning: ["n1"], inMaintenance: ["n2"], safeMode: true } });
  const listed = (): unknown => {
    const { decommissioning, inMaintenance } = trial.restored().machine.settings;
    return [decommissioning, inMaintenance];
  };
  trial.do("setStanding", { node: "n2", standing: "decommissioning" });
  trial.do("setStanding", { node: "n2", standing: "decommissioning" });
  expect(listed()).toEqual([["n1", "n2"], []]);
  trial.do("setStanding", { node: "n1", standing: "inService" });
  trial.do("setStanding", { node: "n3", standing: "inMaintenance" });
  expect(listed()).toEqual([["n2"], ["n3"]]);
  trial.refused("ACCESS_DENIED", "setStanding", { caller: ANN, node: "n2", standing: "inService" });
  trial.refused("ARGUMENT_INVALID", "setStanding", { node: "no name", standing: "inService" });
  expect(listed()).toEqual([["n2"], ["n3"]]);
});

test("what is to take the place of a file is not seen before it is whole, and the file is there until then", () => {
  const trial = new Trial();
  trial.do("put", { path: "/d/f", content: "old" });
  const draft = trial.do("create", { path: "/d/f", existing: "replace" });
  expect(draft.status).toMatchObject({ path: "/d/f", open: true, length: 0 });
  const first = trial.do("addBlock", { file: draft.status.id, previous: undefined });
  const second = trial.do("addBlock", {
    file: draft.status.id,
    previous: { ...first.block, length: 1024 },
  });
  expect(trial.shape("/d/f")).toBe("old");
  expect(trial.machine.status("/d/f", ROOT).open).toBe(false);
  expect(trial.machine.block(second.block.id)).toMatchObject({ open: true });
  const copy = trial.restored();
  for (const each of [trial, copy]) {
    const last = { ...second.block, length: 7 };
    expect(each.do("complete", { file: draft.status.id, last })).toMatchObject({ length: 1031, open: false });
    expect(each.shape("/d/f")).toBe(`<${first.block.id}:1024><${second.block.id}:7>`);
    expect(each.names("/d")).toEqual(["f"]);
    expect(each.machine.statistics()).toMatchObject({ files: 1, openFiles: 0, length: 1031 });
  }
  expect(copy.machine.digest()).toBe(trial.machine.digest());
});

test("a writer that gives up, or is silent for too long, leaves the file that it was to replace", () => {
  for (const end of ["abandon", "silence", "recoverLease"] as const) {
    const trial = new Trial();
    trial.do("put", { path: "/f", content: "old" });
    const { id } = trial.do("create", { path: "/f", existing: "replace" }).status;
    const { block } = trial.do("addBlock", { file: id, previous: undefined });
    trial.do("updatePipeline", {
      file: id,
      block: { ...block, stamp: trial.do("nextStamp", { file: id, block: block.id }), length: 5 },
      pipeline: ["n1"],
    });
    if (end === "abandon") expect(trial.do("abandon", { file: id, length: undefined })).toBe(true);
    else if (end === "silence") trial.pass(20 * 60_000).do("expireLeases", { limit: 10 });
    else expect(trial.do("recoverLease", { path: "/f", force: true })).toMatchObject({ closed: true });
    if (end === "recoverLease") trial.do("abandon", { file: id, length: undefined });
    trial.refused("LEASE_LOST", "complete", { file: id, last: { ...block, length: 5 } });
    expect(trial.shape("/f")).toBe("old");
    expect(trial.machine.statistics()).toMatchObject({ blocks: 0, openFiles: 0, files: 1 });
    trial.restored();
  }
});

test("what is synced is seen: then it takes the place, and is written on", () => {
  const trial = new Trial();
  trial.do("put", { path: "/f", content: "old" });
  const { id } = trial.do("create", { path: "/f", existing: "replace" }).status;
  const { block } = trial.do("addBlock", { file: id, previous: undefined });
  trial.do("sync", { file: id, block: { ...block, length: 5 } });
  expect(trial.shape("/f")).toBe(`<${block.id}:5>`);
  expect(trial.machine.status("/f", ROOT)).toMatchObject({ id, open: true });
  trial.do("complete", { file: id, last: { ...block, length: 9 } });
  expect(trial.shape("/f")).toBe(`<${block.id}:9>`);
});

test("a draft does not follow the file that it was to replace, but the directory that it is for", () => {
  const trial = new Trial();
  trial.do("put", { path: "/d/f", content: "old" });
  const { id } = trial.do("create", { path: "/d/f", existing: "replace" }).status;
  trial.do("rename", { from: "/d/f", to: "/d/kept" });
  trial.do("rename", { from: "/d", to: "/e" });
  trial.do("complete", { file: id, last: undefined });
  expect(trial.names("/e")).toEqual(["f", "kept"]);
  expect(trial.shape("/e/kept")).toBe("old");
  const second = trial.do("create", { path: "/e/f", existing: "replace" }).status.id;
  trial.do("delete", { path: "/e/f" });
  trial.do("mkdir", { path: "/e/f", mode: 0o755 });
  trial.refused("PATH_EXISTS", "complete", { file: second, last: undefined });
  trial.do("delete", { path: "/e" });
  trial.refused("LEASE_LOST", "complete", { file: second, last: undefined });
  expect(trial.machine.statistics().openFiles).toBe(0);
});

test("many moves at once do not replace an empty directory into which a file is being written", () => {
  const trial = new Trial();
  trial.do("put", { path: "/d/f", content: "old" });
  trial.do("create", { path: "/d/f", existing: "replace" });
  trial.do("delete", { path: "/d/f" });
  trial.do("mkdir", { path: "/e", mode: 0o755 });
  trial.refused("BEING_WRITTEN", "publish", { moves: [{ from: "/e", to: "/d" }], overwrite: true });
});

test("a quota counts what a draft will be instead of what it replaces", () => {
  const trial = new Trial();
  trial.do("mkdir", { path: "/d", mode: 0o755 });
  trial.write("/d/f", [1024]);
  trial.do("setQuota", { path: "/d", names: undefined, space: 3 * 1024 });
  const { id } = trial.do("create", { path: "/d/f", existing: "replace" }).status;
  const { block } = trial.do("addBlock", { file: id, previous: undefined });
  const full = { ...block, length: 1024 };
  trial.refused("SPACE_QUOTA_EXCEEDED", "addBlock", { file: id, previous: full });
  trial.do("complete", { file: id, last: full });
  expect(trial.machine.contentSummary("/d", ROOT)).toMatchObject({ files: 1, length: 1024, space: 3072 });
});
