import { expect, test } from "vitest";
import {
  GATHER_MAX_MS,
  GATHER_ROUNDS,
  Gathering,
  MODEST_MAX_MS,
  PLENTY_BYTES,
  SILENCE_MS,
} from "./gathering.ts";

/** An entry of 1000 bytes that took `roundMs` and was committed at 100 ms, when `gathered` bytes were behind it. */
function afterRound(roundMs: number, gathered = 0): Gathering {
  const gathering = new Gathering();
  gathering.sealed(1000, 100 - roundMs);
  gathering.committed(gathered, 100);
  return gathering;
}

interface Sealed {
  readonly bytes: number;
  readonly waitedMs: number;
}

/**
 * Rounds of a millisecond. `arrived`: bytes that wait, so long after the last entry was committed (negative: before), of which none
 * are in it. Looked at every tenth of a millisecond.
 */
function rounds(
  count: number,
  arrived: (sinceCommitMs: number, sealed: readonly Sealed[]) => number,
): Sealed[] {
  const gathering = new Gathering();
  const entries: Sealed[] = [];
  let nowMs = 1000;
  gathering.sealed(1000, nowMs);
  for (let round = 0; round < count; round++) {
    nowMs += 1;
    gathering.committed(arrived(0, entries), nowMs);
    let tenths = 0;
    for (;;) {
      const bytes = arrived(tenths / 10, entries);
      if (bytes > 0 && gathering.waitMs(bytes, nowMs) === 0) {
        gathering.sealed(bytes, nowMs);
        entries.push({ bytes, waitedMs: tenths / 10 });
        break;
      }
      tenths++;
      nowMs += 0.1;
    }
  }
  return entries;
}

test("little waits for the crowd of the last entry, until it is there", () => {
  const gathering = afterRound(2);
  expect(gathering.waitMs(100, 100)).toBeGreaterThan(0);
  expect(gathering.waitMs(899, 100.2)).toBeGreaterThan(0);
  expect(gathering.waitMs(900, 100.2)).toBe(0);
});

test("what had gathered behind the last entry waits for the last one's crowd too", () => {
  const gathering = afterRound(2, 500);
  expect(gathering.waitMs(1349, 100)).toBeGreaterThan(0);
  expect(gathering.waitMs(1350, 100)).toBe(0);
});

test("the wait ends by itself, counted from the commit, sooner after a fast round", () => {
  /** Ever a little more comes. */
  const end = (gathering: Gathering): number => {
    for (let tenths = 0; ; tenths++) {
      if (gathering.waitMs(100 + tenths, 100 + tenths / 10) === 0) return tenths / 10;
    }
  };
  expect(end(afterRound(1))).toBeCloseTo(GATHER_ROUNDS, 5);
  expect(end(afterRound(50))).toBeCloseTo(GATHER_MAX_MS, 5);
});

test("one client alone never waits, nor does anybody for an entry that cost nothing, or when plenty is there", () => {
  expect(afterRound(2).waitMs(1000, 100)).toBe(0);
  expect(afterRound(0.1).waitMs(100, 100)).toBe(0);
  expect(new Gathering().waitMs(100, 0)).toBe(0);
  expect(afterRound(2, 1_000_000).waitMs(PLENTY_BYTES, 100)).toBe(0);
});

test("two crowds of clients that come back at once become one, and stay one", () => {
  // Ten clients of 100 bytes: six are answered by the first entry, four wait; each is back within a millisecond.
  const entries = rounds(100, (sinceMs, sealed) => {
    const answered = sealed.at(-1)?.bytes ?? 600;
    return 1000 - answered + Math.min(1, sinceMs) * answered;
  });
  for (const { bytes } of entries) expect(bytes).toBeGreaterThanOrEqual(900);
});

test("nobody is waited for when nothing has come for a while; what came while this node was busy has", () => {
  const gathering = afterRound(2);
  expect(gathering.waitMs(100, 100.5)).toBe(SILENCE_MS);
  expect(gathering.waitMs(100, 101.2)).toBeCloseTo(0.3, 5);
  expect(gathering.waitMs(200, 103)).toBe(SILENCE_MS);
  expect(gathering.waitMs(200, 104)).toBe(0);
});

test("a fast client loses little to one that comes now and then", () => {
  // One is back 0.2 ms after its reply; the other comes every tenth round, while the first one's entry is under way.
  const entries = rounds(1000, (sinceMs, sealed) => {
    const slow = sealed.length % 10 === 9 ? 100 : 0;
    return slow + (sinceMs >= 0.2 ? 100 : 0);
  });
  const mean = entries.reduce((sum, { waitedMs }) => sum + waitedMs, 0) / entries.length;
  expect(mean).toBeLessThan(0.4);
});

test("what flows in steadily, whoever is answered, hardly ever waits", () => {
  // 1000 bytes in a millisecond, and in the one that an entry takes.
  const entries = rounds(1000, (sinceMs) => 1000 * (1 + sinceMs));
  const mean = entries.reduce((sum, { waitedMs }) => sum + waitedMs, 0) / entries.length;
  expect(mean).toBeLessThan(0.1);
});

test("who was answered and does not come back is waited for ever more rarely", () => {
  // The first entry's crowd is gone: one client is left, with commands small and large in turn.
  const entries = rounds(1000, (sinceMs, sealed) =>
    sinceMs === 0 ? 0 : sealed.length % 2 === 0 ? 100 : 1000,
  );
  const long = entries.filter(({ waitedMs }) => waitedMs > MODEST_MAX_MS + 0.1);
  expect(long.length).toBeLessThan(22);
});

test("a crowd that comes back after all is soon waited for again", () => {
  const gathering = new Gathering();
  let nowMs = 0;
  let lastBytes = 1000;
  gathering.sealed(lastBytes, nowMs);
  /** Whether the next entry waits for more than the last one carried, when it will carry so much. */
  const waitsForAll = (gatheredBytes: number, bytes: number): boolean => {
    nowMs += 1;
    gathering.committed(gatheredBytes, nowMs);
    const waits = gathering.waitMs(lastBytes * 0.9, nowMs) > 0;
    nowMs += 1;
    gathering.sealed(bytes, nowMs);
    lastBytes = bytes;
    return waits;
  };
  // In vain: the next one does not, then two do not, then four.
  const inVain = Array.from({ length: 12 }, () => waitsForAll(500, 800));
  expect(inVain).toEqual([1, 0, 1, 0, 0, 1, 0, 0, 0, 0, 1, 0].map(Boolean));
  for (let modest = 0; modest < 7; modest++) waitsForAll(500, 800);
  expect(waitsForAll(500, 1300)).toBe(true);
  // Quiet behind it: it was the crowd, and half as many entries are modest after the next one that is in vain.
  expect(waitsForAll(200, 800)).toBe(true);
  const modest = Array.from({ length: 10 }, () => waitsForAll(500, 800)).indexOf(true);
  expect(modest).toBe(8);
});

test("only an entry with commands counts as a round", () => {
  const gathering = afterRound(1);
  gathering.committed(100, 5000);
  expect(gathering.waitMs(100, 5000)).toBe(0);
});
