import { expect, test } from "vitest";
import type { Bytes } from "../../../runtime/bytes.ts";
import { NO_BYTES } from "../../../runtime/bytes.ts";
import { QuorateError } from "../../../runtime/errors.ts";
import type { NodeId } from "../../../runtime/world.ts";
import { TestClock, TestDisk } from "../../group/write-ahead-log/crash-disk.testing.ts";
import { BlockCluster } from "./block-cluster.testing.ts";
import { BlockLink } from "./block-link.ts";
import { readBlock } from "./block-reader.ts";
import type { BlockStore, Outcome, ReadPiece } from "./block-store.ts";
import { streamBytes, sumsBehind } from "./block-store.testing.ts";
import type { BlockFrame } from "./protocol.ts";
import { LENT_WINDOW_BYTES, READ_PIECE_BYTES, READ_WINDOW_BYTES } from "./protocol.ts";
import { ReadServer } from "./read-server.ts";

const LENT_PIECE = 4 << 20;

test("pieces leave in their order, however they are read, and nothing behind one that failed or is short", () => {
  const content = streamBytes(1, 0, 4 * READ_PIECE_BYTES);
  const cluster = new BlockCluster(1, ["n1"]);
  const failure = new QuorateError("CHECKSUM_MISMATCH", "rot");
  for (const third of ["good", "short", "bad"] as const) {
    const asked: { at: number; length: number; done: Outcome<ReadPiece> }[] = [];
    const lent: number[] = [];
    const freed: number[] = [];
    const store = {
      read: (_id, _stamp, at, length, done) => asked.push({ at, length, done }),
    } satisfies Partial<BlockStore> as unknown as BlockStore;
    const link = new BlockLink({ self: "n1", ...cluster.node("n1").world });
    new ReadServer(link, store);
    const got: Bytes[] = [];
    const damaged: NodeId[] = [];
    let end: { readonly error: QuorateError | undefined } | undefined;
    readBlock(
      link,
      { block: 1, stamp: 1, offset: 0, length: content.length, from: ["n1"] },
      {
        piece(bytes, more) {
          got.push(bytes);
          more();
        },
        damaged: (node) => damaged.push(node),
        end: (error) => (end = { error }),
      },
    );
    const answer = ({ at, length, done }: (typeof asked)[number]): void => {
      const isThird = at === 2 * READ_PIECE_BYTES;
      if (isThird && third === "bad") return done(failure);
      const bytes = content.subarray(at, at + (isThird && third === "short" ? 512 : length));
      const checksums = sumsBehind(NO_BYTES, bytes);
      const chunks = { offset: at, content: bytes, checksums };
      lent.push(at);
      done(undefined, { bytes, chunks, replicaLength: 0, giveBack: () => freed.push(at) });
    };
    cluster.run(10);
    while (asked.length > 0) {
      for (const each of asked.splice(0).reverse()) answer(each);
      cluster.run(10);
    }
    const length = { good: content.length, short: 2 * READ_PIECE_BYTES + 512, bad: 2 * READ_PIECE_BYTES };
    expect(Buffer.concat(got).equals(content.subarray(0, length[third]))).toBe(true);
    expect(end?.error?.code).toBe(third === "good" ? undefined : "BLOCK_MISSING");
    expect(damaged).toEqual(third === "bad" ? ["n1"] : []);
    expect(new Set(freed)).toEqual(new Set(lent));
    expect(freed).toHaveLength(lent.length);
  }
});

