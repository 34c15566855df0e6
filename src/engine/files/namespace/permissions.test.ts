/** What a user without rights is told, and what he cannot take out of a directory that everybody writes in. */
import { expect, test } from "vitest";
import { ANN, BOB, ROOT, Trial } from "./namespace.testing.ts";

test("who may not take an entry out of its directory learns nothing of what is in it", () => {
  const trial = new Trial();
  trial.do("put", { path: "/home/ann/private/f", caller: ROOT, content: "" });
  trial.do("mkdir", { path: "/home/ann/empty", mode: 0o700 });
  trial.do("mkdir", { path: "/open", mode: 0o777 });
  for (const path of ["/home/ann/private", "/home/ann/empty"]) {
    trial.refused("ACCESS_DENIED", "delete", { path, caller: BOB, recursive: false });
    trial.refused("ACCESS_DENIED", "rename", { caller: BOB, from: path, to: `${path}/below` });
    trial.refused("ACCESS_DENIED", "rename", { caller: BOB, from: path, to: "/open" });
  }
  trial.do("put", { path: "/open/f", caller: BOB, content: "" });
  trial.refused("ACCESS_DENIED", "rename", { caller: BOB, from: "/open/f", to: "/home/ann/private/f" });
  expect(trial.do("rename", { from: "/open/f", to: "/home/ann/private/f" })).toBe(false);
  trial.refused("DIRECTORY_NOT_EMPTY", "delete", { path: "/home/ann/private", recursive: false });
});

test("a denial names the one permission that is missing, as HDFS does", () => {
  const trial = new Trial();
  trial.do("mkdir", { path: "/readable", mode: 0o755 });
  trial.do("mkdir", { path: "/writable", mode: 0o766 });
  const denied = (path: string): string => trial.refused("ACCESS_DENIED", "mkdir", { path, caller: BOB });
  expect(denied("/readable/d")).toContain('access=WRITE, inode="/readable"');
  expect(denied("/writable/d")).toContain('access=EXECUTE, inode="/writable"');
});

test("the sticky bit of a directory below keeps what is others' there from who removes the tree", () => {
  const trial = new Trial();
  trial.do("mkdir", { path: "/t", mode: 0o777 });
  trial.do("mkdir", { path: "/t/bob", caller: BOB, mode: 0o777 });
  trial.do("mkdir", { path: "/t/bob/in", caller: ANN, mode: 0o777 });
  trial.do("setMode", { path: "/t/bob/in", caller: ANN, mode: 0o1777 });
  trial.do("put", { path: "/t/bob/in/of-ann", caller: ANN, content: "" });
  trial.refused("ACCESS_DENIED", "delete", { path: "/t/bob", caller: BOB });
  trial.do("delete", { path: "/t/bob/in/of-ann", caller: ANN });
  trial.do("put", { path: "/t/bob/in/of-bob", caller: BOB, content: "" });
  trial.do("delete", { path: "/t/bob", caller: BOB });
});

test("in a sticky directory, which everybody writes, only the owner writes its attributes", () => {
  const trial = new Trial();
  const set = { name: "user.a", value: "1", mode: "either" } as const;
  trial.do("mkdir", { path: "/tmp", caller: ROOT, mode: 0o1777 });
  trial.do("mkdir", { path: "/shared", caller: ROOT, mode: 0o777 });
  trial.refused("ACCESS_DENIED", "setAttribute", { path: "/tmp", caller: BOB, ...set });
  trial.do("setAttribute", { path: "/tmp", ...set });
  trial.refused("ACCESS_DENIED", "removeAttribute", { path: "/tmp", caller: BOB, name: "user.a" });
  trial.do("setAttribute", { path: "/shared", caller: BOB, ...set });
  trial.do("removeAttribute", { path: "/shared", caller: BOB, name: "user.a" });
});

