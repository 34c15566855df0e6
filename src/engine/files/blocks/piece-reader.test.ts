import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Bytes } from "../../../runtime/bytes.ts";
import { copyBytes, NO_BYTES } from "../../../runtime/bytes.ts";
import { createClock } from "../../../runtime/node/clock.ts";
import { openNodeDisk } from "../../../runtime/node/disk.ts";
import { createMemoryDisk } from "../../../runtime/node/memory-disk.ts";
import type { Clock, DiskFile } from "../../../runtime/world.ts";
import { seededRandom, TestClock, TestDisk } from "../../group/write-ahead-log/crash-disk.testing.ts";
import type { BlockStore, Replica, ReplicaWriter } from "./block-store.ts";
import { READ_BYTES } from "./block-store.ts";
import { settled, streamBytes, sumsBehind } from "./block-store.testing.ts";
import { openBlockStore } from "./disk-block-store.ts";
import type { FilePiece, FilePart, PieceReader, ThreadPieceReaderOptions } from "./piece-reader.ts";
import { LENT_MAX, READ_ASIDE_MIN_BYTES, startReaderThread, ThreadPieceReader } from "./piece-reader.ts";

const PIECE = READ_BYTES;
const STEP = 128 * 1024;
type Start = NonNullable<ThreadPieceReaderOptions["start"]>;

let directory: string;
const readers: ThreadPieceReader[] = [];
const files: DiskFile[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "reader-"));
});
afterEach(async () => {
  for (const reader of readers.splice(0)) await reader.close();
  for (const file of files.splice(0)) file.close();
  rmSync(directory, { recursive: true });
});

interface Running {
  readonly reader: ThreadPieceReader;
  /** That were started. */
  readonly workers: readonly Worker[];
  readonly log: string[];
}

function readerOf(start: Start = startReaderThread, clock: Clock = createClock()): Running {
  const workers: Worker[] = [];
  const log: string[] = [];
  const reader = new ThreadPieceReader({
    clock,
    logger: { log: (_, event, fields) => log.push(`${event}: ${fields?.["error"] ?? fields?.["pieces"]}`) },
    start(memory) {
      const worker = start(memory);
      workers.push(worker);
      return worker;
    },
  });
  readers.push(reader);
  return { reader, workers, log };
}

/** Answers nothing until it is told to: then, to all that it got, that there was nothing. */
function sulkingThread(): Worker {
  const code = `
    const { parentPort } = require("node:worker_threads");
    let kept = 0, sulks = true;
    const answer = { contentBytes: 0, checksumsBytes: 0, copy: undefined, error: undefined };
    parentPort.on("message", (order) => {
      if (order === "go on") sulks = false;
      else kept++;
      while (!sulks && kept > 0) { kept--; parentPort.postMessage(answer); }
    });`;
  return new Worker(code, { eval: true });
}

interface Parts {
  readonly content: FilePart;
  readonly checksums: FilePart;
}

/** Two files, as those of a replica but without a header. */
async function partsOf(content: Bytes, checksums: Bytes = sumsBehind(NO_BYTES, content)): Promise<Parts> {
  const disk = openNodeDisk(directory);
  const part = async (bytes: Bytes): Promise<FilePart> => {
    const name = `f${files.length}`;
    writeFileSync(join(directory, name), bytes);
    const file = await new Promise<DiskFile>((resolve) => disk.open(name, (_, opened) => resolve(opened!)));
    files.push(file);
    return { file, position: 0, length: bytes.length };
  };
  return { content: await part(content), checksums: await part(checksums) };
}

/** The first large piece begins the thread, and is not taken yet. */
async function warm({ reader, workers }: Running, { content, checksums }: Parts): Promise<void> {
  expect(reader.read(content, checksums, true, () => undefined)).toBe(false);
  await once(workers[0] as Worker, "online");
}

