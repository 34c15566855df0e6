import { expect, test } from "vitest";
import { FileStats } from "../../client/files/file-stats.ts";
import type { Files } from "../../client/files/files.ts";
import { QuickFiles } from "./quick-files.ts";

function file(length: number, type: "file" | "link" = "file"): FileStats {
  return new FileStats({
    type,
    path: "/f",
    length,
    owner: "",
    group: "",
    mode: 0o644,
    modifiedMs: 0,
    accessedMs: 0,
    replication: 1,
    blockSize: 1,
    childCount: undefined,
    target: undefined,
    hasAcl: false,
    erasureCoding: undefined,
  });
}

/** What says how much it takes in one request, and counts how often it was asked. */
function at(url: string, putMaxBytes: () => Promise<number>): Files {
  return { url, driver: { putMaxBytes } } as unknown as Files;
}

test("a file is quick where it is small and both sides move it in one request, which each is asked once", async () => {
  let asked = 0;
  const quorate = at("webhdfs://q", async () => (asked++, 1024 * 1024));
  const frugal = at("webhdfs://f", async () => 100);
  const other = at("webhdfs://h", async () => -1);
  const absent = at("webhdfs://a", () => Promise.reject(new Error("nobody there")));
  const local = at("file:///", async () => -1);
  const quick = new QuickFiles(new AbortController().signal);
  const largest = file(64 * 1024);
  for (const [from, to] of [
    [local, quorate],
    [quorate, local],
    [quorate, quorate],
    [frugal, quorate],
  ] as const)
    expect(await quick.has(from, largest, to)).toBe(true);
  expect(asked).toBe(1);
  for (const each of [file(64 * 1024 + 1), file(9, "link")])
    expect(await quick.has(local, each, quorate)).toBe(false);
  expect(await quick.has(local, file(100), frugal)).toBe(true);
  expect(await quick.has(local, file(101), frugal)).toBe(false);
  for (const each of [other, absent]) {
    expect(await quick.has(local, file(0), each)).toBe(false);
    expect(await quick.has(each, file(0), quorate)).toBe(false);
  }
});