test("the space of an attribute is the same in any case, and those of file systems are for nobody", () => {
  const trial = new Trial();
  trial.do("put", { path: "/f", content: "", mode: 0o666 });
  trial.do("setAttribute", { path: "/f", caller: BOB, name: "USER.a", value: "1", mode: "create" });
  trial.refused("ATTRIBUTE_REFUSED", "setAttribute", {
    path: "/f",
    caller: BOB,
    name: "user.a",
    value: "2",
    mode: "create",
  });
  expect([...trial.machine.attributes("/f", BOB, ["User.a"])]).toEqual([["user.a", "1"]]);
  trial.do("setAttribute", { path: "/f", caller: BOB, name: "user.A", value: "2", mode: "create" });
  for (const name of ["security.s", "SECURITY.s", "system.s"]) {
    trial.refused("ACCESS_DENIED", "setAttribute", { path: "/f", name, value: "1", mode: "either" });
  }
  trial.do("removeAttribute", { path: "/f", caller: BOB, name: "uSer.a" });
  expect([...trial.machine.attributes("/f", BOB, undefined).keys()]).toEqual(["user.A"]);
});

test("who sums up a tree may list every directory in it", () => {
  const trial = new Trial();
  const { machine } = trial;
  const sum = (path: string, caller = BOB): string | undefined =>
    trial.denied(() => machine.checkSummary(path, caller, []));
  trial.do("mkdir", { path: "/t/open/deep", mode: 0o755 });
  expect(sum("/t")).toBe(undefined);
  trial.do("mkdir", { path: "/t/of-ann/in", caller: ROOT, mode: 0o755 });
  trial.do("setOwner", { path: "/t/of-ann", owner: "ann", group: "staff" });
  trial.do("setMode", { path: "/t/of-ann", mode: 0o700 });
  expect([sum("/t"), sum("/"), sum("/t/of-ann")]).toEqual(Array(3).fill("ACCESS_DENIED"));
  expect(() => machine.checkSummary("/t", BOB, [])).toThrow('access=READ_EXECUTE, inode="/t/of-ann"');
  expect([sum("/t/open"), sum("/t", ANN), sum("/t", ROOT)]).toEqual(Array(3).fill(undefined));
  const moved = { from: "/t/of-ann", to: "/t/open/deep/of-ann" };
  trial.do("rename", moved);
  expect([sum("/t"), sum("/t/open")]).toEqual(["ACCESS_DENIED", "ACCESS_DENIED"]);
  trial.do("setMode", { path: moved.to, mode: 0o755 });
  expect(sum("/")).toBe(undefined);
  const entries = [{ isDefault: false, type: "user", name: "bob", permission: 0 }] as const;
  trial.do("setAcl", { path: moved.to, change: "modify", entries });
  expect([sum("/"), sum("/", ANN)]).toEqual(["ACCESS_DENIED", undefined]);
  trial.do("setAcl", { path: moved.to, change: "removeAll", entries: [] });
  expect(sum("/")).toBe(undefined);
  trial.do("setMode", { path: moved.to, mode: 0o750 });
  expect([sum("/"), sum("/", { user: "carl", groups: [] })]).toEqual([undefined, "ACCESS_DENIED"]);
  trial.do("delete", { path: "/t" });
  expect(sum("/", { user: "carl", groups: [] })).toBe(undefined);
});

test("a large tree is looked at in slices, whatever changes between them, and restricted directories survive a snapshot", () => {
  const trial = new Trial();
  const names = Array.from({ length: 12_000 }, (_, at) => `f${String(at).padStart(5, "0")}`);
  trial.do("mkdir", { path: "/big/a", mode: 0o755 });
  for (const name of names) trial.do("put", { path: `/big/a/${name}`, content: "" });
  trial.do("mkdir", { path: "/big/a/closed", mode: 0o700 });
  trial.do("mkdir", { path: "/big/a/zz", mode: 0o700 });
  trial.do("setOwner", { path: "/big/a/closed", owner: "bob", group: "sales" });
  const restored = trial.restored().machine;
  for (const machine of [trial.machine, restored]) {
    // The one that bob may list comes first: behind it, all files are passed, and then the one that he may not.
    const behind = machine.checkSummary("/big", BOB, []);
    expect(behind).toHaveLength(2);
    expect(() => machine.checkSummary("/big", BOB, behind ?? [])).toThrow('inode="/big/a/zz"');
    expect(machine.checkSummary("/big", ROOT, [])).toBe(undefined);
  }
  const behind = trial.machine.checkSummary("/big", BOB, []);
  trial.do("delete", { path: "/big/a" });
  expect(trial.machine.checkSummary("/big", BOB, behind ?? [])).toBe(undefined);
});

