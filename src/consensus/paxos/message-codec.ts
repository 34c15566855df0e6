/** Multi-Paxos' messages as bytes between the nodes of a cluster; those that it shares are in `../message-codec.ts`. */
import type { Bytes } from "../../runtime/bytes.ts";
import { QuorateError } from "../../runtime/errors.ts";
import type { ByteReader } from "../../wire/byte-reader.ts";
import { ByteWriter } from "../../wire/byte-writer.ts";
import type { Entry, Index, Term } from "../consensus.ts";
import { decodeWith, encodeShared, readShared, SHARED_CODES } from "../message-codec.ts";
import { readEntry, readEntryCount, readFlag, writeEntry } from "../message-parts.ts";
import type { Run } from "../message.ts";
import type { Accept, PaxosMessage, Prepare, PromiseMessage } from "./message.ts";

const CODES = {
  ...SHARED_CODES,
  // With runs, which Raft's has not.
  preVote: 25,
  prepare: 17,
  promise: 18,
  refusal: 19,
  fetch: 20,
  values: 21,
  accept: 22,
  accepted: 23,
  gap: 24,
} as const satisfies Readonly<Record<PaxosMessage["type"], number>>;

const RUN_BYTES = 3 * 8;
/** More slots than any leader has on their way: a bound for what a peer may claim. */
const UNDECIDED_MAX = 2 ** 24;

/** The message as the parts of one frame. Large payloads are parts of their own and must not change until sent. */
export function encodeMessage(message: PaxosMessage): Uint8Array[] {
  const writer = new ByteWriter(128);
  writer.uint8(CODES[message.type]).uint53(message.term);
  switch (message.type) {
    case "preVote":
      return [writeRuns(writer.uint53(message.lastIndex), message.accepted ?? []).take()];
    case "prepare":
      writer.uint53(message.fromIndex).uint53(message.replaces);
      return [writeRuns(writer.uint53(message.chosenIndex), message.accepted).take()];
    case "promise":
      return [encodePromise(writer, message)];
    case "refusal":
      return [writer.take()];
    case "fetch":
      return [writer.uint53(message.fromIndex).uint53(message.toIndex).take()];
    case "values":
      return encodeEntries(writer.uint53(message.fromIndex), message.entries);
    case "accept":
      writer.uint53(message.prevIndex).uint53(message.openingIndex).uint53(message.commitIndex);
      return encodeEntries(writer, message.entries);
    case "accepted":
      return [writer.uint53(message.matchIndex).take()];
    case "gap":
      writer.uint53(message.prevIndex).uint53(message.hintIndex);
      return [writer.uint8(message.recovering ? 1 : 0).take()];
    default:
      return encodeShared(writer, message);
  }
}

function encodePromise(writer: ByteWriter, message: PromiseMessage): Uint8Array {
  writer.uint53(message.fromIndex).uint53(message.chosenIndex).uint53(message.firstIndex);
  writer.uint53(message.throughIndex).uint53(message.lastIndex);
  return writeRuns(writer, message.runs).take();
}

function writeRuns(writer: ByteWriter, runs: readonly Run[]): ByteWriter {
  writer.uint32(runs.length);
  for (const { fromIndex, toIndex, ballot } of runs) writer.uint53(fromIndex).uint53(toIndex).uint53(ballot);
  return writer;
}

function encodeEntries(writer: ByteWriter, entries: readonly Entry[]): Uint8Array[] {
  const parts: Uint8Array[] = [];
  writer.uint32(entries.length);
  for (const entry of entries) writeEntry(writer, entry, parts);
  if (writer.size > 0) parts.push(writer.take());
  return parts;
}

/**
 * The message that `bytes` hold. Payloads are views into `bytes`, which must own its memory.
 *
 * @throws QuorateError PROTOCOL when the bytes are not a well-formed message
 */
export function decodeMessage(bytes: Bytes): PaxosMessage {
  return decodeWith(bytes, readMessage);
}

