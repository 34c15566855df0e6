import { expect, test } from "vitest";
import type { StateMachine } from "../../group/state-machine.ts";
import type { NamespaceCommand } from "./commands.ts";
import { createNamespace } from "./machine.ts";
import type { NamespaceReply } from "./replies.ts";
import { ANN, BOB, ROOT, SMALL, Trial } from "./namespace.testing.ts";

test("directories and files are made, listed in the order of their bytes, and counted", () => {
  const trial = new Trial();
  expect(trial.do("mkdir", { path: "/a/b", mode: 0o755 })).toBe(true);
  expect(trial.do("mkdir", { path: "/a/b/", mode: 0o755 })).toBe(false);
  for (const name of ["z", "ä", "A", "10", "9"]) trial.do("put", { path: `/a/${name}`, content: "12345" });
  expect(trial.names("/a")).toEqual(["10", "9", "A", "b", "z", "ä"]);
  expect(trial.machine.contentSummary("/a", ROOT)).toEqual({
    directories: 2,
    files: 5,
    length: 25,
    space: 75,
    nameQuota: -1,
    spaceQuota: -1,
    erasureCoding: undefined,
    isFile: false,
    snapshots: { directories: 0, files: 0, length: 0, space: 0 },
  });
  expect(trial.machine.status("/a/z", ROOT)).toMatchObject({
    type: "file",
    length: 5,
    owner: "quorate",
    mode: 0o644,
  });
  expect(trial.shape("/a/z")).toBe("12345");
});

test("a huge directory streams in pages, each at the cost of its page", () => {
  const trial = new Trial();
  const count = 3000;
  for (let n = 0; n < count; n++)
    trial.do("put", { path: `/d/f${String((n * 7919) % count).padStart(5, "0")}`, content: "" });
  const seen: string[] = [];
  for (let after = ""; ;) {
    const { entries, remaining } = trial.machine.list("/d", ROOT, after, 128);
    seen.push(...entries.map(({ path }) => path.slice(3)));
    expect(remaining).toBe(count - seen.length);
    if (remaining === 0) break;
    after = seen.at(-1)!;
  }
  expect(seen).toEqual(Array.from({ length: count }, (_, n) => `f${String(n).padStart(5, "0")}`));
  expect(trial.names("/d", "f00009x", 2)).toEqual(["f00010", "f00011"]);
  trial.restored();
});

test.each([
  ["relative", "PATH_INVALID"],
  ["/a/../b", "PATH_INVALID"],
  ["/a/./b", "PATH_INVALID"],
  ["/a\u0000b", "PATH_INVALID"],
  ["/a\u009b31mb", "PATH_INVALID"],
  ["/a\nb", "PATH_INVALID"],
  ["/a:b", "PATH_INVALID"],
  ["/.reserved", "PATH_INVALID"],
  ["/.reserved/raw/a", "PATH_INVALID"],
  [`/${"x".repeat(256)}`, "NAME_TOO_LONG"],
  [`/${"ü".repeat(128)}`, "NAME_TOO_LONG"],
  [`/${"abc/".repeat(2500)}`, "NAME_TOO_LONG"],
  [`/${"a/".repeat(1001)}`, "NAME_TOO_LONG"],
] as const)("the path %.20s is refused with %s, and leaves nothing behind", (path, code) => {
  new Trial().refused(code, "put", { path, content: "" });
});

test("the deepest path that is allowed can be made, kept in a snapshot and removed", () => {
  const trial = new Trial();
  trial.do("put", { path: `/${"a/".repeat(999)}f`, content: "x" });
  const copy = trial.restored();
  copy.do("delete", { path: "/a" });
  copy.settle();
  expect(copy.machine.statistics()).toMatchObject({ files: 0, directories: 1, reclaiming: 0 });
});

test("a parent that is a file, or missing, is told apart", () => {
  const trial = new Trial();
  trial.do("put", { path: "/f", content: "" });
  expect(trial.refused("PARENT_NOT_DIRECTORY", "put", { path: "/f/x", content: "" })).toContain(
    "not a directory",
  );
  trial.refused("PATH_NOT_FOUND", "put", { path: "/no/x", content: "", createParents: false });
  trial.refused("PATH_EXISTS", "mkdir", { path: "/f", mode: 0o755 });
  expect(trial.denied((machine) => machine.status("/no", ROOT))).toBe("PATH_NOT_FOUND");
  expect(trial.denied((machine) => machine.status("/f/x", ROOT))).toBe("PARENT_NOT_DIRECTORY");
});