test("what was lent comes back once, whenever its reader leaves, and never while it is used", () => {
  const content = streamBytes(1, 0, 6 * LENT_PIECE);
  let left = 0;
  for (let stopAfter = 0; stopAfter <= 7; stopAfter++) {
    for (const order of ["in order", "reversed"] as const) {
      const cluster = new BlockCluster(1, ["n1"]);
      const asked: (() => void)[] = [];
      const out = new Set<number>();
      const store = {
        lendableBytes: LENT_PIECE,
        read(_id, _stamp, at, length, done, mayLend) {
          expect(mayLend).toBe(true);
          asked.push(() => {
            const bytes = content.subarray(at, at + length);
            const chunks = { offset: at, content: bytes, checksums: sumsBehind(NO_BYTES, bytes) };
            out.add(at);
            done(undefined, {
              bytes,
              chunks,
              replicaLength: 0,
              giveBack: () => expect(out.delete(at)).toBe(true),
            });
          });
        },
      } satisfies Partial<BlockStore> as unknown as BlockStore;
      const link = new BlockLink({ self: "n1", ...cluster.node("n1").world });
      const server = new ReadServer(link, store);
      const kept: { readonly at: number; readonly more: () => void }[] = [];
      let at = 0;
      const stop = readBlock(
        link,
        { block: 1, stamp: 1, offset: 0, length: content.length, from: ["n1"], mayLend: true },
        {
          piece(bytes, more) {
            kept.push({ at, more });
            at += bytes.length;
            // The one before it is used by now.
            if (kept.length > 1) kept.shift()?.more();
            if (at === stopAfter * LENT_PIECE) stop();
          },
          damaged: () => expect.fail("nothing is damaged"),
          end: () => undefined,
        },
      );
      if (stopAfter === 0) stop();
      if (stopAfter === 7) link.send("n1", { type: "close", stream: 0, answer: false, failure: undefined });
      for (;;) {
        cluster.run(10);
        const now = asked.splice(0);
        for (const answer of order === "in order" ? now : now.reverse()) answer();
        cluster.run(10);
        for (const each of kept) expect(out.has(each.at)).toBe(true);
        if (now.length === 0) break;
      }
      if (out.size > kept.length) left++;
      for (const { more } of kept.splice(0)) more();
      expect([...out]).toEqual([]);
      expect(server.size).toBe(0);
    }
  }
  expect(left).toBe(0);
});

test("what was read behind a piece that is not there yet comes back when the reader leaves", () => {
  for (let answered = 0; answered <= 3; answered++) {
    const cluster = new BlockCluster(1, ["n1"]);
    const asked: (() => void)[] = [];
    let out = 0;
    const store = {
      lendableBytes: LENT_PIECE,
      read(_id, _stamp, at, length, done) {
        asked.push(() => {
          const bytes = streamBytes(1, at, length);
          const chunks = { offset: at, content: bytes, checksums: sumsBehind(NO_BYTES, bytes) };
          out++;
          done(undefined, { bytes, chunks, replicaLength: 0, giveBack: () => out-- });
        });
      },
    } satisfies Partial<BlockStore> as unknown as BlockStore;
    const link = new BlockLink({ self: "n1", ...cluster.node("n1").world });
    new ReadServer(link, store);
    const range = {
      block: 1,
      stamp: 1,
      offset: 0,
      length: 9 * LENT_PIECE,
      from: ["n1"],
      mayLend: true,
    };
    const events = { piece: (_: unknown, more: () => void) => more(), damaged: () => undefined };
    const stop = readBlock(link, range, { ...events, end: () => undefined });
    cluster.run(10);
    const [first, ...behind] = asked.splice(0);
    const answers = [...behind, first!];
    for (const answer of answers.splice(0, answered)) answer();
    expect(out).toBe(answered);
    stop();
    cluster.run(10);
    for (const answer of [...answers, ...asked]) answer();
    cluster.run(10);
    expect(out).toBe(0);
  }
});

test("who may be lent pieces has little on its way while there are none to lend", () => {
  for (const lendableBytes of [0, LENT_PIECE]) {
    const cluster = new BlockCluster(1, ["n1"]);
    const asked: number[] = [];
    const store = {
      lendableBytes,
      read(_id, _stamp, at, length, done) {
        asked.push(length);
        const bytes = streamBytes(1, at, length);
        const chunks = { offset: at, content: bytes, checksums: sumsBehind(NO_BYTES, bytes) };
        done(undefined, { bytes, chunks, replicaLength: 0, giveBack: undefined });
      },
    } satisfies Partial<BlockStore> as unknown as BlockStore;
    const link = new BlockLink({ self: "n1", ...cluster.node("n1").world });
    new ReadServer(link, store);
    const used: (() => void)[] = [];
    const length = 9 * LENT_PIECE;
    let end = 0;
    readBlock(
      link,
      { block: 1, stamp: 1, offset: 0, length, from: ["n1"], mayLend: true },
      { piece: (_, more) => used.push(more), damaged: () => undefined, end: () => end++ },
    );
    cluster.run(100);
    const [most, size] =
      lendableBytes === 0 ? [READ_WINDOW_BYTES, READ_PIECE_BYTES] : [LENT_WINDOW_BYTES, LENT_PIECE];
    expect(asked).toEqual(Array.from({ length: most / size }, () => size));
    // And it goes on as they are used.
    for (let round = 0; round < 200 && end === 0; round++) {
      used.shift()?.();
      cluster.run(10);
    }
    expect(end).toBe(1);
    expect(asked.reduce((sum, each) => sum + each, 0)).toBe(length);
  }
});