async function piece(reader: PieceReader, { content, checksums }: Parts, lends = true): Promise<FilePiece> {
  return new Promise((resolve, reject) => {
    const isTaken = reader.read(content, checksums, lends, (read) =>
      read === undefined ? reject(new Error("it was lost")) : resolve(read),
    );
    expect(isTaken).toBe(true);
  });
}

/** A store with one replica, that counts what its reader took. */
async function storeWith(
  reader: PieceReader,
  content: Bytes,
): Promise<{ store: BlockStore; taken: () => number }> {
  let taken = 0;
  const counting: PieceReader = {
    lendableBytes: READ_BYTES,
    read(...order) {
      const isTaken = reader.read(...order);
      if (isTaken) taken++;
      return isTaken;
    },
  };
  const store = await new Promise<BlockStore>((resolve) => {
    const options = { disk: openNodeDisk(directory), clock: createClock(), random: seededRandom(1) };
    openBlockStore({ ...options, reservedBytes: 0, reader: counting }, resolve);
  });
  const writer = await settled<ReplicaWriter>((done) => store.create(1, 1, "disk", done));
  for (let at = 0; at < content.length; at += PIECE) {
    const bytes = content.subarray(at, at + PIECE);
    await settled((done) => writer.write(bytes, sumsBehind(NO_BYTES, bytes), done));
  }
  await settled<Replica>((done) => writer.finish(done));
  return { store, taken: () => taken };
}

/** A copy of what was read, lent or not. */
async function read(store: BlockStore, at: number, mayLend = true): Promise<Bytes> {
  return settled<Bytes>((done) =>
    store.read(
      1,
      1,
      at,
      PIECE,
      (error, got) => {
        const bytes = got && copyBytes(got.bytes);
        got?.giveBack?.();
        done(error, bytes);
      },
      mayLend,
    ),
  );
}

async function closed(store: BlockStore): Promise<void> {
  return new Promise((resolve) => store.close(resolve));
}

test.each([READ_ASIDE_MIN_BYTES, 600_001, 600_064, PIECE])(
  "of %i bytes come content and checksums, verified in whole steps, lent or in memory of their own",
  async (length) => {
    const running = readerOf();
    const content = streamBytes(1, 0, length);
    const parts = await partsOf(content);
    await warm(running, parts);
    const sums = sumsBehind(NO_BYTES, content);
    for (const lends of [true, false]) {
      const read = await piece(running.reader, parts, lends);
      expect(read.content.equals(content)).toBe(true);
      expect(read.checksums.equals(sums)).toBe(true);
      // Whole steps of 128 KiB.
      expect(read.fitting).toBe(Math.floor(length / STEP) * (STEP / 512));
      expect(read.giveBack === undefined).toBe(!lends);
      read.giveBack?.();
    }
  },
);

test("the thread vouches for nothing from the 256 chunks on in which the first bad one is", async () => {
  const running = readerOf();
  const content = streamBytes(2, 0, PIECE);
  const sums = sumsBehind(NO_BYTES, content);
  await warm(running, await partsOf(content));
  for (const [chunk, fitting] of [
    [0, 0],
    [255, 0],
    [256, 256],
    [700, 512],
    [8191, 7936],
  ] as const) {
    const bytes = copyBytes(content);
    bytes[chunk * 512 + 100]! ^= 1;
    const badContent = await piece(running.reader, await partsOf(bytes, sums), false);
    expect(badContent.fitting).toBe(fitting);
    const row = copyBytes(sums);
    row[chunk * 4 + 3]! ^= 0x80;
    const badSum = await piece(running.reader, await partsOf(content, row), false);
    expect(badSum.fitting).toBe(fitting);
  }
  const short = await piece(running.reader, await partsOf(content, sums.subarray(0, 4 * 600)), false);
  expect(short.fitting).toBe(512);
});

