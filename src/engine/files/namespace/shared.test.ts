import { expect, test } from "vitest";
import { FileNode } from "./inode.ts";
import { sharedLayout, sharedRights } from "./shared.ts";

const like = { revision: 1, mode: 0o644, modifiedMs: 0, accessedMs: 0, extras: undefined };

test("what is equal is one object, and what is not never is", () => {
  expect(sharedRights("ann", "staff", 0o644)).toBe(sharedRights("ann", "staff", 0o644));
  expect(sharedRights("a", "bc", 0)).toEqual({ owner: "a", group: "bc", mode: 0 });
  expect(sharedRights("ab", "c", 0)).toEqual({ owner: "ab", group: "c", mode: 0 });
  expect(sharedRights("1 x", "", 0)).toEqual({ owner: "1 x", group: "", mode: 0 });
  expect(sharedLayout(3, 1)).toBe(sharedLayout(3, 1));
  expect(sharedLayout(3, 11)).toEqual({ replication: 3, blockSize: 11 });
  expect(sharedLayout(31, 1)).toEqual({ replication: 31, blockSize: 1 });
});

test("more kinds than are remembered are all right still", () => {
  const all = Array.from({ length: 10_000 }, (_, n) => sharedRights(`user${n}`, "staff", n));
  expect(all.map(({ owner, mode }) => `${owner} ${mode}`)).toEqual(all.map((_, n) => `user${n} ${n}`));
});

test("an inode gives back the numbers that it was given, small and large", () => {
  const file = new FileNode(1, 1, { ...like, owner: "ann", group: "staff" }, 3, 128);
  for (const value of [0, 1, 2 ** 30 - 1, 2 ** 30, 2 ** 31, 1_795_000_000_123, 2 ** 53 - 1]) {
    file.length = value;
    file.modifiedMs = value;
    file.accessedMs = value;
    expect([file.length, file.modifiedMs, file.accessedMs]).toEqual([value, value, value]);
    const copy = file.copy(2);
    expect([copy.length, copy.modifiedMs, copy.accessedMs]).toEqual([value, value, value]);
  }
});

test("a change of one inode's rights, layout or content is no other's", () => {
  const [first, second] = [0, 0].map(
    () => new FileNode(1, 1, { ...like, owner: "ann", group: "staff" }, 3, 128),
  );
  first!.owner = "bob";
  first!.mode = 0o600;
  first!.replication = 2;
  first!.reserved = 128;
  first!.segments = [7];
  expect([second!.owner, second!.mode, second!.replication, second!.reserved]).toEqual(["ann", 0o644, 3, 0]);
  expect([first!.owner, first!.group, first!.mode]).toEqual(["bob", "staff", 0o600]);
  expect([first!.segments, second!.segments]).toEqual([[7], []]);
  first!.segments = [7, "text"];
  first!.parity = 9;
  expect([first!.segments, first!.reserved, first!.parity]).toEqual([[7, "text"], 128, 9]);
  first!.segments = ["text"];
  first!.reserved = 0;
  expect([first!.segments, first!.reserved, first!.parity]).toEqual([["text"], 0, 9]);
  const copy = first!.copy(2);
  expect([copy.segments, copy.reserved, copy.parity, copy.owner]).toEqual([["text"], 0, 9, "bob"]);
});
