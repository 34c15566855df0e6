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
  const first = barrier.begin(100, 5, false);
  barrier.add({ origin: undefined, id: 3 });
  const second = barrier.begin(200, 5, false);
  expect(second).toBeGreaterThan(first);
  expect(answered(barrier, first)).toEqual({ ids: [1, 2], sentMs: 100 });
  expect(answered(barrier, first)).toEqual({ ids: [], sentMs: undefined });
  expect(answered(barrier, second)).toEqual({ ids: [3], sentMs: 200 });
});

test("reads gather while two rounds are on their way", () => {
  const barrier = new ReadBarrier(0, false);
  for (const id of [1, 2]) {
    barrier.add({ origin: undefined, id });
    barrier.begin(0, 1, false);
  }
  barrier.add({ origin: undefined, id: 3 });
  expect(barrier.wantsRound()).toBe(false);
  answered(barrier, 1);
  expect(barrier.wantsRound()).toBe(true);
});

test("reads do not join a round before the first commit of the leadership", () => {
  const barrier = new ReadBarrier(0, false);
  barrier.add({ origin: undefined, id: 1 });
  expect(answered(barrier, barrier.begin(0, undefined, false)).ids).toEqual([]);
  expect(answered(barrier, barrier.begin(0, 4, false)).ids).toEqual([1]);
});

test("the end of the leadership fails every read once", () => {
  const barrier = new ReadBarrier(0, false);
  barrier.add({ origin: undefined, id: 1 });
  barrier.begin(0, 1, false);
  barrier.add({ origin: undefined, id: 2 });
  const failed: number[] = [];
  barrier.abandon((read) => failed.push(read.id));
  barrier.abandon((read) => failed.push(read.id));
  expect(failed).toEqual([1, 2]);
});

test("a round of some that stays without an answer is overdue, until all are asked", () => {
  const barrier = new ReadBarrier(0, false);
  expect(barrier.isOverdue(1000)).toBe(false);
  barrier.add({ origin: undefined, id: 1 });
  barrier.begin(0, 1, false);
  expect([barrier.isOverdue(4), barrier.isOverdue(5)]).toEqual([false, true]);
  barrier.add({ origin: undefined, id: 2 });
  const forAll = barrier.begin(6, 1, true);
  expect(barrier.isOverdue(1000)).toBe(false);
  expect(answered(barrier, forAll).ids).toEqual([1, 2]);
  barrier.begin(2000, 1, false);
  expect(barrier.isOverdue(3000), "nobody reads").toBe(false);
});
