import { expect, test } from "vitest";
import { bytesFromUtf8, concatBytes } from "../../runtime/bytes.ts";
import { decodeGreeting, encodeGreeting, frameHeader, readFrame } from "./frames.ts";
import type { Greeting } from "./frames.ts";

const content = bytesFromUtf8("content");
const TAG = 0xabcdef012345;

test("a frame of the keyspace is what it was when there was one group only", () => {
  const header = frameHeader("consensus", TAG);
  expect([header.length, header[0]]).toEqual([9, 0]);
  expect(readFrame(concatBytes([header, content]))).toEqual({
    kind: "consensus",
    group: 0,
    directoryTag: TAG,
    content,
  });
});

test.each(["consensus", "batch", "visitor"] as const)(
  "a %s frame of another group has a kind that earlier versions refuse, and names its group",
  (kind) => {
    const frame = concatBytes([frameHeader(kind, TAG, 7), content]);
    // Earlier versions know nine kinds.
    expect(frame[0]).toBeGreaterThanOrEqual(9);
    expect(readFrame(frame)).toEqual({ kind, group: 7, directoryTag: TAG, content });
  },
);

test("what is no whole frame of a known kind is refused", () => {
  const whole = concatBytes([frameHeader("batch", TAG, 7)]);
  for (let length = 0; length < whole.length; length++) {
    expect(() => readFrame(whole.subarray(0, length))).toThrow();
  }
  const unknown = concatBytes([whole]);
  unknown[0] = 12;
  expect(() => readFrame(unknown)).toThrow(/unknown kind/);
  const zero = concatBytes([whole]);
  zero.fill(0, 9);
  expect(() => readFrame(zero)).toThrow(/group 0/);
  expect(() => frameHeader("greeting", TAG, 7)).toThrow(/has no group/);
});

test("a greeting with a row that is none is refused", () => {
  const row = {
    id: 1,
    role: "leader",
    term: 2,
    appliedIndex: 3,
    commitIndex: 4,
    digest: 5,
    recovering: false,
  };
  const greeting = (groups: unknown): Greeting => ({ groups }) as unknown as Greeting;
  expect(decodeGreeting(encodeGreeting(greeting([row]))).groups).toEqual([row]);
  for (const odd of [row, [null], ["g1"], [{ ...row, term: "2" }], [{ ...row, standing: { term: 1 } }]]) {
    expect(() => decodeGreeting(encodeGreeting(greeting(odd)))).toThrow(/malformed greeting/);
  }
});
