import { expect, test } from "vitest";
import { FileStats } from "../../client/files/file-stats.ts";
import { Pace } from "./pace.ts";

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

/** How many of these begin before one of them ends. */
async function atATime(threads: number | undefined, files: readonly FileStats[]): Promise<number> {
  const pace = new Pace(threads);
  const ends: (() => void)[] = [];
  let begun = 0;
  const all = (async () => {
    for (const each of files) {
      await pace.room(each);
      begun++;
      pace.run(each, new Promise((resolve) => ends.push(resolve)));
    }
    await pace.end();
  })();
  await new Promise((resolve) => setImmediate(resolve));
  const together = begun;
  while (begun < files.length || ends.length > 0) {
    ends.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await all;
  return together;
}

test("four files move at a time, 64 small ones, or some of both; or as many as somebody said", async () => {
  const [small, large] = [file(64 * 1024), file(64 * 1024 + 1)];
  const many = (each: FileStats): readonly FileStats[] => Array.from({ length: 100 }, () => each);
  expect(await atATime(undefined, many(small))).toBe(64);
  for (const each of [large, file(9, "link")]) expect(await atATime(undefined, many(each))).toBe(4);
  expect(await atATime(undefined, [large, large, large, ...many(small)])).toBe(3 + 16);
  for (const each of [small, large]) expect(await atATime(3, many(each))).toBe(3);
});