test("who may not write in a directory neither replaces its files nor learns what they are", () => {
  const trial = new Trial();
  trial.do("put", { path: "/d/f", content: "", mode: 0o666 });
  for (const existing of ["refuse", "replace"] as const) {
    for (const path of ["/d/f", "/d"]) {
      const made = { path, caller: BOB, existing };
      const denied = `access=WRITE, inode="${path === "/d" ? "/" : "/d"}"`;
      expect(trial.refused("ACCESS_DENIED", "put", { ...made, content: "new" })).toContain(denied);
      expect(trial.refused("ACCESS_DENIED", "create", made)).toContain(denied);
    }
  }
  trial.do("setMode", { path: "/d", mode: 0o777 });
  trial.do("put", { path: "/d/f", caller: BOB, existing: "replace", content: "new" });
  trial.do("setMode", { path: "/d", mode: 0o755 });
  trial.refused("ACCESS_DENIED", "truncate", { path: "/d", caller: BOB, length: 0 });
  trial.refused("FILE_OPERATION_REFUSED", "truncate", { path: "/d", length: 0 });
});

test("denials for the sticky bit, of owners and attributes have HDFS's words, the sticky bit's first", () => {
  const trial = new Trial();
  trial.do("mkdir", { path: "/open", caller: ROOT, mode: 0o1777 });
  trial.do("mkdir", { path: "/closed", caller: ROOT, mode: 0o1755 });
  for (const directory of ["/open", "/closed"]) {
    const path = `${directory}/f`;
    trial.do("put", { path, content: "" });
    const rights = `"${path}":quorate:supergroup:-rw-r--r--`;
    const above = `"${directory}":quorate:supergroup:drwxr${directory === "/open" ? "wxrwt" : "-xr-t"}`;
    expect(trial.refused("ACCESS_DENIED", "delete", { path, caller: BOB })).toBe(
      `Permission denied by sticky bit: user=bob, path=${rights}, parent=${above}`,
    );
  }
  trial.do("put", { path: "/open/of-bob", caller: BOB, content: "" });
  const owner = { path: "/open/of-bob", caller: BOB, owner: "ann", group: undefined };
  expect(trial.refused("ACCESS_DENIED", "setOwner", owner)).toBe(
    "User bob is not a super user (non-super user cannot change owner).",
  );
  const set = { path: owner.path, caller: BOB, name: "trusted.a", value: "1", mode: "either" } as const;
  expect(trial.refused("ACCESS_DENIED", "setAttribute", set)).toBe(
    "User doesn't have permission for xattr: trusted.a",
  );
});

test("an erasure coding policy that a directory does not have itself cannot be taken from it", () => {
  const trial = new Trial();
  const policy = { policy: "erasureCoding", value: undefined } as const;
  trial.do("mkdir", { path: "/ec/below" });
  trial.do("setPolicy", { path: "/ec", policy: "erasureCoding", value: "RS-3-2-1024k" });
  expect(trial.refused("FILE_OPERATION_REFUSED", "setPolicy", { path: "/ec/below", ...policy })).toBe(
    "No erasure coding policy explicitly set on /ec/below",
  );
  trial.do("setPolicy", { path: "/ec", ...policy });
  trial.refused("FILE_OPERATION_REFUSED", "setPolicy", { path: "/ec", ...policy });
  trial.do("setPolicy", { path: "/ec", policy: "storage", value: undefined });
});
