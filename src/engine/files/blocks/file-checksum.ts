/**
 * HDFS's checksum of a file, which `distcp` and `hadoop fs -checksum` compare: the MD5 of the MD5s of its blocks' CRC-32Cs.
 * What follows the MD5s in the buffer that HDFS hashes is in `wire/webhdfs/file-checksum.ts`.
 */
import { createHash } from "node:crypto";
import type { Bytes } from "../../../runtime/bytes.ts";
import { viewBytes, zeroBytes } from "../../../runtime/bytes.ts";
import { QuorateError } from "../../../runtime/errors.ts";
import type { NodeId, Timer } from "../../../runtime/world.ts";
import { checksumPadding } from "../../../wire/webhdfs/file-checksum.ts";
import type { BlockId, GenerationStamp } from "../namespace/model.ts";
import type { BlockLink } from "./block-link.ts";
import type { Outcome } from "./block-store.ts";
import { CHUNK_BYTES } from "./block-store.ts";
import { ChunkChecksums } from "./chunk-checksums.ts";
import type { StreamId } from "./protocol.ts";
import { STREAM_SILENCE_MS } from "./protocol.ts";

const MD5_BYTES = 16;

/** MD5 of a block's checksums. */
export function md5OfChecksums(checksums: Bytes): Bytes {
  return viewBytes(createHash("md5").update(checksums).digest());
}

/** The same of content that is at hand. */
export function md5OfContent(content: Bytes): Bytes {
  return md5OfChecksums(new ChunkChecksums(0, 0).of(content));
}

/**
 * The MD5 over MD5s, as HDFS gathers them: of a file over those of its blocks, and of a block group over those of its data shards
 * (both seen at HDFS 3.4.1).
 */
export function md5OfMd5s(md5s: readonly Bytes[]): Bytes {
  const gathered = zeroBytes(md5s.length * MD5_BYTES + checksumPadding(md5s.length));
  md5s.forEach((md5, at) => gathered.set(md5, at * MD5_BYTES));
  return viewBytes(createHash("md5").update(gathered).digest());
}

/** Of a file with these blocks, in order, of which the first has so many bytes. */
export function fileChecksum(
  blocks: readonly Bytes[],
  firstLength: number,
): { readonly algorithm: string; readonly bytes: Bytes } {
  const isEmpty = blocks.length === 0;
  const bytesPerCrc = isEmpty ? 0 : CHUNK_BYTES;
  const crcPerBlock = blocks.length > 1 ? Math.ceil(firstLength / CHUNK_BYTES) : 0;
  const bytes = Buffer.alloc(4 + 8 + MD5_BYTES);
  bytes.writeUInt32BE(bytesPerCrc, 0);
  bytes.writeBigUInt64BE(BigInt(crcPerBlock), 4);
  md5OfMd5s(blocks).copy(bytes, 12);
  const algorithm = `MD5-of-${crcPerBlock}MD5-of-${bytesPerCrc}${isEmpty ? "CRC32" : "CRC32C"}`;
  return { algorithm, bytes: viewBytes(bytes) };
}

/** Asks the nodes of a block, one after the other, for the MD5 of its checksums. BLOCK_MISSING when none has it. */
export function askBlockMd5(
  link: BlockLink,
  block: { readonly id: BlockId; readonly stamp: GenerationStamp; readonly length: number },
  from: readonly NodeId[],
  done: Outcome<Bytes>,
): void {
  let tried = 0;
  let asked: { readonly node: NodeId; readonly stream: StreamId } | undefined;
  let timer: Timer | undefined;
  const settle = (error: QuorateError | undefined, md5?: Bytes): void => {
    timer?.cancel();
    for (const cancel of subscriptions) cancel();
    done(error, md5);
  };
  const next = (why: string): void => {
    timer?.cancel();
    const node = from[tried++];
    if (node === undefined) {
      return settle(new QuorateError("BLOCK_MISSING", `no checksum of block ${block.id}: ${why}`));
    }
    const stream = link.newStream();
    asked = { node, stream };
    timer = link.clock.setTimer(STREAM_SILENCE_MS, () => next(`${node} is silent`));
    link.send(node, {
      type: "checksum",
      stream,
      block: block.id,
      minStamp: block.stamp,
      length: block.length,
    });
  };
  const isAsked = (node: NodeId, stream: StreamId): boolean =>
    asked?.node === node && asked.stream === stream;
  const subscriptions = [
    link.on("piece", (node, { stream, content }) => {
      if (isAsked(node, stream)) settle(undefined, viewBytes(content as Uint8Array<ArrayBuffer>));
    }),
    link.on("close", (node, { stream, answer, failure }) => {
      if (answer && isAsked(node, stream)) next(failure?.message ?? `${node} gave none`);
    }),
    link.onDown((peer) => {
      if (asked?.node === peer) next(`the link to ${peer} broke`);
    }),
  ];
  next("no node holds it");
}
