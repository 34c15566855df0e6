import { expect, test } from "vitest";
import { LatencyHistogram } from "./latency-histogram.ts";

test("calls are counted up to bounds that double, as redis-server prints them", () => {
  const histogram = new LatencyHistogram();
  // The last that each bucket of redis-server's histogram takes, and the first beyond it, in nanoseconds.
  for (const bound of [1031, 2063, 4127, 8255, 16_511, 33_023, 66_047, 132_095, 264_191]) {
    histogram.record(bound / 1000);
    histogram.record((bound + 1) / 1000);
  }
  const bounds = [1, 2, 4, 8, 16, 33, 66, 132, 264, 528];
  expect(histogram.cumulative()).toEqual(bounds.map((bound, at) => [bound, Math.min(2 * at + 1, 18)]));
  expect(histogram.total).toBe(18);
});

test("no time is too short or too long to be counted, and nothing is left after a reset", () => {
  const histogram = new LatencyHistogram();
  expect(histogram.cumulative()).toEqual([]);
  for (const microseconds of [-1, 0, 1e6, 1e12]) histogram.record(microseconds);
  expect(histogram.cumulative()).toEqual([
    [1, 2],
    [1_082_130, 4],
  ]);
  histogram.reset();
  expect([histogram.total, histogram.cumulative()]).toEqual([0, []]);
});
