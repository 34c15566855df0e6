/** Replies of the keyspace in the form that `redis-reference.ts` reads them from a socket. */
import { formatDouble } from "../../src/engine/keyspace/numbers.ts";
import {
  BigNumberReply,
  DoubleReply,
  MapReply,
  NullArray,
  PairsReply,
  PushReply,
  ReplyError,
  SetReply,
  Status,
  VerbatimReply,
} from "../../src/engine/keyspace/reply.ts";
import type { Reply } from "../../src/engine/keyspace/reply.ts";
import type { Plain } from "./redis-reference.ts";

export function plainReply(reply: Reply, protocol: 2 | 3): Plain {
  const all = (items: readonly Reply[]): Plain[] => items.map((item) => plainReply(item, protocol));
  if (typeof reply === "string" || reply === null) return reply;
  if (typeof reply === "number" || typeof reply === "bigint") return { integer: String(reply) };
  if (typeof reply === "boolean") return protocol === 3 ? reply : { integer: reply ? "1" : "0" };
  if (reply instanceof Status) return { status: reply.text };
  if (reply instanceof ReplyError) return { error: reply.message };
  if (reply instanceof DoubleReply) {
    return protocol === 3 ? { double: formatDouble(reply.value) } : formatDouble(reply.value);
  }
  if (reply instanceof VerbatimReply) {
    return protocol === 3 ? { verbatim: `${reply.format}:${reply.text}` } : reply.text;
  }
  if (reply instanceof BigNumberReply) return protocol === 3 ? { bigNumber: reply.digits } : reply.digits;
  if (reply instanceof NullArray) return protocol === 3 ? null : { nullArray: true };
  if (reply instanceof MapReply) return protocol === 3 ? { map: all(reply.items) } : all(reply.items);
  if (reply instanceof SetReply) return protocol === 3 ? { set: all(reply.items) } : all(reply.items);
  if (reply instanceof PairsReply) return protocol === 3 ? pairsOf(all(reply.items)) : all(reply.items);
  if (reply instanceof PushReply) return all(reply.items);
  return all(reply);
}

function pairsOf(items: readonly Plain[]): Plain[] {
  return items.flatMap((first, i) => (i % 2 === 0 ? [[first, items[i + 1]!]] : []));
}
