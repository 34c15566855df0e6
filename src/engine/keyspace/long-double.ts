/**
 * The 80-bit floating point in which Redis adds for INCRBYFLOAT and HINCRBYFLOAT, with exact integers.
 *
 * Why not doubles: 3.0 + 0.1 + 0.2 must read "3.3" there, and in doubles it does not. A value is a sign-carrying mantissa
 * of at most 64 bits times a power of two (x87 extended precision, round half to even), so replicas and Redis agree.
 */
export interface LongDouble {
  /** At most 64 bits besides the sign. */
  readonly mantissa: bigint;
  /** Of two. */
  readonly exponent: number;
}

const MANTISSA_BITS = 64;
/** Largest exponent of a mantissa of 64 bits that is still finite: 2^16384 is infinite. */
const GREATEST_EXPONENT = 16_384 - MANTISSA_BITS;
/** Below this, numbers are subnormal; their last bit is worth 2^-16445. */
const LEAST_EXPONENT = -16_445;
const DECIMAL_FORM = /^([+-]?)(\d*)\.?(\d*)(?:e([+-]?\d+))?$/i;
/** Of Redis's own buffer for a number in text (MAX_LONG_DOUBLE_CHARS). */
const GREATEST_LENGTH = 5 * 1024;
const FRACTION_DIGITS = 17;

/** As strtold over the whole text; undefined when malformed, nan, or beyond the range. Infinities are refused too. */
export function parseLongDouble(text: string): LongDouble | undefined {
  const parts = text.length <= GREATEST_LENGTH ? DECIMAL_FORM.exec(text) : null;
  if (parts === null) return undefined;
  const [, sign, whole = "", fraction = "", exponentText = "0"] = parts;
  if (whole.length + fraction.length === 0) return undefined;
  const digits = BigInt(whole + fraction);
  const power = Number(exponentText) - fraction.length;
  // Far outside what 80 bits hold; stops here so that a hostile exponent costs nothing.
  if (digits === 0n || power + whole.length + fraction.length < -5000) return { mantissa: 0n, exponent: 0 };
  if (power > 5000) return undefined;
  const magnitude =
    power >= 0 ? round(digits * 10n ** BigInt(power), 1n) : round(digits, 10n ** BigInt(-power));
  if (magnitude === undefined) return undefined;
  return sign === "-" ? { mantissa: -magnitude.mantissa, exponent: magnitude.exponent } : magnitude;
}

/** The sum, or undefined when it is beyond the range. */
export function addLongDoubles(left: LongDouble, right: LongDouble): LongDouble | undefined {
  const exponent = Math.min(left.exponent, right.exponent);
  const sum =
    (left.mantissa << BigInt(left.exponent - exponent)) +
    (right.mantissa << BigInt(right.exponent - exponent));
  const magnitude = sum < 0n ? -sum : sum;
  const rounded =
    exponent >= 0 ? round(magnitude << BigInt(exponent), 1n) : round(magnitude, 1n << BigInt(-exponent));
  if (rounded === undefined || sum >= 0n) return rounded;
  return { mantissa: -rounded.mantissa, exponent: rounded.exponent };
}

/** "%.17Lf" without trailing zeros, as ld2string's human-friendly form. */
export function formatLongDouble({ mantissa, exponent }: LongDouble): string {
  const negative = mantissa < 0n;
  const magnitude = negative ? -mantissa : mantissa;
  const scaled = magnitude * 10n ** BigInt(FRACTION_DIGITS);
  const digits = exponent >= 0 ? scaled << BigInt(exponent) : divideHalfEven(scaled, 1n << BigInt(-exponent));
  const text = String(digits).padStart(FRACTION_DIGITS + 1, "0");
  const whole = text.slice(0, -FRACTION_DIGITS);
  const fraction = text.slice(-FRACTION_DIGITS).replace(/0+$/, "");
  const number = fraction === "" ? whole : `${whole}.${fraction}`;
  return negative && number !== "0" ? `-${number}` : number;
}

/** The nearest long double to numerator / denominator, both positive or zero. */
function round(numerator: bigint, denominator: bigint): LongDouble | undefined {
  if (numerator === 0n) return { mantissa: 0n, exponent: 0 };
  let exponent = bitLength(numerator) - bitLength(denominator) - MANTISSA_BITS;
  exponent = Math.max(exponent, LEAST_EXPONENT);
  let mantissa = quotient(numerator, denominator, exponent);
  if (bitLength(mantissa) > MANTISSA_BITS) mantissa = quotient(numerator, denominator, ++exponent);
  // Rounding up may have carried into one more bit.
  if (bitLength(mantissa) > MANTISSA_BITS) {
    mantissa >>= 1n;
    exponent++;
  }
  return exponent > GREATEST_EXPONENT ? undefined : { mantissa, exponent };
}

function quotient(numerator: bigint, denominator: bigint, exponent: number): bigint {
  return exponent >= 0
    ? divideHalfEven(numerator, denominator << BigInt(exponent))
    : divideHalfEven(numerator << BigInt(-exponent), denominator);
}

function divideHalfEven(numerator: bigint, denominator: bigint): bigint {
  const whole = numerator / denominator;
  const twice = (numerator - whole * denominator) * 2n;
  if (twice > denominator || (twice === denominator && (whole & 1n) === 1n)) return whole + 1n;
  return whole;
}

function bitLength(value: bigint): number {
  return value.toString(2).length;
}
