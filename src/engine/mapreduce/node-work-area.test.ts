import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { AttemptId } from "../../mapreduce/job-spec.ts";
import { attemptName } from "../../mapreduce/job-spec.ts";
import { writeIndex } from "../../mapreduce/task/map-output.ts";
import { notePid } from "../../mapreduce/task/leftover.ts";
import { NodeWorkArea } from "./node-work-area.ts";

let directory: string;
const open = (): NodeWorkArea => new NodeWorkArea({ directory, logger: { log: () => undefined } });
const id = (task: number, job = "job_20261125_0001"): AttemptId => ({ job, kind: "map", task, attempt: 0 });

beforeEach(() => (directory = mkdtempSync(join(tmpdir(), "quorate-area-"))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function begin(area: NodeWorkArea, attempt: AttemptId): Promise<string> {
  return new Promise((resolve, reject) => {
    area.begin(attempt, (error, path) => (error === undefined ? resolve(path!) : reject(error)));
  });
}

async function until(look: () => boolean): Promise<void> {
  for (let waitedMs = 0; !look(); waitedMs += 5) {
    if (waitedMs > 5_000) throw new Error("it did not come to be");
    await wait(5);
  }
}

function finish(path: string, bytes = "partition 0partition 1"): void {
  writeFileSync(join(path, "output"), bytes);
  writeFileSync(join(path, "spill"), "left over");
  writeIndex(join(path, "output"), [
    { offset: 0, length: 11, records: 1, blockMax: 11 },
    { offset: 11, length: 11, records: 1, blockMax: 11 },
  ]);
}

test("a map output that counts stays, alone; all else of an attempt goes", async () => {
  const area = open();
  const [kept, gone] = [await begin(area, id(1)), await begin(area, id(2))];
  finish(kept);
  finish(gone);
  area.end(id(1), true);
  area.end(id(2), false);
  await until(() => !existsSync(gone) && readdirSync(kept).length === 2);
  expect(readdirSync(kept).toSorted()).toEqual(["output", "output.index"]);
  expect(area.partitionOf(id(1), 1)).toEqual({ path: join(kept, "output"), offset: 11, length: 11 });
  expect(area.partitionOf(id(1), 2)).toBeUndefined();
  expect(area.partitionOf(id(2), 0)).toBeUndefined();
  area.dropJob(id(1).job);
  await until(() => !existsSync(kept));
  expect([...area.working()]).toEqual([]);
  expect([...area.logged()]).toEqual([id(1).job]);
});

test("what a killed process leaves is looked through: whole outputs are held, halves are removed", async () => {
  const area = open();
  finish(await begin(area, id(1)));
  finish(await begin(area, id(2)), "cut sho");
  await begin(area, id(3));
  mkdirSync(join(directory, "work", "no attempt"));
  const again = open();
  expect(again.held()).toEqual([id(1)]);
  expect(readdirSync(join(directory, "work"))).toEqual([attemptName(id(1))]);
  expect([...again.logged()]).toEqual([id(1).job]);
});

test("an attempt that outlived its node is ended before its directory is given to nobody", async () => {
  const area = open();
  const path = await begin(area, id(4));
  const orphan = spawn(process.execPath, ["-e", "for (;;);", "this-one"], {
    stdio: "ignore",
    detached: true,
  });
  const ended = new Promise<string | null>((resolve) => orphan.once("exit", (_, signal) => resolve(signal)));
  notePid(path, orphan.pid!, "this-one");
  open();
  expect(await ended).toBe("SIGKILL");
  expect(existsSync(path)).toBe(false);
});

test("a directory that cannot be made fails the attempt, with the reason", async () => {
  const area = open();
  await begin(area, id(5));
  await expect(begin(area, id(5))).rejects.toMatchObject({ code: "DATA_DIRECTORY_UNUSABLE" });
  writeFileSync(join(directory, "file"), "");
  expect(
    () => new NodeWorkArea({ directory: join(directory, "file"), logger: { log: () => undefined } }),
  ).toThrow(/cannot be used/);
});

test("logs are kept until the job is forgotten", async () => {
  const area = open();
  await begin(area, id(6));
  writeFileSync(area.logOf(id(6)), "said something");
  area.end(id(6), false);
  area.dropJob(id(6).job);
  expect(existsSync(area.logOf(id(6)))).toBe(true);
  area.forgetJob(id(6).job);
  await until(() => !existsSync(area.logOf(id(6))));
});
