/**
 * Numbers in texts as bytes that compare as the numbers do, whatever their length: a sign, digits, a point, digits, as sort -n
 * reads them. What is no digit ends the number; a text without digits is zero. Whole numbers that are equal and spelt
 * differently ("12" and "012", "12a" and "12b") keep the order that Hadoop's comparator gives them.
 */

const [MINUS, POINT, ZERO, NINE] = [45, 46, 48, 57];
/** First bytes: below zero, and zero or above. */
const [NEGATIVE, POSITIVE] = [0, 1];
/** Less than every digit. */
const END = 0;
/** Bytes that say how many digits the whole part has. */
const LENGTH_BYTES = 4;

/** Gives the bytes of a number to `put`, one by one. `end` is exclusive. */
export function putNumber(bytes: Buffer, start: number, end: number, put: (byte: number) => void): void {
  let at = start;
  const signed = bytes[at] === MINUS && at < end;
  if (signed) at++;
  while (at < end && bytes[at] === ZERO) at++;
  const first = at;
  while (at < end && isDigit(bytes[at])) at++;
  const point = at;
  // Zeros at the end of the fraction say nothing.
  let last = point;
  if (at < end && bytes[at] === POINT)
    for (at++; at < end && isDigit(bytes[at]); at++) if (bytes[at] !== ZERO) last = at + 1;

  const isZero = first === point && last === point;
  const flip = signed && !isZero ? 0xff : 0;
  put(flip === 0 ? POSITIVE : NEGATIVE);
  const digits = point - first;
  for (let shift = (LENGTH_BYTES - 1) * 8; shift >= 0; shift -= 8) put(((digits >>> shift) & 0xff) ^ flip);
  for (let digit = first; digit < point; digit++) put((bytes[digit] ?? 0) ^ flip);
  for (let digit = point + 1; digit < last; digit++) put((bytes[digit] ?? 0) ^ flip);
  put(END ^ flip);
  const stop = point < end && bytes[point] !== POINT ? point : start;
  put(isZero && signed ? ZERO : (bytes[stop] ?? 0) ^ flip);
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= NINE;
}
