/** The thread of `piece-reader.ts`: reads whole chunks into the memory that it shares, and puts their checksums beside them. */
import fs from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import type { SharedMemory } from "../web-assembly-code.ts";
import { CHUNK_BYTES } from "./block-store.ts";
import { ChunkEngine } from "./chunk-crc.ts";
import type { PartOrder, ReadAnswer, ReadOrder } from "./piece-reader.ts";

/** Little enough that its checksums are counted of what the processor still has at hand. */
const STEP_BYTES = 128 * 1024;

const engine = ChunkEngine.on(workerData as SharedMemory);
if (engine === undefined) throw new Error("there are no vectors here");
const { bytes } = engine;

parentPort?.on("message", (order: ReadOrder) => {
  const answer = answerTo(order);
  parentPort?.postMessage(answer, answer.copy === undefined ? [] : [answer.copy]);
});

function answerTo({ content, checksums, computedAt, copies }: ReadOrder): ReadAnswer {
  try {
    const contentBytes = readCounting(content, computedAt);
    const checksumsBytes = read(checksums);
    const copy = copies ? new ArrayBuffer(contentBytes + checksumsBytes) : undefined;
    if (copy !== undefined) {
      const into = new Uint8Array(copy);
      into.set(bytes.subarray(content.at, content.at + contentBytes));
      into.set(bytes.subarray(checksums.at, checksums.at + checksumsBytes), contentBytes);
    }
    return { contentBytes, checksumsBytes, copy, error: undefined };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { contentBytes: 0, checksumsBytes: 0, copy: undefined, error: message };
  }
}

/** With the checksums of whole chunks as soon as they are there. */
function readCounting(part: PartOrder, computedAt: number): number {
  let counted = 0;
  const count = (to: number): void => {
    if (to > counted)
      engine?.checksum(part.at + counted, part.at + to, computedAt + (counted / CHUNK_BYTES) * 4);
    counted = to;
  };
  const filled = read(part, (there) => count(Math.floor(there / CHUNK_BYTES) * CHUNK_BYTES));
  count(filled);
  return filled;
}

/** A read may end early (a signal); it is over at the end of the file. */
function read({ descriptor, position, length, at }: PartOrder, progress?: (filled: number) => void): number {
  let filled = 0;
  while (filled < length) {
    const step = Math.min(STEP_BYTES, length - filled);
    const got = fs.readSync(descriptor, bytes, at + filled, step, position + filled);
    if (got === 0) break;
    filled += got;
    progress?.(filled);
  }
  return filled;
}
