import { gunzipSync } from "node:zlib";
import { readdirSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { FilesDriver } from "../../client/files/driver.ts";
import { scratchDirectory } from "./job-bench.testing.ts";
import { OutputWriter } from "./output-files.ts";
import type { OutputFileSettings } from "./output-files.ts";

/** A file system that takes a piece when it is told to, or all when `isOpen`. */
class SlowFiles implements Pick<FilesDriver, "write"> {
  isOpen = false;
  content = Buffer.alloc(0);
  isWhole = false;
  private let: (() => void) | undefined;

  async write(_path: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const parts: Uint8Array[] = [];
    for await (const chunk of chunks) {
      while (!this.isOpen) await new Promise<void>((resolve) => (this.let = resolve));
      parts.push(Buffer.from(chunk));
    }
    this.content = Buffer.concat(parts);
    this.isWhole = true;
  }

  open(): void {
    this.isOpen = true;
    this.let?.();
  }
}

function writerTo(
  driver: Pick<FilesDriver, "write">,
  change: Partial<OutputFileSettings> = {},
): OutputWriter {
  return new OutputWriter({
    driver,
    path: "/out/part-00000",
    name: "part-00000",
    compress: "none",
    replication: undefined,
    directory: scratchDirectory(),
    isCareful: false,
    ...change,
  });
}

function append(writer: OutputWriter, bytes: Buffer): void {
  writer.sink.raw(bytes);
  writer.ended();
}

test("what a slow file system has not taken waits on disk, and arrives in order", async () => {
  const files = new SlowFiles();
  const directory = scratchDirectory();
  const writer = writerTo(files, { directory });
  const pieces = Array.from({ length: 200 }, (_, index) => Buffer.alloc(60_000 + index, index));
  for (const piece of pieces.slice(0, 150)) append(writer, piece);
  expect(writer.isBehind).toBe(true);
  expect(readdirSync(directory)).toEqual(["overflow-part-00000"]);
  files.open();
  await writer.drain();
  expect(writer.isBehind).toBe(false);
  for (const piece of pieces.slice(150)) append(writer, piece);
  const bytes = pieces.reduce((sum, { length }) => sum + length, 0);
  expect(await writer.close()).toEqual({ name: "part-00000", bytes, records: 200 });
  expect(files.content.equals(Buffer.concat(pieces))).toBe(true);
});

test("records that are taken back are not in the file, however much they were", async () => {
  const sizes = fc.constantFrom(1, 1000, 100_000, 3_000_000);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.boolean(), fc.array(sizes, { maxLength: 4 })), { maxLength: 8 }),
      fc.boolean(),
      async (groups, isOpen) => {
        const files = new SlowFiles();
        files.isOpen = isOpen;
        const writer = writerTo(files, { isCareful: true });
        const expected: Buffer[] = [];
        for (const [index, [isGood, lengths]] of groups.entries()) {
          for (const length of lengths) {
            const bytes = Buffer.alloc(length, index);
            append(writer, bytes);
            if (isGood) expected.push(bytes);
          }
          if (isGood) writer.keep();
          else writer.drop();
          if (isOpen) await writer.drain();
        }
        files.open();
        const { records } = await writer.close();
        expect(records).toBe(expected.length);
        expect(files.content.equals(Buffer.concat(expected))).toBe(true);
      },
    ),
    { numRuns: 60 },
  );
});

test("a compressed output is a gzip file of the same bytes, also when it is empty", async () => {
  for (const lines of [0, 50_000]) {
    const files = new SlowFiles();
    files.isOpen = true;
    const writer = writerTo(files, { compress: "gzip" });
    for (let line = 0; line < lines; line++) append(writer, Buffer.from(`line ${line}\n`));
    const { bytes } = await writer.close();
    expect(bytes).toBe(files.content.length);
    expect(gunzipSync(files.content).toString().split("\n")).toHaveLength(lines + 1);
  }
});

test("a file system that fails ends the writer's waiting and its closing with that error", async () => {
  const failing = {
    async write(_path: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
      for await (const _ of chunks) throw new Error("no space");
    },
  };
  const writer = writerTo(failing);
  append(writer, Buffer.alloc(3_000_000));
  await expect(writer.drain()).rejects.toThrow("no space");
  expect(() => append(writer, Buffer.alloc(300_000))).toThrow("no space");
  await expect(writer.close()).rejects.toThrow("no space");
});
