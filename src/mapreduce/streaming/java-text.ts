/** Texts and numbers as Java writes and hashes them, where outputs must be those of Hadoop to the byte. */

/** `Text.hashCode`: bytes are signed, and the sum wraps at 32 bits. `end` is exclusive. */
export function textHash(bytes: Uint8Array, start: number, end: number): number {
  let hash = 1;
  for (let at = start; at < end; at++) hash = (Math.imul(31, hash) + (((bytes[at] ?? 0) << 24) >> 24)) | 0;
  return hash;
}

/** `String.hashCode`: over UTF-16 units. */
export function stringHash(text: string): number {
  let hash = 0;
  for (let at = 0; at < text.length; at++) hash = (Math.imul(31, hash) + text.charCodeAt(at)) | 0;
  return hash;
}

/** `Long.hashCode` of a whole number from 0 to 2^53. */
export function longHash(value: number): number {
  return (value >>> 0) ^ Math.floor(value / 2 ** 32);
}

/** HashPartitioner: the sign bit is cut off, not the sign. */
export function partitionOf(hash: number, partitions: number): number {
  return (hash & 0x7fffffff) % partitions;
}

/** `Double.toString`: a point always, and from 10^7 on and below 10^-3 with an exponent. */
export function doubleText(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value < 0 ? "-Infinity" : "Infinity";
  if (value === 0) return Object.is(value, -0) ? "-0.0" : "0.0";
  const size = Math.abs(value);
  if (size >= 1e-3 && size < 1e7) {
    const text = String(value);
    return text.includes(".") ? text : `${text}.0`;
  }
  const [mantissa = "", exponent = ""] = value.toExponential().split("e");
  return `${mantissa.includes(".") ? mantissa : `${mantissa}.0`}E${Number(exponent)}`;
}
