/** What a node finds of its own after damage, on a real disk. */
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { DurableWrite, Entry, Membership } from "../consensus/consensus.ts";
import { bytesFromLatin1 } from "../runtime/bytes.ts";
import { openLocalWorld } from "../runtime/node/world.ts";
import type { Logger } from "../runtime/world.ts";
import { createMetrics } from "./cluster/metrics.ts";
import type { NodeStorage } from "./node-storage.ts";
import { openNodeStorage } from "./node-storage.ts";

let dataDir: string;
let logged: string[];
const logger: Logger = { log: (_level, event) => void logged.push(event) };

beforeEach(() => {
  dataDir = fs.mkdtempSync(join(tmpdir(), "quorate-storage-"));
  logged = [];
});
afterEach(() => fs.rmSync(dataDir, { recursive: true, force: true }));

const membershipOf = (...voters: string[]): Membership => ({
  voters,
  outgoing: [],
  learners: [],
  addresses: Object.fromEntries(voters.map((id) => [id, id])),
});

function open(...ids: string[]): Promise<NodeStorage> {
  return openNodeStorage({
    ...openLocalWorld(logger, (error) => {
      throw error;
    }),
    id: "n1",
    clusterId: "c",
    algorithm: "raft",
    members: membershipOf(...ids).addresses,
    dataDir,
    durability: "always",
    metrics: createMetrics(),
  });
}

const append = (node: NodeStorage, write: DurableWrite): Promise<void> =>
  new Promise((resolve) => node.storage.append(write, resolve));

const range = (from: number, to: number, term: number): Entry[] =>
  Array.from({ length: to - from + 1 }, (_, at) => ({
    index: from + at,
    term,
    kind: "command",
    payload: bytesFromLatin1(`entry ${from + at}`),
  }));

const indexes = (node: NodeStorage): number[] => node.recovered.entries.map(({ index }) => index);

/** Entries up to 20 and a snapshot of 15, after which those up to 12 went; then a bit of the snapshot turns. */
async function rottenSnapshot(...ids: string[]): Promise<string> {
  const node = await open(...ids);
  await append(node, { ballot: { term: 3, votedFor: "n2" }, entries: range(1, 20, 3) });
  const chunks = [bytesFromLatin1("state at 15")];
  const cut = { next: () => chunks.shift(), close: () => undefined };
  const meta = { index: 15, term: 3, membership: membershipOf(...ids) };
  const saved = await new Promise((resolve) =>
    node.storage.saveSnapshot(meta, cut, (_, done) => resolve(done)),
  );
  expect(saved).toMatchObject({ index: 15 });
  node.storage.compact(13);
  await append(node, { entries: range(21, 21, 3) });
  await node.close();
  const name = fs.readdirSync(dataDir).find((each) => each.endsWith(".snap")) ?? "";
  const bytes = fs.readFileSync(join(dataDir, name));
  const at = bytes.indexOf("state at 15");
  bytes[at] = bytes.readUInt8(at) ^ 4;
  fs.writeFileSync(join(dataDir, name), bytes);
  return name;
}

test("a node that lost its snapshot begins afresh, keeps what it fetches over restarts, and its floor until it is reached", async () => {
  await rottenSnapshot("n1", "n2", "n3");
  const floor = { term: 3, index: 21 };
  const first = await open("n1", "n2", "n3");
  expect(first.recovered).toMatchObject({ term: 3, votedFor: "n2", snapshot: undefined, entries: [], floor });
  expect(logged).toContain("recovering from peers");
  await append(first, { entries: range(1, 9, 3) });
  await first.close();
  const second = await open("n1", "n2", "n3");
  expect(second.recovered).toMatchObject({ floor });
  expect(indexes(second)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  await append(second, { entries: range(10, 21, 3), floor: "reached" });
  await second.close();
  logged = [];
  const third = await open("n1", "n2", "n3");
  expect(third.recovered.floor).toBeUndefined();
  expect(indexes(third)).toHaveLength(21);
  expect(logged).not.toContain("recovering from peers");
  await third.close();
});

test("a node without peers refuses a damaged snapshot by name, however often it is tried", async () => {
  const name = await rottenSnapshot("n1");
  for (let attempt = 0; attempt < 2; attempt++) {
    await expect(open("n1")).rejects.toMatchObject({
      code: "DATA_CORRUPT",
      message: expect.stringMatching(
        new RegExp(`up to entry 1\\d is needed: ${name} at byte \\d+.*no peer to fetch it from$`),
      ) as string,
    });
  }
});
