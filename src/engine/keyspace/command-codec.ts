/**
 * Commands as bytes in the log. A client's command is the bytes of its own RESP array behind five bytes of ours: what was
 * parsed once is not encoded again, only copied. Its framing is walked once more before it may go into the log: the node that
 * proposes carries out what its parser found, every other one what is read here, and these must never be two things.
 *
 *   call       1, database u32, RESP array
 *   calls      6, database u32, RESP array…
 *   exec       7, count u32, {database u32, key, was present u8, revision u53}…, count u32, {database u32, RESP array}…
 *   by version 2, count u32, {database u32, key, version u53}…, count u32, {database u32, RESP array}…   before there was 7
 *   expire     3, limit u32
 *   evict      4, count u32, {database u32, key, version u53}…
 *   configure  5, count u32, {name, value}…
 */
import type { Bytes } from "../../runtime/bytes.ts";
import { allocateBytes, binaryStringOf, bytesFromLatin1 } from "../../runtime/bytes.ts";
import { isQuorateError, QuorateError } from "../../runtime/errors.ts";
import { ByteReader } from "../../wire/byte-reader.ts";
import { ByteWriter } from "../../wire/byte-writer.ts";
import { internWord } from "../../wire/resp/intern.ts";
import { encodeRequest, requestText } from "../../wire/resp/request-encoder.ts";
import type { Call, KeyspaceCommand, KeyVersion, WatchedKey } from "./keyspace-command.ts";

const CALL = 1;
const EXEC_BY_VERSION = 2;
const EXPIRE = 3;
const EVICT = 4;
const CONFIGURE = 5;
const CALLS = 6;
const EXEC = 7;

const CR = 13;
const LF = 10;
const ARRAY = 42;
const BULK = 36;
const ZERO = 48;
/** A header's length digits; a longer one is not a length. */
const MAX_DIGITS = 10;

/** Bytes of ours before the RESP arrays of calls. */
const CALL_HEADER_BYTES = 5;

/** A call whose client sent `resp`: one RESP array of bulk strings, whole. Throws PROTOCOL when it is anything else. */
export function encodeCall(database: number, resp: Bytes): Bytes {
  return encodeCalls(database, 1, resp, 0, resp.length);
}

/**
 * `count` calls that a client sent one behind the other: as many RESP arrays of bulk strings, whole, in `chunk` from
 * `start` up to `end`. From the shared pool: the log copies it into its batch at once. Throws PROTOCOL for other bytes.
 */
export function encodeCalls(
  database: number,
  count: number,
  chunk: Bytes,
  start: number,
  end: number,
): Bytes {
  const calls = allocateBytes(CALL_HEADER_BYTES + end - start);
  calls[0] = count === 1 ? CALL : CALLS;
  calls.writeUInt32LE(database, 1);
  chunk.copy(calls, CALL_HEADER_BYTES, start, end);
  checkFraming(calls, CALL_HEADER_BYTES, count);
  return calls;
}

export interface EncodedCall {
  readonly database: number;
  readonly resp: Bytes;
}

/** A transaction from the bytes that its commands came in, each one RESP array, whole. Throws PROTOCOL for other bytes. */
export function encodeExec(watched: readonly WatchedKey[], calls: readonly EncodedCall[]): Bytes {
  const writer = new ByteWriter().uint8(EXEC).uint32(watched.length);
  for (const { database, key, wasPresent, revision } of watched) {
    writer
      .uint32(database)
      .string(key)
      .uint8(wasPresent ? 1 : 0)
      .uint53(revision);
  }
  return finishExec(writer, calls);
}

function finishExec(writer: ByteWriter, calls: readonly EncodedCall[]): Bytes {
  writer.uint32(calls.length);
  for (const { database, resp } of calls) {
    checkFraming(resp, 0, 1);
    writer.uint32(database).raw(resp);
  }
  return writer.take();
}

