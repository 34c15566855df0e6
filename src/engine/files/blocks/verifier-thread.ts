/** The thread of `chunk-verifier.ts`: gets the memory of whole chunks, and sends it back with their checksums. */
import { parentPort } from "node:worker_threads";
import { CHUNK_BYTES } from "./block-store.ts";
import { checksumChunks } from "./chunk-crc.ts";
import type { Checksummed } from "./chunk-verifier.ts";

parentPort?.on("message", (content: ArrayBuffer) => {
  const checksums = new ArrayBuffer(4 * Math.ceil(content.byteLength / CHUNK_BYTES));
  checksumChunks(new Uint8Array(content), 0, content.byteLength, new Uint8Array(checksums), 0);
  const answer: Checksummed = { content, checksums };
  parentPort?.postMessage(answer, [content, checksums]);
});