test("a reader that takes nothing for minutes is forgotten, but not one at this node", () => {
  const cluster = new BlockCluster(3, ["n1", "n2"]);
  const store = {
    lendableBytes: 0,
    read(_id, _stamp, at, length, done) {
      const bytes = streamBytes(1, at, length);
      const chunks = { offset: at, content: bytes, checksums: sumsBehind(NO_BYTES, bytes) };
      done(undefined, { bytes, chunks, replicaLength: 0, giveBack: undefined });
    },
  } satisfies Partial<BlockStore> as unknown as BlockStore;
  const link = new BlockLink({ self: "n1", ...cluster.node("n1").world });
  const server = new ReadServer(link, store);
  const range = { block: 1, stamp: 1, offset: 0, length: 9 * LENT_PIECE, from: ["n1"], mayLend: true };
  const gaps: number[] = [];
  const events = { damaged: () => undefined, end: () => undefined };
  let heardMs = cluster.world.scheduler.nowMs;
  const used: (() => void)[] = [];
  const piece = (_: Bytes, more: () => void): void => {
    gaps.push(cluster.world.scheduler.nowMs - heardMs);
    used.push(more);
  };
  const stop = readBlock(link, range, { ...events, piece });
  readBlock(cluster.node("n2").link, range, { ...events, piece: () => undefined });
  cluster.run(1_000);
  expect(server.size).toBe(2);
  cluster.run(300_000);
  expect(server.size).toBe(1);
  gaps.length = 0;
  heardMs = cluster.world.scheduler.nowMs;
  for (const more of used.splice(0)) more();
  cluster.run(1_000);
  expect(gaps.length).toBeGreaterThan(0);
  expect(Math.max(...gaps)).toBeLessThan(100);
  stop();
  cluster.run(100);
  expect(server.size).toBe(0);
});

test("a reader of another node is lent nothing", () => {
  const cluster = new BlockCluster(3, ["n1", "n2"]);
  const asked: (boolean | undefined)[] = [];
  const store = {
    read: (_id, _stamp, _at, _length, _done, mayLend) => asked.push(mayLend),
  } satisfies Partial<BlockStore> as unknown as BlockStore;
  const link = new BlockLink({ self: "n1", ...cluster.node("n1").world });
  new ReadServer(link, store);
  readBlock(
    cluster.node("n2").link,
    { block: 1, stamp: 1, offset: 0, length: 5_000, from: ["n1"], mayLend: true },
    { piece: () => undefined, damaged: () => undefined, end: () => undefined },
  );
  cluster.run(100);
  expect(asked).toEqual([false]);
});

test("a server that is closed waits for no reader that is under way, and takes no other: all are told", () => {
  const cluster = new BlockCluster(2, ["n1"]);
  const clock = new TestClock();
  const disk = new TestDisk();
  const link = new BlockLink({ self: "n1", ...cluster.node("n1").world, clock });
  const store = { read: () => undefined } satisfies Partial<BlockStore> as unknown as BlockStore;
  const server = new ReadServer(link, store);
  const answers: BlockFrame[] = [];
  link.on("close", (_, frame) => answers.push(frame));
  const ask = (stream: number): void =>
    link.send("n1", { type: "read", stream, block: 1, minStamp: 1, offset: 0, length: 10_000_000 });
  ask(1);
  clock.run(disk);
  expect(server.size).toBe(1);
  expect(clock.idle).toBe(false);
  server.close();
  ask(2);
  clock.run(disk);
  expect(server.size).toBe(0);
  expect(clock.idle).toBe(true);
  expect(answers).toEqual(
    [1, 2].map((stream) =>
      expect.objectContaining({ stream, failure: expect.objectContaining({ code: "SHUTTING_DOWN" }) }),
    ),
  );
});
