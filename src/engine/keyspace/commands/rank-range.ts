/** Ranges given by two places, as LRANGE, LTRIM, ZRANGE and ZREMRANGEBYRANK take them: both included, negative from the end. */

/** From `from` to before `to`, within 0 to `size`; empty when `from` equals `to`. */
export function rankRange(
  start: number,
  stop: number,
  size: number,
): { readonly from: number; readonly to: number } {
  const from = Math.max(0, start < 0 ? size + start : start);
  const to = Math.min(size, (stop < 0 ? size + stop : stop) + 1);
  return from < to ? { from, to } : { from: 0, to: 0 };
}
