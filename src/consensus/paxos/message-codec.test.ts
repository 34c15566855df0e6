import fc from "fast-check";
import { expect, test } from "vitest";
import type { Entry } from "../consensus.ts";
import { encodeMembership } from "../membership.ts";
import { concatBytes, viewBytes } from "../../runtime/bytes.ts";
import { isQuorateError } from "../../runtime/errors.ts";
import { decodeMessage as decodeRaft } from "../raft/message-codec.ts";
import { decodeMessage, encodeMessage } from "./message-codec.ts";
import type { Run } from "../message.ts";
import type { PaxosMessage } from "./message.ts";
import { seated } from "./seating.ts";

const index = fc.oneof(fc.nat(100), fc.nat(0xffff_ffff), fc.integer({ min: 0, max: 2 ** 40 }));
const term = fc.integer({ min: 2 ** 41, max: 2 ** 42 });
const id = fc.string({ unit: "grapheme", minLength: 1, maxLength: 8 });
const membership = fc.uniqueArray(id, { minLength: 2, maxLength: 5 }).map((ids) => {
  const founding = { voters: ids.slice(1), outgoing: [], learners: [], addresses: {} };
  return seated(founding, { ...founding, voters: ids, identities: { [ids[0]!]: "anew" } });
});
const entry = fc.oneof(
  fc.record({
    kind: fc.constantFrom("command" as const, "noop" as const),
    payload: fc.uint8Array({ maxLength: 600 }).map((bytes) => viewBytes(bytes)),
  }),
  membership.map((m) => ({ kind: "membership" as const, payload: encodeMembership(m) })),
);
/** Of any earlier ballots, in any order. */
const entries = fc.array(fc.tuple(entry, index), { maxLength: 8 });
const numbered = (
  from: number,
  list: readonly (readonly [Omit<Entry, "index" | "term">, number])[],
): Entry[] => list.map(([each, ballot], at) => ({ ...each, index: from + at, term: ballot }));

const plain = <T extends PaxosMessage["type"]>(type: T) => ({ type: fc.constant(type), term });
const accepted = (chosenIndex: number, gaps: readonly (readonly [number, number, number])[]): Run[] => {
  const runs: Run[] = [];
  let end = chosenIndex;
  for (const [gap, length, ballot] of gaps) {
    runs.push({ fromIndex: end + 1 + gap, toIndex: end + 1 + gap + length, ballot });
    end += 1 + gap + length;
  }
  return runs;
};
const gaps = fc.array(fc.tuple(fc.nat(3), fc.nat(9), index), { maxLength: 6 });
const promise: fc.Arbitrary<PaxosMessage> = fc
  .record({
    ...plain("promise"),
    chosenIndex: index,
    firstIndex: index,
    rest: fc.nat(1000),
    gaps,
  })
  .map(({ rest, gaps: drawn, ...message }) => {
    const runs = accepted(message.chosenIndex, drawn);
    const end = runs.at(-1)?.toIndex ?? message.chosenIndex;
    const fromIndex = message.chosenIndex + 1;
    return { ...message, fromIndex, runs, throughIndex: end, lastIndex: end + rest };
  });
const message: fc.Arbitrary<PaxosMessage> = fc.oneof(
  promise,
  fc
    .record({ ...plain("accept"), prevIndex: index, openingIndex: index, commitIndex: index, list: entries })
    .map(({ list, ...rest }) => ({ ...rest, entries: numbered(rest.prevIndex + 1, list) })),
  fc
    .record({ ...plain("values"), fromIndex: index, list: entries })
    .map(({ list, ...rest }) => ({ ...rest, entries: numbered(rest.fromIndex, list) })),
  fc
    .record({ ...plain("prepare"), fromIndex: index, replaces: index, chosenIndex: index, gaps })
    .map(({ gaps: drawn, ...rest }) => ({ ...rest, accepted: accepted(rest.chosenIndex, drawn) })),
  fc.record(plain("refusal")),
  fc.record({ ...plain("fetch"), fromIndex: index, toIndex: index }),
  fc.record({ ...plain("accepted"), matchIndex: index }),
  fc.record({ ...plain("gap"), prevIndex: index, hintIndex: index, recovering: fc.boolean() }),
  fc.record({ ...plain("heartbeat"), round: index, commitIndex: index }),
  fc
    .record({ ...plain("preVote"), lastIndex: index, lastTerm: fc.constant(0), gaps })
    .map(({ gaps: drawn, ...rest }) => ({ ...rest, accepted: accepted(rest.lastIndex, drawn) })),
);

