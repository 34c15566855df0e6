import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Bytes } from "../bytes.ts";
import type { Disk, DiskFile } from "../world.ts";
import { openNodeDisk } from "./disk.ts";
import { createMemoryDisk } from "./memory-disk.ts";

const PAGE = 64 * 1024;

type Step =
  | {
      readonly type: "create" | "remove" | "read";
      readonly name: string;
      readonly at: number;
      readonly size: number;
    }
  | { readonly type: "write" | "truncate"; readonly name: string; readonly at: number; readonly size: number }
  | { readonly type: "rename"; readonly name: string; readonly to: string };

const name = fc.constantFrom("a", "b", "c");
const place = fc.constantFrom(0, 1, 100, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    type: fc.constantFrom("create", "remove", "read", "write", "write", "truncate"),
    name,
    at: place,
    size: place,
  }) as fc.Arbitrary<Step>,
  fc.record({ type: fc.constant("rename" as const), name, to: name }),
);

/** What a step gives: an error's code, or what can be seen of it. */
function carryOut(disk: Disk, each: Step): Promise<unknown> {
  const code = (error: Error | undefined): unknown =>
    error === undefined ? "done" : (error as { code?: string }).code;
  const onFile = (run: (file: DiskFile, done: (result: unknown) => void) => void): Promise<unknown> =>
    new Promise((resolve) => {
      disk.open(each.name, (error, file) => {
        if (file === undefined) return resolve(code(error));
        run(file, (result) => {
          file.close();
          resolve(result);
        });
      });
    });
  switch (each.type) {
    case "create":
      return new Promise((resolve) => {
        disk.create(each.name, each.size, (error, file) => {
          file?.close();
          resolve(code(error));
        });
      });
    case "remove":
      return new Promise((resolve) => disk.remove(each.name, (error) => resolve(code(error))));
    case "rename":
      return new Promise((resolve) => disk.rename(each.name, each.to, (error) => resolve(code(error))));
    case "read":
      return onFile((file, done) =>
        file.read(each.at, each.size, (error, bytes?: Bytes) => done(bytes?.toString("hex") ?? code(error))),
      );
    case "write": {
      const content = Buffer.alloc(each.size, each.name.charCodeAt(0) + (each.at % 7));
      return onFile((file, done) =>
        file.write(each.at, [content.subarray(0, 10), content.subarray(10)], "durable", (error) =>
          done(code(error)),
        ),
      );
    }
    case "truncate":
      return onFile((file, done) => file.truncate(each.size, (error) => done(code(error))));
  }
}

test("a disk in memory does what a directory does", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const directory = mkdtempSync(join(tmpdir(), "quorate-disk-"));
      try {
        const real = openNodeDisk(directory);
        const memory = createMemoryDisk(1e9);
        for (const each of steps) {
          expect(await carryOut(memory, each), JSON.stringify(each)).toEqual(await carryOut(real, each));
        }
        expect(memory.list()).toEqual(real.list());
        for (const file of real.list()) {
          expect(memory.size(file)).toBe(real.size(file));
          const whole = real.size(file) ?? 0;
          expect(memory.read(file, 0, whole).equals(real.read(file, 0, whole))).toBe(true);
        }
      } finally {
        rmSync(directory, { recursive: true });
      }
    }),
    {
      numRuns: 60,
      examples: [
        [
          [
            { type: "create", name: "c", at: 0, size: 0 },
            { type: "write", name: "c", at: PAGE, size: 0 },
          ],
        ],
      ],
    },
  );
});

test("it holds no more than it may, and what goes makes room", async () => {
  const disk = createMemoryDisk(4 * PAGE);
  expect(await carryOut(disk, { type: "create", name: "a", at: 0, size: 3 * PAGE })).toBe("done");
  expect(await carryOut(disk, { type: "create", name: "b", at: 0, size: 2 * PAGE })).toBe("ENOSPC");
  expect(disk.list()).toEqual(["a"]);
  expect(await carryOut(disk, { type: "write", name: "a", at: 3 * PAGE, size: 2 * PAGE })).toBe("ENOSPC");
  expect([disk.size("a"), disk.freeBytes()]).toEqual([3 * PAGE, PAGE]);
  await carryOut(disk, { type: "truncate", name: "a", at: 0, size: 1 });
  expect(disk.freeBytes()).toBe(3 * PAGE);
  await carryOut(disk, { type: "remove", name: "a", at: 0, size: 0 });
  expect(disk.freeBytes()).toBe(4 * PAGE);
});
