import { expect, test } from "vitest";
import { createClock } from "./clock.ts";
import { createRandom, seededRandom } from "./random.ts";

const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test("a timer never calls back before its time by the clock that it was set with", async () => {
  const clock = createClock();
  const early: number[] = [];
  const waits = Array.from({ length: 40 }, (_, index) => {
    const dueMs = clock.monotonicMs() + index * 0.7;
    return new Promise<void>((resolve) => {
      clock.setTimer(index * 0.7, () => {
        if (clock.monotonicMs() < dueMs) early.push(index);
        resolve();
      });
    });
  });
  await Promise.all(waits);
  expect(early).toEqual([]);
});

test("a cancelled timer stays silent, and cancelling one that fired is harmless", async () => {
  const clock = createClock();
  let fired = 0;
  const cancelled = clock.setTimer(1, () => fired++);
  cancelled.cancel();
  const kept = clock.setTimer(2, () => fired++);
  await later(15);
  kept.cancel();
  expect(fired).toBe(1);
});

test("a delay beyond what setTimeout takes does not fire at once", async () => {
  const clock = createClock();
  let fired = false;
  const timer = clock.setTimer(2 ** 40, () => (fired = true));
  await later(10);
  timer.cancel();
  expect(fired).toBe(false);
});

test("the end of a turn runs callbacks in order, those scheduled meanwhile in the same turn", async () => {
  const clock = createClock();
  const order: string[] = [];
  await new Promise<void>((resolve) => {
    clock.endOfTurn(() => {
      order.push("step");
      clock.endOfTurn(() => order.push("flush"));
      setImmediate(() => order.push("next turn"));
    });
    clock.endOfTurn(() => order.push("second"));
    setImmediate(() => setImmediate(() => setImmediate(resolve)));
  });
  expect(order).toEqual(["step", "second", "flush", "next turn"]);
});

test("a callback that schedules itself for ever does not stop the event loop", async () => {
  const clock = createClock();
  let stop = false;
  const again = (): void => {
    if (!stop) clock.endOfTurn(again);
  };
  again();
  await later(5);
  stop = true;
});

test("random numbers are in range, spread out, and replay from a seed", () => {
  const random = createRandom();
  const floats = Array.from({ length: 10_000 }, () => random.float());
  expect(floats.every((value) => value >= 0 && value < 1)).toBe(true);
  const mean = floats.reduce((sum, value) => sum + value, 0) / floats.length;
  expect(Math.abs(mean - 0.5)).toBeLessThan(0.03);
  const words = Array.from({ length: 1000 }, () => random.next32());
  expect(words.every((word) => Number.isInteger(word) && word >= 0 && word < 2 ** 32)).toBe(true);
  const [left, right] = [seededRandom(1, 2, 3, 4), seededRandom(1, 2, 3, 4)];
  for (let draw = 0; draw < 9; draw++) expect(left.next32()).toBe(right.next32());
});

test("the wall clock has fractions of a millisecond, and the whole ones are those that everybody reads", () => {
  const clock = createClock();
  const fractions = new Set<number>();
  for (let reads = 0; reads < 2_000; reads++) {
    const before = Date.now();
    const ms = clock.wallMs();
    expect(Math.floor(ms)).toBeGreaterThanOrEqual(before);
    expect(Math.floor(ms)).toBeLessThanOrEqual(Date.now());
    fractions.add(ms % 1);
  }
  expect(fractions.size).toBeGreaterThan(100);
});