test("what was encoded is decoded to the same message", () => {
  fc.assert(
    fc.property(message, (original) => {
      expect(decodeMessage(concatBytes(encodeMessage(original)))).toEqual(original);
    }),
    { numRuns: 500 },
  );
});

test("large payloads are parts of their own, not copies", () => {
  const payload = viewBytes(new Uint8Array(4096));
  const command: Entry = { index: 1, term: 1, kind: "command", payload };
  const accept = { type: "accept", term: 1, prevIndex: 0, openingIndex: 0, commitIndex: 0 } as const;
  expect(encodeMessage({ ...accept, entries: [command] })).toContain(payload);
});

/** Decodes, or fails with PROTOCOL: nothing else may happen. */
function decodesOrRefuses(frame: Uint8Array<ArrayBuffer>): void {
  try {
    decodeMessage(viewBytes(frame));
  } catch (error) {
    expect(isQuorateError(error) && error.code).toBe("PROTOCOL");
  }
}

test("random bytes are refused with PROTOCOL", () => {
  const anything = fc.tuple(fc.integer({ min: 0, max: 30 }), fc.uint8Array({ maxLength: 200 }));
  fc.assert(
    fc.property(anything, ([code, rest]) => decodesOrRefuses(Uint8Array.from([code, ...rest]))),
    { numRuns: 3000 },
  );
});

test("a damaged or truncated message is decoded or refused, never anything else", () => {
  const flip = fc.integer({ min: 1, max: 255 });
  fc.assert(
    fc.property(message, fc.nat(), flip, fc.nat(), (original, place, bits, cut) => {
      const frame = Uint8Array.from(concatBytes(encodeMessage(original)));
      decodesOrRefuses(frame.slice(0, cut % frame.length));
      frame[place % frame.length]! ^= bits;
      decodesOrRefuses(frame);
    }),
    { numRuns: 2000 },
  );
});

const PROMISE = { type: "promise", term: 50, fromIndex: 4, chosenIndex: 3, firstIndex: 1 } as const;
const run = (fromIndex: number, toIndex: number, ballot: number): Run => ({ fromIndex, toIndex, ballot });

test.each<[string, PaxosMessage]>([
  ["runs that overlap", { ...PROMISE, runs: [run(4, 6, 9), run(6, 7, 8)], throughIndex: 7, lastIndex: 7 }],
  [
    "a run of the candidate's own ballot",
    { ...PROMISE, runs: [run(4, 4, 50)], throughIndex: 4, lastIndex: 4 },
  ],
  ["a run past its end", { ...PROMISE, runs: [run(4, 9, 8)], throughIndex: 7, lastIndex: 9 }],
  ["a run of what is chosen", { ...PROMISE, runs: [run(3, 4, 8)], throughIndex: 7, lastIndex: 9 }],
  ["more slots than fit in memory", { ...PROMISE, runs: [], throughIndex: 2 ** 40, lastIndex: 2 ** 40 }],
])("a promise with %s is refused", (_, wrong) => {
  expect(() => decodeMessage(concatBytes(encodeMessage(wrong)))).toThrow(
    expect.objectContaining({ code: "PROTOCOL" }),
  );
});

test("a prepare that stands in for a leader of its own ballot, or a later one, is refused", () => {
  const prepare = {
    type: "prepare",
    term: 50,
    fromIndex: 1,
    replaces: 50,
    chosenIndex: 0,
    accepted: [],
  } as const;
  expect(() => decodeMessage(concatBytes(encodeMessage(prepare)))).toThrow(/replaces a later one/);
});

test("neither algorithm takes the other's messages for its own", () => {
  const accepted = encodeMessage({ type: "accepted", term: 5, matchIndex: 3 });
  expect(() => decodeRaft(concatBytes(accepted))).toThrow(/unknown message/);
  const vote = Uint8Array.from([3, ...new Uint8Array(25)]);
  expect(() => decodeMessage(viewBytes(vote))).toThrow(/unknown message/);
});
