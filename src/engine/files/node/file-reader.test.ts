import { expect, test } from "vitest";
import type { Bytes } from "../../../runtime/bytes.ts";
import { NO_BYTES } from "../../../runtime/bytes.ts";
import { BlockCluster, BlockLog, writerAt } from "../blocks/block-cluster.testing.ts";
import { BlockLink } from "../blocks/block-link.ts";
import type { BlockStore } from "../blocks/block-store.ts";
import { streamBytes, sumsBehind } from "../blocks/block-store.testing.ts";
import type { Locations } from "../blocks/locations.ts";
import { ReadServer } from "../blocks/read-server.ts";
import type { FileStatus, Segment } from "../namespace/model.ts";
import { fileReader } from "./file-reader.ts";

const LENT_PIECE = 4 << 20;
const BLOCK = 2 * LENT_PIECE;
const BLOCKS = 3;
const content = streamBytes(1, 0, BLOCKS * BLOCK);

/** A file of three blocks of two pieces each, on the node that reads them. */
class OneNode {
  readonly asked: string[] = [];
  lent = 0;
  readonly server: ReadServer;
  readonly pieces: AsyncIterator<Bytes>;
  private readonly cluster = new BlockCluster(1, ["n1"]);

  constructor(
    range: { offset: number; length: number; signal?: AbortSignal; exclude?: Set<string> },
    isSilent = false,
  ) {
    const link = new BlockLink({ self: "n1", ...this.cluster.node("n1").world });
    this.server = new ReadServer(link, this.store(isSilent));
    const segments = Array.from({ length: BLOCKS }, (_, k): Segment => ({
      type: "block",
      id: k + 1,
      stamp: 1,
      length: BLOCK,
      offset: k * BLOCK,
      replication: 1,
      open: false,
    }));
    const locations = {
      readable: () => [{ node: "n1" }],
      nodes: () => [],
    } as unknown as Locations;
    const means = {
      link,
      locations,
      namespace: { block: () => undefined },
      awaitsReports: () => false,
      damaged: () => undefined,
    };
    const status = { path: "/f", length: content.length } as FileStatus;
    const wanted = {
      status,
      segments,
      exclude: new Set<string>(),
      mayLend: true,
      signal: undefined,
      ...range,
    };
    this.pieces = fileReader(means, wanted)[Symbol.asyncIterator]();
  }

  get nowMs(): number {
    return this.cluster.world.scheduler.nowMs;
  }

  /** What comes next, in virtual time. */
  async next(): Promise<Bytes | undefined> {
    let result: { readonly bytes: Bytes | undefined } | undefined;
    let failure: unknown;
    this.pieces.next().then(
      ({ value, done }) => (result = { bytes: done === true ? undefined : (value as Bytes) }),
      (error: unknown) => (failure = error),
    );
    while (result === undefined && failure === undefined) await this.run();
    if (failure !== undefined) throw failure as Error;
    return result?.bytes;
  }

  async run(): Promise<void> {
    this.cluster.run(10);
    await new Promise((resolve) => setImmediate(resolve));
  }

  private store(isSilent: boolean): BlockStore {
    const store: Partial<BlockStore> = {
      lendableBytes: LENT_PIECE,
      read: (id, _stamp, at, length, done) => {
        this.asked.push(`${id}@${Math.floor(at / LENT_PIECE)}`);
        const from = (id - 1) * BLOCK + at;
        const bytes = content.subarray(from, from + length);
        const chunks = { offset: at, content: bytes, checksums: sumsBehind(NO_BYTES, bytes) };
        if (isSilent) return;
        this.lent++;
        done(undefined, { bytes, chunks, replicaLength: BLOCK, giveBack: () => this.lent-- });
      },
    };
    return store as BlockStore;
  }
}

test("the next block is on its way while the last piece of a block is used, and no earlier", async () => {
  const node = new OneNode({ offset: 0, length: content.length });
  const got: Bytes[] = [];
  const askedAt: string[][] = [];
  for (;;) {
    const bytes = await node.next();
    if (bytes === undefined) break;
    got.push(Buffer.from(bytes));
    await node.run();
    askedAt.push(node.asked.splice(0));
  }
  expect(Buffer.concat(got).equals(content)).toBe(true);
  expect(askedAt).toEqual([["1@0", "1@1"], ["2@0", "2@1"], [], ["3@0", "3@1"], [], []]);
  expect(node.lent).toBe(0);
  expect(node.server.size).toBe(0);
});