test("a file is replaced only when that is asked for, by a new inode", () => {
  const trial = new Trial();
  const first = trial.do("put", { path: "/f", content: "one" });
  trial.refused("PATH_EXISTS", "put", { path: "/f", content: "two" });
  const second = trial.do("put", { path: "/f", content: "two", existing: "replace" });
  expect(second.id).toBeGreaterThan(first.id);
  expect(trial.shape("/f")).toBe("two");
  trial.do("mkdir", { path: "/d", mode: 0o755 });
  trial.refused("PATH_EXISTS", "put", { path: "/d", content: "", existing: "replace" });
});

test("deleting a directory is one step; its blocks go in bounded slices, and then all of them", () => {
  const trial = new Trial();
  const removed: number[] = [];
  trial.machine.observer = {
    blockChanged: () => undefined,
    blockRemoved: (id) => removed.push(id),
    pathChanged: () => undefined,
    requestDone: () => undefined,
    configured: () => undefined,
    replaced: () => undefined,
  };
  const blocks = Array.from({ length: 20 }, (_, n) => trial.write(`/d/${n}`, [1024, 100])).flat();
  trial.refused("DIRECTORY_NOT_EMPTY", "delete", { path: "/d", recursive: false });
  expect(trial.do("delete", { path: "/d" })).toBe(true);
  expect(trial.do("delete", { path: "/d" })).toBe(false);
  expect(trial.machine.contentSummary("/", ROOT)).toMatchObject({ directories: 1, files: 0, length: 0 });
  expect(removed).toEqual([]);
  expect(trial.machine.decode(trial.machine.upkeep(trial.timeMs)!)).toMatchObject({ type: "reclaim" });
  trial.do("reclaim", { limit: 5 });
  expect(removed.length).toBeLessThan(10);
  trial.settle();
  expect(new Set(removed)).toEqual(new Set(blocks));
  expect(removed).toHaveLength(blocks.length);
  expect(trial.machine.statistics().blocks).toBe(0);
});

test("the root stays", () => {
  const trial = new Trial();
  trial.refused("FILE_OPERATION_REFUSED", "delete", { path: "/" });
  expect(trial.do("rename", { from: "/", to: "/x" })).toBe(false);
});

test("Hadoop's rename moves into a directory that is there, and answers false where it cannot be", () => {
  const trial = new Trial();
  trial.do("put", { path: "/a/f", content: "1" });
  trial.do("put", { path: "/g", content: "2" });
  trial.do("mkdir", { path: "/b", mode: 0o755 });
  expect(trial.do("rename", { from: "/a", to: "/b" })).toBe(true);
  expect(trial.shape("/b/a/f")).toBe("1");
  expect(trial.do("rename", { from: "/no", to: "/x" })).toBe(false);
  expect(trial.do("rename", { from: "/g", to: "/b/a/f" })).toBe(false);
  expect(trial.do("rename", { from: "/b", to: "/b/a/c" })).toBe(false);
  expect(trial.do("rename", { from: "/g", to: "/nowhere/g" })).toBe(false);
  expect(trial.do("rename", { from: "/g", to: "/g" })).toBe(true);
  expect(trial.names("/")).toEqual(["b", "g"]);
});

test("POSIX's rename replaces a file or an empty directory when it may, in one step", () => {
  const trial = new Trial();
  trial.do("put", { path: "/a", content: "1" });
  trial.do("put", { path: "/b", content: "2" });
  trial.do("put", { path: "/d/x", content: "3" });
  trial.do("mkdir", { path: "/e", mode: 0o755 });
  trial.refused("PATH_EXISTS", "renameTo", { from: "/a", to: "/b" });
  trial.refused("FILE_OPERATION_REFUSED", "renameTo", { from: "/a", to: "/e", overwrite: true });
  trial.refused("DIRECTORY_NOT_EMPTY", "renameTo", { from: "/e", to: "/d", overwrite: true });
  trial.refused("FILE_OPERATION_REFUSED", "renameTo", { from: "/d", to: "/d/y" });
  trial.refused("PATH_NOT_FOUND", "renameTo", { from: "/no", to: "/y" });
  trial.refused("PATH_NOT_FOUND", "renameTo", { from: "/a", to: "/no/y" });
  const { id } = trial.machine.status("/a", ROOT);
  trial.do("renameTo", { from: "/a", to: "/b", overwrite: true });
  trial.do("renameTo", { from: "/d", to: "/e", overwrite: true });
  expect(trial.machine.status("/b", ROOT).id).toBe(id);
  expect(trial.names("/")).toEqual(["b", "e"]);
  expect(trial.names("/e")).toEqual(["x"]);
});

