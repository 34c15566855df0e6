import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectFiles } from "../../client/files/connect.ts";
import { connectJobs } from "../../client/mapreduce/connect.ts";
import type { Act, Stage } from "./act.ts";
import { milestone } from "./act.ts";
import { cacheAct } from "./cache-act.ts";
import type { Client, Connection } from "./connection.ts";
import type { Library } from "./documents.ts";
import { readLibrary } from "./documents.ts";
import { filesAct } from "./files-act.ts";
import { indexAct } from "./index-act.ts";
import { pulseAct } from "./pulse-act.ts";

let directory: string;
let library: Library;
beforeAll(() => {
  directory = fs.mkdtempSync(join(tmpdir(), "quorate-acts-"));
  for (const [name, text] of [
    ["a.txt", "the cat and the dog"],
    ["b.txt", "the dog again"],
    ["c.txt", "no animals here"],
  ] as const) {
    fs.writeFileSync(join(directory, name), text);
  }
  library = readLibrary(directory, "unused");
});
afterAll(() => fs.rmSync(directory, { recursive: true }));

/** A store in memory that a test can make lie. */
function fakeStore() {
  const scores = new Map<string, Map<string, number>>();
  const hash: Record<string, string> = {};
  const strings = new Map<string, { readonly value: string; readonly goneAtMs: number }>();
  const live = (key: string): string | null => {
    const found = strings.get(key);
    return found && performance.now() < found.goneAtMs ? found.value : null;
  };
  const faults = { lifeFactor: 1, forgetSet: (_key: string): boolean => false };
  const client = {
    zAdd(key: string, { score, value }: { score: number; value: string }) {
      scores.set(key, (scores.get(key) ?? new Map<string, number>()).set(value, score));
      return Promise.resolve(1);
    },
    zRangeWithScores: (key: string) =>
      Promise.resolve([...(scores.get(key) ?? [])].map(([value, score]) => ({ value, score }))),
    hSet: (_key: string, field: string, value: number) => Promise.resolve((hash[field] = String(value))),
    hGetAll: () => Promise.resolve(hash),
    get: (key: string) => Promise.resolve(live(key)),
    exists: (key: string) => Promise.resolve(live(key) === null ? 0 : 1),
    mGet: (keys: string[]) => Promise.resolve(keys.map(live)),
    set(key: string, value: string, options?: { expiration: { value: number } }) {
      const lifeMs = (options?.expiration.value ?? Infinity) * faults.lifeFactor;
      if (!faults.forgetSet(key)) strings.set(key, { value, goneAtMs: performance.now() + lifeMs });
      return Promise.resolve("OK");
    },
  };
  return { client: client as unknown as Client, scores, hash, strings, faults };
}

function play(
  store: ReturnType<typeof fakeStore>,
  act: (stage: Stage) => Act,
  workMs = 0,
  files = connectFiles(`file://${directory}/stored`),
): { act: Act; connection: Connection } {
  const endMs = performance.now() + workMs;
  const connection = {
    untilDone: <T>(operation: (client: Client) => Promise<T>): Promise<T> => operation(store.client),
  } as Connection;
  const stage: Stage = {
    library,
    urls: ["n1", "n2", "n3"],
    connect: () => connection,
    files: () => files,
    jobs: () => connectJobs("http://localhost"),
    whole: milestone(),
    faultsOver: Promise.resolve(),
    kill: () => Promise.resolve(),
    mayEnd: () => performance.now() >= endMs,
    signal: new AbortController().signal,
    acknowledged: () => undefined,
  };
  return { act: act(stage), connection };
}

test("an honest store has no complaints", async () => {
  for (const make of [indexAct, pulseAct]) {
    const { act, connection } = play(fakeStore(), make, 30);
    await act.run();
    const complaints = await act.verify(connection, 0);
    expect(complaints).toEqual([]);
    expect(act.findings(complaints).every(({ ok }) => ok)).toBe(true);
  }
});

test.each([
  [
    "loses a posting",
    (store: ReturnType<typeof fakeStore>) => store.scores.get("index:dog")?.delete("b.txt"),
    /"dog" lost/,
  ],
  [
    "changes a count",
    (store: ReturnType<typeof fakeStore>) => store.scores.get("index:the")?.set("a.txt", 1),
    /"the" lost/,
  ],
  [
    "loses a whole word",
    (store: ReturnType<typeof fakeStore>) => store.scores.delete("index:cat"),
    /"cat" lost/,
  ],
  [
    "invents a posting",
    (store: ReturnType<typeof fakeStore>) => store.scores.get("index:cat")?.set("x", 1),
    /1 postings too many/,
  ],
  [
    "loses a size",
    (store: ReturnType<typeof fakeStore>) => delete store.hash["c.txt"],
    /size of c.txt is lost/,
  ],
] as const)("a store that %s is caught by the index", async (_what, damage, complaint) => {
  const store = fakeStore();
  const { act, connection } = play(store, indexAct);
  await act.run();
  damage(store);
  const complaints = await act.verify(connection, 0);
  expect(complaints).toHaveLength(1);
  expect(complaints[0]).toMatch(complaint);
  expect(act.findings(complaints).some(({ ok }) => !ok)).toBe(true);
});

test("a store that goes back to an earlier value is caught by the pulse", async () => {
  const store = fakeStore();
  const { act, connection } = play(store, pulseAct, 30);
  await act.run();
  store.strings.set("pulse:1", { value: "1", goneAtMs: Infinity });
  expect(await act.verify(connection, 0)).toEqual([expect.stringMatching(/^pulse 1 is 1, not \d+$/)]);
});

test("a cache that drops entries before their time is caught", async () => {
  const store = fakeStore();
  store.faults.lifeFactor = 0.1;
  const { act } = play(store, cacheAct, 400);
  await act.run();
  const failed = act.findings([]).find(({ ok }) => !ok);
  expect(failed?.text).toMatch(/expired after \d+ ms, before its 1500 ms/);
});

test("a cache that answers with another entry's content is caught", async () => {
  const store = fakeStore();
  const { act } = play(store, cacheAct, 100);
  for (const name of ["a.txt", "b.txt", "c.txt"]) {
    store.strings.set(`cache:${name}`, { value: "something else", goneAtMs: Infinity });
  }
  await act.run();
  expect(act.findings([]).find(({ ok }) => !ok)?.text).toMatch(/cached with another content/);
});

test("files that read back as they were written have no complaints", async () => {
  const { act, connection } = play(fakeStore(), filesAct);
  await act.run();
  expect(await act.verify(connection, 0)).toEqual([]);
});

test.each([
  ["loses a file", (path: string) => fs.rmSync(path), /does not exist/],
  ["changes a byte", (path: string) => fs.writeFileSync(path, "the cat and the dot"), /does not read back/],
] as const)("a file system that %s is caught", async (_what, damage, complaint) => {
  const stored = fs.mkdtempSync(join(tmpdir(), "quorate-acts-"));
  const { act, connection } = play(fakeStore(), filesAct, 0, connectFiles(`file://${stored}`));
  await act.run();
  damage(join(stored, "tour/documents/a.txt"));
  const complaints = await act.verify(connection, 0);
  expect(complaints).toEqual([expect.stringMatching(complaint)]);
  expect(act.findings(complaints).some(({ ok }) => !ok)).toBe(true);
  fs.rmSync(stored, { recursive: true });
});
