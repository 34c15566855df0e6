/** Deadlines as commands give them: relative or absolute, in seconds or milliseconds. */
import type { Database } from "../database.ts";
import { EVENT } from "../events.ts";
import type { Execution } from "../execution.ts";
import { INT64_MAX, INT64_MIN, integerArgument, type Integer } from "../numbers.ts";
import { ReplyError } from "../reply.ts";

export type ExpiryUnit = "seconds" | "milliseconds" | "unix-seconds" | "unix-milliseconds";

/** The latest deadline that is kept exactly; what lies beyond is as good as never and is kept as this. */
const LATEST_MS: number = Number.MAX_SAFE_INTEGER;

export function invalidExpiry(name: string): ReplyError {
  return new ReplyError(`ERR invalid expire time in '${name}' command`);
}

/**
 * The deadline in Unix milliseconds for an option of SET, GETEX, SETEX…: must be positive. Throws NOT_AN_INTEGER or the
 * error that Redis answers, which names the command.
 */
export function deadlineArgument(text: string, unit: ExpiryUnit, nowMs: number, name: string): number {
  const amount = integerArgument(text);
  if (amount <= 0) throw invalidExpiry(name);
  return absoluteMs(amount, unit, nowMs, name);
}

/** As `deadlineArgument`, for EXPIRE and its kin: a deadline may lie in the past. */
export function anyDeadlineArgument(text: string, unit: ExpiryUnit, nowMs: number, name: string): number {
  return absoluteMs(integerArgument(text), unit, nowMs, name);
}

function absoluteMs(amount: Integer, unit: ExpiryUnit, nowMs: number, name: string): number {
  const factor = unit === "seconds" || unit === "unix-seconds" ? 1000 : 1;
  const start = unit === "seconds" || unit === "milliseconds" ? Math.floor(nowMs) : 0;
  const near = Number(amount) * factor + start;
  if (Number.isSafeInteger(near)) return near;
  const inMs = BigInt(amount) * BigInt(factor);
  if (inMs > INT64_MAX || inMs < INT64_MIN || inMs + BigInt(start) > INT64_MAX) throw invalidExpiry(name);
  return near > 0 ? LATEST_MS : -LATEST_MS;
}

/** Gives a key that is there a deadline; one that is past removes it, as if by DEL. */
export function expireOrDelete({ database, nowMs }: Execution, key: string, atMs: number): void {
  database.expireAt(key, atMs);
  database.notify(EVENT.generic, atMs <= nowMs ? "del" : "expire", key);
}

/** Takes a key's deadline away; false when it has none. */
export function persistKey(database: Database, key: string): boolean {
  if (database.expiryOf(key) === undefined) return false;
  database.expireAt(key, undefined);
  database.notify(EVENT.generic, "persist", key);
  return true;
}
