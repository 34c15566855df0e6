/** The encoding of a snapshot's name and membership, as the log's snapshot marks and the snapshot files hold it. */
import type { Membership, SnapshotMeta } from "../../consensus/consensus.ts";
import { readMembership, writeMembership } from "../../consensus/membership.ts";
import type { Bytes } from "../../runtime/bytes.ts";
import { QuorateError } from "../../runtime/errors.ts";
import type { NodeId } from "../../runtime/world.ts";
import { ByteReader } from "../../wire/byte-reader.ts";
import { ByteWriter } from "../../wire/byte-writer.ts";

export function encodeSnapshotMeta(meta: SnapshotMeta): Bytes {
  const writer = new ByteWriter();
  writer.uint53(meta.index).uint53(meta.term).uint53(meta.sizeBytes);
  const { voters, outgoing, learners, addresses, ...more } = meta.membership;
  for (const names of [voters, outgoing, learners]) {
    writer.uint32(names.length);
    for (const name of names) writer.text(name);
  }
  const addressed = Object.entries(addresses);
  writer.uint32(addressed.length);
  for (const [name, address] of addressed) writer.text(name).text(address);
  // A membership that says more than the first ones did follows whole, as the log has it.
  if (Object.keys(more).length > 0) writeMembership(writer, meta.membership);
  return writer.take();
}

/** Raises PROTOCOL when the bytes are not what `encodeSnapshotMeta` writes. */
export function decodeSnapshotMeta(bytes: Bytes): SnapshotMeta {
  const reader = new ByteReader(bytes);
  const index = reader.uint53();
  const term = reader.uint53();
  const sizeBytes = reader.uint53();
  const plain: Membership = {
    voters: readNames(reader),
    outgoing: readNames(reader),
    learners: readNames(reader),
    addresses: Object.fromEntries(readNames(reader, (name) => [name, reader.text()] as const)),
  };
  const membership = reader.remaining === 0 ? plain : readMembership(reader);
  if (reader.remaining > 0) throw new QuorateError("PROTOCOL", "bytes after a snapshot's membership");
  return { index, term, sizeBytes, membership };
}

function readNames(reader: ByteReader): NodeId[];
function readNames<Item>(reader: ByteReader, read: (name: NodeId) => Item): Item[];
function readNames(reader: ByteReader, read: (name: NodeId) => unknown = (name) => name): unknown[] {
  const items: unknown[] = [];
  for (let left = reader.uint32(); left > 0; left--) items.push(read(reader.text()));
  return items;
}
