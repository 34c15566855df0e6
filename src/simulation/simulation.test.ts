import { expect, test } from "vitest";
import { ALGORITHMS } from "../consensus/algorithms.ts";
import { SeededRandom } from "../runtime/simulated/random.ts";
import type { SimulationResult } from "./simulation.ts";
import { simulate } from "./simulation.ts";
import { drawSwarm } from "./swarm.ts";

test.each(ALGORITHMS)(
  "%s: the same seed twice gives the same trace, another seed another one",
  (consensus) => {
    const [first, second, other] = [1, 1, 2].map((seed) => simulate(seed, { consensus, nodes: 3 })) as [
      SimulationResult,
      SimulationResult,
      SimulationResult,
    ];
    expect(first.traceHash).toBe(second.traceHash);
    expect(first.steps).toBe(second.steps);
    expect(first.traceHash).not.toBe(other.traceHash);
  },
);

test("a seed without a word about the algorithm is Raft's, to the last event", () => {
  expect(simulate(1, { nodes: 3 }).traceHash).toBe(simulate(1, { nodes: 3, consensus: "raft" }).traceHash);
});

test.each(ALGORITHMS)("%s: a run commits and answers, and its history is judged", (consensus) => {
  const result = simulate(1, { consensus, nodes: 3 });
  expect(result.violation).toBeUndefined();
  expect(result.phase).toBe("done");
  expect(result.operations.answered).toBeGreaterThan(100);
  expect(result.verdict?.outcome).toBe("linearizable");
});

test.each(ALGORITHMS)("%s: reads without a barrier are found out", (consensus) => {
  const found = Array.from({ length: 50 }, (_, seed) => seed).some(
    (seed) => simulate(seed, { consensus, nodes: 3, mutant: "read-without-barrier" }).violation !== undefined,
  );
  expect(found).toBe(true);
});

test("reads are misdirected in a share of the seeds, and only where disks may decay", () => {
  const swarms = Array.from({ length: 1000 }, (_, seed) =>
    drawSwarm(SeededRandom.fromSeed(seed).split("swarm")),
  );
  const struck = swarms.filter(({ disk }) => disk.misdirectRead > 0);
  expect(struck.length).toBeGreaterThan(50);
  expect(struck.length).toBeLessThan(200);
  expect(struck.every(({ decaying }) => decaying > 0)).toBe(true);
});

// In the last of them a log reads as zeros at a start.
test.each(ALGORITHMS)("%s: reads that give the bytes of another place break no promise", (consensus) => {
  for (const seed of [1_000_002, 1_000_011, 1_000_013, 1_000_022]) {
    const result = simulate(seed, { consensus });
    expect(result.violation, `seed ${seed}`).toBeUndefined();
    expect(result.misdirectedReads, `seed ${seed}`).toBeGreaterThan(0);
  }
});
