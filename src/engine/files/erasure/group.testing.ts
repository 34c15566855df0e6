/** Block groups on simulated nodes, with cells so small that a test fills many stripes. */
import type { Bytes } from "../../../runtime/bytes.ts";
import type { NodeId } from "../../../runtime/world.ts";
import type { BlockCluster, RunningNode } from "../blocks/block-cluster.testing.ts";
import { streamBytes } from "../blocks/block-store.testing.ts";
import type { Outcome } from "../blocks/block-store.ts";
import type { WrittenBlock } from "../namespace/commands.ts";
import type { ErasurePolicy, StripeGeometry } from "../namespace/erasure-policy.ts";
import { shardLength, unitsOf } from "../namespace/erasure-policy.ts";
import { generatorMatrix, multiply } from "./galois-field.ts";
import type { GroupRange } from "./group-reader.ts";
import { readGroup } from "./group-reader.ts";
import type { GroupWriterOptions } from "./group-writer.ts";
import { GroupWriter } from "./group-writer.ts";

export const CELL = 4096;
export const SMALL_RS32: ErasurePolicy = {
  name: "RS-3-2-4k",
  id: 2,
  dataUnits: 3,
  parityUnits: 2,
  cellBytes: CELL,
};
export const SMALL_RS63: ErasurePolicy = {
  name: "RS-6-3-4k",
  id: 1,
  dataUnits: 6,
  parityUnits: 3,
  cellBytes: CELL,
};
/** A multiple of sixteen, as the namespace gives it. */
export const GROUP = 160;

/** What each shard of a group must hold, worked out byte by byte from the definition. */
export function shardsOf(content: Uint8Array, geometry: StripeGeometry): Buffer[] {
  const { dataUnits, parityUnits, cellBytes } = geometry;
  const matrix = generatorMatrix(dataUnits, parityUnits);
  const shards = Array.from({ length: unitsOf(geometry) }, (_, unit) =>
    Buffer.alloc(shardLength(geometry, content.length, unit)),
  );
  for (const [at, byte] of content.entries()) {
    const cell = Math.floor(at / cellBytes);
    const unit = cell % dataUnits;
    const place = Math.floor(cell / dataUnits) * cellBytes + (at % cellBytes);
    shards[unit]![place] = byte;
    for (let parity = dataUnits; parity < shards.length; parity++) {
      shards[parity]![place]! ^= multiply(matrix[parity * dataUnits + unit]!, byte);
    }
  }
  return shards;
}

export function groupWriterAt(
  node: RunningNode,
  nodes: readonly NodeId[],
  options: Partial<GroupWriterOptions> = {},
): GroupWriter {
  return new GroupWriter(node.link, {
    block: GROUP,
    stamp: 1,
    geometry: SMALL_RS32,
    nodes,
    durability: "disk",
    ...options,
  });
}

/** Writes pieces one after the other, as room is given, and finishes. */
export function pour(
  writer: GroupWriter,
  content: Bytes,
  pieceBytes: number,
  finished: Outcome<WrittenBlock>,
  each: (at: number) => void = () => undefined,
): void {
  const next = (at: number): void => {
    each(at);
    if (writer.failure !== undefined) return finished(writer.failure);
    if (at >= content.length) return writer.finish(finished);
    writer.write(content.subarray(at, at + pieceBytes), () => next(at + pieceBytes));
  };
  next(0);
}

/** A finished group of so many bytes, with the content of stream `block`. */
export function writeGroup(
  cluster: BlockCluster,
  at: NodeId,
  nodes: readonly NodeId[],
  length: number,
  options: Partial<GroupWriterOptions> = {},
): Bytes {
  const content = streamBytes(options.block ?? GROUP, 0, length);
  const writer = groupWriterAt(cluster.node(at), nodes, options);
  cluster.call<WrittenBlock>("a group is written", (done) => pour(writer, content, 5_000, done));
  return content;
}

export function rangeOf(
  nodes: readonly NodeId[],
  groupLength: number,
  offset = 0,
  length: number = groupLength - offset,
  geometry: StripeGeometry = SMALL_RS32,
): GroupRange {
  const from = nodes.map((node) => [node]);
  return { block: GROUP, stamp: 1, geometry, groupLength, from, offset, length };
}

/** Reads through the network as a reader at `reader` does. */
export function readAt(
  cluster: BlockCluster,
  reader: NodeId,
  range: GroupRange,
  damaged: (node: NodeId, block: number) => void = () => undefined,
  delivered: (bytes: number) => void = () => undefined,
): Bytes {
  const parts: Bytes[] = [];
  let sum = 0;
  cluster.call("a group is read", (done: Outcome) => {
    readGroup(cluster.node(reader).link, range, {
      piece(bytes, more) {
        parts.push(bytes);
        sum += bytes.length;
        delivered(sum);
        more();
      },
      damaged,
      end: done,
    });
  });
  return Buffer.concat(parts);
}
