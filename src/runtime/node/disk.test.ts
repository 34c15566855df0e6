import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Disk, DiskFile } from "../world.ts";
import { openNodeDisk } from "./disk.ts";

let directory: string;
let disk: Disk;
beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), "quorate-disk-"));
  disk = openNodeDisk(directory);
});
afterEach(() => fs.rmSync(directory, { recursive: true }));

function create(name: string, sizeBytes: number): Promise<DiskFile> {
  return new Promise((resolve, reject) => {
    disk.create(name, sizeBytes, (error, file) => (file ? resolve(file) : reject(error as Error)));
  });
}
function write(file: DiskFile, position: number, chunks: Uint8Array[], durable = true): Promise<void> {
  return new Promise((resolve, reject) => {
    file.write(position, chunks, durable, (error) => (error ? reject(error) : resolve()));
  });
}
const openDescriptors = (): number => fs.readdirSync("/proc/self/fd").length;

test("a created file is really allocated, filled with zeros", async () => {
  const file = await create("segment", 3_000_000);
  file.close();
  const { size, blocks } = fs.statSync(join(directory, "segment"));
  expect(size).toBe(3_000_000);
  expect(blocks * 512).toBeGreaterThanOrEqual(3_000_000);
  expect(disk.read("segment", 2_999_990, 100).equals(Buffer.alloc(10))).toBe(true);
  await expect(create("segment", 0)).rejects.toMatchObject({ code: "EEXIST" });
});

test("chunks are written one after the other at the position, more of them than one system call takes", async () => {
  const file = await create("log", 0);
  const chunks = Array.from({ length: 3000 }, (_, at) => Buffer.from([at & 0xff, at >> 8]));
  await write(file, 10, [Buffer.alloc(0), ...chunks, Buffer.alloc(0)]);
  file.close();
  expect(disk.read("log", 10, 10_000).equals(Buffer.concat(chunks))).toBe(true);
});

test("a write that the system cuts short is continued until all bytes are there", async () => {
  const file = await create("log", 0);
  const real = fs.writev;
  const short = vi.spyOn(fs, "writev");
  short.mockImplementation(((fd: number, chunks: Uint8Array[], position: number, done: never) =>
    real(fd, [Buffer.from(chunks[0] as Uint8Array).subarray(0, 3)], position, done)) as never);
  await write(file, 0, [Buffer.from("hello"), Buffer.from(" "), Buffer.from("world")]).finally(() => {
    short.mockRestore();
  });
  file.close();
  expect(disk.read("log", 0, 100).toString("latin1")).toBe("hello world");
});

test("reads end at the end of the file", async () => {
  const file = await create("log", 4);
  file.close();
  expect(disk.read("log", 2, 100)).toHaveLength(2);
  expect(disk.read("log", 9, 100)).toHaveLength(0);
  expect(() => disk.read("missing", 0, 1)).toThrow(/ENOENT/);
  expect(disk.size("missing")).toBeUndefined();
});

test("names are listed sorted, renamed over each other and removed; directories are not files", async () => {
  for (const name of ["b", "a", "c"]) (await create(name, 0)).close();
  fs.mkdirSync(join(directory, "d"));
  await promisify(disk.rename.bind(disk))("c", "a");
  await promisify(disk.syncDirectory.bind(disk))();
  expect(disk.list()).toEqual(["a", "b"]);
  await promisify(disk.remove.bind(disk))("a");
  expect(disk.list()).toEqual(["b"]);
  expect(() => disk.read("../b", 0, 1)).toThrow(/plain/);
});

test("no handle stays open, also when a file is closed while it is written", async () => {
  const before = openDescriptors();
  const file = await create("log", 1000);
  const writing = write(file, 0, [Buffer.alloc(500)]);
  file.close();
  await writing;
  await expect(write(file, 0, [Buffer.alloc(1)])).rejects.toMatchObject({ code: "EBADF" });
  await promisify(disk.syncDirectory.bind(disk))();
  expect(disk.read("log", 0, 1)).toHaveLength(1);
  await vi.waitFor(() => expect(openDescriptors()).toBe(before));
  expect(disk.freeBytes()).toBeGreaterThan(0);
});
