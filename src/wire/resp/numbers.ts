/** Numbers as text, the way Redis 7.0 prints them; replicas and clients see the same digits everywhere. */

/**
 * A double as C's `%.17g` prints it (Redis 7.0, `addReplyDouble`): "3", "1.1000000000000001", "1e+20", "inf", "-0".
 */
export function formatDouble(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e17) return Object.is(value, -0) ? "-0" : String(value);
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  const [mantissa, power] = value.toExponential(16).split("e") as [string, string];
  const exponent = Number(power);
  if (exponent < -4 || exponent >= 17) {
    const sign = exponent < 0 ? "-" : "+";
    return `${trimZeros(mantissa)}e${sign}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  return trimZeros(value.toFixed(Math.max(0, 16 - exponent)));
}

function trimZeros(digits: string): string {
  if (!digits.includes(".")) return digits;
  let end = digits.length;
  while (digits[end - 1] === "0") end -= 1;
  if (digits[end - 1] === ".") end -= 1;
  return digits.slice(0, end);
}
