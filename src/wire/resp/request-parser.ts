/**
 * resp: the bytes of the Redis protocol, in both directions and both roles.
 *
 * `request-parser.ts` (this file) reads what clients send a server; `request-encoder.ts` writes it; `reply-parser.ts` reads
 * what a server answers; `numbers.ts` formats numbers as Redis does. Replies are written by the server itself
 * (`engine/protocol/resp/reply-encoder.ts`), because they are values of the keyspace. Everything here is pure and
 * incremental: bytes may arrive cut at any place. Source: https://redis.io/docs/latest/develop/reference/protocol-spec/,
 * and for what it leaves open (inline quoting, limits, error texts) the behaviour of redis-server 7.0. Stricter than that in
 * one thing: every line and every bulk string must really end with CR LF, because the bytes themselves are what is replicated.
 */
import type { Bytes } from "../../runtime/bytes.ts";
import { allocateOwnedBytes, binaryStringOf, NO_BYTES } from "../../runtime/bytes.ts";
import { internWord } from "./intern.ts";
import { encodeRequest } from "./request-encoder.ts";
import { splitInline } from "./inline.ts";

/** The longest string that JavaScript can hold: 24 bytes short of Redis's 512 MiB. */
export const STRING_MAX_BYTES = 0x1fff_ffe8;

export interface RequestLimits {
  /** The longest single argument (`proto-max-bulk-len`). Default 512 MiB, less the 24 bytes that a string cannot hold. */
  bulkMaxBytes: number;
  /** The most arguments of one command. Default 1,048,576. */
  argumentsMax: number;
  /** The longest inline command. Default 64 KiB. */
  inlineMaxBytes: number;
  /** The longest command as a whole: of a longer one only the name is kept, and what follows is passed over. Default: none. */
  commandMaxBytes: number;
  /** Bounds for a client that must still authenticate; undefined afterwards. */
  restricted: boolean;
}

export function defaultRequestLimits(): RequestLimits {
  return {
    bulkMaxBytes: STRING_MAX_BYTES,
    argumentsMax: 1_048_576,
    inlineMaxBytes: 65_536,
    commandMaxBytes: Number.POSITIVE_INFINITY,
    restricted: false,
  };
}

/** Redis's bounds before AUTH (CVE-2021-32675): nobody unknown may make the server hold much. */
const RESTRICTED_ARGUMENTS_MAX = 10;
const RESTRICTED_BULK_MAX_BYTES = 16_384;

/** A declared length is believed at once up to here; beyond it memory is taken only as bytes really arrive. */
const TRUSTED_BYTES = 1 << 20;

const CR = 13;
const LF = 10;
const DOLLAR = 36;
const STAR = 42;
const MINUS = 45;
const ZERO = 48;
const NINE = 57;

/** No length has been read yet. */
const UNKNOWN = -1;
/** `readLength`: the line is not complete yet; or it is no number. */
const INCOMPLETE = -2;
const INVALID = -3;
const NEGATIVE = -4;

/** `command`: see `args` and `raw()`. `more`: push another chunk. `error`: see `error`; nothing more can be read. */
export type ParseResult = "command" | "more" | "error";

/**
 * Cuts a client's bytes into commands. Push chunks as they come, then call `next` until it answers `more`.
 *
 * Chunks are not copied unless a command spans two of them, or the caller wants to use one again (`letGo`); `raw()` is a
 * view into them. Arguments are strings with memory of their own, so that a stored key never pins the chunk that it came in.
 */
export class RequestParser {
  /** The command found by the last `next`; the caller may keep the array. */
  args: string[] = [];
  /** Redis's text, without the "ERR " before it. */
  error: string | undefined;
  /** The command found by the last `next` was longer than allowed: `args` has no more than its name. */
  tooLarge = false;
  readonly limits: RequestLimits;

  private buffer: Bytes = NO_BYTES;
  /** True when `buffer` was allocated here; otherwise it is the caller's chunk. */
  private owned = false;
  /** First byte of the command being read; the next byte to look at; the end of what arrived. */
  private start = 0;
  private position = 0;
  private end = 0;
  private argumentsLeft = 0;
  private bulkLength = UNKNOWN;
  private partial: string[] = [];
  private filled = 0;
  /** A command that is too large is being passed over; so many bytes of its argument, with the line end, are still to come. */
  private passing = false;
  private passBytes = 0;
  /** Where the search for the end of an inline command goes on, so that a slow sender costs no rescans. */
  private inlineScanned = 0;
  /** Where the command just given out lies in `chunk`; until the next `push`. */
  rawStart = 0;
  rawEnd = 0;
  private inline = false;

  constructor(limits: RequestLimits = defaultRequestLimits()) {
    this.limits = limits;
  }

  /** Bytes that arrived and were not yet given out as commands. */
  get bufferedBytes(): number {
    return this.end - this.start;
  }