test("publish renames all or nothing, and only what is as expected", () => {
  const trial = new Trial();
  for (const n of [0, 1, 2]) trial.do("put", { path: `/tmp/part-${n}`, content: String(n) });
  const seen = trial.machine.status("/tmp/part-0", ROOT);
  const moves = [0, 1, 2].map((n) => ({ from: `/tmp/part-${n}`, to: `/out/part-${n}` }));
  const bad = [...moves, { from: "/tmp/part-9", to: "/out/part-9" }];
  trial.refused("PATH_NOT_FOUND", "publish", { moves: bad, expected: [] });
  trial.refused("PATH_EXISTS", "publish", { moves: [moves[0]!, { from: "/tmp/part-1", to: "/out/part-0" }] });
  const absent = { path: "/out", id: undefined, revision: undefined };
  const same = { path: "/tmp/part-0", id: seen.id, revision: seen.revision };
  trial.refused("CHANGED_MEANWHILE", "publish", {
    moves,
    expected: [{ ...same, revision: seen.revision + 1 }],
  });
  trial.refused("CHANGED_MEANWHILE", "publish", { moves, expected: [{ ...absent, path: "/tmp" }] });
  trial.do("publish", { moves, expected: [absent, same] });
  expect(trial.names("/out")).toEqual(["part-0", "part-1", "part-2"]);
  expect(trial.names("/tmp")).toEqual([]);
  trial.refused("CHANGED_MEANWHILE", "publish", { moves: [], expected: [absent] });
});

test("publish moves chains and swaps, in order", () => {
  const trial = new Trial();
  trial.do("put", { path: "/a", content: "a" });
  trial.do("put", { path: "/b", content: "b" });
  const moves = [
    { from: "/a", to: "/t" },
    { from: "/b", to: "/a" },
    { from: "/t", to: "/b" },
  ];
  trial.do("publish", { moves });
  expect([trial.shape("/a"), trial.shape("/b")]).toEqual(["b", "a"]);
});

test("links are followed on the way, at the end unless the link itself is meant, and not in circles", () => {
  const trial = new Trial();
  trial.do("put", { path: "/d/f", content: "x" });
  trial.do("symlink", { path: "/l", target: "/d" });
  trial.do("symlink", { path: "/d/up", target: "../d/f" });
  trial.do("symlink", { path: "/loop", target: "loop" });
  trial.do("symlink", { path: "/far", target: "hdfs://other/x" });
  expect(trial.machine.status("/l/up", ROOT)).toMatchObject({ type: "file", path: "/d/f" });
  expect(trial.machine.status("/l", ROOT, false)).toMatchObject({ type: "link", target: "/d" });
  expect(trial.machine.linkTarget("/l/up", ROOT)).toBe("../d/f");
  expect(trial.denied((machine) => machine.status("/loop", ROOT))).toBe("LINK_UNRESOLVED");
  expect(trial.denied((machine) => machine.status("/far", ROOT))).toBe("LINK_UNRESOLVED");
  trial.do("put", { path: "/l/g", content: "y" });
  expect(trial.names("/d")).toEqual(["f", "g", "up"]);
  trial.do("delete", { path: "/l" });
  expect(trial.names("/")).toEqual(["d", "far", "loop"]);
  trial.restored();
});

