/**
 * Numbers as Redis reads and prints them: 64-bit integers, doubles, and memory sizes.
 *
 * Integers stay JavaScript numbers while they are safe (up to 2^53) and become bigint beyond, so that all 64 bits keep
 * their value; `Integer` is either.
 */
export { formatDouble } from "../../wire/resp/numbers.ts";
import { NOT_A_FLOAT, NOT_AN_INTEGER } from "./reply.ts";

export type Integer = number | bigint;

export const INT64_MAX = 0x7fff_ffff_ffff_ffffn;
export const INT64_MIN: bigint = -0x8000_0000_0000_0000n;

const INTEGER_FORM = /^(?:0|-?[1-9]\d*)$/;

/** A signed 64-bit integer in its only accepted spelling (string2ll: no plus, no leading zeros, no spaces), or undefined. */
export function parseInteger(text: string): Integer | undefined {
  if (text.length === 0 || text.length > 20 || !INTEGER_FORM.test(text)) return undefined;
  const number = Number(text);
  if (Number.isSafeInteger(number)) return number;
  const exact = BigInt(text);
  return exact > INT64_MAX || exact < INT64_MIN ? undefined : exact;
}

/** As `parseInteger`; throws NOT_AN_INTEGER. */
export function integerArgument(text: string): Integer {
  const value = parseInteger(text);
  if (value === undefined) throw NOT_AN_INTEGER;
  return value;
}

/**
 * An integer that stands for a position or a count: beyond 2^53 it is the nearest double, which for those purposes is as
 * good as infinite. Throws NOT_AN_INTEGER.
 */
export function indexArgument(text: string): number {
  return Number(integerArgument(text));
}

/** The sum when it fits 64 bits, else undefined. */
export function addIntegers(left: Integer, right: Integer): Integer | undefined {
  if (typeof left === "number" && typeof right === "number") {
    const sum = left + right;
    if (Number.isSafeInteger(sum)) return sum;
  }
  const exact = BigInt(left) + BigInt(right);
  return exact > INT64_MAX || exact < INT64_MIN ? undefined : narrow(exact);
}

/** A number when it is safe, otherwise the bigint. */
export function narrow(exact: bigint): Integer {
  const number = Number(exact);
  return Number.isSafeInteger(number) ? number : exact;
}

// No two parts that follow each other match the same characters: a hostile text costs its length, not the square of it.
const DECIMAL_FORM = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$/i;
const HEX_FORM = /^[+-]?0x(?:[\da-f]+(?:\.[\da-f]*)?|\.[\da-f]+)(?:p[+-]?\d+)?$/i;
/** What is zero as written, not by rounding. */
const ZERO_FORM = /^[+-]?(?:0x)?[0.]+(?:[ep].*)?$/i;
const INFINITE_FORM = /^([+-]?)inf(?:inity)?$/i;

/**
 * A double as strtod takes it, the whole text and no spaces; undefined for anything else, for nan, and for what a double
 * cannot hold: too large, or so small that it would be zero.
 */
export function parseDouble(text: string): number | undefined {
  const value = readDouble(text);
  if (value === undefined || INFINITE_FORM.test(text)) return value;
  if (value === 0 && !ZERO_FORM.test(text)) return undefined;
  return Number.isFinite(value) ? value : undefined;
}

/** As `parseDouble`, but what a double cannot hold becomes infinite or zero. */
export function readDouble(text: string): number | undefined {
  if (DECIMAL_FORM.test(text)) return Number(text);
  const infinite = INFINITE_FORM.exec(text);
  if (infinite !== null) return infinite[1] === "-" ? -Infinity : Infinity;
  return HEX_FORM.test(text) ? parseHexDouble(text.toLowerCase()) : undefined;
}

/** As `parseDouble`; throws NOT_A_FLOAT. */
export function doubleArgument(text: string): number {
  const value = parseDouble(text);
  if (value === undefined) throw NOT_A_FLOAT;
  return value;
}

function parseHexDouble(text: string): number {
  const negative = text.startsWith("-");
  const [mantissa = "", exponent = "0"] = text.replace(/^[+-]?0x/, "").split("p");
  const [whole = "", fraction = ""] = mantissa.split(".");
  let value = 0;
  for (const digit of whole) value = value * 16 + parseInt(digit, 16);
  let scale = 1 / 16;
  for (const digit of fraction) {
    value += parseInt(digit, 16) * scale;
    scale /= 16;
  }
  value *= 2 ** Number(exponent);
  return negative ? -value : value;
}

/** C's "%.{precision}g" for a finite number. */
export function formatGeneral(value: number, precision: number): string {
  const [digits = "", exponentText = "0"] = value.toExponential(precision - 1).split("e");
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= precision) {
    const sign = exponent < 0 ? "-" : "+";
    return `${trimZeros(digits)}e${sign}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  return trimZeros(value.toFixed(precision - 1 - exponent));
}

function trimZeros(digits: string): string {
  return digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits;
}

const MEMORY_UNITS: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  k: 1e3,
  kb: 1024,
  m: 1e6,
  mb: 1024 ** 2,
  g: 1e9,
  gb: 1024 ** 3,
};

/** "100mb" and the like, in bytes (memtoull: k is 1000, kb is 1024); undefined when malformed or above 2^53. */
export function parseMemorySize(text: string): number | undefined {
  const parts = /^(\d+)([a-z]{0,2})$/i.exec(text);
  const unit = MEMORY_UNITS[parts?.[2]?.toLowerCase() ?? "?"];
  if (parts === null || unit === undefined) return undefined;
  const bytes = Number(parts[1]) * unit;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
