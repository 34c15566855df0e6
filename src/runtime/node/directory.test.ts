import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeDirectory } from "./directory.ts";

let root = "";
beforeEach(() => (root = mkdtempSync(join(tmpdir(), "quorate-directory-"))));
afterEach(() => rmSync(root, { recursive: true, force: true }));

test("what is missing is made, what is there is left", () => {
  makeDirectory(join(root, "a", "b", "c"));
  writeFileSync(join(root, "a", "b", "c", "kept"), "");
  makeDirectory(join(root, "a", "b", "c"));
  expect(existsSync(join(root, "a", "b", "c", "kept"))).toBe(true);
});

test("a place where no directory can be made is an error, not an endless loop", () => {
  writeFileSync(join(root, "file"), "");
  expect(() => makeDirectory(join(root, "file"))).toThrow(/EEXIST/);
  expect(() => makeDirectory(join(root, "file", "below"))).toThrow(/ENOTDIR/);
  if (existsSync("/proc/self")) {
    expect(() => makeDirectory("/proc/quorate")).toThrow(/ENOENT/);
    expect(() => makeDirectory("/proc/quorate/n1")).toThrow(/ENOENT/);
  }
});
