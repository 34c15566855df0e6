import { expect, test } from "vitest";
import type { Membership } from "./consensus.ts";
import {
  decodeMembership,
  encodeMembership,
  enterJoint,
  leaveJoint,
  MembershipHistory,
  refuseGoal,
  withLearners,
} from "./membership.ts";

const of = (...ids: string[]) => Object.fromEntries(ids.map((id) => [id, `${id}:1`]));
const NOW: Membership = {
  voters: ["a", "b", "c"],
  outgoing: [],
  learners: ["l"],
  addresses: of("a", "b", "c", "l"),
};
const GOAL = { voters: ["b", "c", "d"], learners: ["a"], addresses: of("d") };

test("a change adds learners, then needs both majorities, then leaves the old voters behind", () => {
  const learning = withLearners(NOW, GOAL);
  expect(learning).toMatchObject({ voters: ["a", "b", "c"], outgoing: [], learners: ["d", "l"] });
  const joint = enterJoint(learning, GOAL);
  expect(joint).toMatchObject({ voters: ["b", "c", "d"], outgoing: ["a", "b", "c"], learners: ["a"] });
  const left = leaveJoint(joint);
  expect(left).toMatchObject({ voters: ["b", "c", "d"], outgoing: [], learners: ["a"] });
  expect(left.addresses).toEqual(of("a", "b", "c", "d"));
});

test("a change of learners alone needs no joint phase", () => {
  const goal = { voters: ["c", "b", "a"], learners: [], addresses: {} };
  expect(enterJoint(NOW, goal).outgoing).toEqual([]);
});

test("a goal without voters, with a member twice or without an address is refused", () => {
  expect(refuseGoal({ voters: [], learners: ["a"], addresses: of("a") })).toMatch(/at least one voter/);
  expect(refuseGoal({ voters: ["a"], learners: ["a"], addresses: of("a") })).toMatch(/twice/);
  expect(refuseGoal({ voters: ["a", "b"], learners: [], addresses: of("a") })).toMatch(/no address for b/);
});

test("an encoded membership reads back, and anything else is refused", () => {
  const bytes = encodeMembership(NOW);
  expect(decodeMembership(bytes)).toEqual(NOW);
  expect(() => decodeMembership(bytes.subarray(0, bytes.length - 1))).toThrow(/truncated/);
  const twice = encodeMembership({ ...NOW, voters: ["a", "a"] });
  expect(() => decodeMembership(twice)).toThrow(/twice/);
});

test("a truncation brings the membership before it back into force", () => {
  const history = new MembershipHistory({ index: 0, term: 1, membership: NOW });
  const joint = enterJoint(NOW, GOAL);
  history.append({ index: 5, term: 1, membership: joint });
  expect(history.truncateFrom(6)).toBe(false);
  expect([history.at(4), history.at(5)]).toEqual([NOW, joint]);
  expect(history.truncateFrom(5)).toBe(true);
  expect(history.latest.membership).toEqual(NOW);
  history.append({ index: 7, term: 1, membership: joint });
  history.compactTo(9);
  expect(history.truncateFrom(8)).toBe(false);
  expect(history.latest.membership).toEqual(joint);
});
