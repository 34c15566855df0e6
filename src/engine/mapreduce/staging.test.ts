import { beforeEach, expect, test } from "vitest";
import type { Change } from "../files/file-system.ts";
import type { Caller } from "../files/namespace/model.ts";
import type { Replies } from "../files/namespace/replies.ts";
import { MemoryFileSystem } from "../files/memory/file-system.testing.ts";
import { sweepStaging } from "./staging.ts";

const DAY_MS = 24 * 3_600_000;
const ANN: Caller = { user: "ann", groups: [] };
const ROOT: Caller = { user: "quorate", groups: [] };
let nowMs = 0;
let files: MemoryFileSystem;

beforeEach(async () => {
  nowMs = 100 * DAY_MS;
  files = new MemoryFileSystem({ now: () => nowMs });
  await makeHome();
});

async function makeHome(): Promise<void> {
  await mkdir("/user/ann", ROOT);
  await files.change({ type: "setOwner", caller: ROOT, path: "/user/ann", owner: "ann", group: undefined });
}

async function mkdir(path: string, caller: Caller): Promise<void> {
  const about = { mode: 0o755, unmaskedMode: undefined, createParents: true };
  await files.change({ type: "mkdir", caller, path, ...about });
}

async function store(path: string, caller = ANN): Promise<void> {
  const writer = await files.create(path, caller, { createParents: true });
  await writer.close();
}

async function namesIn(path: string): Promise<readonly string[]> {
  const { entries } = await files.list(path, ROOT, "");
  return entries.map((entry) => entry.path.slice(path.length + 1));
}

const sweep = (...needed: readonly string[]): Promise<void> =>
  sweepStaging(files, () => new Set(needed), nowMs - DAY_MS);

test("what was stored or touched within a day, and what a job needs, stays; the rest goes", async () => {
  const staging = "/user/ann/.staging";
  for (const name of ["old.mjs", "needed.mjs", "touched.mjs"]) await store(`${staging}/${name}`);
  await store("/user/ann/own.mjs");
  nowMs += 2 * DAY_MS;
  await store(`${staging}/new.mjs`);
  const path = `${staging}/touched.mjs`;
  await files.change({ type: "setTimes", caller: ANN, path, modifiedMs: nowMs, accessedMs: nowMs });
  await sweep(`${staging}/needed.mjs`);
  expect(await namesIn(staging)).toEqual(["needed.mjs", "new.mjs", "touched.mjs"]);
  expect(await namesIn("/user/ann")).toEqual([".staging", "own.mjs"]);
  nowMs += 2 * DAY_MS;
  await sweep();
  expect(await namesIn(staging)).toEqual([]);
});

test("a file that is touched between the look at it and its removal stays", async () => {
  const path = "/user/ann/.staging/program.mjs";
  let touched = 0;
  files = new (class extends MemoryFileSystem {
    override async change<C extends Change>(command: C): Promise<Replies[C["type"]]> {
      if (command.type === "publish" && touched++ === 0)
        await super.change({ type: "setTimes", caller: ANN, path, modifiedMs: nowMs, accessedMs: nowMs });
      return super.change(command);
    }
  })({ now: () => nowMs });
  await makeHome();
  await store(path);
  nowMs += 2 * DAY_MS;
  await sweep();
  expect(touched).toBe(1);
  expect(await namesIn("/user/ann/.staging")).toEqual(["program.mjs"]);
});

test("nothing that a user puts in its way makes it remove what is not the user's", async () => {
  await mkdir("/precious", ROOT);
  await store("/precious/data", ROOT);
  const link = "/user/ann/.staging";
  await files.change({ type: "symlink", caller: ANN, path: link, target: "/precious", createParents: false });
  nowMs += 2 * DAY_MS;
  await sweep();
  expect(await namesIn("/precious")).toEqual(["data"]);
});

test("where nobody has run a job there is nothing to do", async () => {
  await sweepStaging(new MemoryFileSystem(), () => new Set(), Date.now());
});
