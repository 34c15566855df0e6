/**
 * What a log entry of kind `command` holds: the batches that were waiting when the leader sealed it.
 *
 *   entry   := version u8 (1) | log time f64 | batch count u32 | batch*
 *   batch   := kind u8 | node text | session u53 | abandonedFrom u53 | seq u53 | body (u32 length + bytes)
 *   body    := command* (each u32 length + bytes)          for kind "commands" and "upkeep"
 *            | nonce u53 | directory text                   for kind "register"
 *
 * One entry for many clients' commands keeps the cost of consensus per command near zero, and a follower's batch travels
 * from its socket to every replica's apply without being encoded again.
 */
import type { Bytes } from "../../runtime/bytes.ts";
import { allocateOwnedBytes } from "../../runtime/bytes.ts";
import { QuorateError } from "../../runtime/errors.ts";
import type { NodeId } from "../../runtime/world.ts";
import { ByteReader } from "../../wire/byte-reader.ts";
import { ByteWriter } from "../../wire/byte-writer.ts";

const VERSION = 1;
const KINDS = ["commands", "register", "upkeep"] as const;

export interface Batch {
  /** `commands` of a session; `register` opens one; `upkeep` is the leader's own and belongs to no session. */
  readonly kind: (typeof KINDS)[number];
  readonly node: NodeId;
  /** The session's id: the index of the entry that registered it. 0 for register and upkeep. */
  readonly session: number;
  /** Numbers in [abandonedFrom, seq) were given up by their owner and will never be sent again. Usually equals seq. */
  readonly abandonedFrom: number;
  /** 1, 2, 3… within the session: the log applies them in this order, each once. */
  readonly seq: number;
  readonly body: Bytes;
}

export interface SealedEntry {
  readonly timeMs: number;
  readonly batches: readonly Batch[];
}

export function encodeBatch(batch: Batch): Bytes {
  const writer = new ByteWriter(batch.body.length + batch.node.length + 64);
  writer.uint8(KINDS.indexOf(batch.kind)).text(batch.node);
  writer.uint53(batch.session).uint53(batch.abandonedFrom).uint53(batch.seq).bytes(batch.body);
  return writer.take();
}

export function decodeBatch(reader: ByteReader): Batch {
  const kind = KINDS[reader.uint8()];
  if (kind === undefined) throw new QuorateError("PROTOCOL", "unknown kind of batch");
  const node = reader.text();
  const session = reader.uint53();
  const abandonedFrom = reader.uint53();
  const seq = reader.uint53();
  return { kind, node, session, abandonedFrom, seq, body: reader.bytes() };
}

const ENTRY_HEADER_BYTES = 13;

/** Seals encoded batches into the payload of one entry; `allocate` gives it memory that may be kept. */
export function sealEntry(
  timeMs: number,
  batches: readonly Bytes[],
  allocate: (bytes: number) => Bytes = allocateOwnedBytes,
): Bytes {
  let length = ENTRY_HEADER_BYTES;
  for (const batch of batches) length += batch.length;
  const payload = allocate(length);
  payload.writeUInt8(VERSION, 0);
  payload.writeDoubleLE(timeMs, 1);
  let at = payload.writeUInt32LE(batches.length, 9);
  for (const batch of batches) {
    payload.set(batch, at);
    at += batch.length;
  }
  return payload;
}

/** The log time of a sealed entry, without reading the rest. */
export function sealedTimeMs(payload: Bytes): number {
  return payload.readDoubleLE(1);
}

export function openEntry(payload: Bytes): SealedEntry {
  const reader = new ByteReader(payload);
  const version = reader.uint8();
  if (version !== VERSION)
    throw new QuorateError("PROTOCOL", `log entry of format ${version}; this program reads ${VERSION}`);
  const timeMs = reader.double();
  const batches: Batch[] = [];
  for (let left = reader.uint32(); left > 0; left--) batches.push(decodeBatch(reader));
  return { timeMs, batches };
}

export function commandsOf<Command>(body: Bytes, decode: (bytes: Bytes) => Command): Command[] {
  const reader = new ByteReader(body);
  const commands: Command[] = [];
  while (reader.remaining > 0) commands.push(decode(reader.bytes()));
  return commands;
}

export interface Registration {
  /** Drawn at random by the process that registers: tells a repeated registration from a new one. */
  readonly nonce: number;
  /** The identity of the node's data directory: a wiped disk gets another. */
  readonly directory: string;
}

export function encodeRegistration(registration: Registration): Bytes {
  return new ByteWriter().uint53(registration.nonce).text(registration.directory).take();
}

export function decodeRegistration(body: Bytes): Registration {
  const reader = new ByteReader(body);
  return { nonce: reader.uint53(), directory: reader.text() };
}
