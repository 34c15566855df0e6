import { expect, test } from "vitest";
import { zeroBytes } from "../runtime/bytes.ts";
import type { Entry } from "./consensus.ts";
import { Log } from "./log.ts";

function logOf(terms: readonly number[], base = 0, baseTerm = 0): Log {
  const log = new Log(base, baseTerm);
  terms.forEach((term, at) =>
    log.append({ index: base + at + 1, term, kind: "command", payload: zeroBytes(4) }),
  );
  return log;
}

test("the term of the compacted end is known, and nothing before it", () => {
  const log = logOf([1, 1, 2, 2, 3]);
  log.compactTo(3);
  expect([log.term(2), log.term(3), log.term(4), log.term(6)]).toEqual([undefined, 2, 2, undefined]);
  expect([log.firstIndex, log.lastIndex, log.entry(3)?.term, log.entry(4)?.term]).toEqual([
    4,
    5,
    undefined,
    2,
  ]);
});

test("a gap, a falling term or a cut into the compacted log stops the node", () => {
  const log = logOf([2], 5, 2);
  const entry = (index: number, term: number): Entry => ({
    index,
    term,
    kind: "noop",
    payload: zeroBytes(0),
  });
  expect(() => log.append(entry(8, 2))).toThrow(/gap/);
  expect(() => log.append(entry(7, 1))).toThrow(/go back/);
  expect(() => log.truncateFrom(5)).toThrow(/compacted/);
});

test("a batch is bounded in bytes and never empty while there is an entry", () => {
  const log = logOf([1, 1, 1, 1]);
  expect(log.batch(1, 9).map((each) => each.index)).toEqual([1, 2]);
  expect(log.batch(2, 1).map((each) => each.index)).toEqual([2]);
  expect(log.batch(5, 100)).toEqual([]);
});

test("two logs find where they can agree in one step per term", () => {
  const leader = logOf([1, 1, 1, 4, 4, 5, 5, 6, 6, 6]);
  const follower = logOf([1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3]);
  // The leader asks behind its last entry; the follower's terms 2 and 3 cannot be below term 6 of the leader's log.
  const hint = follower.agreementLimit(10, 6);
  expect(hint).toBe(10);
  expect(leader.agreementLimit(hint, follower.term(hint)!)).toBe(3);
});
