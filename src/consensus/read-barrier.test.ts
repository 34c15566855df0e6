import { expect, test } from "vitest";
import { ReadBarrier } from "./read-barrier.ts";

function answered(barrier: ReadBarrier, round: number): { ids: number[]; sentMs: number | undefined } {
  const ids: number[] = [];
  const sentMs = barrier.confirm(round, (read) => ids.push(read.id));
  return { ids, sentMs };
}

test("one round covers all reads that wait, and an earlier answer none that came later", () => {
  const barrier = new ReadBarrier(7, false);
  barrier.add({ origin: undefined, id: 1 });
  barrier.add({ origin: "n2", id: 2 });
  const first = barrier.begin(100, 5);
  barrier.add({ origin: undefined, id: 3 });
  const second = barrier.begin(200, 5);
  expect(second).toBeGreaterThan(first);
  expect(answered(barrier, first)).toEqual({ ids: [1, 2], sentMs: 100 });
  expect(answered(barrier, first)).toEqual({ ids: [], sentMs: undefined });
  expect(answered(barrier, second)).toEqual({ ids: [3], sentMs: 200 });
});

test("reads gather while two rounds are on their way", () => {
  const barrier = new ReadBarrier(0, false);
  for (const id of [1, 2]) {
    barrier.add({ origin: undefined, id });
    barrier.begin(0, 1);
  }
  barrier.add({ origin: undefined, id: 3 });
  expect(barrier.wantsRound()).toBe(false);
  answered(barrier, 1);
  expect(barrier.wantsRound()).toBe(true);
});

test("reads do not join a round before the first commit of the leadership", () => {
  const barrier = new ReadBarrier(0, false);
  barrier.add({ origin: undefined, id: 1 });
  expect(answered(barrier, barrier.begin(0, undefined)).ids).toEqual([]);
  expect(answered(barrier, barrier.begin(0, 4)).ids).toEqual([1]);
});

test("the end of the leadership fails every read once", () => {
  const barrier = new ReadBarrier(0, false);
  barrier.add({ origin: undefined, id: 1 });
  barrier.begin(0, 1);
  barrier.add({ origin: undefined, id: 2 });
  const failed: number[] = [];
  barrier.abandon((read) => failed.push(read.id));
  barrier.abandon((read) => failed.push(read.id));
  expect(failed).toEqual([1, 2]);
});