test("what lies behind the range is not asked for", async () => {
  const node = new OneNode({ offset: 700, length: BLOCK - 700 });
  const first = await node.next();
  const second = await node.next();
  expect(Buffer.concat([first!, second!]).equals(content.subarray(700, BLOCK))).toBe(true);
  expect(await node.next()).toBe(undefined);
  expect(node.asked).toEqual(["1@0", "1@1"]);
});

test("a node that lives and gives nothing is waited for, but not for ever", async () => {
  const node = new OneNode({ offset: 0, length: content.length }, true);
  const startMs = node.nowMs;
  await expect(node.next()).rejects.toThrow(
    "/f cannot be read from byte 0: block 1 cannot be read from byte 0: n1 is silent",
  );
  // The round that is under way after 30 s is the last.
  expect(node.nowMs - startMs).toBeGreaterThan(25_000);
  expect(node.nowMs - startMs).toBeLessThan(40_000);
});

test("who leaves at any piece leaves nothing lent and nobody reading", async () => {
  for (const how of ["return", "abort"] as const) {
    for (let pieces = 1; pieces <= 2 * BLOCKS; pieces++) {
      const stopper = new AbortController();
      const node = new OneNode({ offset: 0, length: content.length, signal: stopper.signal });
      for (let k = 0; k < pieces; k++) await node.next();
      await node.run();
      expect(node.lent).toBeGreaterThan(0);
      if (how === "return") await node.pieces.return?.();
      else {
        stopper.abort();
        if (pieces < 2 * BLOCKS) await expect(node.next()).rejects.toThrow("aborted");
        else await node.pieces.return?.();
      }
      await node.run();
      expect(node.lent).toBe(0);
      expect(node.server.size).toBe(0);
    }
  }
});

test("a node that is excluded is not asked for the next block either, until there is no other", async () => {
  const node = new OneNode({ offset: 0, length: content.length, exclude: new Set(["n1"]) });
  expect((await node.next())?.length).toBe(LENT_PIECE);
  expect((await node.next())?.length).toBe(LENT_PIECE);
  await node.run();
  expect(node.asked).toEqual(["1@0", "1@1"]);
  expect((await node.next())?.length).toBe(LENT_PIECE);
  await node.pieces.return?.();
});

test("the only holder of a block has its time to be started again, until it counts as dead", async () => {
  for (const isLive of [true, false]) {
    const cluster = new BlockCluster(2, ["n1", "n2"]);
    const length = 300_000;
    const writer = writerAt(cluster.node("n1"), new BlockLog(1, ["n2"]), { replication: 1 });
    writer.write(streamBytes(1, 0, length), () => undefined);
    cluster.call("finish", (done) => writer.finish(done));
    cluster.kill("n2");
    cluster.run(100);
    const locations = {
      readable: () => [{ node: "n2" }],
      nodes: () => [{ id: "n2", live: isLive }],
    } as unknown as Locations;
    const { link } = cluster.node("n1");
    const means = {
      link,
      locations,
      namespace: { block: () => undefined },
      awaitsReports: () => false,
      damaged: () => undefined,
    };
    const segment: Segment = {
      type: "block",
      id: 1,
      stamp: 1,
      length,
      offset: 0,
      replication: 1,
      open: false,
    };
    const pieces = fileReader(means, {
      status: { path: "/f", length } as FileStatus,
      segments: [segment],
      offset: 0,
      length,
      exclude: new Set(),
      signal: undefined,
      mayLend: false,
    });
    const parts: Bytes[] = [];
    let end: unknown;
    const reading = (async () => {
      for await (const bytes of pieces) parts.push(Buffer.from(bytes));
    })();
    reading.then(
      () => (end = "whole"),
      (error: unknown) => (end = error),
    );
    const restartMs = cluster.world.scheduler.nowMs + 6_000;
    let isBack = false;
    while (end === undefined) {
      cluster.run(50);
      await new Promise((resolve) => setImmediate(resolve));
      if (isBack || cluster.world.scheduler.nowMs < restartMs) continue;
      isBack = true;
      cluster.start("n2");
    }
    expect(isBack).toBe(isLive);
    if (isLive) expect(Buffer.concat(parts).equals(streamBytes(1, 0, length))).toBe(true);
    else expect(end).toMatchObject({ code: "BLOCK_MISSING" });
  }
});