test("a part of a file is read from its position, and what is behind the end is not there", async () => {
  const running = readerOf();
  const content = streamBytes(2, 0, 3 * PIECE);
  const { content: bytes, checksums } = await partsOf(content);
  const at = 2 * PIECE + 512 * 700;
  const parts = {
    content: { ...bytes, position: at, length: PIECE },
    checksums: { ...checksums, position: (at / 512) * 4, length: (PIECE / 512) * 4 },
  };
  await warm(running, parts);
  const rest = content.subarray(at);
  for (const lends of [true, false]) {
    const read = await piece(running.reader, parts, lends);
    expect(read.content.equals(rest)).toBe(true);
    expect(read.checksums.equals(sumsBehind(NO_BYTES, rest))).toBe(true);
    expect(read.fitting).toBe(Math.floor(rest.length / STEP) * (STEP / 512));
    read.giveBack?.();
  }
});

test("what is lent stays as it is until it is given back, however much is read meanwhile", async () => {
  const { reader, ...running } = readerOf();
  const contents = Array.from({ length: LENT_MAX + 4 }, (_, k) => streamBytes(k, 0, READ_ASIDE_MIN_BYTES));
  const parts: Parts[] = [];
  for (const each of contents) parts.push(await partsOf(each));
  await warm({ reader, ...running }, parts[0]!);
  const lent: FilePiece[] = [];
  for (const each of parts) lent.push(await piece(reader, each));
  // Those that are too many have memory of their own.
  expect(lent.map(({ giveBack }) => giveBack !== undefined)).toEqual(contents.map((_, k) => k < LENT_MAX));
  expect(reader.lendableBytes).toBe(0);
  for (let round = 0; round < 3; round++) {
    for (const [k, each] of parts.entries()) {
      const other = await piece(reader, each, false);
      expect(other.content.equals(contents[k]!)).toBe(true);
    }
  }
  for (const [k, { content }] of lent.entries()) expect(content.equals(contents[k]!)).toBe(true);
  // Given back twice is given back once.
  for (const { giveBack } of [...lent, ...lent]) giveBack?.();
  expect(reader.lendableBytes).toBe(PIECE);
  const again = await Promise.all(parts.slice(0, 8).map((each) => piece(reader, each)));
  for (const [k, { content, giveBack }] of again.entries()) {
    expect(content.equals(contents[k]!)).toBe(true);
    expect(giveBack).toBeDefined();
    expect(again.filter((each) => each.content.byteOffset === content.byteOffset)).toHaveLength(1);
    giveBack?.();
  }
});

test("what is small or too long, of files that no system knows, or too much at a time is left to the caller", async () => {
  const running = readerOf();
  const { reader } = running;
  const parts = await partsOf(streamBytes(1, 0, PIECE));
  await warm(running, parts);
  const never = (): void => expect.fail("it was not taken");
  const { content, checksums } = parts;
  expect(reader.read({ ...content, length: READ_ASIDE_MIN_BYTES - 1 }, checksums, true, never)).toBe(false);
  expect(reader.read({ ...content, length: PIECE + 512 }, checksums, true, never)).toBe(false);
  const elsewhere = await new Promise<DiskFile>((resolve) =>
    createMemoryDisk(PIECE).create("f", 0, (_, file) => resolve(file!)),
  );
  expect(reader.read({ ...content, file: elsewhere }, checksums, true, never)).toBe(false);
  expect(reader.read(content, { ...checksums, file: elsewhere }, true, never)).toBe(false);
  const gone = await partsOf(streamBytes(1, 0, PIECE));
  gone.checksums.file.close();
  expect(reader.read(gone.content, gone.checksums, true, never)).toBe(false);
  const many = Array.from({ length: 8 }, () => piece(reader, parts));
  expect(reader.read(content, checksums, true, never)).toBe(false);
  for (const { giveBack } of await Promise.all(many)) giveBack?.();
  (await piece(reader, parts)).giveBack?.();
});

