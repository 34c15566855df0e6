import { expect, test } from "vitest";
import { StateComparison } from "./state-comparison.ts";

const VOTERS = ["n1", "n2", "n3"];

test("equal digests at equal indices are no divergence, and what was not noted at the same index says nothing", () => {
  const states = new StateComparison();
  states.note(10, 1);
  states.note(20, 2);
  states.heard("n2", [
    [10, 1],
    [15, 9],
    [20, 2],
  ]);
  states.heard("n3", [[30, 7]]);
  expect(states.compare([25, 3], VOTERS)).toBeUndefined();
});

test("a node whose digest a majority contradicts is outvoted; one that a single peer contradicts is not", () => {
  const states = new StateComparison();
  states.note(10, 1);
  states.heard("n2", [[10, 2]]);
  expect(states.compare([11, 5], VOTERS)).toEqual({ index: 10, peers: ["n2"], outvoted: false });
  states.heard("n3", [[10, 3]]);
  expect(states.compare([11, 5], VOTERS)?.outvoted).toBe(false);
  states.heard("n3", [[10, 2]]);
  expect(states.compare([11, 5], VOTERS)).toEqual({ index: 10, peers: ["n2", "n3"], outvoted: true });
});

test("of two voters that differ, neither is outvoted, and a learner has no vote", () => {
  const states = new StateComparison();
  states.heard("n2", [[10, 2]]);
  states.heard("n4", [[10, 2]]);
  expect(states.compare([10, 1], ["n1", "n2"])).toEqual({ index: 10, peers: ["n2", "n4"], outvoted: false });
});

test("a peer that is told anew, or forgotten, is judged by what it says now", () => {
  const states = new StateComparison();
  states.note(10, 1);
  states.heard("n2", [[10, 2]]);
  states.heard("n2", [[20, 2]]);
  expect(states.compare([11, 5], VOTERS)).toBeUndefined();
  states.heard("n2", [[10, 2]]);
  states.forget("n2");
  expect(states.compare([11, 5], VOTERS)).toBeUndefined();
  states.heard("n3", [[10, 2]]);
  states.keepOnly(["n1", "n2"]);
  expect(states.compare([11, 5], VOTERS)).toBeUndefined();
});
