/** Writes reply values as RESP2 or RESP3, as binary strings that are gathered per socket and written once. */
import { assert } from "../../../runtime/errors.ts";
import { formatDouble } from "../../../wire/resp/numbers.ts";
import type { Reply } from "../../keyspace/reply.ts";
import {
  BigNumberReply,
  DoubleReply,
  MapReply,
  NullArray,
  OK,
  PairsReply,
  PushReply,
  ReplyError,
  SetReply,
  Status,
  VerbatimReply,
} from "../../keyspace/reply.ts";

export type RespVersion = 2 | 3;

const LINE_BREAK = /[\r\n]/;
const LINE_BREAKS = /[\r\n]/g;
/** What comes before a bulk string, by its length. */
const BULK_HEADERS: readonly string[] = Array.from({ length: 1024 }, (_, length) => `$${length}\r\n`);
const SMALL_INTEGERS: readonly string[] = Array.from({ length: 256 }, (_, value) => `:${value}\r\n`);

/** The bytes of one reply, as a binary string. */
export function encodeReply(reply: Reply, version: RespVersion): string {
  if (typeof reply === "string") return encodeBulk(reply);
  if (reply === OK) return "+OK\r\n";
  if (reply === null) return version === 3 ? "_\r\n" : "$-1\r\n";
  if (typeof reply === "number") return encodeInteger(reply);
  if (typeof reply === "bigint") return `:${reply}\r\n`;
  if (typeof reply === "boolean") {
    if (version === 3) return reply ? "#t\r\n" : "#f\r\n";
    return reply ? ":1\r\n" : ":0\r\n";
  }
  if (isItems(reply)) return encodeItems("*", reply, reply.length, version);
  return encodeTagged(reply, version);
}

function encodeBulk(text: string): string {
  const { length } = text;
  return `${length < BULK_HEADERS.length ? BULK_HEADERS[length]! : `$${length}\r\n`}${text}\r\n`;
}

function isItems(reply: object): reply is readonly Reply[] {
  return Array.isArray(reply);
}

function encodeInteger(value: number): string {
  assert(Number.isSafeInteger(value), `an integer reply must be a safe integer: ${value}`);
  if (value >= 0 && value < 256) return SMALL_INTEGERS[value] as string;
  return `:${value}\r\n`;
}

type Tagged = Exclude<Reply, string | number | bigint | boolean | null | readonly Reply[]>;

function encodeTagged(reply: Tagged, version: RespVersion): string {
  if (reply instanceof Status) return `+${oneLine(reply.text)}\r\n`;
  if (reply instanceof ReplyError) return `-${oneLine(reply.message)}\r\n`;
  if (reply instanceof MapReply) {
    const count = version === 3 ? reply.items.length / 2 : reply.items.length;
    return encodeItems(version === 3 ? "%" : "*", reply.items, count, version);
  }
  if (reply instanceof SetReply) {
    return encodeItems(version === 3 ? "~" : "*", reply.items, reply.items.length, version);
  }
  if (reply instanceof PushReply) {
    return encodeItems(version === 3 ? ">" : "*", reply.items, reply.items.length, version);
  }
  if (reply instanceof DoubleReply) {
    const digits = formatDouble(reply.value);
    return version === 3 ? `,${digits}\r\n` : `$${digits.length}\r\n${digits}\r\n`;
  }
  if (reply instanceof PairsReply) return encodePairs(reply.items, version);
  if (reply instanceof VerbatimReply) {
    if (version === 2) return `$${reply.text.length}\r\n${reply.text}\r\n`;
    return `=${reply.text.length + 4}\r\n${reply.format}:${reply.text}\r\n`;
  }
  if (reply instanceof BigNumberReply) {
    return version === 3 ? `(${oneLine(reply.digits)}\r\n` : encodeBulk(reply.digits);
  }
  if (reply instanceof NullArray) return version === 3 ? "_\r\n" : "*-1\r\n";
  const unknown: never = reply;
  throw new Error(`no reply: ${String(unknown)}`);
}

function encodeItems(marker: string, items: readonly Reply[], count: number, version: RespVersion): string {
  let text = `${marker}${count}\r\n`;
  for (const item of items) text += encodeReply(item, version);
  return text;
}

function encodePairs(items: readonly Reply[], version: RespVersion): string {
  if (version === 2) return encodeItems("*", items, items.length, version);
  let text = `*${items.length / 2}\r\n`;
  for (let at = 0; at < items.length; at += 2) text += encodeItems("*", items.slice(at, at + 2), 2, version);
  return text;
}

/** A line break inside a line would let a value forge the next reply. */
function oneLine(text: string): string {
  return LINE_BREAK.test(text) ? text.replace(LINE_BREAKS, " ") : text;
}