test("of a disk one piece at a time is taken, until what is read is in memory again", async () => {
  // As warm, or cold, as the last word said.
  const code = `
    const { parentPort } = require("node:worker_threads");
    let isCold = false, kept = 0;
    parentPort.on("message", (order) => {
      if (typeof order !== "string") return void kept++;
      isCold = order === "cold";
      const answer = { contentBytes: 0, checksumsBytes: 0, fitting: 0, isCold, error: "none" };
      for (; kept > 0; kept--) parentPort.postMessage(answer);
    });`;
  const running = readerOf(() => new Worker(code, { eval: true }));
  const { content, checksums } = await partsOf(streamBytes(1, 0, PIECE));
  await warm(running, { content, checksums });
  let answered = 0;
  const ask = (): boolean => running.reader.read(content, checksums, true, () => answered++);
  expect(running.reader.lendableBytes).toBe(4 << 20);
  expect([ask(), ask()]).toEqual([true, true]);
  running.workers[0]?.postMessage("cold");
  await expect.poll(() => answered).toBe(2);
  expect(running.reader.lendableBytes).toBe(2 << 20);
  expect([ask(), ask()]).toEqual([true, false]);
  running.workers[0]?.postMessage("warm");
  await expect.poll(() => answered).toBe(3);
  expect(running.reader.lendableBytes).toBe(4 << 20);
  expect([ask(), ask()]).toEqual([true, true]);
});

test("a file that is closed while the thread has it is closed afterwards", async () => {
  const running = readerOf();
  const content = streamBytes(3, 0, PIECE);
  const parts = await partsOf(content);
  await warm(running, parts);
  const reads = Array.from({ length: 8 }, () => piece(running.reader, parts));
  parts.content.file.close();
  parts.checksums.file.close();
  for (const read of await Promise.all(reads)) expect(read.content.equals(content)).toBe(true);
  expect(running.reader.read(parts.content, parts.checksums, true, () => undefined)).toBe(false);
});

test("damage in a replica is found by the thread, where it is, and so is what is missing", async () => {
  const running = readerOf();
  const content = streamBytes(3, 0, 4 * PIECE + 77);
  const { store, taken } = await storeWith(running.reader, content);
  expect((await read(store, 0)).equals(content.subarray(0, PIECE))).toBe(true);
  expect(taken()).toBe(0);
  await once(running.workers[0] as Worker, "online");
  for (const at of [0, PIECE, 5 * 512, 3 * PIECE + 512]) {
    expect((await read(store, at)).equals(content.subarray(at, at + PIECE))).toBe(true);
    expect((await read(store, at, false)).equals(content.subarray(at, at + PIECE))).toBe(true);
  }
  expect(taken()).toBe(8);
  const name = join(directory, "1.block");
  const bytes = readFileSync(name);
  const spoilt = async (at: number, message: string): Promise<void> => {
    await expect(read(store, at)).rejects.toMatchObject({
      code: "CHECKSUM_MISMATCH",
      message: expect.stringContaining(message),
    });
    expect(store.get(1)?.state).toBe("corrupt");
  };
  bytes[2 * PIECE + 512 * 9]! ^= 1;
  writeFileSync(name, bytes);
  await spoilt(2 * PIECE, `the chunk at byte ${2 * PIECE + 512 * 9} does not fit its checksum`);
  expect(taken()).toBe(9);
  await closed(store);
});

test.each([
  ["bytes", "1.block", 3 * PIECE + 512 * 3 + 100, `the chunk at byte ${3 * PIECE + 512 * 3} is missing`],
  ["its last byte", "1.block", 4 * PIECE + 76, `the chunk at byte ${4 * PIECE} is missing`],
])("a replica that lost %s is not served as far as it goes", async (_, file, length, message) => {
  const running = readerOf();
  const content = streamBytes(3, 0, 4 * PIECE + 77);
  const { store, taken } = await storeWith(running.reader, content);
  await read(store, 0);
  await once(running.workers[0] as Worker, "online");
  truncateSync(join(directory, file), length);
  const at = length > 4 * PIECE ? 3 * PIECE + 512 : 3 * PIECE;
  await expect(read(store, at)).rejects.toMatchObject({
    code: "CHECKSUM_MISMATCH",
    message: expect.stringContaining(message),
  });
  expect(taken()).toBe(1);
  await closed(store);
});

