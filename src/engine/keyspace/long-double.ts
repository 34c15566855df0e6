/**
 * C's 80-bit `long double` addition, which INCRBYFLOAT and HINCRBYFLOAT are defined by: with a 64-bit mantissa 0.1 + 0.2
 * prints as 0.3, with JavaScript's 53 bits it would not.
 *
 * A number is a whole mantissa of at most 64 bits times a power of two. Whatever is exact between two roundings is done in
 * whole bigints; every rounding is to nearest, ties to even, as IEEE 754 prescribes. Subnormals keep all 64 bits, which no
 * output of 17 decimals can show.
 */
export interface LongDouble {
  readonly mantissa: bigint;
  readonly exponent: number;
}

const MANTISSA_BITS = 64;
/** Numbers from 2^16384 on are infinite; those below 2^-16445 round to zero. */
const EXPONENT_END = 16_384;
const EXPONENT_START = -16_445;
/** Redis's MAX_LONG_DOUBLE_CHARS: longer texts are no numbers. */
const MAX_CHARACTERS = 5 * 1024;
const DECIMALS = 17;

const DECIMAL_FORM = /^([+-]?)(\d*)(?:\.(\d*))?(?:e([+-]?\d+))?$/i;
const HEX_FORM = /^([+-]?)0x([\da-f]*)(?:\.([\da-f]*))?(?:p([+-]?\d+))?$/i;
const INFINITE_FORM = /^([+-]?)inf(?:inity)?$/i;

/** A text as strtold reads it, the whole of it; undefined for nan, overflow, underflow and anything else. */
export function parseLongDouble(text: string): LongDouble | "infinite" | undefined {
  if (text.length >= MAX_CHARACTERS) return undefined;
  if (INFINITE_FORM.test(text)) return "infinite";
  const hex = HEX_FORM.exec(text);
  const [, sign = "", whole = "", fraction = "", power = "0"] = hex ?? DECIMAL_FORM.exec(text) ?? [];
  if (whole === "" && fraction === "") return undefined;
  const digits = BigInt((hex === null ? "" : "0x") + whole + fraction);
  if (digits === 0n) return { mantissa: 0n, exponent: 0 };
  const shift = Number(power);
  if (Math.abs(shift) > 10 * MAX_CHARACTERS) return undefined;
  const rounded =
    hex === null ? fromDecimal(digits, shift - fraction.length) : round(digits, shift - 4 * fraction.length);
  const end = rounded.exponent + bitLength(rounded.mantissa);
  if (end > EXPONENT_END || end <= EXPONENT_START) return undefined;
  return sign === "-" ? { mantissa: -rounded.mantissa, exponent: rounded.exponent } : rounded;
}

/** The rounded sum; undefined when it is too large for a long double. */
export function addLongDoubles(left: LongDouble, right: LongDouble): LongDouble | undefined {
  const exponent = Math.min(left.exponent, right.exponent);
  const exact =
    (left.mantissa << BigInt(left.exponent - exponent)) +
    (right.mantissa << BigInt(right.exponent - exponent));
  const sum = round(exact, exponent);
  return sum.exponent + bitLength(sum.mantissa) > EXPONENT_END ? undefined : sum;
}

/** "%.17Lf" without trailing zeros: 3, -0.5, 5000000000000000000000. */
export function formatLongDouble(value: LongDouble): string {
  const scaled = value.mantissa * 10n ** BigInt(DECIMALS);
  const units = value.exponent >= 0 ? scaled << BigInt(value.exponent) : shiftRight(scaled, -value.exponent);
  const digits = String(units < 0n ? -units : units).padStart(DECIMALS + 1, "0");
  const fraction = digits.slice(-DECIMALS).replace(/0+$/, "");
  const whole = digits.slice(0, -DECIMALS);
  return `${units < 0n ? "-" : ""}${whole}${fraction === "" ? "" : `.${fraction}`}`;
}

/** digits times 10^power, rounded. */
function fromDecimal(digits: bigint, power: number): LongDouble {
  if (power >= 0) return round(digits * 10n ** BigInt(power), 0);
  const divisor = 10n ** BigInt(-power);
  // Two bits more than the mantissa, and a last one that says whether anything is left, round as the exact quotient would.
  const shift = Math.max(0, MANTISSA_BITS + 2 + bitLength(divisor) - bitLength(digits));
  const dividend = digits << BigInt(shift);
  const quotient = dividend / divisor;
  const sticky = dividend % divisor === 0n ? 0n : 1n;
  return round((quotient << 1n) | sticky, -shift - 1);
}

function round(mantissa: bigint, exponent: number): LongDouble {
  const excess = bitLength(mantissa) - MANTISSA_BITS;
  if (excess <= 0) return { mantissa, exponent };
  return { mantissa: shiftRight(mantissa, excess), exponent: exponent + excess };
}

/** Divides by 2^bits, to nearest, ties to even. */
function shiftRight(value: bigint, bits: number): bigint {
  const magnitude = value < 0n ? -value : value;
  const shift = BigInt(bits);
  let quotient = magnitude >> shift;
  const rest = magnitude - (quotient << shift);
  const half = 1n << (shift - 1n);
  if (rest > half || (rest === half && (quotient & 1n) === 1n)) quotient += 1n;
  return value < 0n ? -quotient : quotient;
}

function bitLength(value: bigint): number {
  if (value === 0n) return 0;
  const hex = (value < 0n ? -value : value).toString(16);
  return (hex.length - 1) * 4 + (32 - Math.clz32(Number.parseInt(hex.charAt(0), 16)));
}
