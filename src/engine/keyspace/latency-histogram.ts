/**
 * How long the calls of a command took, in buckets whose bounds double.
 *
 * The bounds are those that redis-server 7.0 prints, which come from a histogram of two significant digits: a bucket holds what
 * that one cannot tell from a power of two, so a bound lies a 128th above it.
 */

/** The first bound is 2^10 ns, about a microsecond; the last is about a second, and what took longer is counted there. */
const FIRST_EXPONENT = 10;
const LAST_EXPONENT = 30;
const BOUNDS_NS: readonly number[] = Array.from(
  { length: LAST_EXPONENT - FIRST_EXPONENT + 1 },
  (_, at) => 2 ** (FIRST_EXPONENT + at) * (1 + 1 / 128) - 1,
);
const LONGEST_NS = 2 ** LAST_EXPONENT;

export class LatencyHistogram {
  /** Made with the first call: most commands are never called. */
  private counts: Float64Array | undefined;
  total = 0;

  record(microseconds: number): void {
    this.counts ??= new Float64Array(BOUNDS_NS.length);
    // Not negative either, whatever the clock says: it would be counted in no bucket.
    const nanoseconds = Math.max(0, Math.min(microseconds * 1000, LONGEST_NS));
    // Of the greatest power of two that is not above it, or the bucket after that one.
    const exponent = Math.max(FIRST_EXPONENT, 31 - Math.clz32(nanoseconds));
    const bucket = exponent - FIRST_EXPONENT;
    this.counts[nanoseconds > BOUNDS_NS[bucket]! ? bucket + 1 : bucket]! += 1;
    this.total += 1;
  }

  add(other: LatencyHistogram): void {
    if (other.total === 0) return;
    this.counts ??= new Float64Array(BOUNDS_NS.length);
    for (const [bucket, count] of (other.counts ?? []).entries()) this.counts[bucket]! += count;
    this.total += other.total;
  }

  reset(): void {
    this.counts?.fill(0);
    this.total = 0;
  }

  /** Bounds in whole microseconds, each with the number of calls up to it; those that add none are left out. */
  cumulative(): readonly (readonly [microseconds: number, calls: number])[] {
    const found: (readonly [number, number])[] = [];
    let calls = 0;
    for (const [bucket, count] of (this.counts ?? []).entries()) {
      calls += count;
      if (count > 0) found.push([Math.floor(BOUNDS_NS[bucket]! / 1000), calls]);
    }
    return found;
  }
}
