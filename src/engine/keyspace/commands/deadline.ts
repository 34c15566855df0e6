/** Deadlines as commands give them: relative or absolute, in seconds or milliseconds. */
import { INT64_MAX, INT64_MIN, integerArgument } from "../numbers.ts";
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
  const amount = BigInt(integerArgument(text));
  if (amount <= 0n) throw invalidExpiry(name);
  return absoluteMs(amount, unit, nowMs, name);
}

/** As `deadlineArgument`, for EXPIRE and its kin: a deadline may lie in the past. */
export function anyDeadlineArgument(text: string, unit: ExpiryUnit, nowMs: number, name: string): number {
  return absoluteMs(BigInt(integerArgument(text)), unit, nowMs, name);
}

function absoluteMs(amount: bigint, unit: ExpiryUnit, nowMs: number, name: string): number {
  const inMs = unit === "seconds" || unit === "unix-seconds" ? amount * 1000n : amount;
  const absolute = unit === "seconds" || unit === "milliseconds" ? inMs + BigInt(Math.floor(nowMs)) : inMs;
  if (inMs > INT64_MAX || inMs < INT64_MIN || absolute > INT64_MAX) throw invalidExpiry(name);
  return Math.min(Number(absolute), LATEST_MS);
}
