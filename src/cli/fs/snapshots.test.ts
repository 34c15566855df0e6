import { expect, test } from "vitest";
import { FileStats } from "../../client/files/file-stats.ts";
import { differenceLine, snapshottableLines } from "./snapshots.ts";

test("a difference is one letter and where it is, the directory itself a dot", () => {
  const line = (
    type: "created" | "deleted" | "modified" | "renamed",
    path: string,
    target?: string,
  ): string => differenceLine({ type, path, target });
  expect([
    line("modified", ""),
    line("created", "a/b"),
    line("deleted", "c"),
    line("renamed", "d", "e/f"),
  ]).toEqual(["M\t.", "+\t./a/b", "-\t./c", "R\t./d -> ./e/f"]);
});

test("directories with snapshots stand in columns", () => {
  const of = (
    path: string,
    owner: string,
    snapshots: number,
  ): Parameters<typeof snapshottableLines>[0][0] => ({
    stats: new FileStats({
      type: "directory",
      path,
      length: 0,
      owner,
      group: "g",
      mode: 0o755,
      modifiedMs: new Date(2026, 0, 31, 23, 59).getTime(),
      accessedMs: 0,
      replication: 0,
      blockSize: 0,
      childCount: 0,
      target: undefined,
      hasAcl: false,
      erasureCoding: undefined,
    }),
    snapshots,
    limit: 65_536,
  });
  expect(snapshottableLines([of("/a", "ann", 1), of("/b/c", "o", 12)])).toEqual([
    "drwxr-xr-x 0 ann g 0 2026-01-31 23:59  1 65536 /a",
    "drwxr-xr-x 0 o   g 0 2026-01-31 23:59 12 65536 /b/c",
  ]);
});