test("when the thread ends with pieces on their way, every one is read anew, and all that come after it here", async () => {
  const running = readerOf(sulkingThread);
  const content = streamBytes(4, 0, 6 * PIECE);
  const { store, taken } = await storeWith(running.reader, content);
  await read(store, 0);
  const [worker] = running.workers as [Worker];
  await once(worker, "online");
  const reads = [0, 1, 2, 3, 4, 5].map((each) => read(store, each * PIECE));
  await expect.poll(() => taken()).toBe(6);
  await worker.terminate();
  for (const [at, bytes] of (await Promise.all(reads)).entries()) {
    expect(bytes.equals(content.subarray(at * PIECE, (at + 1) * PIECE))).toBe(true);
  }
  expect((await read(store, PIECE)).equals(content.subarray(PIECE, 2 * PIECE))).toBe(true);
  expect(taken()).toBe(6);
  expect(store.get(1)?.state).toBe("finished");
  expect(running.workers).toHaveLength(1);
  expect(running.log).toEqual(["blocks.reader-thread-lost: it ended with code 1"]);
  await closed(store);
});

test("what the thread cannot read is read anew, and it goes on", async () => {
  const running = readerOf();
  const good = await partsOf(streamBytes(4, 0, PIECE));
  await warm(running, good);
  const broken: DiskFile = {
    ...good.content.file,
    descriptor: () => ({ number: 1 << 20, free: () => undefined }),
  };
  const bad = { ...good, content: { ...good.content, file: broken } };
  for (let round = 0; round < LENT_MAX + 8; round++) {
    await expect(piece(running.reader, bad)).rejects.toThrow("it was lost");
  }
  const { content, giveBack } = await piece(running.reader, good);
  expect(content.equals(streamBytes(4, 0, PIECE))).toBe(true);
  expect(giveBack).toBeDefined();
  expect(running.log).toEqual([]);
});

test.each([
  ["cannot be started", () => expect.fail("no thread"), "no thread"],
  ["is not there", () => new Worker(join(tmpdir(), "no-such-thread.js")), "Cannot find module"],
  ["throws", () => new Worker('throw new Error("it broke")', { eval: true }), "it broke"],
])("when the thread %s, everything is read here, and it is said once", async (_, start, why) => {
  const running = readerOf(start);
  const content = streamBytes(5, 0, 2 * PIECE);
  const { store } = await storeWith(running.reader, content);
  await expect
    .poll(async () => {
      expect((await read(store, PIECE)).equals(content.subarray(PIECE))).toBe(true);
      return running.log;
    })
    .toEqual([expect.stringContaining(why)]);
  expect((await read(store, 0)).equals(content.subarray(0, PIECE))).toBe(true);
  expect(running.log).toHaveLength(1);
  await closed(store);
});

test("a thread that keeps a piece for seconds is passed over, until it answers", async () => {
  const clock = new TestClock();
  const disk = new TestDisk();
  const running = readerOf(sulkingThread, clock);
  const parts = await partsOf(streamBytes(6, 0, PIECE));
  await warm(running, parts);
  const lost: number[] = [];
  const { content, checksums } = parts;
  const ask = (name: number): boolean =>
    running.reader.read(content, checksums, true, (read) => {
      expect(read).toBeUndefined();
      lost.push(name);
    });
  expect([ask(1), ask(2)]).toEqual([true, true]);
  // Before who reads loses patience with the node (STREAM_SILENCE_MS).
  clock.run(disk, 2_000);
  expect(lost).toEqual([]);
  clock.run(disk, 1_000);
  expect(lost).toEqual([1, 2]);
  expect(running.log).toEqual(["blocks.reader-thread-silent: 2"]);
  expect(clock.idle).toBe(true);
  expect(ask(3)).toBe(false);
  expect(running.reader.lendableBytes).toBe(0);
  running.workers[0]?.postMessage("go on");
  await expect.poll(() => running.reader.read(content, checksums, true, () => undefined)).toBe(true);
  expect(running.reader.lendableBytes).toBeGreaterThan(0);
  expect(lost).toEqual([1, 2]);
});