  /** Bytes that arrived: `chunk` up to `length`. */
  push(chunk: Bytes, length: number = chunk.length): void {
    const kept = this.end - this.start;
    if (kept === 0) {
      this.buffer = chunk;
      this.owned = false;
      this.start = this.position = 0;
      this.end = length;
      return;
    }
    // A buffer whose first command is still incomplete was never seen by anybody else: it may be written to in place.
    const mayAppend = this.owned && this.start === 0;
    if (!mayAppend || kept + length > this.buffer.length) this.regrow(kept, length);
    chunk.copy(this.buffer, this.end, 0, length);
    this.end += length;
  }

  /** The caller will write over the chunk that it pushed: what has not been given out of it yet is copied. */
  letGo(): void {
    if (!this.owned && this.end > this.start) this.regrow(this.end - this.start, 0);
  }

  next(): ParseResult {
    if (this.error !== undefined) return "error";
    for (;;) {
      if (this.passing) return this.passOver();
      if (this.argumentsLeft === 0) {
        if (this.position >= this.end) return this.idle();
        const opened = this.buffer[this.position] === STAR ? this.openArray() : this.readInline();
        if (opened === undefined) continue;
        if (opened !== "array") return opened;
      }
      return this.readArguments();
    }
  }

  /** The bytes of the command just given out, as an array of bulk strings; until the next call of `next`; the view it gave, as long as the chunk. */
  raw(): Bytes {
    return this.inline ? encodeRequest(this.args) : this.buffer.subarray(this.rawStart, this.rawEnd);
  }

  /** True when the command just given out came as an inline line, so that its array form is not at hand. */
  get cameInline(): boolean {
    return this.inline;
  }

  /** What the command just given out was read from. */
  get chunk(): Bytes {
    return this.buffer;
  }

  /** How many bytes `raw` has (for an inline command: as it was sent). */
  get rawBytes(): number {
    return this.rawEnd - this.rawStart;
  }

  /** Everything was consumed: lets go of the chunk. */
  private idle(): "more" {
    if (this.start === this.end && this.end !== 0) {
      this.buffer = NO_BYTES;
      this.owned = false;
      this.start = this.position = this.end = 0;
    }
    return "more";
  }

  private fail(error: string): "error" {
    this.error = error;
    this.buffer = NO_BYTES;
    this.partial = [];
    this.start = this.position = this.end = 0;
    return "error";
  }

  /** Reads "*<count>\r\n". Undefined: an empty command, to be skipped. */
  private openArray(): "array" | "more" | "error" | undefined {
    const count = this.readLength();
    if (count === INCOMPLETE) return "more";
    if (count === INVALID || count > this.limits.argumentsMax) {
      return this.fail("Protocol error: invalid multibulk length");
    }
    if (this.limits.restricted && count > RESTRICTED_ARGUMENTS_MAX) {
      return this.fail("Protocol error: unauthenticated multibulk length");
    }
    if (count <= 0) {
      this.start = this.position;
      return undefined;
    }
    this.argumentsLeft = count;
    this.partial = roomFor(count);
    this.filled = 0;
    return "array";
  }

  private readArguments(): ParseResult {
    const args = this.partial;
    while (this.argumentsLeft > 0) {
      if (this.bulkLength === UNKNOWN) {
        const length = this.readBulkLength();
        if (length === INCOMPLETE) return "more";
        if (length === INVALID) return "error";
        if (this.position - this.start + length + 2 > this.limits.commandMaxBytes) {
          this.passing = true;
          this.passBytes = length + 2;
          return this.passOver();
        }
        this.bulkLength = length;
      }
      const from = this.position;
      const to = from + this.bulkLength;
      if (to + 2 > this.end) return "more";
      // Redis takes any two bytes here. They would go into the log, where every replica must read the same in them.
      if (this.buffer[to] !== CR || this.buffer[to + 1] !== LF) {
        return this.fail("Protocol error: expected CRLF after bulk string");
      }
      args[this.filled] =
        this.filled === 0 ? internWord(this.buffer, from, to) : binaryStringOf(this.buffer, from, to);
      this.filled += 1;
      this.position = to + 2;
      this.bulkLength = UNKNOWN;
      this.argumentsLeft -= 1;
    }
    this.give(args, false);
    return "command";
  }

  /** Reads "$<length>\r\n". INCOMPLETE, or INVALID when the framing is lost. */
  private readBulkLength(): number {
    if (this.position >= this.end) return INCOMPLETE;
    const marker = this.buffer[this.position] as number;
    if (marker !== DOLLAR) {
      this.fail(`Protocol error: expected '$', got '${String.fromCharCode(marker)}'`);
      return INVALID;
    }
    const length = this.readLength();
    if (length === INCOMPLETE) return INCOMPLETE;
    if (length < 0 || length > this.limits.bulkMaxBytes || length > STRING_MAX_BYTES) {
      this.fail("Protocol error: invalid bulk length");
      return INVALID;
    }
    if (this.limits.restricted && length > RESTRICTED_BULK_MAX_BYTES) {
      this.fail("Protocol error: unauthenticated bulk length");
      return INVALID;
    }
    return length;
  }