/** Any command from its decoded form; a malformed one is given back as it was. */
export function encodeCommand(command: KeyspaceCommand): Bytes {
  switch (command.type) {
    case "call":
      return encodeCall(command.database, encodeRequest(command.args));
    case "calls": {
      const resp = bytesFromLatin1(command.list.map(requestText).join(""));
      return encodeCalls(command.database, command.list.length, resp, 0, resp.length);
    }
    case "exec":
      return encodeExec(command.watched, command.calls.map(encodedCall));
    case "exec-by-version": {
      const writer = new ByteWriter().uint8(EXEC_BY_VERSION);
      writeVersions(writer, command.watched);
      return finishExec(writer, command.calls.map(encodedCall));
    }
    case "expire":
      return new ByteWriter(5).uint8(EXPIRE).uint32(command.limit).take();
    case "evict": {
      const writer = new ByteWriter().uint8(EVICT);
      writeVersions(writer, command.victims);
      return writer.take();
    }
    case "configure": {
      const writer = new ByteWriter().uint8(CONFIGURE).uint32(command.settings.length);
      for (const [name, value] of command.settings) writer.string(name).string(value);
      return writer.take();
    }
    case "malformed":
      return command.bytes;
  }
}

function encodedCall({ database, args }: Call): EncodedCall {
  return { database, resp: encodeRequest(args) };
}

/**
 * What a replica makes of bytes in the log. Malformed ones are a command too, which every replica decodes alike and which
 * changes nothing: a log that cannot be read would end every node that reads it, again and again. Throws UNSUPPORTED for a
 * kind of command that is not known: a newer node would carry it out, so this one must not go on without it.
 */
export function decodeLogged(bytes: Bytes): KeyspaceCommand {
  try {
    return decodeCommand(bytes);
  } catch (error) {
    if (!isQuorateError(error) || error.code !== "PROTOCOL") throw error;
    return { type: "malformed", bytes, problem: error.message };
  }
}

/** Throws PROTOCOL when the bytes are malformed, UNSUPPORTED when a newer version wrote them. */
export function decodeCommand(bytes: Bytes): KeyspaceCommand {
  const reader = new ByteReader(bytes);
  const command = readCommand(reader, bytes);
  if (command.type !== "call" && command.type !== "calls" && reader.remaining > 0) {
    throw malformed("bytes after the command");
  }
  return command;
}

function readCommand(reader: ByteReader, bytes: Bytes): KeyspaceCommand {
  const kind = reader.uint8();
  switch (kind) {
    case CALL: {
      const database = reader.uint32();
      const parsed = parseArguments(bytes, reader.position);
      if (parsed.end !== bytes.length) throw malformed("bytes after the command");
      return { type: "call", database, args: parsed.args };
    }
    case CALLS:
      return readCalls(reader, bytes);
    case EXEC: {
      const watched = readWatched(reader);
      return { type: "exec", watched, calls: readExecCalls(reader, bytes) };
    }
    case EXEC_BY_VERSION: {
      const watched = readVersions(reader);
      return { type: "exec-by-version", watched, calls: readExecCalls(reader, bytes) };
    }
    case EXPIRE:
      return { type: "expire", limit: reader.uint32() };
    case EVICT:
      return { type: "evict", victims: readVersions(reader) };
    case CONFIGURE: {
      const settings: [string, string][] = [];
      for (let left = reader.uint32(); left > 0; left--) settings.push([reader.string(), reader.string()]);
      return { type: "configure", settings };
    }
    default:
      throw new QuorateError("UNSUPPORTED", `keyspace command of kind ${kind}: a newer version wrote it`);
  }
}

function readCalls(reader: ByteReader, bytes: Bytes): KeyspaceCommand {
  const database = reader.uint32();
  const list: string[][] = [];
  for (let at = reader.position; at < bytes.length;) {
    const parsed = parseArguments(bytes, at);
    list.push(parsed.args);
    at = parsed.end;
  }
  return { type: "calls", database, list };
}

