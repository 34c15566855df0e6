import fc from "fast-check";
import { expect, test } from "vitest";
import type { Membership } from "../../consensus/consensus.ts";
import { enterJoint, leaveJoint, sameMembership, withLearners } from "../../consensus/membership.ts";
import { stepTowards } from "./repeated-members.ts";

const NAMES = ["n1", "n2", "n3", "n4"];

/** What each name is: no member, a learner or a voter, as its founder or in one of two later lives. */
const memberships = fc
  .array(
    fc.record({ role: fc.constantFrom("none", "learner", "voter"), life: fc.constantFrom("", "a1", "b2") }),
    {
      minLength: 4,
      maxLength: 4,
    },
  )
  .filter((drawn) => drawn.some(({ role }) => role === "voter"))
  .map((drawn): Membership => {
    const of = (role: string): string[] => NAMES.filter((_, at) => drawn[at]?.role === role);
    const members = [...of("voter"), ...of("learner")];
    const lives = members.map((id) => [id, drawn[NAMES.indexOf(id)]?.life ?? ""] as const);
    return {
      voters: of("voter"),
      outgoing: [],
      learners: of("learner"),
      addresses: Object.fromEntries(members.map((id) => [id, id])),
      identities: Object.fromEntries(lives.filter(([, life]) => life !== "")),
    };
  });

/** A later life of a name that is there is never followed by the founder again. */
const neverBack = (now: Membership, target: Membership): boolean =>
  NAMES.every(
    (id) =>
      now.identities?.[id] === undefined ||
      target.addresses[id] === undefined ||
      target.identities?.[id] !== undefined,
  );

test("step by step a group gets the members of the keyspace, and no vote passes from one life to another at once", () => {
  fc.assert(
    fc.property(memberships, memberships, (start, target) => {
      fc.pre(neverBack(start, target));
      // Some voter of before stays who it was: else nobody could have brought the keyspace there either.
      fc.pre(
        start.voters.some(
          (id) => (target.identities?.[id] ?? start.identities?.[id]) === start.identities?.[id],
        ),
      );
      let now = start;
      for (let steps = 0; steps < 3; steps++) {
        const goal = stepTowards(now, target);
        if (goal === undefined) break;
        for (const id of goal.voters) {
          if (now.voters.includes(id))
            expect(goal.identities?.[id] ?? now.identities?.[id]).toBe(now.identities?.[id]);
        }
        expect(goal.voters).not.toHaveLength(0);
        now = leaveJoint(enterJoint(withLearners(now, goal), goal));
      }
      expect(sameMembership(now, target)).toBe(true);
      expect(stepTowards(now, target)).toBeUndefined();
    }),
  );
});

test("while a change of either is half done, nothing is begun", () => {
  const whole: Membership = { voters: ["n1"], outgoing: [], learners: [], addresses: { n1: "n1", n2: "n2" } };
  const half: Membership = { ...whole, voters: ["n1", "n2"], outgoing: ["n1"] };
  expect(stepTowards(whole, half)).toBeUndefined();
  expect(stepTowards(half, whole)).toBeUndefined();
});
