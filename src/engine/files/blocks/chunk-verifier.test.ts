import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Bytes } from "../../../runtime/bytes.ts";
import { copyBytes, NO_BYTES } from "../../../runtime/bytes.ts";
import { createClock } from "../../../runtime/node/clock.ts";
import { openNodeDisk } from "../../../runtime/node/disk.ts";
import type { Clock } from "../../../runtime/world.ts";
import { seededRandom, TestClock, TestDisk } from "../../group/write-ahead-log/crash-disk.testing.ts";
import type { BlockStore, ReadPiece, Replica, ReplicaWriter } from "./block-store.ts";
import { settled, streamBytes, sumsBehind } from "./block-store.testing.ts";
import type { ChunkVerifier } from "./chunk-verifier.ts";
import { startVerifierThread, ThreadVerifier, VERIFY_MIN_BYTES } from "./chunk-verifier.ts";
import { openBlockStore } from "./disk-block-store.ts";

const PIECE = 1 << 20;

let directory: string;
const verifiers: ThreadVerifier[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "verifier-"));
});
afterEach(async () => {
  for (const verifier of verifiers.splice(0)) await verifier.close();
  rmSync(directory, { recursive: true });
});

interface Running {
  readonly verifier: ThreadVerifier;
  /** That were started. */
  readonly workers: readonly Worker[];
  readonly log: string[];
}

function verifierOf(start: () => Worker = startVerifierThread, clock: Clock = createClock()): Running {
  const workers: Worker[] = [];
  const log: string[] = [];
  const verifier = new ThreadVerifier({
    clock,
    logger: { log: (_, event, fields) => log.push(`${event}: ${fields?.["error"]}`) },
    start() {
      const worker = start();
      workers.push(worker);
      return worker;
    },
  });
  verifiers.push(verifier);
  return { verifier, workers, log };
}

/** Keeps what it gets. */
function muteThread(): Worker {
  const code = 'require("node:worker_threads").parentPort.on("message", () => undefined)';
  return new Worker(code, { eval: true });
}

/** The first large piece begins the thread, and is not taken yet. */
async function warm({ verifier, workers }: Running): Promise<void> {
  const content = streamBytes(1, 0, VERIFY_MIN_BYTES);
  expect(verifier.verify(content, sumsBehind(NO_BYTES, content), () => undefined)).toBe(false);
  await once(workers[0] as Worker, "online");
}

interface Answer {
  readonly content: Bytes | undefined;
  readonly bad: number | undefined;
}

async function verified(verifier: ChunkVerifier, content: Bytes, checksums: Bytes): Promise<Answer> {
  return new Promise((resolve) => {
    expect(verifier.verify(content, checksums, (back, bad) => resolve({ content: back, bad }))).toBe(true);
  });
}

/** A store with one replica, that counts what its verifier took. */
async function storeWith(
  verifier: ChunkVerifier,
  content: Bytes,
): Promise<{ store: BlockStore; taken: () => number }> {
  let taken = 0;
  const counting: ChunkVerifier = {
    verify(bytes, checksums, done) {
      const isTaken = verifier.verify(bytes, checksums, done);
      if (isTaken) taken++;
      return isTaken;
    },
  };
  const store = await new Promise<BlockStore>((resolve) => {
    const options = { disk: openNodeDisk(directory), clock: createClock(), random: seededRandom(1) };
    openBlockStore({ ...options, reservedBytes: 0, verifier: counting }, resolve);
  });
  const writer = await settled<ReplicaWriter>((done) => store.create(1, 1, "disk", done));
  await settled((done) => writer.write(content, sumsBehind(NO_BYTES, content), done));
  await settled<Replica>((done) => writer.finish(done));
  return { store, taken: () => taken };
}

async function read(store: BlockStore, at: number): Promise<Bytes> {
  const { bytes } = await settled<ReadPiece>((done) => store.read(1, 1, at, PIECE, done));
  return bytes;
}

async function closed(store: BlockStore): Promise<void> {
  return new Promise((resolve) => store.close(resolve));
}

test("a piece comes back as it was, with the first chunk that does not fit, and in the order of the calls", async () => {
  const running = verifierOf();
  await warm(running);
  const { verifier } = running;
  const content = streamBytes(1, 0, 600_001);
  const checksums = sumsBehind(NO_BYTES, content);
  const good = copyBytes(content);
  const rotten = copyBytes(content);
  rotten[512 * 700 + 3]! ^= 0x10;
  const rottenTail = copyBytes(content);
  rottenTail[600_000]! ^= 1;
  const answers = await Promise.all(
    [good, rotten, rottenTail].map((each) => verified(verifier, each, checksums)),
  );
  expect(answers.map(({ bad }) => bad)).toEqual([undefined, 700, Math.floor(600_000 / 512)]);
  expect(answers[0]?.content?.equals(content)).toBe(true);
  // Its memory went to the thread and came back: nothing was copied, and nobody else has it.
  expect(good.length).toBe(0);
});

