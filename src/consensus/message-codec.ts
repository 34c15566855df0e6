/**
 * The messages that both algorithms have, as bytes between the nodes of a cluster.
 *
 * Encoding gives parts, so that the payloads of entries and chunks are sent as they are, not copied. Decoding trusts
 * nothing: the frame's checksum says that it is what a peer sent, not that the peer was right.
 */
import type { Bytes } from "../runtime/bytes.ts";
import { isQuorateError, QuorateError } from "../runtime/errors.ts";
import { ByteReader } from "../wire/byte-reader.ts";
import type { ByteWriter } from "../wire/byte-writer.ts";
import type { Term } from "./consensus.ts";
import { readFlag, readSnapshotName, writeSnapshotName } from "./message-parts.ts";
import type { ReadReply, SharedMessage, SnapshotChunk } from "./message.ts";

/**
 * The first byte of a message. The numbers are part of the protocol: never reused, only added to. Those of Raft's own are 3 to
 * 7, those of Multi-Paxos' own are from 17 on: so neither takes the other's for its own.
 */
interface SharedCodes extends Readonly<Record<SharedMessage["type"], number>> {
  readonly preVote: 1;
  readonly preVoteReply: 2;
  readonly heartbeat: 8;
  readonly heartbeatReply: 9;
  readonly commitNotice: 10;
  readonly timeoutNow: 11;
  readonly transferRequest: 12;
  readonly readRequest: 13;
  readonly readReply: 14;
  readonly snapshotChunk: 15;
  readonly snapshotReply: 16;
}

export const SHARED_CODES: SharedCodes = {
  preVote: 1,
  preVoteReply: 2,
  heartbeat: 8,
  heartbeatReply: 9,
  commitNotice: 10,
  timeoutNow: 11,
  transferRequest: 12,
  readRequest: 13,
  readReply: 14,
  snapshotChunk: 15,
  snapshotReply: 16,
};

/** What follows code and term, as parts of one frame. */
export function encodeShared(writer: ByteWriter, message: SharedMessage): Uint8Array[] {
  switch (message.type) {
    case "preVote":
      return [writer.uint53(message.lastIndex).uint53(message.lastTerm).take()];
    case "preVoteReply":
      return [writer.uint8(message.granted ? 1 : 0).take()];
    case "heartbeat":
      return [writer.uint53(message.round).uint53(message.commitIndex).take()];
    case "heartbeatReply":
      writer.uint53(message.round).uint53(message.receivedIndex);
      return [writer.uint53(message.durableIndex).take()];
    case "commitNotice":
      return [writer.uint53(message.commitIndex).take()];
    case "timeoutNow":
      return [writer.take()];
    case "transferRequest":
      return [writer.text(message.to).take()];
    case "readRequest":
      return [writer.uint53(message.id).take()];
    case "readReply":
      writer.uint53(message.id).uint8(message.index === undefined ? 0 : 1);
      return [writer.uint53(message.index ?? 0).take()];
    case "snapshotChunk":
      return encodeChunk(writer, message);
    case "snapshotReply":
      return [writer.uint53(message.snapshotIndex).uint53(message.offset).take()];
  }
}

function encodeChunk(writer: ByteWriter, message: SnapshotChunk): Uint8Array[] {
  writeSnapshotName(writer, message.snapshot);
  writer.uint53(message.offset).uint32(message.chunk.length);
  return [writer.take(), message.chunk];
}

/**
 * The message that `bytes` hold: `read` gets its code and term, and the rest.
 *
 * @throws QuorateError PROTOCOL when the bytes are not a well-formed message
 */
export function decodeWith<Message>(
  bytes: Bytes,
  read: (reader: ByteReader, code: number, term: Term) => Message,
): Message {
  const reader = new ByteReader(bytes);
  try {
    const code = reader.uint8();
    const message = read(reader, code, reader.uint53());
    if (reader.remaining > 0) throw new QuorateError("PROTOCOL", "bytes after the end of a message");
    return message;
  } catch (error) {
    if (isQuorateError(error)) throw error;
    throw new QuorateError("PROTOCOL", "malformed message", { cause: error });
  }
}

/** Throws QuorateError PROTOCOL, also for a code that neither algorithm knows. */
export function readShared(reader: ByteReader, code: number, term: Term): SharedMessage {
  switch (code) {
    case SHARED_CODES.preVote:
      return { type: "preVote", term, lastIndex: reader.uint53(), lastTerm: reader.uint53() };
    case SHARED_CODES.preVoteReply:
      return { type: "preVoteReply", term, granted: readFlag(reader) };
    case SHARED_CODES.heartbeat:
      return { type: "heartbeat", term, round: reader.uint53(), commitIndex: reader.uint53() };
    case SHARED_CODES.heartbeatReply:
      return {
        type: "heartbeatReply",
        term,
        round: reader.uint53(),
        receivedIndex: reader.uint53(),
        durableIndex: reader.uint53(),
      };
    case SHARED_CODES.commitNotice:
      return { type: "commitNotice", term, commitIndex: reader.uint53() };
    case SHARED_CODES.timeoutNow:
      return { type: "timeoutNow", term };
    case SHARED_CODES.transferRequest:
      return { type: "transferRequest", term, to: reader.text() };
    case SHARED_CODES.readRequest:
      return { type: "readRequest", term, id: reader.uint53() };
    case SHARED_CODES.readReply:
      return readReadReply(reader, term);
    case SHARED_CODES.snapshotChunk:
      return readChunk(reader, term);
    case SHARED_CODES.snapshotReply:
      return { type: "snapshotReply", term, snapshotIndex: reader.uint53(), offset: reader.uint53() };
    default:
      throw new QuorateError("PROTOCOL", `unknown message ${code}`);
  }
}

function readReadReply(reader: ByteReader, term: Term): ReadReply {
  const id = reader.uint53();
  const answered = readFlag(reader);
  const index = reader.uint53();
  return { type: "readReply", term, id, index: answered ? index : undefined };
}

function readChunk(reader: ByteReader, term: Term): SnapshotChunk {
  const snapshot = readSnapshotName(reader);
  const offset = reader.uint53();
  const chunk = reader.bytes();
  if (offset + chunk.length > snapshot.sizeBytes)
    throw new QuorateError("PROTOCOL", "a chunk past the end of its snapshot");
  if (snapshot.term > term)
    throw new QuorateError("PROTOCOL", "a snapshot of a later term than its sender's");
  return { type: "snapshotChunk", term, snapshot, offset, chunk };
}
