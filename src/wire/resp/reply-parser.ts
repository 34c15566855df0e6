/**
 * Reads what a server answers, RESP2 or RESP3, cut at any place.
 *
 * For our own tools and tests, and for the drivers that talk to a real Redis. A bulk string is a binary string, an
 * integer a number (a bigint beyond 2^53), a double, status, error, map, set, push or verbatim text a small tagged value.
 */
import type { Bytes } from "../../runtime/bytes.ts";
import { concatBytes, copyBytes, NO_BYTES } from "../../runtime/bytes.ts";
import { QuorateError } from "../../runtime/errors.ts";

export type WireReply = string | number | bigint | boolean | null | readonly WireReply[] | TaggedReply;

export type TaggedReply =
  | { readonly type: "status"; readonly text: string }
  | { readonly type: "error"; readonly message: string }
  | { readonly type: "double"; readonly value: number }
  | { readonly type: "verbatim"; readonly format: string; readonly text: string }
  /** RESP2's *-1. */
  | { readonly type: "null-array" }
  /** `items`: key, value, key, value… */
  | { readonly type: "map" | "set" | "push"; readonly items: readonly WireReply[] };

interface Frame {
  readonly type: "array" | "map" | "set" | "push" | "attribute";
  readonly items: WireReply[];
  left: number;
}

/** What a reply may hold at most: a server that claims more is not one. */
const ITEMS_MAX = 2 ** 31;
const LENGTH_MAX = 2 ** 31;
const DEPTH_MAX = 128;
const LINE_MAX_BYTES = 1 << 20;

const CR = 13;
const LF = 10;

/** Push chunks, then call `next` until it answers undefined. Throws PROTOCOL on bytes that are no RESP. */
export class ReplyParser {
  private buffer: Bytes = NO_BYTES;
  private position = 0;
  private readonly frames: Frame[] = [];
  /** Chunks of a long bulk string, joined once it is whole. */
  private waiting: Bytes[] = [];
  private waitingBytes = 0;
  private neededBytes = 0;

  push(chunk: Bytes): void {
    this.waiting.push(copyBytes(chunk));
    this.waitingBytes += chunk.length;
  }

  /** The next whole reply. */
  next(): { readonly reply: WireReply } | undefined {
    if (!this.gather()) return undefined;
    for (;;) {
      const value = this.readValue();
      if (value === undefined) return undefined;
      const whole = this.place(value);
      if (whole !== undefined) return whole;
    }
  }

  /** Joins what arrived, unless it is known to be too little; so a long string is copied once, not once a chunk. */
  private gather(): boolean {
    const rest = this.buffer.length - this.position;
    if (rest + this.waitingBytes < this.neededBytes) return false;
    if (this.waiting.length > 0) {
      this.buffer = concatBytes([this.buffer.subarray(this.position), ...this.waiting]);
      this.position = 0;
      this.waiting = [];
      this.waitingBytes = 0;
    }
    this.neededBytes = 0;
    return true;
  }

  /** Puts a value into the open aggregate; gives the reply when that closes the outermost one. */
  private place(value: Frame | { readonly reply: WireReply }): { readonly reply: WireReply } | undefined {
    let placed: WireReply;
    if ("reply" in value) {
      placed = value.reply;
    } else if (value.left > 0) {
      if (this.frames.length >= DEPTH_MAX) throw malformed("nested too deep");
      this.frames.push(value);
      return undefined;
    } else if (value.type === "attribute") {
      return undefined;
    } else {
      placed = closed(value);
    }
    for (;;) {
      const frame = this.frames.at(-1);
      if (frame === undefined) return { reply: placed };
      frame.items.push(placed);
      frame.left -= 1;
      if (frame.left > 0) return undefined;
      this.frames.pop();
      // Attributes annotate the reply that follows; nothing here uses them.
      if (frame.type === "attribute") return undefined;
      placed = closed(frame);
    }
  }

