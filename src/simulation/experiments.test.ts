import { expect, test } from "vitest";
import { ALGORITHMS } from "../consensus/algorithms.ts";
import { EXPERIMENTS, runExperiment } from "./experiments.ts";

test.each(ALGORITHMS.flatMap((algorithm) => EXPERIMENTS.map((experiment) => ({ algorithm, experiment }))))(
  "$experiment of $algorithm comes to an end in every setting, with figures that make sense",
  ({ algorithm, experiment }) => {
    const readings = runExperiment(experiment, algorithm, 1);
    expect(readings.length).toBeGreaterThan(1);
    for (const { median, most, unfinished } of readings) {
      expect(unfinished).toBe(0);
      expect(median).toBeGreaterThanOrEqual(0);
      expect(most).toBeGreaterThanOrEqual(median);
    }
  },
  60_000,
);

test.each(ALGORITHMS)("%s: the same experiment twice gives the same readings", (algorithm) => {
  const [first, second] = [1, 2].map(() => runExperiment("catch-up", algorithm, 2));
  expect(second).toEqual(first);
});
