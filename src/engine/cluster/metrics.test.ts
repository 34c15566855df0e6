import { expect, test } from "vitest";
import { createMetrics } from "./metrics.ts";

test("counters, gauges and histograms come out in the exposition format", () => {
  const metrics = createMetrics();
  const reads = metrics.counter("commands_total", "Commands.", { kind: "read" });
  const writes = metrics.counter("commands_total", "Commands.", { kind: "write" });
  const latency = metrics.histogram("fsync_seconds", "Sync time.", [0.001, 0.01]);
  metrics.gauge("odd", "Help with \\ and\nlines", () => [
    [{ path: 'a"b\\c\n' }, 1],
    [{ path: "absent" }, undefined],
  ]);
  metrics.gauge("nothing_yet", "Unknown.", () => undefined);
  reads.add();
  reads.add(2);
  writes.add();
  for (const value of [0.0005, 0.001, 0.002, 5]) latency.observe(value);
  expect(metrics.render()).toBe(
    [
      "# HELP commands_total Commands.",
      "# TYPE commands_total counter",
      'commands_total{kind="read"} 3',
      'commands_total{kind="write"} 1',
      "# HELP fsync_seconds Sync time.",
      "# TYPE fsync_seconds histogram",
      'fsync_seconds_bucket{le="0.001"} 2',
      'fsync_seconds_bucket{le="0.01"} 3',
      'fsync_seconds_bucket{le="+Inf"} 4',
      "fsync_seconds_sum 5.0035",
      "fsync_seconds_count 4",
      "# HELP odd Help with \\\\ and\\nlines",
      "# TYPE odd gauge",
      'odd{path="a\\"b\\\\c\\n"} 1',
      "# HELP nothing_yet Unknown.",
      "# TYPE nothing_yet gauge",
      "",
    ].join("\n"),
  );
});

test("a counter never falls, and a name has one type", () => {
  const metrics = createMetrics();
  expect(() => metrics.counter("a_total", "A.").add(-1)).toThrow(/cannot fall/);
  expect(() => metrics.gauge("a_total", "A.", () => 1)).toThrow(/registered as a counter/);
  expect(() => metrics.counter("no name", "A.")).toThrow(/not a metric name/);
});