  private readValue(): Frame | { readonly reply: WireReply } | undefined {
    const lineEnd = this.lineEnd();
    if (lineEnd < 0) return undefined;
    const marker = String.fromCharCode(this.buffer[this.position] as number);
    const line = this.buffer.toString("latin1", this.position + 1, lineEnd);
    const after = lineEnd + 2;
    switch (marker) {
      case "$":
      case "=":
      case "!":
        return this.readBulk(marker, length(line), after);
      case "*":
        return this.opened("array", length(line), after);
      case "%":
        return this.opened("map", length(line) * 2, after);
      case "|":
        return this.opened("attribute", length(line) * 2, after);
      case "~":
        return this.opened("set", length(line), after);
      case ">":
        return this.opened("push", length(line), after);
      default:
        this.position = after;
        return { reply: scalar(marker, line) };
    }
  }

  private opened(type: Frame["type"], count: number, after: number): Frame | { readonly reply: WireReply } {
    this.position = after;
    if (count < 0) return { reply: { type: "null-array" } };
    return { type, items: [], left: count };
  }

  private readBulk(marker: string, bytes: number, after: number): { readonly reply: WireReply } | undefined {
    if (bytes < 0) {
      this.position = after;
      return { reply: null };
    }
    const end = after + bytes;
    if (end + 2 > this.buffer.length) {
      this.neededBytes = end + 2 - this.position;
      return undefined;
    }
    if (this.buffer[end] !== CR || this.buffer[end + 1] !== LF)
      throw malformed("a string runs past its length");
    const text = this.buffer.toString("latin1", after, end);
    this.position = end + 2;
    if (marker === "!") return { reply: { type: "error", message: text } };
    if (marker === "=") return { reply: { type: "verbatim", format: text.slice(0, 3), text: text.slice(4) } };
    return { reply: text };
  }

  /** Where the CR of the current line is, or -1. */
  private lineEnd(): number {
    let at = this.position;
    while (at < this.buffer.length && this.buffer[at] !== CR) at += 1;
    if (at - this.position > LINE_MAX_BYTES) throw malformed("a line too long");
    if (at + 1 >= this.buffer.length) return -1;
    if (this.buffer[at + 1] !== LF) throw malformed("CR without LF");
    return at;
  }
}

function closed(frame: Frame): WireReply {
  if (frame.type === "array") return frame.items;
  if (frame.type === "attribute") return null;
  return { type: frame.type, items: frame.items };
}

function length(line: string): number {
  if (line === "-1") return -1;
  if (!/^\d{1,10}$/.test(line) || Number(line) > Math.min(ITEMS_MAX, LENGTH_MAX)) {
    throw malformed(`no length: ${line.slice(0, 32)}`);
  }
  return Number(line);
}

function scalar(marker: string, line: string): WireReply {
  switch (marker) {
    case "+":
      return { type: "status", text: line };
    case "-":
      return { type: "error", message: line };
    case ":": {
      if (!/^[+-]?\d{1,20}$/.test(line)) throw malformed(`no integer: ${line.slice(0, 32)}`);
      const small = Number(line);
      return Number.isSafeInteger(small) ? small : BigInt(line);
    }
    case "(":
      if (!/^[+-]?\d{1,4096}$/.test(line)) throw malformed(`no big number: ${line.slice(0, 32)}`);
      return BigInt(line);
    case ",":
      return { type: "double", value: double(line) };
    case "#":
      if (line !== "t" && line !== "f") throw malformed(`no boolean: ${line.slice(0, 32)}`);
      return line === "t";
    case "_":
      return null;
    default:
      throw malformed(`unknown type ${JSON.stringify(marker)}`);
  }
}

function double(line: string): number {
  if (line === "inf") return Infinity;
  if (line === "-inf") return -Infinity;
  if (line === "nan" || line === "-nan") return NaN;
  const value = Number(line);
  if (line.trim() !== line || line === "" || Number.isNaN(value)) throw malformed(`no double: ${line}`);
  return value;
}

function malformed(what: string): QuorateError {
  return new QuorateError("PROTOCOL", `not a RESP reply: ${what}`);
}