test("a refusal for a quota names the directory whose quota it is, of what is renamed and joined as well", () => {
  const trial = new Trial();
  for (const path of ["/d/names", "/d/space", "/d/elsewhere"]) trial.do("mkdir", { path, mode: 0o755 });
  trial.do("put", { path: "/d/space/a", content: "x".repeat(10) });
  trial.do("put", { path: "/d/elsewhere/b", content: "x".repeat(10) });
  trial.do("setQuota", { path: "/d/names", names: 1, space: undefined });
  trial.do("setQuota", { path: "/d/space", names: undefined, space: 40 });
  const move = (to: string): { from: string; to: string } => ({ from: "/d/elsewhere/b", to });
  const names = trial.refused("NAME_QUOTA_EXCEEDED", "renameTo", move("/d/names/b"));
  expect(names).toContain("of directory /d/names is exceeded: quota=1 file count=2");
  const space = "The DiskSpace quota of /d/space is exceeded: quota = 40 B but diskspace consumed = 60 B";
  expect(trial.refused("SPACE_QUOTA_EXCEEDED", "renameTo", move("/d/space/b"))).toBe(space);
  const joining = { path: "/d/space/a", sources: ["/d/elsewhere/b"] };
  expect(trial.refused("SPACE_QUOTA_EXCEEDED", "concat", joining)).toBe(space);
});

test("quotas of names and space hold for files, blocks being written, renames and replication", () => {
  const trial = new Trial();
  trial.do("mkdir", { path: "/q", mode: 0o777 });
  trial.refused("ACCESS_DENIED", "setQuota", { path: "/q", caller: ANN, names: 3, space: undefined });
  trial.do("setQuota", { path: "/q", names: 3, space: 4000 });
  trial.do("put", { path: "/q/a", content: "x" });
  trial.do("mkdir", { path: "/q/b", mode: 0o755 });
  trial.refused("NAME_QUOTA_EXCEEDED", "put", { path: "/q/c", content: "" });
  trial.refused("NAME_QUOTA_EXCEEDED", "put", { path: "/q/b/x/y", content: "" });
  trial.do("put", { path: "/elsewhere", content: "" });
  trial.refused("NAME_QUOTA_EXCEEDED", "renameTo", { from: "/elsewhere", to: "/q/e" });
  trial.do("renameTo", { from: "/q/a", to: "/q/b/a" });
  trial.do("delete", { path: "/q/b/a" });
  const { status } = trial.do("create", { path: "/q/big" });
  const { block } = trial.do("addBlock", { file: status.id, previous: undefined });
  expect(trial.machine.contentSummary("/q", ROOT).space).toBe(3072);
  const full = { ...block, length: 1024 };
  trial.refused("SPACE_QUOTA_EXCEEDED", "addBlock", { file: status.id, previous: full });
  trial.do("complete", { file: status.id, last: { ...block, length: 100 } });
  expect(trial.machine.contentSummary("/q", ROOT).space).toBe(300);
  trial.refused("SPACE_QUOTA_EXCEEDED", "setReplication", { path: "/q/big", replication: 41 });
  trial.do("setReplication", { path: "/q/big", replication: 40 });
  trial.do("setQuota", { path: "/q", names: -1, space: -1 });
  expect(trial.machine.contentSummary("/q", ROOT)).toMatchObject({
    nameQuota: -1,
    spaceQuota: -1,
    space: 4000,
  });
  trial.restored();
});

test("nine bits, the sticky bit and ownership decide what a user may do", () => {
  const trial = new Trial();
  trial.do("mkdir", { path: "/tmp", mode: 0o1777 });
  trial.do("mkdir", { path: "/home", mode: 0o755 });
  trial.refused("ACCESS_DENIED", "put", { path: "/home/x", caller: ANN, content: "" });
  trial.do("put", { path: "/tmp/ann", caller: ANN, content: "secret", mode: 0o640 });
  expect(trial.denied((machine) => machine.segments("/tmp/ann", BOB, 0, 9))).toBe("ACCESS_DENIED");
  trial.refused("ACCESS_DENIED", "delete", { path: "/tmp/ann", caller: BOB });
  trial.refused("ACCESS_DENIED", "setMode", { path: "/tmp/ann", caller: BOB, mode: 0o666 });
  trial.refused("ACCESS_DENIED", "setOwner", {
    path: "/tmp/ann",
    caller: ANN,
    owner: "bob",
    group: undefined,
  });
  trial.refused("ACCESS_DENIED", "setOwner", {
    path: "/tmp/ann",
    caller: ANN,
    owner: undefined,
    group: "sales",
  });
  trial.do("setOwner", { path: "/tmp/ann", caller: ANN, owner: undefined, group: "staff" });
  expect(trial.denied((machine) => machine.segments("/tmp/ann", BOB, 0, 9))).toBeUndefined();
  trial.refused("ACCESS_DENIED", "appendInline", { path: "/tmp/ann", caller: BOB, content: "x" });
  trial.do("mkdir", { path: "/tmp/d/deep", caller: ANN, mode: 0o700 });
  trial.do("setMode", { path: "/tmp/d", caller: ANN, mode: 0o700 });
  expect(trial.denied((machine) => machine.status("/tmp/d/deep", BOB))).toBe("ACCESS_DENIED");
  expect(trial.denied((machine) => machine.checkAccess("/tmp/ann", BOB, 4))).toBeUndefined();
  expect(trial.denied((machine) => machine.checkAccess("/tmp/ann", BOB, 2))).toBe("ACCESS_DENIED");
  trial.do("delete", { path: "/tmp/d", caller: ANN });
  trial.do("delete", { path: "/tmp/ann" });
});