function readExecCalls(reader: ByteReader, bytes: Bytes): readonly Call[] {
  const calls: Call[] = [];
  for (let left = reader.uint32(); left > 0; left--) {
    const database = reader.uint32();
    const parsed = parseArguments(bytes, reader.position);
    reader.raw(parsed.end - reader.position);
    calls.push({ database, args: parsed.args });
  }
  return calls;
}

function readWatched(reader: ByteReader): WatchedKey[] {
  const watched: WatchedKey[] = [];
  for (let left = reader.uint32(); left > 0; left--) {
    const [database, key, flag] = [reader.uint32(), reader.string(), reader.uint8()];
    if (flag > 1) throw malformed("a watched key");
    watched.push({ database, key, wasPresent: flag === 1, revision: reader.uint53() });
  }
  return watched;
}

function writeVersions(writer: ByteWriter, versions: readonly KeyVersion[]): void {
  writer.uint32(versions.length);
  for (const { database, key, version } of versions) writer.uint32(database).string(key).uint53(version);
}

function readVersions(reader: ByteReader): KeyVersion[] {
  const versions: KeyVersion[] = [];
  for (let left = reader.uint32(); left > 0; left--) {
    versions.push({ database: reader.uint32(), key: reader.string(), version: reader.uint53() });
  }
  return versions;
}

/** One RESP array of bulk strings in `bytes` from `start`: its strings, and where it ends. Throws PROTOCOL. */
function parseArguments(bytes: Bytes, start: number): { args: string[]; end: number } {
  const header: Header = { value: 0, end: 0 };
  const count = readCount(bytes, start, header);
  // Room for just so many: an array that grows takes room for seventeen at once, and every replica does this for every command.
  // oxlint-disable-next-line unicorn/no-new-array -- `count` is a number, and Array.from is slow
  const args = new Array<string>(count);
  let at = header.end;
  for (let next = 0; next < count; next++) {
    const end = readBulk(bytes, at, header);
    args[next] = next === 0 ? internWord(bytes, header.end, end) : binaryStringOf(bytes, header.end, end);
    at = end + 2;
  }
  return { args, end: at };
}

/** Throws PROTOCOL unless `bytes` from `start` to their end are `count` RESP arrays of bulk strings, and nothing else. */
function checkFraming(bytes: Bytes, start: number, count: number): void {
  const header: Header = { value: 0, end: 0 };
  let at = start;
  for (let left = count; left > 0; left--) {
    const strings = readCount(bytes, at, header);
    at = header.end;
    for (let next = 0; next < strings; next++) at = readBulk(bytes, at, header) + 2;
  }
  if (at !== bytes.length) throw malformed("bytes after the command");
}

/** How many strings the array at `start` has, at least one and no more than there are bytes for; `header` tells where they begin. */
function readCount(bytes: Bytes, start: number, header: Header): number {
  readHeader(bytes, start, ARRAY, header);
  const { value, end } = header;
  if (value === 0 || value > (bytes.length - end) / 5) throw malformed("array length");
  return value;
}

/** Where the bulk string at `start` ends; `header` tells where it begins. */
function readBulk(bytes: Bytes, start: number, header: Header): number {
  readHeader(bytes, start, BULK, header);
  const end = header.end + header.value;
  if (bytes[end] !== CR || bytes[end + 1] !== LF) throw malformed("bulk string end");
  return end;
}

interface Header {
  value: number;
  end: number;
}

/** Reads a type byte, digits and a line end into `header`. */
function readHeader(bytes: Bytes, start: number, type: number, header: Header): void {
  if (bytes[start] !== type) throw malformed("type byte");
  let value = 0;
  let at = start + 1;
  for (; bytes[at] !== CR; at++) {
    const digit = (bytes[at] ?? 0) - ZERO;
    if (digit < 0 || digit > 9 || at - start > MAX_DIGITS) throw malformed("length");
    value = value * 10 + digit;
  }
  if (at === start + 1 || bytes[at + 1] !== LF) throw malformed("length");
  header.value = value;
  header.end = at + 2;
}

function malformed(what: string): QuorateError {
  return new QuorateError("PROTOCOL", `malformed keyspace command: ${what}`);
}
