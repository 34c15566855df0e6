/** The thread of `piece-reader.ts`: reads pieces and their checksums into the memory that it shares, and holds them against each other. */
import fs from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import type { PageMemory } from "../../../runtime/page-memory.ts";
import { CHUNK_BYTES } from "./block-store.ts";
import { ChunkEngine, OVERLAID_CHUNKS } from "./chunk-engine.ts";
import type { PartOrder, ReadAnswer, ReadOrder } from "./piece-reader.ts";

/** Little enough that it is verified while the processor still has it at hand; as much as the engine takes at a time. */
const STEP_BYTES = OVERLAID_CHUNKS * CHUNK_BYTES;

const engine = ChunkEngine.on(workerData as PageMemory);
if (engine === undefined) throw new Error("there are no vectors here");
const { bytes } = engine;

parentPort?.on("message", (order: ReadOrder) => {
  const answer = answerTo(order);
  parentPort?.postMessage(answer, answer.copy === undefined ? [] : [answer.copy]);
});

function answerTo({ content, checksums, copies }: ReadOrder): ReadAnswer {
  const before = process.resourceUsage().fsRead;
  try {
    const checksumsBytes = read(checksums);
    const { contentBytes, fitting } = readVerifying(content, checksums.at, checksumsBytes);
    const copy = copies ? new ArrayBuffer(contentBytes + checksumsBytes) : undefined;
    if (copy !== undefined) {
      const into = new Uint8Array(copy);
      into.set(bytes.subarray(content.at, content.at + contentBytes));
      into.set(bytes.subarray(checksums.at, checksums.at + checksumsBytes), contentBytes);
    }
    const isCold = process.resourceUsage().fsRead > before;
    return { contentBytes, checksumsBytes, fitting, isCold, copy, error: undefined };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { contentBytes: 0, checksumsBytes: 0, fitting: 0, isCold: true, copy: undefined, error: message };
  }
}

/** Verifies from the beginning on, as far as all fits and as whole steps are there. */
function readVerifying(
  part: PartOrder,
  checksumsAt: number,
  checksumsBytes: number,
): Pick<ReadAnswer, "contentBytes" | "fitting"> {
  let fitting = 0;
  let isGood = true;
  const contentBytes = read(part, (filled) => {
    const chunks = Math.min(Math.floor(filled / CHUNK_BYTES), Math.floor(checksumsBytes / 4)) - fitting;
    if (!isGood || chunks <= 0) return;
    const fit = engine?.fitting(part.at + fitting * CHUNK_BYTES, chunks, checksumsAt + fitting * 4) ?? 0;
    fitting += fit;
    isGood = fit === chunks - (chunks % OVERLAID_CHUNKS);
  });
  return { contentBytes, fitting };
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
