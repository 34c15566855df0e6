import { expect, test } from "vitest";
import { judge } from "./counter-act.ts";
import { createPauses, median } from "./pauses.ts";

type Turn = Parameters<typeof judge>[0][number];

/** Turn by turn: token, value, when the lock was asked for and when the write was answered. */
function turn(
  token: number,
  value: number,
  askedMs: number,
  doneMs: number,
  outcome: Turn["outcome"] = "acknowledged",
): Turn {
  return { worker: token % 2, token, value, askedMs, doneMs, outcome };
}

const HISTORY = [turn(1, 1, 0, 10), turn(2, 2, 5, 20), turn(4, 3, 21, 30)];
const JOURNAL = ["1:1", "2:2", "4:3"];

test("an honest history has no complaints, with gaps between tokens too", () => {
  expect(judge(HISTORY, JOURNAL, 3)).toEqual({ complaints: [], unsureLanded: 0 });
});

test("an unknown outcome counts as what the store says", () => {
  const landed = [...HISTORY, turn(5, 4, 31, Infinity, "unsure")];
  expect(judge(landed, [...JOURNAL, "5:4"], 4)).toEqual({ complaints: [], unsureLanded: 1 });
  expect(judge(landed, JOURNAL, 3)).toEqual({ complaints: [], unsureLanded: 0 });
});

test.each([
  ["a lost acknowledged increment", HISTORY, ["1:1", "2:2"], 2, /acknowledged increment to 3 is lost/],
  ["an increment made twice", HISTORY, ["1:1", "2:2", "4:2"], 3, /lost or doubled/],
  ["tokens that write out of order", HISTORY, ["2:1", "1:2", "4:3"], 3, /token 1 wrote after token 2/],
  ["a counter that differs from its journal", HISTORY, JOURNAL, 4, /the counter is 4 after 3 writes/],
  [
    "a refused write that happened",
    [...HISTORY, turn(5, 4, 31, 40, "fenced")],
    [...JOURNAL, "5:4"],
    4,
    /refused and still/,
  ],
  [
    "a token given again after its holder had finished",
    [turn(2, 1, 0, 10), turn(1, 2, 11, 20)],
    ["2:1", "1:2"],
    2,
    /token 1 was given after token 2 had finished/,
  ],
] as const)("%s is found", (_what, turns, journal, counter, complaint) => {
  expect(judge(turns, journal, counter).complaints.join("\n")).toMatch(complaint);
});

test("a pause is the gap between the acknowledgements around the fault, for each writer", () => {
  let now = 0;
  const pauses = createPauses(() => now);
  const at = (ms: number, writer: string): void => {
    now = ms;
    pauses.acknowledged(writer);
  };
  at(1, "a");
  at(2, "b");
  at(5, "a");
  now = 7;
  pauses.fault();
  at(305, "a");
  at(306, "a");
  at(400, "c");
  at(412, "b");
  expect(pauses.gaps()).toEqual([[300, 410]]);
  expect(pauses.total).toBe(7);
  expect([median([3, 1, 2]), median([4, 1, 2, 3]), median([])]).toEqual([2, 2.5, 0]);
});
