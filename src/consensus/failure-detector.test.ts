import { expect, test } from "vitest";
import { FailureDetector, TickGauge } from "./failure-detector.ts";

function heardEvery(gapMs: number, times: number): FailureDetector {
  const detector = new FailureDetector(50, 250, 2000, 0);
  for (let message = 1; message <= times; message += 1) detector.heard(message * gapMs);
  return detector;
}

test("the timeout is three times the usual gap, within its bounds", () => {
  expect(heardEvery(200, 100).timeoutMs()).toBeCloseTo(600, 0);
  expect(heardEvery(50, 100).timeoutMs()).toBe(250);
  expect(heardEvery(5000, 100).timeoutMs()).toBe(2000);
});

test("a burst of messages does not shorten the timeout below that of heartbeats", () => {
  expect(heardEvery(0.1, 10_000).timeoutMs()).toBe(250);
});

test("a wait that was restarted still tells when the peer was heard", () => {
  const detector = heardEvery(50, 10);
  detector.restartWait(1500);
  expect(detector.waitedMs(1600)).toBe(100);
  expect(detector.heardMs).toBe(500);
});

test("a tick is late when it comes much later than ticks usually do, not when all are slow", () => {
  const gauge = new TickGauge(25, 125, 0);
  expect(gauge.tick(25)).toBe(false);
  expect(gauge.tick(125)).toBe(false);
  expect(gauge.tick(1125)).toBe(true);
  expect(gauge.tick(1150)).toBe(false);
  const slow = new TickGauge(25, 125, 0);
  const late = Array.from({ length: 10 }, (_, at) => slow.tick(200 * (at + 1)));
  expect(late.slice(0, 1)).toEqual([true]);
  expect(late.slice(5)).not.toContain(true);
});
