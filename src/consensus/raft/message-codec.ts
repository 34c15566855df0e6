/** Raft's messages as bytes between the nodes of a cluster; those that it shares are in `../message-codec.ts`. */
import type { Bytes } from "../../runtime/bytes.ts";
import { QuorateError } from "../../runtime/errors.ts";
import type { ByteReader } from "../../wire/byte-reader.ts";
import { ByteWriter } from "../../wire/byte-writer.ts";
import type { Entry, Term } from "../consensus.ts";
import { decodeWith, encodeShared, readShared, SHARED_CODES } from "../message-codec.ts";
import { readEntry, readEntryCount, readFlag, writeEntry } from "../message-parts.ts";
import type { Append, RaftMessage } from "./message.ts";

const CODES = {
  ...SHARED_CODES,
  vote: 3,
  voteReply: 4,
  append: 5,
  appendReply: 6,
  appendReject: 7,
} as const satisfies Readonly<Record<RaftMessage["type"], number>>;

/** The message as the parts of one frame. Large payloads are parts of their own and must not change until sent. */
export function encodeMessage(message: RaftMessage): Uint8Array[] {
  const writer = new ByteWriter(128);
  writer.uint8(CODES[message.type]).uint53(message.term);
  switch (message.type) {
    case "vote":
      writer.uint53(message.lastIndex).uint53(message.lastTerm);
      return [writer.uint8(message.transfer ? 1 : 0).take()];
    case "voteReply":
      return [writer.uint8(message.granted ? 1 : 0).take()];
    case "append":
      return encodeAppend(writer, message);
    case "appendReply":
      return [writer.uint53(message.matchIndex).take()];
    case "appendReject":
      writer.uint53(message.prevIndex).uint53(message.hintIndex).uint53(message.hintTerm);
      return [writer.uint8(message.recovering ? 1 : 0).take()];
    default:
      return encodeShared(writer, message);
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

/**
 * The message that `bytes` hold. Payloads are views into `bytes`, which must own its memory.
 *
 * @throws QuorateError PROTOCOL when the bytes are not a well-formed message
 */
export function decodeMessage(bytes: Bytes): RaftMessage {
  return decodeWith(bytes, readMessage);
}

function readMessage(reader: ByteReader, code: number, term: Term): RaftMessage {
  switch (code) {
    case CODES.vote:
      return {
        type: "vote",
        term,
        lastIndex: reader.uint53(),
        lastTerm: reader.uint53(),
        transfer: readFlag(reader),
      };
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
    default:
      return readShared(reader, code, term);
  }
}

/** Terms never fall along a log and never pass the sender's; the core relies on both. */
function readAppend(reader: ByteReader, term: Term): Append {
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
