import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { connectFiles } from "../client/files/connect.ts";
import type { Files } from "../client/files/files.ts";
import type { Split } from "./job-spec.ts";
import { inputFiles, planSplits } from "./split-plan.ts";

const MIB = 1024 * 1024;
const { signal } = new AbortController();

/** A file system with these files, of so many bytes each. */
function filesOf(sizes: Readonly<Record<string, number>>): Files {
  const directory = mkdtempSync(join(tmpdir(), "quorate-plan-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  for (const [path, size] of Object.entries(sizes)) {
    mkdirSync(join(directory, path, ".."), { recursive: true });
    writeFileSync(join(directory, path), Buffer.alloc(size));
  }
  return connectFiles(pathToFileURL(directory).href);
}

function piecesOf(splits: readonly Split[]): readonly { path: string; start: number; length: number }[] {
  return splits
    .flatMap((split) => [split, ...(split.also ?? [])])
    .map(({ path, start, length }) => ({ path, start, length }));
}

test("paths, patterns and directories stand for files, hidden ones left out, each once", async () => {
  const files = filesOf({
    "books/a.txt": 1,
    "books/b.txt": 1,
    "books/c.md": 1,
    "books/_SUCCESS": 0,
    "books/.hidden.txt": 1,
    "books/inside/d.txt": 1,
    "more/e.txt": 1,
  });
  const paths = async (...inputs: string[]): Promise<readonly string[]> =>
    (await inputFiles(files, inputs, signal)).map(({ path }) => path);
  expect(await paths("/books")).toEqual(["/books/a.txt", "/books/b.txt", "/books/c.md"]);
  expect(await paths("/books/*.txt", "/books/a.txt")).toEqual(["/books/a.txt", "/books/b.txt"]);
  expect(await paths("/{books,more}/[ae].txt")).toEqual(["/books/a.txt", "/more/e.txt"]);
  expect(await paths("/books/_SUCCESS")).toEqual(["/books/_SUCCESS"]);
  await expect(paths("/books/*.csv")).rejects.toThrow("no file fits the input /books/*.csv");
  await expect(paths("/nothing")).rejects.toThrow(/ENOENT|does not exist|no such file/i);
});

test("splits cover every byte of every file once, and none is much larger than wanted", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(1000), { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 10, max: 300 }),
      async (sizes, splitSize) => {
        const names = sizes.map((size, index) => [`in/${String(index).padStart(3, "0")}`, size] as const);
        const files = filesOf(Object.fromEntries(names));
        const splits = await planSplits([{ paths: ["/in"], mapper: 2 }], { files, splitSize, signal });
        const covered = new Map<string, number>();
        for (const { path, start, length } of piecesOf(splits)) {
          expect(start).toBe(covered.get(path) ?? 0);
          expect(length).toBeLessThanOrEqual(splitSize * 1.1);
          covered.set(path, start + length);
        }
        for (const [name, size] of names) expect(covered.get(`/${name}`) ?? 0).toBe(size);
        for (const split of splits) {
          expect(split.mapper).toBe(2);
          const bytes = piecesOf([split]).reduce((sum, { length }) => sum + length, 0);
          expect(bytes).toBeLessThanOrEqual(Math.max(splitSize * 1.1, 4 * MIB));
        }
      },
    ),
    { numRuns: 40 },
  );
});

test("small files share a split, large ones are cut by their blocks, compressed and whole ones are not", async () => {
  const small = Object.fromEntries(
    Array.from({ length: 30 }, (_, index) => [`in/small-${10 + index}`, 1000]),
  );
  const files = filesOf({ ...small, "in/b.gz": 300_000, big: 250_000 });
  const plan = { files, splitSize: 100_000, signal };
  const splits = await planSplits(
    [
      { paths: ["/in"], mapper: 0 },
      { paths: ["/big"], mapper: 1, whole: true },
      { paths: ["/big"], mapper: 0 },
    ],
    plan,
  );
  expect(
    splits.map(({ path, length, whole, also, mapper }) => [path, length, whole, also?.length, mapper]),
  ).toEqual([
    ["/in/b.gz", 300_000, true, undefined, 0],
    ["/in/small-10", 1000, false, 29, 0],
    ["/big", 250_000, true, undefined, 1],
    ["/big", 100_000, false, undefined, 0],
    ["/big", 100_000, false, undefined, 0],
    ["/big", 50_000, false, undefined, 0],
  ]);
});

test("a split names the nodes that hold most of it first", async () => {
  const files = filesOf({ big: 250 });
  const locate = async (): Promise<{ offset: number; length: number; nodes: string[] }[]> => [
    { offset: 0, length: 100, nodes: ["n1", "n2"] },
    { offset: 100, length: 100, nodes: ["n3", "n2"] },
    { offset: 200, length: 50, nodes: ["n1"] },
  ];
  const splits = await planSplits([{ paths: ["/big"], mapper: 0 }], {
    files,
    splitSize: 180,
    locate,
    signal,
  });
  expect(splits.map(({ nodes }) => nodes)).toEqual([
    ["n2", "n1", "n3"],
    ["n1", "n2", "n3"],
  ]);
});
