import fc from "fast-check";
import { expect, test } from "vitest";
import { countVotes, isQuorum, majorityValue, quorumValue } from "./quorum.ts";

const values = fc.array(fc.nat(20), { minLength: 1, maxLength: 9 });

test("the majority value is the highest that more than half have reached", () => {
  fc.assert(
    fc.property(values, (reached) => {
      const ids = reached.map((_, at) => `n${at}`);
      const value = majorityValue(ids, (id) => reached[Number(id.slice(1))]!);
      const count = (least: number): number => reached.filter((each) => each >= least).length;
      expect(count(value) * 2).toBeGreaterThan(reached.length);
      expect(count(value + 1) * 2).toBeLessThanOrEqual(reached.length);
    }),
  );
});

test("a joint quorum is a majority of both sets, and neither alone", () => {
  const sets = { voters: ["a", "b", "c"], outgoing: ["c", "d", "e"] };
  const holds = (...ids: string[]) => isQuorum(sets, (id) => ids.includes(id));
  expect(holds("a", "b")).toBe(false);
  expect(holds("d", "e", "c")).toBe(false);
  expect(holds("a", "c", "d")).toBe(true);
  const match: Readonly<Record<string, number>> = { a: 9, b: 9, c: 4, d: 3, e: 1 };
  expect(quorumValue(sets, (id) => match[id]!)).toBe(3);
});

test("an election is lost as soon as it cannot be won, in either set", () => {
  const sets = { voters: ["a", "b", "c"], outgoing: ["c", "d", "e"] };
  const votes = (...pairs: [string, boolean][]) => countVotes(sets, new Map(pairs));
  expect(votes(["a", true], ["b", true])).toBe("pending");
  expect(votes(["a", true], ["b", true], ["d", false], ["e", false])).toBe("lost");
  expect(votes(["a", true], ["c", true], ["d", true])).toBe("won");
});

test("two quorums of one membership always share a voter", () => {
  const ids = ["a", "b", "c", "d", "e"];
  const subset = fc.subarray(ids);
  fc.assert(
    fc.property(
      fc.subarray(ids, { minLength: 1 }),
      subset,
      subset,
      subset,
      (voters, outgoing, left, right) => {
        const sets = { voters, outgoing };
        fc.pre(isQuorum(sets, (id) => left.includes(id)) && isQuorum(sets, (id) => right.includes(id)));
        expect(voters.some((id) => left.includes(id) && right.includes(id))).toBe(true);
      },
    ),
  );
});
