import fc from "fast-check";
import { expect, test } from "vitest";
import type { Entry, Membership } from "../consensus.ts";
import { encodeMembership } from "../membership.ts";
import type { RaftMessage } from "./message.ts";
import { concatBytes, viewBytes } from "../../runtime/bytes.ts";
import { isQuorateError } from "../../runtime/errors.ts";
import { decodeMessage, encodeMessage } from "./message-codec.ts";

const number = fc.oneof(fc.nat(100), fc.nat(0xffff_ffff), fc.integer({ min: 0, max: 2 ** 40 }));
const term = fc.integer({ min: 2 ** 41, max: 2 ** 42 });
const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => viewBytes(array));
const id = fc.string({ unit: "grapheme", minLength: 1, maxLength: 8 });
const ids = fc.uniqueArray(id, { maxLength: 5 });
const membership: fc.Arbitrary<Membership> = fc.record({
  voters: ids,
  outgoing: ids,
  learners: ids,
  addresses: fc.dictionary(id, fc.string(), { noNullPrototype: true, maxKeys: 5 }),
});
const entry = fc.oneof(
  fc.record({ kind: fc.constantFrom("command" as const, "noop" as const), payload: bytes(600) }),
  membership.map((m) => ({ kind: "membership" as const, payload: encodeMembership(m) })),
);

const append: fc.Arbitrary<RaftMessage> = fc
  .record({
    term,
    prevIndex: number,
    prevTerm: fc.constant(0),
    commitIndex: number,
    entries: fc.array(entry, { maxLength: 8 }),
    terms: fc.array(number, { minLength: 8, maxLength: 8 }),
  })
  .map(({ terms, entries, ...rest }) => {
    const rising = terms.sort((left, right) => left - right);
    const numbered: Entry[] = entries.map((each, at) => ({
      ...each,
      index: rest.prevIndex + 1 + at,
      term: rising[at]!,
    }));
    return { type: "append", ...rest, entries: numbered };
  });

const chunk: fc.Arbitrary<RaftMessage> = fc
  .record({ term, index: number, membership, offset: number, chunk: bytes(300), rest: number })
  .map(({ index, membership: m, rest, ...message }) => {
    const sizeBytes = message.offset + message.chunk.length + rest;
    return { type: "snapshotChunk", ...message, snapshot: { index, term: 7, membership: m, sizeBytes } };
  });

const plain = <T extends RaftMessage["type"]>(type: T) => ({ type: fc.constant(type), term });
const message: fc.Arbitrary<RaftMessage> = fc.oneof(
  append,
  chunk,
  fc.record({ ...plain("preVote"), lastIndex: number, lastTerm: number }),
  fc.record({ ...plain("vote"), lastIndex: number, lastTerm: number, transfer: fc.boolean() }),
  fc.record({ ...plain("preVoteReply"), granted: fc.boolean() }),
  fc.record({ ...plain("voteReply"), granted: fc.boolean() }),
  fc.record({ ...plain("appendReply"), matchIndex: number }),
  fc.record({
    ...plain("appendReject"),
    prevIndex: number,
    hintIndex: number,
    hintTerm: number,
    recovering: fc.boolean(),
  }),
  fc.record({ ...plain("heartbeat"), round: number, commitIndex: number }),
  fc.record({ ...plain("heartbeatReply"), round: number, receivedIndex: number, durableIndex: number }),
  fc.record({ ...plain("commitNotice"), commitIndex: number }),
  fc.record(plain("timeoutNow")),
  fc.record({ ...plain("transferRequest"), to: id }),
  fc.record({ ...plain("readRequest"), id: number }),
  fc.record({ ...plain("readReply"), id: number, index: fc.option(number, { nil: undefined }) }),
  fc.record({ ...plain("snapshotReply"), snapshotIndex: number, offset: number }),
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
  const entries: Entry[] = [{ index: 1, term: 1, kind: "command", payload }];
  const parts = encodeMessage({
    type: "append",
    term: 1,
    prevIndex: 0,
    prevTerm: 0,
    entries,
    commitIndex: 0,
  });
  expect(parts).toContain(payload);
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
  const first = fc.integer({ min: 0, max: 20 });
  const anything = fc.tuple(first, fc.uint8Array({ maxLength: 200 }));
  fc.assert(
    fc.property(anything, ([code, rest]) => decodesOrRefuses(Uint8Array.from([code, ...rest]))),
    { numRuns: 3000 },
  );
});

test("a damaged or truncated message is decoded or refused, never anything else", () => {
  fc.assert(
    fc.property(
      message,
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      fc.nat(),
      (original, place, flip, cut) => {
        const frame = Uint8Array.from(concatBytes(encodeMessage(original)));
        decodesOrRefuses(frame.slice(0, cut % frame.length));
        frame[place % frame.length]! ^= flip;
        decodesOrRefuses(frame);
      },
    ),
    { numRuns: 2000 },
  );
});

test.each([
  ["a count of entries that no frame could hold", { entries: 0xffff_ffff }],
  ["an index that would pass 2^53", { prevIndex: 2 ** 53 - 1, entries: 1 }],
  ["entries of a later term than the sender's", { entryTerm: 9 }],
])(
  "an append with %s is refused",
  (_, wrong: { entries?: number; prevIndex?: number; entryTerm?: number }) => {
    const good: RaftMessage = {
      type: "append",
      term: 5,
      prevIndex: wrong.prevIndex ?? 3,
      prevTerm: 2,
      commitIndex: 0,
      entries: [
        { index: 4, term: wrong.entryTerm ?? 3, kind: "noop", payload: viewBytes(new Uint8Array(0)) },
      ],
    };
    const frame = concatBytes(encodeMessage(good));
    if (wrong.entries !== undefined) frame.writeUInt32LE(wrong.entries, 1 + 4 * 8);
    expect(() => decodeMessage(frame)).toThrow(expect.objectContaining({ code: "PROTOCOL" }));
  },
);