function readMessage(reader: ByteReader, code: number, term: Term): PaxosMessage {
  switch (code) {
    case CODES.preVote: {
      const lastIndex = reader.uint53();
      const accepted = readRuns(reader, lastIndex, Number.MAX_SAFE_INTEGER, term);
      return { type: "preVote", term, lastIndex, lastTerm: 0, accepted };
    }
    case CODES.prepare:
      return readPrepare(reader, term);
    case CODES.promise:
      return readPromise(reader, term);
    case CODES.refusal:
      return { type: "refusal", term };
    case CODES.fetch:
      return { type: "fetch", term, fromIndex: reader.uint53(), toIndex: reader.uint53() };
    case CODES.values: {
      const fromIndex = reader.uint53();
      return { type: "values", term, fromIndex, entries: readEntries(reader, fromIndex, term) };
    }
    case CODES.accept:
      return readAccept(reader, term);
    case CODES.accepted:
      return { type: "accepted", term, matchIndex: reader.uint53() };
    case CODES.gap:
      return {
        type: "gap",
        term,
        prevIndex: reader.uint53(),
        hintIndex: reader.uint53(),
        recovering: readFlag(reader),
      };
    default:
      return readShared(reader, code, term);
  }
}

function readPrepare(reader: ByteReader, term: Term): Prepare {
  const fromIndex = reader.uint53();
  const replaces = reader.uint53();
  if (replaces >= term) throw new QuorateError("PROTOCOL", "a ballot that replaces a later one");
  const chosenIndex = reader.uint53();
  const accepted = readRuns(reader, chosenIndex, Number.MAX_SAFE_INTEGER, term);
  return { type: "prepare", term, fromIndex, replaces, chosenIndex, accepted };
}

function readPromise(reader: ByteReader, term: Term): PromiseMessage {
  const fromIndex = reader.uint53();
  const chosenIndex = reader.uint53();
  const firstIndex = reader.uint53();
  const throughIndex = reader.uint53();
  const lastIndex = reader.uint53();
  const start = Math.max(fromIndex - 1, chosenIndex);
  if (throughIndex < start || throughIndex - start > UNDECIDED_MAX) {
    throw new QuorateError("PROTOCOL", "a promise that ends where it cannot");
  }
  const runs = readRuns(reader, start, throughIndex, term);
  return { type: "promise", term, fromIndex, chosenIndex, firstIndex, runs, throughIndex, lastIndex };
}

/** Runs are in order, behind `start` and not behind `last`, and of ballots before the candidate's; the core relies on it. */
function readRuns(reader: ByteReader, start: Index, last: Index, term: Term): Run[] {
  const count = reader.uint32();
  if (count > reader.remaining / RUN_BYTES) throw new QuorateError("PROTOCOL", "truncated runs");
  const runs: Run[] = [];
  let end = start;
  for (let left = count; left > 0; left -= 1) {
    const run: Run = { fromIndex: reader.uint53(), toIndex: reader.uint53(), ballot: reader.uint53() };
    const isNext = run.fromIndex > end && run.toIndex >= run.fromIndex && run.toIndex <= last;
    if (!isNext || run.ballot >= term) throw new QuorateError("PROTOCOL", "a run that no acceptor can hold");
    end = run.toIndex;
    runs.push(run);
  }
  return runs;
}

function readAccept(reader: ByteReader, term: Term): Accept {
  const prevIndex = reader.uint53();
  const openingIndex = reader.uint53();
  const commitIndex = reader.uint53();
  const entries = readEntries(reader, prevIndex + 1, term);
  return { type: "accept", term, prevIndex, openingIndex, entries, commitIndex };
}

/** No value was accepted in a later ballot than its sender's; what is chosen may be of any earlier one. */
function readEntries(reader: ByteReader, fromIndex: Index, term: Term): Entry[] {
  const count = readEntryCount(reader);
  if (!Number.isSafeInteger(fromIndex + count)) throw new QuorateError("PROTOCOL", "index above 2^53");
  const entries: Entry[] = [];
  for (let at = 0; at < count; at += 1) {
    const entry = readEntry(reader, fromIndex + at);
    if (entry.term > term) throw new QuorateError("PROTOCOL", "an entry of a later ballot than its sender's");
    entries.push(entry);
  }
  return entries;
}
