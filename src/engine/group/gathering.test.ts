import { expect, test } from "vitest";
import { GATHER_MS, Gathering } from "./gathering.ts";

/** An entry of 1000 bytes that took `roundMs` and was committed at 100 ms. */
function afterRound(roundMs: number): Gathering {
  const gathering = new Gathering();
  gathering.sealed(1000, 100 - roundMs);
  gathering.committed(100);
  return gathering;
}

test("little waits for the crowd of the last entry, until it is there", () => {
  const gathering = afterRound(2);
  expect(gathering.waits(100, 100)).toBe(true);
  expect(gathering.waits(899, 100.2)).toBe(true);
  expect(gathering.waits(900, 100.2)).toBe(false);
});

test("the wait ends by itself, counted from the commit", () => {
  const gathering = afterRound(2);
  expect(gathering.waits(100, 100 + GATHER_MS - 0.01)).toBe(true);
  expect(gathering.waits(100, 100 + GATHER_MS)).toBe(false);
  expect(gathering.waits(100, 5000)).toBe(false);
});

test("one client alone never waits, nor does anybody for an entry that cost nothing", () => {
  expect(afterRound(2).waits(1000, 100)).toBe(false);
  expect(afterRound(0.1).waits(100, 100)).toBe(false);
  expect(new Gathering().waits(100, 0)).toBe(false);
});
