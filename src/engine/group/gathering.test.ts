import { expect, test } from "vitest";
import { GATHER_MAX_MS, GATHER_ROUNDS, Gathering, PLENTY_BYTES } from "./gathering.ts";

/** An entry of 1000 bytes that took `roundMs` and was committed at 100 ms, when `gathered` bytes were behind it. */
function afterRound(roundMs: number, gathered = 0): Gathering {
  const gathering = new Gathering();
  gathering.sealed(1000, 100 - roundMs);
  gathering.committed(gathered, 100);
  return gathering;
}

/** Rounds of a millisecond: entries of 1000 bytes behind each of which 500 gather; `came` of each: how large the next one gets. */
function wantedAfter(came: readonly number[]): readonly number[] {
  const gathering = new Gathering();
  let nowMs = 0;
  gathering.sealed(1000, nowMs);
  const wanted = [];
  for (const bytes of came) {
    nowMs += 1;
    gathering.committed(500, nowMs);
    wanted.push([900, 1350].find((enough) => gathering.waitMs(enough, nowMs) === 0) ?? Infinity);
    gathering.sealed(bytes, nowMs);
    // Of the same size again, whatever came.
    gathering.sealed(1000, nowMs);
  }
  return wanted;
}

test("little waits for the crowd of the last entry, until it is there", () => {
  const gathering = afterRound(2);
  expect(gathering.waitMs(100, 100)).toBeGreaterThan(0);
  expect(gathering.waitMs(899, 100.2)).toBeGreaterThan(0);
  expect(gathering.waitMs(900, 100.2)).toBe(0);
});

test("what had gathered behind the last entry waits for the last one's crowd too: there is one crowd then", () => {
  const gathering = afterRound(2, 500);
  expect(gathering.waitMs(1349, 100)).toBeGreaterThan(0);
  expect(gathering.waitMs(1350, 100)).toBe(0);
});

test("the wait ends by itself, counted from the commit, sooner after a fast round", () => {
  expect(afterRound(1).waitMs(100, 100)).toBe(GATHER_ROUNDS);
  expect(afterRound(1).waitMs(100, 100 + GATHER_ROUNDS)).toBe(0);
  expect(afterRound(50).waitMs(100, 100)).toBe(GATHER_MAX_MS);
  expect(afterRound(50).waitMs(100, 5000)).toBe(0);
});

test("one client alone never waits, nor does anybody for an entry that cost nothing, or when plenty is there", () => {
  expect(afterRound(2).waitMs(1000, 100)).toBe(0);
  expect(afterRound(0.1).waitMs(100, 100)).toBe(0);
  expect(new Gathering().waitMs(100, 0)).toBe(0);
  expect(afterRound(2, 1_000_000).waitMs(PLENTY_BYTES, 100)).toBe(0);
});

test("who was answered and does not come back is waited for ever more rarely, and as before once the wait is worth it", () => {
  const inVain = wantedAfter(Array.from({ length: 300 }, () => 600));
  const waits = inVain.flatMap((wanted, at) => (wanted === 1350 ? [at] : []));
  expect(waits).toEqual([0, 2, 5, 10, 19, 36, 69, 134, 199, 264]);
  const seldom = wantedAfter([600, 600, 1400, 1400, 600, 600, 600]);
  expect(seldom).toEqual([1350, 900, 1350, 1350, 1350, 900, 1350]);
});