test("whoever removes a tree must be able to remove all of it", () => {
  const trial = new Trial();
  trial.do("mkdir", { path: "/t", mode: 0o777 });
  trial.do("mkdir", { path: "/t/a", caller: ANN, mode: 0o777 });
  trial.do("put", { path: "/t/a/b/f", caller: BOB, content: "" });
  trial.refused("ACCESS_DENIED", "delete", { path: "/t/a", caller: ANN });
  trial.do("delete", { path: "/t/a/b", caller: BOB });
  trial.do("delete", { path: "/t/a", caller: ANN });
});

test("extended attributes are kept by name space, counted and bounded", () => {
  const trial = new Trial({ ...SMALL, maxAttributes: 2, maxAttributeBytes: 20 });
  trial.do("put", { path: "/f", content: "", mode: 0o666 });
  trial.do("setAttribute", { path: "/f", caller: ANN, name: "user.a", value: "\xff\x00", mode: "create" });
  trial.refused("ATTRIBUTE_REFUSED", "setAttribute", {
    path: "/f",
    name: "user.a",
    value: "",
    mode: "create",
  });
  trial.refused("ATTRIBUTE_REFUSED", "setAttribute", {
    path: "/f",
    name: "user.b",
    value: "",
    mode: "replace",
  });
  trial.refused("ACCESS_DENIED", "setAttribute", {
    path: "/f",
    caller: ANN,
    name: "trusted.t",
    value: "",
    mode: "either",
  });
  trial.refused("ARGUMENT_INVALID", "setAttribute", { path: "/f", name: "odd.a", value: "", mode: "either" });
  trial.refused("ATTRIBUTE_REFUSED", "setAttribute", {
    path: "/f",
    name: "user.b",
    value: "x".repeat(15),
    mode: "either",
  });
  trial.do("setAttribute", { path: "/f", name: "trusted.t", value: "1", mode: "either" });
  trial.refused("ATTRIBUTE_REFUSED", "setAttribute", {
    path: "/f",
    name: "user.c",
    value: "",
    mode: "either",
  });
  expect([...trial.machine.attributes("/f", ANN, undefined)]).toEqual([["user.a", "\xff\x00"]]);
  expect(trial.machine.attributes("/f", ROOT, undefined).size).toBe(2);
  expect(trial.denied((machine) => machine.attributes("/f", ROOT, ["user.no"]))).toBe("ATTRIBUTE_REFUSED");
  trial.do("removeAttribute", { path: "/f", name: "user.a" });
  trial.refused("ATTRIBUTE_REFUSED", "removeAttribute", { path: "/f", name: "user.a" });
  expect(trial.restored().machine.attributes("/f", ROOT, ["trusted.t"]).get("trusted.t")).toBe("1");
});

test("a storage policy is inherited by what is made below", () => {
  const trial = new Trial();
  trial.do("mkdir", { path: "/cold", mode: 0o755 });
  trial.do("setPolicy", { path: "/cold", policy: "storage", value: "COLD" });
  trial.do("put", { path: "/cold/a/f", content: "" });
  expect(trial.machine.status("/cold/a/f", ROOT).storagePolicy).toBe("COLD");
  trial.do("setPolicy", { path: "/cold", policy: "storage", value: undefined });
  expect(trial.machine.status("/cold", ROOT).storagePolicy).toBeUndefined();
});

