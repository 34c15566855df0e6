import { expect, test } from "vitest";
import { simulate } from "./simulation.ts";

test("the same seed twice gives the same trace, another seed another one", () => {
  const [first, second, other] = [
    simulate(1, { nodes: 3 }),
    simulate(1, { nodes: 3 }),
    simulate(2, { nodes: 3 }),
  ];
  expect(first.traceHash).toBe(second.traceHash);
  expect(first.steps).toBe(second.steps);
  expect(first.traceHash).not.toBe(other.traceHash);
});

test("a run commits and answers, and its history is judged", () => {
  const result = simulate(1, { nodes: 3 });
  expect(result.violation).toBeUndefined();
  expect(result.phase).toBe("done");
  expect(result.operations.answered).toBeGreaterThan(100);
  expect(result.verdict?.outcome).toBe("linearizable");
});

test("reads without a barrier are found out", () => {
  const found = Array.from({ length: 50 }, (_, seed) => seed).some(
    (seed) => simulate(seed, { nodes: 3, mutant: "read-without-barrier" }).violation !== undefined,
  );
  expect(found).toBe(true);
});
