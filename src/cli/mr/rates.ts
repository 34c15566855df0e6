/** How fast a job goes: bytes and records a second over the last seconds, from the counters of its reports. */
import type { JobReport } from "../../mapreduce/job-api.ts";
import type { Counters } from "../../mapreduce/job-spec.ts";

/** Rates are of this long. */
const WINDOW_MS = 5_000;

export const RATED = ["MAP_INPUT_BYTES", "REDUCE_SHUFFLE_BYTES", "OUTPUT_RECORDS"] as const;
export type Rated = (typeof RATED)[number];

interface Reading {
  readonly atMs: number;
  readonly values: Readonly<Record<Rated, number>>;
}

export class Rates {
  private readings: Reading[] = [];

  add({ nowMs, liveCounters }: Pick<JobReport, "nowMs" | "liveCounters">): void {
    const values = Object.fromEntries(RATED.map((name) => [name, counterOf(liveCounters, name)]));
    this.readings.push({ atMs: nowMs, values: values as Record<Rated, number> });
    const from = this.readings.findLastIndex(({ atMs }) => atMs <= nowMs - WINDOW_MS);
    if (from > 0) this.readings = this.readings.slice(from);
  }

  /** A second. Undefined: not known yet. */
  of(name: Rated): number | undefined {
    const [first, last] = [this.readings[0], this.readings.at(-1)];
    if (first === undefined || last === undefined || last.atMs <= first.atMs) return undefined;
    // An attempt that was lost takes its share along.
    return Math.max(0, ((last.values[name] - first.values[name]) * 1000) / (last.atMs - first.atMs));
  }
}

/** Of the system's group. */
export function counterOf(counters: Counters, name: string): number {
  return counters["Task"]?.[name] ?? 0;
}