test("safe mode takes no changes but its end", () => {
  const trial = new Trial();
  trial.refused("ACCESS_DENIED", "configure", { caller: ANN, settings: { safeMode: true } });
  trial.do("configure", { settings: { safeMode: true } });
  trial.refused("SAFE_MODE", "put", { path: "/f", content: "" });
  expect(trial.machine.upkeep(trial.timeMs + 1e9)).toBeUndefined();
  trial.do("configure", { settings: { safeMode: false } });
  trial.do("put", { path: "/f", content: "" });
});

test("settings out of range are refused, all of them together", () => {
  const trial = new Trial();
  trial.refused("ARGUMENT_INVALID", "configure", { settings: { blockSize: 1000 } });
  trial.refused("ARGUMENT_INVALID", "configure", { settings: { replication: 0 } });
  trial.refused("ARGUMENT_INVALID", "configure", {
    settings: { inlineMaxBytes: 2 ** 21, permissions: false },
  });
  trial.refused("ARGUMENT_INVALID", "configure", { settings: { leaseHardMs: 10 } });
  trial.do("configure", { settings: { blockSize: 2048, leaseHardMs: 100_000 } });
  expect(trial.restored().machine.settings).toMatchObject({
    blockSize: 2048,
    leaseHardMs: 100_000,
    minBlockSize: 512,
  });
});

test("the trash keeps what was removed under its path, never overwrites, and empties itself when it is old", () => {
  const trial = new Trial({ ...SMALL, trashIntervalMs: 60_000 });
  trial.do("mkdir", { path: "/w", mode: 0o777 });
  for (const content of ["1", "2"]) {
    trial.do("put", { path: "/w/d/f", caller: ANN, content });
    expect(trial.do("trash", { path: "/w/d/f", caller: ANN })).toMatch(
      /^\/user\/ann\/.Trash\/Current\/w\/d\/f\d*$/,
    );
  }
  expect(trial.names("/user/ann/.Trash/Current/w/d").length).toBe(2);
  expect(trial.machine.status("/user/ann", ROOT)).toMatchObject({ owner: "ann", mode: 0o700 });
  expect(trial.do("trash", { path: "/w/no", caller: ANN })).toBeUndefined();
  trial.refused("FILE_OPERATION_REFUSED", "trash", { path: "/user/ann/.Trash/Current/w", caller: ANN });
  trial.refused("FILE_OPERATION_REFUSED", "trash", { path: "/user", caller: ROOT });
  trial.do("emptyTrash", {});
  const [checkpoint] = trial.names("/user/ann/.Trash");
  expect(checkpoint).toMatch(/^\d{12}$/);
  expect(trial.machine.decode(trial.machine.upkeep(trial.pass(61_000).timeMs)!)).toEqual({
    type: "emptyTrash",
  });
  trial.do("emptyTrash", {});
  expect(trial.names("/user/ann/.Trash")).toEqual([]);
  trial.do("put", { path: "/w/g", caller: ANN, content: "" });
  trial.do("trash", { path: "/w/g", caller: ANN });
  expect(trial.do("expunge", { caller: ANN, olderThanMs: 1e9 })).toEqual([]);
  expect(trial.do("expunge", { caller: ANN, olderThanMs: 0 })).toHaveLength(1);
});

test("a group can replicate it: upkeep is asked for until nothing is left to do", () => {
  const machine: StateMachine<NamespaceCommand, NamespaceReply> = createNamespace(SMALL);
  const at = { index: 1, position: 0, timeMs: 1_750_000_000_000, seed: 0 };
  const newly = {
    mode: 0o644,
    unmaskedMode: undefined,
    replication: undefined,
    blockSize: undefined,
  } as const;
  for (let n = 0; n < 2500; n++) {
    const path = `/d/f${n}`;
    machine.apply(
      { type: "put", caller: ROOT, path, content: "x", ...newly, createParents: true, existing: "refuse" },
      at,
    );
  }
  machine.apply({ type: "delete", caller: ROOT, path: "/d", recursive: true }, at);
  let commands = 0;
  for (let upkeep = machine.upkeep(at.timeMs); upkeep !== undefined; upkeep = machine.upkeep(at.timeMs)) {
    machine.apply(machine.decode(upkeep), at);
    commands++;
  }
  expect(commands).toBe(3);
});
