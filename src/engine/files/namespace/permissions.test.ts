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