test("a thread that did nothing for long has as much time for the next piece as for any", async () => {
  const clock = new TestClock();
  const disk = new TestDisk();
  const running = readerOf(startReaderThread, clock);
  const parts = await partsOf(streamBytes(6, 0, PIECE));
  await warm(running, parts);
  const answered = async (): Promise<void> => {
    let isDone = false;
    expect(running.reader.read(parts.content, parts.checksums, false, () => (isDone = true))).toBe(true);
    await expect.poll(() => (clock.run(disk), isDone)).toBe(true);
  };
  await answered();
  clock.run(disk, 60_000);
  expect(clock.idle).toBe(true);
  const worker = running.workers[0] as Worker;
  worker.removeAllListeners("message");
  const lost: unknown[] = [];
  expect(running.reader.read(parts.content, parts.checksums, false, (read) => lost.push(read))).toBe(true);
  clock.run(disk, 2_900);
  expect(lost).toEqual([]);
  clock.run(disk, 100);
  expect(lost).toEqual([undefined]);
});

test("a thread that is held up takes no more, and none of its pieces waits longer for it than the first may", async () => {
  const clock = new TestClock();
  const disk = new TestDisk();
  // Answers one order for each word.
  const code = `
    const { parentPort } = require("node:worker_threads");
    parentPort.on("message", (order) => {
      if (order !== "one") return;
      parentPort.postMessage({ contentBytes: 0, checksumsBytes: 0, fitting: 0, error: "none" });
    });`;
  const running = readerOf(() => new Worker(code, { eval: true }), clock);
  const { content, checksums } = await partsOf(streamBytes(6, 0, PIECE));
  await warm(running, { content, checksums });
  const lost: number[] = [];
  const ask = (name: number): boolean => running.reader.read(content, checksums, true, () => lost.push(name));
  expect([ask(1), ask(2), ask(3)]).toEqual([true, true, true]);
  clock.run(disk, 99);
  expect(ask(4)).toBe(true);
  clock.run(disk, 1);
  expect(ask(5)).toBe(false);
  for (const name of [1, 2]) {
    clock.run(disk, 1_300);
    running.workers[0]?.postMessage("one");
    await expect.poll(() => (clock.run(disk), lost.at(-1))).toBe(name);
  }
  clock.run(disk, 400);
  expect(lost).toEqual([1, 2, 3, 4]);
  expect(ask(6)).toBe(false);
});

test("closing ends the thread and gives up what it has, and no other is begun", async () => {
  const running = readerOf();
  const parts = await partsOf(streamBytes(7, 0, PIECE));
  await warm(running, parts);
  const underWay = [1, 2, 3].map(() => piece(running.reader, parts).catch((error: Error) => error.message));
  await running.reader.close();
  expect(running.workers[0]?.threadId).toBe(-1);
  expect(await Promise.all(underWay)).toEqual(["it was lost", "it was lost", "it was lost"]);
  expect(running.reader.read(parts.content, parts.checksums, true, () => undefined)).toBe(false);
  expect(running.workers).toHaveLength(1);
  expect(running.log).toEqual([]);
});

test("closing waits for a thread that hangs, but not for ever, also in a node whose clock stands still", async () => {
  const parts = await partsOf(streamBytes(8, 0, PIECE));
  // Not before: its coming is waited for.
  const worker = sulkingThread();
  const running = readerOf(() => worker, new TestClock());
  await warm(running, parts);
  const terminate = worker.terminate.bind(worker);
  worker.terminate = async () => new Promise(() => undefined);
  await running.reader.close();
  worker.terminate = terminate;
});
