import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { lockDirectory } from "./directory-lock.ts";

let directory: string;
beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), "quorate-lock-"));
});
afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));

const holder = (fields: object): void => fs.writeFileSync(join(directory, "lock"), JSON.stringify(fields));

test("a directory is created, locked once, and free again after the release", () => {
  const nested = join(directory, "a", "b");
  const lock = lockDirectory(nested);
  expect(() => lockDirectory(nested)).toThrow(`${nested} is used by process ${process.pid}`);
  lock.release();
  lock.release();
  lockDirectory(nested).release();
  expect(fs.readdirSync(nested)).toEqual([]);
});

test("the lock of a process that was killed is taken over; that of a living one is not", async () => {
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
  await once(child, "spawn");
  const stat = fs.readFileSync(`/proc/${child.pid}/stat`, "latin1");
  const startTime = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  holder({ pid: child.pid, startTime });
  expect(() => lockDirectory(directory)).toThrow(expect.objectContaining({ code: "DATA_DIRECTORY_IN_USE" }));
  // The same number, another process: the holder is gone.
  holder({ pid: child.pid, startTime: "1" });
  lockDirectory(directory).release();
  holder({ pid: child.pid, startTime });
  child.kill("SIGKILL");
  await once(child, "exit");
  lockDirectory(directory).release();
});

test("a lock of an earlier boot, or one that says nothing, is taken over", () => {
  holder({ pid: process.pid, boot: "another boot" });
  lockDirectory(directory).release();
  fs.writeFileSync(join(directory, "lock"), "");
  lockDirectory(directory).release();
});

test("a release after the lock was taken over leaves the new holder's lock alone", () => {
  const first = lockDirectory(directory);
  fs.rmSync(join(directory, "lock"));
  const second = lockDirectory(directory);
  holder({ pid: 1 });
  first.release();
  second.release();
  expect(fs.existsSync(join(directory, "lock"))).toBe(true);
});

test("a directory that cannot be one is unusable", () => {
  const file = join(directory, "file");
  fs.writeFileSync(file, "");
  expect(() => lockDirectory(file)).toThrow(expect.objectContaining({ code: "DATA_DIRECTORY_UNUSABLE" }));
  expect(() => lockDirectory("/proc/nothing")).toThrow(
    expect.objectContaining({ code: "DATA_DIRECTORY_UNUSABLE" }),
  );
});