  /** Lets the rest of a command that is too large go by, keeping nothing of it, so that the next one is found. */
  private passOver(): ParseResult {
    this.partial.length = Math.min(this.filled, 1);
    for (;;) {
      if (this.passBytes === 0) {
        const length = this.readBulkLength();
        if (length === INVALID) return "error";
        if (length === INCOMPLETE) return "more";
        this.passBytes = length + 2;
      }
      const passed = Math.min(this.passBytes, this.end - this.position);
      this.passBytes -= passed;
      this.start = this.position += passed;
      if (this.passBytes > 0) return this.idle();
      this.argumentsLeft -= 1;
      if (this.argumentsLeft > 0) continue;
      this.passing = false;
      this.give(this.partial, false);
      this.tooLarge = true;
      return "command";
    }
  }

  /** Reads a line of words. Undefined: an empty line, to be skipped. */
  private readInline(): "command" | "more" | "error" | undefined {
    let at = this.position + this.inlineScanned;
    while (at < this.end && this.buffer[at] !== LF) at += 1;
    const length = at - this.position;
    if (length > this.limits.inlineMaxBytes) return this.fail("Protocol error: too big inline request");
    if (at >= this.end) {
      this.inlineScanned = length;
      return "more";
    }
    this.inlineScanned = 0;
    const lineEnd = length > 0 && this.buffer[at - 1] === CR ? at - 1 : at;
    const args = splitInline(this.buffer.toString("latin1", this.position, lineEnd));
    this.position = at + 1;
    if (args === undefined) return this.fail("Protocol error: unbalanced quotes in request");
    if (args.length === 0) {
      this.start = this.position;
      return undefined;
    }
    this.give(args, true);
    return "command";
  }

  private give(args: string[], inline: boolean): void {
    this.args = args;
    this.inline = inline;
    this.tooLarge = false;
    this.rawStart = this.start;
    this.rawEnd = this.start = this.position;
    this.partial = [];
  }

  /**
   * Reads the number after a marker, up to and with CR LF. The marker is at `position`, which moves behind the line only
   * when it is complete. What cannot become a number is refused at its first bad byte, so the line needs no other bound.
   */
  private readLength(): number {
    const buffer = this.buffer;
    let at = this.position + 1;
    const negative = buffer[at] === MINUS && at < this.end;
    if (negative) at += 1;
    const first = at;
    let value = 0;
    while (at < this.end) {
      const byte = buffer[at] as number;
      if (byte === CR) break;
      if (byte < ZERO || byte > NINE) return INVALID;
      // As Redis: no leading zeros, and nothing beyond 64 bits (here already beyond 2^53: no limit is that large).
      if (at > first && value === 0) return INVALID;
      value = value * 10 + byte - ZERO;
      if (value > Number.MAX_SAFE_INTEGER) return INVALID;
      at += 1;
    }
    if (at + 1 >= this.end) return INCOMPLETE;
    if (at === first || (negative && value === 0) || buffer[at + 1] !== LF) return INVALID;
    this.position = at + 2;
    return negative ? NEGATIVE : value;
  }

  /** Moves what is kept of an incomplete command to a larger buffer of its own. */
  private regrow(kept: number, more: number): void {
    const needed = kept + more;
    // Exactly the command, when its length is known and small or half of it is here; otherwise twice what arrived.
    const missing = this.bulkLength === UNKNOWN ? 0 : this.position - this.start + this.bulkLength + 2;
    const grown = Math.max(TRUSTED_BYTES, kept * 2);
    const size = Math.max(needed, missing === 0 ? 0 : Math.min(missing, grown));
    const buffer = allocateOwnedBytes(size);
    this.buffer.copy(buffer, 0, this.start, this.end);
    this.buffer = buffer;
    this.owned = true;
    this.position -= this.start;
    this.end = kept;
    this.start = 0;
  }
}

/** An array that grows from nothing takes room for seventeen: too much where most need two or three. */
function roomFor(count: number): string[] {
  if (count === 2) return ["", ""];
  if (count === 3) return ["", "", ""];
  return [];
}

/** The arguments of one whole command, as `raw()` gave it. Undefined when the bytes are anything else. */
export function parseRequest(raw: Bytes): string[] | undefined {
  const parser = new RequestParser();
  parser.push(raw);
  if (raw[0] !== STAR || parser.next() !== "command" || parser.bufferedBytes > 0) return undefined;
  return parser.args;
}
