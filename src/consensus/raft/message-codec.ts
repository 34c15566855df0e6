/**
 * Raft messages as bytes between the nodes of a cluster.
 *
 * Encoding gives parts, so that the payloads of entries and chunks are sent as they are, not copied. Decoding trusts
 * nothing: the frame's checksum says that it is what a peer sent, not that the peer was right.
 */
import type { Bytes } from "../../runtime/bytes.ts";
import { isQuorateError, QuorateError } from "../../runtime/errors.ts";
import { ByteReader } from "../../wire/byte-reader.ts";
import { ByteWriter } from "../../wire/byte-writer.ts";
import type { Entry } from "../consensus.ts";
import {
  readEntry,
  readEntryCount,
  readFlag,
  readSnapshotName,
  writeEntry,
  writeSnapshotName,
} from "../message-parts.ts";
import type { SnapshotChunk } from "../message.ts";
import type { Append, RaftMessage } from "./message.ts";

/** The first byte of a message. The numbers are part of the protocol: never reused, only added to. */
const CODES = {
  preVote: 1,
  preVoteReply: 2,
  vote: 3,
  voteReply: 4,
  append: 5,
  appendReply: 6,
  appendReject: 7,
  heartbeat: 8,
  heartbeatReply: 9,
  commitNotice: 10,
  timeoutNow: 11,
  transferRequest: 12,
  readRequest: 13,
  readReply: 14,
  snapshotChunk: 15,
  snapshotReply: 16,
} as const satisfies Readonly<Record<RaftMessage["type"], number>>;

/** The message as the parts of one frame. Large payloads are parts of their own and must not change until sent. */
export function encodeMessage(message: RaftMessage): Uint8Array[] {
  const writer = new ByteWriter(128);
  writer.uint8(CODES[message.type]).uint53(message.term);
  switch (message.type) {
    case "preVote":
      return [writer.uint53(message.lastIndex).uint53(message.lastTerm).take()];
    case "vote":
      writer.uint53(message.lastIndex).uint53(message.lastTerm);
      return [writer.uint8(message.transfer ? 1 : 0).take()];
    case "preVoteReply":
    case "voteReply":
      return [writer.uint8(message.granted ? 1 : 0).take()];
    case "append":
      return encodeAppend(writer, message);
    case "appendReply":
      return [writer.uint53(message.matchIndex).take()];
    case "appendReject":
      writer.uint53(message.prevIndex).uint53(message.hintIndex).uint53(message.hintTerm);
      return [writer.uint8(message.recovering ? 1 : 0).take()];
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

function encodeAppend(writer: ByteWriter, message: Append): Uint8Array[] {
  const parts: Uint8Array[] = [];
  writer.uint53(message.prevIndex).uint53(message.prevTerm).uint53(message.commitIndex);
  writer.uint32(message.entries.length);
  for (const entry of message.entries) writeEntry(writer, entry, parts);
  if (writer.size > 0) parts.push(writer.take());
  return parts;
}

function encodeChunk(writer: ByteWriter, message: SnapshotChunk): Uint8Array[] {
  writeSnapshotName(writer, message.snapshot);
  writer.uint53(message.offset).uint32(message.chunk.length);
  return [writer.take(), message.chunk];
}

/**
 * The message that `bytes` hold. Payloads are views into `bytes`, which must own its memory.
 *
 * @throws QuorateError PROTOCOL when the bytes are not a well-formed message
 */
export function decodeMessage(bytes: Bytes): RaftMessage {
  const reader = new ByteReader(bytes);
  try {
    const message = readMessage(reader);
    if (reader.remaining > 0) throw new QuorateError("PROTOCOL", "bytes after the end of a message");
    return message;
  } catch (error) {
    if (isQuorateError(error)) throw error;
    throw new QuorateError("PROTOCOL", "malformed message", { cause: error });
  }
}

function readMessage(reader: ByteReader): RaftMessage {
  const code = reader.uint8();
  const term = reader.uint53();
  switch (code) {
    case CODES.preVote:
      return { type: "preVote", term, lastIndex: reader.uint53(), lastTerm: reader.uint53() };
    case CODES.vote:
      return {
        type: "vote",
        term,
        lastIndex: reader.uint53(),
        lastTerm: reader.uint53(),
        transfer: readFlag(reader),
      };
    case CODES.preVoteReply:
      return { type: "preVoteReply", term, granted: readFlag(reader) };
    case CODES.voteReply:
      return { type: "voteReply", term, granted: readFlag(reader) };
    case CODES.append:
      return readAppend(reader, term);
    case CODES.appendReply:
      return { type: "appendReply", term, matchIndex: reader.uint53() };
    case CODES.appendReject:
      return {
        type: "appendReject",
        term,
        prevIndex: reader.uint53(),
        hintIndex: reader.uint53(),
        hintTerm: reader.uint53(),
        recovering: readFlag(reader),
      };
    case CODES.heartbeat:
      return { type: "heartbeat", term, round: reader.uint53(), commitIndex: reader.uint53() };
    case CODES.heartbeatReply:
      return {
        type: "heartbeatReply",
        term,
        round: reader.uint53(),
        receivedIndex: reader.uint53(),
        durableIndex: reader.uint53(),
      };
    case CODES.commitNotice:
      return { type: "commitNotice", term, commitIndex: reader.uint53() };
    case CODES.timeoutNow:
      return { type: "timeoutNow", term };
    case CODES.transferRequest:
      return { type: "transferRequest", term, to: reader.text() };
    case CODES.readRequest:
      return { type: "readRequest", term, id: reader.uint53() };
    case CODES.readReply:
      return readReadReply(reader, term);
    case CODES.snapshotChunk:
      return readChunk(reader, term);
    case CODES.snapshotReply:
      return { type: "snapshotReply", term, snapshotIndex: reader.uint53(), offset: reader.uint53() };
    default:
      throw new QuorateError("PROTOCOL", `unknown message ${code}`);
  }
}

function readReadReply(reader: ByteReader, term: number): RaftMessage {
  const id = reader.uint53();
  const answered = readFlag(reader);
  const index = reader.uint53();
  return { type: "readReply", term, id, index: answered ? index : undefined };
}

/** Terms never fall along a log and never pass the sender's; the core relies on both. */
function readAppend(reader: ByteReader, term: number): RaftMessage {
  const prevIndex = reader.uint53();
  const prevTerm = reader.uint53();
  const commitIndex = reader.uint53();
  const count = readEntryCount(reader);
  if (!Number.isSafeInteger(prevIndex + count)) throw new QuorateError("PROTOCOL", "index above 2^53");
  const entries: Entry[] = [];
  let lastTerm = prevTerm;
  for (let at = 1; at <= count; at += 1) {
    const entry = readEntry(reader, prevIndex + at);
    if (entry.term < lastTerm) throw new QuorateError("PROTOCOL", "terms go back along the log");
    lastTerm = entry.term;
    entries.push(entry);
  }
  if (lastTerm > term) throw new QuorateError("PROTOCOL", "an entry of a later term than its sender's");
  return { type: "append", term, prevIndex, prevTerm, entries, commitIndex };
}

function readChunk(reader: ByteReader, term: number): RaftMessage {
  const snapshot = readSnapshotName(reader);
  const offset = reader.uint53();
  const chunk = reader.bytes();
  if (offset + chunk.length > snapshot.sizeBytes)
    throw new QuorateError("PROTOCOL", "a chunk past the end of its snapshot");
  if (snapshot.term > term)
    throw new QuorateError("PROTOCOL", "a snapshot of a later term than its sender's");
  return { type: "snapshotChunk", term, snapshot, offset, chunk };
}