test("what is small, shares its memory, or is too much at a time is left to the caller, untouched", async () => {
  const running = verifierOf();
  await warm(running);
  const { verifier } = running;
  const sums = (content: Bytes): Bytes => sumsBehind(NO_BYTES, content);
  const never = (): void => expect.fail("it was not taken");
  const small = streamBytes(1, 0, VERIFY_MIN_BYTES - 1);
  expect(verifier.verify(small, sums(small), never)).toBe(false);
  const shared = streamBytes(1, 0, VERIFY_MIN_BYTES + 1024);
  for (const part of [shared.subarray(512), shared.subarray(0, VERIFY_MIN_BYTES)]) {
    expect(verifier.verify(part, sums(part), never)).toBe(false);
  }
  expect(shared.equals(streamBytes(1, 0, VERIFY_MIN_BYTES + 1024))).toBe(true);
  const large = streamBytes(1, 0, VERIFY_MIN_BYTES);
  const many = Array.from({ length: 8 }, () => verified(verifier, copyBytes(large), sums(large)));
  expect(verifier.verify(large, sums(large), never)).toBe(false);
  for (const { bad } of await Promise.all(many)) expect(bad).toBeUndefined();
  expect((await verified(verifier, large, sums(large))).bad).toBeUndefined();
});

test("damage in a replica is found by the thread, where it is", async () => {
  const running = verifierOf();
  const content = streamBytes(3, 0, 3 * PIECE + 77);
  const { store, taken } = await storeWith(running.verifier, content);
  expect((await read(store, 0)).equals(content.subarray(0, PIECE))).toBe(true);
  expect(taken()).toBe(0);
  await once(running.workers[0] as Worker, "online");
  for (const at of [0, PIECE, 5 * 512]) {
    expect((await read(store, at)).equals(content.subarray(at, at + PIECE))).toBe(true);
  }
  expect(taken()).toBe(3);
  const name = join(directory, "1.block");
  const bytes = readFileSync(name);
  bytes[2 * PIECE + 512 * 9]! ^= 1;
  writeFileSync(name, bytes);
  await expect(read(store, 2 * PIECE)).rejects.toMatchObject({
    code: "CHECKSUM_MISMATCH",
    message: expect.stringContaining(`the chunk at byte ${2 * PIECE + 512 * 9} does not fit its checksum`),
  });
  expect(taken()).toBe(4);
  expect(store.get(1)?.state).toBe("corrupt");
  await closed(store);
});

test("when the thread ends with pieces on their way, every one is read anew, and all that come after it here", async () => {
  const running = verifierOf(muteThread);
  const content = streamBytes(4, 0, 6 * PIECE);
  const { store, taken } = await storeWith(running.verifier, content);
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
  expect(running.log).toEqual(["blocks.verifier-lost: it ended with code 1"]);
  await closed(store);
});

test.each([
  ["cannot be started", () => expect.fail("no thread"), "no thread"],
  ["is not there", () => new Worker(join(tmpdir(), "no-such-thread.js")), "Cannot find module"],
  ["throws", () => new Worker('throw new Error("it broke")', { eval: true }), "it broke"],
])("when the thread %s, everything is verified here, and it is said once", async (_, start, why) => {
  const running = verifierOf(start);
  const content = streamBytes(5, 0, 2 * PIECE);
  const { store } = await storeWith(running.verifier, content);
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

test("a thread that keeps a piece for seconds counts as dead, and is ended", async () => {
  const clock = new TestClock();
  const disk = new TestDisk();
  const running = verifierOf(muteThread, clock);
  await warm(running);
  const content = streamBytes(6, 0, PIECE);
  const answers: Answer[] = [];
  const isTaken = running.verifier.verify(content, sumsBehind(NO_BYTES, content), (back, bad) =>
    answers.push({ content: back, bad }),
  );
  expect(isTaken).toBe(true);
  // Before who reads loses patience with the node (STREAM_SILENCE_MS).
  clock.run(disk, 2_000);
  expect(answers).toEqual([]);
  clock.run(disk, 1_000);
  expect(answers).toEqual([{ content: undefined, bad: undefined }]);
  expect(running.log).toEqual(["blocks.verifier-lost: it is silent"]);
  expect(clock.idle).toBe(true);
  await expect.poll(() => running.workers[0]?.threadId).toBe(-1);
});

test("closing ends the thread and gives up what it has, and no other is begun", async () => {
  const running = verifierOf();
  await warm(running);
  const content = streamBytes(7, 0, PIECE);
  const checksums = sumsBehind(NO_BYTES, content);
  const underWay = [1, 2, 3].map(() => verified(running.verifier, copyBytes(content), checksums));
  await running.verifier.close();
  expect(running.workers[0]?.threadId).toBe(-1);
  const lost = { content: undefined, bad: undefined };
  expect(await Promise.all(underWay)).toEqual([lost, lost, lost]);
  expect(running.verifier.verify(content, checksums, () => undefined)).toBe(false);
  expect(running.workers).toHaveLength(1);
  expect(running.log).toEqual([]);
});
