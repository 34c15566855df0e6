import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Disk, DiskFile, WriteMode } from "../world.ts";
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
function write(
  file: DiskFile,
  position: number,
  chunks: Uint8Array[],
  mode: WriteMode = "durable",
): Promise<void> {
  return new Promise((resolve, reject) => {
    file.write(position, chunks, mode, (error) => (error ? reject(error) : resolve()));
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

test("a large write goes out in several calls, two at once, each where it belongs, and one that is cut short is continued", async () => {
  const file = await create("block", 0);
  const bytes = Buffer.alloc(3_000_001).map((_, at) => (at * 7919) >> 8);
  const chunks = [
    bytes.subarray(0, 10),
    bytes.subarray(10, 1_000_000),
    Buffer.alloc(0),
    bytes.subarray(1_000_000),
  ];
  const real = fs.writev;
  let underWay = 0;
  let most = 0;
  const spied = vi.spyOn(fs, "writev");
  spied.mockImplementation(((fd: number, all: Uint8Array[], position: number, done: fs.NoParamCallback) => {
    most = Math.max(most, ++underWay);
    const cut = all.map((chunk, at) => (at === 0 && chunk.length > 20 ? chunk.subarray(0, 20_000) : chunk));
    real(fd, cut.slice(0, 1), position, (...outcome) => {
      underWay--;
      (done as (...outcome: unknown[]) => void)(...outcome);
    });
  }) as never);
  await write(file, 5, chunks, "cached").finally(() => spied.mockRestore());
  file.close();
  expect(most).toBe(2);
  expect(disk.read("block", 5, 4_000_000).equals(bytes)).toBe(true);
});

test("the error of one of several calls is told once, when none is under way, and no further call begins", async () => {
  const file = await create("block", 0);
  const real = fs.writev;
  let calls = 0;
  let underWay = 0;
  const spied = vi.spyOn(fs, "writev");
  spied.mockImplementation(((
    fd: number,
    all: Uint8Array[],
    position: number,
    done: (error: unknown) => void,
  ) => {
    const isThird = ++calls === 3;
    underWay++;
    const over = (error: unknown, ...rest: unknown[]): void => {
      underWay--;
      (done as (...outcome: unknown[]) => void)(error, ...rest);
    };
    if (isThird) setImmediate(over, Object.assign(new Error("no room"), { code: "ENOSPC" }));
    else real(fd, all, position, over as never);
  }) as never);
  const told = vi.fn<(error: Error | undefined) => void>(() => expect(underWay).toBe(0));
  file.write(0, [Buffer.alloc(8_000_000)], "cached", told);
  await vi.waitFor(() => expect(told).toHaveBeenCalled()).finally(() => spied.mockRestore());
  expect(told.mock.calls).toMatchObject([[{ code: "ENOSPC" }]]);
  expect(calls).toBeLessThanOrEqual(4);
  file.close();
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

test("a file that is closed while a thread has its descriptor stays open until it is given back", async () => {
  const file = await create("log", 0);
  await write(file, 0, [Buffer.from("abc")]);
  const first = file.descriptor?.();
  const second = file.descriptor?.();
  file.close();
  expect(file.descriptor?.()).toBeUndefined();
  first?.free();
  const into = Buffer.alloc(3);
  expect(fs.readSync(second?.number ?? -1, into, 0, 3, 0)).toBe(3);
  expect(into.toString()).toBe("abc");
  second?.free();
  await vi.waitFor(() => expect(() => fs.fstatSync(second?.number ?? -1)).toThrow(/EBADF/));
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

test("settled waits for what the end of one call begins", async () => {
  const settling = openNodeDisk(directory);
  let isOver = false;
  settling.create("a", 0, (_, file) => {
    file?.close();
    settling.rename("a", "b", () =>
      settling.syncDirectory(() => settling.remove("b", () => (isOver = true))),
    );
  });
  await settling.settled();
  expect(isOver).toBe(true);
});
